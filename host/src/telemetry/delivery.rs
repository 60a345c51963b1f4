//! Getting spans and metrics to the collector: when, how often, until when, and what to say when it
//! does not work. One task a signal, so that one destination does not hold up the other. What failed is
//! kept and tried again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::meters::Meters;
use super::otlp::{Answer, Client, Payload};
use super::queue::{MAX_WAITING, Queue};
use super::settings::Destination;

/// How long a finished run waits for others to share an export with.
const LINGER: Duration = Duration::from_secs(1);
/// The pauses between tries while the collector is away: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// The pauses between tries at the end, when there is no later.
const FINAL_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(400)];

/// None while the process runs; at its end the moment by which all must be over.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// Exports spans until told to stop; what it then could not deliver is in the sentences returned.
pub(super) async fn deliver_spans(
    client: Client,
    resource: ResourceAttributesWithSchema,
    queue: Arc<Queue>,
    mut stop: Stop,
) -> Vec<String> {
    let mut line = Line::new("spans", client.destination().clone());
    while stop.borrow().is_none() {
        tokio::select! {
            () = queue.filled() => {}
            _ = stop.changed() => break,
        }
        tokio::select! {
            () = queue.has_enough() => {}
            _ = pause(LINGER, &mut stop) => {}
        }
        while stop.borrow().is_none()
            && export_batch(&client, &resource, &queue, &mut line, &mut stop)
                .await
                .is_some()
        {
            pause(line.pause, &mut stop).await;
        }
    }
    line.is_last = true;
    let mut pauses = FINAL_PAUSES.into_iter();
    while let Some(delivered) = export_batch(&client, &resource, &queue, &mut line, &mut stop).await {
        if !delivered {
            let Some(length) = pauses.next().filter(|length| has_time(&stop, *length)) else {
                break;
            };
            sleep(length).await;
        }
    }
    span_losses(&queue, &line)
}

/// Exports a batch; says whether it arrived. None when nothing waits.
async fn export_batch(
    client: &Client,
    resource: &ResourceAttributesWithSchema,
    queue: &Queue,
    line: &mut Line,
    stop: &mut Stop,
) -> Option<bool> {
    let batch = queue.lock().take_batch();
    if batch.is_empty() {
        return None;
    }
    let spans = batch.iter().flat_map(|run| run.spans.iter().cloned()).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(spans, resource),
    };
    let result = line.bounded(client.export(Payload::Traces(request)), stop).await;
    let delivered = result.is_ok();
    if delivered {
        queue.lock().exports += 1;
    } else {
        queue.lock().put_back(batch);
    }
    line.note(result);
    Some(delivered)
}

fn span_losses(queue: &Queue, line: &Line) -> Vec<String> {
    let waiting = queue.lock();
    let mut losses = Vec::new();
    let runs = |count: usize| {
        if count == 1 {
            "1 run".to_owned()
        } else {
            format!("{count} runs")
        }
    };
    if !waiting.runs.is_empty() {
        losses.push(format!(
            "the spans of {} {}",
            runs(waiting.runs.len()),
            line.complaint()
        ));
    }
    if waiting.overflowed > 0 {
        let count = runs(waiting.overflowed);
        losses.push(format!(
            "the spans of {count} were dropped: more than {MAX_WAITING} were waiting"
        ));
    }
    if waiting.refused > 0 {
        let count = runs(waiting.refused);
        losses.push(format!(
            "the spans of {count} were dropped: `{}` refuses them",
            line.url()
        ));
    }
    losses
}

/// Exports metrics at every interval and once more at the end; what then did not arrive is in the
/// sentences returned.
pub(super) async fn deliver_metrics(
    client: Client,
    metrics: Meters,
    interval: Duration,
    mut stop: Stop,
) -> Vec<String> {
    let mut line = Line::new("metrics", client.destination().clone());
    while pause(interval, &mut stop).await {
        export_metrics(&client, &metrics, &mut line, &mut stop).await;
    }
    line.is_last = true;
    let mut pauses = FINAL_PAUSES.into_iter();
    while !export_metrics(&client, &metrics, &mut line, &mut stop).await {
        let Some(length) = pauses.next().filter(|length| has_time(&stop, *length)) else {
            break;
        };
        sleep(length).await;
    }
    let lost = line
        .failure
        .is_some()
        .then(|| format!("the metrics {}", line.complaint()));
    lost.into_iter()
        .chain(metrics.refused_measurements().into_iter().map(not_exported))
        .collect()
}

/// Exports all that there is now. What fails is not kept: the next export says the same and more.
async fn export_metrics(client: &Client, metrics: &Meters, line: &mut Line, stop: &mut Stop) -> bool {
    for request in metrics.requests(SystemTime::now()) {
        let result = line.bounded(client.export(Payload::Metrics(request)), stop).await;
        let delivered = result.is_ok();
        line.note(result);
        if !delivered {
            return false;
        }
    }
    true
}

fn not_exported(what: String) -> String {
    format!("not exported: {what}")
}

/// The state of the way to a destination.
struct Line {
    what: &'static str,
    destination: Destination,
    /// Why the last export failed, if it did.
    failure: Option<String>,
    /// How long to wait before the next export; nothing while all is well.
    pause: Duration,
    /// Failures are now for the caller to say.
    is_last: bool,
}

impl Line {
    fn new(what: &'static str, destination: Destination) -> Self {
        Self {
            what,
            destination,
            failure: None,
            pause: Duration::ZERO,
            is_last: false,
        }
    }

    fn url(&self) -> &http::Uri {
        &self.destination.url
    }

    /// An export, ended by the end of the process if that comes before the answer.
    async fn bounded(&self, export: impl Future<Output = Answer>, stop: &mut Stop) -> Result<(), String> {
        let answer = tokio::select! {
            biased;
            () = expiry(stop) => return Err("no answer in time".to_owned()),
            answer = export => answer,
        };
        match answer {
            Answer::Delivered => Ok(()),
            Answer::Partial { rejected, message } => {
                let (what, url) = (self.what, self.url());
                tracing::warn!(
                    rejected,
                    "{what}: `{url}` took the export and rejected {rejected}: {message}"
                );
                Ok(())
            }
            Answer::Retry { reason, .. } | Answer::TooLarge { reason } | Answer::Refused { reason } => {
                Err(reason)
            }
        }
    }

    /// Remembers how an export went. Only a change is logged: an outage is one line, its end another.
    fn note(&mut self, result: Result<(), String>) {
        match (result, self.failure.take()) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                self.pause = Duration::ZERO;
                if !self.is_last {
                    tracing::info!("{} reach `{}` again", self.what, self.url());
                }
            }
            (Err(reason), before) => {
                self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
                if before.is_none() && !self.is_last {
                    tracing::warn!("{} do not reach `{}`: {reason}", self.what, self.url());
                }
                self.failure = Some(reason);
            }
        }
    }

    fn complaint(&self) -> String {
        let reason = self.failure.as_deref().unwrap_or("there was no time left");
        format!("did not reach `{}`: {reason}", self.url())
    }
}

/// Waits this long; false when the process ends before.
async fn pause(length: Duration, stop: &mut Stop) -> bool {
    timeout(length, stop.wait_for(Option::is_some)).await.is_err()
}

/// The moment by which all must be over; with nobody left to say it, now.
async fn expiry(stop: &mut Stop) {
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        Err(_) => None,
    };
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}

fn has_time(stop: &Stop, length: Duration) -> bool {
    stop.borrow()
        .is_some_and(|deadline| Instant::now() + length < deadline)
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
