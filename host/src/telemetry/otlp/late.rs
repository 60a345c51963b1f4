//! The answer to a request that had none within its timeout. A collector that stood still, or that has too much to do,
//! takes what it was sent when it goes on: whoever hears its answer then need not send the same again.

use std::fmt;
use std::pin::Pin;

use super::Answer;

/// A request that was sent to its end and has no answer yet, on a connection that is kept for it alone. Dropped, its
/// connection ends.
pub(in crate::telemetry) struct Late(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl Late {
    /// What is left of this export.
    pub(super) fn new(export: Pin<Box<dyn Future<Output = Answer> + Send>>) -> Self {
        Self(export)
    }

    /// The answer when it comes, for which nothing bounds the time. It can be waited for again until it has come.
    pub(in crate::telemetry) async fn answer(&mut self) -> Answer {
        self.0.as_mut().await
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Late").finish_non_exhaustive()
    }
}
