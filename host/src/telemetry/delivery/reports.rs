//! The delivery of what is made of reports: spans and log records. It reads a feed of the journal in order, and goes on
//! to the next reports when the ones before are delivered or refused for good. A request that had no answer in time is
//! waited for before it is sent again. What waits is the journal's to keep.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::{Instant, sleep, timeout_at};

use super::losses::Losses;
use super::making::{Numbered, Render, request};
use super::pace::{MAX_REPORTS, Pace, Step};
use super::unanswered::{Unanswered, unless_answered};
use super::{FINAL_PAUSES, Stop, Way, has_time, pause, stopped};
use crate::journal::Feed;
use crate::telemetry::otlp::{Answer, Arrived, Payload};

/// How long a finished run waits for others to share an export with.
const LINGER: Duration = Duration::from_secs(1);

/// A delivery under way.
pub(in crate::telemetry) struct Delivery {
    way: Way,
    feed: Feed,
    render: Render,
    /// Taken from the feed and not delivered.
    pending: VecDeque<Numbered>,
    pace: Pace,
    unanswered: Option<Unanswered>,
    losses: Losses,
}

/// What became of a try.
enum Try {
    /// Nothing of it is pending any more, or it is to be tried again in smaller parts.
    Done,
    /// To be tried again, not before this.
    Later(Duration),
}

impl Delivery {
    /// A delivery of what `render` makes of the feed's reports, which are kept on disk or not.
    pub(in crate::telemetry) fn new(way: Way, feed: Feed, render: Render, is_kept: bool) -> Self {
        Self {
            way,
            feed,
            render,
            pending: VecDeque::new(),
            pace: Pace::default(),
            unanswered: None,
            losses: Losses::new(is_kept),
        }
    }

    /// Delivers until told to stop; what it then could not deliver is in the sentences returned.
    pub(in crate::telemetry) async fn run(mut self, mut stop: Stop) -> Vec<String> {
        while stop.borrow().is_none() {
            if self.pending.is_empty() {
                let batch = tokio::select! {
                    biased;
                    () = stopped(&mut stop) => break,
                    batch = self.feed.next(MAX_REPORTS, LINGER) => batch,
                };
                self.losses.skipped(batch.skipped, &self.way);
                self.pending.extend(batch.reports);
            }
            let mut tried = self.try_once(&mut stop).await;
            while let Try::Later(length) = tried {
                self.note_skipped();
                tried = self.wait(pause(length, &mut stop)).await;
            }
        }
        self.finish(&mut stop).await;
        self.give_up();
        self.note_skipped();
        self.losses.sentences(self.feed.waiting().0, &self.way)
    }

    /// Delivers what is left, as long as there is time.
    async fn finish(&mut self, stop: &mut Stop) {
        let Some(deadline) = *stop.borrow() else { return };
        self.way.ends();
        let mut pauses = FINAL_PAUSES.into_iter();
        loop {
            if self.pending.is_empty() {
                if self.feed.waiting().0 == 0 {
                    return;
                }
                let next = self.feed.next(MAX_REPORTS, Duration::ZERO);
                let Ok(batch) = timeout_at(deadline, next).await else {
                    return;
                };
                self.losses.skipped(batch.skipped, &self.way);
                self.pending.extend(batch.reports);
            }
            let mut tried = self.try_once(stop).await;
            while let Try::Later(asked_for) = tried {
                let next = pauses.next().map(|length| length.max(asked_for));
                let Some(length) = next.filter(|length| has_time(stop, *length)) else {
                    return;
                };
                tried = self.wait(sleep(length)).await;
            }
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    /// Says what is gone while what was taken from the feed waits for its delivery.
    fn note_skipped(&mut self) {
        self.losses.skipped(self.feed.take_untold(), &self.way);
    }

    /// Waits for this, unless the request without an answer has one before.
    async fn wait<T>(&mut self, pause: impl Future<Output = T>) -> Try {
        match unless_answered(&mut self.unanswered, pause).await {
            Ok(_) => Try::Done,
            Err(answer) => self.answered_late(answer),
        }
    }

    /// Sends what may be in one request of what is pending, or asks whether anybody answers.
    async fn try_once(&mut self, stop: &mut Stop) -> Try {
        let limit = match self.pace.next() {
            Step::Ask => return self.ask(stop).await,
            Step::Send(limit) => limit,
        };
        if self.unanswered.is_some() && self.pace.is_answered() {
            return self.settle(stop).await;
        }
        let (count, payload) = match self.request(limit).await {
            Ok((count, Some(payload))) => (count, payload),
            Ok((count, None)) => {
                self.done(count);
                return Try::Done;
            }
            Err((count, error)) => return self.not_made(count, &error),
        };
        let since = Instant::now();
        let (answer, late) = self.way.export_and_listen(payload, stop).await;
        if let Some(late) = late.filter(|_| self.unanswered.is_none()) {
            return self.listen(Unanswered::new(late, count, since));
        }
        self.conclude(count, answer)
    }

    /// What the answer to a request of so many reports means for them.
    fn conclude(&mut self, count: usize, answer: Answer) -> Try {
        match answer {
            Answer::Delivered => {
                self.pace.taken();
                self.done(count);
                Try::Done
            }
            Answer::Partial { rejected, message } => {
                self.pace.taken();
                let of = self.pending.make_contiguous();
                self.losses.rejected(rejected, &of[..count], &message, &self.way);
                self.done(count);
                Try::Done
            }
            Answer::Retry { after, arrived, .. } => {
                self.pace.failed(count, arrived);
                if arrived == Arrived::Whole {
                    self.way.unconfirmed(count);
                }
                self.later(after)
            }
            Answer::TooLarge { .. } if count > 1 => {
                self.pace.fits(count / 2);
                Try::Done
            }
            Answer::TooLarge { reason } | Answer::Refused { reason } => {
                self.pace.refused();
                let of = self.pending.make_contiguous();
                self.losses.refused(&of[..count], &reason, &self.way);
                self.done(count);
                // One that refuses everything, such as for want of a token, is not fed all there is at once.
                self.later(None)
            }
        }
    }

    /// There was no answer in time. What was sent is not sent again before the collector is heard of.
    fn listen(&mut self, unanswered: Unanswered) -> Try {
        self.pace.failed(unanswered.reports, Arrived::Whole);
        self.unanswered = Some(unanswered);
        self.later(None)
    }

    /// What the answer means that came after all.
    fn answered_late(&mut self, answer: Answer) -> Try {
        let Some(Unanswered { reports, since, .. }) = self.unanswered.take() else {
            return Try::Done;
        };
        self.way.note(&answer, since.elapsed());
        self.conclude(reports, answer)
    }

    /// Waits for the answer to the request that had none: somebody answers, so that it comes within the time in which
    /// others do, or not at all. At the end half of what time is left is for sending it again.
    async fn settle(&mut self, stop: &mut Stop) -> Try {
        let end = *stop.borrow();
        let limit = end.map_or(self.way.timeout(), |end| {
            end.saturating_duration_since(Instant::now()) / 2
        });
        let waiting = async {
            match end {
                Some(_) => {
                    sleep(limit).await;
                    true
                }
                None => pause(limit, stop).await,
            }
        };
        match unless_answered(&mut self.unanswered, waiting).await {
            Err(answer) => return self.answered_late(answer),
            Ok(true) => self.give_up(),
            Ok(false) => {}
        }
        Try::Done
    }

    /// What had no answer is sent again: it may be there twice.
    fn give_up(&mut self) {
        if let Some(unanswered) = self.unanswered.take() {
            self.way.unconfirmed(unanswered.reports);
        }
    }

    /// Asks the destination whether it answers, by a request with nothing in it.
    async fn ask(&mut self, stop: &mut Stop) -> Try {
        let answer = match unless_answered(&mut self.unanswered, self.way.ask(stop)).await {
            Ok(answer) => answer,
            Err(late) => {
                // The question may hang where nobody answers.
                self.way.forget_connection();
                return self.answered_late(late);
            }
        };
        let asked_for = match answer {
            Answer::Retry { after, .. } => Some(after),
            _ => None,
        };
        self.pace.asked(asked_for.is_none());
        match asked_for {
            Some(after) => self.later(after),
            None => Try::Done,
        }
    }

    fn later(&mut self, after: Option<Duration>) -> Try {
        if self.way.is_ending() {
            return Try::Later(after.unwrap_or_default());
        }
        Try::Later(self.way.pause_after_failure(after))
    }

    /// As many of the pending reports as a request may have, no more than `limit`, and the request of them. The error
    /// has how many reports it is about.
    async fn request(&mut self, limit: usize) -> Result<(usize, Option<Payload>), (usize, JoinError)> {
        let count = self.pending.len().min(limit);
        let reports = self.pending.iter().take(count).cloned().collect();
        let made = request(&self.render, reports).await;
        let (fitting, payload) = made.map_err(|error| (count, error))?;
        if fitting < count {
            self.pace.fits(fitting);
        }
        Ok((fitting, payload))
    }

    /// A request of so many reports could not be made. One that makes us panic must not hold up the others.
    fn not_made(&mut self, count: usize, error: &JoinError) -> Try {
        if !error.is_panic() {
            // The runtime ends.
            return self.later(None);
        }
        if count > 1 {
            self.pace.fits(count / 2);
            return Try::Done;
        }
        tracing::error!("no request can be made of a report, which is left out: {error}");
        self.losses.skipped(1, &self.way);
        self.done(count);
        Try::Done
    }

    /// The first so many pending reports need no delivery any more. Those that another request has as well may be there
    /// twice.
    fn done(&mut self, count: usize) {
        if let Some(mut unanswered) = self.unanswered.take() {
            let twice = unanswered.reports.min(count);
            self.way.unconfirmed(twice);
            unanswered.reports -= twice;
            self.unanswered = Some(unanswered).filter(|unanswered| unanswered.reports > 0);
        }
        let last = self.pending.drain(..count).next_back();
        if let Some((sequence, _)) = last {
            self.feed.delivered(sequence);
        }
    }
}
