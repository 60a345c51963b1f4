//! The way to a destination: how it is at the moment, what is said about it, what is counted of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::backoff::Backoff;
use super::said::Said;
use super::{Stop, expiry};
use crate::telemetry::environment::Signal;
use crate::telemetry::otlp::{Answer, Client, Payload};
use crate::telemetry::statistics::{ExportResult, Statistics};

/// A way to a destination.
#[derive(Debug)]
pub(in crate::telemetry) struct Way {
    signal: Signal,
    client: Client,
    statistics: Arc<Statistics>,
    backoff: Backoff,
    /// Why the last export failed, if it did.
    failure: Option<String>,
    partial: Said,
    /// What the destination rejected of exports that it took, and the last word about that.
    rejected: (u64, String),
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
            failure: None,
            partial: Said::default(),
            rejected: (0, String::new()),
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

    /// From now on failures are not logged: the process ends, and the caller says what was lost.
    pub(super) fn ends(&mut self) {
        self.is_last = true;
    }

    /// An export, ended by the destination's timeout or by the end of the process.
    pub(super) async fn export(&mut self, payload: Payload, stop: &mut Stop) -> Answer {
        let began = Instant::now();
        let answer = tokio::select! {
            biased;
            () = expiry(stop) => Answer::Retry { after: None, reason: "no answer in time".to_owned() },
            answer = self.client.export(payload) => answer,
        };
        self.note(&answer, began.elapsed());
        answer
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
        let reason = self.failure.as_deref().unwrap_or("there was no time left");
        format!("did not reach `{}`: {reason}", self.url())
    }

    /// A sentence about what was rejected of exports that were taken, if anything was.
    pub(super) fn rejection(&self) -> Option<String> {
        let (count, message) = &self.rejected;
        (*count > 0).then(|| {
            format!(
                "`{}` rejected {count} of the {}: {message}",
                self.url(),
                self.what()
            )
        })
    }

    /// Remembers how an export went. Only a change is logged: an outage is one line, its end another.
    fn note(&mut self, answer: &Answer, took: Duration) {
        let (result, failure) = match answer {
            Answer::Delivered => (ExportResult::Success, None),
            Answer::Partial { rejected, message } => {
                self.note_partial(*rejected, message);
                (ExportResult::Partial, None)
            }
            Answer::Retry { reason, .. } => (ExportResult::Retry, Some(reason.clone())),
            Answer::TooLarge { .. } => (ExportResult::TooLarge, None),
            Answer::Refused { reason } => (ExportResult::Refused, Some(reason.clone())),
        };
        self.statistics
            .exported(self.signal, result, took, SystemTime::now());
        if result == ExportResult::TooLarge {
            // It says nothing about parts of it, which are sent next.
            return;
        }
        // What is refused for good is said by who knows which runs it is of.
        let is_told = result == ExportResult::Refused && self.signal != Signal::Metrics;
        let (what, url) = (self.what(), self.url());
        match (&failure, &self.failure) {
            (None, Some(_)) if !self.is_last => tracing::info!("{what} reach `{url}` again"),
            (Some(reason), None) if !self.is_last && !is_told => {
                tracing::warn!("{what} do not reach `{url}`: {reason}");
            }
            _ => {}
        }
        if failure.is_none() {
            self.backoff.reset();
        }
        self.failure = failure;
    }

    fn note_partial(&mut self, rejected: u64, message: &str) {
        self.statistics.rejected(self.signal, rejected);
        self.rejected = (self.rejected.0.saturating_add(rejected), message.to_owned());
        if self.is_last {
            return;
        }
        if let Some(rejected) = self.partial.is_due(rejected, Instant::now()) {
            let (what, url) = (self.what(), self.url());
            tracing::warn!(
                rejected,
                "`{url}` took an export of {what} and rejected {rejected} of them: {message}"
            );
        }
    }
}
