//! Report → metrics: the instruments, and what a report adds to each. How metrics leave the process
//! does not live here.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream, Temporality,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::measurements::Measurements;
use super::{names, spans};
use crate::outcome::{Attempt, AttributeValue, ErrorReport, Outcome, PhaseReport, Report};
use crate::phase::PhaseStatus;

/// From a connection on the same host to a check that gives up after a minute.
const DURATION_BUCKETS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Finer at the low end: a phase is a part of a run.
const PHASE_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Where a deadline becomes tight.
const UTILIZATION_BUCKETS: [f64; 7] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];
/// Attribute sets of an instrument: 10,000 checks with two outcomes each. What is over the limit is
/// added up under `otel.metric.overflow`.
const CARDINALITY: usize = 20_000;
/// Attribute sets of the phase histogram: 10,000 checks, 5 phases, two outcomes.
const PHASE_CARDINALITY: usize = 100_000;

/// The instruments, and the reader that collects what they hold.
#[derive(Debug)]
pub(super) struct Metrics {
    runs: Counter<u64>,
    duration: Histogram<f64>,
    phase_duration: Histogram<f64>,
    attempts: Counter<u64>,
    denied_calls: Counter<u64>,
    up: Gauge<u64>,
    last_run: Gauge<f64>,
    deadline_utilization: Histogram<f64>,
    certificate_time_left: Gauge<f64>,
    measurements: Measurements,
    reader: Reader,
    // Instruments record nothing once their provider is gone.
    _provider: SdkMeterProvider,
}

impl Metrics {
    /// Instruments under this resource, cumulative.
    pub(super) fn new(resource: Resource) -> Self {
        let reader = Reader(Arc::new(ManualReader::builder().build()));
        let provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader.clone())
            .with_view(with_cardinality_limit)
            .build();
        let meter = provider.meter_with_scope(spans::scope());
        Self {
            runs: counter(&meter, names::METRIC_RUNS, "{run}", "Runs of checks, by outcome."),
            duration: histogram(
                &meter,
                names::METRIC_DURATION,
                "s",
                &DURATION_BUCKETS,
                "How long runs took, all attempts together.",
            ),
            phase_duration: histogram(
                &meter,
                names::METRIC_PHASE_DURATION,
                "s",
                &PHASE_BUCKETS,
                "How long phases took; those never reached are not in it.",
            ),
            attempts: counter(
                &meter,
                names::METRIC_ATTEMPTS,
                "{attempt}",
                "Attempts of runs, by outcome.",
            ),
            denied_calls: counter(
                &meter,
                names::METRIC_DENIED_CALLS,
                "{call}",
                "Calls that a missing grant or capability refused, by the reason.",
            ),
            up: meter
                .u64_gauge(names::METRIC_UP)
                .with_unit("{check}")
                .with_description(
                    "1 after a pass, 0 after a fail; left as it was by errors and skipped runs.",
                )
                .build(),
            last_run: seconds_gauge(
                &meter,
                names::METRIC_LAST_RUN,
                "When a run last ended, by outcome.",
            ),
            deadline_utilization: histogram(
                &meter,
                names::METRIC_DEADLINE_UTILIZATION,
                "1",
                &UTILIZATION_BUCKETS,
                "The share of its deadline that a run took.",
            ),
            certificate_time_left: seconds_gauge(
                &meter,
                names::METRIC_CERTIFICATE_TIME_LEFT,
                "Until the server's certificate expires.",
            ),
            measurements: Measurements::new(meter),
            reader,
            _provider: provider,
        }
    }

    /// Adds a report.
    pub(super) fn record(&self, report: &Report) {
        // What was injected is counted apart: it says nothing about the target.
        let injected = spans::injected_attribute(report.is_injected());
        let base = with(&spans::base_attributes(report), injected);
        let by_outcome = with(&base, [outcome(report.outcome)]);
        let more = error_type(report.error.as_ref()).into_iter();
        let more = more.chain(spans::retried_attribute(report));
        self.runs.add(1, &with(&by_outcome, more));
        let ended = report.started + report.duration;
        let since_1970 = ended.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_run.record(since_1970.as_secs_f64(), &by_outcome);
        if report.outcome == Outcome::Skipped {
            return;
        }
        self.duration.record(report.duration.as_secs_f64(), &by_outcome);
        if !report.deadline.is_zero() {
            let share = report.duration.as_secs_f64() / report.deadline.as_secs_f64();
            self.deadline_utilization.record(share, &base);
        }
        match report.outcome {
            Outcome::Pass => self.up.record(1, &base),
            Outcome::Fail => self.up.record(0, &base),
            Outcome::Error | Outcome::Skipped => {}
        }
        for attempt in &report.attempts {
            self.record_attempt(attempt, &base);
        }
        for (denial, count) in report.usage.denied_calls.iter() {
            let reason = KeyValue::new(names::DENIAL, denial.as_str());
            self.denied_calls.add(count, &with(&base, [reason]));
        }
        if let Some(time_left) = certificate_time_left(report) {
            self.certificate_time_left.record(time_left, &base);
        }
        self.measurements.record(&report.measurements, &base);
    }

    fn record_attempt(&self, attempt: &Attempt, base: &[KeyValue]) {
        let by_outcome = with(base, [outcome(attempt.outcome)]);
        self.attempts
            .add(1, &with(&by_outcome, error_type(attempt.error.as_ref())));
        for phase in &attempt.phases {
            let Some(duration) = phase.duration else { continue };
            let name = KeyValue::new(names::PHASE, phase.name.clone());
            let attributes = with(base, [name, outcome(phase_outcome(phase, attempt))]);
            self.phase_duration.record(duration.as_secs_f64(), &attributes);
        }
    }

    /// What the instruments hold now.
    ///
    /// # Errors
    ///
    /// When the SDK cannot collect.
    pub(super) fn collect(&self) -> Result<ResourceMetrics, opentelemetry_sdk::error::OTelSdkError> {
        let mut collected = ResourceMetrics::default();
        self.reader.collect(&mut collected).map(|()| collected)
    }

    /// Measurements that were left out, and why.
    pub(super) fn refused_measurements(&self) -> Vec<String> {
        self.measurements.refused()
    }
}

/// How a phase ended, in the words of runs: an interrupted one ended as its attempt did.
fn phase_outcome(phase: &PhaseReport, attempt: &Attempt) -> Outcome {
    match (&phase.error, phase.status) {
        (Some(error), _) => error.error_type.outcome(),
        (None, PhaseStatus::Ok) => Outcome::Pass,
        (None, _) => attempt.outcome,
    }
}

/// From the end of the run to the first expiry among the certificates of the last attempt.
fn certificate_time_left(report: &Report) -> Option<f64> {
    let not_after = |phase: &PhaseReport| match phase.attributes.get(names::CERTIFICATE_NOT_AFTER)? {
        AttributeValue::Text(text) => OffsetDateTime::parse(text, &Rfc3339).ok(),
        _ => None,
    };
    let first = report.phases().iter().filter_map(not_after).min()?;
    let left = first - OffsetDateTime::from(report.started + report.duration);
    Some(left.as_seconds_f64())
}

fn outcome(outcome: Outcome) -> KeyValue {
    KeyValue::new(names::OUTCOME, outcome.as_str())
}

fn error_type(error: Option<&ErrorReport>) -> Option<KeyValue> {
    error.map(|error| KeyValue::new(names::ERROR_TYPE, error.error_type.as_str().to_owned()))
}

/// The attributes and these.
fn with(attributes: &[KeyValue], more: impl IntoIterator<Item = KeyValue>) -> Vec<KeyValue> {
    attributes.iter().cloned().chain(more).collect()
}

fn counter(meter: &Meter, name: &'static str, unit: &'static str, description: &'static str) -> Counter<u64> {
    meter
        .u64_counter(name)
        .with_unit(unit)
        .with_description(description)
        .build()
}

fn histogram(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    buckets: &[f64],
    description: &'static str,
) -> Histogram<f64> {
    let builder = meter
        .f64_histogram(name)
        .with_unit(unit)
        .with_description(description);
    builder.with_boundaries(buckets.to_vec()).build()
}

fn seconds_gauge(meter: &Meter, name: &'static str, description: &'static str) -> Gauge<f64> {
    meter
        .f64_gauge(name)
        .with_unit("s")
        .with_description(description)
        .build()
}

/// A view of every instrument that raises the SDK's limit of 2,000 attribute sets.
fn with_cardinality_limit(instrument: &Instrument) -> Option<Stream> {
    let limit = if instrument.name() == names::METRIC_PHASE_DURATION {
        PHASE_CARDINALITY
    } else {
        CARDINALITY
    };
    Stream::builder().with_cardinality_limit(limit).build().ok()
}

/// A reader that both the SDK and we hold. It is read when we say, so that the result of every export
/// is ours; the SDK's periodic reader keeps it to itself and cannot be bounded.
#[derive(Debug, Clone)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
