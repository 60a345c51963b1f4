//! Turns at computing: guests that compute for longer than a tick wait for one another instead of keeping
//! everything else waiting. Those that mostly wait for the network never need a turn.
//!
//! The runtime has a thread for each processor. If guests could compute on all of them, every answer of the
//! network would wait until one of them comes to a tick, for each step of each check. So there is one turn
//! less than there are processors (and one on a machine with a single one), and a guest that is found
//! computing at a tick waits for a turn. It gives its turn back at the next tick, or when it waits for
//! anything. Whoever had the fewest turns is next: a guest that computes for a while, as an interpreter does,
//! is not kept waiting by those that compute for ever.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How long a guest has computed when a tick that finds it computing counts. It is much less than a tick, so
/// that one that computes is found at the next at the latest, and more than a guest that has just been woken
/// needs to go back to waiting.
const JUST_BEGUN: Duration = Duration::from_millis(1);

/// The turns of all guests of an engine. The queue is made when a guest first needs a turn: the processors are counted
/// by reading half a dozen files of the system, and most processes that run one check never ask.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<OnceLock<Mutex<Queue>>>);

#[derive(Debug)]
struct Queue {
    /// Turns that nobody has.
    free: usize,
    /// Who waits for one, by how many they had, and then by when they came.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<Permit>>,
    /// How many have come.
    arrivals: u64,
}

impl Queue {
    /// So many turns, and nobody who waits.
    fn of(turns: usize) -> Self {
        Self {
            free: turns,
            waiting: BTreeMap::new(),
            arrivals: 0,
        }
    }
}

/// Holds a turn; dropping it gives the turn to the next. Empty, it holds none.
#[derive(Debug)]
struct Permit(Option<Turns>);

/// A place in the queue, which is left when this is dropped.
struct Place<'t> {
    turns: &'t Turns,
    key: (u64, u64),
}

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
    /// Whether it is under way.
    is_open: bool,
    /// How long the ones before took together.
    computed: Duration,
    /// How many turns it had.
    had: u64,
    /// Holds the turn, if the guest needs one.
    permit: Option<Permit>,
}

impl Turns {
    /// One turn less than there are processors, and one at least.
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// A guest's part, which has no turn yet.
    pub(super) fn join(&self) -> Turn {
        let slice = Slice {
            begun: Instant::now(),
            is_open: false,
            computed: Duration::ZERO,
            had: 0,
            permit: None,
        };
        Turn {
            turns: self.clone(),
            slice: Arc::new(Mutex::new(slice)),
        }
    }

    /// Waits for a turn, as one who had so many.
    async fn acquire(&self, had: u64) -> Option<Permit> {
        let (_place, next) = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Some(Permit(Some(self.clone())));
            }
            let (sender, receiver) = oneshot::channel();
            queue.arrivals += 1;
            let key = (had, queue.arrivals);
            queue.waiting.insert(key, sender);
            (Place { turns: self, key }, receiver)
        };
        next.await.ok()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        let queue = self.0.get_or_init(|| {
            let processors = available_parallelism().map_or(1, usize::from);
            Mutex::new(Queue::of(processors.saturating_sub(1).max(1)))
        });
        queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.queue().waiting.remove(&self.key);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        while let Some(turns) = self.0.take() {
            let next = {
                let mut queue = turns.queue();
                let next = queue.waiting.pop_first();
                if next.is_none() {
                    queue.free += 1;
                }
                next
            };
            // One that has just stopped waiting gives it back.
            if let Some((_, next)) = next
                && let Err(mut back) = next.send(Self(Some(turns)))
            {
                self.0 = back.0.take();
            }
        }
    }
}

impl Turn {
    /// Runs a guest: what it does until it waits is a slice, and its turn ends with that.
    pub(super) async fn run<F: Future>(&self, mut guest: Pin<&mut F>) -> F::Output {
        poll_fn(|context| {
            self.slice().begin();
            let polled = guest.as_mut().poll(context);
            // Taken out first: giving it back is not to be done with the lock held.
            let permit = self.slice().end();
            drop(permit);
            polled
        })
        .await
    }

    /// How long the guest has computed so far, and the host for it: all but waiting, also for a turn.
    pub(super) fn computed(&self) -> Duration {
        let slice = self.slice();
        let under_way = slice.is_open.then(|| slice.begun.elapsed());
        slice.computed + under_way.unwrap_or_default()
    }

    /// Whether the guest has hardly begun to compute.
    pub(super) fn has_just_begun(&self) -> bool {
        self.slice().begun.elapsed() < JUST_BEGUN
    }

    /// Lets everything else run that can, then waits for a turn.
    pub(super) async fn wait(self) {
        tokio::task::yield_now().await;
        let had = self.slice().had;
        let permit = self.turns.acquire(had).await;
        let mut slice = self.slice();
        slice.had += 1;
        slice.permit = permit;
    }

    fn slice(&self) -> MutexGuard<'_, Slice> {
        self.slice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slice {
    fn begin(&mut self) {
        self.begun = Instant::now();
        self.is_open = true;
    }

    /// Ends it, and has the turn that it was.
    fn end(&mut self) -> Option<Permit> {
        self.computed += self.begun.elapsed();
        self.is_open = false;
        self.permit.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    fn one_turn() -> Turns {
        Turns(Arc::new(OnceLock::from(Mutex::new(Queue::of(1)))))
    }

    #[tokio::test]
    async fn a_turn_ends_with_the_next_wait() {
        let turns = one_turn();
        let (one, other) = (turns.join(), turns.join());
        let guest = pin!(async {
            one.clone().wait().await;
            assert_eq!(turns.queue().free, 0);
            tokio::task::yield_now().await;
            assert_eq!(turns.queue().free, 1);
        });
        one.run(guest).await;
        other.run(pin!(other.clone().wait())).await;
        assert_eq!(turns.queue().free, 1);
    }

    #[tokio::test]
    async fn waiting_for_a_turn_is_no_computing() {
        let turns = one_turn();
        let turn = turns.join();
        let held = turns.acquire(0).await;
        let begun = Instant::now();
        let guest = pin!(async {
            while turn.computed() < JUST_BEGUN {}
            turn.clone().wait().await;
        });
        let others = async {
            tokio::time::sleep(JUST_BEGUN * 10).await;
            drop(held);
        };
        tokio::join!(turn.run(guest), others);
        let waited = begun.elapsed() - turn.computed();
        assert!(waited >= JUST_BEGUN * 9, "{waited:?}");
    }

    #[tokio::test]
    async fn others_run_before_a_guest_that_computes_goes_on() {
        let turn = Turns::new().join();
        let order = Mutex::new(Vec::new());
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

    #[tokio::test]
    async fn whoever_had_the_fewest_turns_is_next_and_who_left_is_passed_over() {
        let turns = one_turn();
        let held = turns.acquire(0).await;
        let order = Mutex::new(Vec::new());
        let wait = async |had: u64| {
            let permit = turns.acquire(had).await;
            order.lock().expect("no panic").push(had);
            drop(permit);
        };
        let left = tokio::time::timeout(Duration::ZERO, turns.acquire(1)).await;
        assert!(left.is_err());
        tokio::join!(wait(9), wait(3), wait(5), async { drop(held) });
        assert_eq!(*order.lock().expect("no panic"), [3, 5, 9]);
        assert_eq!(turns.queue().free, 1);
    }
}
