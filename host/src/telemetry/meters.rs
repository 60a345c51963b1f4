//! What the rest of the program sees of the metrics: a handle that counts, and shows the counts. The OTLP
//! export and the text for Prometheus are made from the same instruments, and so tell the same numbers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::environment::Environment;
use super::exposition::{self, Exposition};
use super::metrics::Metrics;
use super::resource::resource;
use super::runner_metrics::{RunnerMetrics, circuit};
use super::{names, process};
use crate::outcome::Report;

/// The metrics of a process that serves. Clones count together. Nothing here waits for anybody.
#[derive(Debug, Clone)]
pub struct Meters {
    metrics: Arc<Metrics>,
    runner: Arc<RunnerMetrics>,
}

impl Meters {
    /// All at zero, for a process with these further attributes (`OTEL_RESOURCE_ATTRIBUTES` and
    /// `OTEL_SERVICE_NAME`, which [`Meters::resource_from`] reads).
    pub fn new(resource_attributes: &BTreeMap<String, String>) -> Self {
        let metrics = Metrics::new(resource(resource_attributes));
        let runner = RunnerMetrics::new(metrics.meter());
        process::observe(metrics.meter());
        Self {
            metrics: Arc::new(metrics),
            runner: Arc::new(runner),
        }
    }

    /// The attributes of the resource that these environment variables say.
    pub fn resource_from(variable: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
        // A value that cannot be used is refused where an export is asked for; without one it is left out.
        Environment::new(variable).resource_attributes()
    }

    /// Says which checks there are now, each with its plugin and target. The counters and gauges of others
    /// are forgotten, with the breakers that none of these has, and reports of others are no longer taken.
    pub fn set_checks<'a>(&self, checks: impl IntoIterator<Item = CheckLabels<'a>>) {
        let (mut names, mut circuits, mut targets) = (HashSet::new(), HashSet::new(), HashSet::new());
        for check in checks {
            names.insert(check.name.to_owned());
            circuits.insert(circuit(check.target, check.plugin));
            targets.insert(check.target.to_owned());
        }
        self.runner.retain(&names, &circuits, &targets);
        self.metrics.set_checks(names);
    }

    /// Adds a report, that of a skipped run as well: `synthetic.check.runs` has its reason as `error.type`.
    pub fn record(&self, report: &Report) {
        self.metrics.record(report);
    }

    /// Sets the state of a check: `unknown`, `passing`, `warning` or `failing`.
    pub fn check_state(&self, check: &str, plugin: &str, state: &str) {
        if self.metrics.is_known(check) {
            self.runner.check_state(check, plugin, state);
        }
    }

    /// Sets the state of a breaker: `closed`, `open` or `half-open`.
    pub fn breaker_state(&self, target: &str, plugin: &str, state: &str) {
        self.runner.circuit_state(target, plugin, state);
    }

    /// Counts a breaker's change into a state.
    pub fn breaker_transition(&self, target: &str, plugin: &str, state: &str) {
        self.runner.circuit_transition(target, plugin, state);
    }

    /// Counts a retry that a target's retry budget did not allow.
    pub fn retry_denied(&self, target: &str) {
        self.runner.retry_denied(target);
    }

    /// Takes in how late a run began.
    pub fn lag(&self, lag: Duration) {
        self.runner.delay(lag);
    }

    /// Counts runs whose time passed without them.
    pub fn missed(&self, runs: u64) {
        self.runner.missed(runs);
    }

    /// Says how many runs are under way.
    pub fn active_runs(&self, runs: usize) {
        self.runner.active(runs);
    }

    /// Says whether a load of the configuration, the first one included, was taken.
    pub fn reloaded(&self, is_success: bool) {
        self.runner.reloaded(is_success);
    }

    /// Counts a file that was refused as this plugin, or under this file name where it is none.
    pub fn plugin_refused(&self, plugin: &str) {
        self.runner.plugin_refused(plugin);
    }

    /// Counts a plugin that was replaced by another version of it.
    pub fn plugin_swapped(&self, plugin: &str) {
        self.runner.plugin_swapped(plugin);
    }

    /// Counts a task that died or hung and was started again.
    pub fn task_restarted(&self, task: &str) {
        self.runner.task_restarted(task);
    }

    /// Counts a panic.
    pub fn panicked(&self) {
        self.runner.panicked();
    }

    /// All metrics as text. Takes a processor for as long as there is to write, some 20 kB for each check.
    ///
    /// # Errors
    ///
    /// When the SDK cannot collect, which it does not do after its end.
    pub fn text(&self, format: Exposition) -> Result<String, String> {
        let collected = self.metrics.collect().map_err(|error| error.to_string())?;
        let known = |check: &str| self.metrics.is_known(check);
        Ok(exposition::text(&collected, format, names::CHECK, &known))
    }

    /// The instruments, for the export.
    pub(super) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }
}

/// What names a check in metrics.
#[derive(Debug, Clone, Copy)]
pub struct CheckLabels<'a> {
    /// Its name.
    pub name: &'a str,
    /// The name of its plugin.
    pub plugin: &'a str,
    /// Its target, by which it shares a breaker and a retry budget.
    pub target: &'a str,
}

#[cfg(test)]
#[path = "meters_tests.rs"]
mod tests;
