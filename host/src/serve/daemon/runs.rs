//! The runs of the daemon: how one is begun or skipped, and what follows when it has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tracing::Instrument;

use super::{Daemon, change};
use crate::open::{self, Kind};
use crate::outcome::{CircuitChange, Report, RunReference};
use crate::policy::breaker::Verdict;
use crate::policy::state::CheckState;
use crate::runner::{CancellationToken, Orphan, Prepared, Runner};
use crate::schedule::SkipReason;
use crate::serve::generation::Runs;
use crate::serve::heartbeat::{Heartbeat, RunMark};
use crate::serve::{incidents, logs};

/// A run under way.
pub(super) struct UnderWay {
    pub(super) name: Arc<str>,
    pub(super) prepared: Arc<Prepared>,
    pub(super) runner: Arc<Runner>,
    /// Of the check as it was when the run began.
    fingerprint: u64,
    /// Where its end is told, whatever becomes of the check meanwhile, and its mark there.
    heartbeat: Option<(Heartbeat, RunMark)>,
    /// How the breaker changed for it to begin.
    circuit: Vec<CircuitChange>,
    /// The run that opened the breaker, where this one probes the target.
    opened_by: Option<RunReference>,
}

impl Daemon {
    pub(super) fn begin(
        &mut self,
        name: &Arc<str>,
        due: Duration,
        circuit: Vec<CircuitChange>,
        opened_by: Option<RunReference>,
    ) {
        self.told_when_due(name);
        let Some(served) = self.generation.checks.get(name) else {
            return;
        };
        let heartbeat = self.publisher.started(name, served);
        let fingerprint = served.fingerprint;
        let runner = Arc::clone(&self.generation.runner);
        let prepared = Arc::clone(served.runs.prepared());
        let due = self.began + due;
        let task = match &served.runs {
            Runs::Prepared(_) => {
                let run = run(
                    Arc::clone(name),
                    Arc::clone(&runner),
                    Arc::clone(&prepared),
                    due,
                    self.cancellation.clone(),
                );
                self.runs.spawn(run.instrument(logs::run_span(name)))
            }
            Runs::Orphan(orphan) => self.runs.spawn(orphaned(Arc::clone(orphan), due)),
        };
        let under_way = UnderWay {
            name: Arc::clone(name),
            prepared,
            runner,
            fingerprint,
            heartbeat,
            circuit,
            opened_by,
        };
        self.under_way.insert(task.id(), under_way);
    }

    pub(super) fn skip(&mut self, name: &Arc<str>, due: Duration, reason: SkipReason, now: Duration) {
        self.told_when_due(name);
        let Some(served) = self.generation.checks.get(name) else {
            return;
        };
        let Some(error_type) = reason.error_type() else {
            return;
        };
        let lag = now.saturating_sub(due);
        let prepared = served.runs.prepared();
        let mut report = Runner::skipped(prepared, error_type, &reason.message(now), lag);
        if let SkipReason::CircuitOpen { .. } = reason {
            let view = self.scheduler.breaker(&prepared.target, &prepared.access.plugin);
            report.relations.opened_by = view.and_then(|view| view.opened_by);
        }
        self.publisher.skipped(report, self.states.of(name, served));
    }

    /// A run is over. One that crashed is reported as such: it is our fault, and other checks go on.
    pub(super) fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(mut under_way) = self.under_way.remove(&id) else {
            return;
        };
        let mut report = match ended {
            Ok((_, report)) => report,
            Err(error) => Runner::report_crash(&under_way.prepared, &error.to_string()),
        };
        let (name, now) = (Arc::clone(&under_way.name), self.now());
        let name = &*name;
        let transition = self.scheduler.finished(name, &Verdict::from(&report), now);
        report.circuit = std::mem::take(&mut under_way.circuit);
        let at_end = transition
            .as_ref()
            .map(|transition| change(transition, report.duration));
        report.circuit.extend(at_end);
        report.relations.opened_by = under_way.opened_by;
        let generation = Arc::clone(&self.generation);
        let served = generation.checks.get(name);
        // A check that has changed since is another one, of which this run says nothing.
        let same = served.filter(|served| served.fingerprint == under_way.fingerprint);
        if same.is_some() {
            self.run_beside(&under_way, &report);
        }
        let change = same.and_then(|served| self.states.record(&under_way.name, served, &mut report, now));
        let state = served.map_or(CheckState::Unknown, |served| self.states.of(name, served));
        self.publisher
            .finished(report, state, change, under_way.heartbeat.take());
        let target = &under_way.prepared.target;
        let view = self.scheduler.breaker(target, &under_way.prepared.access.plugin);
        match (transition, view) {
            (Some(transition), view) => self.publisher.transition(&transition, view),
            (None, Some(view)) => self.publisher.breaker(&view),
            (None, None) => {}
        }
        self.publisher.runs(self.runs.len(), self.scheduler.waiting());
    }
}

async fn run(
    name: Arc<str>,
    runner: Arc<Runner>,
    prepared: Arc<Prepared>,
    due: Instant,
    cancellation: CancellationToken,
) -> Report {
    let _open = open::everywhere().open(Kind::Run, Arc::clone(&name));
    incidents::of_check(name, runner.run_due(&prepared, due, &cancellation)).await
}

async fn orphaned(orphan: Arc<Orphan>, due: Instant) -> Report {
    Runner::report_orphan(&orphan, due.elapsed())
}
