//! Connections to peers: resolve, dial, TLS, read, write; in `script`, peers without a network. Knows no
//! WebAssembly, no grants and no deadline: whoever calls drops the future when time is up.

mod certificate;
mod datagrams;
mod dial;
mod error;
mod impairment;
mod network;
mod refusal;
mod resolve;
mod roots;
pub mod script;
mod scripted;
mod tls;
mod trust;
mod verify;

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub use certificate::{Certificate, ChainDates};
pub use datagrams::{DatagramSocket, MAX_DATAGRAM};
pub use error::{Error, TlsProblem};
pub use impairment::{Ending, Impairment};
pub use network::Network;
pub use resolve::{Resolution, Resolver};
pub use roots::read_system_roots;
pub(crate) use roots::system_roots;
pub use tls::{TlsClient, TlsInfo, is_server_name};
pub use trust::{ClientIdentity, Tls, Trust};

use crate::open::{self, Kind, Opened};
use impairment::Room;
use scripted::Scripted;

/// A connection to a peer.
#[derive(Debug)]
pub struct Connection {
    transport: Transport,
    host: String,
    peer: SocketAddr,
    number: u32,
    certificate: Option<Box<Certificate>>,
    impairment: Impairment,
    /// Whether the peer has ended the stream, and not the session of TLS.
    is_cut: bool,
    was_closed: bool,
    /// Has it listed as long as it is open.
    opened: Option<Opened>,
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Stays until the connection is dropped, because of what it has to say of the script then.
    Scripted(Box<Scripted>),
    /// Closed, or a handshake that failed or was abandoned half-way.
    Unusable,
}

impl Connection {
    /// A connection over a stream to `host`; `number` tells it from the others of its attempt. It is boxed here, by a
    /// function of its own, so that who dials on the stack of a guest has no room for it there.
    ///
    /// # Errors
    ///
    /// When the peer is gone already.
    #[inline(never)]
    #[track_caller]
    pub fn new(stream: TcpStream, host: &str, number: u32) -> Result<Box<Self>, Error> {
        let peer = stream.peer_addr().map_err(|error| Error::from(&error))?;
        // Without the host, in whose name there may be a secret: what is open is told in the log as it stands.
        let opened = open::everywhere().open(Kind::Connection, peer.to_string());
        let mut connection = Box::new(Self::over(Transport::Plain(stream), host, peer, number));
        connection.opened = Some(opened);
        Ok(connection)
    }

    fn scripted(scripted: Scripted, host: &str, peer: SocketAddr, number: u32) -> Self {
        Self::over(Transport::Scripted(Box::new(scripted)), host, peer, number)
    }

    /// A connection of a recorded run: it has a peer, and nothing goes over it.
    pub fn recorded(host: &str, peer: SocketAddr, number: u32) -> Self {
        Self::over(Transport::Unusable, host, peer, number)
    }

    fn over(transport: Transport, host: &str, peer: SocketAddr, number: u32) -> Self {
        Self {
            transport,
            host: host.to_owned(),
            peer,
            number,
            certificate: None,
            impairment: Impairment::default(),
            is_cut: false,
            was_closed: false,
            opened: None,
        }
    }

    /// Which one it is of its attempt's, counted from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether its owner was told that it is closed.
    pub fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Its owner is told that it is closed, by itself or, of a recorded run, by the tape.
    pub fn note_closed(&mut self) {
        self.was_closed = true;
    }

    /// What is wrong with it on purpose.
    pub fn impairment(&mut self) -> &mut Impairment {
        &mut self.impairment
    }

    /// What did not go by the script, of a connection to a scripted peer.
    pub fn complaint(&self) -> Option<&str> {
        match &self.transport {
            Transport::Scripted(scripted) => scripted.complaint(),
            _ => None,
        }
    }

    /// The host that was dialled.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The peer's address and port.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The certificate that the peer showed in a handshake, also in one that failed.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Negotiates TLS. A connection whose handshake failed or was abandoned cannot be used again.
    ///
    /// # Errors
    ///
    /// TLS errors, plaintext ahead of the handshake among them, and errors of the network.
    pub async fn start_tls(
        &mut self,
        client: &TlsClient,
        server_name: Option<&str>,
        alpn: Vec<Vec<u8>>,
    ) -> Result<TlsInfo, Error> {
        self.impairment.check()?;
        if let Transport::Scripted(scripted) = &mut self.transport {
            let info = scripted.start_tls().await;
            self.certificate = scripted.certificate().cloned().map(Box::new);
            return info;
        }
        match std::mem::replace(&mut self.transport, Transport::Unusable) {
            Transport::Plain(stream) => {
                refuse_early_plaintext(&stream)?;
                let name = client.server_name(server_name, &self.host);
                let handshake = client.handshake(stream, name, alpn).await;
                self.certificate = handshake.certificate.map(Box::new);
                let (stream, info) = handshake.result?;
                self.transport = Transport::Tls(stream);
                Ok(info)
            }
            Transport::Tls(stream) => {
                self.transport = Transport::Tls(stream);
                Err(HAS_TLS)
            }
            Transport::Scripted(_) | Transport::Unusable => Err(UNUSABLE),
        }
    }

    /// Waits for bytes, up to `maximum`; none means the end of the stream. Cancel safe.
    ///
    /// # Errors
    ///
    /// Errors of the network; [`Error::Closed`] behind an end without the closing alert of TLS, where bytes may be missing.
    pub async fn read(&mut self, maximum: usize) -> Result<Vec<u8>, Error> {
        let maximum = match self.impairment.room_to_read(maximum)? {
            Room::UpTo(maximum) => maximum,
            Room::Ended => return Ok(Vec::new()),
        };
        let bytes = self.receive(maximum).await?;
        self.impairment.have_read(bytes.len());
        Ok(bytes)
    }

    async fn receive(&mut self, maximum: usize) -> Result<Vec<u8>, Error> {
        let read = match &mut self.transport {
            Transport::Plain(stream) => match poll_fn(|context| stream.poll_read_ready(context)).await {
                Ok(()) => what_is_there(stream, maximum).await,
                Err(error) => Err(error),
            },
            Transport::Tls(_) if self.is_cut => return Err(Error::Closed),
            Transport::Tls(stream) => match what_is_there(stream.as_mut(), maximum).await {
                // Many servers end without TLS's own farewell; what was read is authenticated, and who reads on is told.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.is_cut = true;
                    Ok(Vec::new())
                }
                read => read,
            },
            // Boxed, because a read from a real peer would have room for it while it waits.
            Transport::Scripted(scripted) => return Box::pin(scripted.read(maximum)).await,
            Transport::Unusable => return Err(UNUSABLE),
        };
        read.map_err(|error| Error::from(&error))
    }

    /// Writes all the bytes.
    ///
    /// # Errors
    ///
    /// Errors of the network.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let room = self.impairment.room_to_write(bytes.len())?;
        self.transmit(&bytes[..room]).await?;
        self.impairment.check()
    }

    async fn transmit(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = match &mut self.transport {
            Transport::Plain(stream) => stream.write_all(bytes).await,
            Transport::Tls(stream) => match stream.write_all(bytes).await {
                Ok(()) => stream.flush().await,
                failed => failed,
            },
            Transport::Scripted(scripted) => return scripted.write(bytes),
            Transport::Unusable => return Err(UNUSABLE),
        };
        written.map_err(|error| Error::from(&error))
    }

    /// Closes the connection; with TLS, tells the peer.
    ///
    /// # Errors
    ///
    /// Errors of the network while telling the peer; a peer that is gone already is none.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.impairment.check()?;
        if let Transport::Scripted(scripted) = &mut self.transport {
            return scripted.close();
        }
        let told = match std::mem::replace(&mut self.transport, Transport::Unusable) {
            Transport::Plain(mut stream) => stream.shutdown().await,
            Transport::Tls(mut stream) => stream.shutdown().await,
            Transport::Scripted(_) | Transport::Unusable => return Err(UNUSABLE),
        };
        self.opened = None;
        match told.map_err(|error| Error::from(&error)) {
            Ok(()) | Err(Error::Closed | Error::Reset) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Reads up to `maximum` bytes as soon as there are any. While there are none no buffer is held for them: thousands of
/// connections wait for a silent peer at the same time.
async fn what_is_there(stream: &mut (impl AsyncRead + Unpin), maximum: usize) -> io::Result<Vec<u8>> {
    poll_fn(|context| {
        let mut bytes = Vec::with_capacity(maximum);
        let read = pin!(stream.read_buf(&mut bytes)).poll(context);
        read.map_ok(|_| bytes)
    })
    .await
}

const UNUSABLE: Error = Error::InvalidUse(Cow::Borrowed("the connection is closed"));
const HAS_TLS: Error = Error::InvalidUse(Cow::Borrowed("the connection has TLS already"));
const CLOSED_BEFORE_TLS: &str = "the peer closed the connection before TLS";
const EARLY_PLAINTEXT: &str = "the peer sent plaintext ahead of the TLS handshake";

/// A TLS server speaks second. Whatever has arrived before our first message is not TLS, and in
/// STARTTLS it may have been put there by somebody in between.
fn refuse_early_plaintext(stream: &TcpStream) -> Result<(), Error> {
    let mut byte = [0];
    match stream.try_read(&mut byte) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(Error::from(&error)),
        Ok(0) => Err(Error::Tls(TlsProblem::Handshake, CLOSED_BEFORE_TLS.into())),
        Ok(_) => Err(Error::Tls(TlsProblem::Handshake, EARLY_PLAINTEXT.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_listed_while_it_is_open_with_who_opened_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let stream = TcpStream::connect(peer).await.unwrap();
        let line = line!() + 1;
        let mut connection = Connection::new(stream, "localhost", 0).unwrap();
        let name = format!("connection `{peer}`");
        // Other tests open connections too.
        let listed = || {
            let lines = open::everywhere().lines(usize::MAX);
            lines.into_iter().find(|line| line.starts_with(&name))
        };
        let place = format!("opened at {}:{line}:", file!());
        assert!(listed().unwrap().contains(&place), "{:?}", listed());
        connection.close().await.unwrap();
        assert_eq!(listed(), None);
    }

    fn scripted(steps: Vec<script::Step>) -> Connection {
        let peer = SocketAddr::from(([192, 0, 2, 1], 25));
        let script = script::Script::from_dialogues([], [Ok(steps)]);
        let dialogue = script.dial(0, peer).unwrap();
        let scripted = Scripted::new(
            dialogue,
            crate::clock::Clock::virtual_time(),
            std::time::Duration::ZERO,
        );
        Connection::scripted(scripted, "service.example", peer, 0)
    }

    #[tokio::test]
    async fn what_went_off_the_script_is_known_after_a_handshake_that_failed_or_was_given_up() {
        use futures_util::FutureExt;
        use script::{Pattern, Step};
        let expect = |text| Step::Expect(Pattern::parse(text).unwrap());
        let client = TlsClient::trusting_nobody();
        for after in [Step::HangUp, Step::Silence] {
            let mut connection = scripted(vec![expect("EHLO\n"), expect("STARTTLS\n"), after]);
            connection.write(b"STARTTLS\n").await.unwrap();
            let shaken = connection.start_tls(&client, None, Vec::new()).now_or_never();
            assert!(!matches!(shaken, Some(Ok(_))), "{shaken:?}");
            assert_eq!(
                connection.complaint(),
                Some("step 1 of connection 1: found `STARTTLS\\n`, wanted `EHLO\\n`")
            );
        }
    }

    #[tokio::test]
    async fn a_connection_to_a_scripted_peer_that_was_closed_is_of_no_use() {
        let mut connection = scripted(vec![script::Step::Send(b"hello".to_vec())]);
        assert_eq!(connection.close().await, Ok(()));
        assert_eq!(connection.read(9).await, Err(UNUSABLE));
        assert_eq!(connection.write(b"a").await, Err(UNUSABLE));
        assert_eq!(connection.close().await, Err(UNUSABLE));
    }
}
