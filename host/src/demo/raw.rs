//! Clients for the tests: plain sockets and TLS, with no knowledge of any protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, duplex};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Servers;

/// Either kind of stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// TLS that trusts only the authorities of a PEM file.
pub(crate) fn connector(authority_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Negotiates TLS in memory, and gives the client's view of it.
pub(crate) async fn handshake(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
    name: ServerName<'static>,
) -> Result<(), rustls::Error> {
    let (client, server) = duplex(16 * 1024);
    let (client, _) = tokio::join!(connector.connect(name, client), acceptor.accept(server));
    client.map(drop).map_err(tls_error)
}

fn tls_error(error: std::io::Error) -> rustls::Error {
    match error.downcast::<rustls::Error>() {
        Ok(error) => error,
        Err(error) => panic!("no error of TLS: {error}"),
    }
}

/// Reads up to and with `end`; what follows stays unread.
pub(crate) async fn read_until<S: AsyncRead + Unpin + ?Sized>(stream: &mut S, end: &[u8]) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(error) => panic!("`{}`, then {error}", read.escape_ascii()),
        }
    }
    String::from_utf8(read).unwrap()
}

/// A client of one of the servers.
pub(crate) struct Visit<'a> {
    servers: &'a Servers,
    address: SocketAddr,
}

impl<'a> Visit<'a> {
    /// Of the server of the scenario with this name.
    pub(crate) fn to(servers: &'a Servers, name: &str) -> Self {
        let scenario = servers.scenarios().iter().find(|scenario| scenario.name == name);
        Self {
            servers,
            address: scenario.unwrap().address,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Negotiates TLS, and trusts the servers' authority alone.
    pub(crate) async fn tls(&self, stream: TcpStream) -> Result<Box<dyn Stream>, rustls::Error> {
        let name = ServerName::from(self.address.ip());
        let connected = connector(self.servers.authority_pem())
            .connect(name, stream)
            .await;
        Ok(Box::new(connected.map_err(tls_error)?))
    }
}
