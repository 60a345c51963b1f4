//! When to try again, and when not to. Pure: randomness and time are given.

use std::time::Duration;

use super::ErrorPattern;
use crate::outcome::{ErrorType, Outcome};

/// How a failed attempt is repeated (`retry`): with pauses that double from `backoff` up to `max_backoff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts a run has, the first one included, 1 to 10. By default 3.
    pub attempts: u32,
    /// The pause after the first attempt, 1 ms to 1 min. By default 200 ms.
    pub backoff: Duration,
    /// The longest pause, from `backoff` to 10 min. By default 2 s, or `backoff` if that is longer.
    pub max_backoff: Duration,
    /// The errors that are worth another attempt. By default every `fail` but those that are the target's answer,
    /// which would be the same again.
    pub on: Option<Vec<ErrorPattern>>,
}

/// What is known when an attempt has failed.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// How many attempts there have been.
    pub attempts: u32,
    /// What the last one failed with.
    pub error: &'a ErrorType,
    /// How long it took.
    pub took: Duration,
    /// What is left of the run's time.
    pub remaining: Duration,
}

impl Retry {
    /// How long to wait before the next attempt; none when there is to be none.
    ///
    /// `jitter` between 0 and 1 spreads the pause over its second half, so that checks that failed
    /// together do not come back together. There is no next attempt when the rest of the budget
    /// cannot hold the pause and an attempt as long as the last one.
    pub fn pause(&self, failed: Failed<'_>, jitter: f64) -> Option<Duration> {
        if failed.attempts >= self.attempts || !self.is_worth_it(failed.error) {
            return None;
        }
        let doublings = failed.attempts.saturating_sub(1).min(31);
        let full = self.backoff.saturating_mul(1 << doublings).min(self.max_backoff);
        let pause = full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        (pause + failed.took < failed.remaining).then_some(pause)
    }

    /// Whether another attempt could end otherwise: never where somebody else than the target, or the way to it,
    /// is to blame.
    fn is_worth_it(&self, error: &ErrorType) -> bool {
        let chosen = match &self.on {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(error)),
            None => !is_answer(error),
        };
        chosen && error.outcome() == Outcome::Fail
    }
}

/// Whether the target has given its answer.
fn is_answer(error: &ErrorType) -> bool {
    matches!(
        error,
        ErrorType::AuthRejected
            | ErrorType::AssertionFailed
            | ErrorType::TlsCertificateExpired
            | ErrorType::TlsCertificateInvalid
            | ErrorType::TlsNameMismatch
            | ErrorType::TlsNotOffered
            | ErrorType::ProtocolTooLarge
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        attempts: 4,
        backoff: Duration::from_millis(100),
        max_backoff: Duration::from_millis(300),
        on: None,
    };

    fn failed(attempts: u32, error: &ErrorType, remaining: u64) -> Failed<'_> {
        let remaining = Duration::from_millis(remaining);
        Failed {
            attempts,
            error,
            took: Duration::from_millis(50),
            remaining,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_takes_half_at_most() {
        let pauses =
            |attempts, jitter| RETRY.pause(failed(attempts, &ErrorType::ConnectionRefused, 10_000), jitter);
        assert_eq!(pauses(1, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(pauses(2, 1.0), Some(Duration::from_millis(200)));
        assert_eq!(pauses(3, 1.0), Some(Duration::from_millis(300)));
        assert_eq!(pauses(1, 0.0), Some(Duration::from_millis(50)));
        assert_eq!(pauses(4, 1.0), None);
    }

    #[test]
    fn no_attempt_starts_that_the_budget_cannot_hold() {
        let refused = ErrorType::ConnectionRefused;
        assert_eq!(RETRY.pause(failed(1, &refused, 150), 1.0), None);
        assert_eq!(
            RETRY.pause(failed(1, &refused, 151), 1.0),
            Some(Duration::from_millis(100))
        );
    }

    #[test]
    fn an_answer_is_not_asked_for_again() {
        for answer in [
            ErrorType::AuthRejected,
            ErrorType::AssertionFailed,
            ErrorType::PluginTrap,
        ] {
            assert_eq!(RETRY.pause(failed(1, &answer, 10_000), 1.0), None, "{answer}");
        }
    }

    #[test]
    fn what_is_named_is_tried_again_and_nothing_else() {
        let retry = Retry {
            on: Some(vec![
                ErrorPattern::parse("assertion_failed", "http").unwrap(),
                ErrorPattern::parse("dns.*", "http").unwrap(),
            ]),
            ..RETRY
        };
        let is_tried_again = |error| retry.pause(failed(1, &error, 10_000), 1.0).is_some();
        assert!(is_tried_again(ErrorType::AssertionFailed));
        assert!(is_tried_again(ErrorType::DnsServerFailure));
        assert!(!is_tried_again(ErrorType::ConnectionRefused));
        assert!(!is_tried_again(ErrorType::PluginTrap));
    }
}
