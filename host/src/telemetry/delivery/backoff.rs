//! How long to wait before the next try. Pure but for the dice.

use std::time::Duration;

/// The first pause: short enough that nobody notices a collector which restarts.
const FIRST: Duration = Duration::from_secs(1);
/// The last one: a collector that comes back is found within half a minute.
const LAST: Duration = Duration::from_secs(30);

/// Pauses that double from the first to the last.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after another failure: between a half and the whole of the pause, so that many of us do not
    /// come back at once, but no less than the collector asks for.
    pub(super) fn next(&mut self, asked_for: Option<Duration>) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        let pause = whole.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        pause.max(asked_for.unwrap_or_default())
    }

    /// All is well again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_the_last() {
        let mut backoff = Backoff::default();
        for whole in [1, 2, 4, 8, 16, 30, 30, 30] {
            let whole = Duration::from_secs(whole);
            let pause = backoff.next(None);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        (0..1000).for_each(|_| assert!(backoff.next(None) <= LAST));
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }

    #[test]
    fn what_the_collector_asks_for_is_a_lower_bound() {
        let mut backoff = Backoff::default();
        assert_eq!(
            backoff.next(Some(Duration::from_secs(50))),
            Duration::from_secs(50)
        );
        assert!(backoff.next(Some(Duration::ZERO)) >= FIRST);
    }
}
