//! The sweep: a plugin is run against a peer that is all right, and then once more for every failure that can
//! happen at every host call of that run, the deadline included. What each of these runs reports is held
//! against what it must report. Virtual time: thousands of runs take seconds.

mod calls;
mod compare;
mod conduct;
mod judge;
mod kinds;
mod phase_keys;
mod plaintext;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;

pub use calls::{Called, calls_of};

use crate::fault::{
    CallSelector, Fault, FaultKind, FaultPlan, HostCall, InjectedError, Limits, Selector, kinds_for,
};
use crate::outcome::{Outcome, Report};
use crate::runner::{Course, Prepared, Runner};
use crate::tape::{Entry, Tape};
use judge::{Expected, Seen};

/// How many times the fuel of the good run a run with a failure has, and how much at least: what needs more than
/// that computes without end, and is not to keep the whole sweep waiting until all of its fuel is used up.
const ENOUGH_FUEL: (u64, u64) = (100, 50_000_000);

/// What is swept: a check whose peers are scripted.
pub struct Subject {
    /// Runs it.
    pub runner: Runner,
    /// Makes it, with these faults.
    pub check: Box<dyn Fn(FaultPlan) -> Prepared + Send + Sync>,
    /// The time of day at which every run begins.
    pub started: SystemTime,
}

/// One run of the subject.
pub struct Rehearsal {
    /// The report.
    pub report: Report,
    /// What did not go by the script.
    pub complaints: Vec<String>,
    /// What the plugin did and was told.
    entries: Vec<Entry>,
}

/// What is wrong before anything is injected.
#[derive(Debug)]
pub struct NotGood {
    /// The report of the run that should have passed.
    pub report: Report,
    /// What did not go by the script.
    pub complaints: Vec<String>,
}

/// A failure to be tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Where.
    pub at: Called,
    /// What.
    pub fault: Fault,
}

/// What came of it.
#[derive(Debug)]
pub struct Case {
    /// What was tried.
    pub trial: Trial,
    /// The report.
    pub report: Report,
    /// Whether the plugin dialled more often than in the good run: it has recovered, or tried to.
    pub has_dialled_anew: bool,
    /// What is wrong with it; nothing, as a rule.
    pub problems: Vec<String>,
}

impl Subject {
    /// One run with these faults.
    pub async fn rehearse(&self, faults: Vec<Fault>) -> Rehearsal {
        self.rehearse_within(u64::MAX, faults).await
    }

    /// The same, with so much fuel at most.
    async fn rehearse_within(&self, fuel: u64, faults: Vec<Fault>) -> Rehearsal {
        let mut prepared = (self.check)(FaultPlan::new(faults));
        prepared.limits.fuel = prepared.limits.fuel.min(fuel);
        let course = Course {
            tape: Tape::recording(),
            ..Course::rehearsed(self.started)
        };
        let (report, complaints) = self.runner.take(&prepared, &course).await;
        Rehearsal {
            report,
            complaints,
            entries: course.tape.take_entries(),
        }
    }

    /// The run that everything else is held against.
    ///
    /// # Errors
    ///
    /// When it does not pass.
    pub async fn good_run(&self) -> Result<Rehearsal, Box<NotGood>> {
        let good = self.rehearse(Vec::new()).await;
        if good.report.outcome == Outcome::Pass && good.complaints.is_empty() {
            return Ok(good);
        }
        Err(Box::new(NotGood {
            report: good.report,
            complaints: good.complaints,
        }))
    }

    /// Tries every failure that is wanted at every host call of the good run, several at a time, and hands each
    /// case to `each` in order.
    pub async fn sweep(
        &self,
        good: &Rehearsal,
        is_wanted: impl Fn(&Fault) -> bool,
        mut each: impl FnMut(usize, usize, &Case),
    ) -> Vec<Case> {
        let mut trials = good.trials();
        trials.retain(|trial| is_wanted(&trial.fault));
        let number = trials.len();
        let fuel = (good.report.usage.fuel.saturating_mul(ENOUGH_FUEL.0)).max(ENOUGH_FUEL.1);
        let mut check = (self.check)(FaultPlan::default());
        check.limits.fuel = check.limits.fuel.min(fuel);
        let check = Arc::new(check);
        let expected = Arc::new(Expected::of(&good.report, &good.entries, &check));
        let at_once = available_parallelism().map_or(1, usize::from);
        let runs = futures_util::stream::iter(trials).map(|trial| {
            let (expected, check) = (Arc::clone(&expected), Arc::clone(&check));
            async move {
                let run = self.rehearse_within(fuel, vec![trial.fault.clone()]).await;
                let seen = Seen {
                    report: &run.report,
                    entries: &run.entries,
                };
                let problems = expected.problems(&trial, &seen, &check);
                Case {
                    trial,
                    has_dialled_anew: expected.has_dialled_anew(&seen),
                    report: run.report,
                    problems,
                }
            }
        });
        let mut runs = std::pin::pin!(runs.buffered(at_once));
        let mut cases = Vec::with_capacity(number);
        while let Some(case) = runs.next().await {
            each(cases.len() + 1, number, &case);
            cases.push(case);
        }
        compare::compare(&mut cases, &expected.order());
        cases
    }
}

impl Rehearsal {
    /// Every failure at every host call.
    fn trials(&self) -> Vec<Trial> {
        let calls = calls_of(&self.entries);
        calls
            .iter()
            .enumerate()
            .flat_map(|(index, at)| {
                let later = &calls[index + 1..];
                let kinds = kinds_for(at.call).into_iter();
                kinds
                    .filter(move |kind| is_worth_trying(at, later, kind))
                    .map(move |kind| (at, kind))
            })
            .filter_map(|(at, kind)| {
                let fault = fault_at(at.call, at.nth, kind)?;
                Some(Trial {
                    at: at.clone(),
                    fault,
                })
            })
            .collect()
    }
}

/// Where the stream ended in the good run, an end ahead of time is none; nor is one behind the last byte that a plugin
/// wanted.
fn is_worth_trying(at: &Called, later: &[Called], kind: &FaultKind) -> bool {
    let (bytes, notices): (u64, &[HostCall]) = match kind {
        FaultKind::Truncate(bytes) => (*bytes, &[HostCall::NetRead]),
        FaultKind::ResetAfter(bytes) => (*bytes, &[HostCall::NetRead, HostCall::NetWrite]),
        _ => return true,
    };
    let is_noticed = at.moved > bytes || later.iter().any(|called| notices.contains(&called.call));
    is_noticed && !at.ended_stream
}

fn fault_at(call: HostCall, nth: u64, kind: FaultKind) -> Option<Fault> {
    let selector = Selector {
        check: None,
        phase: None,
        call: Some(CallSelector {
            call,
            nth: NonZeroU64::new(nth),
        }),
    };
    Fault::new(selector, kind, Limits::default()).ok()
}

/// The time by which a run with that fault has to be over.
fn end_of(report: &Report, trial: &Trial, grace: Duration) -> Duration {
    let passed = match trial.fault.kind {
        FaultKind::Error(InjectedError::DeadlineExceeded) => report.faults.first().map(|fault| fault.at),
        _ => None,
    };
    passed.unwrap_or(report.deadline) + grace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_notice_is_not_tried() {
        let called = |call, moved| Called {
            call,
            nth: 1,
            phase: None,
            ended_stream: false,
            moved,
        };
        let (read, write) = (HostCall::NetRead, HostCall::NetWrite);
        let (cut, reset) = (FaultKind::Truncate(1), FaultKind::ResetAfter(1));
        for (at, later, kind, is_worth) in [
            (called(read, 1), None, &cut, false),
            (called(read, 1), None, &reset, false),
            (called(read, 1), None, &FaultKind::Truncate(0), true),
            (called(read, 2), None, &cut, true),
            (called(read, 1), Some(called(read, 1)), &cut, true),
            (called(read, 1), Some(called(write, 1)), &cut, false),
            (called(read, 1), Some(called(write, 1)), &reset, true),
            (called(write, 1), None, &reset, false),
            (called(write, 1), Some(called(read, 0)), &reset, true),
        ] {
            let later: Vec<_> = later.into_iter().collect();
            let found = is_worth_trying(&at, &later, kind);
            assert_eq!(found, is_worth, "{kind} at {at:?} before {later:?}");
        }
    }
}
