//! The attributes of spans, from what the report has. Pure.

use super::times::seconds;
use crate::outcome::{Attempt, ErrorReport, PhaseReport, Report, hexadecimal};
use crate::phase::PhaseStatus;
use crate::telemetry::names;
use crate::telemetry::values::Attributes;

/// What every span and every log record of a check has.
pub(in crate::telemetry) fn base(report: &Report) -> Attributes<'_> {
    let mut attributes = Attributes::default();
    attributes.set(names::CHECK, &report.check);
    attributes.set(names::TYPE, &report.plugin.name);
    attributes
}

/// Of the run.
pub(super) fn of_root(report: &Report) -> Attributes<'_> {
    let mut attributes = base(report);
    attributes.set(names::OUTCOME, report.outcome.as_str());
    attributes.set(names::RUN_ID, hexadecimal(&report.run_id.0));
    attributes.set(names::DEADLINE, seconds(report.deadline));
    attributes.set(names::DEADLINE_EXCEEDED, report.deadline_exceeded);
    attributes.set(names::LAG, seconds(report.lag));
    attributes.set(names::ATTEMPTS, report.attempts.len() as u64);
    attributes.set(names::PLUGIN_NAME, &report.plugin.name);
    attributes.set(names::PLUGIN_VERSION, &report.plugin.version);
    attributes.set(names::PLUGIN_DIGEST, &report.plugin.sha256);
    set_usage(&mut attributes, report);
    set_judgement(&mut attributes, report);
    if let Some(hit) = &report.deadline_hit {
        attributes.set_some(names::DEADLINE_PHASE, hit.phase.as_ref());
        let host_call = hit.host_call.as_ref().map(|call| call.to_string());
        attributes.set_some(names::DEADLINE_HOST_CALL, host_call);
    }
    if let Some(change) = &report.relations.state_change {
        attributes.set(names::CHECK_STATE_BEFORE, &change.from);
        attributes.set(names::CHECK_STATE, &change.to);
    }
    attributes.set_some(names::FAULT_INJECTED, report.is_injected().then_some(true));
    attributes.set_some(names::RETRIED, report.is_retried().then_some(true));
    attributes.set_some(names::RETRY_DENIED, report.retry_denied.as_ref());
    if !report.warnings.is_empty() {
        attributes.set(names::WARNINGS, report.warnings.as_slice());
    }
    let not_reached = not_reached(report);
    if !not_reached.is_empty() {
        attributes.set(names::PHASES_NOT_REACHED, not_reached);
    }
    attributes
}

fn set_usage(attributes: &mut Attributes<'_>, report: &Report) {
    let usage = report.usage;
    attributes.set(names::USAGE_FUEL, usage.fuel);
    attributes.set(names::USAGE_MEMORY, usage.memory_bytes);
    attributes.set(names::USAGE_HOST_CALLS, usage.host_calls);
    attributes.set(names::USAGE_BYTES_READ, usage.bytes_read);
    attributes.set(names::USAGE_BYTES_WRITTEN, usage.bytes_written);
    attributes.set(names::USAGE_DENIED_CALLS, usage.denied_calls.total());
    let denials: Vec<String> = usage
        .denied_calls
        .iter()
        .map(|(denial, _)| denial.as_str().to_owned())
        .collect();
    if !denials.is_empty() {
        attributes.set(names::DENIALS, denials);
    }
    if usage.log_lines_dropped > 0 {
        attributes.set(names::LOG_LINES_DROPPED, usage.log_lines_dropped);
    }
}

/// What went wrong, whose fault it is, and where.
pub(in crate::telemetry) fn set_judgement<'r>(attributes: &mut Attributes<'r>, report: &'r Report) {
    attributes.set_some(names::BLAME, report.blame.map(crate::outcome::Blame::as_str));
    set_error(attributes, report.error.as_ref());
    let phase = report.error.as_ref().and_then(|error| error.phase.as_ref());
    attributes.set_some(names::PHASE, phase);
}

/// The phases of the last attempt that were never begun.
fn not_reached(report: &Report) -> Vec<String> {
    let phases = report.phases().iter();
    let never = phases.filter(|phase| phase.status == PhaseStatus::NotReached);
    never
        .map(|phase| match &phase.detail {
            Some(detail) => format!("{}({detail})", phase.name),
            None => phase.name.clone(),
        })
        .collect()
}

/// Of an attempt.
pub(super) fn of_attempt<'r>(report: &'r Report, number: u32, attempt: &'r Attempt) -> Attributes<'r> {
    let mut attributes = base(report);
    attributes.set(names::ATTEMPT, u64::from(number));
    attributes.set(names::OUTCOME, attempt.outcome.as_str());
    set_error(&mut attributes, attempt.error.as_ref());
    let is_injected = attempt.phases.iter().any(|phase| phase.injected)
        || attempt.error.as_ref().is_some_and(|error| error.injected);
    attributes.set_some(names::FAULT_INJECTED, is_injected.then_some(true));
    attributes
}

/// Of a phase that began, and failed with this error if with any.
pub(super) fn of_phase<'r>(
    report: &'r Report,
    phase: &'r PhaseReport,
    error: Option<&'r ErrorReport>,
) -> Attributes<'r> {
    let mut attributes = base(report);
    attributes.set(names::PHASE, &phase.name);
    attributes.set(names::PHASE_STATUS, phase.status.as_str());
    attributes.set_some(names::FAULT_INJECTED, phase.injected.then_some(true));
    attributes.set_some(names::PHASE_DETAIL, phase.detail.as_ref());
    attributes.set_some(names::PHASE_BUDGET_SHARE, phase.budget_share);
    for (name, value) in phase.attributes.iter() {
        attributes.set(name, value);
    }
    set_error(&mut attributes, error);
    attributes
}

fn set_error<'r>(attributes: &mut Attributes<'r>, error: Option<&'r ErrorReport>) {
    if let Some(error) = error {
        attributes.set(names::ERROR_TYPE, error.error_type.as_str());
        attributes.set(names::ERROR_MESSAGE, &error.message);
    }
}
