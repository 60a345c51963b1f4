//! Which span something in a run belongs to, and what that span's id is. Pure.

use std::time::Duration;

use crate::outcome::{Attempt, PhaseReport, Report, SpanPlace, derived_span_id};

/// The id of the root: the run's own.
pub(in crate::telemetry) fn root_id(report: &Report) -> [u8; 8] {
    report.run_id.0
}

/// The id of the span at this place.
pub(in crate::telemetry) fn id(report: &Report, place: Option<SpanPlace>) -> [u8; 8] {
    place.map_or_else(
        || root_id(report),
        |place| derived_span_id(report.trace_id, place),
    )
}

/// The attempts with their numbers.
pub(in crate::telemetry) fn attempts(report: &Report) -> impl DoubleEndedIterator<Item = (u32, &Attempt)> {
    let numbered = report.attempts.iter().enumerate();
    numbered.map(|(index, attempt)| (u32::try_from(index + 1).unwrap_or(u32::MAX), attempt))
}

/// The phases of an attempt that began, with their places.
pub(in crate::telemetry) fn begun(
    number: u32,
    attempt: &Attempt,
) -> impl DoubleEndedIterator<Item = (SpanPlace, &PhaseReport)> {
    // Those never begun come last.
    let phases = attempt.phases.iter().enumerate();
    let begun = phases.filter(|(_, phase)| phase.start.is_some());
    begun.map(move |(index, phase)| {
        let attempt = number;
        (SpanPlace::Phase { attempt, index }, phase)
    })
}

/// Where something stands that happened at this moment in the phase of this name and detail, if one was open: in that
/// phase, else in the attempt that was under way, else in the root. Of two phases that meet at the moment it is the
/// later one.
pub(in crate::telemetry) fn place_of(
    report: &Report,
    phase: Option<&String>,
    detail: Option<&String>,
    at: Duration,
) -> Option<SpanPlace> {
    let under_way = |(_, attempt): &(u32, &Attempt)| contains(attempt.start, attempt.duration, at);
    let (number, attempt) = attempts(report).rev().find(under_way)?;
    let is_it = |candidate: &PhaseReport| {
        Some(&candidate.name) == phase
            && candidate.detail.as_ref() == detail
            && candidate
                .start
                .zip(candidate.duration)
                .is_some_and(|(start, duration)| contains(start, duration, at))
    };
    let found = begun(number, attempt).rev().find(|(_, phase)| is_it(phase));
    Some(found.map_or(SpanPlace::Attempt(number), |(place, _)| place))
}

/// To the microsecond: a report is written no finer.
fn contains(start: Duration, duration: Duration, at: Duration) -> bool {
    let end = start.as_micros() + duration.as_micros();
    // Start and duration are cut off each: their sum may lie a microsecond before the end.
    (start.as_micros()..=end + 1).contains(&at.as_micros())
}
