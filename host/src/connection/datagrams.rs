//! A socket for datagrams with one peer: into the network, to a scripted peer, or of a recorded run. Knows no
//! deadline: whoever calls drops the future when time is up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::dial::interleaved;
use super::scripted::ScriptedDatagrams;
use super::{Error, Impairment, Resolution, UNUSABLE};

/// The most that one datagram carries over IPv4, in bytes: 65,535 without the headers of IP (RFC 791) and UDP
/// (RFC 768).
pub const MAX_DATAGRAM: usize = 65_507;
/// Room for any datagram that can come, in bytes: the length in the header of UDP has 16 bits.
const MAX_RECEIVED: usize = 65_535;

/// A socket for datagrams with one peer.
#[derive(Debug)]
pub struct DatagramSocket {
    transport: Transport,
    peer: SocketAddr,
    number: u32,
    impairment: Impairment,
}

#[derive(Debug)]
enum Transport {
    Live(UdpSocket),
    Scripted(Box<ScriptedDatagrams>),
    Recorded,
}

impl DatagramSocket {
    /// A socket that talks to the first address there is a route to, IPv6 first. Nothing is sent, so there is
    /// nothing to race. `number` tells it from the other connections and sockets of its attempt, and `allowed`
    /// judges the addresses of the look-up that was still under way.
    ///
    /// # Errors
    ///
    /// When there is a route to none of them: the error that tells most of the target.
    pub(super) async fn open(
        resolution: Resolution,
        port: u16,
        number: u32,
        allowed: impl Fn(IpAddr) -> bool,
    ) -> Result<Self, Error> {
        let mut addresses = resolution.addresses;
        let mut late = resolution.pending;
        let mut failure = None;
        loop {
            for address in interleaved(addresses) {
                match connected(SocketAddr::new(address, port)).await {
                    Ok((socket, peer)) => return Ok(Self::over(Transport::Live(socket), peer, number)),
                    Err(error) => error.keep_if_telling(&mut failure),
                }
            }
            let Some(lookup) = late.take() else {
                return Err(failure.unwrap_or(Error::Closed));
            };
            addresses = lookup.late().await;
            addresses.retain(|&address| allowed(address));
        }
    }

    pub(super) fn scripted(scripted: ScriptedDatagrams, peer: SocketAddr, number: u32) -> Self {
        Self::over(Transport::Scripted(Box::new(scripted)), peer, number)
    }

    /// A socket of a recorded run: it has a peer, and nothing goes over it.
    pub fn recorded(peer: SocketAddr, number: u32) -> Self {
        Self::over(Transport::Recorded, peer, number)
    }

    fn over(transport: Transport, peer: SocketAddr, number: u32) -> Self {
        Self {
            transport,
            peer,
            number,
            impairment: Impairment::default(),
        }
    }

    /// Which one it is of its attempt's connections and sockets, counted from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The peer's address and port.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What is wrong with it on purpose.
    pub fn impairment(&mut self) -> &mut Impairment {
        &mut self.impairment
    }

    /// What did not go by the script, of a socket to a scripted peer.
    pub fn complaint(&self) -> Option<&str> {
        match &self.transport {
            Transport::Scripted(scripted) => scripted.complaint(),
            _ => None,
        }
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the peer has answered an earlier one that nobody listens, and other errors of
    /// the network.
    pub async fn send(&mut self, datagram: &[u8]) -> Result<(), Error> {
        self.impairment.check()?;
        match &mut self.transport {
            Transport::Live(socket) => match socket.send(datagram).await {
                Ok(_) => Ok(()),
                Err(error) => Err(Error::of_dialling(&error, self.peer)),
            },
            Transport::Scripted(scripted) => scripted.send(datagram),
            Transport::Recorded => Err(UNUSABLE),
        }
    }

    /// Waits for a datagram of the peer's, and returns all of it. Cancel safe.
    ///
    /// # Errors
    ///
    /// As with [`Self::send`].
    pub async fn receive(&mut self) -> Result<Vec<u8>, Error> {
        self.impairment.check()?;
        match &mut self.transport {
            Transport::Live(socket) => received(socket, self.peer)
                .await
                .map_err(|error| Error::of_dialling(&error, self.peer)),
            // Boxed, because it would be most of what a socket to a real peer holds while it waits.
            Transport::Scripted(scripted) => Box::pin(scripted.receive()).await,
            Transport::Recorded => Err(UNUSABLE),
        }
    }
}

/// A socket that the kernel gives nothing but what comes from the peer, and the peer as the kernel knows it.
async fn connected(peer: SocketAddr) -> Result<(UdpSocket, SocketAddr), Error> {
    let failed = |error: io::Error| Error::of_dialling(&error, peer);
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(failed)?;
    socket.connect(peer).await.map_err(failed)?;
    let peer = socket.peer_addr().map_err(failed)?;
    Ok((socket, peer))
}

/// The next datagram of the peer's. Room for it is made once it is there, so that one that is waited for costs
/// nothing.
async fn received(socket: &UdpSocket, peer: SocketAddr) -> io::Result<Vec<u8>> {
    loop {
        socket.ready(Interest::READABLE | Interest::ERROR).await?;
        refusal(socket)?;
        let mut datagram = Vec::with_capacity(MAX_RECEIVED);
        match socket.try_recv_buf_from(&mut datagram) {
            Ok((_, from)) if from == peer => {
                datagram.shrink_to_fit();
                return Ok(datagram);
            }
            // From somebody else, before the socket was connected.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the peer's host has answered by ICMP, if anything: it makes a socket ready, and not readable.
fn refusal(socket: &UdpSocket) -> io::Result<()> {
    let told = socket.try_io(Interest::ERROR, || match socket.take_error()? {
        Some(error) => Err::<(), _>(error),
        // Has the socket wait for the next one.
        None => Err(io::ErrorKind::WouldBlock.into()),
    });
    match told {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::super::resolve::{LATE_FAMILY, Lookup};
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn peer() -> (UdpSocket, u16) {
        let socket = UdpSocket::bind((LOOPBACK, 0)).await.expect("loopback");
        let port = socket.local_addr().expect("bound").port();
        (socket, port)
    }

    async fn open(port: u16) -> DatagramSocket {
        let resolution = Resolution::of(vec![LOOPBACK]);
        DatagramSocket::open(resolution, port, 0, |_| true)
            .await
            .expect("a socket")
    }

    #[tokio::test]
    async fn datagrams_go_to_the_peer_and_come_from_nobody_else() {
        let (server, port) = peer().await;
        let (stranger, _) = peer().await;
        let mut socket = open(port).await;
        socket.send(b"question").await.expect("sent");
        let mut question = [0; 16];
        let (length, from) = server.recv_from(&mut question).await.expect("it arrives");
        assert_eq!(&question[..length], b"question");
        stranger.send_to(b"forged", from).await.expect("sent");
        let largest = vec![7; MAX_DATAGRAM];
        for answer in [&b""[..], b"answer", &largest] {
            server.send_to(answer, from).await.expect("sent");
            assert_eq!(socket.receive().await.expect("an answer"), answer);
        }
        assert_eq!(socket.peer().port(), port);
    }

    #[tokio::test]
    async fn what_is_known_is_told_when_the_other_familys_look_up_is_never_answered() {
        let resolution = Resolution {
            // No machine reaches an address of a link without being told which link.
            addresses: vec!["fe80::1".parse().expect("an address")],
            pending: Some(Lookup::unanswered()),
        };
        let opened = DatagramSocket::open(resolution, 53, 0, |_| true);
        let opened = timeout(LATE_FAMILY * 20, opened).await.expect("it ends");
        assert!(matches!(opened, Err(Error::Other(_))), "{opened:?}");
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_refuses() {
        let (server, port) = peer().await;
        drop(server);
        let mut socket = open(port).await;
        socket.send(b"question").await.expect("sent");
        let refused = Error::Refused(format!("127.0.0.1:{port}"));
        assert_eq!(socket.receive().await, Err(refused.clone()));
        // Each datagram is answered anew.
        socket.send(b"question").await.expect("sent");
        assert_eq!(socket.receive().await, Err(refused));
    }
}
