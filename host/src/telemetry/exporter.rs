//! What the rest of the program sees of telemetry: start, record, shut down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::delivery::{self, Delivering, Delivery, Render, Stop, Way};
use super::environment::Signal;
use super::meters::Meters;
use super::otlp::{Client, StartError};
use super::requests;
use super::resource::resource;
use super::settings::{Destination, Settings};
use super::statistics::Statistics;
use crate::journal::{self, Journal};
use crate::outcome::Report;

/// How long a process that ends waits for its collector: long enough for one on the other side of the
/// world, short enough for a supervisor that gives it 10 s.
pub const FLUSH_BOUND: Duration = Duration::from_secs(5);

/// Exports what is in a journal, and metrics. Nothing it does, and nothing the collector does, changes a report or
/// delays a run.
#[derive(Debug)]
pub struct Exporter {
    journal: Journal,
    /// Whether reports that are recorded here go into the journal: it is nobody else's.
    is_own: bool,
    /// The metrics that are exported.
    metrics: Option<Meters>,
    /// Whether reports that are recorded here are counted in these: the process has no [`Meters`].
    is_counting: bool,
    statistics: Arc<Statistics>,
    stop: watch::Sender<Option<Instant>>,
    deliveries: Mutex<Vec<JoinHandle<Vec<String>>>>,
}

impl Exporter {
    /// Starts exporting on this runtime, which has to live until [`Exporter::shutdown`] has returned, for a process
    /// that counts nothing itself: its reports are [recorded](Exporter::record) here. Where it has a journal, spans
    /// and log records are made of what is appended to that, from where it was left; without one, of what is recorded
    /// here. The collector is not contacted yet.
    ///
    /// # Errors
    ///
    /// When a file of the settings cannot be used, or no thread can be started.
    pub fn start(
        settings: &Settings,
        journal: Option<&Journal>,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        Self::start_of(settings, None, journal, runtime)
    }

    /// Like [`Exporter::start`], for a process that counts in [`Meters`] itself: these are exported. With a journal,
    /// nothing has to be recorded here.
    ///
    /// # Errors
    ///
    /// As those of [`Exporter::start`].
    pub fn start_with(
        settings: &Settings,
        meters: &Meters,
        journal: Option<&Journal>,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        Self::start_of(settings, Some(meters), journal, runtime)
    }

    /// Finds out whether it could be started: what files and variables say can be used. To be called within a tokio
    /// runtime; no collector is contacted.
    ///
    /// # Errors
    ///
    /// When a file of the settings cannot be used.
    pub fn verify(settings: &Settings) -> Result<(), StartError> {
        let destinations = [&settings.traces, &settings.metrics, &settings.logs];
        let mut destinations = destinations.into_iter().flatten();
        destinations.try_for_each(|destination| Client::new(destination).map(drop))
    }

    fn start_of(
        settings: &Settings,
        meters: Option<&Meters>,
        journal: Option<&Journal>,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        let _entered = runtime.enter();
        let resource = resource(&settings.resource);
        let (stop, stopped) = watch::channel(None);
        let mut exporter = Self {
            journal: match journal {
                Some(journal) => journal.clone(),
                None => Journal::open(journal::Settings::default(), Vec::new())?.0,
            },
            is_own: journal.is_none(),
            metrics: None,
            is_counting: meters.is_none(),
            statistics: Arc::default(),
            stop,
            deliveries: Mutex::default(),
        };
        if let Some(meters) = meters {
            meters.observe_exports(Arc::clone(&exporter.statistics));
        }
        for (signal, destination, render) in requests::of_reports(settings) {
            exporter.deliver_reports(signal, destination, render, &stopped, runtime)?;
        }
        if let Some(destination) = &settings.metrics {
            let of_checks = || Meters::of_checks(resource, settings.histograms);
            let metrics = meters.cloned().unwrap_or_else(of_checks);
            exporter.metrics = Some(metrics.clone());
            let (source, interval) = (requests::metrics(metrics), settings.metric_interval);
            let stop = stopped.clone();
            let deliver = move |way| -> Delivering {
                let delivery = delivery::deliver_metrics(way, Arc::clone(&source), interval, stop.clone());
                Box::pin(delivery)
            };
            exporter.deliver(Signal::Metrics, destination, deliver, stopped, runtime)?;
        }
        Ok(exporter)
    }

    fn deliver_reports(
        &self,
        signal: Signal,
        destination: &Destination,
        render: Render,
        stopped: &Stop,
        runtime: &Handle,
    ) -> Result<(), StartError> {
        let is_kept = self.journal.status().dir.is_some();
        let (journal, stop) = (self.journal.clone(), stopped.clone());
        let deliver = move |way| -> Delivering {
            let feed = journal.feed(signal.name());
            let delivery = Delivery::new(way, feed, Arc::clone(&render), is_kept);
            Box::pin(delivery.run(stop.clone()))
        };
        self.deliver(signal, destination, deliver, stopped.clone(), runtime)
    }

    fn deliver(
        &self,
        signal: Signal,
        destination: &Destination,
        deliver: impl Fn(Way) -> Delivering + Send + 'static,
        stopped: Stop,
        runtime: &Handle,
    ) -> Result<(), StartError> {
        let (destination, statistics) = (destination.clone(), Arc::clone(&self.statistics));
        let make = move || -> Result<Delivering, StartError> {
            let client = Client::new(&destination)?;
            Ok(deliver(Way::new(signal, client, Arc::clone(&statistics))))
        };
        let first = make()?;
        let delivery = delivery::lasting(signal, first, make, stopped);
        self.deliveries().push(runtime.spawn(delivery));
        Ok(())
    }

    /// Takes a report in, as far as it does not come by [`Meters`] and journal. Never waits.
    pub fn record(&self, report: &Report) {
        if let (Some(metrics), true) = (&self.metrics, self.is_counting) {
            metrics.record(report);
        }
        if self.is_own {
            self.journal.append(report.clone());
        }
    }

    /// What becomes of exports, counted.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.statistics)
    }

    fn deliveries(&self) -> MutexGuard<'_, Vec<JoinHandle<Vec<String>>>> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exports what is left and ends, within `bound` whatever the collector does. Returns a sentence
    /// for everything that could not be delivered, for people; none when all was.
    pub async fn shutdown(&self, bound: Duration) -> Vec<String> {
        let deadline = Instant::now() + bound;
        let mut losses = Vec::new();
        // A disk that hangs leaves half of the time to what is in memory already.
        if let Err(unfinished) = self.journal.flush(bound / 2).await {
            losses.push(unfinished.to_string());
        }
        self.stop.send_replace(Some(deadline));
        let deliveries = std::mem::take(&mut *self.deliveries());
        for delivery in deliveries {
            match delivery.await {
                Ok(said) => losses.extend(said),
                Err(error) => losses.push(format!("an export task ended early: {error}")),
            }
        }
        let refused = self
            .metrics
            .iter()
            .flat_map(|metrics| metrics.refused_measurements());
        losses.extend(refused.map(|what| format!("not exported: {what}")));
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
