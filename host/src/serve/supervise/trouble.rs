//! What went wrong with a task or with the runtime, and what follows. Pure.

use std::fmt::{self, Display};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// Something went wrong. Shown as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// With whom.
    pub whom: Whom,
    /// What.
    pub mishap: Mishap,
    /// What follows.
    pub consequence: Consequence,
}

/// With whom something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// A task.
    Task {
        /// Its name.
        name: Arc<str>,
        /// What it said last, and how long ago.
        doing: String,
        /// Where it was spawned.
        spawned: &'static Location<'static>,
    },
    /// A worker thread of the runtime.
    Worker {
        /// Its number, from 0.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// A thread that is stopped, while the others go on.
    Thread {
        /// Its id, as the system counts them.
        id: u32,
        /// Its name.
        name: String,
    },
    /// The runtime as a whole.
    Runtime {
        /// How many tasks wait for a worker.
        queued: usize,
    },
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mishap {
    /// A task that is to run for ever returned; with its reason if it gave one.
    Returned(Option<String>),
    /// It panicked, with these words.
    Panicked(String),
    /// Somebody else aborted it.
    Aborted,
    /// It made no progress for so long.
    Stalled(Duration),
    /// It was told to stop and does not: it blocks its thread.
    Unstoppable(Duration),
}

impl Mishap {
    /// A word for labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Returned(_) => "returned",
            Self::Panicked(_) => "panicked",
            Self::Aborted => "aborted",
            Self::Stalled(_) => "stalled",
            Self::Unstoppable(_) => "unstoppable",
        }
    }
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    /// The task is begun anew after a pause.
    Restart(Duration),
    /// The task is told to stop, to be begun anew.
    Stop,
    /// The process ends, with an exit code that is not 0.
    EndProcess,
    /// Nothing but that it is said, and that nobody is told that all is well.
    Said,
}

impl Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}; {}", self.whom, self.mishap, self.consequence)
    }
}

impl Display for Whom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task { name, doing, spawned } => {
                write!(formatter, "the task `{name}` ({doing}; spawned at {spawned})")
            }
            Self::Worker { number, of } => {
                write!(formatter, "the worker thread {number} of {of} of the runtime")
            }
            Self::Thread { id, name } => {
                write!(
                    formatter,
                    "the thread `{name}` ({id}), which somebody outside has stopped,"
                )
            }
            Self::Runtime { queued } => write!(formatter, "the runtime ({queued} tasks are queued)"),
        }
    }
}

impl Display for Mishap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(None) => formatter.write_str("returned"),
            Self::Returned(Some(reason)) => write!(formatter, "returned: {reason}"),
            Self::Panicked(words) => write!(formatter, "panicked: {words}"),
            Self::Aborted => formatter.write_str("was aborted"),
            Self::Stalled(time) => write!(formatter, "made no progress for {time:.1?}"),
            Self::Unstoppable(time) => write!(formatter, "did not stop within {time:.1?}"),
        }
    }
}

impl Display for Consequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart(pause) => write!(formatter, "it is begun anew in {pause:.1?}"),
            Self::Stop => formatter.write_str("it is stopped, to be begun anew"),
            Self::EndProcess => formatter.write_str("the process ends"),
            Self::Said => formatter.write_str("it is waited for"),
        }
    }
}
