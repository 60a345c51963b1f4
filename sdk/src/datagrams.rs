//! A socket for datagrams. It has no timeouts to set, on purpose: the run has one deadline and the host keeps it.

use crate::Failure;
use crate::bindings::bedcheck::plugin::net;

/// A socket for datagrams, over UDP and with one peer that the check grants. Dropping it closes it.
///
/// Datagrams can be lost, and then nobody is told: whoever waits for an answer that was lost waits until the
/// deadline.
#[derive(Debug)]
pub struct DatagramSocket {
    inner: net::DatagramSocket,
}

impl DatagramSocket {
    /// The most that one datagram carries, in bytes: what IPv4 (RFC 791) and UDP (RFC 768) leave of 65,535.
    pub const MAX_DATAGRAM: usize = 65_507;

    /// Resolves `host` and makes a socket that talks to its `port`. The host records the phases `resolve` and
    /// `connect`; nothing is sent yet. The plugin needs the capability `net.datagram`.
    ///
    /// # Errors
    ///
    /// Whatever keeps the host from finding the way, a missing grant included.
    pub fn open(host: &str, port: u16) -> Result<Self, Failure> {
        let inner = net::DatagramSocket::connect(host, port)?;
        Ok(Self { inner })
    }

    /// Sends one datagram of at most [`Self::MAX_DATAGRAM`] bytes.
    ///
    /// # Errors
    ///
    /// Errors of the network; [`CallError::ConnectionRefused`](crate::CallError::ConnectionRefused) when the peer
    /// has answered an earlier datagram that nobody listens there.
    pub fn send(&self, datagram: &[u8]) -> Result<(), Failure> {
        Ok(self.inner.send(datagram)?)
    }

    /// Waits for a datagram of the peer's and returns all of it; it may be empty.
    ///
    /// # Errors
    ///
    /// As with [`Self::send`].
    pub fn receive(&self) -> Result<Vec<u8>, Failure> {
        Ok(self.inner.receive()?)
    }

    /// The peer's address and port.
    pub fn peer_address(&self) -> String {
        self.inner.peer_address()
    }
}
