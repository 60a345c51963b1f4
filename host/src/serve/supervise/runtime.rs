//! Whether the runtime and each of its workers still move: a tick is sent through timer and queue and must
//! come back, and a worker that is awake must get done with what it polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use super::trouble::Whom;

/// The watch over a runtime.
pub(super) struct RuntimeWatch {
    handle: Handle,
    sent: u64,
    sent_at: Duration,
    returned: Arc<AtomicU64>,
    workers: Vec<Worker>,
}

#[derive(Clone, Copy)]
struct Worker {
    /// How often it fell asleep or woke, and how long it was busy, when it was last seen to have moved.
    seen: (u64, Duration),
    /// When that was.
    since: Duration,
}

/// A part of the runtime that does not move.
pub(super) struct Stuck {
    pub(super) whom: Whom,
    /// For how long.
    pub(super) time: Duration,
}

impl RuntimeWatch {
    /// A watch that begins at `now`, the time of the watcher.
    pub(super) fn new(handle: Handle, now: Duration) -> Self {
        let worker = Worker {
            seen: (0, Duration::ZERO),
            since: now,
        };
        let workers = vec![worker; handle.metrics().num_workers()];
        Self {
            handle,
            sent: 0,
            sent_at: now,
            returned: Arc::default(),
            workers,
        }
    }

    /// What has not moved for longer than `bound`. To be asked again and again.
    pub(super) fn look(&mut self, now: Duration, bound: Duration) -> Vec<Stuck> {
        let metrics = self.handle.metrics();
        let mut stuck = Vec::new();
        if self.returned.load(Ordering::Acquire) == self.sent {
            self.send(now);
        } else if now.saturating_sub(self.sent_at) > bound {
            let queued = metrics.global_queue_depth();
            stuck.push(Stuck {
                whom: Whom::Runtime { queued },
                time: now.saturating_sub(self.sent_at),
            });
        }
        let of = self.workers.len();
        for (number, worker) in self.workers.iter_mut().enumerate() {
            let turns = metrics.worker_park_unpark_count(number);
            let seen = (turns, metrics.worker_total_busy_duration(number));
            let is_asleep = turns % 2 == 1;
            if is_asleep || seen != worker.seen {
                *worker = Worker { seen, since: now };
            } else if now.saturating_sub(worker.since) > bound {
                stuck.push(Stuck {
                    whom: Whom::Worker { number, of },
                    time: now.saturating_sub(worker.since),
                });
            }
        }
        stuck
    }

    fn send(&mut self, now: Duration) {
        self.sent += 1;
        self.sent_at = now;
        let (number, returned) = (self.sent, Arc::clone(&self.returned));
        self.handle.spawn(async move {
            // Through the timer as well: it stands still when the worker that drives it does.
            tokio::time::sleep(Duration::from_millis(1)).await;
            returned.store(number, Ordering::Release);
        });
    }
}
