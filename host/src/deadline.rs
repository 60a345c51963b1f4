//! The one deadline of a run, and the ways to wait under it. Knows no wasm and no phases.
//!
//! Until the deadline, waiting is waiting. A wait that is under way when it passes ends at that
//! moment; every later one ends at once. After the grace the run is stopped from outside.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// A run's deadline. Clones are the same deadline.
#[derive(Debug, Clone)]
pub struct Deadline(Arc<Moments>);

#[derive(Debug)]
struct Moments {
    start: Instant,
    limit: Duration,
    grace: Duration,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct Exceeded;

impl Deadline {
    /// A deadline `limit` after `start`, with a grace after it.
    pub fn new(start: Instant, limit: Duration, grace: Duration) -> Self {
        Self(Arc::new(Moments { start, limit, grace }))
    }

    /// Time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// The time the run was given.
    pub fn limit(&self) -> Duration {
        self.0.limit
    }

    /// Time until the deadline; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.0.limit.saturating_sub(self.elapsed())
    }

    /// Whether the deadline has passed.
    pub fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// When the run is stopped whatever it does: deadline plus grace.
    pub fn stop_at(&self) -> Instant {
        self.0.start + self.0.limit + self.0.grace
    }

    /// Waits for `future`, until the deadline at most.
    ///
    /// # Errors
    ///
    /// When the deadline has passed before, without having polled the future, or passes meanwhile,
    /// which drops it.
    pub async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Exceeded> {
        if self.has_passed() {
            return Err(Exceeded);
        }
        timeout_at(self.0.start + self.0.limit, future)
            .await
            .map_err(|_| Exceeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::sleep;

    fn in_milliseconds(limit: u64) -> Deadline {
        Deadline::new(
            Instant::now(),
            Duration::from_millis(limit),
            Duration::from_millis(50),
        )
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
}
