//! Loopback endpoints: a listener that hands every connection to a server and stops when it is dropped,
//! or a port that refuses. What is said on a connection is not known here.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;

/// How many connections an endpoint serves at once; further ones wait in the listen queue. The demo
/// makes one at a time, retries a few more.
const MAX_CONNECTIONS: usize = 64;
/// How long one connection may last: longer than any deadline one would try the demo with, so that a
/// silent server never answers by closing.
const MAX_LIFETIME: Duration = Duration::from_secs(600);
/// The pause after a failed accept, which is mostly a lack of file descriptors: retrying at once would
/// spin until one is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much of what a client still sends is read away after the server has finished.
const MAX_DISCARDED: u64 = 1024 * 1024;

/// A TCP port of 127.0.0.1. Dropping it stops its server and ends its connections.
pub(crate) struct Endpoint {
    address: SocketAddr,
    role: Role,
}

enum Role {
    Serving(AbortHandle),
    Refusing {
        /// Bound and never listening: connections are refused while nobody else can get the port.
        _socket: TcpSocket,
    },
}

impl Endpoint {
    /// Listens on a free port and calls `serve` for every connection.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) async fn serving<S, F>(serve: S) -> io::Result<Self>
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept_all(listener, serve));
        Ok(Self {
            address,
            role: Role::Serving(task.abort_handle()),
        })
    }

    /// A port that refuses every connection.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) fn refusing() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            address: socket.local_addr()?,
            role: Role::Refusing { _socket: socket },
        })
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Role::Serving(task) = &self.role {
            task.abort();
        }
    }
}

/// Never returns. Dropping it ends the connections, whose tasks the set owns.
async fn accept_all<S, F>(listener: TcpListener, serve: S)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                // How a conversation ends is the client's to report, so the result is of no interest.
                Ok((stream, _)) => {
                    // Else short answers wait for the client's delayed acknowledgement, some 40 ms.
                    let _ = stream.set_nodelay(true);
                    drop(connections.spawn(time::timeout(MAX_LIFETIME, serve(stream))));
                }
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Ends the server's side and reads until the client has ended its own. Without that, closing while
/// bytes are unread resets the connection, and the client may lose what was sent last.
pub(crate) async fn finish<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    discard(&mut stream.take(MAX_DISCARDED)).await
}

/// Reads until the client ends its side, and keeps nothing.
pub(crate) async fn discard<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut scrap = [0; 4096];
    while stream.read(&mut scrap).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_and_are_served_when_one_ends() {
        let endpoint = Endpoint::serving(|mut stream| async move {
            stream.write_all(b"!").await?;
            discard(&mut stream).await
        })
        .await
        .unwrap();
        let mut served = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            let mut stream = TcpStream::connect(endpoint.address()).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'!');
            served.push(stream);
        }
        let mut waiting = TcpStream::connect(endpoint.address()).await.unwrap();
        let early = time::timeout(Duration::from_millis(20), waiting.read_u8()).await;
        assert!(early.is_err(), "served beyond the limit");
        served.pop();
        assert_eq!(waiting.read_u8().await.unwrap(), b'!');
    }

    #[tokio::test]
    async fn a_refusing_port_stays_reserved() {
        let endpoint = Endpoint::refusing().unwrap();
        for _ in 0..2 {
            let error = TcpStream::connect(endpoint.address()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
        let error = TcpListener::bind(endpoint.address()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn dropping_ends_connections_and_closes_the_port() {
        let endpoint = Endpoint::serving(|mut stream| async move { discard(&mut stream).await })
            .await
            .unwrap();
        let address = endpoint.address();
        let mut stream = TcpStream::connect(address).await.unwrap();
        drop(endpoint);
        // A reset is as good an end: the connection may not have been accepted yet.
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
