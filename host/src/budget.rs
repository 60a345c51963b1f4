//! What a run may spend: time, computation, memory, host calls, bytes. Pure.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What every run of a check may spend, all attempts and pauses together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time from the start of the run until every host call fails; within [`Limits::DEADLINES`].
    pub deadline: Duration,
    /// Time after the deadline in which the guest may still report; within [`Limits::GRACES`].
    pub grace: Duration,
    /// Fuel, about one unit an instruction; within [`Limits::FUELS`].
    pub fuel: u64,
    /// Linear memory in bytes; within [`Limits::MEMORIES`].
    pub memory: u64,
    /// How many host calls, without those that had to wait for what they received; within [`Limits::HOST_CALLS`].
    pub host_calls: u64,
    /// Bytes read and written over the network; within [`Limits::BYTES`].
    pub bytes: u64,
}

impl Limits {
    /// Deadlines that make sense: below a millisecond nothing can be reached, and a check of more
    /// than an hour watches nothing.
    pub const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
    /// Graces that make sense: none at all stops the guest at the deadline, and ten seconds are more
    /// than any report takes.
    pub const GRACES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(10);
    /// Fuel: from what the smallest guest needs to about a week of computing.
    pub const FUELS: RangeInclusive<u64> = 10_000..=1_000_000_000_000_000;
    /// Memory: from one page of WebAssembly, 64 KiB, to all it can address, 4 GiB.
    pub const MEMORIES: RangeInclusive<u64> = 64 * 1024..=4 * 1024 * 1024 * 1024;
    /// Host calls: at least one, and at most what an hour can hold.
    pub const HOST_CALLS: RangeInclusive<u64> = 1..=1_000_000_000;
    /// Bytes: from one kibibyte to one tebibyte.
    pub const BYTES: RangeInclusive<u64> = 1024..=1024 * 1024 * 1024 * 1024;

    /// The same with less time: at most this deadline and this grace.
    #[must_use]
    pub fn within(mut self, deadline: Duration, grace: Duration) -> Self {
        self.deadline = self.deadline.min(deadline);
        self.grace = self.grace.min(grace);
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // What people wait for a service before they call it down.
            deadline: Duration::from_secs(10),
            // A guest needs microseconds to report; this is long on a busy machine and short to wait for.
            grace: Duration::from_millis(100),
            // A second or so of computing, a thousand times what a login or a page takes.
            fuel: 2_000_000_000,
            // A guest in Rust takes 1 to 2 MiB, one that brings an interpreter about 30.
            memory: 64 * 1024 * 1024,
            // A check makes tens, and hundreds where much is received; some thousands are no check any more.
            host_calls: 10_000,
            // A large page or mailbox, and no download.
            bytes: 64 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_ranges() {
        let limits = Limits::default();
        assert!(Limits::DEADLINES.contains(&limits.deadline));
        assert!(Limits::GRACES.contains(&limits.grace));
        assert!(Limits::FUELS.contains(&limits.fuel));
        assert!(Limits::MEMORIES.contains(&limits.memory));
        assert!(Limits::HOST_CALLS.contains(&limits.host_calls));
        assert!(Limits::BYTES.contains(&limits.bytes));
    }

    #[test]
    fn within_less_time_nothing_else_is_less() {
        let limits = Limits::default();
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let shorter = limits.within(second, Duration::ZERO);
        assert_eq!((shorter.deadline, shorter.grace), (second, Duration::ZERO));
        assert_eq!(shorter.within(hour, hour), shorter);
        assert_eq!(limits.within(hour, hour), limits);
        assert_eq!((shorter.fuel, shorter.bytes), (limits.fuel, limits.bytes));
    }
}
