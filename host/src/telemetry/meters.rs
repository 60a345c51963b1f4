//! What the rest of the program sees of the metrics: a handle that counts, and shows the counts. The OTLP
//! export and the text for Prometheus are made from the same instruments, and so tell the same numbers.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::check_metrics::CheckMetrics;
use super::checks::Check;
use super::delivery_metrics::{ExportMetrics, JournalMetrics};
use super::environment::Environment;
use super::exposition::{Exposition, write_metrics};
use super::metrics::{Checkpoint, Histograms, Instrument, KeptCheck, Messages, Owner, Registry, nanoseconds};
use super::resource::resource;
use super::runner_metrics::RunnerMetrics;
use super::statistics::Statistics;
use super::{names, process, spans};
use crate::journal::Status;
use crate::outcome::Report;

/// The most points of a request. One of a histogram with its attributes takes some 700 bytes, so that a request stays
/// under the 4 MiB which gRPC servers take without a setting.
const MOST_POINTS: usize = 4_000;

/// The metrics of a process. Clones count together. Nothing here waits for anybody.
#[derive(Debug, Clone)]
pub struct Meters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Arc<Registry>,
    checks: CheckMetrics,
    /// What only a process that serves has.
    runner: Option<RunnerMetrics>,
    resource: Resource,
    /// In nanoseconds since 1970.
    began: u64,
}

impl Meters {
    /// All at zero, for a process that serves, with these further attributes (`OTEL_RESOURCE_ATTRIBUTES` and
    /// `OTEL_SERVICE_NAME`, which [`Meters::resource_from`] reads).
    pub fn new(resource_attributes: &BTreeMap<String, String>) -> Self {
        Self::with_histograms(resource_attributes, Histograms::default())
    }

    /// The same, whose histograms leave over OTLP in this form.
    pub fn with_histograms(resource_attributes: &BTreeMap<String, String>, histograms: Histograms) -> Self {
        let (now, registry) = begin(histograms);
        let began = nanoseconds(now);
        let checks = CheckMetrics::new(&registry, began);
        let runner = RunnerMetrics::new(&registry, began);
        process::observe(&registry, now, began);
        Self(Arc::new(Inner {
            registry,
            checks,
            runner: Some(runner),
            resource: resource(resource_attributes),
            began,
        }))
    }

    /// Those of checks alone, for a process that does not serve.
    pub(super) fn of_checks(resource: Resource, histograms: Histograms) -> Self {
        let (now, registry) = begin(histograms);
        let began = nanoseconds(now);
        let checks = CheckMetrics::new(&registry, began);
        Self(Arc::new(Inner {
            registry,
            checks,
            runner: None,
            resource,
            began,
        }))
    }

    /// The attributes of the resource that these environment variables say.
    pub fn resource_from(variable: &dyn Fn(&str) -> Option<OsString>) -> BTreeMap<String, String> {
        // A value that cannot be used is refused where an export is asked for; without one it is left out.
        Environment::new(variable).resource_attributes()
    }

    /// Says which checks there are now. Everything of others is forgotten, and reports of others are no longer taken.
    pub fn set_checks<'a>(&self, checks: impl IntoIterator<Item = CheckLabels<'a>>) {
        let checks = checks.into_iter().map(|check| (check.name, check.plugin));
        let now = nanoseconds(SystemTime::now());
        self.0
            .checks
            .checks()
            .set(checks, now, |keep, each_check| self.forget(keep, each_check, now));
    }

    /// Says which checks there are besides from now on. What was counted of one that has another plugin now is
    /// forgotten; with all the others it goes on, and their histograms are of what they were.
    pub fn add_checks<'a>(&self, checks: impl IntoIterator<Item = CheckLabels<'a>>) {
        let checks = checks.into_iter().map(|check| (check.name, check.plugin));
        let now = nanoseconds(SystemTime::now());
        self.0
            .checks
            .checks()
            .add(checks, now, |keep| self.forget(keep, None, now));
    }

    /// Adds a report, that of a skipped run as well: `synthetic.check.runs` has its reason as `error.type`.
    pub fn record(&self, report: &Report) {
        let is_taken = self.0.checks.record(report);
        if let Some(runner) = self.0.runner.as_ref().filter(|_| is_taken) {
            runner.record(report);
        }
    }

    /// Sets the state of a check: `unknown`, `passing`, `warning` or `failing`.
    pub fn check_state(&self, check: &str, plugin: &str, state: &str) {
        self.of_check(check, plugin, |runner, owner| runner.check_state(owner, state));
    }

    /// Sets the state of the breaker of a check's target: `closed`, `open` or `half-open`.
    pub fn breaker_state(&self, check: &str, plugin: &str, state: &str) {
        self.of_check(check, plugin, |runner, owner| runner.circuit_state(owner, state));
    }

    /// A check has no breaker any more: there is no state of one.
    pub fn without_breaker(&self, check: &str, plugin: &str) {
        self.of_check(check, plugin, |runner, owner| runner.without_circuit(owner));
    }

    /// Counts a breaker's change into a state, which a run of this check brought about.
    pub fn breaker_transition(&self, check: &str, plugin: &str, state: &str) {
        self.of_check(check, plugin, |runner, owner| {
            runner.circuit_transition(owner, state);
        });
    }

    /// Counts runs whose time passed without them.
    pub fn missed(&self, runs: u64) {
        self.of_runner(|runner| runner.missed(runs));
    }

    /// Says how many runs are under way.
    pub fn active_runs(&self, runs: usize) {
        self.of_runner(|runner| runner.active(runs));
    }

    /// Says how many runs there can be at once.
    pub fn most_runs(&self, runs: usize) {
        self.of_runner(|runner| runner.most_runs(runs));
    }

    /// Says how many runs are due and wait for a slot.
    pub fn queue_size(&self, runs: usize) {
        self.of_runner(|runner| runner.queue(runs));
    }

    /// Says whether a load of the configuration, the first one included, was taken.
    pub fn reloaded(&self, is_success: bool) {
        self.of_runner(|runner| runner.reloaded(is_success));
    }

    /// Counts a file that was refused as this plugin, or under this file name where it is none.
    pub fn plugin_refused(&self, plugin: &str) {
        self.of_runner(|runner| runner.plugin_refused(plugin));
    }

    /// Counts a plugin that was replaced by another version of it.
    pub fn plugin_swapped(&self, plugin: &str) {
        self.of_runner(|runner| runner.plugin_swapped(plugin));
    }

    /// Takes in how long a plugin took to load, and whether its compiled code was there.
    pub fn plugin_compiled(&self, plugin: &str, took: Duration, was_kept: bool) {
        self.of_runner(|runner| runner.plugin_compiled(plugin, took, was_kept));
    }

    /// Counts a task that died or hung and was started again.
    pub fn task_restarted(&self, task: &str) {
        self.of_runner(|runner| runner.task_restarted(task));
    }

    /// Shows what becomes of exports.
    pub(super) fn observe_exports(&self, statistics: Arc<Statistics>) {
        let exports = ExportMetrics::new(&self.0.registry, self.0.began);
        self.0.registry.observe(move || exports.show(&statistics));
    }

    /// Shows how a journal is, and how far the deliveries are that read it. To be called once; `status` is asked for
    /// each time that somebody looks, and must not wait.
    pub fn observe_journal(&self, status: impl Fn() -> Status + Send + Sync + 'static) {
        let metrics = JournalMetrics::new(&self.0.registry, self.0.began);
        self.0.registry.observe(move || metrics.show(&status()));
    }

    /// Counts a panic.
    pub fn panicked(&self) {
        self.of_runner(RunnerMetrics::panicked);
    }

    /// Writes all metrics as text, in pieces: it takes a processor for as long as there is to write, and memory for a
    /// part of the checks only. Runs go on being counted meanwhile.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_text(&self, format: Exposition, writer: &mut dyn io::Write) -> io::Result<()> {
        write_metrics(&self.0.resource, &self.0.registry.collected(), format, writer)
    }

    /// All metrics as OTLP has them at this moment, cumulative. Each element is of a size that a request may have, and
    /// is made when it is asked for: all of them together are large with many thousand checks. With a clock that was set
    /// back, what began later than this moment begins at it, now and from here on.
    pub fn export(&self, now: SystemTime) -> impl Iterator<Item = ScopeMetrics> + use<> {
        let scope = InstrumentationScope::from((&spans::scope(), None));
        let (instruments, now) = (self.0.registry.collected(), nanoseconds(now));
        self.0.checks.began_by(now);
        Messages::new(instruments, scope, now, MOST_POINTS)
    }

    /// The same under the attributes of the process.
    pub(super) fn pages(&self, now: SystemTime) -> impl Iterator<Item = ResourceMetrics> + use<> {
        let resource = self.0.resource.clone();
        self.export(now).map(move |scope| ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        })
    }

    /// What reports have added, to be kept over the end of the process.
    pub fn checkpoint(&self) -> serde_json::Value {
        let known = self.0.checks.checks().known();
        let checks = known.iter().map(|check| KeptCheck {
            name: check.owner().name().to_owned(),
            plugin: check.plugin().to_owned(),
            start: check.owner().start(),
        });
        let (checks, each_check) = (checks.collect(), known.each_check());
        drop(known);
        let checkpoint = Checkpoint::of(checks, each_check, &self.of_reports());
        // Made of texts and numbers, which have a form as JSON.
        serde_json::to_value(checkpoint).unwrap_or_default()
    }

    /// Goes on from what was kept, with the starts of then. Returns what could not be gone on with, in sentences; it
    /// counts anew.
    pub fn restore(&self, kept: serde_json::Value) -> Vec<String> {
        let checkpoint = match Checkpoint::read(kept) {
            Ok(checkpoint) => checkpoint,
            Err(reason) => return vec![format!("the metrics count anew: {reason}")],
        };
        let checks = self.0.checks.checks();
        checks.set_each_check(checkpoint.each_check);
        let mut taken = HashSet::new();
        for KeptCheck { name, plugin, start } in &checkpoint.checks {
            if checks.restore(name, plugin, *start) {
                taken.insert(&**name);
            }
        }
        let known = checks.known();
        let (instruments, measurements) = (self.of_reports(), self.0.checks.measurements());
        let instrument = |name: &str, unit: &str| {
            if let Some(measurement) = name.strip_prefix(names::METRIC_MEASUREMENT_PREFIX) {
                return measurements.gauge(measurement, unit);
            }
            let mut instruments = instruments.iter();
            instruments
                .find(|instrument| instrument.definition().name == name)
                .cloned()
        };
        // A check of that name with another plugin has none of this.
        let owner = |name: &str| known.get(name).filter(|_| taken.contains(name)).map(Check::owner);
        let problems = checkpoint.restore(instrument, owner, self.0.checks.nobody(), self.0.began);
        problems.iter().map(ToString::to_string).collect()
    }

    /// Measurements that were left out, and why.
    pub(super) fn refused_measurements(&self) -> Vec<String> {
        self.0.checks.measurements().refused()
    }

    /// The instruments that reports add to.
    fn of_reports(&self) -> Vec<Arc<Instrument>> {
        let mut instruments: Vec<_> = self.0.checks.instruments().into_iter().cloned().collect();
        instruments.extend(self.0.checks.measurements().instruments());
        if let Some(runner) = &self.0.runner {
            instruments.extend(runner.of_reports().into_iter().cloned());
        }
        instruments
    }

    #[cfg(test)]
    pub(super) fn instruments(&self) -> Vec<Arc<Instrument>> {
        self.0.registry.collected()
    }

    fn forget(&self, keep: &dyn Fn(&str) -> bool, each_check: Option<bool>, now: u64) {
        self.0.checks.forget(keep, each_check, now);
        if let Some(runner) = &self.0.runner {
            runner.forget(keep);
        }
    }

    /// Since when a check counts, if it is there.
    #[cfg(test)]
    pub(super) fn start_of(&self, name: &str) -> Option<u64> {
        let known = self.0.checks.checks().known();
        known.get(name).map(|check| check.owner().start())
    }

    fn of_check(&self, check: &str, plugin: &str, change: impl FnOnce(&RunnerMetrics, &Owner)) {
        let known = self.0.checks.checks().known();
        let Some(is) = known.get(check).filter(|known| known.plugin() == plugin) else {
            return;
        };
        if let Some(runner) = &self.0.runner {
            change(runner, is.owner());
        }
    }

    fn of_runner(&self, change: impl FnOnce(&RunnerMetrics)) {
        if let Some(runner) = &self.0.runner {
            change(runner);
        }
    }
}

fn begin(histograms: Histograms) -> (SystemTime, Arc<Registry>) {
    let is_exponential = histograms == Histograms::Exponential;
    (SystemTime::now(), Arc::new(Registry::new(is_exponential)))
}

/// What names a check in metrics.
#[derive(Debug, Clone, Copy)]
pub struct CheckLabels<'a> {
    /// Its name.
    pub name: &'a str,
    /// The name of its plugin.
    pub plugin: &'a str,
}

#[cfg(test)]
#[path = "meters_tests.rs"]
mod tests;
