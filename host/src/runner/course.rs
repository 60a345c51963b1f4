//! What makes one run this run and no other: when it is, in what time, who it is, and its chance. Whoever has
//! all of it, and what the run was told, can repeat it.

use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, whole_microseconds};
use crate::outcome::{RunId, TraceId};
use crate::tape::Tape;

/// What is particular to one run.
#[derive(Debug, Clone)]
pub struct Course {
    /// The time of day at its start.
    pub started: SystemTime,
    /// How long it waited for a free slot before.
    pub lag: Duration,
    /// Its id.
    pub run_id: RunId,
    /// The id of its trace.
    pub trace_id: TraceId,
    /// Where everything random in it comes from.
    pub seed: [u8; 32],
    /// Its clock.
    pub clock: Clock,
    /// What it is told, recorded or played back.
    pub tape: Tape,
    /// Ends it, whatever it is doing.
    pub cancellation: CancellationToken,
}

impl Course {
    /// A run that begins now, after having waited so long. Nobody can cancel it.
    pub fn live(lag: Duration, tape: Tape) -> Self {
        Self::cancellable(lag, tape, CancellationToken::new())
    }

    /// The same for one that this cancels.
    pub fn cancellable(lag: Duration, tape: Tape, cancellation: CancellationToken) -> Self {
        Self {
            started: time_of_day(),
            lag: whole_microseconds(lag),
            run_id: RunId(rand::random()),
            trace_id: TraceId(rand::random()),
            seed: rand::random(),
            clock: Clock::live(),
            tape,
            cancellation,
        }
    }

    /// A run in virtual time that is the same every time but for its plugin, settings and faults.
    pub fn rehearsed(started: SystemTime) -> Self {
        Self {
            started,
            lag: Duration::ZERO,
            run_id: RunId([0; 8]),
            trace_id: TraceId([0; 16]),
            seed: [0; 32],
            clock: Clock::virtual_time(),
            tape: Tape::none(),
            cancellation: CancellationToken::new(),
        }
    }

    /// What chance gives to an attempt that has so many before it: its seed, and the jitter of the pause behind it. Both
    /// are drawn anew for each attempt: thousands of runs wait at the same time, and a generator is 320 bytes.
    pub(super) fn chance(&self, before: usize) -> ([u8; 32], f64) {
        let mut chance = StdRng::from_seed(self.seed);
        for _ in 0..before {
            let _: ([u8; 32], f64) = chance.random();
        }
        chance.random()
    }
}

/// The time of day in whole microseconds, as reports say it.
fn time_of_day() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    SystemTime::UNIX_EPOCH + whole_microseconds(since.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_have_one_after_the_other_what_a_single_generator_gives() {
        let course = Course::live(Duration::ZERO, Tape::none());
        let mut chance = StdRng::from_seed(course.seed);
        for before in 0..5 {
            let seed: [u8; 32] = chance.random();
            let jitter: f64 = chance.random();
            assert_eq!(course.chance(before), (seed, jitter));
        }
    }
}
