//! The certificate of the endpoints, read again when its files change: a renewed one is shown from the next
//! connection on.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::HttpTls;
use crate::files::{Watched, open_at_once};
use crate::serve::aside::Aside;
use crate::units::show_duration;

/// How often it is looked whether the files have changed, at most.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection waits for files that have changed: what hangs is not to cost it more than a slow network does.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the start waits for them.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// The largest file: hundreds of certificates.
const MAX_FILE: u64 = 1024 * 1024;

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("`{}`: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file holds something else than it should.
    #[error("`{}`: wanted {wanted} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The files are not there in time.
    #[error(
        "`{}` and `{}` took longer than {} to read",
        files.certificate.display(),
        files.key.display(),
        show_duration(START_PATIENCE)
    )]
    Slow {
        /// The files.
        files: HttpTls,
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
    watched: Watched,
    current: Mutex<Current>,
    /// Whoever looks at the files holds it: a file that cannot be read to its end keeps one thread, and no more.
    looking: Arc<Semaphore>,
}

#[derive(Debug)]
struct Current {
    looked: Instant,
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// Reads it.
    pub(super) async fn read(files: &HttpTls) -> Result<Arc<Self>, TlsError> {
        let slow = || TlsError::Slow { files: files.clone() };
        let read = files.clone();
        let read = spawn_blocking(move || {
            // Looked at first: what is changed in between is read once more.
            let watched = Watched::new(vec![read.certificate.clone(), read.key.clone()]);
            (watched, server_config(&read))
        });
        // What panics is read no faster.
        let read = timeout(START_PATIENCE, read).await.ok().and_then(Result::ok);
        let (watched, config) = read.ok_or_else(slow)?;
        let current = Current {
            looked: Instant::now(),
            config: config?,
        };
        Ok(Arc::new(Self {
            files: files.clone(),
            watched,
            current: Mutex::new(current),
            looking: Arc::new(Semaphore::new(1)),
        }))
    }

    /// What a connection is to be made with now. Files that cannot be used leave the certificate as it was.
    pub(super) async fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        if self.current().looked.elapsed() >= LOOK
            && let Ok(looking) = Arc::clone(&self.looking).try_acquire_owned()
            // Without a thread to give, the next connection looks.
            && let Ok(aside) = Aside::start()
        {
            let certificate = Arc::clone(self);
            let (done, looked) = oneshot::channel::<()>();
            aside.runs(move || {
                certificate.look();
                drop((looking, done));
            });
            if timeout(PATIENCE, looked).await.is_err() {
                let [certificate, key] =
                    [&self.files.certificate, &self.files.key].map(|path| path.display());
                tracing::warn!(
                    "http: the certificate stays as it was until `{certificate}` and `{key}` are read, which takes \
                     longer than {}",
                    show_duration(PATIENCE)
                );
            }
        }
        Arc::clone(&self.current().config)
    }

    /// Reads the files if they have changed.
    fn look(&self) {
        self.current().looked = Instant::now();
        match self.watched.renewed(|| server_config(&self.files)) {
            None => {}
            Some(Ok(config)) => {
                self.current().config = config;
                tracing::info!("http: the certificate was read again");
            }
            Some(Err(error)) => tracing::warn!("http: the certificate stays as it was: {error}"),
        }
    }

    /// Held for moments only.
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    let read = || {
        let (file, kind) = open_at_once(path)?;
        if !kind.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(io::Error::other("it is larger than 1 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|error| TlsError::Unreadable {
        path: path.to_owned(),
        error,
    })
}
