//! A peer that follows a script and knows no protocol: the truth of a test is the bytes written in the test.
//!
//! ```
//! use std::io::{Read, Write};
//! use bedcheck_tests::script::Script;
//!
//! let peer = Script::new().send("* OK hi\r\n").expect("a LOGOUT\r\n").hang_up().serve();
//!
//! let mut client = std::net::TcpStream::connect(peer.address())?;
//! client.write_all(b"a LOGOUT\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//!
//! assert_eq!(answer, "* OK hi\r\n");
//! let transcripts = peer.finish();
//! assert_eq!(transcripts[0].mismatch, None);
//! # Ok::<(), std::io::Error>(())
//! ```

mod connection;
mod peer;

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

pub use peer::{ClosedPort, Peer};

/// What the peer does with a connection, step by step. After the last step it hangs up.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Drip(Vec<u8>, Duration),
    Expect(Vec<u8>),
    ExpectThrough(Vec<u8>),
    StartTls(Arc<ServerConfig>),
    Stall,
    HangUp,
    Cut,
    Reset,
}

impl Script {
    /// A script without steps: the peer accepts and hangs up.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends these bytes.
    #[must_use]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Sends these bytes one by one, each after a pause.
    #[must_use]
    pub fn drip(self, bytes: impl AsRef<[u8]>, every: Duration) -> Self {
        self.then(Step::Drip(bytes.as_ref().to_vec(), every))
    }

    /// Waits for exactly these bytes. When something else comes, the peer records it and hangs up.
    #[must_use]
    pub fn expect(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Expect(bytes.as_ref().to_vec()))
    }

    /// Waits for anything that ends with these bytes, as a request of HTTP does with an empty line.
    #[must_use]
    pub fn expect_through(self, end: impl AsRef<[u8]>) -> Self {
        self.then(Step::ExpectThrough(end.as_ref().to_vec()))
    }

    /// Does the server's part of a TLS handshake; everything after it is encrypted. As the first step, this is
    /// TLS from the first byte.
    #[must_use]
    pub fn start_tls(self, config: Arc<ServerConfig>) -> Self {
        self.then(Step::StartTls(config))
    }

    /// Reads whatever comes and never answers, until the client leaves.
    #[must_use]
    pub fn stall(self) -> Self {
        self.then(Step::Stall)
    }

    /// Closes the connection in good order, with the closing alert of TLS, and reads until the client leaves.
    #[must_use]
    pub fn hang_up(self) -> Self {
        self.then(Step::HangUp)
    }

    /// Closes the connection in good order but for the closing alert of TLS, and reads until the client leaves.
    #[must_use]
    pub fn cut(self) -> Self {
        self.then(Step::Cut)
    }

    /// Closes the connection with a reset (RFC 9293, section 3.5.2), which the client sees as an error.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Serves this script to every connection, on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When there is no port to listen on.
    #[must_use]
    pub fn serve(self) -> Peer {
        Peer::serve(Ipv4Addr::LOCALHOST.into(), vec![self])
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// What happened on one connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transcript {
    /// Everything the client sent, without the encryption.
    pub received: Vec<u8>,
    /// Where the client left the script, if it did.
    pub mismatch: Option<Mismatch>,
}

impl Transcript {
    /// Everything the client sent, as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// Where a client left the script.
#[derive(Clone, Eq, PartialEq)]
pub struct Mismatch {
    /// The number of the step, from 1.
    pub step: usize,
    /// What the script wanted.
    pub expected: String,
    /// What came instead.
    pub came: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "step {}: expected {}, but {}",
            self.step, self.expected, self.came
        )
    }
}

/// The sentence, because this is what a failed assertion prints.
impl fmt::Debug for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::{Ipv6Addr, TcpStream};
    use std::time::{Duration, Instant};

    use rustls::{ClientConnection, StreamOwned};

    use super::*;
    use crate::certificates::Certificates;

    const HOUR: Duration = Duration::from_secs(3600);

    fn connect(peer: &Peer) -> TcpStream {
        TcpStream::connect(peer.address()).unwrap()
    }

    fn read_to_end(mut stream: impl Read) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_client_that_leaves_the_script_is_told_apart() {
        let peer = Script::new().expect("a NOOP\r\n").send("a OK\r\n").serve();
        connect(&peer).write_all(b"a NO").unwrap();
        let mut other = connect(&peer);
        other.write_all(b"a LOGOUT\r\n").unwrap();
        assert_eq!(read_to_end(other), "");

        let transcripts = peer.finish();

        let mismatches = transcripts
            .iter()
            .map(|transcript| transcript.mismatch.as_ref().unwrap().to_string());
        assert_eq!(
            mismatches.collect::<Vec<_>>(),
            [
                "step 1: expected `a NOOP\\r\\n`, but the client left after `a NO`",
                "step 1: expected `a NOOP\\r\\n`, but `a LOGOUT\\r\\n` came",
            ]
        );
        assert_eq!(transcripts[1].text(), "a LOGOUT\r\n");
    }

    #[test]
    fn connections_follow_one_script_after_the_other() {
        let scripts = vec![
            Script::new().send("first"),
            Script::new().expect_through("\n").send("later"),
        ];
        let peer = Peer::serve(Ipv6Addr::LOCALHOST.into(), scripts);
        assert_eq!(read_to_end(connect(&peer)), "first");
        for _ in 0..2 {
            let mut client = connect(&peer);
            client.write_all(b"anything\n").unwrap();
            assert_eq!(read_to_end(client), "later");
        }

        let transcripts = peer.finish();

        let received: Vec<String> = transcripts.iter().map(Transcript::text).collect();
        assert_eq!(received, ["", "anything\n", "anything\n"]);
    }

    #[test]
    fn a_reset_is_not_an_end() {
        let peer = Script::new().send("* OK hi\r\n").expect("x").reset().serve();
        let mut client = connect(&peer);
        client.read_exact(&mut [0; 9]).unwrap();
        client.write_all(b"x").unwrap();

        let error = client.read(&mut [0]).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn tls_starts_where_the_script_says() {
        let certificates = Certificates::new();
        let config = certificates.valid().server_config();
        let peer = Script::new()
            .send("go\n")
            .start_tls(config)
            .expect("secret")
            .send("ok")
            .hang_up()
            .serve();
        let mut client = connect(&peer);
        client.read_exact(&mut [0; 3]).unwrap();
        let tls =
            ClientConnection::new(certificates.client_config(), "localhost".try_into().unwrap()).unwrap();
        let mut client = StreamOwned::new(tls, client);
        client.write_all(b"secret").unwrap();

        // An end without the closing alert would be an error here.
        assert_eq!(read_to_end(&mut client), "ok");

        drop(client);
        assert_eq!(
            peer.finish()[0],
            Transcript {
                received: b"secret".to_vec(),
                mismatch: None
            }
        );
    }

    #[test]
    fn a_certificate_that_is_refused_is_a_mismatch() {
        let certificates = Certificates::new();
        for identity in [
            certificates.expired(),
            certificates.wrong_name(),
            Certificates::new().valid(),
        ] {
            let peer = Script::new()
                .start_tls(identity.server_config())
                .send("ok")
                .serve();
            let name = "localhost".try_into().unwrap();
            let tls = ClientConnection::new(certificates.client_config(), name).unwrap();
            StreamOwned::new(tls, connect(&peer)).read(&mut [0]).unwrap_err();

            let mismatch = peer.finish()[0].mismatch.clone().unwrap();

            assert_eq!(
                (mismatch.step, mismatch.expected.as_str()),
                (1, "a TLS handshake")
            );
        }
    }

    #[test]
    fn finishing_ends_whatever_a_connection_waits_for() {
        let certificate = Certificates::new().valid().server_config();
        let waiting = [
            Script::new().stall(),
            Script::new().drip("never", HOUR),
            Script::new().start_tls(certificate),
            Script::new().expect("never"),
            Script::new().hang_up(),
        ];
        let peer = Peer::serve(Ipv4Addr::LOCALHOST.into(), waiting.to_vec());
        let clients: Vec<TcpStream> = waiting.iter().map(|_| connect(&peer)).collect();
        for mut client in &clients {
            client.write_all(b"!").unwrap();
        }

        let started = Instant::now();
        let transcripts = peer.finish();

        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(transcripts.len(), waiting.len());
        assert_eq!(
            (transcripts[0].text(), transcripts[4].text()),
            ("!".to_owned(), "!".to_owned())
        );
    }

    #[test]
    fn bytes_that_drip_come_one_by_one() {
        let peer = Script::new().drip("abc", Duration::from_millis(5)).serve();
        let started = Instant::now();
        assert_eq!(read_to_end(connect(&peer)), "abc");
        assert!(started.elapsed() >= Duration::from_millis(15));
    }

    #[test]
    fn a_closed_port_refuses() {
        let closed = ClosedPort::new();
        let error = TcpStream::connect(("127.0.0.1", closed.port())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
