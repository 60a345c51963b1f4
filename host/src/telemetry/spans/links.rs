//! What spans link to: the attempt before, and other runs. Why is an attribute of the link. Pure.

use super::span::Link;
use crate::outcome::{Report, RunReference, SpanPlace, derived_span_id};
use crate::telemetry::names;
use crate::telemetry::values::Attributes;

/// The runs that this one has to do with.
pub(super) fn of_root(report: &Report) -> Vec<Link> {
    let relations = &report.relations;
    let opened_by = relations.opened_by.map(|run| to_run(run, "opened_circuit"));
    let previous = relations.state_change.as_ref().and_then(|change| change.previous);
    let previous = previous.map(|run| to_run(run, "previous_state"));
    opened_by.into_iter().chain(previous).collect()
}

/// An attempt after the first one links to the one before.
pub(super) fn to_previous_attempt(report: &Report, number: u32) -> Option<Link> {
    let previous = number.checked_sub(1).filter(|previous| *previous > 0)?;
    let span = derived_span_id(report.trace_id, SpanPlace::Attempt(previous));
    Some(link(report.trace_id.0, span, "previous_attempt"))
}

fn to_run(run: RunReference, reason: &'static str) -> Link {
    link(run.trace_id.0, run.run_id.0, reason)
}

fn link(trace_id: [u8; 16], span_id: [u8; 8], reason: &'static str) -> Link {
    let mut attributes = Attributes::default();
    attributes.set(names::LINK, reason);
    Link {
        trace_id,
        span_id,
        attributes,
    }
}
