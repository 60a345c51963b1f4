//! What the watcher's thread shares with those who spawn tasks and ask how things are.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::Closeness;
use super::pulse::Activity;
use super::task::{Message, Slot, State};

/// What the watcher shares.
pub(super) struct Shared {
    slots: Mutex<BTreeMap<u64, Slot>>,
    health: Mutex<Seen>,
    pub(super) end: watch::Sender<Option<String>>,
    pub(super) stopping: AtomicBool,
    pub(super) finished: AtomicBool,
    pub(super) closeness: Closeness,
    messages: Sender<Message>,
}

/// What the watcher saw last, and when.
struct Seen {
    problem: Option<String>,
    at: Instant,
}

impl Shared {
    pub(super) fn new(closeness: Closeness, messages: Sender<Message>) -> Self {
        Self {
            slots: Mutex::default(),
            health: Mutex::new(Seen {
                problem: None,
                at: Instant::now(),
            }),
            end: watch::Sender::new(None),
            stopping: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            closeness,
            messages,
        }
    }

    /// The watcher looked.
    pub(super) fn saw(&self, problem: Option<String>) {
        let at = Instant::now();
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Seen { problem, at };
    }

    /// A way to the watcher.
    pub(super) fn messages(&self) -> Sender<Message> {
        self.messages.clone()
    }

    pub(super) fn add(&self, slot: Slot) {
        let mut slots = self.slots();
        let number = slots.last_key_value().map_or(0, |(last, _)| last + 1);
        slots.insert(number, slot);
        drop(slots);
        self.wake();
    }

    pub(super) fn health(&self) -> Result<(), String> {
        if let Some(reason) = &*self.end.borrow() {
            return Err(reason.clone());
        }
        let seen = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let age = seen.at.elapsed();
        if age > self.closeness.look_every * 5 + self.closeness.runtime {
            return Err(format!("the watcher last looked {age:.1?} ago"));
        }
        seen.problem.clone().map_or(Ok(()), Err)
    }

    pub(super) fn running(&self) -> Vec<(Arc<str>, Activity, &'static Location<'static>)> {
        let slots = self.slots();
        let running = slots.values().filter_map(|slot| match &slot.state {
            State::Running { pulse, .. } => Some((Arc::clone(&slot.name), pulse.activity(), slot.spawned)),
            State::Due(_) | State::Over => None,
        });
        running.collect()
    }

    pub(super) fn abort(&self) {
        for slot in self.slots().values() {
            if let State::Running { abort, .. } = &slot.state {
                abort.abort();
            }
        }
    }

    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // A watcher that is gone has nothing to do any more.
        let _ = self.messages.send(Message::Look);
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, BTreeMap<u64, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
