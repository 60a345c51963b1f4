//! A run: budget, attempts, report.

mod again;
mod aim;
#[cfg(test)]
#[path = "cancel_tests.rs"]
mod cancel_tests;
mod conclusion;
mod course;
mod faults;
#[cfg(test)]
mod fuzz;
mod hostname;
mod kept;
pub mod live;
mod module;
mod needs;
mod objections;
mod own_target;
mod prepare;
mod rehearsed;
mod retry_budgets;
mod shown;
mod slots;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use again::Switching;
pub use course::Course;
pub use live::{Beside, LOOK_EVERY, LivePlugins, PluginEvent, Refreshed, mark};
pub use module::{Modules, NotAimed, PreparedModule, Request};
pub use prepare::{DefaultGrant, Orphan, Preparation, Prepared};
pub use retry_budgets::{RetryBudgets, TargetBudget};
pub use tokio_util::sync::CancellationToken;

use self::slots::Slots;
use crate::budget::Limits;
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::hostcalls::{Circumstances, Hit, Remains, Spent, presentable};
use crate::outcome::{
    Attempt, DeniedCall, ErrorReport, ErrorType, InjectedFault, LogLine, Measurement, Outcome, Report,
    hexadecimal,
};
use crate::phase::Timeline;
use crate::policy::Failed;
use crate::sandbox::{self, Sandbox};
use crate::tape::Tape;

/// The longest message of a report's error, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Runs checks, so many at once and no more.
pub struct Runner {
    sandbox: Arc<Sandbox>,
    slots: Slots,
    /// When the first one was made: how long faults happen counts from there.
    began: Instant,
}

/// What a run gathers over its attempts.
#[derive(Default)]
struct Gathered {
    attempts: Vec<Attempt>,
    measurements: Vec<Measurement>,
    log: Vec<LogLine>,
    spent: Spent,
    hit: Option<Box<Hit>>,
    faults: Vec<InjectedFault>,
    /// The first call that was refused for each reason.
    denials: Vec<DeniedCall>,
    complaints: Vec<String>,
    /// The process did: how long the run took says nothing about the target.
    stood_still: bool,
    retry_denied: Option<String>,
    was_cancelled: bool,
}

impl Runner {
    /// A runner with as many slots as the sandbox has room for.
    pub fn new(sandbox: Arc<Sandbox>, slots: usize) -> Self {
        Self {
            sandbox,
            slots: Slots::new(slots),
            began: Instant::now(),
        }
    }

    /// One in place of this, in another sandbox.
    pub fn again(&self, sandbox: Arc<Sandbox>, slots: usize) -> Self {
        Self {
            began: self.began,
            ..Self::new(sandbox, slots)
        }
    }

    /// So many slots from now on, for which the sandbox has room. Runs that go on do so to their end.
    pub fn set_slots(&self, slots: usize) {
        self.slots.set(slots);
    }

    /// Runs a check once, retries included, and reports. Waits for a free slot first; the budget is
    /// born after that.
    pub async fn run(&self, prepared: &Prepared) -> Report {
        self.run_on(prepared, Tape::none()).await.0
    }

    /// The same, with what the run is told on a tape; and the course that it took.
    pub async fn run_on(&self, prepared: &Prepared, tape: Tape) -> (Report, Course) {
        self.run_from(prepared, Instant::now(), tape, &CancellationToken::new())
            .await
    }

    /// The same for a run that was due at that moment, which `lag` counts from, and that can be cancelled: what it
    /// is waiting for then ends at once, and its report is `skipped`, with what was done until then. A run whose
    /// future is dropped leaves nothing behind, and no report.
    pub async fn run_due(
        &self,
        prepared: &Prepared,
        due: Instant,
        cancellation: &CancellationToken,
    ) -> Report {
        self.run_from(prepared, due, Tape::none(), cancellation).await.0
    }

    /// Runs a check at once or not at all: `None` when no slot is free, or somebody waits for one.
    pub async fn run_on_spare_slot(
        &self,
        prepared: &Prepared,
        cancellation: &CancellationToken,
    ) -> Option<Report> {
        let _slot = self.slots.take_spare()?;
        let course = Course::cancellable(Duration::ZERO, Tape::none(), cancellation.clone());
        Some(self.take(prepared, &course).await.0)
    }

    async fn run_from(
        &self,
        prepared: &Prepared,
        due: Instant,
        tape: Tape,
        cancellation: &CancellationToken,
    ) -> (Report, Course) {
        let _slot = tokio::select! {
            biased;
            slot = self.slots.take() => Some(slot),
            () = cancellation.cancelled() => None,
        };
        let course = Course::cancellable(due.elapsed(), tape, cancellation.clone());
        if cancellation.is_cancelled() {
            let report = Self::skipped(prepared, ErrorType::Cancelled, conclusion::NOT_BEGUN, course.lag);
            return (report, course);
        }
        // Where the log has a span for the run, whatever is logged in it carries the ids from now on.
        let span = tracing::Span::current();
        if !span.is_disabled() {
            span.record("run_id", hexadecimal(&course.run_id.0));
            span.record("trace_id", hexadecimal(&course.trace_id.0));
        }
        (self.take(prepared, &course).await.0, course)
    }

    /// Runs a check once for somebody who asked at that moment and waits so long after it, and then for the grace.
    /// `None` when no slot was free in time. One that is cancelled is reported as `skipped`.
    pub async fn probe(
        &self,
        prepared: &Prepared,
        asked: Instant,
        deadline: Duration,
        grace: Duration,
        cancellation: &CancellationToken,
    ) -> Option<Report> {
        let end = asked + deadline;
        let _slot = tokio::select! {
            biased;
            slot = tokio::time::timeout_at(end, self.slots.take()) => Some(slot.ok()?),
            () = cancellation.cancelled() => None,
        };
        let course = Course::cancellable(asked.elapsed(), Tape::none(), cancellation.clone());
        if cancellation.is_cancelled() {
            let cancelled = ErrorType::Cancelled;
            return Some(Self::skipped(
                prepared,
                cancelled,
                conclusion::NOT_BEGUN,
                course.lag,
            ));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        Some(
            self.take_within(prepared, prepared.limits.within(left, grace), &course)
                .await
                .0,
        )
    }

    /// Runs a check on a given course, at once. Besides the report: what did not go by the script, where
    /// peers are scripted.
    pub fn take(
        &self,
        prepared: &Prepared,
        course: &Course,
    ) -> impl Future<Output = (Report, Vec<String>)> + Send {
        self.take_within(prepared, prepared.limits, course)
    }

    /// The same within these limits instead of the check's own. Thousands wait in their first attempt at the same time:
    /// what an `async fn` would keep twice, and what only a second attempt needs, is not held meanwhile.
    fn take_within(
        &self,
        prepared: &Prepared,
        limits: Limits,
        course: &Course,
    ) -> impl Future<Output = (Report, Vec<String>)> + Send {
        let (clock, tape) = (course.clock.clone(), course.tape.clone());
        let deadline = Deadline::new(clock, tape, limits.deadline, limits.grace);
        async move {
            let run = prepared.next_run();
            let mut gathered: Option<Box<Gathered>> = None;
            if let Some(budget) = &prepared.retry_budget {
                budget.run();
            }
            loop {
                if course.cancellation.is_cancelled() {
                    gathered.get_or_insert_default().was_cancelled = true;
                    break;
                }
                let before = gathered.as_ref().map_or(0, |gathered| gathered.attempts.len());
                let (seed, jitter) = course.chance(before);
                let start = deadline.moment();
                let finished = sandbox::run(
                    &self.sandbox,
                    &prepared.plugin,
                    Arc::clone(&prepared.access),
                    deadline.clone(),
                    limits,
                    self.circumstances(prepared, course, run, seed, gathered.as_deref()),
                    &prepared.settings,
                )
                .await;
                let gathered = gathered.get_or_insert_default();
                gathered.stood_still = self.stood_still(&deadline);
                let error = gathered.add(prepared, &deadline, start, finished);
                let Some(pause) = next_pause(prepared, &deadline, gathered, error.as_ref(), jitter) else {
                    break;
                };
                if let Some(reason) = denied_retry(prepared, deadline.tape()) {
                    gathered.retry_denied = Some(reason);
                    break;
                }
                tokio::select! {
                    () = deadline.pause(pause) => {}
                    () = course.cancellation.cancelled() => {}
                }
            }
            let mut gathered = *gathered.unwrap_or_default();
            let complaints = std::mem::take(&mut gathered.complaints);
            (
                conclusion::report(prepared, course, &deadline, gathered),
                complaints,
            )
        }
    }

    /// Whether the process stood still during a run. What is played back was judged when it took place.
    fn stood_still(&self, deadline: &Deadline) -> bool {
        match deadline.clock() {
            Clock::Live(start) if !deadline.tape().is_playing() => {
                self.sandbox.stood_still_since(start.into_std())
            }
            Clock::Live(_) | Clock::Virtual(_) => false,
        }
    }

    /// What the next attempt of a run comes upon.
    fn circumstances(
        &self,
        prepared: &Prepared,
        course: &Course,
        run: u64,
        seed: [u8; 32],
        gathered: Option<&Gathered>,
    ) -> Circumstances {
        let attempts = gathered.map_or(0, |gathered| gathered.attempts.len());
        Circumstances {
            started: course.started,
            trace: course.trace_id,
            attempt: u32::try_from(attempts + 1).unwrap_or(u32::MAX),
            seed,
            injector: prepared
                .faults
                .injector(run, attempts as u64, self.began.elapsed()),
            spent: gathered.map_or_else(Spent::default, |gathered| gathered.spent.clone()),
            cancellation: course.cancellation.clone(),
        }
    }

    /// The report of a run that ended with a panic of ours.
    pub fn report_crash(prepared: &Prepared, reason: &str) -> Report {
        let course = Course::live(Duration::ZERO, Tape::none());
        let limits = prepared.limits;
        let deadline = Deadline::new(course.clock.clone(), Tape::none(), limits.deadline, limits.grace);
        let error =
            conclusion::error_of_run(prepared, ErrorType::Other, &format!("the run crashed: {reason}"));
        let attempt = Attempt {
            outcome: Outcome::Error,
            error: Some(error),
            start: Duration::ZERO,
            duration: Duration::ZERO,
            phases: Timeline::new(&prepared.access.phases).into_reports(prepared.limits.deadline),
        };
        let gathered = Gathered {
            attempts: vec![attempt],
            ..Gathered::default()
        };
        conclusion::report(prepared, &course, &deadline, gathered)
    }
}

impl Gathered {
    /// Adds an attempt that has ended, and judges it.
    fn add(
        &mut self,
        prepared: &Prepared,
        deadline: &Deadline,
        start: Duration,
        finished: sandbox::Finished,
    ) -> Option<ErrorReport> {
        let remains = finished.remains;
        let error = verdict::judge(&prepared.access, &finished.end, &remains).map(|error| {
            let injected = error.injected || follows_from_faults(&error, &remains, &self.faults);
            let error = match error.error_type {
                ErrorType::DeadlineExceeded(_) if self.stood_still => excused(error),
                _ => error,
            };
            ErrorReport {
                message: presentable(&remains.redactor, error.message.as_str(), MAX_MESSAGE),
                injected,
                ..error
            }
        });
        self.attempts.push(Attempt {
            outcome: error
                .as_ref()
                .map_or(Outcome::Pass, |error| error.error_type.outcome()),
            error: error.clone(),
            start,
            duration: deadline.moment().saturating_sub(start),
            phases: remains.timeline.into_reports(deadline.limit()),
        });
        self.measurements = remains.measurements;
        self.log.extend(remains.log);
        let room = InjectedFault::MOST_KEPT.saturating_sub(self.faults.len());
        self.faults.extend(remains.faults.into_iter().take(room));
        for denial in remains.denials {
            if !self.denials.iter().any(|kept| kept.denial == denial.denial) {
                self.denials.push(denial);
            }
        }
        self.complaints.extend(remains.complaints);
        self.spent = remains.spent;
        self.hit = self.hit.take().or(remains.hit);
        self.was_cancelled |= matches!(finished.end, sandbox::End::Cancelled);
        error
    }
}

/// What is said of a run that took too long while the process stood still.
fn excused(error: ErrorReport) -> ErrorReport {
    ErrorReport {
        error_type: ErrorType::Other,
        message: format!(
            "the process stood still during the run, so that its time says nothing about the target: {}",
            error.message
        ),
        ..error
    }
}

/// Whether an error of an attempt that the host itself found may follow from the faults in it, or in the
/// attempts before.
fn follows_from_faults(error: &ErrorReport, remains: &Remains, before: &[InjectedFault]) -> bool {
    let was_injected = !remains.faults.is_empty();
    match (&error.error_type, &error.phase) {
        // A phase that was slowed down takes the time of those after it, and of later attempts.
        (ErrorType::DeadlineExceeded(_), _) => was_injected || !before.is_empty(),
        // Memory may be missed much later than it got short; outside of all phases only the attempt tells.
        (ErrorType::MemoryLimit, _) | (_, None) => was_injected,
        (_, Some(phase)) => remains.timeline.was_injected(phase),
    }
}

/// The pause before the next attempt; none when the run is over.
fn next_pause(
    prepared: &Prepared,
    deadline: &Deadline,
    gathered: &Gathered,
    error: Option<&ErrorReport>,
    jitter: f64,
) -> Option<Duration> {
    let failed = Failed {
        attempts: u32::try_from(gathered.attempts.len()).unwrap_or(u32::MAX),
        error: &error?.error_type,
        took: gathered
            .attempts
            .last()
            .map_or(Duration::ZERO, |attempt| attempt.duration),
        remaining: deadline.remaining(),
    };
    prepared.retry.as_ref()?.pause(failed, jitter)
}

/// Why there is no other attempt although there should be one: the target has had its retries.
fn denied_retry(prepared: &Prepared, tape: &Tape) -> Option<String> {
    if tape.is_playing() {
        return tape.next_denied_retry();
    }
    let reason = prepared.retry_budget.as_ref()?.retry().err()?;
    tape.note_denied_retry(&reason);
    Some(reason)
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod switch_tests;
