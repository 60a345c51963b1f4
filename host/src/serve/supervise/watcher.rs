//! The watcher's thread: what it looks at, and what follows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::runtime::{RuntimeWatch, Stuck};
use super::shared::Shared;
use super::task::{Message, Slot, State};
use super::threads::ThreadWatch;
use super::trouble::{Consequence, Mishap, Trouble, Whom};
use super::{Closeness, Hooks, Restart};

/// Starts the watcher.
pub(super) fn start(closeness: Closeness, hooks: Hooks, runtime: Handle) -> std::io::Result<Arc<Shared>> {
    let (messages, received) = channel();
    let shared = Arc::new(Shared::new(closeness, messages));
    let watcher = Watcher {
        shared: Arc::clone(&shared),
        hooks,
        watch: RuntimeWatch::new(runtime.clone(), Duration::ZERO),
        threads: ThreadWatch::default(),
        runtime,
        now: Duration::ZERO,
        last: Instant::now(),
        said: Vec::new(),
        demanded: None,
    };
    std::thread::Builder::new()
        .name("bedcheck-watch".to_owned())
        .spawn(move || watcher.watch(&received))?;
    Ok(shared)
}

struct Watcher {
    shared: Arc<Shared>,
    hooks: Hooks,
    runtime: Handle,
    watch: RuntimeWatch,
    threads: ThreadWatch,
    /// The watcher's time: what it saw pass.
    now: Duration,
    last: Instant,
    /// What of the runtime is known to stand still, so that it is said once; and whether the process ends
    /// for it.
    said: Vec<(Whom, bool)>,
    /// When the process was first told to end, and why.
    demanded: Option<(Duration, String)>,
}

impl Watcher {
    fn watch(mut self, messages: &Receiver<Message>) {
        while !self.shared.finished.load(Ordering::Acquire) {
            let message = messages.recv_timeout(self.pause());
            self.advance();
            match message {
                Ok(Message::Ended(number, life, mishap)) => self.ended(number, life, mishap),
                Ok(Message::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    /// Until the next look, or until a task is due.
    fn pause(&self) -> Duration {
        let due = self
            .shared
            .slots()
            .values()
            .filter_map(|slot| match slot.state {
                State::Due(at) => Some(at.saturating_sub(self.now)),
                State::Running { .. } | State::Over => None,
            })
            .min();
        due.unwrap_or(Duration::MAX).min(self.shared.closeness.look_every)
    }

    /// Moves the watcher's time on. Of a pause in which the watcher itself did not run, only a little counts:
    /// the tasks did not run either.
    fn advance(&mut self) {
        let passed = self.last.elapsed();
        self.last += passed;
        let most = self.shared.closeness.look_every * 2;
        if passed > most {
            tracing::warn!(stood_still_s = passed.as_secs_f64(), "the process stood still");
        }
        self.now += passed.min(most);
    }

    fn look(&mut self) {
        let stopping = self.shared.stopping.load(Ordering::Acquire);
        let numbers: Vec<u64> = self.shared.slots().keys().copied().collect();
        for number in numbers {
            self.look_at(number, stopping);
        }
        self.look_at_runtime();
        let problem = self.problem();
        (self.hooks.looked)(problem.as_deref().map_or(Ok(()), Err));
        self.shared.saw(problem);
        if let Some((since, reason)) = &self.demanded
            && self.now.saturating_sub(*since) > self.shared.closeness.end
        {
            (self.hooks.force_end)(reason);
            // Where that returns, it is not called again.
            self.demanded = None;
        }
    }

    fn look_at(&mut self, number: u64, stopping: bool) {
        let (now, closeness) = (self.now, self.shared.closeness);
        let shared = Arc::clone(&self.shared);
        let mut slots = shared.slots();
        let Some(slot) = slots.get_mut(&number) else {
            return;
        };
        let trouble = match &slot.state {
            State::Due(_) if stopping => {
                slot.state = State::Over;
                return;
            }
            State::Due(at) if *at <= now => return slot.begin(number, now, &self.runtime, shared.messages()),
            State::Due(_) | State::Over => return,
            State::Running {
                told_to_stop: Some(since),
                ..
            } => {
                let time = now.saturating_sub(*since);
                if time <= closeness.stop {
                    return;
                }
                self.over(slot, Mishap::Unstoppable(time))
            }
            State::Running { .. } => match (slot.silence(now), slot.restart) {
                (Some(silent), Restart::Always { .. }) if !stopping => slot.stop(silent, now),
                (Some(silent), Restart::EndProcess) if !stopping => self.over(slot, Mishap::Stalled(silent)),
                _ => return,
            },
        };
        drop(slots);
        self.tell(&trouble);
    }

    /// A task ended: it is begun anew, or the process ends, or that was as it should be.
    fn ended(&mut self, number: u64, life: u64, mishap: Mishap) {
        let stopping = self.shared.stopping.load(Ordering::Acquire);
        let shared = Arc::clone(&self.shared);
        let mut slots = shared.slots();
        let Some(slot) = slots.get_mut(&number) else {
            return;
        };
        let State::Running { told_to_stop, .. } = &slot.state else {
            return;
        };
        if slot.begun != life {
            return;
        }
        let told_to_stop = told_to_stop.is_some();
        if stopping {
            slot.state = State::Over;
            return;
        }
        let pauses = shared.closeness.pauses;
        let trouble = match slot.next_begin(self.now, pauses) {
            Some(pause) => {
                let trouble = slot.trouble(mishap, Consequence::Restart(pause));
                slot.state = State::Due(self.now + pause);
                trouble
            }
            None => self.over(slot, mishap),
        };
        drop(slots);
        // That a task ends which was told to was said when it was told.
        if !told_to_stop || trouble.consequence == Consequence::EndProcess {
            self.tell(&trouble);
        } else {
            tracing::info!("{trouble}");
        }
    }

    /// Gives a task up: the process ends.
    fn over(&mut self, slot: &mut Slot, mishap: Mishap) -> Trouble {
        let trouble = slot.trouble(mishap, Consequence::EndProcess);
        slot.state = State::Over;
        self.demand_end(trouble.to_string());
        trouble
    }

    fn demand_end(&mut self, reason: String) {
        if self.demanded.is_none() {
            self.demanded = Some((self.now, reason.clone()));
        }
        self.shared.end.send_if_modified(|demand| {
            let is_first = demand.is_none();
            demand.get_or_insert(reason);
            is_first
        });
    }

    fn look_at_runtime(&mut self) {
        let closeness = self.shared.closeness;
        let mut stuck = self.watch.look(self.now, closeness.runtime);
        stuck.extend(self.threads.look(self.now, closeness.runtime));
        let same = |one: &Whom, other: &Whom| match (one, other) {
            (Whom::Runtime { .. }, Whom::Runtime { .. }) => true,
            _ => one == other,
        };
        let moves_again = |said: &(Whom, bool)| !stuck.iter().any(|stuck| same(&stuck.whom, &said.0));
        for (whom, _) in self.said.extract_if(.., |said| moves_again(said)) {
            tracing::info!("{whom} moves again");
        }
        for stuck in stuck {
            let ends = stuck.time > closeness.end_after;
            let known = self.said.iter_mut().find(|(whom, _)| same(whom, &stuck.whom));
            let is_news = match known {
                Some((_, ended)) => ends && !std::mem::replace(ended, true),
                None => {
                    self.said.push((stuck.whom.clone(), ends));
                    true
                }
            };
            if is_news {
                self.stands_still(stuck, ends);
            }
        }
    }

    fn stands_still(&mut self, Stuck { whom, time }: Stuck, ends: bool) {
        let consequence = if ends {
            Consequence::EndProcess
        } else {
            Consequence::Said
        };
        let trouble = Trouble {
            whom,
            mishap: Mishap::Stalled(time),
            consequence,
        };
        if ends {
            self.demand_end(trouble.to_string());
        }
        self.tell(&trouble);
    }

    /// What is wrong now, if anything is.
    fn problem(&self) -> Option<String> {
        if let Some(reason) = &*self.shared.end.borrow() {
            return Some(reason.clone());
        }
        if let Some((whom, _)) = self.said.first() {
            return Some(format!("{whom} does not move"));
        }
        let slots = self.shared.slots();
        slots.values().find_map(|slot| match &slot.state {
            State::Due(_) if slot.begun > 0 => {
                Some(format!("the task `{}` is about to be begun anew", slot.name))
            }
            State::Running {
                told_to_stop: Some(_),
                ..
            } => Some(format!("the task `{}` is being stopped", slot.name)),
            _ => None,
        })
    }

    fn tell(&self, trouble: &Trouble) {
        (self.hooks.trouble)(trouble);
    }
}
