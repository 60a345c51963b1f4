//! The one deadline of a run, and the ways to wait under it. Knows no wasm and no phases.
//!
//! Until the deadline, waiting is waiting. A wait that is under way when it passes ends at that
//! moment; every later one ends at once. After the grace the run is stopped from outside.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::tape::Tape;

/// How long a guest may compute in virtual time, by the machine's clock: its fuel ends it much earlier.
const VIRTUAL_FENCE: Duration = Duration::from_secs(60);

/// A run's deadline. Clones are the same deadline.
#[derive(Debug, Clone)]
pub struct Deadline(Arc<Moments>);

#[derive(Debug)]
struct Moments {
    clock: Clock,
    tape: Tape,
    limit: Duration,
    grace: Duration,
    /// Nanoseconds from the start: the limit, or the earlier moment at which a fault made it pass.
    passes_at: AtomicU64,
    moved: Notify,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct Exceeded;

impl Deadline {
    /// A deadline `limit` after the start of `clock`, with a grace after it. What is read from the clock goes
    /// on `tape`, or comes from there.
    pub fn new(clock: Clock, tape: Tape, limit: Duration, grace: Duration) -> Self {
        Self(Arc::new(Moments {
            clock,
            tape,
            limit,
            grace,
            passes_at: AtomicU64::new(nanoseconds(limit)),
            moved: Notify::new(),
        }))
    }

    /// What the run is told, in order.
    pub fn tape(&self) -> &Tape {
        &self.0.tape
    }

    /// The run's clock. Readings of it are not on the tape.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.0.tape.moment(|| self.0.clock.now())
    }

    /// The same to the microsecond, as reports are written: what was noted in whole microseconds is the same when it is
    /// read back from one.
    pub fn moment(&self) -> Duration {
        let elapsed = self.elapsed();
        Duration::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// The time the run was given.
    pub fn limit(&self) -> Duration {
        self.0.limit
    }

    /// When it passes, from the start of the run: after the time that it was given, or earlier by a fault.
    pub fn passes_at(&self) -> Duration {
        Duration::from_nanos(self.0.passes_at.load(Ordering::Relaxed))
    }

    /// Time until the deadline; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.remaining_at(self.elapsed())
    }

    /// Time from `now` until the deadline.
    pub fn remaining_at(&self, now: Duration) -> Duration {
        self.passes_at().saturating_sub(now)
    }

    /// Whether the deadline has passed.
    pub fn has_passed(&self) -> bool {
        self.has_passed_by(self.elapsed())
    }

    /// Whether the deadline has passed at `now`.
    pub fn has_passed_by(&self, now: Duration) -> bool {
        self.remaining_at(now).is_zero()
    }

    /// Makes the deadline pass now, as far as it has not: the grace begins. Says how much time was left.
    pub fn expire(&self) -> Duration {
        let now = nanoseconds(self.elapsed());
        let before = self.0.passes_at.fetch_min(now, Ordering::Relaxed);
        self.0.moved.notify_one();
        Duration::from_nanos(before.saturating_sub(now))
    }

    /// Whether the run has to be stopped whatever it does: deadline and grace are over. In virtual time the
    /// fuel decides.
    pub fn is_over(&self) -> bool {
        matches!(self.0.clock, Clock::Live(_)) && self.0.clock.now() >= self.stop_at()
    }

    /// Waits until `margin` after the moment from which the run has to be stopped.
    pub async fn over(&self, margin: Duration) {
        if matches!(self.0.clock, Clock::Virtual(_)) {
            return tokio::time::sleep(VIRTUAL_FENCE).await;
        }
        loop {
            let stop_at = self.stop_at() + margin;
            tokio::select! {
                () = self.0.clock.sleep_until(stop_at) => return,
                () = self.0.moved.notified() => {}
            }
        }
    }

    /// Waits for `future`, until the deadline at most.
    ///
    /// # Errors
    ///
    /// When the deadline has passed before, without having polled the future, or passes meanwhile,
    /// which drops it.
    pub async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Exceeded> {
        let passes_at = self.passes_at();
        if self.0.clock.now() >= passes_at {
            return Err(Exceeded);
        }
        self.0.clock.until(passes_at, future).await.ok_or(Exceeded)
    }

    /// Pauses, by the deadline at most.
    pub async fn pause(&self, pause: Duration) {
        if !self.0.tape.is_playing() {
            let clock = &self.0.clock;
            // Both ends of the wait are ends: whether the deadline has passed is asked by whoever comes next.
            let _ = self.guard(clock.sleep_until(clock.now() + pause)).await;
        }
    }

    fn stop_at(&self) -> Duration {
        self.passes_at() + self.0.grace
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::sleep;

    fn in_milliseconds(limit: u64) -> Deadline {
        let grace = Duration::from_millis(50);
        Deadline::new(Clock::live(), Tape::none(), Duration::from_millis(limit), grace)
    }

    #[tokio::test]
    async fn a_wait_under_way_ends_at_the_deadline() {
        let deadline = in_milliseconds(20);
        assert_eq!(deadline.guard(pending::<()>()).await, Err(Exceeded));
        assert!(deadline.elapsed() >= Duration::from_millis(20));
    }

    #[tokio::test]
    async fn after_the_deadline_nothing_is_even_started() {
        let deadline = in_milliseconds(0);
        let mut started = false;
        assert_eq!(deadline.guard(async { started = true }).await, Err(Exceeded));
        assert!(!started);
    }

    #[tokio::test]
    async fn what_is_done_in_time_is_done() {
        let deadline = in_milliseconds(60_000);
        let answer = deadline.guard(async {
            sleep(Duration::from_millis(1)).await;
            7
        });
        assert_eq!(answer.await, Ok(7));
        assert!(deadline.remaining() < Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_deadline_that_is_made_to_pass_has_passed_and_its_grace_begins() {
        let deadline = in_milliseconds(3_600_000);
        deadline.expire();
        assert!(deadline.has_passed() && !deadline.is_over());
        assert_eq!(deadline.guard(async {}).await, Err(Exceeded));
        deadline.over(Duration::ZERO).await;
        assert!(deadline.is_over() && deadline.elapsed() >= Duration::from_millis(50));
    }
}
