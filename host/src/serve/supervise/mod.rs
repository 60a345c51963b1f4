//! Long-lived tasks and who watches them: that a task died or does not get on is noticed within seconds and
//! said, it is begun anew where that is safe, and otherwise the process ends so that its supervisor begins it
//! anew.
//!
//! The watcher is a plain thread, so that a runtime that stands still is noticed too. Its time is what it
//! saw pass: while the process as a whole is stopped or the machine sleeps, nobody's time runs out.
//! What a task does is not known here.

mod pulse;
mod runtime;
mod shared;
mod task;
#[cfg(test)]
mod tests;
mod threads;
mod trouble;
mod watcher;

use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;

pub use pulse::{Activity, Pulse, current};
pub use trouble::{Consequence, Mishap, Trouble, Whom};

use shared::Shared;
pub(in crate::serve) use task::words;
use task::{Slot, State};

/// The exit code of a process that ended because something of its own failed: `EX_SOFTWARE` of BSD's sysexits.
pub const EXIT_FAILED: u8 = 70;

/// What is done about a task that died or does not get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It is begun anew after a pause, which doubles each time: for tasks that hold nothing others rely on.
    /// When that happens more often than `max` times within `window`, the process ends.
    Always {
        /// How often.
        max: u32,
        /// Within which time.
        window: Duration,
    },
    /// The process ends.
    EndProcess,
}

impl Restart {
    /// Five times within a minute: more is no accident.
    pub const USUAL: Self = Self::Always {
        max: 5,
        window: Duration::from_secs(60),
    };
}

/// How closely is watched.
#[derive(Debug, Clone, Copy)]
pub struct Closeness {
    /// How often the watcher looks. By default every second: what is noticed is noticed so much later at most.
    pub look_every: Duration,
    /// How long the runtime, or one poll of a worker, may take. By default 5 s, a thousand times what a poll
    /// may take and as long as an overloaded machine may need.
    pub runtime: Duration,
    /// How long the runtime or a worker may stand still before the process ends. By default 30 s: a disk that
    /// hangs for a moment is no reason.
    pub end_after: Duration,
    /// How long a task may take to stop when it is told to. By default 5 s.
    pub stop: Duration,
    /// How long the process may take to end by itself when it has to. By default 10 s; then it is ended.
    pub end: Duration,
    /// The pause before a task is begun anew the first time, and the longest. By default 100 ms and 5 s.
    pub pauses: (Duration, Duration),
}

impl Default for Closeness {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(1),
            runtime: Duration::from_secs(5),
            end_after: Duration::from_secs(30),
            stop: Duration::from_secs(5),
            end: Duration::from_secs(10),
            pauses: (Duration::from_millis(100), Duration::from_secs(5)),
        }
    }
}

/// What is done whenever the watcher looked.
pub type Looked = dyn FnMut(Result<(), &str>) + Send;

/// Who is told. All are called on the watcher's thread and must not wait for the runtime.
pub struct Hooks {
    /// Something went wrong.
    pub trouble: Box<dyn Fn(&Trouble) + Send>,
    /// The watcher looked; `Ok` when all is well, else what is not.
    pub looked: Box<Looked>,
    /// The process was to end and did not: the last resort, which is to end it.
    pub force_end: Box<dyn FnMut(&str) + Send>,
}

/// The tasks that are watched. Clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor(Arc<Shared>);

impl Supervisor {
    /// Begins watching this runtime, on a thread of its own.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(closeness: Closeness, hooks: Hooks, runtime: Handle) -> std::io::Result<Self> {
        Ok(Self(watcher::start(closeness, hooks, runtime)?))
    }

    /// Begins a task that is to run until [`Supervisor::stop`]: the future that `factory` makes, and makes
    /// anew whenever the task is begun anew. If it returns, its error says why.
    #[track_caller]
    pub fn spawn<F, T>(&self, name: impl Into<Arc<str>>, restart: Restart, factory: F)
    where
        F: Fn(Pulse) -> T + Send + Sync + 'static,
        T: Future<Output = Result<(), String>> + Send + 'static,
    {
        let factory = move |pulse| -> Pin<Box<dyn Future<Output = _> + Send>> { Box::pin(factory(pulse)) };
        self.0.add(Slot {
            name: name.into(),
            restart,
            spawned: Location::caller(),
            factory: Arc::new(factory),
            begun: 0,
            ends: Vec::new(),
            state: State::Due(Duration::ZERO),
        });
    }

    /// Whether all is well; otherwise what is not. Also when the watcher itself does not get on.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn health(&self) -> Result<(), String> {
        self.0.health()
    }

    /// Waits until the process has to end because of a task or the runtime; the reason.
    pub async fn end_demanded(&self) -> String {
        let mut demand = self.0.end.subscribe();
        let reason = demand.wait_for(Option::is_some).await.ok();
        // The sender is in `self`, so that there is always one.
        reason.and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// From now on a task that ends has done what it should, and none is begun anew. The watcher goes on, so
    /// that a shutdown that does not get on is noticed.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Aborts the tasks that are left.
    pub fn abort(&self) {
        self.stop();
        self.0.abort();
    }

    /// How many tasks run.
    pub fn running(&self) -> usize {
        self.0.running().len()
    }

    /// A line for each task that runs: its name, what it is doing and since when, where it was spawned.
    pub fn lines(&self) -> Vec<String> {
        let line = |(name, activity, spawned)| format!("task `{name}`: {activity}, spawned at {spawned}");
        self.0.running().into_iter().map(line).collect()
    }

    /// Ends the watcher.
    pub fn finish(&self) {
        self.0.finish();
    }
}
