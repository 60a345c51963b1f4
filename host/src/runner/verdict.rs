//! How an attempt is judged: from what the host recorded and how the guest ended to one error, or
//! none. Pure.
//!
//! The host's record goes before the guest's word: a failed phase fails the attempt even if the guest
//! says that all is well.

use crate::hostcalls::{Access, Known, Remains};
use crate::outcome::{DeadlineHit, DeadlineWhile, ErrorReport, ErrorType};
use crate::sandbox::End;

/// What went wrong in an attempt, if anything did.
pub(super) fn judge(access: &Access, end: &End, remains: &Remains) -> Option<ErrorReport> {
    let phase = || remains.timeline.last_open().map(str::to_owned);
    let fault = |error_type, message: String| {
        Some(ErrorReport {
            error_type,
            message,
            phase: phase(),
            injected: false,
        })
    };
    match end {
        End::Returned(Ok(())) => unsaid(remains),
        End::Returned(Err(failure)) => {
            let known = Known {
                access,
                redactor: &remains.redactor,
                timeline: &remains.timeline,
                hit: remains.hit.as_ref().map(|(_, doing)| *doing),
            };
            let recorded = remains.timeline.first_error().cloned();
            Some(recorded.unwrap_or_else(|| ErrorReport {
                // One that could not be ended any more, such as for want of host calls.
                phase: remains.timeline.first_interrupted().map(str::to_owned),
                ..known.error_of(failure)
            }))
        }
        End::Stopped => Some(stopped(remains)),
        End::Cancelled => fault(
            ErrorType::Cancelled,
            "the run was cancelled during this attempt".into(),
        ),
        End::OutOfFuel => fault(
            ErrorType::FuelExhausted,
            format!("the plugin used up its fuel ({} units)", remains.spent.usage.fuel),
        ),
        End::OutOfHostCalls => fault(
            ErrorType::HostCallLimit,
            format!(
                "the plugin made {} host calls, which is over its limit",
                remains.spent.usage.host_calls - remains.spent.uncounted_calls
            ),
        ),
        End::Trapped(_) if remains.memory_refused => fault(
            ErrorType::MemoryLimit,
            format!(
                "the plugin asked for more memory than `budget.memory` gives it; it had {} bytes",
                remains.spent.usage.memory_bytes
            ),
        ),
        End::Trapped(reason) => fault(ErrorType::PluginTrap, trap(reason, remains.last_words.as_deref())),
        End::NotStarted(reason) => fault(ErrorType::Other, reason.clone()),
    }
}

/// A trap in the engine's words and, as a panic has it, the guest's own.
fn trap(reason: &str, last_words: Option<&str>) -> String {
    match last_words {
        Some(words) => format!("the plugin trapped: {reason}; it last said `{words}`"),
        None => format!("the plugin trapped: {reason}"),
    }
}

/// The guest says that all is well. What the host knows against it.
fn unsaid(remains: &Remains) -> Option<ErrorReport> {
    let timeline = &remains.timeline;
    if let Some(error) = timeline.first_error() {
        return Some(error.clone());
    }
    if let Some((hit, doing)) = &remains.hit {
        return Some(deadline(hit, *doing));
    }
    let incomplete = |message: String, phase: &str| ErrorReport {
        error_type: ErrorType::PluginInvalid,
        message,
        phase: Some(phase.to_owned()),
        injected: false,
    };
    if let Some(phase) = timeline.first_interrupted() {
        let message = format!("the plugin says the check passed, and left the phase `{phase}` open");
        return Some(incomplete(message, phase));
    }
    let skipped = timeline.first_unmet_plan()?;
    let message =
        format!("the plugin says the check passed, and never began the phase `{skipped}` it had planned");
    Some(incomplete(message, skipped))
}

/// The guest was still there after the grace. If it was the target that used the time up, it is the
/// target's failure all the same.
fn stopped(remains: &Remains) -> ErrorReport {
    match &remains.hit {
        Some((hit, doing @ (DeadlineWhile::Waiting | DeadlineWhile::Resolving))) => remains
            .timeline
            .first_error()
            .cloned()
            .unwrap_or_else(|| deadline(hit, *doing)),
        Some((hit, DeadlineWhile::Computing)) => ErrorReport {
            message: "the plugin did not end within the grace after the deadline".into(),
            ..deadline(hit, DeadlineWhile::Computing)
        },
        None => ErrorReport {
            error_type: ErrorType::DeadlineExceeded(DeadlineWhile::Computing),
            message: "the plugin was still computing or sleeping when the grace after the deadline was over"
                .into(),
            phase: remains.timeline.last_open().map(str::to_owned),
            injected: false,
        },
    }
}

fn deadline(hit: &DeadlineHit, doing: DeadlineWhile) -> ErrorReport {
    let call = hit.host_call.unwrap_or("computing");
    ErrorReport {
        error_type: ErrorType::DeadlineExceeded(doing),
        message: format!("the deadline passed in {call}"),
        phase: hit.phase.clone(),
        injected: false,
    }
}
