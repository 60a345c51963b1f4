//! A run: budget, attempts, report.

#[cfg(test)]
mod fuzz;
mod prepare;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use prepare::{DefaultGrant, Preparation, Prepared};

use crate::deadline::Deadline;
use crate::hostcalls::presentable;
use crate::outcome::{
    Attempt, DeadlineHit, DeadlineWhile, ErrorReport, ErrorType, LogLine, Measurement, Outcome, Report,
    RunId, TraceId, Usage,
};
use crate::phase::Timeline;
use crate::policy::Failed;
use crate::sandbox::{self, Sandbox};

/// The longest message of a report's error, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Runs checks, so many at once and no more.
pub struct Runner {
    sandbox: Arc<Sandbox>,
    slots: Semaphore,
}

/// What a run gathers over its attempts.
#[derive(Default)]
struct Gathered {
    attempts: Vec<Attempt>,
    measurements: Vec<Measurement>,
    log: Vec<LogLine>,
    usage: Usage,
    hit: Option<(DeadlineHit, DeadlineWhile)>,
}

impl Runner {
    /// A runner with as many slots as the sandbox has room for.
    pub fn new(sandbox: Arc<Sandbox>, slots: usize) -> Self {
        Self {
            sandbox,
            slots: Semaphore::new(slots),
        }
    }

    /// Runs a check once, retries included, and reports. Waits for a free slot first; the budget is
    /// born after that.
    pub async fn run(&self, prepared: &Prepared) -> Report {
        let due = Instant::now();
        // The semaphore is never closed; were it, running at once would be the better failure.
        let _slot = self.slots.acquire().await.ok();
        let lag = due.elapsed();
        let limits = prepared.limits;
        let started = SystemTime::now();
        let deadline = Deadline::new(Instant::now(), limits.deadline, limits.grace);
        let mut gathered = Gathered::default();
        loop {
            let error = self.attempt(prepared, &deadline, &mut gathered).await;
            let Some(pause) = next_pause(prepared, &deadline, &gathered, error.as_ref()) else {
                break;
            };
            tokio::time::sleep(pause).await;
        }
        report(prepared, started, lag, &deadline, gathered)
    }

    /// The report of a run that ended with a panic of ours.
    pub fn report_crash(prepared: &Prepared, reason: &str) -> Report {
        let deadline = Deadline::new(Instant::now(), prepared.limits.deadline, prepared.limits.grace);
        let error = ErrorReport {
            error_type: ErrorType::Other,
            message: presentable(
                &prepared.access.redactor,
                &format!("the run crashed: {reason}"),
                MAX_MESSAGE,
            ),
            phase: None,
        };
        let attempt = Attempt {
            outcome: Outcome::Error,
            error: Some(error),
            start: Duration::ZERO,
            duration: Duration::ZERO,
            phases: Timeline::new(&prepared.access.phases).reports(prepared.limits.deadline),
        };
        let gathered = Gathered {
            attempts: vec![attempt],
            ..Gathered::default()
        };
        report(prepared, SystemTime::now(), Duration::ZERO, &deadline, gathered)
    }

    async fn attempt(
        &self,
        prepared: &Prepared,
        deadline: &Deadline,
        gathered: &mut Gathered,
    ) -> Option<ErrorReport> {
        let start = deadline.elapsed();
        let finished = sandbox::run(
            &self.sandbox,
            &prepared.plugin,
            Arc::clone(&prepared.access),
            deadline.clone(),
            prepared.limits,
            gathered.usage,
            &prepared.settings,
        )
        .await;
        let remains = finished.remains;
        let error = verdict::judge(&prepared.access, &finished.end, &remains).map(|error| ErrorReport {
            message: presentable(&remains.redactor, &error.message, MAX_MESSAGE),
            ..error
        });
        gathered.attempts.push(Attempt {
            outcome: error
                .as_ref()
                .map_or(Outcome::Pass, |error| error.error_type.outcome()),
            error: error.clone(),
            start,
            duration: deadline.elapsed().saturating_sub(start),
            phases: remains.timeline.reports(deadline.limit()),
        });
        gathered.measurements = remains.measurements;
        gathered.log.extend(remains.log);
        gathered.usage = remains.usage;
        gathered.hit = gathered.hit.take().or(remains.hit);
        error
    }
}

/// The pause before the next attempt; none when the run is over.
fn next_pause(
    prepared: &Prepared,
    deadline: &Deadline,
    gathered: &Gathered,
    error: Option<&ErrorReport>,
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
    prepared.retry?.pause(failed, rand::random())
}

fn report(
    prepared: &Prepared,
    started: SystemTime,
    lag: Duration,
    deadline: &Deadline,
    gathered: Gathered,
) -> Report {
    let duration = deadline.elapsed();
    let error = gathered.attempts.last().and_then(|attempt| attempt.error.clone());
    let hit = gathered
        .hit
        .map(|(hit, _)| hit)
        .or_else(|| hit_while_computing(error.as_ref(), deadline));
    let error_type = error.as_ref().map(|error| &error.error_type);
    Report {
        check: prepared.name.clone(),
        plugin: prepared.plugin.identity().clone(),
        run_id: RunId(rand::random()),
        trace_id: TraceId(rand::random()),
        started,
        duration,
        lag,
        deadline: deadline.limit(),
        deadline_exceeded: hit.is_some(),
        deadline_hit: hit,
        outcome: error_type.map_or(Outcome::Pass, ErrorType::outcome),
        blame: error_type.map(ErrorType::blame),
        error,
        attempts: gathered.attempts,
        measurements: gathered.measurements,
        usage: gathered.usage,
        log: gathered.log,
    }
}

/// A guest that computed through deadline and grace never ran into the deadline in a call.
fn hit_while_computing(error: Option<&ErrorReport>, deadline: &Deadline) -> Option<DeadlineHit> {
    let error = error?;
    matches!(error.error_type, ErrorType::DeadlineExceeded(_)).then(|| DeadlineHit {
        phase: error.phase.clone(),
        detail: None,
        host_call: None,
        at: deadline.limit(),
    })
}
