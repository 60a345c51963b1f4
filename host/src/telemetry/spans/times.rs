//! The moments of a run as its report is written: the start to the millisecond, what follows to the microsecond.
//! What is exported from the journal after a restart has the same times as what would have been exported before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::outcome::Report;

/// The start of a run in nanoseconds since 1970, and moments counted from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) struct Times(u64);

impl Times {
    /// Those of this run.
    pub(in crate::telemetry) fn of(report: &Report) -> Self {
        Self(milliseconds(report.started).saturating_mul(1_000_000))
    }

    /// That long after the start.
    pub(in crate::telemetry) fn at(self, offset: Duration) -> u64 {
        let microseconds = u64::try_from(offset.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_add(microseconds.saturating_mul(1000))
    }
}

/// A clock that stands before 1970 is taken to stand there.
fn milliseconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A span of time in seconds, to the microsecond, as a report has it.
#[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
pub(in crate::telemetry) fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}
