//! The way to a destination: how it is at the moment, what is said about it, what is counted of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::backoff::Backoff;
use super::outage::Outage;
use super::{Stop, expiry};
use crate::telemetry::environment::Signal;
use crate::telemetry::otlp::{Answer, Client, Late, Payload};
use crate::telemetry::statistics::{ExportResult, Statistics};

/// A way to a destination.
#[derive(Debug)]
pub(in crate::telemetry) struct Way {
    signal: Signal,
    client: Client,
    statistics: Arc<Statistics>,
    backoff: Backoff,
    outage: Outage,
    /// Failures are now for the caller to say.
    is_last: bool,
}

impl Way {
    /// The way of a signal, which is counted there.
    pub(in crate::telemetry) fn new(signal: Signal, client: Client, statistics: Arc<Statistics>) -> Self {
        Self {
            signal,
            client,
            statistics,
            backoff: Backoff::default(),
            outage: Outage::default(),
            is_last: false,
        }
    }

    /// What goes this way, for people: `spans`.
    pub(super) fn what(&self) -> &'static str {
        self.signal.what()
    }

    /// Where it leads.
    pub(super) fn url(&self) -> &http::Uri {
        &self.client.destination().url
    }

    /// The signal.
    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// Where things are counted.
    pub(super) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// So many reports may be there twice.
    pub(super) fn unconfirmed(&self, reports: usize) {
        self.statistics.unconfirmed(self.signal, reports as u64);
    }

    /// From now on failures are not logged: the process ends, and the caller says what was lost.
    pub(super) fn ends(&mut self) {
        self.is_last = true;
    }

    /// How long an answer is waited for.
    pub(super) fn timeout(&self) -> Duration {
        self.client.destination().timeout
    }

    /// An export, ended by the destination's timeout or by the end of the process.
    pub(super) async fn export(&mut self, payload: Payload, stop: &mut Stop) -> Answer {
        self.export_and_listen(payload, stop).await.0
    }

    /// The same; and what may have an answer yet, if there was none in time.
    pub(super) async fn export_and_listen(
        &mut self,
        payload: Payload,
        stop: &mut Stop,
    ) -> (Answer, Option<Late>) {
        let began = Instant::now();
        let (answer, late) = self.answer(payload, stop).await;
        self.note(&answer, began.elapsed());
        (answer, late)
    }

    /// A request with nothing in it, ended like an export. That it was answered says nothing about what was to be
    /// exported, and is not noted; that it was not, is.
    pub(super) async fn ask(&mut self, stop: &mut Stop) -> Answer {
        let began = Instant::now();
        let (answer, _) = self.answer(Payload::empty(self.signal), stop).await;
        if matches!(answer, Answer::Retry { .. }) {
            self.note(&answer, began.elapsed());
        }
        answer
    }

    /// The next export takes a new connection.
    pub(super) fn forget_connection(&self) {
        self.client.forget_connection();
    }

    async fn answer(&self, payload: Payload, stop: &mut Stop) -> (Answer, Option<Late>) {
        tokio::select! {
            biased;
            () = expiry(stop) => (Answer::none("no answer in time".to_owned()), None),
            answered = self.client.export_and_listen(payload) => answered,
        }
    }

    /// How long to wait before the next try.
    pub(super) fn pause_after_failure(&mut self, asked_for: Option<Duration>) -> Duration {
        let pause = self.backoff.next(asked_for);
        self.statistics.paused(self.signal, pause);
        pause
    }

    /// Whether the process ends.
    pub(super) fn is_ending(&self) -> bool {
        self.is_last
    }

    /// Why the last export failed, as the end of a sentence.
    pub(super) fn complaint(&self) -> String {
        let reason = self.outage.reason().unwrap_or("there was no time left");
        format!("did not reach `{}`: {reason}", self.url())
    }

    /// Remembers how an export went, and logs what is new about it, unless it is of metrics.
    pub(super) fn note(&mut self, answer: &Answer, took: Duration) {
        let result = match answer {
            Answer::Delivered => ExportResult::Success,
            Answer::Partial { .. } => ExportResult::Partial,
            Answer::Retry { .. } => ExportResult::Retry,
            Answer::TooLarge { .. } => ExportResult::TooLarge,
            Answer::Refused { .. } => ExportResult::Refused,
        };
        self.statistics
            .exported(self.signal, result, took, SystemTime::now());
        match answer {
            Answer::Delivered | Answer::Partial { .. } => self.backoff.reset(),
            _ => {}
        }
        match answer {
            // One request is a part of all metrics: who makes them says whether they arrive.
            _ if self.signal == Signal::Metrics => {}
            Answer::Delivered | Answer::Partial { .. } => self.works(),
            // It says nothing about parts of it, which are sent next, or what is not sent is said by who knows it.
            Answer::TooLarge { .. } => {}
            // What is refused for good is said by who knows which runs it is of.
            Answer::Refused { reason } => self.outage.is_told(reason.clone()),
            Answer::Retry { reason, .. } => self.fails(reason.clone()),
        }
    }

    /// Nothing goes this way, for this reason.
    pub(super) fn fails(&mut self, reason: String) {
        let (what, url) = (self.signal.what(), &self.client.destination().url);
        if let Some(reason) = self.outage.fails(reason, Instant::now())
            && !self.is_last
        {
            tracing::warn!("{what} do not reach `{url}`: {reason}");
        }
    }

    /// What goes this way arrives.
    pub(super) fn works(&mut self) {
        if self.outage.ends() && !self.is_last {
            tracing::info!("{} reach `{}` again", self.what(), self.url());
        }
    }
}
