//! The daemon's loop: what is due is begun, what has ended is told, what is asked for is done. When a run is due
//! is decided in `schedule`, what becomes of its report in `publisher`, how a configuration is loaded in
//! `generation`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::generation::Generation;
use super::open::{Kind, Register};
use super::publisher::Publisher;
use super::supervise::Pulse;
use crate::config::StateSettings;
use crate::outcome::Report;
use crate::policy::breaker::Verdict;
use crate::policy::state::StateTracker;
use crate::runner::{Prepared, Runner};
use crate::schedule::{Decision, Scheduler, SkipReason};

/// How long one round of the loop may take: a thousand times what it takes with 100,000 checks that are all due.
const ROUND: Duration = Duration::from_secs(10);
/// The longest sleep: the watcher sees that the loop still turns.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What the loop is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Load the configuration again; how that went is answered.
    Reload(Answer),
}

/// The number of the generation that serves now, or the whole text of what is wrong.
pub(super) type Answer = oneshot::Sender<Result<u64, String>>;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It has not been asked for.
    Serving,
    /// Nothing is begun any more; runs under way go on.
    Draining,
    /// Runs under way are cancelled.
    Cancelling,
}

/// The checks, their schedule, and the runs under way.
pub(super) struct Daemon {
    generation: Arc<Generation>,
    loader: Loader,
    scheduler: Scheduler,
    checks: HashMap<Arc<str>, Served>,
    runs: JoinSet<Report>,
    /// Whose each run is.
    under_way: HashMap<Id, (Arc<str>, Arc<Prepared>)>,
    loading: Option<Loading>,
    requests: mpsc::Receiver<Request>,
    stage: watch::Receiver<Stage>,
    cancellation: CancellationToken,
    publisher: Publisher,
    register: Register,
    began: Instant,
}

/// A check that is served.
struct Served {
    prepared: Arc<Prepared>,
    state: StateTracker,
    fingerprint: u64,
}

/// A configuration that is being loaded, and who wants to know.
struct Loading {
    task: JoinHandle<Result<Generation, String>>,
    answers: Vec<Answer>,
    /// Whether the file may have changed since the loading began: then it is loaded once more.
    again: Vec<Answer>,
}
