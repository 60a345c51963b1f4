//! Reports → spans: a root for the run, a span for each attempt, for each phase that was reached and for
//! each wait between attempts, as OTLP's messages. Pure. Identities follow from the report (`outcome::identity`), so
//! that exporting it again yields the same spans. How they get to a collector is not known here.

mod attributes;
pub(super) mod events;
mod links;
pub(super) mod places;
mod shared;
pub(super) mod times;

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, SpanFlags, Status};

pub(super) use attributes::{base, set_judgement};
pub(super) use shared::{injected_attribute, retried_attribute, scope};

use super::values::{self, Attributes, own_scope, shortened};
use crate::outcome::{Attempt, ErrorReport, Outcome, PhaseReport, Report, SpanPlace};
use crate::phase::{HostPhase, PhaseStatus};
use events::{Happening, happenings};
use times::Times;

/// How many spans a run has at most: more than any of ours, which has 192 phases in each of 10 attempts. It bounds
/// what a report of others' making becomes; what is over is counted on the root.
pub(super) const MAX_SPANS: usize = 2048;
/// How many events a span has at most: OpenTelemetry's default.
pub(super) const MAX_EVENTS: usize = 128;

/// The trace is recorded, as W3C Trace Context says it.
pub(super) const SAMPLED: u32 = 1;

/// The spans of these runs: one resource, in it a scope for what bedcheck did itself and one for each plugin. A run's
/// root comes before its other spans.
pub(super) fn resource_spans<'r>(
    resource: &Resource,
    reports: impl IntoIterator<Item = &'r Report>,
) -> Vec<ResourceSpans> {
    let mut scopes = Scopes::default();
    for report in reports {
        Trace::new(report).write(&mut scopes);
    }
    if scopes.0.is_empty() {
        return Vec::new();
    }
    vec![ResourceSpans {
        resource: Some(resource.clone()),
        scope_spans: scopes.0,
        schema_url: String::new(),
    }]
}

/// Spans by their scopes, in the order in which these first came.
#[derive(Default)]
struct Scopes(Vec<ScopeSpans>);

impl Scopes {
    fn push(&mut self, scope: InstrumentationScope, span: Span) {
        let known = self
            .0
            .iter_mut()
            .find(|known| known.scope.as_ref() == Some(&scope));
        match known {
            Some(known) => known.spans.push(span),
            None => self.0.push(ScopeSpans {
                scope: Some(scope),
                spans: vec![span],
                schema_url: String::new(),
            }),
        }
    }
}

struct Trace<'r> {
    report: &'r Report,
    times: Times,
    happenings: Vec<Happening>,
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

    fn write(mut self, scopes: &mut Scopes) {
        self.push(scopes, own_scope(), self.root());
        let mut previous = None;
        for (number, attempt) in places::attempts(self.report) {
            if let Some(previous) = previous
                && let Some(pause) = self.backoff(previous, number, attempt)
            {
                self.push(scopes, own_scope(), pause);
            }
            self.push(scopes, own_scope(), self.attempt(number, attempt));
            for (place, phase) in places::begun(number, attempt) {
                self.push(
                    scopes,
                    self.scope_of(phase),
                    self.phase(place, phase, number, attempt),
                );
            }
            previous = Some(attempt);
        }
    }

    fn push(&mut self, scopes: &mut Scopes, scope: InstrumentationScope, span: Span) {
        if let Some(room) = self.room.checked_sub(1) {
            self.room = room;
            scopes.push(scope, span);
        }
    }

    fn root(&self) -> Span {
        let report = self.report;
        let mut attributes = attributes::of_root(report);
        if self.dropped > 0 {
            attributes.set(super::names::SPANS_DROPPED, self.dropped);
        }
        Span {
            name: format!("check {}", report.plugin.name),
            status: status(report.outcome, report.error.as_ref()),
            links: links::of_root(report),
            parent_span_id: Vec::new(),
            ..self.span(
                None,
                SpanKind::Internal,
                (Duration::ZERO, report.duration),
                attributes,
            )
        }
    }

    fn attempt(&self, number: u32, attempt: &Attempt) -> Span {
        let times = (attempt.start, attempt.start + attempt.duration);
        let attributes = attributes::of_attempt(self.report, number, attempt);
        Span {
            name: "attempt".to_owned(),
            status: status(attempt.outcome, attempt.error.as_ref()),
            links: Vec::from_iter(links::to_previous_attempt(self.report, number)),
            ..self.span(
                Some(SpanPlace::Attempt(number)),
                SpanKind::Internal,
                times,
                attributes,
            )
        }
    }

    fn backoff(&self, previous: &Attempt, number: u32, next: &Attempt) -> Option<Span> {
        let end = previous.start + previous.duration;
        let attributes = attributes::base(self.report);
        (next.start > end).then(|| Span {
            name: "backoff".to_owned(),
            ..self.span(
                Some(SpanPlace::Backoff(number)),
                SpanKind::Internal,
                (end, next.start),
                attributes,
            )
        })
    }

    fn phase(&self, place: SpanPlace, phase: &PhaseReport, number: u32, attempt: &Attempt) -> Span {
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
            name: phase.name.clone(),
            status: error.map_or_else(unset, |error| status(error.error_type.outcome(), Some(error))),
            parent_span_id: self.id(Some(SpanPlace::Attempt(number))),
            ..self.span(Some(place), kind(phase, attempt), (start, end), attributes)
        }
    }

    /// A span under the root, from and to these offsets, with what happened in it.
    fn span(
        &self,
        place: Option<SpanPlace>,
        kind: SpanKind,
        (start, end): (Duration, Duration),
        attributes: Attributes,
    ) -> Span {
        let (attributes, dropped_attributes_count) = attributes.finish();
        let inside = || {
            self.happenings
                .iter()
                .filter(|happening| happening.place == place)
        };
        let dropped_events = inside().count().saturating_sub(MAX_EVENTS);
        Span {
            trace_id: self.report.trace_id.0.to_vec(),
            span_id: self.id(place),
            parent_span_id: places::root_id(self.report).to_vec(),
            flags: SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32,
            kind: kind.into(),
            start_time_unix_nano: self.times.at(start),
            end_time_unix_nano: self.times.at(end),
            attributes,
            dropped_attributes_count,
            events: inside()
                .take(MAX_EVENTS)
                .map(|happening| self.event(happening))
                .collect(),
            dropped_events_count: u32::try_from(dropped_events).unwrap_or(u32::MAX),
            status: unset(),
            ..Span::default()
        }
    }

    fn event(&self, happening: &Happening) -> Event {
        let (attributes, dropped_attributes_count) = happening.attributes.clone().finish();
        Event {
            time_unix_nano: self.times.at(happening.at),
            name: happening.name.to_owned(),
            attributes,
            dropped_attributes_count,
        }
    }

    fn id(&self, place: Option<SpanPlace>) -> Vec<u8> {
        places::id(self.report, place).to_vec()
    }

    /// Whose doing the phase is: the host's own are bedcheck's, the others the plugin's.
    fn scope_of(&self, phase: &PhaseReport) -> InstrumentationScope {
        if HostPhase::is_name(&phase.name) {
            return own_scope();
        }
        values::scope(&self.report.plugin.name, &self.report.plugin.version)
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

/// Only what did not pass and did run is an error; OpenTelemetry leaves the rest unset.
fn status(outcome: Outcome, error: Option<&ErrorReport>) -> Option<Status> {
    match outcome {
        Outcome::Pass | Outcome::Skipped => unset(),
        Outcome::Fail | Outcome::Error => Some(Status {
            code: StatusCode::Error.into(),
            message: error.map(|error| shortened(&error.message)).unwrap_or_default(),
        }),
    }
}

fn unset() -> Option<Status> {
    Some(Status::default())
}

#[cfg(test)]
mod tests;
