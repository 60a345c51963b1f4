//! What of the reports of a signal the collector will not have by itself: refused, rejected, gone. It is counted, said
//! in the log, and told at the end of the process, with what sends it again.

use tokio::time::Instant;

use super::Way;
use super::making::Numbered;
use super::period::Period;
use super::said::Said;
use crate::telemetry::environment::Signal;

/// What the collector will not have by itself.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Whether the journal keeps what is sent.
    is_kept: bool,
    refused: Loss,
    rejected: Loss,
    skipped: Loss,
    /// The last that the collector said of requests that it took whole.
    remark: Option<String>,
    remarked: Said,
}

/// What was lost in one way.
#[derive(Debug, Default)]
struct Loss {
    /// Runs, or spans or log records.
    count: u64,
    /// When the runs began that it is of.
    period: Option<Period>,
    /// The same of what was not said yet.
    unsaid: Option<Period>,
    /// The collector's last word.
    reason: String,
    said: Said,
}

impl Loss {
    /// Adds to it; if it is to be said now, how much since it was last, and when those runs began.
    fn add(&mut self, count: u64, of: &[Numbered], reason: &str) -> Option<(u64, Option<Period>)> {
        let period = Period::of(of.iter().map(|(_, report)| report.started));
        let both = |one: Option<Period>, other: Option<Period>| match (one, other) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        self.count += count;
        self.period = both(self.period, period);
        self.unsaid = both(self.unsaid, period);
        reason.clone_into(&mut self.reason);
        let due = self.said.is_due(count, Instant::now())?;
        Some((due, self.unsaid.take()))
    }
}

impl Losses {
    /// None yet, of reports that are kept on disk or not.
    pub(super) fn new(is_kept: bool) -> Self {
        Self {
            is_kept,
            ..Self::default()
        }
    }

    /// A request of these reports was refused for good.
    pub(super) fn refused(&mut self, of: &[Numbered], reason: &str, way: &Way) {
        let runs = of.len() as u64;
        way.statistics().refused(way.signal(), runs);
        let due = self.refused.add(runs, of, reason);
        let Some((runs, period)) = due.filter(|_| !way.is_ending()) else {
            return;
        };
        let (what, url, again) = (way.what(), way.url(), self.again(period));
        // Many collectors take spans and metrics only.
        let hint = match way.signal() {
            Signal::Logs => "; for a collector without logs there is `OTEL_LOGS_EXPORTER=none`",
            Signal::Traces | Signal::Metrics => "",
        };
        tracing::error!(
            runs,
            "`{url}` refuses the {what} of {} for good: {reason}{again}{hint}",
            told(runs)
        );
    }

    /// A request of these reports was taken but for so many spans or log records.
    pub(super) fn rejected(&mut self, items: u64, of: &[Numbered], reason: &str, way: &Way) {
        way.statistics().rejected(way.signal(), items);
        if items == 0 {
            self.remark = Some(reason.to_owned());
            if self.remarked.is_due(0, Instant::now()).is_some() && !way.is_ending() {
                tracing::warn!(
                    "`{}` took an export of {} and says: {reason}",
                    way.url(),
                    way.what()
                );
            }
            return;
        }
        let due = self.rejected.add(items, of, reason);
        let Some((rejected, period)) = due.filter(|_| !way.is_ending()) else {
            return;
        };
        let (what, url, again) = (way.what(), way.url(), self.again(period));
        tracing::warn!(
            rejected,
            "`{url}` took requests and rejected {rejected} of their {what}, without saying which: {reason}{again}"
        );
    }

    /// So many reports were gone before they could be sent.
    pub(super) fn skipped(&mut self, runs: u64, way: &Way) {
        if runs == 0 {
            return;
        }
        way.statistics().dropped(way.signal(), runs);
        if let Some((runs, _)) = self.skipped.add(runs, &[], "").filter(|_| !way.is_ending()) {
            let (what, of) = (way.what(), told(runs));
            tracing::error!(runs, "the {what} of {of} were dropped before they could be sent");
        }
    }

    /// All of it, in sentences, for the end of the process; so many runs wait still.
    pub(super) fn sentences(&self, waiting: u64, way: &Way) -> Vec<String> {
        let (what, url) = (way.what(), way.url());
        let mut sentences = Vec::new();
        if waiting > 0 {
            let hint = if self.is_kept {
                "; they are in the journal, and the next start sends them"
            } else {
                ""
            };
            let complaint = way.complaint();
            sentences.push(format!("the {what} of {} {complaint}{hint}", told(waiting)));
        }
        if self.refused.count > 0 {
            let (runs, reason) = (told(self.refused.count), &self.refused.reason);
            let again = self.again(self.refused.period);
            sentences.push(format!(
                "the {what} of {runs} did not reach `{url}`: {reason}{again}"
            ));
        }
        if self.skipped.count > 0 {
            let runs = told(self.skipped.count);
            sentences.push(format!(
                "the {what} of {runs} were dropped before they could be sent"
            ));
        }
        if self.rejected.count > 0 {
            let (count, reason) = (self.rejected.count, &self.rejected.reason);
            let again = self.again(self.rejected.period);
            sentences.push(format!("`{url}` rejected {count} of the {what}: {reason}{again}"));
        }
        if let Some(remark) = &self.remark {
            sentences.push(format!("`{url}` took {what} and says: {remark}"));
        }
        sentences
    }

    /// What sends the runs of this time again, as the end of a sentence.
    fn again(&self, period: Option<Period>) -> String {
        match period {
            Some(period) if self.is_kept => {
                format!(
                    "; they are in the journal, and `bedcheck journal export {period}` sends that time again"
                )
            }
            _ => String::new(),
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
