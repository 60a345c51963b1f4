//! What becomes of exports, counted: how many by signal and result, how long they took, what was rejected, refused and
//! dropped. It is told here, and shown with the metrics, whether or not any collector answers.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::environment::Signal;

/// The upper bounds of the buckets of [`SignalFigures::durations`], in seconds: from a collector on this machine to
/// one that takes the default timeout of 10 s.
pub const DURATION_BOUNDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0,
];

/// How an export ended, a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportResult {
    /// All of it was taken.
    Success,
    /// It was taken; of that, something was rejected or there is a word about it.
    Partial,
    /// It is tried again.
    Retry,
    /// It is tried again in parts.
    TooLarge,
    /// It will never be taken.
    Refused,
}

impl ExportResult {
    /// All of them, in the order of [`SignalFigures::exports`].
    pub const ALL: [Self; 5] = [
        Self::Success,
        Self::Partial,
        Self::Retry,
        Self::TooLarge,
        Self::Refused,
    ];

    /// The word for it, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Retry => "retry",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
        }
    }
}

/// The counts of a signal since the process began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SignalFigures {
    /// Exports by result, in the order of [`ExportResult::ALL`].
    pub exports: [u64; ExportResult::ALL.len()],
    /// Exports by how long they took: up to each of [`DURATION_BOUNDS`], not cumulative, and at last above all.
    pub durations: [u64; DURATION_BOUNDS.len() + 1],
    /// How long they took together.
    pub duration: Duration,
    /// Spans, points or log records that a collector rejected of exports that it took.
    pub rejected: u64,
    /// Reports that a collector refused for good; they stay in the journal.
    pub refused: u64,
    /// Reports of requests that were sent and had no answer: they were sent again, and may have arrived twice.
    pub unconfirmed: u64,
    /// Reports that were gone before they could be delivered.
    pub dropped: u64,
    /// Pauses before another try.
    pub pauses: u64,
    /// How long these were together.
    pub paused: Duration,
    /// When an export was last taken; none before the first.
    pub last_success: Option<SystemTime>,
}

/// What becomes of exports. Shared by the deliveries of a process and by who shows it.
#[derive(Debug, Default)]
pub struct Statistics([Mutex<SignalFigures>; Signal::ALL.len()]);

impl Statistics {
    /// The counts of each signal as they are now, by its name: `traces`, `metrics`, `logs`.
    pub fn signals(&self) -> impl Iterator<Item = (&'static str, SignalFigures)> {
        Signal::ALL
            .into_iter()
            .map(|signal| (signal.name(), self.with(signal, |figures| figures.clone())))
    }

    /// An export is over.
    pub(super) fn exported(&self, signal: Signal, result: ExportResult, took: Duration, now: SystemTime) {
        let seconds = took.as_secs_f64();
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < seconds);
        self.with(signal, |figures| {
            figures.exports[result as usize] += 1;
            figures.durations[bucket] += 1;
            figures.duration += took;
            if matches!(result, ExportResult::Success | ExportResult::Partial) {
                figures.last_success = Some(now);
            }
        });
    }

    /// So many spans, points or records were rejected.
    pub(super) fn rejected(&self, signal: Signal, count: u64) {
        self.with(signal, |figures| figures.rejected += count);
    }

    /// So many reports were refused for good.
    pub(super) fn refused(&self, signal: Signal, reports: u64) {
        self.with(signal, |figures| figures.refused += reports);
    }

    /// So many reports were sent without an answer.
    pub(super) fn unconfirmed(&self, signal: Signal, reports: u64) {
        self.with(signal, |figures| figures.unconfirmed += reports);
    }

    /// So many reports were gone before they could be delivered.
    pub(super) fn dropped(&self, signal: Signal, reports: u64) {
        self.with(signal, |figures| figures.dropped += reports);
    }

    /// The next try is put off by so long.
    pub(super) fn paused(&self, signal: Signal, length: Duration) {
        self.with(signal, |figures| {
            figures.pauses += 1;
            figures.paused += length;
        });
    }

    fn with<T>(&self, signal: Signal, act: impl FnOnce(&mut SignalFigures) -> T) -> T {
        let mut figures = self.0[signal as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_counted_by_signal_result_and_duration() {
        let statistics = Statistics::default();
        let now = SystemTime::UNIX_EPOCH;
        for (result, took) in [
            (ExportResult::Retry, 10_001),
            (ExportResult::Success, 1),
            (ExportResult::Partial, 2),
        ] {
            let took = Duration::from_millis(took);
            statistics.exported(Signal::Logs, result, took, now + took);
        }
        statistics.rejected(Signal::Logs, 7);
        statistics.paused(Signal::Logs, Duration::from_secs(1));
        let signals: Vec<_> = statistics.signals().collect();
        let names: Vec<_> = signals.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["traces", "metrics", "logs"]);
        assert_eq!(signals[0].1, SignalFigures::default());
        let logs = &signals[2].1;
        assert_eq!(logs.exports, [1, 1, 1, 0, 0]);
        assert_eq!(logs.durations, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(logs.duration, Duration::from_millis(10_004));
        assert_eq!(logs.last_success, Some(now + Duration::from_millis(2)));
        assert_eq!((logs.rejected, logs.pauses, logs.refused), (7, 1, 0));
    }
}
