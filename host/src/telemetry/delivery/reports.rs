//! The delivery of what is made of reports: spans and log records. It reads a feed of the journal in order, and goes on
//! to the next reports when the ones before are delivered or refused for good. What waits is the journal's to keep.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::{Instant, sleep, timeout_at};

use super::said::Said;
use super::{FINAL_PAUSES, MAX_REQUEST, Stop, Way, has_time, pause, stopped};
use crate::journal::{Feed, Sequence};
use crate::outcome::Report;
use crate::telemetry::environment::Signal;
use crate::telemetry::otlp::{Answer, Payload};

/// How long a finished run waits for others to share an export with.
const LINGER: Duration = Duration::from_secs(1);
/// Reports of a request at most: at some 6 KiB of spans for each this is what a request may have.
pub(super) const MAX_REPORTS: usize = 512;

/// Reports with their numbers.
pub(in crate::telemetry) type Numbered = (Sequence, Arc<Report>);
/// Makes a request of reports; none when they have nothing to say.
pub(in crate::telemetry) type Render = Arc<dyn Fn(&[Numbered]) -> Option<Payload> + Send + Sync>;

/// A delivery under way.
pub(in crate::telemetry) struct Delivery {
    way: Way,
    feed: Feed,
    render: Render,
    /// Whether what is not delivered stays on disk.
    is_kept: bool,
    /// Taken from the feed and not delivered.
    pending: VecDeque<Numbered>,
    /// Reports of the next request at most: fewer after one that was too large.
    limit: usize,
    refused: Refused,
    skipped: Skipped,
}

/// What the destination will never take.
#[derive(Debug, Default)]
struct Refused {
    runs: u64,
    reason: String,
    said: Said,
}

/// What was gone before it could be delivered.
#[derive(Debug, Default)]
struct Skipped {
    runs: u64,
    said: Said,
}

/// What became of a try.
enum Try {
    /// Nothing of it is pending any more, or it is to be tried again in smaller parts.
    Done,
    /// To be tried again, not before this.
    Later(Duration),
}

impl Delivery {
    /// A delivery of what `render` makes of the feed's reports.
    pub(in crate::telemetry) fn new(way: Way, feed: Feed, render: Render, is_kept: bool) -> Self {
        Self {
            way,
            feed,
            render,
            is_kept,
            pending: VecDeque::new(),
            limit: MAX_REPORTS,
            refused: Refused::default(),
            skipped: Skipped::default(),
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
                self.note_skipped(batch.skipped);
                self.pending.extend(batch.reports);
            }
            if let Try::Later(length) = self.try_once(&mut stop).await {
                pause(length, &mut stop).await;
            }
        }
        self.finish(&mut stop).await;
        self.losses()
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
                self.note_skipped(batch.skipped);
                self.pending.extend(batch.reports);
            }
            if let Try::Later(asked_for) = self.try_once(stop).await {
                let next = pauses.next().map(|length| length.max(asked_for));
                let Some(length) = next.filter(|length| has_time(stop, *length)) else {
                    return;
                };
                sleep(length).await;
            }
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    /// Sends what may be in one request of what is pending.
    async fn try_once(&mut self, stop: &mut Stop) -> Try {
        let (count, payload) = match self.request().await {
            Ok((count, Some(payload))) => (count, payload),
            Ok((count, None)) => {
                self.done(count);
                return Try::Done;
            }
            Err((count, error)) => return self.not_made(count, &error),
        };
        match self.way.export(payload, stop).await {
            Answer::Delivered | Answer::Partial { .. } => {
                self.done(count);
                self.limit = (self.limit + self.limit / 8 + 1).min(MAX_REPORTS);
                Try::Done
            }
            Answer::Retry { after, .. } => self.later(after),
            Answer::TooLarge { .. } if count > 1 => {
                self.limit = count / 2;
                Try::Done
            }
            Answer::TooLarge { reason } | Answer::Refused { reason } => {
                self.note_refused(count, reason);
                self.done(count);
                // One that refuses everything, such as for want of a token, is not fed all there is at once.
                self.later(None)
            }
        }
    }

    fn later(&mut self, after: Option<Duration>) -> Try {
        if self.way.is_ending() {
            return Try::Later(after.unwrap_or_default());
        }
        Try::Later(self.way.pause_after_failure(after))
    }

    /// As many of the pending reports as a request may have, and the request of them. It is made where it holds up
    /// nobody. The error has how many reports it is about.
    async fn request(&mut self) -> Result<(usize, Option<Payload>), (usize, JoinError)> {
        let count = self.pending.len().min(self.limit);
        let reports: Vec<Numbered> = self.pending.iter().take(count).cloned().collect();
        let render = Arc::clone(&self.render);
        let made = tokio::task::spawn_blocking(move || fitting(&reports, &*render, MAX_REQUEST));
        let (fitting, payload) = made.await.map_err(|error| (count, error))?;
        if fitting < count {
            self.limit = fitting;
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
            self.limit = count / 2;
            return Try::Done;
        }
        tracing::error!("no request can be made of a report, which is left out: {error}");
        self.note_skipped(1);
        self.done(count);
        Try::Done
    }

    /// The first so many pending reports need no delivery any more.
    fn done(&mut self, count: usize) {
        let last = self.pending.drain(..count).next_back();
        if let Some((sequence, _)) = last {
            self.feed.delivered(sequence);
        }
    }

    fn note_refused(&mut self, count: usize, reason: String) {
        let runs = count as u64;
        self.way.statistics().refused(self.way.signal(), runs);
        self.refused.runs += runs;
        if let Some(runs) = self.refused.said.is_due(runs, Instant::now())
            && !self.way.is_ending()
        {
            let (what, url) = (self.way.what(), self.way.url());
            let kept = if self.is_kept {
                "; they are in the journal, and `bedcheck journal export` sends them again"
            } else {
                ""
            };
            // Many collectors take spans and metrics only.
            let hint = match self.way.signal() {
                Signal::Logs => "; for a collector without logs there is `OTEL_LOGS_EXPORTER=none`",
                Signal::Traces | Signal::Metrics => "",
            };
            tracing::error!(
                runs,
                "`{url}` refuses the {what} of {} for good: {reason}{kept}{hint}",
                told(runs)
            );
        }
        self.refused.reason = reason;
    }

    fn note_skipped(&mut self, runs: u64) {
        if runs == 0 {
            return;
        }
        self.way.statistics().dropped(self.way.signal(), runs);
        self.skipped.runs += runs;
        if let Some(runs) = self.skipped.said.is_due(runs, Instant::now())
            && !self.way.is_ending()
        {
            let what = self.way.what();
            tracing::error!(
                runs,
                "the {what} of {} were dropped before they could be sent",
                told(runs)
            );
        }
    }

    fn losses(&self) -> Vec<String> {
        let what = self.way.what();
        let mut losses = Vec::new();
        let waiting = self.feed.waiting().0;
        if waiting > 0 {
            let hint = if self.is_kept {
                "; they are in the journal, and the next start sends them"
            } else {
                ""
            };
            losses.push(format!(
                "the {what} of {} {}{hint}",
                told(waiting),
                self.way.complaint()
            ));
        }
        if self.refused.runs > 0 {
            let (runs, url, reason) = (told(self.refused.runs), self.way.url(), &self.refused.reason);
            losses.push(format!("the {what} of {runs} did not reach `{url}`: {reason}"));
        }
        if self.skipped.runs > 0 {
            let runs = told(self.skipped.runs);
            losses.push(format!(
                "the {what} of {runs} were dropped before they could be sent"
            ));
        }
        losses.extend(self.way.rejection());
        losses
    }
}

/// The request of as many reports as fit, of at least one, and how many that is.
pub(super) fn fitting(
    reports: &[Numbered],
    render: &(dyn Fn(&[Numbered]) -> Option<Payload> + Send + Sync),
    maximum: usize,
) -> (usize, Option<Payload>) {
    let mut count = reports.len();
    loop {
        match render(&reports[..count]) {
            Some(payload) if payload.size() > maximum && count > 1 => count /= 2,
            payload => return (count, payload),
        }
    }
}

fn told(runs: u64) -> String {
    if runs == 1 {
        "1 run".to_owned()
    } else {
        format!("{runs} runs")
    }
}
