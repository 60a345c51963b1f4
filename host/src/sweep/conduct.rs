//! What a plugin must not do whatever happens to it. Pure.

use super::Trial;
use super::kinds::types_of;
use super::phase_keys::{key_of, shown};
use crate::budget;
use crate::fault::{FaultKind, HostCall};
use crate::outcome::{ErrorType, Report};
use crate::phase::PhaseStatus;
use crate::runner::Prepared;

/// The phases that were left open by a plugin which ended by itself, and could have ended them.
pub(super) fn left_open(trial: &Trial, report: &Report) -> impl Iterator<Item = String> {
    let could_not_end = matches!(trial.at.call, HostCall::PhasesSucceed | HostCall::PhasesFail);
    let is_excused = has_ended_by_force(report) || could_not_end;
    let open = report
        .phases()
        .iter()
        .filter(move |phase| phase.status == PhaseStatus::Interrupted && !is_excused);
    open.map(|phase| format!("the phase {} was begun and never ended", shown(&key_of(phase))))
}

fn has_ended_by_force(report: &Report) -> bool {
    let error = report.error.as_ref().map(|error| &error.error_type);
    matches!(
        error,
        Some(ErrorType::PluginTrap | ErrorType::FuelExhausted | ErrorType::MemoryLimit)
    )
}

/// What the plugin must not do whatever happens to it.
pub(super) fn own_fault(trial: &Trial, report: &Report, limits: &budget::Limits) -> Option<String> {
    let error = report.error.as_ref()?;
    let injected: &[&str] = match trial.fault.kind {
        FaultKind::Error(error) => types_of(error),
        FaultKind::MemoryPressure => &["memory_limit"],
        _ => &[],
    };
    let is_own = matches!(
        error.error_type,
        ErrorType::PluginTrap
            | ErrorType::FuelExhausted
            | ErrorType::MemoryLimit
            | ErrorType::HostCallLimit
            | ErrorType::PluginInvalid
    );
    if is_own && !injected.contains(&error.error_type.as_str()) {
        return Some(format!(
            "the run ended in `{}`, which is the plugin's own fault: {}",
            error.error_type.as_str(),
            error.message
        ));
    }
    // The error of such a run is the deadline that the target let pass.
    let has_gone_on = report.usage.fuel >= limits.fuel || report.usage.host_calls > limits.host_calls;
    (report.deadline_exceeded && has_gone_on).then(|| {
        "the plugin went on after the deadline until its fuel or its host calls were used up, which is the \
         plugin's own fault"
            .into()
    })
}

/// Whether a secret is anywhere in the report.
pub(super) fn leak(report: &Report, check: &Prepared) -> Option<String> {
    let written = serde_json::to_string(report).unwrap_or_default();
    let is_in = check.access.redactor.redact(&written) != written;
    is_in.then(|| "a secret is in the report".to_owned())
}
