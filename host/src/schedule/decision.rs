//! What the schedule decides of a run that is due, and how that is told.

use std::sync::Arc;
use std::time::Duration;

use super::Transition;
use crate::outcome::ErrorType;
use crate::units::show_duration;

/// What the caller is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A run begins. Whatever becomes of it, its end is to be told, or the check never runs again.
    Start {
        /// Of the check.
        name: Arc<str>,
        /// When it was due; from then to now is the run's `lag`.
        due: Duration,
        /// Which run of the check it is, from 1; from 1 again when the check has changed.
        number: u64,
        /// Whether it is the one that finds out whether a sick target is well again.
        is_probe: bool,
    },
    /// A run does not take place.
    Skip {
        /// Of the check.
        name: Arc<str>,
        /// When it was due; the first one, of several.
        due: Duration,
        /// Why.
        reason: SkipReason,
    },
    /// A breaker has gone half-open; the probing run is the next decision.
    Transition(Transition),
}

/// Why a run does not take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The check's previous run is still going.
    StillRunning,
    /// The check's previous run still waits for a free slot: there are more runs than slots.
    StillWaiting,
    /// The target is left alone: until then, or, without a time, until the probing run has ended.
    CircuitOpen {
        /// When a run may probe the target.
        until: Option<Duration>,
    },
    /// Nobody asked in time, because the process or the machine stood still.
    Missed {
        /// How many runs.
        runs: u64,
    },
}

impl SkipReason {
    /// The word used in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StillRunning => "still_running",
            Self::StillWaiting => "still_waiting",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Missed { .. } => "missed",
        }
    }

    /// The error type of the skipped run's report. Runs that were missed have no report: there can be a million
    /// of them after a day, and nobody was there to skip them.
    pub fn error_type(self) -> Option<ErrorType> {
        match self {
            Self::StillRunning | Self::StillWaiting => Some(ErrorType::StillRunning),
            Self::CircuitOpen { .. } => Some(ErrorType::CircuitOpen),
            Self::Missed { .. } => None,
        }
    }

    /// The reason in words, at this time.
    pub fn message(self, now: Duration) -> String {
        match self {
            Self::StillRunning => "the previous run is still going".to_owned(),
            Self::StillWaiting => "the previous run still waits for a free slot".to_owned(),
            Self::CircuitOpen { until: Some(until) } => {
                let left = until.saturating_sub(now);
                format!(
                    "the breaker is open, next try in {}",
                    show_duration(rounded(left))
                )
            }
            Self::CircuitOpen { until: None } => {
                "the breaker is half-open, another run finds out whether the target is well".to_owned()
            }
            Self::Missed { runs: 1 } => "missed 1 run".to_owned(),
            Self::Missed { runs } => format!("missed {runs} runs"),
        }
    }
}

/// To be read by people: up to the next tenth of a second.
fn rounded(duration: Duration) -> Duration {
    let tenths = duration.as_nanos().div_ceil(100_000_000);
    Duration::from_millis(100).saturating_mul(u32::try_from(tenths).unwrap_or(u32::MAX))
}

/// How many runs of a check did not take place, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// [`SkipReason::StillRunning`].
    pub still_running: u64,
    /// [`SkipReason::StillWaiting`].
    pub still_waiting: u64,
    /// [`SkipReason::CircuitOpen`].
    pub circuit_open: u64,
    /// [`SkipReason::Missed`], each run.
    pub missed: u64,
}

impl Skipped {
    /// Counts a decision.
    pub(super) fn count(&mut self, reason: SkipReason) {
        match reason {
            SkipReason::StillRunning => self.still_running += 1,
            SkipReason::StillWaiting => self.still_waiting += 1,
            SkipReason::CircuitOpen { .. } => self.circuit_open += 1,
            SkipReason::Missed { runs } => self.missed += runs,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.still_running + self.still_waiting + self.circuit_open + self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_tells_how_long_the_target_is_left_alone() {
        let message = |until, now| {
            let until = Some(Duration::from_millis(until));
            SkipReason::CircuitOpen { until }.message(Duration::from_millis(now))
        };
        assert_eq!(message(30_000, 5_000), "the breaker is open, next try in 25s");
        assert_eq!(
            message(30_001, 5_000),
            "the breaker is open, next try in 25s100ms"
        );
        assert_eq!(message(30_000, 31_000), "the breaker is open, next try in 0s");
    }

    #[test]
    fn what_is_skipped_has_an_error_type_that_says_so() {
        use crate::outcome::Outcome;
        for reason in [
            SkipReason::StillRunning,
            SkipReason::StillWaiting,
            SkipReason::CircuitOpen { until: None },
        ] {
            let outcome = reason.error_type().map(|error| error.outcome());
            assert_eq!(outcome, Some(Outcome::Skipped), "{reason:?}");
        }
        assert_eq!(SkipReason::Missed { runs: 3 }.error_type(), None);
    }
}
