//! The daemon's loop: what is due is begun and what has ended is told (`runs`; `beside` those of new versions of
//! plugins), what has been prepared is taken up (`taking_up`). When a run is due is decided in `schedule`, what becomes of
//! its report in `publisher`, how changes are prepared in `changes`.

mod beside;
mod runs;
mod taking_up;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use self::beside::RunsBeside;
use self::runs::UnderWay;
use super::changes::{Changes, Wish};
use super::generation::Generation;
use super::held_up::HeldUp;
use super::publisher::Publisher;
use super::stage::Stage;
use super::states::States;
use super::supervise::Pulse;
use super::takeover::Takeover;
use crate::config::Config;
use crate::outcome::{CircuitChange, Report};
use crate::runner::CancellationToken;
use crate::schedule::{Decision, Scheduler, SkipReason, Transition};

/// How long one round of the loop may take: a hundred times what it takes when 100,000 checks are due at once.
const ROUND: Duration = Duration::from_secs(20);

/// The checks, their schedule, and the runs under way.
pub(super) struct Daemon {
    /// The configuration of the start: of some of it nothing else can be put in force.
    at_start: Arc<Config>,
    generation: Arc<Generation>,
    changes: Changes,
    scheduler: Scheduler,
    states: States,
    held_up: HeldUp,
    runs: JoinSet<Report>,
    /// Whose each run is.
    under_way: HashMap<Id, UnderWay>,
    beside: RunsBeside,
    wishes: mpsc::Receiver<Wish>,
    stage: watch::Receiver<Stage>,
    cancellation: CancellationToken,
    publisher: Publisher,
    began: Instant,
}

impl Daemon {
    /// A daemon that serves this generation.
    pub(super) fn new(
        first: Takeover,
        changes: Changes,
        wishes: mpsc::Receiver<Wish>,
        stage: watch::Receiver<Stage>,
        publisher: Publisher,
    ) -> Self {
        let generation = Arc::clone(&first.generation);
        let mut daemon = Self {
            at_start: Arc::clone(&generation.preparation.config),
            changes,
            scheduler: Scheduler::new(generation.limits(), rand::random()),
            states: States::default(),
            held_up: HeldUp::default(),
            runs: JoinSet::new(),
            under_way: HashMap::new(),
            beside: RunsBeside::default(),
            wishes,
            stage,
            cancellation: CancellationToken::new(),
            began: publisher.began(),
            publisher,
            generation: Arc::clone(&generation),
        };
        generation.preparation.sandbox.expect_runs();
        daemon.publisher.configured(&generation);
        daemon.serve(&first);
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
                    if self.changes.begin(&self.generation) {
                        self.publisher.reloading();
                    }
                    self.timed("beginning the runs that were due", Self::begin_what_is_due);
                }
                Stage::Draining => self.changes.refuse(),
                Stage::Cancelling => self.cancellation.cancel(),
            }
            if stage > Stage::Serving && self.runs.is_empty() {
                return;
            }
            pulse.waiting("waiting for the next run to begin or to end");
            let next = (stage == Stage::Serving).then(|| self.next());
            tokio::select! {
                Some(ended) = self.runs.join_next_with_id() => {
                    self.timed("telling how a run ended", |daemon| daemon.ended(ended));
                }
                Some(ended) = self.beside.tasks.join_next_with_id() => self.ended_beside(ended),
                Some(wish) = self.wishes.recv() => self.changes.wish(wish),
                made = self.changes.made() => self.timed("taking up a change", |daemon| daemon.made(made)),
                _ = self.stage.changed() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Takes a step, and remembers how long it held the loop up.
    fn timed(&mut self, what: &'static str, step: impl FnOnce(&mut Self)) {
        let began = self.now();
        step(self);
        self.held_up.by(what, self.now().saturating_sub(began));
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
        let held_up = std::mem::take(&mut self.held_up);
        let mut missed = Vec::new();
        // The run that probes a target comes right after the change that allows it.
        let (mut changes, mut opened_by) = (Vec::new(), None);
        for decision in self.scheduler.tick(now) {
            match decision {
                Decision::Start { name, due, .. } => {
                    self.begin(&name, due, std::mem::take(&mut changes), opened_by.take());
                }
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
                    opened_by = view.as_ref().and_then(|view| view.opened_by);
                    self.publisher.transition(&transition, view);
                    changes.push(change(&transition, Duration::ZERO));
                }
            }
        }
        if !missed.is_empty() {
            self.publisher.missed(&missed, &held_up.why());
        }
        self.publisher.runs(self.runs.len(), self.scheduler.waiting());
    }

    fn told_when_due(&self, name: &str) {
        if let Some(view) = self.scheduler.view(name) {
            self.publisher.due(name, view.next_due);
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

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
