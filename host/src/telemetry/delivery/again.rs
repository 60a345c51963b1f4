//! Sending reports again that were sent before, or never arrived: the same spans with the same identities, so that a
//! collector which has them already can tell. No delivery under way is touched.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Render;
use super::making::{Numbered, request};
use super::pace::MAX_REPORTS;
use crate::journal::Sequence;
use crate::outcome::Report;
use crate::telemetry::otlp::{Answer, Arrived, Client, Payload, StartError};
use crate::telemetry::requests;
use crate::telemetry::settings::Settings;

/// How often a request is tried: with the pauses between, a collector that restarts is waited for.
const TRIES: u32 = 5;
/// The pause after the first try; it doubles with each.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of reports that were sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Reports that the collector took, with everything that is made of them.
    pub delivered: u64,
    /// Reports that it refused for good, in whole requests.
    pub refused: u64,
    /// Spans and log records that it rejected of requests that it took.
    pub rejected: u64,
    /// The last word about what was refused or rejected.
    pub reason: Option<String>,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reports were taken", self.delivered)?;
        if self.refused > 0 {
            write!(f, ", {} were refused", self.refused)?;
        }
        if self.rejected > 0 {
            write!(
                f,
                ", {} of their spans and log records were rejected",
                self.rejected
            )?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// Why reports were not sent again, or not all.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// The settings cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The settings have nowhere to send reports to: neither spans nor log records are exported.
    #[error("nothing says where spans or log records are to be sent")]
    NoDestination,
    /// The collector does not answer; what it has taken by then is told.
    #[error("`{url}` does not take the export: {reason}; before, {sent}")]
    Unreachable {
        /// Where it was sent.
        url: String,
        /// Why it was not taken.
        reason: String,
        /// What became of the reports before.
        sent: Sent,
    },
}

/// Sends these reports to where the settings say that spans and log records go, in order, and waits for the answers.
/// Each request is tried five times at most, each time for as long as the timeout of its destination, or for ten
/// minutes where the collector asks for that.
///
/// # Errors
///
/// When a file of the settings cannot be used, when there is no destination, or when a collector does not answer.
pub async fn export_again(
    settings: &Settings,
    reports: impl IntoIterator<Item = Report>,
) -> Result<Sent, AgainError> {
    let ways: Result<Vec<_>, StartError> = requests::of_reports(settings)
        .into_iter()
        .map(|(_, destination, render)| Ok((Client::new(destination)?, render)))
        .collect();
    let ways = ways?;
    if ways.is_empty() {
        return Err(AgainError::NoDestination);
    }
    let mut sent = Sent::default();
    let mut reports = (1..)
        .map(Sequence)
        .zip(reports.into_iter().map(Arc::new))
        .peekable();
    while reports.peek().is_some() {
        let batch: Vec<Numbered> = reports.by_ref().take(MAX_REPORTS).collect();
        let mut was_refused = 0;
        for (client, render) in &ways {
            let mut refused = 0;
            let tried = send(client, render, &batch, &mut sent, &mut refused).await;
            was_refused = refused.max(was_refused);
            if let Err(reason) = tried {
                sent.refused += was_refused;
                return Err(AgainError::Unreachable {
                    url: client.destination().url.to_string(),
                    reason,
                    sent,
                });
            }
        }
        sent.refused += was_refused;
        sent.delivered += batch.len() as u64 - was_refused;
    }
    Ok(sent)
}

/// Sends a batch, in as many requests as it takes, and counts how many of its reports were refused. The error is why the
/// collector does not take what is left.
async fn send(
    client: &Client,
    render: &Render,
    batch: &[Numbered],
    sent: &mut Sent,
    refused: &mut u64,
) -> Result<(), String> {
    let (mut from, mut limit) = (0, batch.len());
    while from < batch.len() {
        let part = from..batch.len().min(from + limit);
        let (count, payload) = match request(render, batch[part].to_vec()).await {
            Ok(made) => made,
            Err(error) => return Err(error.to_string()),
        };
        let Some(payload) = payload else {
            from += count;
            continue;
        };
        match persistent(client, payload, count > 1).await {
            Answer::Delivered => {}
            Answer::Partial { rejected, message } => {
                sent.rejected += rejected;
                sent.reason = Some(message);
            }
            Answer::TooLarge { .. }
            | Answer::Retry {
                arrived: Arrived::Part,
                ..
            } if count > 1 => {
                limit = count / 2;
                continue;
            }
            Answer::TooLarge { reason } | Answer::Refused { reason } => {
                *refused += count as u64;
                sent.reason = Some(reason);
            }
            Answer::Retry { reason, .. } => return Err(reason),
        }
        from += count;
    }
    Ok(())
}

/// Exports until there is an answer other than to try again, or that was said often enough; what was not sent to its end
/// only once, if less can be sent.
async fn persistent(client: &Client, payload: Payload, is_divisible: bool) -> Answer {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        let (answer, late) = client.export_and_listen(payload.clone()).await;
        let answer = match late {
            // Sent again while this one is under way, it would be there twice.
            Some(mut late) => timeout(pause, late.answer()).await.unwrap_or(answer),
            None => answer,
        };
        let Answer::Retry { after, arrived, .. } = answer else {
            return answer;
        };
        sleep(pause.max(after.unwrap_or_default())).await;
        if is_divisible && arrived == Arrived::Part {
            return answer;
        }
        pause *= 2;
    }
    client.export(payload).await
}
