//! Turns at computing: guests that compute for longer than a tick wait for one another instead of keeping
//! everything else waiting. Those that mostly wait for the network never need a turn.
//!
//! The runtime has a thread for each processor. If guests could compute on all of them, every answer of the
//! network would wait until one of them comes to a tick, for each step of each check. So there is one turn
//! less than there are processors (and one on a machine with a single one), and a guest that is found
//! computing at a tick goes to the end of the queue for a turn. It gives its turn back at the next tick, or
//! when it waits for anything.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a guest has computed when a tick that finds it computing counts. It is much less than a tick, so
/// that one that computes is found at the next at the latest, and more than a guest that has just been woken
/// needs to go back to waiting.
const JUST_BEGUN: Duration = Duration::from_millis(1);

/// The turns of all guests of an engine.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Semaphore>);

/// One guest's part in them.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    turns: Turns,
    slice: Arc<Mutex<Slice>>,
}

/// What a guest does between two waits.
#[derive(Debug)]
struct Slice {
    begun: Instant,
    /// Holds the turn, if the guest needs one.
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// One turn less than there are processors, and one at least.
    pub(super) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))))
    }

    /// A guest's part, which has no turn yet.
    pub(super) fn join(&self) -> Turn {
        let slice = Slice {
            begun: Instant::now(),
            permit: None,
        };
        Turn {
            turns: self.clone(),
            slice: Arc::new(Mutex::new(slice)),
        }
    }
}

impl Turn {
    /// Runs a guest: what it does until it waits is a slice, and its turn ends with that.
    pub(super) async fn run<F: Future>(&self, guest: F) -> F::Output {
        let mut guest = pin!(guest);
        poll_fn(|context| {
            self.slice().begun = Instant::now();
            let polled = guest.as_mut().poll(context);
            self.slice().permit = None;
            polled
        })
        .await
    }

    /// Whether the guest has hardly begun to compute.
    pub(super) fn has_just_begun(&self) -> bool {
        self.slice().begun.elapsed() < JUST_BEGUN
    }

    /// Lets everything else run that can, then waits for a turn.
    pub(super) async fn wait(self) {
        tokio::task::yield_now().await;
        // Never closed; were it, going on at once would be the better failure.
        let permit = Arc::clone(&self.turns.0).acquire_owned().await.ok();
        self.slice().permit = permit;
    }

    fn slice(&self) -> MutexGuard<'_, Slice> {
        self.slice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_turn_ends_with_the_next_wait() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let (one, other) = (turns.join(), turns.join());
        let free = AtomicUsize::new(9);
        one.run(async {
            one.clone().wait().await;
            free.store(turns.0.available_permits(), Ordering::Relaxed);
            tokio::task::yield_now().await;
        })
        .await;
        assert_eq!(free.into_inner(), 0);
        other.run(other.clone().wait()).await;
        assert_eq!(turns.0.available_permits(), 1);
    }

    #[tokio::test]
    async fn others_run_before_a_guest_that_computes_goes_on() {
        let turn = Turns::new().join();
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |who: &'static str| order.lock().expect("no panic").push(who);
        tokio::join!(
            async {
                turn.clone().wait().await;
                note("computing");
            },
            async { note("waiting") },
        );
        assert_eq!(*order.lock().expect("no panic"), ["waiting", "computing"]);
    }
}
