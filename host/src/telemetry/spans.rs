//! Report → spans: a root for the run, a span for each attempt, for each phase that was reached and for
//! each wait between attempts. Pure. Identities follow from the report, so that exporting it again
//! yields the same spans: the root has the run's id, every other one a digest of trace and position.
//!
//! Lines that the guest logged are left out: they stay in the report.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use sha2::{Digest, Sha256};

use super::names;
use crate::outcome::{
    Attempt, AttributeValue, CircuitChange, ErrorReport, InjectedFault, Outcome, PhaseReport, Report,
};
use crate::phase::PhaseStatus;

/// The name under which everything is exported: the program's.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("bedcheck")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}

/// The spans of a run, the root first.
pub(super) fn spans(report: &Report) -> Vec<SpanData> {
    let mut trace = Trace {
        report,
        id: TraceId::from_bytes(report.trace_id.0),
        root: SpanId::from_bytes(report.run_id.0),
        scope: scope(),
        spans: Vec::new(),
    };
    trace.push_root();
    let mut previous: Option<(&Attempt, SpanContext)> = None;
    for (number, attempt) in (1..).zip(&report.attempts) {
        if let Some((previous, _)) = previous {
            trace.push_backoff(previous, attempt);
        }
        let context = trace.push_attempt(number, attempt, previous.map(|(_, context)| context));
        for phase in &attempt.phases {
            trace.push_phase(phase, attempt, context.span_id());
        }
        previous = Some((attempt, context));
    }
    trace.spans
}

struct Trace<'a> {
    report: &'a Report,
    id: TraceId,
    root: SpanId,
    scope: InstrumentationScope,
    spans: Vec<SpanData>,
}

impl Trace<'_> {
    fn push_root(&mut self) {
        let report = self.report;
        let mut span = self.span(
            format!("check {}", report.plugin.name),
            SpanKind::Internal,
            SpanId::INVALID,
            (Duration::ZERO, report.duration),
        );
        span.span_context = self.context(self.root);
        span.status = status(report.outcome, report.error.as_ref());
        span.attributes = root_attributes(report);
        if let Some(event) = deadline_event(report) {
            span.events.events.push(event);
        }
        let outside =
            |fault: &&InjectedFault| !report.attempts.iter().any(|attempt| has_phase_of(attempt, fault));
        let events = report.faults.iter().filter(outside);
        span.events
            .events
            .extend(events.map(|fault| fault_event(report, fault)));
        let changes = report.circuit.iter();
        span.events
            .events
            .extend(changes.map(|change| circuit_event(report, change)));
        self.spans.push(span);
    }

    fn push_attempt(&mut self, number: i64, attempt: &Attempt, previous: Option<SpanContext>) -> SpanContext {
        let times = (attempt.start, attempt.start + attempt.duration);
        let mut span = self.span("attempt", SpanKind::Internal, self.root, times);
        span.status = status(attempt.outcome, attempt.error.as_ref());
        span.attributes = base_attributes(self.report);
        span.attributes.push(KeyValue::new(names::ATTEMPT, number));
        span.attributes
            .push(KeyValue::new(names::OUTCOME, attempt.outcome.as_str()));
        span.attributes.extend(error_attributes(attempt.error.as_ref()));
        let is_injected = attempt.phases.iter().any(|phase| phase.injected)
            || attempt.error.as_ref().is_some_and(|error| error.injected);
        span.attributes.extend(injected_attribute(is_injected));
        span.links
            .links
            .extend(previous.map(|context| Link::new(context, Vec::new(), 0)));
        let context = span.span_context.clone();
        self.spans.push(span);
        context
    }

    fn push_phase(&mut self, phase: &PhaseReport, attempt: &Attempt, parent: SpanId) {
        let (Some(start), Some(duration)) = (phase.start, phase.duration) else {
            return;
        };
        let times = (start, start + duration);
        let mut span = self.span(phase.name.clone(), SpanKind::Client, parent, times);
        // A phase that the end of a failing attempt cut off is where the attempt failed.
        let interrupted = phase.status == PhaseStatus::Interrupted && attempt.outcome != Outcome::Pass;
        let error = phase
            .error
            .as_ref()
            .or(attempt.error.as_ref().filter(|_| interrupted));
        if let Some(error) = error {
            span.status = status(error.error_type.outcome(), Some(error));
        }
        span.attributes = phase_attributes(self.report, phase);
        span.attributes.extend(error_attributes(error));
        let inside = self
            .report
            .faults
            .iter()
            .filter(|fault| is_in_phase(fault, phase));
        let events = inside.map(|fault| fault_event(self.report, fault));
        span.events.events.extend(events);
        self.spans.push(span);
    }

    fn push_backoff(&mut self, previous: &Attempt, next: &Attempt) {
        let end = previous.start + previous.duration;
        if next.start > end {
            let mut span = self.span("backoff", SpanKind::Internal, self.root, (end, next.start));
            span.attributes = base_attributes(self.report);
            self.spans.push(span);
        }
    }

    /// A span from and to these offsets. Its identity is that of the next position in the trace.
    fn span(
        &self,
        name: impl Into<std::borrow::Cow<'static, str>>,
        span_kind: SpanKind,
        parent_span_id: SpanId,
        (start, end): (Duration, Duration),
    ) -> SpanData {
        SpanData {
            span_context: self.context(derived_id(self.id, self.spans.len())),
            parent_span_id,
            parent_span_is_remote: false,
            span_kind,
            name: name.into(),
            start_time: self.moment(start),
            end_time: self.moment(end),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn context(&self, span: SpanId) -> SpanContext {
        SpanContext::new(self.id, span, TraceFlags::SAMPLED, false, TraceState::NONE)
    }

    fn moment(&self, offset: Duration) -> SystemTime {
        self.report.started + offset
    }
}

/// The first 8 bytes of the SHA-256 of the trace's id and the position, big-endian.
fn derived_id(trace: TraceId, position: usize) -> SpanId {
    let digest = Sha256::new()
        .chain_update(trace.to_bytes())
        .chain_update(u64::try_from(position).unwrap_or(u64::MAX).to_be_bytes())
        .finalize();
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    SpanId::from_bytes(id)
}

/// Only what did not pass and did run is an error; OpenTelemetry leaves the rest unset.
fn status(outcome: Outcome, error: Option<&ErrorReport>) -> Status {
    match outcome {
        Outcome::Pass | Outcome::Skipped => Status::Unset,
        Outcome::Fail | Outcome::Error => {
            Status::error(error.map(|error| error.message.clone()).unwrap_or_default())
        }
    }
}

/// What every span and every metric of a check has.
pub(super) fn base_attributes(report: &Report) -> Vec<KeyValue> {
    vec![
        KeyValue::new(names::CHECK, report.check.clone()),
        KeyValue::new(names::TYPE, report.plugin.name.clone()),
    ]
}

fn root_attributes(report: &Report) -> Vec<KeyValue> {
    let mut attributes = base_attributes(report);
    let usage = report.usage;
    attributes.extend([
        KeyValue::new(names::OUTCOME, report.outcome.as_str()),
        KeyValue::new(names::RUN_ID, crate::outcome::hexadecimal(&report.run_id.0)),
        KeyValue::new(names::DEADLINE, report.deadline.as_secs_f64()),
        KeyValue::new(names::DEADLINE_EXCEEDED, report.deadline_exceeded),
        KeyValue::new(names::LAG, report.lag.as_secs_f64()),
        KeyValue::new(names::ATTEMPTS, integer(report.attempts.len() as u64)),
        KeyValue::new(names::PLUGIN_NAME, report.plugin.name.clone()),
        KeyValue::new(names::PLUGIN_VERSION, report.plugin.version.clone()),
        KeyValue::new(names::PLUGIN_DIGEST, report.plugin.sha256.clone()),
        KeyValue::new(names::USAGE_FUEL, integer(usage.fuel)),
        KeyValue::new(names::USAGE_MEMORY, integer(usage.memory_bytes)),
        KeyValue::new(names::USAGE_HOST_CALLS, integer(usage.host_calls)),
        KeyValue::new(names::USAGE_BYTES_READ, integer(usage.bytes_read)),
        KeyValue::new(names::USAGE_BYTES_WRITTEN, integer(usage.bytes_written)),
        KeyValue::new(names::USAGE_DENIED_CALLS, integer(usage.denied_calls.total())),
    ]);
    let denials: Vec<StringValue> = usage
        .denied_calls
        .iter()
        .map(|(denial, _)| denial.as_str().into())
        .collect();
    if !denials.is_empty() {
        attributes.push(KeyValue::new(
            names::DENIALS,
            Value::Array(Array::String(denials)),
        ));
    }
    attributes.extend(
        report
            .blame
            .map(|blame| KeyValue::new(names::BLAME, blame.as_str())),
    );
    attributes.extend(error_attributes(report.error.as_ref()));
    if let Some(phase) = report.error.as_ref().and_then(|error| error.phase.clone()) {
        attributes.push(KeyValue::new(names::PHASE, phase));
    }
    attributes.extend(deadline_attributes(report));
    attributes.extend(injected_attribute(report.is_injected()));
    attributes.extend(retried_attribute(report));
    if !report.warnings.is_empty() {
        let warnings = report.warnings.iter().cloned().map(StringValue::from);
        let warnings = Value::Array(Array::String(warnings.collect()));
        attributes.push(KeyValue::new(names::WARNINGS, warnings));
    }
    let denied = report.retry_denied.clone();
    attributes.extend(denied.map(|reason| KeyValue::new(names::RETRY_DENIED, reason)));
    let not_reached = report
        .phases()
        .iter()
        .filter(|phase| phase.status == PhaseStatus::NotReached);
    let not_reached: Vec<StringValue> = not_reached.map(|phase| label(phase).into()).collect();
    if !not_reached.is_empty() {
        attributes.push(KeyValue::new(
            names::PHASES_NOT_REACHED,
            Value::Array(Array::String(not_reached)),
        ));
    }
    attributes
}

fn deadline_attributes(report: &Report) -> impl Iterator<Item = KeyValue> {
    let hit = report.deadline_hit.as_ref();
    let phase = hit.and_then(|hit| hit.phase.clone());
    let host_call = hit.and_then(|hit| hit.host_call);
    let phase = phase.map(|phase| KeyValue::new(names::DEADLINE_PHASE, phase));
    phase
        .into_iter()
        .chain(host_call.map(|call| KeyValue::new(names::DEADLINE_HOST_CALL, call)))
}

fn deadline_event(report: &Report) -> Option<Event> {
    let hit = report.deadline_hit.as_ref()?;
    let mut attributes: Vec<KeyValue> = deadline_attributes(report).collect();
    attributes.extend(
        hit.detail
            .clone()
            .map(|detail| KeyValue::new(names::PHASE_DETAIL, detail)),
    );
    Some(Event::new(
        names::EVENT_DEADLINE_HIT,
        report.started + hit.at,
        attributes,
        0,
    ))
}

fn circuit_event(report: &Report, change: &CircuitChange) -> Event {
    let label = |state: &str| state.replace('-', "_");
    Event::new(
        names::EVENT_CIRCUIT_TRANSITION,
        report.started + change.at,
        vec![
            KeyValue::new(names::TARGET, change.target.clone()),
            KeyValue::new(names::CIRCUIT_STATE_BEFORE, label(change.from)),
            KeyValue::new(names::CIRCUIT_STATE, label(change.to)),
        ],
        0,
    )
}

/// Absent where nothing was injected, so that nobody has to ask for `false`.
pub(super) fn injected_attribute(is_injected: bool) -> Option<KeyValue> {
    is_injected.then(|| KeyValue::new(names::FAULT_INJECTED, true))
}

/// On a run that passed on a later attempt. Absent otherwise, so that nobody has to ask for `false`.
pub(super) fn retried_attribute(report: &Report) -> Option<KeyValue> {
    report.is_retried().then(|| KeyValue::new(names::RETRIED, true))
}

fn has_phase_of(attempt: &Attempt, fault: &InjectedFault) -> bool {
    attempt.phases.iter().any(|phase| is_in_phase(fault, phase))
}

/// Whether the fault was injected in this very phase: name, detail and moment are those of it.
fn is_in_phase(fault: &InjectedFault, phase: &PhaseReport) -> bool {
    let (Some(start), Some(duration)) = (phase.start, phase.duration) else {
        return false;
    };
    phase.injected
        && fault.phase.as_ref() == Some(&phase.name)
        && fault.detail == phase.detail
        && (start..=start + duration).contains(&fault.at)
}

fn fault_event(report: &Report, fault: &InjectedFault) -> Event {
    let mut attributes = vec![
        KeyValue::new(names::FAULT, fault.fault.clone()),
        KeyValue::new(names::FAULT_HOST_CALL, fault.call),
    ];
    let phase = fault.phase.clone();
    attributes.extend(phase.map(|phase| KeyValue::new(names::PHASE, phase)));
    let detail = fault.detail.clone();
    attributes.extend(detail.map(|detail| KeyValue::new(names::PHASE_DETAIL, detail)));
    Event::new(
        names::EVENT_FAULT_INJECTED,
        report.started + fault.at,
        attributes,
        0,
    )
}

fn phase_attributes(report: &Report, phase: &PhaseReport) -> Vec<KeyValue> {
    let mut attributes = base_attributes(report);
    attributes.push(KeyValue::new(names::PHASE, phase.name.clone()));
    attributes.push(KeyValue::new(names::PHASE_STATUS, phase.status.as_str()));
    attributes.extend(injected_attribute(phase.injected));
    attributes.extend(
        phase
            .detail
            .clone()
            .map(|detail| KeyValue::new(names::PHASE_DETAIL, detail)),
    );
    attributes.extend(
        phase
            .budget_share
            .map(|share| KeyValue::new(names::PHASE_BUDGET_SHARE, share)),
    );
    attributes.extend(
        phase
            .attributes
            .iter()
            .map(|(name, value)| KeyValue::new(*name, otel_value(value))),
    );
    attributes
}

fn error_attributes(error: Option<&ErrorReport>) -> Vec<KeyValue> {
    let attributes = |error: &ErrorReport| {
        vec![
            KeyValue::new(names::ERROR_TYPE, error.error_type.as_str().to_owned()),
            KeyValue::new(names::ERROR_MESSAGE, error.message.clone()),
        ]
    };
    error.map(attributes).unwrap_or_default()
}

fn otel_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => Value::String(text.clone().into()),
        AttributeValue::Integer(number) => Value::I64(*number),
        AttributeValue::List(texts) => Value::Array(Array::String(
            texts.iter().cloned().map(StringValue::from).collect(),
        )),
    }
}

fn label(phase: &PhaseReport) -> String {
    match &phase.detail {
        Some(detail) => format!("{}({detail})", phase.name),
        None => phase.name.clone(),
    }
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
