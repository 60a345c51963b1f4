//! The certificate of the endpoints, read again when its files change: a renewed one is shown from the next
//! connection on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::HttpTls;

/// How often it is looked whether the files have changed, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
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
    /// The certificate and the key do not go together, or are of a kind that is not known.
    #[error("`{}` and `{}` cannot be used: {error}", files.certificate.display(), files.key.display())]
    Unusable {
        /// The files.
        files: HttpTls,
        /// Why.
        error: rustls::Error,
    },
}

/// A certificate that is kept up to date.
#[derive(Debug)]
pub(super) struct Certificate {
    files: HttpTls,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    looked: Instant,
    stamp: [Option<(SystemTime, u64)>; 2],
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// Reads it.
    pub(super) fn read(files: &HttpTls) -> Result<Self, TlsError> {
        let stamp = stamp(files);
        let current = Current {
            looked: Instant::now(),
            stamp,
            config: server_config(files)?,
        };
        Ok(Self {
            files: files.clone(),
            current: Mutex::new(current),
        })
    }

    /// What a connection is to be made with now. Files that cannot be used leave the certificate as it was.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK {
            current.looked = Instant::now();
            let stamp = stamp(&self.files);
            if stamp != current.stamp {
                current.stamp = stamp;
                match server_config(&self.files) {
                    Ok(config) => {
                        current.config = config;
                        tracing::info!("http: the certificate was read again");
                    }
                    Err(error) => tracing::warn!("http: the certificate stays as it was: {error}"),
                }
            }
        }
        Arc::clone(&current.config)
    }
}

/// What changes when a file does; nothing for one that is not there.
fn stamp(files: &HttpTls) -> [Option<(SystemTime, u64)>; 2] {
    [&files.certificate, &files.key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn server_config(files: &HttpTls) -> Result<Arc<ServerConfig>, TlsError> {
    let not_pem = |path: &Path, wanted| TlsError::NotPem {
        path: path.to_owned(),
        wanted,
    };
    let pem = read(&files.certificate)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| not_pem(&files.certificate, "certificates"))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|_| not_pem(&files.key, "a private key"))?;
    let unusable = |error| TlsError::Unusable {
        files: files.clone(),
        error,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::Unreadable {
        path: path.to_owned(),
        error,
    })
}
