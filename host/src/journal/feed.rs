//! Reading the reports in order, for the delivery of one signal, with a cursor that says how far it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Sequence;
use super::shared::{FeedState, Progress, Shared, age_of, end_of};
use crate::outcome::Report;

/// The reports for one signal, in order and from where its delivery is.
#[derive(Debug)]
pub struct Feed {
    shared: Arc<Shared>,
    signal: &'static str,
    progress: watch::Receiver<Progress>,
}

/// Reports that are to be delivered.
#[derive(Debug, Clone)]
pub struct Batch {
    /// By rising sequence; never empty.
    pub reports: Vec<(Sequence, Arc<Report>)>,
    /// How many reports were gone before they could be delivered, since the batch before.
    pub skipped: u64,
}

impl Batch {
    /// The newest report of the batch, for [`Feed::delivered`].
    pub fn last(&self) -> Sequence {
        self.reports
            .last()
            .map_or(Sequence::NONE, |(sequence, _)| *sequence)
    }
}

impl Feed {
    /// The feed of a signal, from where it was left.
    pub(super) fn new(shared: Arc<Shared>, signal: &'static str) -> Self {
        let mut state = shared.lock();
        let from = state.recorded;
        let feed = state.feeds.entry(signal).or_insert_with(|| FeedState {
            delivered: from,
            given: from,
            ..FeedState::default()
        });
        // What was given to a feed before and is not delivered is given again.
        feed.given = feed.delivered;
        feed.in_hand.clear();
        drop(state);
        Self {
            progress: shared.progress(),
            shared,
            signal,
        }
    }

    /// The signal.
    pub fn signal(&self) -> &'static str {
        self.signal
    }

    /// The reports after those that were given already, `at_most` so many. Waits until there is one, and then for
    /// `linger` at most until there are as many as may be given; while the journal is flushed it does not linger.
    /// Once the journal is closed and everything is given, it waits for ever.
    ///
    /// Dropping the future loses no report. Those that are given and not [delivered](Feed::delivered) come again
    /// from the next [`Journal::feed`](super::Journal::feed) of this signal, in this process or after a restart.
    pub async fn next(&mut self, at_most: usize, linger: Duration) -> Batch {
        let at_most = at_most.max(1);
        let mut until = None;
        loop {
            let progress = *self.progress.borrow_and_update();
            let (ungiven, is_flushing) = {
                let state = self.shared.lock();
                (
                    state.ungiven(self.signal),
                    state.flush_wanted > progress.flushed || state.end_wanted,
                )
            };
            let is_over = until.is_some_and(|until| Instant::now() >= until);
            if ungiven >= at_most || (ungiven > 0 && (is_over || is_flushing || linger.is_zero())) {
                return self.take(at_most);
            }
            if ungiven > 0 {
                until.get_or_insert_with(|| Instant::now() + linger);
            }
            tokio::select! {
                changed = self.progress.changed() => if changed.is_err() {
                    // The journal is gone; `self.shared` holds its sender, so that this cannot be.
                    std::future::pending::<()>().await;
                },
                () = passed(until) => {}
            }
        }
    }

    fn take(&self, at_most: usize) -> Batch {
        let mut state = self.shared.lock();
        let given = state
            .feeds
            .get(self.signal)
            .map_or(Sequence::NONE, |feed| feed.given);
        let reports: Vec<_> = state.ring.after(given).take(at_most).cloned().collect();
        let mut skipped = 0;
        if let Some(feed) = state.feeds.get_mut(self.signal) {
            feed.given = reports.last().map_or(given, |(sequence, _)| *sequence);
            let ends = reports
                .iter()
                .map(|(sequence, report)| (*sequence, end_of(report)));
            feed.in_hand.extend(ends);
            skipped = std::mem::take(&mut feed.untold);
        }
        Batch { reports, skipped }
    }

    /// Everything up to this report is delivered, or refused for good: it is never given again. Kept on disk within
    /// a moment; after a kill, what was delivered in that moment is given once more.
    pub fn delivered(&mut self, up_to: Sequence) {
        let mut state = self.shared.lock();
        if let Some(feed) = state.feeds.get_mut(self.signal) {
            feed.delivered = feed.delivered.max(up_to);
            feed.given = feed.given.max(up_to);
            while feed
                .in_hand
                .front()
                .is_some_and(|(sequence, _)| *sequence <= up_to)
            {
                feed.in_hand.pop_front();
            }
        }
        state.evict();
        drop(state);
        self.shared.wake();
    }

    /// How many reports wait to be delivered, those included that are given; and how old the oldest of them is,
    /// counted from the end of its run, if that is known.
    pub fn waiting(&self) -> (u64, Option<Duration>) {
        let (waiting, oldest) = self.shared.lock().undelivered(self.signal);
        (waiting, oldest.map(age_of))
    }
}

/// Until this moment; for ever when there is none.
async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
