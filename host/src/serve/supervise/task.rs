//! A task: how it is begun, and how its end is told. Pure but for spawning it.

use std::panic::{AssertUnwindSafe, Location};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::Restart;
use super::pulse::Pulse;
use super::trouble::{Consequence, Mishap, Trouble, Whom};

/// How long a task may take to say for the first time what it is doing.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// Makes a task's future.
type Factory = dyn Fn(Pulse) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// A task.
pub(super) struct Slot {
    pub(super) name: Arc<str>,
    pub(super) restart: Restart,
    pub(super) spawned: &'static Location<'static>,
    pub(super) factory: Arc<Factory>,
    /// How often it was begun.
    pub(super) begun: u64,
    /// When it ended lately, in the watcher's time.
    pub(super) ends: Vec<Duration>,
    pub(super) state: State,
}

/// How a task is. Moments are in the watcher's time.
pub(super) enum State {
    /// It is to be begun then.
    Due(Duration),
    /// It runs.
    Running {
        pulse: Pulse,
        abort: AbortHandle,
        /// How often it had said something when that was last seen to have changed, and when that was.
        seen: (u64, Duration),
        /// When it was told to stop, if it was.
        told_to_stop: Option<Duration>,
    },
    /// It ended for good.
    Over,
}

/// What the watcher is told.
pub(super) enum Message {
    /// A task ended: its number, which of its lives, how.
    Ended(u64, u64, Mishap),
    /// There is something to do.
    Look,
}

impl Slot {
    /// Begins a task.
    pub(super) fn begin(&mut self, number: u64, now: Duration, runtime: &Handle, messages: Sender<Message>) {
        self.begun += 1;
        let pulse = Pulse::new(Arc::clone(&self.name), FIRST_WORD);
        let end = End {
            messages,
            number,
            life: self.begun,
            mishap: Mishap::Aborted,
        };
        let factory = Arc::clone(&self.factory);
        let task = pulse.clone();
        let task = runtime.spawn(pulse.clone().scope(async move {
            let made = AssertUnwindSafe(async { factory(task).await });
            end.by(match made.catch_unwind().await {
                Ok(Ok(())) => Mishap::Returned(None),
                Ok(Err(reason)) => Mishap::Returned(Some(reason)),
                Err(panic) => Mishap::Panicked(words(&*panic)),
            });
        }));
        self.state = State::Running {
            pulse,
            abort: task.abort_handle(),
            seen: (0, now),
            told_to_stop: None,
        };
    }

    /// For how long it has been silent, if that is longer than it may be. To be asked again and again.
    pub(super) fn silence(&mut self, now: Duration) -> Option<Duration> {
        let State::Running { pulse, seen, .. } = &mut self.state else {
            return None;
        };
        let beats = pulse.beats();
        if beats != seen.0 {
            *seen = (beats, now);
        }
        let silent = now.saturating_sub(seen.1);
        (silent > pulse.activity().within?).then_some(silent)
    }

    /// Tells it to stop, as it was silent for too long.
    pub(super) fn stop(&mut self, silent: Duration, now: Duration) -> Trouble {
        let trouble = self.trouble(Mishap::Stalled(silent), Consequence::Stop);
        if let State::Running {
            told_to_stop, abort, ..
        } = &mut self.state
        {
            abort.abort();
            *told_to_stop = Some(now);
        }
        trouble
    }

    /// The pause before a task is begun anew; none when that is not to be, or was too often.
    pub(super) fn next_begin(
        &mut self,
        now: Duration,
        (first, longest): (Duration, Duration),
    ) -> Option<Duration> {
        let Restart::Always { max, window } = self.restart else {
            return None;
        };
        self.ends.retain(|end| now.saturating_sub(*end) <= window);
        self.ends.push(now);
        let times = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let doubled = first.saturating_mul(1 << (times - 1).min(16));
        (times <= max).then_some(doubled.min(longest))
    }

    /// A trouble with the task as it is.
    pub(super) fn trouble(&self, mishap: Mishap, consequence: Consequence) -> Trouble {
        let doing = match &self.state {
            State::Running { pulse, .. } => pulse.activity().to_string(),
            State::Due(_) | State::Over => "not running".to_owned(),
        };
        let whom = Whom::Task {
            name: Arc::clone(&self.name),
            doing,
            spawned: self.spawned,
        };
        Trouble {
            whom,
            mishap,
            consequence,
        }
    }
}

/// Tells the watcher that a task ended, however it did.
struct End {
    messages: Sender<Message>,
    number: u64,
    life: u64,
    mishap: Mishap,
}

impl End {
    fn by(mut self, mishap: Mishap) {
        self.mishap = mishap;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // A watcher that is gone does not mind.
        let mishap = std::mem::replace(&mut self.mishap, Mishap::Aborted);
        let _ = self.messages.send(Message::Ended(self.number, self.life, mishap));
    }
}

/// What a panic said.
pub(in crate::serve) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    crate::text::told(said.unwrap_or("a panic without words"), 1024)
}
