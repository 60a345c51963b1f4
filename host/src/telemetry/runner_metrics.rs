//! What the runner counts about its checks between runs, about its plugins and about itself: breakers, states, the
//! schedule, reloads, tasks, and the metrics themselves. What a report says of its check does not live here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;

use super::metrics::{Instrument, Owner, Registry, Value, catalogue};
use super::names;
use super::process::seconds_since_1970;
use crate::outcome::{Blame, Outcome, Report};

/// The states of a breaker, each a series.
const CIRCUIT_STATES: [&str; 3] = ["closed", "open", "half_open"];
/// The states of a check, each a series.
const CHECK_STATES: [&str; 4] = ["unknown", "passing", "warning", "failing"];

/// The instruments.
#[derive(Debug)]
pub(super) struct RunnerMetrics {
    check_states: Arc<Instrument>,
    circuit_states: Arc<Instrument>,
    circuit_transitions: Arc<Instrument>,
    delay: Arc<Instrument>,
    missed: Arc<Instrument>,
    active: Arc<Instrument>,
    most_runs: Arc<Instrument>,
    queue: Arc<Instrument>,
    reload_success: Arc<Instrument>,
    reload_time: Arc<Instrument>,
    plugin_refused: Arc<Instrument>,
    plugin_swapped: Arc<Instrument>,
    compile_duration: Arc<Instrument>,
    fuel: Arc<Instrument>,
    memory: Arc<Instrument>,
    traps: Arc<Instrument>,
    denied: Arc<Instrument>,
    task_restarts: Arc<Instrument>,
    panics: Arc<Instrument>,
    nobody: Owner,
}

impl RunnerMetrics {
    /// Of a runner that began then, in nanoseconds since 1970.
    pub(super) fn new(registry: &Arc<Registry>, began: u64) -> Self {
        let metrics = Self {
            check_states: registry.make(&catalogue::CHECK_STATES),
            circuit_states: registry.make(&catalogue::CIRCUIT_STATES),
            circuit_transitions: registry.make(&catalogue::CIRCUIT_TRANSITIONS),
            delay: registry.make(&catalogue::SCHEDULE_DELAY),
            missed: registry.make(&catalogue::SCHEDULE_MISSED),
            active: registry.make(&catalogue::ACTIVE_RUNS),
            most_runs: registry.make(&catalogue::MOST_RUNS),
            queue: registry.make(&catalogue::QUEUE_SIZE),
            reload_success: registry.make(&catalogue::RELOAD_SUCCESS),
            reload_time: registry.make(&catalogue::RELOAD_TIME),
            plugin_refused: registry.make(&catalogue::PLUGIN_REFUSED),
            plugin_swapped: registry.make(&catalogue::PLUGIN_SWAPPED),
            compile_duration: registry.make(&catalogue::PLUGIN_COMPILE_DURATION),
            fuel: registry.make(&catalogue::PLUGIN_FUEL),
            memory: registry.make(&catalogue::PLUGIN_MEMORY),
            traps: registry.make(&catalogue::PLUGIN_TRAPS),
            denied: registry.make(&catalogue::CAPABILITY_DENIED),
            task_restarts: registry.make(&catalogue::TASK_RESTARTS),
            panics: registry.make(&catalogue::PANICS),
            nobody: Owner::nobody(began),
        };
        for instrument in metrics.of_checks() {
            instrument.starts_anew(began);
        }
        // Zero is a value too: an alert on a rise needs something to rise from.
        metrics.missed(0);
        metrics.panics.add(&metrics.nobody, &[], 0);
        metrics.active(0);
        metrics.queue(0);
        observe_registry(registry, began);
        metrics
    }

    /// Those of checks. No report adds to them, so that they do not go on after a restart as these checks do.
    fn of_checks(&self) -> [&Arc<Instrument>; 3] {
        [
            &self.check_states,
            &self.circuit_states,
            &self.circuit_transitions,
        ]
    }

    /// Those that reports add to, and that go on after a restart.
    pub(super) fn of_reports(&self) -> [&Arc<Instrument>; 5] {
        [&self.delay, &self.fuel, &self.memory, &self.traps, &self.denied]
    }

    /// Forgets other checks.
    pub(super) fn forget(&self, keep: &dyn Fn(&str) -> bool) {
        for instrument in self.of_checks() {
            instrument.retain(keep);
        }
    }

    /// Adds what a report says of the runner and of its plugin.
    pub(super) fn record(&self, report: &Report) {
        if report.outcome == Outcome::Skipped {
            return;
        }
        let plugin = KeyValue::new(names::TYPE, report.plugin.name.clone());
        let by_plugin = std::slice::from_ref(&plugin);
        let usage = &report.usage;
        self.delay
            .record(&self.nobody, &[], report.lag.as_secs_f64(), None);
        self.fuel
            .record(&self.nobody, by_plugin, number(usage.fuel), None);
        self.memory
            .record(&self.nobody, by_plugin, number(usage.memory_bytes), None);
        for (denial, count) in usage.denied_calls.iter() {
            let own = [plugin.clone(), KeyValue::new(names::DENIAL, denial.as_str())];
            self.denied.add(&self.nobody, &own, count);
        }
        if let (Some(Blame::Plugin), Some(error)) = (report.blame, &report.error) {
            let error_type = KeyValue::new(names::ERROR_TYPE, error.error_type.as_str().to_owned());
            self.traps.add(&self.nobody, &[plugin.clone(), error_type], 1);
        }
    }

    pub(super) fn check_state(&self, check: &Owner, state: &str) {
        one_of(
            &self.check_states,
            check,
            names::CHECK_STATE,
            &CHECK_STATES,
            state,
        );
    }

    pub(super) fn circuit_state(&self, check: &Owner, state: &str) {
        let state = label(state);
        one_of(
            &self.circuit_states,
            check,
            names::CIRCUIT_STATE,
            &CIRCUIT_STATES,
            &state,
        );
    }

    pub(super) fn without_circuit(&self, check: &Owner) {
        self.circuit_states.forget(check);
    }

    pub(super) fn circuit_transition(&self, check: &Owner, state: &str) {
        let state = KeyValue::new(names::CIRCUIT_STATE, label(state));
        self.circuit_transitions.add(check, &[state], 1);
    }

    pub(super) fn missed(&self, runs: u64) {
        self.missed.add(&self.nobody, &[], runs);
    }

    pub(super) fn active(&self, runs: usize) {
        self.active.set(&self.nobody, &[], whole(runs));
    }

    pub(super) fn most_runs(&self, runs: usize) {
        self.most_runs.set(&self.nobody, &[], whole(runs));
    }

    pub(super) fn queue(&self, runs: usize) {
        self.queue.set(&self.nobody, &[], whole(runs));
    }

    pub(super) fn reloaded(&self, is_success: bool) {
        let success = Value::Whole(i64::from(is_success));
        self.reload_success.set(&self.nobody, &[], success);
        if is_success {
            let now = Value::Real(seconds_since_1970(SystemTime::now()));
            self.reload_time.set(&self.nobody, &[], now);
        }
    }

    pub(super) fn plugin_refused(&self, plugin: &str) {
        let plugin = KeyValue::new(names::TYPE, plugin.to_owned());
        self.plugin_refused.add(&self.nobody, &[plugin], 1);
    }

    pub(super) fn plugin_swapped(&self, plugin: &str) {
        let plugin = KeyValue::new(names::TYPE, plugin.to_owned());
        self.plugin_swapped.add(&self.nobody, &[plugin], 1);
    }

    pub(super) fn plugin_compiled(&self, plugin: &str, took: Duration, was_kept: bool) {
        let own = [
            KeyValue::new(names::TYPE, plugin.to_owned()),
            KeyValue::new(names::CACHE, if was_kept { "hit" } else { "miss" }),
        ];
        self.compile_duration
            .record(&self.nobody, &own, took.as_secs_f64(), None);
    }

    pub(super) fn task_restarted(&self, task: &str) {
        let task = KeyValue::new(names::TASK, task.to_owned());
        self.task_restarts.add(&self.nobody, &[task], 1);
    }

    pub(super) fn panicked(&self) {
        self.panics.add(&self.nobody, &[], 1);
    }
}

/// What the metrics say of themselves. A value over the limit is counted by the name of its metric.
fn observe_registry(registry: &Arc<Registry>, began: u64) {
    let series = registry.make(&catalogue::METRICS_SERIES);
    let overflowed = registry.make(&catalogue::METRICS_OVERFLOWED);
    let refused = registry.make(&catalogue::METRICS_REFUSED);
    let (nobody, observed) = (Owner::nobody(began), Arc::downgrade(registry));
    registry.observe(move || {
        let instruments = observed.upgrade().map(|registry| registry.instruments());
        let instruments = instruments.unwrap_or_default();
        let held = instruments.iter().map(|instrument| instrument.held()).sum();
        series.set(&nobody, &[], whole(held));
        for instrument in &instruments {
            let name = KeyValue::new(names::METRIC, instrument.definition().name.clone());
            for (counter, count) in [
                (&overflowed, instrument.overflowed()),
                (&refused, instrument.refused()),
            ] {
                if count > 0 {
                    let count = Value::Whole(i64::try_from(count).unwrap_or(i64::MAX));
                    counter.set(&nobody, std::slice::from_ref(&name), count);
                }
            }
        }
    });
}

/// A state as a label: `half-open` is `half_open` there, as in OpenTelemetry's conventions for states.
fn label(state: &str) -> String {
    state.replace('-', "_")
}

/// Sets the series of one state to 1 and those of the others to 0.
fn one_of(
    instrument: &Instrument,
    owner: &Owner,
    attribute: &'static str,
    states: &[&'static str],
    state: &str,
) {
    for each in states {
        let is_it = Value::Whole(i64::from(*each == state));
        instrument.set(owner, &[KeyValue::new(attribute, *each)], is_it);
    }
}

fn whole(count: usize) -> Value {
    Value::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "a bucket is found all the same")]
fn number(count: u64) -> f64 {
    count as f64
}
