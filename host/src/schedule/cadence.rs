//! The due times of one check: evenly apart, in a phase of its own that never drifts.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

/// How late a run may be noticed to be due and still start. What is noticed later is missed: after the process or
/// the machine has stood still, for however long, no more runs start at once than fall into this time anyway.
/// One second is more than a busy machine makes the daemon wait, and short beside every usual interval.
pub const TOLERANCE: Duration = Duration::from_secs(1);

/// No check is due more often.
const SHORTEST: Duration = Duration::from_millis(1);

/// The due times of a check. Its *beats* are evenly apart; a run is due at its beat or, with jitter, up to so much
/// later, and never later than the next beat.
#[derive(Debug, Clone)]
pub(super) struct Cadence {
    every: Duration,
    jitter: Duration,
    beat: Duration,
    due: Duration,
}

/// The due times that have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// The one that is to be run.
    pub(super) due: Option<Duration>,
    /// How many were noticed too late.
    pub(super) missed: u64,
}

impl Cadence {
    /// Due first at the check's first beat from `now` on. Where in the interval the beats lie depends on the name
    /// alone, so that checks are spread evenly, and the same after a restart or on another machine.
    pub(super) fn new(
        name: &str,
        every: Duration,
        jitter: Duration,
        now: Duration,
        chance: &mut StdRng,
    ) -> Self {
        let every = every.max(SHORTEST);
        let phase = portion(every, spread(name));
        let since = now.saturating_sub(phase);
        let rest = remainder(since, every);
        let beat = match rest {
            Duration::ZERO => phase.saturating_add(since),
            rest => phase.saturating_add(since - rest).saturating_add(every),
        };
        let mut cadence = Self {
            every,
            jitter: jitter.min(every),
            beat,
            due: beat,
        };
        cadence.go_to(beat, chance);
        cadence
    }

    /// When the check is due next.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// Goes on to the first due time after `now`.
    pub(super) fn pass(&mut self, now: Duration, chance: &mut StdRng) -> Passed {
        let mut passed = Passed { due: None, missed: 0 };
        // All but the last two beats are overtaken by a later one for certain.
        let behind = now.saturating_sub(self.beat);
        let overtaken = (behind.as_nanos() / self.every.as_nanos()).saturating_sub(1);
        if overtaken > 0 {
            let last_two = self.every + remainder(behind, self.every);
            passed.missed = u64::try_from(overtaken).unwrap_or(u64::MAX);
            self.go_to(now - last_two, chance);
        }
        while self.due <= now {
            passed.missed += u64::from(passed.due.take().is_some());
            if now - self.due <= TOLERANCE {
                passed.due = Some(self.due);
            } else {
                passed.missed += 1;
            }
            self.go_to(self.beat.saturating_add(self.every), chance);
        }
        passed
    }

    fn go_to(&mut self, beat: Duration, chance: &mut StdRng) {
        self.beat = beat;
        self.due = beat;
        if !self.jitter.is_zero() {
            self.due = beat.saturating_add(portion(self.jitter, chance.random()));
        }
    }
}

/// A number that depends on the name alone, spread over all there are.
fn spread(name: &str) -> u64 {
    let digest = Sha256::digest(name.as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// So many 2^64ths of a duration.
fn portion(duration: Duration, share: u64) -> Duration {
    let nanoseconds = duration.as_nanos().saturating_mul(u128::from(share)) >> 64;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

fn remainder(duration: Duration, divisor: Duration) -> Duration {
    let nanoseconds = duration.as_nanos() % divisor.as_nanos();
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    fn milliseconds(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn cadence(jitter: Duration, now: Duration) -> (Cadence, StdRng) {
        let mut chance = StdRng::seed_from_u64(1);
        (
            Cadence::new("front-page", EVERY, jitter, now, &mut chance),
            chance,
        )
    }

    /// Were it ever another one, an update would move all checks of all operators.
    #[test]
    fn the_place_of_a_name_is_always_the_same() {
        assert_eq!(spread("front-page"), 0xd365_2286_68b8_f14a);
        assert_eq!(spread("mail-login"), 0x05da_8b2c_37f8_66df);
    }

    #[test]
    fn the_phase_does_not_depend_on_when_a_check_is_added() {
        let (first, _) = cadence(Duration::ZERO, Duration::ZERO);
        assert!(first.due() < EVERY);
        let (same, _) = cadence(Duration::ZERO, first.due());
        assert_eq!(same.due(), first.due());
        for late in [1, 12_345, 29_999] {
            let now = first.due() + EVERY * 1_000 + milliseconds(late);
            let (later, _) = cadence(Duration::ZERO, now);
            assert_eq!(later.due(), first.due() + EVERY * 1_001);
        }
    }

    #[test]
    fn being_noticed_late_moves_no_later_due_time() {
        let (mut cadence, mut chance) = cadence(Duration::ZERO, Duration::ZERO);
        let first = cadence.due();
        for run in 0..100u32 {
            let due = first + EVERY * run;
            assert_eq!(cadence.due(), due);
            let late = milliseconds(u64::from(run % 11) * 100);
            let passed = cadence.pass(due + late, &mut chance);
            assert_eq!(
                passed,
                Passed {
                    due: Some(due),
                    missed: 0
                }
            );
        }
    }

    #[test]
    fn what_is_noticed_too_late_is_missed_and_the_phase_stays() {
        let (mut cadence, mut chance) = cadence(Duration::ZERO, Duration::ZERO);
        let first = cadence.due();
        let passed = cadence.pass(first + milliseconds(1_001), &mut chance);
        assert_eq!(passed, Passed { due: None, missed: 1 });
        assert_eq!(cadence.due(), first + EVERY);
        // A day, 2,880 intervals, and then just at the due time: one run, which is that one.
        let now = first + EVERY + EVERY * 2_880;
        let passed = cadence.pass(now, &mut chance);
        assert_eq!(
            passed,
            Passed {
                due: Some(now),
                missed: 2_880
            }
        );
        let passed = cadence.pass(now + EVERY * 2_880 + milliseconds(15_000), &mut chance);
        assert_eq!(
            passed,
            Passed {
                due: None,
                missed: 2_880
            }
        );
        assert_eq!(cadence.due(), now + EVERY * 2_881);
    }

    #[test]
    fn of_short_intervals_the_last_is_run() {
        let mut chance = StdRng::seed_from_u64(1);
        let every = milliseconds(100);
        let mut cadence = Cadence::new("a", every, Duration::ZERO, Duration::ZERO, &mut chance);
        let first = cadence.due();
        let passed = cadence.pass(first + milliseconds(250), &mut chance);
        assert_eq!(
            passed,
            Passed {
                due: Some(first + every * 2),
                missed: 2
            }
        );
        assert_eq!(cadence.due(), first + every * 3);
    }

    #[test]
    fn jitter_delays_each_run_anew_and_none_beyond_it() {
        let jitter = milliseconds(2_000);
        let (mut cadence, mut chance) = cadence(jitter, Duration::ZERO);
        let beat = cadence.beat;
        let mut delays = Vec::new();
        for run in 0..200u32 {
            let due = cadence.due();
            let delay = due - (beat + EVERY * run);
            assert!(delay < jitter);
            delays.push(delay);
            let passed = cadence.pass(due, &mut chance);
            assert_eq!(
                passed,
                Passed {
                    due: Some(due),
                    missed: 0
                }
            );
        }
        let late = delays.iter().filter(|delay| **delay > jitter / 2).count();
        // Of 200 fair throws, fewer than 60 or more than 140 come once in 10^8 times; and the seed is fixed.
        assert!((60..140).contains(&late), "{late}");
    }

    #[test]
    fn jitter_as_long_as_the_interval_loses_no_run() {
        let mut chance = StdRng::seed_from_u64(7);
        let every = milliseconds(500);
        let mut cadence = Cadence::new("a", every, Duration::MAX, Duration::ZERO, &mut chance);
        let first = cadence.beat;
        let mut last = None;
        for _ in 0..10_000 {
            let due = cadence.due();
            assert!(last.is_none_or(|last| last < due));
            last = Some(due);
            assert_eq!(cadence.pass(due, &mut chance).due, Some(due));
        }
        assert_eq!(cadence.beat, first + every * 10_000, "no drift");
    }
}
