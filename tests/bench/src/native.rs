//! Clients without a sandbox, on the same runtime: the same conversations with the same bytes as the built-in checks
//! have, written as one writes them with tokio and rustls for nothing else.
//!
//! They connect, speak TLS where the check does, send what the check sends, receive until the answer is whole, and
//! hold it against the same expectation. They leave out what a check has besides: a deadline, grants, phases with
//! their times, facts about the certificate, measurements, a report.

mod http;
mod imap;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How much is received at a time: as much as the SDK's connection asks the host for.
const READ_SIZE: usize = 16 * 1024;

/// What a client talks to.
#[derive(Clone)]
pub struct Peer {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

impl Peer {
    /// A server without TLS.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// A server with TLS, whose certificate is held against this authority. As in a check, every handshake is a whole
    /// one: no session is resumed.
    ///
    /// # Errors
    ///
    /// A sentence when the authority cannot be read.
    pub fn tls(address: SocketAddr, authority: &Path, alpn: &[&str]) -> Result<Self, String> {
        let unusable = |error: &dyn std::fmt::Display| format!("`{}`: {error}", authority.display());
        let authority_of_servers =
            CertificateDer::from_pem_file(authority).map_err(|error| unusable(&error))?;
        let mut roots = RootCertStore::empty();
        roots
            .add(authority_of_servers)
            .map_err(|error| unusable(&error))?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Self {
            address,
            tls: Some(TlsConnector::from(Arc::new(config))),
        })
    }

    /// Asks for `/` and expects the status to be 2xx, as the check `http` does.
    ///
    /// # Errors
    ///
    /// A sentence when it fails.
    pub async fn fetch(&self) -> Result<(), String> {
        match self.connect().await? {
            Connected::Plain(stream) => http::fetch(stream, self.address).await,
            Connected::Tls(stream) => http::fetch(stream, self.address).await,
        }
    }

    /// Logs in, opens `INBOX`, and logs out, as the check `imap` does.
    ///
    /// # Errors
    ///
    /// A sentence when it fails.
    pub async fn look_for_mail(&self) -> Result<(), String> {
        match self.connect().await? {
            Connected::Plain(stream) => imap::converse(stream).await,
            Connected::Tls(stream) => imap::converse(stream).await,
        }
    }

    async fn connect(&self) -> Result<Connected, String> {
        let stream = TcpStream::connect(self.address).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        let Some(tls) = &self.tls else {
            return Ok(Connected::Plain(stream));
        };
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = tls.connect(name, stream).await.map_err(told)?;
        Ok(Connected::Tls(Box::new(stream)))
    }
}

enum Connected {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Any stream that bytes come and go by.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Receives some bytes more; none are an error here.
async fn receive(stream: &mut impl Stream, received: &mut Vec<u8>) -> Result<(), String> {
    received.reserve(READ_SIZE);
    if stream.read_buf(received).await.map_err(told)? == 0 {
        return Err("the server closed the connection too early".into());
    }
    Ok(())
}

fn told(error: std::io::Error) -> String {
    error.to_string()
}
