//! Report → metrics: the instruments, and what a report adds to each. How metrics leave the process
//! does not live here, nor what the runner counts about itself.
//!
//! Counters and gauges are kept in [`Series`] and so forgotten with their check. Histograms are the SDK's,
//! which keeps them until the process ends.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream, Temporality,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::measurements::{self, Measurements};
use super::series::Series;
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
/// Attribute sets of an instrument: 100,000 checks, or the phases of 10,000 with 5 phases and two outcomes.
/// What is over the limit is added up under `otel.metric.overflow`.
pub(super) const CARDINALITY: usize = 100_000;
/// The same where a check or a breaker has a set for each of its states, of which there are four at most.
const STATES_CARDINALITY: usize = 4 * CARDINALITY;
/// Up to how many checks the histograms are of each check. The three of a check are nine tenths of what a page of
/// metrics says of it: 20 kB, 200 MB for so many checks. With more, they are of each plugin.
pub(super) const MOST_WITH_HISTOGRAMS: usize = 10_000;

/// The instruments, and the reader that collects what they hold.
#[derive(Debug)]
pub(super) struct Metrics {
    runs: Arc<Series<u64>>,
    duration: Histogram<f64>,
    phase_duration: Histogram<f64>,
    attempts: Arc<Series<u64>>,
    denied_calls: Arc<Series<u64>>,
    up: Arc<Series<u64>>,
    last_run: Arc<Series<f64>>,
    deadline_utilization: Histogram<f64>,
    certificate_time_left: Arc<Series<f64>>,
    measurements: Measurements,
    /// The checks there are; with none said, all are.
    checks: RwLock<Option<HashSet<String>>>,
    /// Whether the histograms are of each check.
    each_check: AtomicBool,
    meter: Meter,
    reader: Reader,
    // Instruments record nothing once their provider is gone.
    _provider: SdkMeterProvider,
}

impl Metrics {
    /// Instruments under this resource, cumulative.
    pub(super) fn new(resource: Resource) -> Self {
        let reader = Reader::default();
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
            up: gauge(
                &meter,
                names::METRIC_UP,
                "{check}",
                "1 after a pass, 0 after a fail; left as it was by errors and skipped runs.",
            ),
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
            measurements: Measurements::new(meter.clone()),
            checks: RwLock::default(),
            each_check: AtomicBool::new(true),
            meter,
            reader,
            _provider: provider,
        }
    }

    /// Makes further instruments, of whoever counts other things than reports.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Says which checks there are: what is kept of others is forgotten, and their reports are not taken.
    pub(super) fn set_checks(&self, checks: HashSet<String>) {
        let is_known = |name: &str| checks.contains(name);
        // Before anything is forgotten, so that no report that comes now brings it back.
        let mut known = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        for counts in [&self.runs, &self.attempts, &self.denied_calls, &self.up] {
            counts.retain(is_known);
        }
        for values in [&self.last_run, &self.certificate_time_left] {
            values.retain(is_known);
        }
        self.measurements.retain(is_known);
        self.each_check
            .store(checks.len() <= MOST_WITH_HISTOGRAMS, Ordering::Relaxed);
        *known = Some(checks);
    }

    /// Whether a check is one of those that were said, if any were.
    pub(super) fn is_known(&self, check: &str) -> bool {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        checks.as_ref().is_none_or(|checks| checks.contains(check))
    }

    /// Adds a report.
    pub(super) fn record(&self, report: &Report) {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        if checks
            .as_ref()
            .is_some_and(|checks| !checks.contains(&report.check))
        {
            return;
        }
        let check = &report.check;
        // What was injected is counted apart: it says nothing about the target.
        let injected = spans::injected_attribute(report.is_injected());
        let base = with(&spans::base_attributes(report), injected);
        let by_outcome = with(&base, [outcome(report.outcome)]);
        let more = error_type(report.error.as_ref()).into_iter();
        let more = more.chain(spans::retried_attribute(report));
        self.runs.add(check, &with(&by_outcome, more), 1);
        let ended = report.started + report.duration;
        let since_1970 = ended.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_run.set(check, &by_outcome, since_1970.as_secs_f64());
        if report.outcome == Outcome::Skipped {
            return;
        }
        self.duration
            .record(report.duration.as_secs_f64(), &self.of_histogram(&by_outcome));
        if !report.deadline.is_zero() {
            let share = report.duration.as_secs_f64() / report.deadline.as_secs_f64();
            self.deadline_utilization.record(share, &self.of_histogram(&base));
        }
        match report.outcome {
            Outcome::Pass => self.up.set(check, &base, 1),
            Outcome::Fail => self.up.set(check, &base, 0),
            Outcome::Error | Outcome::Skipped => {}
        }
        for attempt in &report.attempts {
            self.record_attempt(check, attempt, &base);
        }
        for (denial, count) in report.usage.denied_calls.iter() {
            let reason = KeyValue::new(names::DENIAL, denial.as_str());
            self.denied_calls.add(check, &with(&base, [reason]), count);
        }
        if let Some(time_left) = certificate_time_left(report) {
            self.certificate_time_left.set(check, &base, time_left);
        }
        self.measurements.record(check, &report.measurements, &base);
    }

    fn record_attempt(&self, check: &str, attempt: &Attempt, base: &[KeyValue]) {
        let by_outcome = with(base, [outcome(attempt.outcome)]);
        let by_error = with(&by_outcome, error_type(attempt.error.as_ref()));
        self.attempts.add(check, &by_error, 1);
        for phase in &attempt.phases {
            let Some(duration) = phase.duration else { continue };
            let name = KeyValue::new(names::PHASE, phase.name.clone());
            let attributes = with(base, [name, outcome(phase_outcome(phase, attempt))]);
            self.phase_duration
                .record(duration.as_secs_f64(), &self.of_histogram(&attributes));
        }
    }

    /// The attributes as a histogram has them: without the check, where there are too many.
    fn of_histogram<'a>(&self, attributes: &'a [KeyValue]) -> Cow<'a, [KeyValue]> {
        if self.each_check.load(Ordering::Relaxed) {
            return attributes.into();
        }
        let others = attributes.iter().filter(|pair| pair.key.as_str() != names::CHECK);
        others.cloned().collect()
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

/// Counts that belong to checks or targets, cumulative.
pub(super) fn counter(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
) -> Arc<Series<u64>> {
    let counts = Series::new(cardinality(name));
    let shown = Arc::clone(&counts);
    let _shown_by_the_sdk = meter
        .u64_observable_counter(name)
        .with_unit(unit)
        .with_description(description)
        .with_callback(move |observer| shown.observe(|value, attributes| observer.observe(value, attributes)))
        .build();
    counts
}

/// Whole numbers that belong to checks or targets.
pub(super) fn gauge(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
) -> Arc<Series<u64>> {
    let values = Series::new(cardinality(name));
    let shown = Arc::clone(&values);
    let _shown_by_the_sdk = meter
        .u64_observable_gauge(name)
        .with_unit(unit)
        .with_description(description)
        .with_callback(move |observer| shown.observe(|value, attributes| observer.observe(value, attributes)))
        .build();
    values
}

/// A histogram with these bounds.
pub(super) fn histogram(
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

fn seconds_gauge(meter: &Meter, name: &'static str, description: &'static str) -> Arc<Series<f64>> {
    let values = Series::new(cardinality(name));
    let shown = Arc::clone(&values);
    let _shown_by_the_sdk = meter
        .f64_observable_gauge(name)
        .with_unit("s")
        .with_description(description)
        .with_callback(move |observer| shown.observe(|value, attributes| observer.observe(value, attributes)))
        .build();
    values
}

/// How many attribute sets an instrument of this name has at most.
fn cardinality(name: &str) -> usize {
    match name {
        names::METRIC_CHECK_STATE | names::METRIC_CIRCUIT_STATE => STATES_CARDINALITY,
        name if name.starts_with(names::METRIC_MEASUREMENT_PREFIX) => measurements::CARDINALITY,
        _ => CARDINALITY,
    }
}

/// A view of every instrument that raises the SDK's limit of 2,000 attribute sets: to ours, and one more for
/// what is over ours.
fn with_cardinality_limit(instrument: &Instrument) -> Option<Stream> {
    let limit = cardinality(instrument.name());
    Stream::builder().with_cardinality_limit(limit + 1).build().ok()
}

/// A reader that both the SDK and we hold. It is read when we say, so that the result of every export
/// is ours; the SDK's periodic reader keeps it to itself and cannot be bounded.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader(Arc<ManualReader>);

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
