//! The files of a destination: whom to trust, and what to show.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{ClientTlsConfig, Identity};

use super::answer::innermost;
use crate::connection::system_roots;
use crate::telemetry::settings::Destination;

/// Why exporting cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of the settings cannot be read.
    #[error("`{}`: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("`{}`: wanted {wanted} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// A certificate that is to be trusted cannot be used.
    #[error("`{}` holds a certificate that cannot be used: {error}", path.display())]
    Untrustworthy {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// The certificate and the key cannot be used.
    #[error("the client certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// What is to be exported cannot be kept.
    #[error("the journal cannot be opened: {0}")]
    Journal(#[from] crate::journal::OpenError),
    /// The gRPC library refuses the endpoint or the certificates.
    #[error("the endpoint cannot be used: {}", innermost(.0))]
    Grpc(#[from] tonic::transport::Error),
}

/// The files that TLS to a destination is made of.
pub(super) fn files(destination: &Destination) -> Vec<PathBuf> {
    let client = destination.client.iter();
    let client = client.flat_map(|client| [&client.certificate, &client.key]);
    let paths = destination.ca_file.iter().chain(client);
    paths.filter(|_| is_https(destination)).cloned().collect()
}

/// Whether TLS is spoken.
fn is_https(destination: &Destination) -> bool {
    destination.url.scheme_str() == Some("https")
}

/// What gRPC trusts and shows; none without TLS.
pub(super) fn of_grpc(destination: &Destination) -> Result<Option<ClientTlsConfig>, StartError> {
    if !is_https(destination) {
        return Ok(None);
    }
    let mut tls = ClientTlsConfig::new().trust_anchors(roots(destination)?.roots.iter().cloned());
    if let Some(client) = &destination.client {
        certificates(&client.certificate)?;
        private_key(&client.key)?;
        tls = tls.identity(Identity::from_pem(read(&client.certificate)?, read(&client.key)?));
    }
    Ok(Some(tls))
}

/// What HTTP trusts and shows, where the URL is `https`.
pub(super) fn of_http(destination: &Destination) -> Result<rustls::ClientConfig, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(destination)?);
    match destination.client.as_ref().filter(|_| is_https(destination)) {
        Some(client) => {
            Ok(builder
                .with_client_auth_cert(certificates(&client.certificate)?, private_key(&client.key)?)?)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Whom to trust: whom the file says, else those whom checks trust too.
fn roots(destination: &Destination) -> Result<Arc<RootCertStore>, StartError> {
    let path = match &destination.ca_file {
        _ if !is_https(destination) => return Ok(Arc::new(RootCertStore::empty())),
        None => return Ok(system_roots()),
        Some(path) => path,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| StartError::Untrustworthy {
                path: path.clone(),
                error,
            })?;
    }
    Ok(Arc::new(roots))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| StartError::NotPem {
            path: path.to_owned(),
            wanted: "certificates",
        })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, StartError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| StartError::NotPem {
        path: path.to_owned(),
        wanted: "a private key",
    })
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    fs::read(path).map_err(|error| StartError::Unreadable {
        path: path.to_owned(),
        error,
    })
}
