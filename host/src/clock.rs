//! A run's clock: the machine's, or one that moves only when somebody waits. Knows no deadline.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

/// Tells the time since the start of a run, and waits. Clones are the same clock.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    Live(Instant),
    /// A clock that jumps to whatever is waited for.
    Virtual(VirtualTime),
}

/// Time that stands still while anybody computes, and jumps from one awaited moment to the next. What waits
/// for anything else than this clock waits in vain: there is nothing else in virtual time.
#[derive(Debug, Clone, Default)]
pub struct VirtualTime(Arc<Mutex<Hands>>);

#[derive(Debug, Default)]
struct Hands {
    now: Duration,
    /// The earliest moment that is waited for. A guest may ask about one again and again without waiting.
    awaited: Option<Duration>,
}

impl Clock {
    /// The machine's clock, started now.
    pub fn live() -> Self {
        Self::Live(Instant::now())
    }

    /// A virtual clock at zero.
    pub fn virtual_time() -> Self {
        Self::Virtual(VirtualTime::default())
    }

    /// Time since the start, in whole microseconds: what is derived from a report is then the same whether the
    /// report is still there or was written down and read again.
    pub fn now(&self) -> Duration {
        whole_microseconds(match self {
            Self::Live(start) => start.elapsed(),
            Self::Virtual(time) => time.hands(|hands| hands.now),
        })
    }

    /// Waits until that time since the start.
    pub async fn sleep_until(&self, moment: Duration) {
        match self {
            Self::Live(start) => match start.checked_add(moment) {
                Some(moment) => sleep_until(moment).await,
                None => pending().await,
            },
            Self::Virtual(time) => time.sleep_until(moment).await,
        }
    }

    /// Waits for `future` until that moment at most; none if it was not done by then.
    pub async fn until<F: Future>(&self, moment: Duration, future: F) -> Option<F::Output> {
        match self {
            Self::Live(start) => match start.checked_add(moment) {
                Some(moment) => timeout_at(moment, future).await.ok(),
                None => Some(future.await),
            },
            Self::Virtual(time) => time.until(moment, future).await,
        }
    }
}

impl VirtualTime {
    async fn sleep_until(&self, moment: Duration) {
        poll_fn(|_| {
            self.hands(|hands| {
                if hands.now >= moment {
                    return Poll::Ready(());
                }
                hands.awaited = Some(hands.awaited.map_or(moment, |awaited| awaited.min(moment)));
                Poll::Pending
            })
        })
        .await;
    }

    async fn until<F: Future>(&self, moment: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|context| {
            loop {
                self.hands(|hands| hands.awaited = None);
                if let Poll::Ready(output) = future.as_mut().poll(context) {
                    return Poll::Ready(Some(output));
                }
                if !self.jump(moment) {
                    return Poll::Ready(None);
                }
            }
        })
        .await
    }

    /// Goes to the next moment that is waited for, if that is before `limit`, else to `limit` itself.
    fn jump(&self, limit: Duration) -> bool {
        self.hands(|hands| {
            let next = hands.awaited.filter(|next| *next < limit);
            hands.now = hands.now.max(next.unwrap_or(limit));
            next.is_some()
        })
    }

    fn hands<T>(&self, with: impl FnOnce(&mut Hands) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The duration without what is finer than a microsecond.
pub fn whole_microseconds(duration: Duration) -> Duration {
    duration - Duration::from_nanos(u64::from(duration.subsec_nanos() % 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn virtual_time_jumps_to_what_is_waited_for() {
        let clock = Clock::virtual_time();
        let woken = clock.until(HOUR * 2, clock.sleep_until(HOUR)).await;
        assert_eq!((woken, clock.now()), (Some(()), HOUR));
    }

    #[tokio::test]
    async fn what_is_not_done_in_time_ends_at_the_moment() {
        let clock = Clock::virtual_time();
        assert_eq!(clock.until(HOUR, pending::<()>()).await, None);
        assert_eq!(clock.now(), HOUR);
        assert_eq!(clock.until(HOUR * 2, clock.sleep_until(HOUR * 2)).await, None);
        assert_eq!(clock.now(), HOUR * 2);
    }

    #[test]
    fn of_waits_that_are_only_asked_about_the_earliest_is_kept() {
        use futures_util::FutureExt;
        let time = VirtualTime::default();
        for hours in [3, 1, 2, 1] {
            assert_eq!(time.sleep_until(HOUR * hours).now_or_never(), None);
        }
        let awaited: Vec<Duration> = time.hands(|hands| hands.awaited.iter().copied().collect());
        assert_eq!(awaited, [HOUR]);
    }

    #[tokio::test]
    async fn of_two_waits_the_earlier_comes_first() {
        let clock = Clock::virtual_time();
        let race = async {
            tokio::select! {
                () = clock.sleep_until(HOUR * 3) => "late",
                () = clock.sleep_until(HOUR) => "early",
            }
        };
        assert_eq!(clock.until(HOUR * 9, race).await, Some("early"));
        assert_eq!(clock.now(), HOUR);
    }
}
