//! The phases of a report, as they are told from one another. Pure.

use crate::outcome::{PhaseReport, Report};
use crate::phase::{HostPhase, PhaseStatus};

/// A phase: its name and its detail.
pub(super) type PhaseKey = (String, Option<String>);

pub(super) fn key_of(phase: &PhaseReport) -> PhaseKey {
    (phase.name.clone(), phase.detail.clone())
}

/// All phases with what became of them.
pub(super) fn statuses(report: &Report) -> Vec<(PhaseKey, PhaseStatus)> {
    report
        .phases()
        .iter()
        .map(|phase| (key_of(phase), phase.status))
        .collect()
}

/// The plugin's own phases that were begun, in their order, and whether each ended well. Those that the host
/// opens follow from what the plugin asks for.
pub(super) fn begun(report: &Report) -> Vec<(PhaseKey, bool)> {
    let is_own = |phase: &&PhaseReport| !HostPhase::is_name(&phase.name);
    let begun = report
        .phases()
        .iter()
        .filter(is_own)
        .filter(|phase| phase.status != PhaseStatus::NotReached);
    begun
        .map(|phase| (key_of(phase), phase.status == PhaseStatus::Ok))
        .collect()
}

pub(super) fn shown((name, detail): &PhaseKey) -> String {
    match detail {
        Some(detail) => format!("`{name}` ({detail})"),
        None => format!("`{name}`"),
    }
}
