//! Reports → spans: a root for the run, a span for each attempt, for each phase that was reached and for
//! each wait between attempts, as OTLP's messages. Pure. Identities follow from the report (`outcome::identity`), so
//! that exporting it again yields the same spans. How they get to a collector is not known here.

mod attributes;
pub(super) mod events;
mod links;
pub(super) mod places;
mod request;
mod shared;
mod span;
pub(super) mod times;

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

pub(super) use attributes::{base, set_judgement};
pub(super) use shared::{injected_attribute, retried_attribute, scope};

use super::values::{Attributes, OWN_SCOPE};
use crate::outcome::{Attempt, ErrorReport, Outcome, PhaseReport, Report, SpanPlace};
use crate::phase::{HostPhase, PhaseStatus};
use events::{Happening, happenings};
use request::{Request, Scope};
use span::{Event, Span};
use times::Times;

/// How many spans a run has at most: more than any of ours, which has 192 phases in each of 10 attempts. It bounds
/// what a report of others' making becomes; what is over is counted on the root.
pub(super) const MAX_SPANS: usize = 2048;
/// How many events a span has at most: OpenTelemetry's default.
pub(super) const MAX_EVENTS: usize = 128;

/// The trace is recorded, as W3C Trace Context says it.
pub(super) const SAMPLED: u32 = 1;

/// The request with the spans of these runs, as it is written: one resource, which is a message that is written already,
/// in it a scope for what bedcheck did itself and one for each plugin. A run's root comes before its other spans. None
/// without runs.
pub(super) fn request<'r>(resource: &[u8], reports: impl IntoIterator<Item = &'r Report>) -> Option<Vec<u8>> {
    let mut request = Request::default();
    for report in reports {
        Trace::new(report).write(&mut request);
    }
    request.finish(resource)
}

struct Trace<'r> {
    report: &'r Report,
    times: Times,
    happenings: Vec<Happening<'r>>,
    room: usize,
    dropped: u64,
}

impl<'r> Trace<'r> {
    fn new(report: &'r Report) -> Self {
        Self {
            report,
            times: Times::of(report),
            happenings: happenings(report),
            room: MAX_SPANS,
            dropped: wanted(report).saturating_sub(MAX_SPANS) as u64,
        }
    }

    fn write(mut self, request: &mut Request<'r>) {
        self.push(request, OWN_SCOPE, &self.root());
        let mut previous = None;
        for (number, attempt) in places::attempts(self.report) {
            if let Some(previous) = previous
                && let Some(pause) = self.backoff(previous, number, attempt)
            {
                self.push(request, OWN_SCOPE, &pause);
            }
            self.push(request, OWN_SCOPE, &self.attempt(number, attempt));
            for (place, phase) in places::begun(number, attempt) {
                let span = self.phase(place, phase, number, attempt);
                self.push(request, self.scope_of(phase), &span);
            }
            previous = Some(attempt);
        }
    }

    fn push(&mut self, request: &mut Request<'r>, scope: Scope<'r>, span: &Span<'_>) {
        if let Some(room) = self.room.checked_sub(1) {
            self.room = room;
            request.push(scope, span);
        }
    }

    fn root(&self) -> Span<'r> {
        let report = self.report;
        let mut attributes = attributes::of_root(report);
        if self.dropped > 0 {
            attributes.set(super::names::SPANS_DROPPED, self.dropped);
        }
        Span {
            name: format!("check {}", report.plugin.name).into(),
            failure: failure(report.outcome, report.error.as_ref()),
            links: links::of_root(report),
            parent_span_id: None,
            ..self.span(
                None,
                SpanKind::Internal,
                (Duration::ZERO, report.duration),
                attributes,
            )
        }
    }

    fn attempt(&self, number: u32, attempt: &'r Attempt) -> Span<'r> {
        let times = (attempt.start, attempt.start + attempt.duration);
        let attributes = attributes::of_attempt(self.report, number, attempt);
        Span {
            name: "attempt".into(),
            failure: failure(attempt.outcome, attempt.error.as_ref()),
            links: Vec::from_iter(links::to_previous_attempt(self.report, number)),
            ..self.span(
                Some(SpanPlace::Attempt(number)),
                SpanKind::Internal,
                times,
                attributes,
            )
        }
    }

    fn backoff(&self, previous: &Attempt, number: u32, next: &Attempt) -> Option<Span<'r>> {
        let end = previous.start + previous.duration;
        let attributes = attributes::base(self.report);
        (next.start > end).then(|| Span {
            name: "backoff".into(),
            ..self.span(
                Some(SpanPlace::Backoff(number)),
                SpanKind::Internal,
                (end, next.start),
                attributes,
            )
        })
    }

    fn phase(&self, place: SpanPlace, phase: &'r PhaseReport, number: u32, attempt: &'r Attempt) -> Span<'r> {
        let start = phase.start.unwrap_or_default();
        let end = start + phase.duration.unwrap_or_default();
        // A phase that the end of a failing attempt cut off is where the attempt failed.
        let interrupted = phase.status == PhaseStatus::Interrupted && attempt.outcome != Outcome::Pass;
        let error = phase
            .error
            .as_ref()
            .or(attempt.error.as_ref().filter(|_| interrupted));
        let attributes = attributes::of_phase(self.report, phase, error);
        Span {
            name: Cow::Borrowed(&phase.name),
            failure: error.and_then(|error| failure(error.error_type.outcome(), Some(error))),
            parent_span_id: Some(self.id(Some(SpanPlace::Attempt(number)))),
            ..self.span(Some(place), kind(phase, attempt), (start, end), attributes)
        }
    }

    /// A span under the root, from and to these offsets, with what happened in it.
    fn span(
        &self,
        place: Option<SpanPlace>,
        kind: SpanKind,
        (start, end): (Duration, Duration),
        attributes: Attributes<'r>,
    ) -> Span<'r> {
        let inside = || {
            self.happenings
                .iter()
                .filter(|happening| happening.place == place)
        };
        let dropped_events = inside().count().saturating_sub(MAX_EVENTS);
        Span {
            trace_id: self.report.trace_id.0,
            span_id: self.id(place),
            parent_span_id: Some(places::root_id(self.report)),
            name: Cow::Borrowed(""),
            kind,
            times: (self.times.at(start), self.times.at(end)),
            attributes,
            events: inside()
                .take(MAX_EVENTS)
                .map(|happening| self.event(happening))
                .collect(),
            dropped_events: u32::try_from(dropped_events).unwrap_or(u32::MAX),
            links: Vec::new(),
            failure: None,
        }
    }

    fn event(&self, happening: &Happening<'r>) -> Event<'r> {
        Event {
            time: self.times.at(happening.at),
            name: happening.name,
            attributes: happening.attributes.clone(),
        }
    }

    fn id(&self, place: Option<SpanPlace>) -> [u8; 8] {
        places::id(self.report, place)
    }

    /// Whose doing the phase is: the host's own are bedcheck's, the others the plugin's.
    fn scope_of(&self, phase: &PhaseReport) -> Scope<'r> {
        if HostPhase::is_name(&phase.name) {
            return OWN_SCOPE;
        }
        (&self.report.plugin.name, &self.report.plugin.version)
    }
}

/// How many spans a run would have without a limit.
fn wanted(report: &Report) -> usize {
    let attempts = places::attempts(report);
    let phases = attempts.map(|(number, attempt)| places::begun(number, attempt).count());
    let pairs = report.attempts.windows(2);
    let pauses = pairs.filter(|pair| pair[1].start > pair[0].start + pair[0].duration);
    1 + report.attempts.len() + pauses.count() + phases.sum::<usize>()
}

/// A phase asks somebody else for something as soon as its attempt has reached out; before that, and where it never
/// does, the plugin only computes.
fn kind(phase: &PhaseReport, attempt: &Attempt) -> SpanKind {
    let end = phase.start.unwrap_or_default() + phase.duration.unwrap_or_default();
    let reaches_out = |other: &PhaseReport| {
        HostPhase::is_name(&other.name) && other.start.is_some_and(|start| start <= end)
    };
    if attempt.phases.iter().any(reaches_out) {
        SpanKind::Client
    } else {
        SpanKind::Internal
    }
}

/// What it failed with: only what did not pass and did run is an error; of the rest OpenTelemetry wants nothing said.
fn failure(outcome: Outcome, error: Option<&ErrorReport>) -> Option<Cow<'_, str>> {
    match outcome {
        Outcome::Pass | Outcome::Skipped => None,
        Outcome::Fail | Outcome::Error => {
            Some(error.map_or(Cow::Borrowed(""), |error| Cow::Borrowed(&error.message)))
        }
    }
}

#[cfg(test)]
mod tests;
