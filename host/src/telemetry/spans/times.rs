//! The moments of a run as its report is written, to the microsecond.
//! What is exported from the journal after a restart has the same times as what would have been exported before.

use std::time::{Duration, UNIX_EPOCH};

use crate::outcome::Report;

/// The start of a run in nanoseconds since 1970, and moments counted from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) struct Times(u64);

impl Times {
    /// Those of this run.
    pub(in crate::telemetry) fn of(report: &Report) -> Self {
        // A clock that stands before 1970 is taken to stand there.
        let since = report.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(microseconds(since).saturating_mul(1000))
    }

    /// That long after the start.
    pub(in crate::telemetry) fn at(self, offset: Duration) -> u64 {
        self.0.saturating_add(microseconds(offset).saturating_mul(1000))
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A span of time in seconds, to the microsecond, as a report has it.
#[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
pub(in crate::telemetry) fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}
