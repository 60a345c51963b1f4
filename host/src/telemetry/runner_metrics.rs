//! What the runner counts about its checks between runs and about itself: breakers, states, the schedule,
//! reloads, plugins, tasks. What a report says does not live here.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

use super::metrics::{counter, gauge, histogram};
use super::names;
use super::process::seconds_since_1970;
use super::series::Series;

/// From a run that begins when it is due to one that waits for a whole interval.
const DELAY_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0,
];
/// The states of a breaker, each a series.
const CIRCUIT_STATES: [&str; 3] = ["closed", "open", "half_open"];
/// The states of a check, each a series.
const CHECK_STATES: [&str; 4] = ["unknown", "passing", "warning", "failing"];

/// The instruments.
#[derive(Debug)]
pub(super) struct RunnerMetrics {
    circuit_state: Arc<Series<u64>>,
    circuit_transitions: Arc<Series<u64>>,
    check_state: Arc<Series<u64>>,
    retries_denied: Arc<Series<u64>>,
    delay: Histogram<f64>,
    missed: Counter<u64>,
    active: Arc<AtomicI64>,
    reload_success: Gauge<u64>,
    reload_time: Gauge<f64>,
    plugin_refused: Counter<u64>,
    plugin_swapped: Counter<u64>,
    task_restarts: Counter<u64>,
    panics: Counter<u64>,
}

impl RunnerMetrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let metrics = Self {
            circuit_state: gauge(
                meter,
                names::METRIC_CIRCUIT_STATE,
                "{circuit}",
                "1 for the state that the breaker is in, 0 for the others.",
            ),
            circuit_transitions: counter(
                meter,
                names::METRIC_CIRCUIT_TRANSITIONS,
                "{transition}",
                "Changes of a breaker's state.",
            ),
            check_state: gauge(
                meter,
                names::METRIC_CHECK_STATE,
                "{check}",
                "1 for the state that the check is in, 0 for the others.",
            ),
            retries_denied: counter(
                meter,
                names::METRIC_RETRIES_DENIED,
                "{retry}",
                "Retries that the target's retry budget did not allow.",
            ),
            delay: histogram(
                meter,
                names::METRIC_SCHEDULE_DELAY,
                "s",
                &DELAY_BUCKETS,
                "How late runs began.",
            ),
            missed: sync_counter(
                meter,
                names::METRIC_SCHEDULE_MISSED,
                "{run}",
                "Runs whose time passed without them, after a suspend or under overload.",
            ),
            active: active_runs(meter),
            reload_success: meter
                .u64_gauge(names::METRIC_RELOAD_SUCCESS)
                .with_description("1 when the last reload was taken, 0 when it was refused.")
                .build(),
            reload_time: meter
                .f64_gauge(names::METRIC_RELOAD_TIME)
                .with_unit("s")
                .with_description("When the last reload that was taken happened, since 1970.")
                .build(),
            plugin_refused: sync_counter(
                meter,
                names::METRIC_PLUGIN_REFUSED,
                "{plugin}",
                "Plugin files that were refused while serving.",
            ),
            plugin_swapped: sync_counter(
                meter,
                names::METRIC_PLUGIN_SWAPPED,
                "{plugin}",
                "Plugins that were replaced while serving.",
            ),
            task_restarts: sync_counter(
                meter,
                names::METRIC_TASK_RESTARTS,
                "{restart}",
                "Tasks that died or hung and were started again.",
            ),
            panics: sync_counter(meter, names::METRIC_PANICS, "{panic}", "Panics."),
        };
        // Zero is a value too: an alert on a rise needs something to rise from.
        metrics.missed.add(0, &[]);
        metrics.panics.add(0, &[]);
        metrics
    }

    /// Forgets other checks, and the breakers and retries of other targets.
    pub(super) fn retain(
        &self,
        checks: &HashSet<String>,
        circuits: &HashSet<String>,
        targets: &HashSet<String>,
    ) {
        self.check_state.retain(|name| checks.contains(name));
        self.circuit_state.retain(|circuit| circuits.contains(circuit));
        self.circuit_transitions
            .retain(|circuit| circuits.contains(circuit));
        self.retries_denied.retain(|target| targets.contains(target));
    }

    pub(super) fn check_state(&self, check: &str, plugin: &str, state: &str) {
        let base = [
            KeyValue::new(names::CHECK, check.to_owned()),
            KeyValue::new(names::TYPE, plugin.to_owned()),
        ];
        one_of(
            &self.check_state,
            check,
            &base,
            names::CHECK_STATE,
            &CHECK_STATES,
            state,
        );
    }

    pub(super) fn circuit_state(&self, target: &str, plugin: &str, state: &str) {
        let (owner, base) = (circuit(target, plugin), circuit_attributes(target, plugin));
        let state = &label(state);
        one_of(
            &self.circuit_state,
            &owner,
            &base,
            names::CIRCUIT_STATE,
            &CIRCUIT_STATES,
            state,
        );
    }

    pub(super) fn circuit_transition(&self, target: &str, plugin: &str, state: &str) {
        let mut attributes = circuit_attributes(target, plugin).to_vec();
        attributes.push(KeyValue::new(names::CIRCUIT_STATE, label(state)));
        self.circuit_transitions
            .add(&circuit(target, plugin), &attributes, 1);
    }

    pub(super) fn retry_denied(&self, target: &str) {
        let attributes = [KeyValue::new(names::TARGET, target.to_owned())];
        self.retries_denied.add(target, &attributes, 1);
    }

    pub(super) fn delay(&self, delay: Duration) {
        self.delay.record(delay.as_secs_f64(), &[]);
    }

    pub(super) fn missed(&self, runs: u64) {
        self.missed.add(runs, &[]);
    }

    pub(super) fn active(&self, runs: usize) {
        self.active
            .store(i64::try_from(runs).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(super) fn reloaded(&self, is_success: bool) {
        self.reload_success.record(u64::from(is_success), &[]);
        if is_success {
            self.reload_time
                .record(seconds_since_1970(SystemTime::now()), &[]);
        }
    }

    pub(super) fn plugin_refused(&self, plugin: &str) {
        self.plugin_refused
            .add(1, &[KeyValue::new(names::TYPE, plugin.to_owned())]);
    }

    pub(super) fn plugin_swapped(&self, plugin: &str) {
        self.plugin_swapped
            .add(1, &[KeyValue::new(names::TYPE, plugin.to_owned())]);
    }

    pub(super) fn task_restarted(&self, task: &str) {
        self.task_restarts
            .add(1, &[KeyValue::new(names::TASK, task.to_owned())]);
    }

    pub(super) fn panicked(&self) {
        self.panics.add(1, &[]);
    }
}

/// The breaker of a plugin's checks of a target, as the owner of its series: no name has a line break.
pub(super) fn circuit(target: &str, plugin: &str) -> String {
    format!("{target}\n{plugin}")
}

/// A state as a label: `half-open` is `half_open` there, as in OpenTelemetry's conventions for states.
fn label(state: &str) -> String {
    state.replace('-', "_")
}

fn circuit_attributes(target: &str, plugin: &str) -> [KeyValue; 2] {
    [
        KeyValue::new(names::TARGET, target.to_owned()),
        KeyValue::new(names::TYPE, plugin.to_owned()),
    ]
}

/// Sets the series of one state to 1 and those of the others to 0.
fn one_of(
    series: &Series<u64>,
    owner: &str,
    base: &[KeyValue],
    attribute: &'static str,
    states: &[&'static str],
    state: &str,
) {
    for each in states {
        let attributes: Vec<KeyValue> = base
            .iter()
            .cloned()
            .chain([KeyValue::new(attribute, *each)])
            .collect();
        series.set(owner, &attributes, u64::from(*each == state));
    }
}

fn sync_counter(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
) -> Counter<u64> {
    meter
        .u64_counter(name)
        .with_unit(unit)
        .with_description(description)
        .build()
}

fn active_runs(meter: &Meter) -> Arc<AtomicI64> {
    let active = Arc::<AtomicI64>::default();
    let shown = Arc::clone(&active);
    let _shown_by_the_sdk = meter
        .i64_observable_up_down_counter(names::METRIC_ACTIVE_RUNS)
        .with_unit("{run}")
        .with_description("Runs under way.")
        .with_callback(move |observer| observer.observe(shown.load(Ordering::Relaxed), &[]))
        .build();
    active
}
