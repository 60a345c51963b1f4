//! What carries exports to a destination. It is made anew when a file that it was made with has changed: certificates
//! are replaced while a daemon serves, some of them every day.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::{Answer, Teller};
use super::handed::Handed;
use super::tls::StartError;
use super::{Payload, grpc, http, tls};
use crate::files::Watched;
use crate::telemetry::settings::{Destination, Protocol};

/// What carries exports.
#[derive(Debug)]
pub(super) struct Transport {
    sender: Sender,
    teller: Teller,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each signal")]
enum Sender {
    Grpc(grpc::Sender),
    Http(http::Sender),
}

impl Transport {
    fn new(destination: &Destination) -> Result<Self, StartError> {
        let sender = match destination.protocol {
            Protocol::Grpc => Sender::Grpc(grpc::Sender::new(destination)?),
            Protocol::HttpProtobuf => Sender::Http(http::Sender::new(destination)?),
        };
        let teller = Teller::new(&destination.headers);
        Ok(Self { sender, teller })
    }

    /// Sends this, and tells when it is handed over.
    pub(super) async fn export(&self, payload: Payload, handed: &Handed) -> Answer {
        match &self.sender {
            Sender::Grpc(sender) => sender.export(payload, handed, &self.teller).await,
            Sender::Http(sender) => sender.export(payload, handed, &self.teller).await,
        }
    }

    /// The next export takes a new connection.
    pub(super) fn forget_connection(&self) {
        match &self.sender {
            Sender::Grpc(sender) => sender.forget_connection(),
            Sender::Http(sender) => sender.forget_connection(),
        }
    }
}

/// The transport to a destination, with its files as they are.
#[derive(Debug)]
pub(super) struct Renewed {
    destination: Destination,
    files: Watched,
    /// Shared with requests that are waited for after their timeout.
    current: Mutex<Arc<Transport>>,
    /// Held by who looks at the files: a disk that hangs keeps one thread, and no export.
    looking: Arc<tokio::sync::Mutex<()>>,
}

impl Renewed {
    /// One to this destination.
    ///
    /// # Errors
    ///
    /// When a file of the settings cannot be used.
    pub(super) fn new(destination: &Destination) -> Result<Self, StartError> {
        // Looked at first: what is changed in between is read once more.
        let files = Watched::new(tls::files(destination));
        Ok(Self {
            current: Mutex::new(Arc::new(Transport::new(destination)?)),
            files,
            destination: destination.clone(),
            looking: Arc::default(),
        })
    }

    /// Where it leads.
    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// As it is, with the files as they were when somebody looked.
    pub(super) fn current(&self) -> Arc<Transport> {
        Arc::clone(&self.lock())
    }

    /// With the files as they are now, as far as they can be used.
    pub(super) async fn renewed(self: &Arc<Self>) -> Arc<Transport> {
        if !self.files.is_empty()
            && let Ok(looking) = Arc::clone(&self.looking).try_lock_owned()
        {
            let renewed = Arc::clone(self);
            let look = move || {
                renewed.renew();
                drop(looking);
            };
            // Should it crash, everything stays as it was.
            let _ = tokio::task::spawn_blocking(look).await;
        }
        self.current()
    }

    fn renew(&self) {
        let url = &self.destination.url;
        match self.files.renewed(|| Transport::new(&self.destination)) {
            None => {}
            Some(Ok(transport)) => {
                *self.lock() = Arc::new(transport);
                tracing::info!("the certificates for `{url}` were read again: their files have changed");
            }
            Some(Err(error)) => {
                tracing::warn!("the certificates for `{url}` stay those that were read before: {error}");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Transport>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
