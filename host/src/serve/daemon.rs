//! The daemon's loop: what is due is begun, what has ended is told, what is asked for is done. When a run is due
//! is decided in `schedule`, what becomes of its report in `publisher`, how a configuration is loaded in
//! `generation`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::generation::{Generation, Loaded, Served};
use super::loader::{Answer, Loader};
use super::logs;
use super::open::{Kind, Register};
use super::publisher::Publisher;
use super::stage::Stage;
use super::supervise::Pulse;
use crate::outcome::Report;
use crate::policy::breaker::Verdict;
use crate::runner::{Prepared, Runner};
use crate::schedule::{Decision, Scheduler, SkipReason};

/// How long one round of the loop may take: a hundred times what it takes when 100,000 checks are due at once.
const ROUND: Duration = Duration::from_secs(20);

/// What the loop is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Load the configuration again, and answer how that went, if there is somebody to answer.
    Reload(Option<Answer>),
}

/// The checks, their schedule, and the runs under way.
pub(super) struct Daemon {
    generation: Arc<Generation>,
    loader: Loader,
    scheduler: Scheduler,
    served: HashMap<Arc<str>, Served>,
    runs: JoinSet<Report>,
    /// Whose each run is.
    under_way: HashMap<Id, (Arc<str>, Arc<Prepared>)>,
    requests: mpsc::Receiver<Request>,
    stage: watch::Receiver<Stage>,
    cancellation: CancellationToken,
    publisher: Publisher,
    register: Register,
    began: Instant,
}

/// What a daemon is made from, besides its first generation.
pub(super) struct Surroundings {
    pub(super) loader: Loader,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) publisher: Publisher,
    pub(super) register: Register,
}

impl Daemon {
    /// A daemon that serves this generation.
    pub(super) fn new(loaded: Loaded, surroundings: Surroundings) -> Self {
        let limits = loaded.generation.limits();
        let mut daemon = Self {
            generation: Arc::clone(&loaded.generation),
            loader: surroundings.loader,
            scheduler: Scheduler::new(limits, rand::random()),
            served: HashMap::new(),
            runs: JoinSet::new(),
            under_way: HashMap::new(),
            requests: surroundings.requests,
            stage: surroundings.stage,
            cancellation: CancellationToken::new(),
            publisher: surroundings.publisher,
            register: surroundings.register,
            began: Instant::now(),
        };
        daemon.take_up(loaded);
        daemon
    }

    /// Serves until it is told to end and no run is under way any more.
    pub(super) async fn run(mut self, pulse: Pulse) {
        loop {
            pulse.doing("starting the runs that are due", ROUND);
            let stage = *self.stage.borrow_and_update();
            match stage {
                Stage::Serving => self.start_what_is_due(),
                Stage::Draining => {}
                Stage::Cancelling => self.cancellation.cancel(),
            }
            if stage > Stage::Serving && self.runs.is_empty() {
                return;
            }
            let next = (stage == Stage::Serving).then(|| self.scheduler.next_due()).flatten();
            pulse.waiting("waiting for the next run to begin or to end");
            tokio::select! {
                Some(ended) = self.runs.join_next_with_id() => self.ended(ended),
                Some(request) = self.requests.recv() => self.requested(request),
                loaded = self.loader.loaded() => self.loaded(loaded),
                _ = self.stage.changed() => {}
                () = sleep_until(next.map(|next| self.began + next)) => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn start_what_is_due(&mut self) {
        let now = self.now();
        for decision in self.scheduler.tick(now) {
            match decision {
                Decision::Start { name, due, .. } => self.start(&name, due),
                Decision::Skip { name, due, reason } => self.skip(&name, due, reason, now),
                Decision::Transition(transition) => self.publisher.transition(&transition),
            }
        }
        self.publisher.active_runs(self.runs.len());
    }

    fn start(&mut self, name: &Arc<str>, due: Duration) {
        let Some(served) = self.served.get(name) else {
            // A run that never began is over: its slot is not lost.
            let verdict = Verdict::not_judged();
            drop(self.scheduler.finished(name, &verdict, self.began.elapsed()));
            return;
        };
        self.publisher.started(name, self.scheduler.view(name), self.began);
        let prepared = Arc::clone(&served.prepared);
        let runner = Arc::clone(&served.runner);
        let opened = self.register.open(Kind::Run, Arc::clone(name));
        let (check, due) = (Arc::clone(&prepared), self.began + due);
        let cancellation = self.cancellation.clone();
        let run = async move {
            let report = runner.run_due(&check, due, &cancellation).await;
            drop(opened);
            report
        };
        let task = self.runs.spawn(run.instrument(logs::run_span(name)));
        self.under_way.insert(task.id(), (Arc::clone(name), prepared));
    }

    fn skip(&mut self, name: &Arc<str>, due: Duration, reason: SkipReason, now: Duration) {
        let Some(served) = self.served.get(name) else { return };
        let Some(error_type) = reason.error_type() else {
            self.publisher.missed(name, reason);
            return;
        };
        let lag = now.saturating_sub(due);
        let report = Runner::skipped(&served.prepared, error_type, &reason.message(now), lag);
        self.publisher.skipped(report, served.state.state());
    }

    /// A run is over. One that crashed is reported as such: it is our fault, and other checks go on.
    fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some((name, prepared)) = self.under_way.remove(&id) else {
            return;
        };
        let report = match ended {
            Ok((_, report)) => report,
            Err(error) => Runner::report_crash(&prepared, &error.to_string()),
        };
        let now = self.now();
        let transition = self.scheduler.finished(&name, &Verdict::from(&report), now);
        let change = self.served.get_mut(&name).map(|served| served.record(&report, now));
        self.publisher.finished(report, change);
        if let Some(transition) = transition {
            self.publisher.transition(&transition);
        }
        self.publisher.active_runs(self.runs.len());
    }

    fn requested(&mut self, request: Request) {
        match request {
            Request::Reload(answer) => self.loader.load(&self.generation, answer),
        }
    }

    fn loaded(&mut self, loaded: Result<Loaded, String>) {
        match loaded {
            Ok(loaded) => {
                let number = loaded.generation.number;
                self.take_up(loaded);
                self.publisher.reloaded(Ok(number));
                self.loader.answer(&Ok(number));
            }
            Err(message) => {
                self.publisher.reloaded(Err(&message));
                self.loader.answer(&Err(message));
            }
        }
    }

    /// Serves these checks from now on. Those that did not change keep their place and their past; runs under way
    /// go on as they began.
    fn take_up(&mut self, loaded: Loaded) {
        let now = self.now();
        self.scheduler.set_limits(loaded.generation.limits());
        self.scheduler.set(loaded.scheduled(), now);
        self.served = loaded.served(std::mem::take(&mut self.served), now);
        self.generation = loaded.generation;
        self.publisher.took_up(&self.generation, &self.served);
        for breaker in self.scheduler.breakers() {
            self.publisher.breaker(&breaker);
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
