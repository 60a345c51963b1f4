//! Whether the process stood still. A thread that ticks all the time finds it out: when its next tick comes much too
//! late, then nothing else was served in time either.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::engine::TICK;

/// By how much a tick comes too late when the process stood still: more than a busy machine makes a thread wait, and
/// what a run that is due may be late by.
const LATE: Duration = Duration::from_secs(1);

/// What a thread that ticks knows of standstills.
#[derive(Debug)]
pub(super) struct Standstills {
    began: Instant,
    /// When the last tick was, in nanoseconds since it began.
    last_tick: AtomicU64,
    /// The last tick before the last standstill that is over, and one more; none as long as there was none.
    last: AtomicU64,
}

impl Standstills {
    /// There was none so far.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            last_tick: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    /// The thread ticks.
    pub(super) fn tick(&self) {
        self.tick_at(self.at(Instant::now()));
    }

    /// Whether there was one after that moment, or is: whoever asks may be quicker than the thread when both go on.
    pub(super) fn any_since(&self, moment: Instant) -> bool {
        self.any_between(self.at(moment), self.at(Instant::now()))
    }

    fn tick_at(&self, now: u64) {
        let last_tick = self.last_tick.load(Ordering::Relaxed);
        if is_late(last_tick, now) {
            self.last.store(last_tick + 1, Ordering::Relaxed);
        }
        // Whoever sees the tick sees the standstill before it.
        self.last_tick.store(now, Ordering::Release);
    }

    fn any_between(&self, since: u64, now: u64) -> bool {
        let last_tick = self.last_tick.load(Ordering::Acquire);
        let before_standstill = match is_late(last_tick, now) {
            true => Some(last_tick),
            false => self.last.load(Ordering::Relaxed).checked_sub(1),
        };
        // What began later than a tick after the last one began when it was over.
        before_standstill.is_some_and(|tick| since <= tick + nanoseconds(TICK))
    }

    fn at(&self, moment: Instant) -> u64 {
        nanoseconds(moment.saturating_duration_since(self.began))
    }
}

fn is_late(last_tick: u64, now: u64) -> bool {
    now.saturating_sub(last_tick) > nanoseconds(LATE)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MILLISECOND: u64 = 1_000_000;

    #[test]
    fn ticks_that_are_a_little_late_are_no_standstill() {
        let standstills = Standstills::new();
        for tick in 1..=9 {
            standstills.tick_at(tick * SECOND);
        }
        assert!(!standstills.any_between(0, 10 * SECOND));
    }

    #[test]
    fn a_standstill_is_of_what_went_on_when_it_began() {
        let standstills = Standstills::new();
        standstills.tick_at(SECOND);
        standstills.tick_at(4 * SECOND);
        standstills.tick_at(5 * SECOND);
        assert!(standstills.any_between(SECOND / 2, 5 * SECOND));
        assert!(standstills.any_between(SECOND + 3 * MILLISECOND, 5 * SECOND));
        assert!(!standstills.any_between(4 * SECOND - MILLISECOND, 5 * SECOND));
        assert!(!standstills.any_between(4 * SECOND, 5 * SECOND));
    }

    #[test]
    fn one_is_known_before_the_thread_ticks_again() {
        let standstills = Standstills::new();
        standstills.tick_at(SECOND);
        assert!(standstills.any_between(SECOND / 2, 3 * SECOND));
        assert!(!standstills.any_between(3 * SECOND - MILLISECOND, 3 * SECOND));
    }
}
