//! The daemon's loop: what is due is begun, what has ended is told, what has been prepared is taken up. When a run is
//! due is decided in `schedule`, what becomes of its report in `publisher`, how changes are prepared in `changes`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument;

use super::changes::{Answer, Changes, Made, Wish};
use super::generation::{Generation, Runs, Served};
use super::heartbeat::RunMark;
use super::publisher::Publisher;
use super::stage::Stage;
use super::supervise::Pulse;
use super::{incidents, logs};
use crate::open::{self, Kind};
use crate::outcome::{CircuitChange, Report};
use crate::policy::breaker::{State, Verdict};
use crate::runner::{self, CancellationToken, Orphan, Prepared, Refreshed, Runner};
use crate::schedule::{Decision, Scheduler, SkipReason, Transition};

/// How long one round of the loop may take: a hundred times what it takes when 100,000 checks are due at once.
const ROUND: Duration = Duration::from_secs(20);

/// The checks, their schedule, and the runs under way.
pub(super) struct Daemon {
    generation: Arc<Generation>,
    changes: Changes,
    scheduler: Scheduler,
    served: HashMap<Arc<str>, Served>,
    runs: JoinSet<Report>,
    /// Whose each run is.
    under_way: HashMap<Id, UnderWay>,
    /// Runs of new versions of plugins, each with the report of the version in use.
    beside: JoinSet<(Report, Report)>,
    wishes: mpsc::Receiver<Wish>,
    stage: watch::Receiver<Stage>,
    cancellation: CancellationToken,
    publisher: Publisher,
    began: Instant,
}

/// A run under way.
struct UnderWay {
    name: Arc<str>,
    prepared: Arc<Prepared>,
    runner: Arc<Runner>,
    mark: Option<RunMark>,
    /// How the breaker changed for it to begin.
    circuit: Vec<CircuitChange>,
}

impl Daemon {
    /// A daemon that serves this generation.
    pub(super) fn new(
        generation: Generation,
        changes: Changes,
        wishes: mpsc::Receiver<Wish>,
        stage: watch::Receiver<Stage>,
        publisher: Publisher,
    ) -> Self {
        let generation = Arc::new(generation);
        let mut daemon = Self {
            changes,
            scheduler: Scheduler::new(generation.limits(), rand::random()),
            served: HashMap::new(),
            runs: JoinSet::new(),
            under_way: HashMap::new(),
            beside: JoinSet::new(),
            wishes,
            stage,
            cancellation: CancellationToken::new(),
            began: publisher.began(),
            publisher,
            generation: Arc::clone(&generation),
        };
        generation.preparation.sandbox.expect_runs();
        daemon.publisher.configured(&generation);
        daemon.take_up(generation);
        daemon.publisher.reloaded(Ok(daemon.generation.number));
        daemon
    }

    /// Serves until it is told to end and no run is under way any more.
    pub(super) async fn run(mut self, pulse: Pulse) {
        loop {
            pulse.doing("beginning the runs that are due", ROUND);
            let stage = *self.stage.borrow_and_update();
            match stage {
                Stage::Serving => {
                    self.changes.begin(&self.generation);
                    self.begin_what_is_due();
                }
                Stage::Draining => {}
                Stage::Cancelling => self.cancellation.cancel(),
            }
            if stage > Stage::Serving && self.runs.is_empty() {
                return;
            }
            pulse.waiting("waiting for the next run to begin or to end");
            let next = (stage == Stage::Serving).then(|| self.next());
            tokio::select! {
                Some(ended) = self.runs.join_next_with_id() => self.ended(ended),
                Some(Ok((old, new))) = self.beside.join_next() => self.changes.compared(&old, &new),
                Some(wish) = self.wishes.recv() => self.wished(wish),
                made = self.changes.made() => self.made(made),
                _ = self.stage.changed() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// When there is something to do next, if nothing else happens.
    fn next(&self) -> Instant {
        let due = self.scheduler.next_due().map(|due| self.began + due);
        due.map_or(self.changes.next_look(), |due| due.min(self.changes.next_look()))
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn begin_what_is_due(&mut self) {
        let now = self.now();
        let mut missed = Vec::new();
        // The run that probes a target comes right after the change that allows it.
        let mut changes = Vec::new();
        for decision in self.scheduler.tick(now) {
            match decision {
                Decision::Start { name, due, .. } => self.begin(&name, due, std::mem::take(&mut changes)),
                Decision::Skip {
                    name,
                    reason: SkipReason::Missed { runs },
                    ..
                } => {
                    self.told_when_due(&name);
                    missed.push((name, runs));
                }
                Decision::Skip { name, due, reason } => self.skip(&name, due, reason, now),
                Decision::Transition(transition) => {
                    let view = self.scheduler.breaker(&transition.target, &transition.plugin);
                    self.publisher.transition(&transition, view);
                    changes.push(change(&transition, Duration::ZERO));
                }
            }
        }
        self.publisher.missed(&missed);
        self.publisher.runs(self.runs.len(), self.scheduler.waiting());
    }

    fn begin(&mut self, name: &Arc<str>, due: Duration, circuit: Vec<CircuitChange>) {
        self.told_when_due(name);
        let Some(served) = self.served.get(name) else {
            return;
        };
        let mark = self.publisher.started(name, served);
        let runner = Arc::clone(&served.runner);
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
            mark,
            circuit,
        };
        self.under_way.insert(task.id(), under_way);
    }

    fn skip(&mut self, name: &Arc<str>, due: Duration, reason: SkipReason, now: Duration) {
        self.told_when_due(name);
        let Some(served) = self.served.get(name) else {
            return;
        };
        let Some(error_type) = reason.error_type() else {
            return;
        };
        let lag = now.saturating_sub(due);
        let report = Runner::skipped(served.runs.prepared(), error_type, &reason.message(now), lag);
        self.publisher.skipped(report, served.state.state());
    }

    fn told_when_due(&self, name: &str) {
        if let Some(view) = self.scheduler.view(name) {
            self.publisher.due(name, view.next_due);
        }
    }

    /// A run is over. One that crashed is reported as such: it is our fault, and other checks go on.
    fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
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
        self.run_beside(&under_way, &report);
        let served = self.served.get_mut(name);
        let change = served.and_then(|served| served.record(&report, now));
        let served = self.served.get(name);
        self.publisher.finished(report, served, change, under_way.mark);
        let target = &under_way.prepared.target;
        let view = self.scheduler.breaker(target, &under_way.prepared.access.plugin);
        match (transition, view) {
            (Some(transition), view) => self.publisher.transition(&transition, view),
            (None, Some(view)) => self.publisher.breaker(&view),
            (None, None) => {}
        }
        self.publisher.runs(self.runs.len(), self.scheduler.waiting());
    }

    /// Runs the new version of a plugin once, after the one in use, if one is being watched and the target is not
    /// left alone.
    fn run_beside(&mut self, under_way: &UnderWay, report: &Report) {
        let Some(new) = self.changes.shadow_of(&under_way.name) else {
            return;
        };
        let breaker = self
            .scheduler
            .breaker(&new.target, &under_way.prepared.access.plugin);
        if *self.stage.borrow() != Stage::Serving
            || breaker.is_some_and(|breaker| breaker.state != State::Closed)
        {
            return;
        }
        let (runner, old) = (Arc::clone(&under_way.runner), report.clone());
        let cancellation = self.cancellation.clone();
        self.beside.spawn(async move {
            let mut report = runner.run_due(&new, Instant::now(), &cancellation).await;
            runner::mark(&mut report);
            tracing::debug!(
                check = report.check,
                outcome = report.outcome.as_str(),
                "check `{}` ran with the new version of its plugin beside the one in use",
                report.check
            );
            (old, report)
        });
    }

    fn wished(&mut self, wish: Wish) {
        if let Wish::Reload(_) = wish {
            self.publisher.reloading();
        }
        self.changes.wish(wish);
    }

    fn made(&mut self, made: Made) {
        match made {
            Made::Loaded(loaded, answers) => self.loaded(loaded, answers),
            Made::Refreshed(refreshed) => self.refreshed(refreshed),
            Made::Promoted(promoted, answer) => {
                let answered = promoted.map(|refreshed| {
                    self.refreshed(refreshed);
                    "the new version has taken over".to_owned()
                });
                tell(answer, &answered);
            }
        }
    }

    fn loaded(&mut self, loaded: Result<Box<Generation>, String>, answers: Vec<Answer>) {
        let answered = match loaded {
            Ok(generation) => {
                let generation = Arc::new(*generation);
                generation.preparation.take_over(&self.generation.preparation);
                self.changes.took_up(&generation);
                self.publisher.configured(&generation);
                let number = generation.number;
                let needs_restart = needs_restart(&self.generation, &generation);
                self.take_up(generation);
                self.publisher.reloaded(Ok(number));
                Ok(format!(
                    "the configuration is loaded: generation {number}, {} checks{needs_restart}",
                    self.served.len()
                ))
            }
            Err(message) => {
                self.publisher.reloaded(Err(&message));
                Err(message)
            }
        };
        tell(answers, &answered);
    }

    fn refreshed(&mut self, refreshed: Refreshed) {
        for event in &refreshed.events {
            self.publisher.plugin(event);
        }
        if let Some(preparation) = refreshed.preparation {
            let generation = Arc::new(self.generation.with_plugins(preparation));
            self.take_up(generation);
        } else if !refreshed.events.is_empty() {
            self.publisher.plugins(&self.generation);
        }
    }

    /// Serves these checks from now on. Those that did not change keep their place and their past; runs under way
    /// end as they began.
    fn take_up(&mut self, generation: Arc<Generation>) {
        self.served = generation.served(std::mem::take(&mut self.served), self.now());
        self.publisher.took_up(&generation, &self.served);
        self.scheduler.set_limits(generation.limits());
        // Last, because the schedule begins with it: of 100,000 checks, what is above takes seconds.
        self.scheduler.set(generation.scheduled(), self.now());
        self.generation = generation;
        for view in self.scheduler.breakers() {
            self.publisher.circuit(&view);
        }
        for name in self.served.keys() {
            self.told_when_due(name);
        }
    }
}

fn change(transition: &Transition, at: Duration) -> CircuitChange {
    CircuitChange {
        target: transition.target.as_str().to_owned(),
        from: transition.from.as_str(),
        to: transition.to.as_str(),
        at,
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

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Tells whoever asked; they may have gone away.
fn tell(asked: impl IntoIterator<Item = Answer>, answer: &Result<String, String>) {
    for asked in asked {
        let _ = asked.send(answer.clone());
    }
}

/// What a reload cannot change, in words; nothing if none of that has changed.
fn needs_restart(before: &Generation, now: &Generation) -> String {
    let (before, now) = (before.config(), now.config());
    let listens = |config: &crate::config::Config| {
        let http = config.http.as_ref();
        http.map(|http| (http.listen, http.tls.clone()))
    };
    let changed = [
        ("`[http]`", listens(before) != listens(now)),
        ("`[otlp]`", before.otlp != now.otlp),
        ("`log.format`", before.log.format != now.log.format),
    ];
    let changed: Vec<_> = changed
        .into_iter()
        .filter_map(|(what, changed)| changed.then_some(what))
        .collect();
    match changed.as_slice() {
        [] => String::new(),
        changed => format!(
            "; what changed in {} takes effect with the next start",
            changed.join(" and ")
        ),
    }
}
