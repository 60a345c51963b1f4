//! TLS as a client: whom to trust, who we are, and the handshake.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::roots::read_system_roots;
use super::verify::{Judge, Witness, chains_to};
use super::{Certificate, ChainDates, ClientIdentity, Error, Tls, TlsProblem, Trust};

/// TLS ready to be used for a check.
#[derive(Debug, Clone)]
pub struct TlsClient {
    setup: Option<Setup>,
    server_name: Option<String>,
    /// The only host that is to have that name; without it, every one.
    named_host: Option<String>,
}

#[derive(Debug, Clone)]
struct Setup {
    config: Arc<ClientConfig>,
    judge: Arc<Judge>,
    provider: Arc<CryptoProvider>,
}

/// What became of a handshake.
pub(super) struct Handshake {
    /// The session, or why there is none.
    pub(super) result: Result<(Box<TlsStream<TcpStream>>, TlsInfo), Error>,
    /// The certificate that the peer showed, if it came to that.
    pub(super) certificate: Option<Certificate>,
}

/// Facts about an established session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsInfo {
    /// `1.2` or `1.3`.
    pub version: Cow<'static, str>,
    /// The cipher suite's registered name.
    pub cipher: String,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The peer's own certificate.
    pub certificate: Certificate,
    /// When what leads to it expires.
    #[serde(default)]
    pub chain: Option<ChainDates>,
    /// Whether the certificate was held against the authorities, and not only looked at.
    #[serde(default)]
    pub is_verified: bool,
}

impl TlsClient {
    /// Reads the files and prepares TLS.
    ///
    /// # Errors
    ///
    /// A sentence that names the file which could not be read or used.
    pub fn new(settings: &Tls) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let judge = Arc::new(judge(&settings.trust, &provider)?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Witness::new(
                Arc::clone(&judge),
                Arc::clone(&provider),
            )));
        let mut config = match &settings.client {
            Some(identity) => {
                let (chain, key) = identity.read()?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    format!(
                        "the client certificate `{}` cannot be used: {error}",
                        identity.certificate.display()
                    )
                })?
            }
            None => builder.with_no_client_auth(),
        };
        // A resumed session shows no certificate: each handshake is a whole one, so that what is timed and
        // verified is the same every time.
        config.resumption = Resumption::disabled();
        let config = Arc::new(config);
        Ok(Self {
            setup: Some(Setup {
                config,
                judge,
                provider,
            }),
            server_name: settings.server_name.clone(),
            named_host: None,
        })
    }

    /// TLS that accepts no peer at all.
    pub fn trusting_nobody() -> Self {
        Self {
            setup: None,
            server_name: None,
            named_host: None,
        }
    }

    /// The name that would be verified, given the plugin's wish and the host dialled.
    pub fn server_name<'a>(&'a self, wished: Option<&'a str>, host: &'a str) -> &'a str {
        let is_named = self.named_host.as_deref().is_none_or(|named| named == host);
        let own = self.server_name.as_deref().filter(|_| is_named);
        own.or(wished).unwrap_or(host)
    }

    /// The same for a peer that goes by another name than the host it is dialled at. Whoever else is dialled goes
    /// by their own names.
    pub fn naming(&self, server_name: String, host: Option<String>) -> Self {
        Self {
            server_name: Some(server_name),
            named_host: host,
            ..self.clone()
        }
    }

    /// Waits until the system's authorities are read, if they are what a peer is held against: the handshake after it
    /// takes no time of its own for that.
    pub async fn make_ready(&self) {
        if let Some(setup) = &self.setup
            && setup.judge.needs_system_roots()
        {
            read_system_roots().await;
        }
    }

    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        server_name: &str,
        alpn: Vec<Vec<u8>>,
    ) -> Handshake {
        let Some(setup) = &self.setup else {
            let error = Error::Tls(TlsProblem::Handshake, "no TLS is set up".into());
            return Handshake {
                result: Err(error),
                certificate: None,
            };
        };
        let witness = Arc::new(Witness::new(
            Arc::clone(&setup.judge),
            Arc::clone(&setup.provider),
        ));
        let mut config = ClientConfig::clone(&setup.config);
        config.alpn_protocols = alpn;
        config
            .dangerous()
            .set_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>);
        let mut result = connect(Arc::new(config), stream, server_name, &witness).await;
        let certificate = match &mut result {
            Ok((_, info)) => {
                info.is_verified = !setup.judge.is_lenient();
                Some(info.certificate.clone())
            }
            Err(_) => witness.shown(),
        };
        Handshake { result, certificate }
    }
}

/// Whether a peer can be asked to prove that this is its name: a host name or an address.
pub fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

async fn connect(
    config: Arc<ClientConfig>,
    stream: TcpStream,
    server_name: &str,
    witness: &Witness,
) -> Result<(Box<TlsStream<TcpStream>>, TlsInfo), Error> {
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| {
        Error::Tls(
            TlsProblem::NameMismatch,
            format!("`{server_name}` is no server name"),
        )
    })?;
    let stream = session(config, name, stream)
        .await
        .map_err(|error| Error::of_handshake(&error, witness.shown().as_ref()))?;
    let info = TlsInfo::of(stream.get_ref().1)?;
    Ok((stream, info))
}

/// Begins a session. It is boxed by a function of its own, before and after the handshake: it is large, and whoever is
/// given it by value has room for it on the stack of a guest, which stays while that waits.
#[inline(never)]
fn session(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
) -> BoxFuture<'static, io::Result<Box<TlsStream<TcpStream>>>> {
    let connecting = TlsConnector::from(config).connect(name, stream);
    Box::pin(connecting.map_ok(Box::new))
}

impl TlsInfo {
    /// The facts of a session. Reading certificates takes much of a stack, and is over before anybody waits.
    #[inline(never)]
    fn of(session: &rustls::ClientConnection) -> Result<Self, Error> {
        let incomplete = || Error::Tls(TlsProblem::Handshake, "the handshake has no result".into());
        let version = match session.protocol_version().ok_or_else(incomplete)? {
            rustls::ProtocolVersion::TLSv1_2 => "1.2",
            _ => "1.3",
        };
        let suite = session.negotiated_cipher_suite().ok_or_else(incomplete)?.suite();
        let shown = session.peer_certificates().unwrap_or_default();
        let certificate = shown.first().ok_or_else(incomplete)?;
        Ok(Self {
            version: Cow::Borrowed(version),
            cipher: suite.as_str().map_or_else(|| format!("{suite:?}"), str::to_owned),
            alpn: session
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            certificate: Certificate::read(certificate),
            chain: ChainDates::read(shown),
            is_verified: false,
        })
    }
}

impl ClientIdentity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("the client key `{}` cannot be read: {error}", self.key.display()))?;
        Ok((certificates_from(&self.certificate)?, key))
    }
}

fn judge(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Judge, String> {
    match trust {
        Trust::DoNotVerify => Ok(Judge::Lenient),
        Trust::System => Ok(Judge::system()),
        Trust::File(file) => {
            let trusted = certificates_from(file)?;
            let chains = chains_to(Arc::new(roots_of(file, &trusted)?), provider);
            let chains = chains.map_err(|error| error.to_string())?;
            Ok(Judge::File { trusted, chains })
        }
    }
}

fn roots_of(file: &Path, certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| {
            format!(
                "`{}` holds a certificate that cannot be used: {error}",
                file.display()
            )
        })?;
    }
    Ok(roots)
}

fn certificates_from(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("`{}` cannot be read: {error}", file.display());
    let certificates = CertificateDer::pem_file_iter(file)
        .map_err(|error| unreadable(&error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(&error))?;
    if certificates.is_empty() {
        return Err(format!("`{}` holds no certificate in PEM form", file.display()));
    }
    Ok(certificates)
}
