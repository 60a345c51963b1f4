//! What becomes of reports on their way to the disk and to collectors, as metrics. They are asked for when somebody
//! looks; how they come to be does not live here.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;

use super::metrics::{Histogram, Instrument, Owner, Registry, Value, catalogue};
use super::names;
use super::process::seconds_since_1970;
use super::statistics::{ExportResult, Statistics};
use crate::journal::Status;

/// Of the exports to collectors.
#[derive(Debug)]
pub(super) struct ExportMetrics {
    exports: Arc<Instrument>,
    duration: Arc<Instrument>,
    rejected: Arc<Instrument>,
    refused: Arc<Instrument>,
    unconfirmed: Arc<Instrument>,
    last_success: Arc<Instrument>,
    process: Owner,
}

/// Of the journal, and of the deliveries that read it.
#[derive(Debug)]
pub(super) struct JournalMetrics {
    size: Arc<Instrument>,
    segments: Arc<Instrument>,
    unwritten: Arc<Instrument>,
    lag: Arc<Instrument>,
    errors: Arc<Instrument>,
    lost: Arc<Instrument>,
    spooled: Arc<Instrument>,
    spool_age: Arc<Instrument>,
    dropped: Arc<Instrument>,
    process: Owner,
}

impl ExportMetrics {
    /// Of a process that began then, in nanoseconds since 1970.
    pub(super) fn new(registry: &Registry, start: u64) -> Self {
        Self {
            exports: registry.make(&catalogue::EXPORTS),
            duration: registry.make(&catalogue::EXPORT_DURATION),
            rejected: registry.make(&catalogue::REJECTED),
            refused: registry.make(&catalogue::REFUSED),
            unconfirmed: registry.make(&catalogue::UNCONFIRMED),
            last_success: registry.make(&catalogue::LAST_SUCCESS),
            process: Owner::nobody(start),
        }
    }

    /// Sets them to what was counted. A signal that was never exported has none.
    pub(super) fn show(&self, statistics: &Statistics) {
        let owner = &self.process;
        for (signal, figures) in statistics.signals() {
            if figures.exports.iter().all(|count| *count == 0) {
                continue;
            }
            let signal = KeyValue::new(names::SIGNAL, signal);
            let by_signal = std::slice::from_ref(&signal);
            for (result, count) in ExportResult::ALL.into_iter().zip(figures.exports) {
                let result = KeyValue::new(names::EXPORT_OUTCOME, result.as_str());
                self.exports.set(owner, &[signal.clone(), result], whole(count));
            }
            let took = figures.duration.as_secs_f64();
            if let Some(durations) = Histogram::restored(figures.durations.into(), took, None) {
                let durations = Value::Histogram(Box::new(durations));
                self.duration.set(owner, by_signal, durations);
            }
            self.rejected.set(owner, by_signal, whole(figures.rejected));
            self.refused.set(owner, by_signal, whole(figures.refused));
            self.unconfirmed.set(owner, by_signal, whole(figures.unconfirmed));
            if let Some(moment) = figures.last_success {
                let moment = Value::Real(seconds_since_1970(moment));
                self.last_success.set(owner, by_signal, moment);
            }
        }
    }
}

impl JournalMetrics {
    /// Of a process that began then, in nanoseconds since 1970.
    pub(super) fn new(registry: &Registry, start: u64) -> Self {
        Self {
            size: registry.make(&catalogue::JOURNAL_SIZE),
            segments: registry.make(&catalogue::JOURNAL_SEGMENTS),
            unwritten: registry.make(&catalogue::JOURNAL_UNWRITTEN),
            lag: registry.make(&catalogue::JOURNAL_LAG),
            errors: registry.make(&catalogue::JOURNAL_ERRORS),
            lost: registry.make(&catalogue::JOURNAL_LOST),
            spooled: registry.make(&catalogue::SPOOLED),
            spool_age: registry.make(&catalogue::SPOOL_AGE),
            dropped: registry.make(&catalogue::DROPPED),
            process: Owner::nobody(start),
        }
    }

    /// Sets them to how the journal is.
    pub(super) fn show(&self, status: &Status) {
        let owner = &self.process;
        self.unwritten.set(owner, &[], whole(status.unwritten));
        self.lag.set(owner, &[], seconds(status.lag));
        self.lost.set(owner, &[], whole(status.lost));
        if status.dir.is_some() {
            self.size.set(owner, &[], whole(status.bytes));
            self.segments.set(owner, &[], whole(status.segments));
            self.errors.set(owner, &[], whole(status.write_errors));
        }
        for feed in &status.feeds {
            let signal = [KeyValue::new(names::SIGNAL, feed.signal)];
            self.spooled.set(owner, &signal, whole(feed.waiting));
            let oldest = feed.oldest.unwrap_or_default();
            self.spool_age.set(owner, &signal, seconds(oldest));
            self.dropped.set(owner, &signal, whole(feed.dropped));
        }
    }
}

fn whole(count: u64) -> Value {
    Value::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

fn seconds(duration: Duration) -> Value {
    Value::Real(duration.as_secs_f64())
}
