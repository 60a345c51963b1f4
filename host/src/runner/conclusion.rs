//! From what a run gathered to its report.

use std::time::Duration;

use super::{Course, Gathered, MAX_MESSAGE, Prepared, Runner, excused};
use crate::clock::whole_microseconds;
use crate::deadline::Deadline;
use crate::hostcalls::presentable;
use crate::outcome::{DeadlineHit, ErrorReport, ErrorType, Outcome, Relations, Report, ReportedThresholds};
use crate::policy::Crossed;
use crate::tape::Tape;

/// What is said of a run that was cancelled.
const CANCELLED: &str = "the run was cancelled before it came to its end";
/// The same of one that had not begun.
pub(super) const NOT_BEGUN: &str = "the run was cancelled before it began";

impl Runner {
    /// The report of a run that was due and did not take place, such as for `circuit_open` or `still_running`. It has
    /// no attempts and took no time; `lag` is how long it had waited for its turn.
    pub fn skipped(prepared: &Prepared, reason: ErrorType, message: &str, lag: Duration) -> Report {
        let course = Course::live(lag, Tape::none());
        let limits = prepared.limits;
        let deadline = Deadline::new(course.clock.clone(), Tape::none(), limits.deadline, limits.grace);
        let error = error_of_run(prepared, reason, message);
        Report {
            outcome: Outcome::Skipped,
            blame: Some(error.error_type.blame()),
            error: Some(error),
            duration: Duration::ZERO,
            ..report(prepared, &course, &deadline, Gathered::default())
        }
    }
}

/// An error of the whole run.
pub(super) fn error_of_run(prepared: &Prepared, error_type: ErrorType, message: &str) -> ErrorReport {
    ErrorReport {
        error_type,
        message: presentable(&prepared.access.redactor, message, MAX_MESSAGE),
        phase: None,
        injected: false,
    }
}

/// The report of a run that is over.
pub(super) fn report(
    prepared: &Prepared,
    course: &Course,
    deadline: &Deadline,
    gathered: Gathered,
) -> Report {
    let duration = deadline.moment();
    let last = gathered.attempts.last();
    let mut warnings = Vec::new();
    let error = match last.and_then(|attempt| attempt.error.clone()) {
        _ if gathered.was_cancelled => Some(error_of_run(prepared, ErrorType::Cancelled, CANCELLED)),
        Some(error) => Some(error),
        None => too_slow(prepared, duration, &gathered, &mut warnings),
    };
    let hit = gathered
        .hit
        .map(|hit| hit.place)
        .or_else(|| hit_while_computing(error.as_ref(), deadline));
    let error_type = error.as_ref().map(|error| &error.error_type);
    Report {
        check: prepared.name.clone(),
        plugin: prepared.plugin.identity().clone(),
        run_id: course.run_id,
        trace_id: course.trace_id,
        started: course.started,
        duration,
        lag: course.lag,
        deadline: deadline.limit(),
        thresholds: prepared.thresholds.map(|thresholds| ReportedThresholds {
            warn: thresholds.warn,
            fail: thresholds.fail,
        }),
        deadline_exceeded: hit.is_some(),
        deadline_hit: hit,
        outcome: error_type.map_or(Outcome::Pass, ErrorType::outcome),
        blame: error_type.map(ErrorType::blame),
        error,
        warnings,
        retry_denied: gathered.retry_denied,
        attempts: gathered.attempts,
        measurements: gathered.measurements,
        usage: gathered.spent.usage,
        log: gathered.log,
        circuit: Vec::new(),
        relations: Relations::default(),
        denials: gathered.denials,
        faults: gathered.faults,
    }
}

/// Holds a run that passed against its thresholds: a failure is given back, a warning added.
fn too_slow(
    prepared: &Prepared,
    took: Duration,
    gathered: &Gathered,
    warnings: &mut Vec<String>,
) -> Option<ErrorReport> {
    let crossed = prepared.thresholds?.judge(took)?;
    let message = crossed.message(took);
    match crossed {
        Crossed::Warn(_) => {
            warnings.push(message);
            None
        }
        Crossed::Fail(_) => {
            let error = ErrorReport {
                // What was injected may have taken the time.
                injected: !gathered.faults.is_empty(),
                ..error_of_run(prepared, ErrorType::AssertionFailed, &message)
            };
            Some(if gathered.stood_still {
                excused(error)
            } else {
                error
            })
        }
    }
}

/// A guest that computed through deadline and grace never ran into the deadline in a call.
fn hit_while_computing(error: Option<&ErrorReport>, deadline: &Deadline) -> Option<DeadlineHit> {
    let error = error?;
    matches!(error.error_type, ErrorType::DeadlineExceeded(_)).then(|| DeadlineHit {
        phase: error.phase.clone(),
        detail: None,
        host_call: None,
        at: whole_microseconds(deadline.passes_at()),
    })
}
