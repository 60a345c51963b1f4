//! How an attempt is judged: from what the host recorded and how the guest ended to one error, or
//! none. Pure.
//!
//! The host's record goes before the guest's word: a failed phase fails the attempt even if the guest
//! says that all is well. Of what was recorded the first goes before the rest.

use crate::hostcalls::{Access, Hit, Known, MemoryRefusal, Remains};
use crate::outcome::{DeadlineWhile, ErrorReport, ErrorType};
use crate::sandbox::End;

/// What went wrong in an attempt, if anything did.
pub(super) fn judge(access: &Access, end: &End, remains: &Remains) -> Option<ErrorReport> {
    let fault = |error_type, message: String| {
        Some(ErrorReport {
            error_type,
            message,
            phase: remains.timeline.first_interrupted().map(str::to_owned),
            injected: false,
        })
    };
    match end {
        End::Returned(Ok(())) => recorded(remains).or_else(|| unmet(remains)),
        End::Returned(Err(failure)) => {
            let known = Known {
                access,
                redactor: &remains.redactor,
                timeline: &remains.timeline,
                refused: remains.refused,
                hit: remains.hit.as_ref().map(|hit| hit.doing),
            };
            Some(recorded(remains).unwrap_or_else(|| ErrorReport {
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
        // What it does with the time after the deadline does not make the target any better.
        End::OutOfFuel | End::OutOfHostCalls if waited(remains) => recorded(remains),
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
        // When time goes by, it is stopped.
        End::TooLong(_) if remains.hit.is_some() => Some(stopped(remains)),
        End::TooLong(reason) => fault(
            ErrorType::HostCallLimit,
            format!("the plugin goes on without end: {reason}"),
        ),
        End::OutOfMemory(MemoryRefusal::Memory(_)) => fault(
            ErrorType::MemoryLimit,
            format!(
                "the plugin asked for more memory than `budget.memory` gives it; it had {} bytes",
                remains.spent.usage.memory_bytes
            ),
        ),
        End::OutOfMemory(refusal) => fault(
            ErrorType::MemoryLimit,
            format!("the plugin asked for more {refusal}"),
        ),
        End::Trapped(reason) => fault(ErrorType::PluginTrap, format!("the plugin trapped: {reason}")),
        End::NotStarted(reason) => fault(ErrorType::Other, reason.clone()),
    }
}

/// The first error that the host recorded: a phase that failed, or the deadline.
fn recorded(remains: &Remains) -> Option<ErrorReport> {
    let failed = remains.timeline.first_error();
    match &remains.hit {
        Some(hit) if hit.is_first_error => {
            // If the phase in which it passed ended with it, it has the words of whoever came upon it.
            let phase = hit.place.phase.as_deref();
            let same = phase
                .and_then(|phase| remains.timeline.error_in(phase))
                .filter(|error| matches!(error.error_type, ErrorType::DeadlineExceeded(_)));
            Some(same.cloned().unwrap_or_else(|| deadline(hit)))
        }
        _ => failed.cloned(),
    }
}

/// The guest says that all is well, and nothing failed. What it left undone.
fn unmet(remains: &Remains) -> Option<ErrorReport> {
    let timeline = &remains.timeline;
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

/// Whether it was the target, or the way to it, that used the time up.
fn waited(remains: &Remains) -> bool {
    let hit = remains.hit.as_ref();
    hit.is_some_and(|hit| matches!(hit.doing, DeadlineWhile::Waiting | DeadlineWhile::Resolving))
}

/// The guest was still there after the grace. If it was the target that used the time up, it is the
/// target's failure all the same.
fn stopped(remains: &Remains) -> ErrorReport {
    match &remains.hit {
        Some(hit) if waited(remains) => recorded(remains).unwrap_or_else(|| deadline(hit)),
        Some(hit) => ErrorReport {
            message: "the plugin did not end within the grace after the deadline".into(),
            ..deadline(hit)
        },
        None => ErrorReport {
            error_type: ErrorType::DeadlineExceeded(DeadlineWhile::Computing),
            message: "the plugin was still computing or sleeping when the grace after the deadline was over"
                .into(),
            phase: remains.timeline.first_interrupted().map(str::to_owned),
            injected: false,
        },
    }
}

fn deadline(hit: &Hit) -> ErrorReport {
    let message = match (hit.place.host_call, hit.doing) {
        (Some(call), _) => format!("the deadline passed in {call}"),
        (None, DeadlineWhile::Computing) => "the deadline passed while the plugin computed".into(),
        (None, _) => "the deadline passed after the plugin had waited for most of its time".into(),
    };
    ErrorReport {
        error_type: ErrorType::DeadlineExceeded(hit.doing),
        message,
        phase: hit.place.phase.clone(),
        injected: false,
    }
}
