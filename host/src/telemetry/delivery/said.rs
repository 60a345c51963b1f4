//! Saying something once in a while, however often it happens. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How often a thing of one kind is said at most: a person reads one line a minute, and an alert needs no more.
const EVERY: Duration = Duration::from_secs(60);

/// When a thing of one kind was said.
#[derive(Debug, Default)]
pub(super) struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Said {
    /// If it is to be said now: how much there is to say of, what was not said before included.
    pub(super) fn is_due(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(count);
        if self.last.is_some_and(|last| now < last + EVERY) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute_with_all_since() {
        let mut said = Said::default();
        let now = Instant::now();
        assert_eq!(said.is_due(2, now), Some(2));
        assert_eq!(said.is_due(3, now + EVERY / 2), None);
        assert_eq!(said.is_due(4, now + EVERY - Duration::from_nanos(1)), None);
        assert_eq!(said.is_due(5, now + EVERY), Some(12));
        assert_eq!(said.is_due(1, now + EVERY), None);
    }
}
