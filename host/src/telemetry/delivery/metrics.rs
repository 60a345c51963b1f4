//! The delivery of metrics: all of them at every interval and once more at the end. A request that may be taken later is
//! sent again while its interval lasts. After that nothing of it needs repeating, because they are cumulative; but the next
//! export begins where this one failed, so that a collector which limits requests gets all of them in turn. A request that
//! was too large is repeated at once, in smaller ones.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use tokio::time::{Instant, sleep};

use super::said::Said;
use super::{FINAL_PAUSES, MAX_REQUEST, Stop, Way, expiry, has_time, pause, points};
use crate::telemetry::environment::Signal;
use crate::telemetry::otlp::{Answer, Arrived, Payload};

/// The smallest requests that are made for a collector which takes none as large as before. It is room for some points:
/// one that does not take so few takes nothing.
const MIN_REQUEST: usize = 4 * 1024;

/// Gives all metrics as they are now.
pub(in crate::telemetry) type Source = Arc<dyn Fn() -> Pages + Send + Sync>;
/// Metrics, some at a time: all of them are large with many thousand checks.
pub(in crate::telemetry) type Pages = Box<dyn Iterator<Item = ResourceMetrics> + Send>;

/// Exports metrics until told to stop, and then once more; what then did not arrive is in the sentences returned.
pub(in crate::telemetry) async fn deliver_metrics(
    way: Way,
    source: Source,
    interval: Duration,
    mut stop: Stop,
) -> Vec<String> {
    let mut delivery = Delivery {
        way,
        source,
        page: 0,
        largest: MAX_REQUEST,
        failure: None,
        rejected: (0, String::new()),
        said: Said::default(),
    };
    let mut wait = interval;
    while pause(wait, &mut stop).await {
        let until = Instant::now() + interval;
        let asked_for = delivery.export(until, &mut stop).await.err().flatten();
        let rest = until.saturating_duration_since(Instant::now());
        wait = rest.max(asked_for.unwrap_or_default());
    }
    delivery.way.ends();
    delivery.page = 0;
    let mut pauses = FINAL_PAUSES.into_iter();
    while let Err(asked_for) = delivery.export(Instant::now(), &mut stop).await {
        let next = pauses
            .next()
            .map(|length| length.max(asked_for.unwrap_or_default()));
        let Some(length) = next.filter(|length| has_time(&stop, *length)) else {
            break;
        };
        sleep(length).await;
    }
    let lost = delivery.failure.take().map(|reason| {
        let url = delivery.way.url();
        format!("the metrics did not reach `{url}`: {reason}")
    });
    lost.into_iter().chain(delivery.rejection()).collect()
}

struct Delivery {
    way: Way,
    source: Source,
    /// The page that the next export begins with: the one that failed in the last one.
    page: usize,
    /// What a request may have, in bytes: less after one that was too large, and slowly more again.
    largest: usize,
    /// Why the last export failed, if it did.
    failure: Option<String>,
    /// How many points were rejected of exports that were taken, and the last word about that.
    rejected: (u64, String),
    said: Said,
}

/// Why an export was not made to its end.
enum Undone {
    /// A request was too large, and smaller ones can be made.
    TooLarge,
    /// It failed, and the collector asks for this pause.
    Failed(Option<Duration>),
}

impl Delivery {
    /// Exports everything from the page on that failed last, in as many requests as it takes, with other tries before
    /// `until`. The error is what the collector asks for.
    async fn export(&mut self, until: Instant, stop: &mut Stop) -> Result<(), Option<Duration>> {
        let is_all = self.page == 0;
        let exported = loop {
            match self.export_once(until, stop).await {
                Ok(()) => break Ok(()),
                Err(Undone::TooLarge) => {}
                Err(Undone::Failed(asked_for)) => break Err(asked_for),
            }
        };
        match &self.failure {
            // One that the end of the process cuts short is made once more, and says nothing yet.
            Some(reason) if stop.borrow().is_none() => self.way.fails(reason.clone()),
            None if is_all => self.way.works(),
            _ => {}
        }
        if exported.is_ok() {
            self.largest = (self.largest + self.largest / 8).min(MAX_REQUEST);
        }
        exported
    }

    /// Exports everything from that page on in requests as large as they may be at the moment.
    async fn export_once(&mut self, until: Instant, stop: &mut Stop) -> Result<(), Undone> {
        self.failure = None;
        let source = Arc::clone(&self.source);
        let mut pages: Option<Pages> = None;
        loop {
            let (source, largest, before) = (Arc::clone(&source), self.largest, pages.take());
            let first = self.page;
            // With many checks this takes a while, in which nobody else could use this thread of the runtime.
            let collecting = tokio::task::spawn_blocking(move || {
                let mut pages = before.unwrap_or_else(|| Box::new(source().skip(first)));
                let page = pages.next();
                let requests = page.map(|metrics| points::requests(metrics, largest));
                let payload = |request| Payload::of(Signal::Metrics, &request);
                (
                    pages,
                    requests.map(|requests| requests.into_iter().map(payload).collect()),
                )
            });
            let collected = tokio::select! {
                biased;
                () = expiry(stop) => Err("there was no time left".to_owned()),
                collected = collecting => collected.map_err(|error| error.to_string()),
            };
            let (rest, requests) = collected.map_err(|reason| self.fail(reason, None))?;
            let Some(requests) = requests else { break };
            self.send(requests, until, stop).await?;
            self.page += 1;
            pages = Some(rest);
        }
        self.page = 0;
        match self.failure {
            Some(_) => Err(Undone::Failed(None)),
            None => Ok(()),
        }
    }

    async fn send(&mut self, requests: Vec<Payload>, until: Instant, stop: &mut Stop) -> Result<(), Undone> {
        for request in requests {
            let size = request.size();
            match self.answer(request, until, stop).await {
                Answer::Delivered => {}
                Answer::Partial { rejected, message } => self.note_rejected(rejected, message),
                Answer::Retry {
                    after,
                    reason,
                    arrived,
                } => {
                    if arrived == Arrived::Part {
                        self.shrink(size);
                    }
                    return Err(self.fail(reason, after));
                }
                Answer::TooLarge { reason } => {
                    if self.shrink(size) {
                        return Err(Undone::TooLarge);
                    }
                    let reason =
                        format!("{reason}; this request had {size} bytes, and none are made smaller");
                    return Err(self.fail(reason, None));
                }
                // The others may be taken: what is refused here is refused by what it is.
                Answer::Refused { reason } => drop(self.fail(reason, None)),
            }
        }
        Ok(())
    }

    /// What is answered to a request, which is sent again before `until` where it may be taken later as it is.
    async fn answer(&mut self, request: Payload, until: Instant, stop: &mut Stop) -> Answer {
        loop {
            let answer = self.way.export(request.clone(), stop).await;
            let after = match answer {
                Answer::Retry { arrived, after, .. } if arrived != Arrived::Part => after,
                _ => return answer,
            };
            let length = self.way.pause_after_failure(after);
            if Instant::now() + length >= until || !pause(length, stop).await {
                return answer;
            }
        }
    }

    /// From now on requests are half as large as this one, unless that is less than there can be.
    fn shrink(&mut self, size: usize) -> bool {
        let half = self.largest.min(size) / 2;
        let is_possible = half >= MIN_REQUEST;
        if is_possible {
            self.largest = half;
        }
        is_possible
    }

    fn note_rejected(&mut self, rejected: u64, message: String) {
        self.way.statistics().rejected(self.way.signal(), rejected);
        if let Some(rejected) = self.said.is_due(rejected, Instant::now())
            && !self.way.is_ending()
        {
            let url = self.way.url();
            match rejected {
                0 => tracing::warn!("`{url}` took an export of metrics and says: {message}"),
                _ => tracing::warn!(
                    rejected,
                    "`{url}` took an export of metrics and rejected {rejected} of them: {message}"
                ),
            }
        }
        self.rejected = (self.rejected.0.saturating_add(rejected), message);
    }

    /// A sentence about what was rejected of exports that were taken, or else about what was said of them.
    fn rejection(&self) -> Option<String> {
        let url = self.way.url();
        match &self.rejected {
            (0, message) if message.is_empty() => None,
            (0, message) => Some(format!("`{url}` took metrics and says: {message}")),
            (count, message) => Some(format!("`{url}` rejected {count} of the metrics: {message}")),
        }
    }

    fn fail(&mut self, reason: String, after: Option<Duration>) -> Undone {
        self.failure = Some(reason);
        Undone::Failed(after)
    }
}
