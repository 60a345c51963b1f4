//! The request that had no answer in time, and what is known of it. It knows neither what was in it nor what its answer
//! means.

use tokio::time::Instant;

use crate::telemetry::otlp::{Answer, Late};

/// A request that may have an answer yet. There is one at most for each signal: while it has none, others have nothing
/// in them that it does not have.
#[derive(Debug)]
pub(super) struct Unanswered {
    late: Late,
    /// How many of the reports that wait, the first ones, are in it and were not delivered since.
    pub(super) reports: usize,
    /// When it was sent.
    pub(super) since: Instant,
}

impl Unanswered {
    /// A request of so many reports.
    pub(super) fn new(late: Late, reports: usize, since: Instant) -> Self {
        Self { late, reports, since }
    }
}

/// What comes first: this, or as an error the answer.
pub(super) async fn unless_answered<T>(
    unanswered: &mut Option<Unanswered>,
    other: impl Future<Output = T>,
) -> Result<T, Answer> {
    let Some(unanswered) = unanswered else {
        return Ok(other.await);
    };
    tokio::select! {
        biased;
        answer = unanswered.late.answer() => Err(answer),
        other = other => Ok(other),
    }
}
