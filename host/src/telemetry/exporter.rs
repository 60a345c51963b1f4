//! What the rest of the program sees of telemetry: start, record, shut down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::delivery;
use super::meters::Meters;
use super::otlp::{Client, StartError};
use super::queue::Queue;
use super::resource::resource;
use super::settings::Settings;
use super::spans;
use crate::outcome::Report;

/// How long a process that ends waits for its collector: long enough for one on the other side of the
/// world, short enough for a supervisor that gives it 10 s.
pub const FLUSH_BOUND: Duration = Duration::from_secs(5);

/// Exports reports. Nothing it does, and nothing the collector does, changes a report or delays a run.
#[derive(Debug)]
pub struct Exporter {
    queue: Option<Arc<Queue>>,
    metrics: Option<Meters>,
    stop: watch::Sender<Option<Instant>>,
    deliveries: Mutex<Vec<JoinHandle<Vec<String>>>>,
}

impl Exporter {
    /// Starts exporting on this runtime, which has to live until [`Exporter::shutdown`] has returned.
    /// The collector is not contacted yet.
    ///
    /// # Errors
    ///
    /// When a file of the settings cannot be used.
    pub fn start(settings: &Settings, runtime: &Handle) -> Result<Self, StartError> {
        Self::start_of(settings, None, runtime)
    }

    /// Like [`Exporter::start`], for a process that counts in [`Meters`] itself: these are exported, and a
    /// report that is recorded here becomes spans only.
    ///
    /// # Errors
    ///
    /// As those of [`Exporter::start`].
    pub fn start_with(settings: &Settings, meters: &Meters, runtime: &Handle) -> Result<Self, StartError> {
        Self::start_of(settings, Some(meters), runtime)
    }

    fn start_of(settings: &Settings, meters: Option<&Meters>, runtime: &Handle) -> Result<Self, StartError> {
        let _entered = runtime.enter();
        let resource = resource(&settings.resource);
        let (stop, stopped) = watch::channel(None);
        let mut exporter = Self {
            queue: None,
            metrics: None,
            stop,
            deliveries: Mutex::default(),
        };
        if let Some(destination) = &settings.traces {
            let client = Client::new(destination)?;
            let queue = Arc::<Queue>::default();
            exporter.queue = Some(Arc::clone(&queue));
            let delivery = delivery::deliver_spans(client, (&resource).into(), queue, stopped.clone());
            exporter.deliveries().push(runtime.spawn(delivery));
        }
        if let Some(destination) = &settings.metrics {
            let client = Client::new(destination)?;
            let metrics = match meters {
                Some(meters) => meters.clone(),
                None => {
                    let metrics = Meters::of_checks(resource, super::Histograms::default());
                    exporter.metrics = Some(metrics.clone());
                    metrics
                }
            };
            let interval = settings.metric_interval;
            let delivery = delivery::deliver_metrics(client, metrics, interval, stopped);
            exporter.deliveries().push(runtime.spawn(delivery));
        }
        Ok(exporter)
    }

    /// Takes a report in. Never waits.
    pub fn record(&self, report: &Report) {
        if let Some(metrics) = &self.metrics {
            metrics.record(report);
        }
        if let Some(queue) = &self.queue {
            queue.push(spans::spans(report));
        }
    }

    fn deliveries(&self) -> MutexGuard<'_, Vec<JoinHandle<Vec<String>>>> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exports what is left and ends, within `bound` whatever the collector does. Returns a sentence
    /// for everything that could not be delivered, for people; none when all was.
    pub async fn shutdown(&self, bound: Duration) -> Vec<String> {
        self.stop.send_replace(Some(Instant::now() + bound));
        let mut losses = Vec::new();
        let deliveries = std::mem::take(&mut *self.deliveries());
        for delivery in deliveries {
            match delivery.await {
                Ok(said) => losses.extend(said),
                Err(error) => losses.push(format!("an export task ended early: {error}")),
            }
        }
        losses
    }
}

impl Drop for Exporter {
    /// Without a shutdown the tasks end at once.
    fn drop(&mut self) {
        self.stop
            .send_if_modified(|stop| stop.replace(stop.unwrap_or_else(Instant::now)).is_none());
    }
}
