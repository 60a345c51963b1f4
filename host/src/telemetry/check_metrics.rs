//! Report → metrics of its check: the instruments, and what a report adds to each. What the runner counts about
//! itself does not live here.

use std::sync::Arc;

use opentelemetry::KeyValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::checks::{Check, Checks, Known};
use super::measurements::Measurements;
use super::metrics::{Exemplar, Instrument, Owner, Registry, Value, catalogue, nanoseconds};
use super::{names, process, spans};
use crate::outcome::{Attempt, AttributeValue, ErrorReport, Outcome, PhaseReport, Report};
use crate::phase::PhaseStatus;

/// The instruments.
#[derive(Debug)]
pub(super) struct CheckMetrics {
    runs: Arc<Instrument>,
    duration: Arc<Instrument>,
    phase_duration: Arc<Instrument>,
    attempts: Arc<Instrument>,
    up: Arc<Instrument>,
    last_run: Arc<Instrument>,
    deadline_utilization: Arc<Instrument>,
    denied_calls: Arc<Instrument>,
    certificate_time_left: Arc<Instrument>,
    retries_denied: Arc<Instrument>,
    measurements: Measurements,
    checks: Checks,
    nobody: Owner,
}

impl CheckMetrics {
    /// Without any series, in a process that began then (in nanoseconds since 1970).
    pub(super) fn new(registry: &Arc<Registry>, began: u64) -> Self {
        Self {
            runs: registry.make(&catalogue::RUNS),
            duration: registry.make(&catalogue::DURATION),
            phase_duration: registry.make(&catalogue::PHASE_DURATION),
            attempts: registry.make(&catalogue::ATTEMPTS),
            up: registry.make(&catalogue::UP),
            last_run: registry.make(&catalogue::LAST_RUN),
            deadline_utilization: registry.make(&catalogue::DEADLINE_UTILIZATION),
            denied_calls: registry.make(&catalogue::DENIED_CALLS),
            certificate_time_left: registry.make(&catalogue::CERTIFICATE_TIME_LEFT),
            retries_denied: registry.make(&catalogue::RETRIES_DENIED),
            measurements: Measurements::new(Arc::clone(registry)),
            checks: Checks::new(began),
            nobody: Owner::nobody(began),
        }
    }

    /// Which checks there are.
    pub(super) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// What plugins measure.
    pub(super) fn measurements(&self) -> &Measurements {
        &self.measurements
    }

    /// The instruments that are of checks, measurements apart.
    pub(super) fn instruments(&self) -> [&Arc<Instrument>; 10] {
        [
            &self.runs,
            &self.duration,
            &self.phase_duration,
            &self.attempts,
            &self.up,
            &self.last_run,
            &self.deadline_utilization,
            &self.denied_calls,
            &self.certificate_time_left,
            &self.retries_denied,
        ]
    }

    /// The owner of what belongs to no check.
    pub(super) fn nobody(&self) -> &Owner {
        &self.nobody
    }

    /// No check began later than this.
    pub(super) fn began_by(&self, now: u64) {
        self.nobody.began_by(now);
        self.checks
            .known()
            .iter()
            .for_each(|check| check.owner().began_by(now));
    }

    /// Forgets other checks than these; and the histograms, where they are of something else from now on, a moment in
    /// nanoseconds since 1970.
    pub(super) fn forget(&self, keep: &dyn Fn(&str) -> bool, each_check: Option<bool>, now: u64) {
        for instrument in self.instruments() {
            instrument.retain(keep);
        }
        self.measurements.retain(keep);
        for histogram in [&self.duration, &self.phase_duration, &self.deadline_utilization] {
            match each_check {
                Some(true) => histogram.forget_unowned(),
                Some(false) => histogram.retain(|_| false),
                None => continue,
            }
            // Those they are of have been there for longer, and may have had some before.
            histogram.starts_anew(now);
        }
    }

    /// Adds a report; says whether there is its check.
    pub(super) fn record(&self, report: &Report) -> bool {
        let known = self.checks.known_with(report);
        let Some(check) = known.get(&report.check) else {
            return false;
        };
        if check.plugin() != report.plugin.name {
            return false;
        }
        let recording = Recording {
            metrics: self,
            known: &known,
            check,
            report,
            exemplar: exemplar(report),
            injected: spans::injected_attribute(report.is_injected()),
        };
        recording.run();
        true
    }
}

/// A report that is being added.
struct Recording<'a> {
    metrics: &'a CheckMetrics,
    known: &'a Known,
    check: &'a Check,
    report: &'a Report,
    exemplar: Exemplar,
    /// What was injected is counted apart: it says nothing about the target.
    injected: Option<KeyValue>,
}

impl Recording<'_> {
    fn run(&self) {
        let (metrics, report) = (self.metrics, self.report);
        let by_outcome = [outcome(report.outcome)];
        let more = error_type(report.error.as_ref()).into_iter();
        let more = more.chain(spans::retried_attribute(report));
        let exemplar = (report.outcome != Outcome::Pass).then_some(Exemplar {
            value: 1.0,
            ..self.exemplar
        });
        let own = self.own(by_outcome.iter().cloned().chain(more));
        metrics.runs.add_with(self.owner(), &own, 1, exemplar);
        let own = self.own(by_outcome.iter().cloned());
        let ended = process::seconds_since_1970(report.started + report.duration);
        metrics.last_run.set(self.owner(), &own, Value::Real(ended));
        if report.outcome == Outcome::Skipped {
            return;
        }
        let took = report.duration.as_secs_f64();
        self.histogram(&metrics.duration, &own, took, Some(self.exemplar_of(took)));
        self.judged(took);
        for attempt in &report.attempts {
            self.attempt(attempt);
        }
        for (denial, count) in report.usage.denied_calls.iter() {
            let own = self.own([KeyValue::new(names::DENIAL, denial.as_str())]);
            metrics.denied_calls.add(self.owner(), &own, count);
        }
        metrics
            .measurements
            .record(self.owner(), &report.measurements, self.injected.as_ref());
    }

    /// What has no attributes but those of every metric.
    fn judged(&self, took: f64) {
        let (metrics, report) = (self.metrics, self.report);
        let own = self.own([]);
        if !report.deadline.is_zero() {
            let share = took / report.deadline.as_secs_f64();
            self.histogram(&metrics.deadline_utilization, &own, share, None);
        }
        match report.outcome {
            Outcome::Pass => metrics.up.set(self.owner(), &own, Value::Whole(1)),
            Outcome::Fail => metrics.up.set(self.owner(), &own, Value::Whole(0)),
            Outcome::Error | Outcome::Skipped => {}
        }
        if report.retry_denied.is_some() {
            metrics.retries_denied.add(self.owner(), &own, 1);
        }
        if let Some(left) = certificate_time_left(report) {
            metrics
                .certificate_time_left
                .set(self.owner(), &own, Value::Real(left));
        }
    }

    fn attempt(&self, attempt: &Attempt) {
        let by_error = [outcome(attempt.outcome)].into_iter();
        let by_error = self.own(by_error.chain(error_type(attempt.error.as_ref())));
        self.metrics.attempts.add(self.owner(), &by_error, 1);
        for phase in &attempt.phases {
            let Some(duration) = phase.duration else { continue };
            let own = self.own([
                KeyValue::new(names::PHASE, phase.name.clone()),
                outcome(phase_outcome(phase, attempt)),
            ]);
            let took = duration.as_secs_f64();
            let exemplar = self.exemplar_of(took);
            self.histogram(&self.metrics.phase_duration, &own, took, Some(exemplar));
        }
    }

    /// Adds to the histogram of the check, or of its plugin where there are too many checks.
    fn histogram(&self, histogram: &Instrument, own: &[KeyValue], value: f64, exemplar: Option<Exemplar>) {
        if self.known.each_check() {
            return histogram.record(self.owner(), own, value, exemplar);
        }
        let plugin = KeyValue::new(names::TYPE, self.report.plugin.name.clone());
        let own: Vec<KeyValue> = [plugin].into_iter().chain(own.iter().cloned()).collect();
        histogram.record(self.metrics.nobody(), &own, value, exemplar);
    }

    fn owner(&self) -> &Owner {
        self.check.owner()
    }

    /// These attributes, and whether anything was injected.
    fn own(&self, attributes: impl IntoIterator<Item = KeyValue>) -> Vec<KeyValue> {
        attributes.into_iter().chain(self.injected.clone()).collect()
    }

    fn exemplar_of(&self, value: f64) -> Exemplar {
        Exemplar {
            value,
            ..self.exemplar
        }
    }
}

/// The run itself: its trace, its root span, its end.
fn exemplar(report: &Report) -> Exemplar {
    Exemplar {
        trace_id: report.trace_id.0,
        span_id: report.run_id.0,
        value: 0.0,
        time: nanoseconds(report.started + report.duration),
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

#[cfg(test)]
#[path = "check_metrics_tests.rs"]
mod tests;
