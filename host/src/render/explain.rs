//! What happened, in sentences that every format uses: the outcome, the reason, the answer to where
//! the deadline was hit, and which phase is to be looked at. Pure; quotes are not yet escaped.

use crate::outcome::{DeadlineHit, ErrorReport, ErrorType, InjectedFault, Outcome, PhaseReport, Report};
use crate::phase::PhaseStatus;

/// The outcome with the attempts it took: `pass`, `passed on attempt 2`, `fail after 3 attempts`.
pub(super) fn outcome(report: &Report) -> String {
    match (report.outcome, report.attempts.len()) {
        (Outcome::Pass, attempts) if attempts > 1 => format!("passed on attempt {attempts}"),
        (outcome, attempts) if attempts > 1 => format!("{outcome} after {attempts} attempts"),
        (outcome, _) => outcome.to_string(),
    }
}

/// `error.type: message`, without the message when there is none; an injected error says so.
pub(super) fn reason(error: &ErrorReport) -> String {
    let injected = if error.injected { " (injected)" } else { "" };
    if error.message.is_empty() {
        format!("{}{injected}", error.error_type)
    } else {
        format!("{}{injected}: {}", error.error_type, error.message)
    }
}

/// Why the run was not tried again, in a sentence.
pub(super) fn not_tried_again(reason: &str) -> String {
    format!("not tried again: {reason}")
}

/// `, 2 injected faults`; nothing when there are none.
pub(super) fn injected_count(report: &Report) -> String {
    match report.faults.len() {
        0 => String::new(),
        1 => ", 1 injected fault".to_owned(),
        number => format!(", {number} injected faults"),
    }
}

/// What was injected, where and when; `time` writes the moment.
pub(super) fn injected(fault: &InjectedFault, time: impl Fn(std::time::Duration) -> String) -> String {
    let place = match &fault.phase {
        Some(phase) => format!(" in phase {}", named(phase, fault.detail.as_deref())),
        None => String::new(),
    };
    format!(
        "injected {} at {}{place}, after {}",
        fault.fault,
        fault.call,
        time(fault.at)
    )
}

/// Where the deadline was hit; `time` writes the moment.
pub(super) fn deadline_answer(hit: &DeadlineHit, time: impl Fn(std::time::Duration) -> String) -> String {
    let place = match &hit.phase {
        Some(phase) => format!("in phase {}", named(phase, hit.detail.as_deref())),
        None => "outside of all phases".to_owned(),
    };
    format!(
        "deadline hit {place} ({}), after {}",
        hit.host_call.unwrap_or("computing"),
        time(hit.at)
    )
}

/// A phase's name with its detail.
pub(super) fn named(name: &str, detail: Option<&str>) -> String {
    match detail {
        Some(detail) => format!("{name} {detail}"),
        None => name.to_owned(),
    }
}

/// Which of these phases made the run end as it did, as an index: the one that hit the deadline if
/// the deadline is the reason, otherwise the one the error happened in. None if the run was cancelled.
pub(super) fn culprit(report: &Report, phases: &[PhaseReport]) -> Option<usize> {
    if report.outcome == Outcome::Skipped {
        return None;
    }
    let error = report.error.as_ref()?;
    let hit = report
        .deadline_hit
        .as_ref()
        .filter(|_| is_deadline(&error.error_type));
    let hit_phase = hit.and_then(|hit| {
        phases.iter().rposition(|phase| {
            hit.phase.as_ref() == Some(&phase.name)
                && hit.detail == phase.detail
                && phase.start.is_some_and(|start| start <= hit.at)
        })
    });
    let is_error_phase =
        |phase: &PhaseReport| error.phase.as_ref() == Some(&phase.name) && went_wrong(phase.status);
    hit_phase
        .or_else(|| {
            phases
                .iter()
                .position(|phase| is_error_phase(phase) && phase.error.as_ref() == Some(error))
        })
        .or_else(|| phases.iter().position(is_error_phase))
        .or_else(|| phases.iter().position(|phase| went_wrong(phase.status)))
}

/// Whether a phase began and did not end well.
pub(super) fn went_wrong(status: PhaseStatus) -> bool {
    !matches!(status, PhaseStatus::Ok | PhaseStatus::NotReached)
}

/// Whether a phase could only fail, because the deadline had passed when it began.
pub(super) fn is_aftermath(phase: &PhaseReport, hit: Option<&DeadlineHit>) -> bool {
    let began_later = |hit: &DeadlineHit| phase.start.is_some_and(|start| start >= hit.at);
    phase.status == PhaseStatus::DeadlineExceeded && hit.is_some_and(began_later)
}

/// Whether an error is the deadline.
pub(super) fn is_deadline(error: &ErrorType) -> bool {
    matches!(error, ErrorType::DeadlineExceeded(_))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{samples, units};
    use super::*;

    fn culprit_of(report: &Report) -> Option<&str> {
        culprit(report, report.phases()).map(|at| report.phases()[at].name.as_str())
    }

    #[test]
    fn the_phase_that_hit_the_deadline_is_told_from_those_that_came_later() {
        let report = samples::hang_after_banner();
        assert_eq!(culprit_of(&report), Some("capability"));
        let aftermath: Vec<_> = report
            .phases()
            .iter()
            .filter(|phase| is_aftermath(phase, report.deadline_hit.as_ref()))
            .map(|phase| named(&phase.name, phase.detail.as_deref()))
            .collect();
        assert_eq!(aftermath, ["login", "select INBOX", "select Archive"]);
    }

    #[test]
    fn an_earlier_error_is_not_hidden_by_a_deadline_hit_later() {
        let mut report = samples::mailbox_missing();
        report.deadline_hit = Some(DeadlineHit {
            phase: Some("logout".to_owned()),
            detail: None,
            host_call: Some("net.read"),
            at: Duration::from_millis(9),
        });
        assert_eq!(culprit_of(&report), Some("select"));
    }

    #[test]
    fn a_phase_that_a_trap_interrupted_is_the_culprit() {
        assert_eq!(culprit_of(&samples::trap()), Some("capability"));
        assert_eq!(culprit_of(&samples::pass()), None);
        assert_eq!(culprit_of(&samples::skipped()), None);
        assert_eq!(culprit_of(&samples::cancelled()), None);
    }

    #[test]
    fn the_answer_names_phase_detail_call_and_moment() {
        let mut hit = DeadlineHit {
            phase: Some("select".to_owned()),
            detail: Some("INBOX".to_owned()),
            host_call: Some("net.read"),
            at: Duration::from_millis(300),
        };
        let answer = |hit: &DeadlineHit| deadline_answer(hit, units::duration);
        assert_eq!(
            answer(&hit),
            "deadline hit in phase select INBOX (net.read), after 300 ms"
        );
        hit.host_call = None;
        assert_eq!(
            answer(&hit),
            "deadline hit in phase select INBOX (computing), after 300 ms"
        );
        hit.phase = None;
        assert_eq!(
            answer(&hit),
            "deadline hit outside of all phases (computing), after 300 ms"
        );
    }
}
