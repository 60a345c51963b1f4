//! When a run that passed took too long to be well. Pure.

use std::time::Duration;

/// The durations over which a run that passed is no longer well (`thresholds`): all attempts and the pauses
/// between them together, without the time it waited for a free slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Over it the run passes with a warning, 1 ms to 1 h.
    pub warn: Option<Duration>,
    /// Over it the run fails, 1 ms to 1 h, and more than `warn`.
    pub fail: Option<Duration>,
}

/// Which threshold a run was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossed {
    /// The one for a warning.
    Warn(Duration),
    /// The one for a failure.
    Fail(Duration),
}

impl Thresholds {
    /// The gravest threshold that a run which took so long was over, if any. As long as a threshold is not over it.
    pub fn judge(&self, took: Duration) -> Option<Crossed> {
        let fail = self.fail.filter(|fail| took > *fail).map(Crossed::Fail);
        fail.or_else(|| self.warn.filter(|warn| took > *warn).map(Crossed::Warn))
    }
}

impl Crossed {
    /// What happened, with both durations. The run's is rounded up to the millisecond, so that it never looks as
    /// if it had kept the threshold.
    pub fn message(self, took: Duration) -> String {
        let (limit, name) = match self {
            Self::Warn(limit) => (limit, "warn"),
            Self::Fail(limit) => (limit, "fail"),
        };
        let took = took.as_micros().div_ceil(1000);
        let took = Duration::from_millis(u64::try_from(took).unwrap_or(u64::MAX));
        format!(
            "the run took {} s, over the threshold of {} s (`thresholds.{name}`)",
            took.as_secs_f64(),
            limit.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_gravest_threshold_counts_and_one_that_is_met_exactly_does_not() {
        let both = Thresholds {
            warn: Some(MILLISECOND * 100),
            fail: Some(MILLISECOND * 300),
        };
        assert_eq!(both.judge(MILLISECOND * 100), None);
        assert_eq!(
            both.judge(MILLISECOND * 101),
            Some(Crossed::Warn(MILLISECOND * 100))
        );
        assert_eq!(
            both.judge(MILLISECOND * 300),
            Some(Crossed::Warn(MILLISECOND * 100))
        );
        assert_eq!(
            both.judge(MILLISECOND * 301),
            Some(Crossed::Fail(MILLISECOND * 300))
        );
        let only_fail = Thresholds { warn: None, ..both };
        assert_eq!(only_fail.judge(MILLISECOND * 200), None);
    }

    #[test]
    fn a_message_has_both_durations() {
        let took = Duration::from_micros(300_200);
        assert_eq!(
            Crossed::Fail(MILLISECOND * 300).message(took),
            "the run took 0.301 s, over the threshold of 0.3 s (`thresholds.fail`)"
        );
        assert_eq!(
            Crossed::Warn(MILLISECOND * 100).message(took),
            "the run took 0.301 s, over the threshold of 0.1 s (`thresholds.warn`)"
        );
    }
}
