//! One export: a request with OpenTelemetry's own messages, over gRPC or HTTP, and what the answer means. When to
//! export, what to do after a failure and what to say about it live in `delivery`.
//!
//! The exporters of the SDK are not used, because they hide what a delivery has to know: which part a collector
//! rejected, how long it wants to be left alone, and whether the same request can ever succeed.

mod answer;
mod grpc;
mod handed;
mod http;
mod kept;
mod late;
#[cfg(test)]
pub(super) mod scripted;
mod tls;
mod transport;

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::time::timeout;

use super::environment::Signal;
use super::settings::Destination;
pub(super) use answer::{Answer, Arrived};
use handed::Handed;
pub(super) use late::Late;
pub use tls::StartError;
use transport::Renewed;

/// The longest answer that is read. An answer to an export is a few bytes; 64 KiB holds any complaint.
pub(super) const MAX_ANSWER: usize = 64 * 1024;
/// The longest head of an answer that is read: what common servers allow in a request.
pub(super) const MAX_HEAD: u16 = 16 * 1024;

/// What is exported: a request of a signal, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Payload {
    signal: Signal,
    request: Bytes,
}

impl Payload {
    /// One that is written already.
    pub(super) fn new(signal: Signal, request: impl Into<Bytes>) -> Self {
        let request = request.into();
        Self { signal, request }
    }

    /// A message.
    pub(super) fn of(signal: Signal, request: &impl Message) -> Self {
        Self::new(signal, request.encode_to_vec())
    }

    /// How many bytes it has, before any compression.
    pub(super) fn size(&self) -> usize {
        self.request.len()
    }

    /// Nothing: what asks a collector whether it answers, and leaves no trace there. A message without fields has no bytes.
    pub(super) fn empty(signal: Signal) -> Self {
        Self::new(signal, Bytes::new())
    }
}

/// The way to a destination. It is made when it is first needed, and made anew when a try got no answer, so that a
/// connection that died without a word is not tried twice.
#[derive(Debug)]
pub(super) struct Client(Arc<Renewed>);

impl Client {
    /// A client of this destination, which is not contacted yet. To be called within a tokio runtime, which has to
    /// outlive it.
    ///
    /// # Errors
    ///
    /// When a file of the settings cannot be used.
    pub(super) fn new(destination: &Destination) -> Result<Self, StartError> {
        Renewed::new(destination).map(Arc::new).map(Self)
    }

    /// Where it sends to.
    pub(super) fn destination(&self) -> &Destination {
        self.0.destination()
    }

    /// Sends this, and says what the answer means. Takes no longer than the destination's timeout. No text in the
    /// answer has a header's value in it.
    pub(super) async fn export(&self, payload: Payload) -> Answer {
        self.export_and_listen(payload).await.0
    }

    /// The same; and what may have an answer yet when there was none in time, because it was sent to its end.
    pub(super) async fn export_and_listen(&self, payload: Payload) -> (Answer, Option<Late>) {
        let (limit, handed) = (self.destination().timeout, Handed::default());
        let mut export = Box::pin({
            let (way, handed) = (Arc::clone(&self.0), handed.clone());
            async move { way.renewed().await.export(payload, &handed).await }
        });
        if let Ok(answer) = timeout(limit, &mut export).await {
            return (answer.of_request(handed.sent()), None);
        }
        self.forget_connection();
        let sent = handed.sent();
        let answer = Answer::none(format!("no answer in {limit:?}")).of_request(sent);
        (answer, (sent == Arrived::Whole).then(|| Late::new(export)))
    }

    /// The next export takes a new connection.
    pub(super) fn forget_connection(&self) {
        self.0.current().forget_connection();
    }
}

#[cfg(test)]
mod tests;
