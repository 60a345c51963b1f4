//! Every metric there is: name, kind, unit, attributes, description. A contract with whoever builds dashboards and
//! alerts on them; `docs/metrics.md` says the same for people, which a test holds it to. What plugins measure is made
//! in `measurements`.
//!
//! Addresses of targets and messages are nowhere among the attributes: a check is named by its name.

use std::borrow::Cow;

use super::super::names::{
    CACHE, CHECK, CHECK_STATE, CIRCUIT_STATE, CPU_MODE, DENIAL, ERROR_TYPE, EXPORT_OUTCOME, FAULT_INJECTED,
    METRIC, METRIC_MEASUREMENT_PREFIX, OUTCOME, PHASE, RETRIED, SIGNAL, TASK, TYPE,
};
use super::super::statistics::DURATION_BOUNDS;

/// Series of an instrument: 100,000 checks, or the phases of 10,000 with 5 phases and two outcomes.
pub(in crate::telemetry) const OF_CHECKS: usize = 100_000;
/// The same where a check has a series for each of its states, of which there are four at most.
const OF_STATES: usize = 4 * OF_CHECKS;
/// Series of an instrument that is of no check: what OpenTelemetry's SDKs allow.
const OF_RUNNER: usize = 2_000;

/// What a metric is.
#[derive(Debug, Clone)]
pub(in crate::telemetry) struct Definition {
    /// Its name for OpenTelemetry.
    pub(in crate::telemetry) name: Cow<'static, str>,
    /// What its values are.
    pub(in crate::telemetry) kind: Kind,
    /// In UCUM's codes.
    pub(in crate::telemetry) unit: Cow<'static, str>,
    /// Every attribute that it can have.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "documentation and tests are held to it")
    )]
    pub(in crate::telemetry) attributes: &'static [&'static str],
    /// How many series it has at most; what is over is added up in one more.
    pub(in crate::telemetry) limit: usize,
    /// A sentence.
    pub(in crate::telemetry) description: &'static str,
}

/// What the values of a metric are. All are cumulative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::telemetry) enum Kind {
    /// It only rises.
    Counter,
    /// A sum that rises and falls.
    UpDownCounter,
    /// The last of its values.
    Gauge,
    /// Values in buckets with these upper bounds, and one more without.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word of the documentation.
    #[cfg(test)]
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Definition {
    const fn new(
        name: &'static str,
        kind: Kind,
        unit: &'static str,
        attributes: &'static [&'static str],
        limit: usize,
        description: &'static str,
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind,
            unit: Cow::Borrowed(unit),
            attributes,
            limit,
            description,
        }
    }

    /// Whether it is what a plugin measures.
    pub(in crate::telemetry) fn is_of_plugin(&self) -> bool {
        self.name.starts_with(METRIC_MEASUREMENT_PREFIX)
    }

    /// The upper bounds of its buckets, if it has any.
    pub(in crate::telemetry) fn bounds(&self) -> &'static [f64] {
        match self.kind {
            Kind::Histogram(bounds) => bounds,
            Kind::Counter | Kind::UpDownCounter | Kind::Gauge => &[],
        }
    }
}

/// Declares the metrics, and the list of them.
macro_rules! catalogue {
    ($($(#[$documentation:meta])* $constant:ident: $kind:expr, $name:literal, $unit:literal,
        [$($attribute:expr),*], $limit:expr, $description:literal;)*) => {
        $($(#[$documentation])* pub(in crate::telemetry) static $constant: Definition =
            Definition::new($name, $kind, $unit, &[$($attribute),*], $limit, $description);)*

        /// All of them.
        #[cfg(test)]
        pub(in crate::telemetry) static ALL: &[&Definition] = &[$(&$constant),*];
    };
}

/// From a connection on the same host to a check that gives up after a minute.
const RUNS_TAKE: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Finer at the low end: a phase is a part of a run.
const PHASES_TAKE: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Where a deadline becomes tight.
const SHARES: &[f64] = &[0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];
/// From a run that begins when it is due to one that waits for a whole interval.
const DELAYS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0,
];
/// From a plugin that only waits for its target, by way of the 2e9 that a run has without a setting, to an interpreter.
const FUEL: &[f64] = &[1e5, 1e6, 1e7, 1e8, 5e8, 1e9, 2e9, 1e10];
/// Powers of two from 1 MiB to 512 MiB; 64 MiB is what a run has without a setting.
const MEMORY: &[f64] = &[
    1_048_576.0,
    2_097_152.0,
    4_194_304.0,
    8_388_608.0,
    16_777_216.0,
    33_554_432.0,
    67_108_864.0,
    134_217_728.0,
    268_435_456.0,
    536_870_912.0,
];
/// From a small plugin that was compiled before to an interpreter that was not.
const LOADS_TAKE: &[f64] = &[
    0.001, 0.0025, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
catalogue! {
    /// Runs by outcome.
    RUNS: Kind::Counter, "synthetic.check.runs", "{run}",
        [CHECK, TYPE, OUTCOME, ERROR_TYPE, RETRIED, FAULT_INJECTED], OF_CHECKS, "Runs of checks, by outcome.";
    /// The duration of runs.
    DURATION: Kind::Histogram(RUNS_TAKE), "synthetic.check.duration", "s",
        [CHECK, TYPE, OUTCOME, FAULT_INJECTED], OF_CHECKS, "How long runs took, all attempts together.";
    /// The duration of phases that were reached.
    PHASE_DURATION: Kind::Histogram(PHASES_TAKE), "synthetic.check.phase.duration", "s",
        [CHECK, TYPE, PHASE, OUTCOME, FAULT_INJECTED], OF_CHECKS,
        "How long phases took; those never reached are not in it.";
    /// Attempts by outcome.
    ATTEMPTS: Kind::Counter, "synthetic.check.attempts", "{attempt}",
        [CHECK, TYPE, OUTCOME, ERROR_TYPE, FAULT_INJECTED], OF_CHECKS, "Attempts of runs, by outcome.";
    /// 1 after a pass, 0 after a fail; an error or a skipped run says nothing about the target.
    UP: Kind::Gauge, "synthetic.check.up", "{check}",
        [CHECK, TYPE, FAULT_INJECTED], OF_CHECKS,
        "1 after a pass, 0 after a fail; left as it was by errors and skipped runs.";
    /// When a run last ended with an outcome, since 1970.
    LAST_RUN: Kind::Gauge, "synthetic.check.last_run.time", "s",
        [CHECK, TYPE, OUTCOME, FAULT_INJECTED], OF_CHECKS, "When a run last ended, by outcome.";
    /// A run's duration as a share of its deadline.
    DEADLINE_UTILIZATION: Kind::Histogram(SHARES), "synthetic.check.deadline.utilization", "1",
        [CHECK, TYPE, FAULT_INJECTED], OF_CHECKS, "The share of its deadline that a run took.";
    /// Calls that a missing grant or capability refused.
    DENIED_CALLS: Kind::Counter, "synthetic.check.denied_calls", "{call}",
        [CHECK, TYPE, DENIAL, FAULT_INJECTED], OF_CHECKS,
        "Calls that a missing grant or capability refused, by the reason.";
    /// What is left of the server certificate's validity, negative after its end.
    CERTIFICATE_TIME_LEFT: Kind::Gauge, "synthetic.check.tls.certificate.time_left", "s",
        [CHECK, TYPE, FAULT_INJECTED], OF_CHECKS, "Until the server's certificate expires.";
    /// Retries that a retry budget did not allow.
    RETRIES_DENIED: Kind::Counter, "synthetic.check.retries_denied", "{retry}",
        [CHECK, TYPE, FAULT_INJECTED], OF_CHECKS, "Retries that were due and not made, such as for a spent retry budget.";
    /// 1 for the state that a check is in, 0 for the others.
    CHECK_STATES: Kind::Gauge, "synthetic.check.state", "{check}",
        [CHECK, TYPE, CHECK_STATE], OF_STATES, "1 for the state that the check is in, 0 for the others.";
    /// 1 for the state that a check's breaker is in, 0 for the others.
    CIRCUIT_STATES: Kind::Gauge, "synthetic.check.circuit.state", "{circuit}",
        [CHECK, TYPE, CIRCUIT_STATE], OF_STATES, "1 for the state that the check's breaker is in, 0 for the others.";
    /// Changes of a breaker into a state, each of the check whose run brought it about.
    CIRCUIT_TRANSITIONS: Kind::Counter, "synthetic.check.circuit.transitions", "{transition}",
        [CHECK, TYPE, CIRCUIT_STATE], OF_STATES,
        "Changes of a breaker's state, of the check whose run brought them about.";
    /// How late runs began.
    SCHEDULE_DELAY: Kind::Histogram(DELAYS), "synthetic.runner.schedule.delay", "s",
        [], OF_RUNNER, "How late runs began.";
    /// Runs whose time passed without them.
    SCHEDULE_MISSED: Kind::Counter, "synthetic.runner.schedule.missed", "{run}",
        [], OF_RUNNER, "Runs whose time passed without them, because the process stood still or under overload.";
    /// Runs under way.
    ACTIVE_RUNS: Kind::UpDownCounter, "synthetic.runner.runs.active", "{run}",
        [], OF_RUNNER, "Runs under way.";
    /// How many runs there can be at once: the slots of the pool of sandboxes.
    MOST_RUNS: Kind::UpDownCounter, "synthetic.runner.runs.limit", "{run}",
        [], OF_RUNNER, "How many runs there can be at once.";
    /// Runs that are due and wait for a slot.
    QUEUE_SIZE: Kind::UpDownCounter, "synthetic.runner.queue.size", "{run}",
        [], OF_RUNNER, "Runs that are due and wait for a slot.";
    /// 1 when the last load of the configuration was taken, else 0.
    RELOAD_SUCCESS: Kind::Gauge, "synthetic.runner.config.last_reload.success", "",
        [], OF_RUNNER, "1 when the last reload was taken, 0 when it was refused.";
    /// When the last one that was taken happened, since 1970.
    RELOAD_TIME: Kind::Gauge, "synthetic.runner.config.last_reload.time", "s",
        [], OF_RUNNER, "When the last reload that was taken happened, since 1970.";
    /// Plugin files that were refused.
    PLUGIN_REFUSED: Kind::Counter, "synthetic.runner.plugin.refused", "{plugin}",
        [TYPE], OF_RUNNER, "Plugin files that were refused while serving.";
    /// Plugins that were replaced.
    PLUGIN_SWAPPED: Kind::Counter, "synthetic.runner.plugin.swapped", "{plugin}",
        [TYPE], OF_RUNNER, "Plugins that were replaced while serving.";
    /// How long it took to make a plugin ready to run.
    PLUGIN_COMPILE_DURATION: Kind::Histogram(LOADS_TAKE), "synthetic.runner.plugin.compile.duration", "s",
        [TYPE, CACHE], OF_RUNNER, "How long plugins took to load, by whether they had been compiled before.";
    /// The fuel of runs.
    PLUGIN_FUEL: Kind::Histogram(FUEL), "synthetic.runner.plugin.fuel.used", "{fuel}",
        [TYPE], OF_RUNNER, "The fuel that runs used.";
    /// The memory of runs.
    PLUGIN_MEMORY: Kind::Histogram(MEMORY), "synthetic.runner.plugin.memory.peak", "By",
        [TYPE], OF_RUNNER, "The most memory that runs had.";
    /// Runs that ended by a fault of their plugin.
    PLUGIN_TRAPS: Kind::Counter, "synthetic.runner.plugin.traps", "{run}",
        [TYPE, ERROR_TYPE], OF_RUNNER, "Runs that ended by a fault of their plugin: traps, exhausted fuel or memory.";
    /// Calls that were refused, by plugin.
    CAPABILITY_DENIED: Kind::Counter, "synthetic.runner.capability.denied", "{call}",
        [TYPE, DENIAL], OF_RUNNER, "Calls of plugins that a missing grant or capability refused.";
    /// Tasks that were started again.
    TASK_RESTARTS: Kind::Counter, "synthetic.runner.task.restarts", "{restart}",
        [TASK], OF_RUNNER, "Tasks that died or hung and were started again.";
    /// Panics.
    PANICS: Kind::Counter, "synthetic.runner.panics", "{panic}", [], OF_RUNNER, "Panics.";
    /// How many series there are.
    METRICS_SERIES: Kind::UpDownCounter, "synthetic.runner.metrics.series", "{series}",
        [], OF_RUNNER, "Series of all metrics together.";
    /// What came in for series over the limit.
    METRICS_OVERFLOWED: Kind::Counter, "synthetic.runner.metrics.overflowed", "{value}",
        [METRIC], OF_RUNNER, "Values that were added up under otel.metric.overflow, because a metric has too many series.";
    /// What was no number.
    METRICS_REFUSED: Kind::Counter, "synthetic.runner.metrics.refused", "{value}",
        [METRIC], OF_RUNNER, "Values that no metric can take: infinite, not a number, or negative in a histogram.";
    /// Requests to the collector.
    EXPORTS: Kind::Counter, "synthetic.runner.telemetry.exports", "{export}",
        [SIGNAL, EXPORT_OUTCOME], OF_RUNNER, "Requests to the collector, by how it answered.";
    /// How long they took.
    EXPORT_DURATION: Kind::Histogram(&DURATION_BOUNDS), "synthetic.runner.telemetry.export.duration", "s",
        [SIGNAL], OF_RUNNER, "How long requests to the collector took, answered or not.";
    /// What it took and threw away.
    REJECTED: Kind::Counter, "synthetic.runner.telemetry.rejected", "{item}",
        [SIGNAL], OF_RUNNER, "Spans, log records or points that the collector rejected of requests which it took.";
    /// What it did not take.
    REFUSED: Kind::Counter, "synthetic.runner.telemetry.refused", "{report}",
        [SIGNAL], OF_RUNNER, "Reports that the collector refused for good; they stay in the journal.";
    /// What it may have twice.
    UNCONFIRMED: Kind::Counter, "synthetic.runner.telemetry.unconfirmed", "{report}",
        [SIGNAL], OF_RUNNER, "Reports that were sent, had no answer and were sent again: the collector may have them twice.";
    /// When something last was.
    LAST_SUCCESS: Kind::Gauge, "synthetic.runner.telemetry.last_success.time", "s",
        [SIGNAL], OF_RUNNER, "When the collector last took something, since 1970.";
    /// What waits to be delivered.
    SPOOLED: Kind::UpDownCounter, "synthetic.runner.telemetry.spooled", "{report}",
        [SIGNAL], OF_RUNNER, "Reports that wait to be delivered to the collector.";
    /// How long the oldest of it has been waiting.
    SPOOL_AGE: Kind::Gauge, "synthetic.runner.telemetry.spool.age", "s",
        [SIGNAL], OF_RUNNER, "How old the oldest report is that waits to be delivered.";
    /// What was gone before it could be.
    DROPPED: Kind::Counter, "synthetic.runner.telemetry.dropped", "{report}",
        [SIGNAL], OF_RUNNER, "Reports that were gone before they could be delivered.";
    /// The journal's size.
    JOURNAL_SIZE: Kind::UpDownCounter, "synthetic.runner.journal.size", "By",
        [], OF_RUNNER, "How much the journal takes on disk.";
    /// Its files.
    JOURNAL_SEGMENTS: Kind::UpDownCounter, "synthetic.runner.journal.segments", "{segment}",
        [], OF_RUNNER, "Files of the journal.";
    /// What waits to be written.
    JOURNAL_UNWRITTEN: Kind::UpDownCounter, "synthetic.runner.journal.unwritten", "{report}",
        [], OF_RUNNER, "Reports that wait to be written to the journal.";
    /// How long the oldest of it has been waiting.
    JOURNAL_LAG: Kind::Gauge, "synthetic.runner.journal.lag", "s",
        [], OF_RUNNER, "How long the oldest report has been waiting to be written to the journal.";
    /// Failures of the disk.
    JOURNAL_ERRORS: Kind::Counter, "synthetic.runner.journal.errors", "{error}",
        [], OF_RUNNER, "Times that the journal could not be written.";
    /// What will never be on disk.
    JOURNAL_LOST: Kind::Counter, "synthetic.runner.journal.lost", "{report}",
        [], OF_RUNNER, "Reports that will never be in the journal, because too many waited.";
    /// When the process began. Prometheus' own name, once translated.
    PROCESS_START: Kind::Gauge, "process.start_time", "s",
        [], OF_RUNNER, "When the process began, since 1970.";
    /// Processor time. OpenTelemetry's own name, as the following.
    PROCESS_CPU: Kind::Counter, "process.cpu.time", "s", [CPU_MODE], OF_RUNNER, "Processor time, by mode.";
    /// Resident memory.
    PROCESS_MEMORY: Kind::UpDownCounter, "process.memory.usage", "By", [], OF_RUNNER, "Resident memory.";
    /// Open file descriptors.
    PROCESS_FILES: Kind::UpDownCounter, "process.open_file_descriptor.count", "{file_descriptor}",
        [], OF_RUNNER, "Open file descriptors.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn documentation() -> String {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        std::fs::read_to_string(file).unwrap()
    }

    /// The row of a table whose first cell has this in backticks.
    fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        // Another table has the bounds of histograms.
        let start = format!("| `{name}` | ");
        let rows = text.lines().filter(|line| {
            let rest = line.strip_prefix(&start);
            rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()))
        });
        let rows: Vec<&str> = rows.collect();
        assert_eq!(rows.len(), 1, "rows of `{name}`: {rows:?}");
        rows[0].split('|').map(str::trim).collect()
    }

    #[test]
    fn every_metric_is_documented_as_it_is() {
        let text = documentation();
        for metric in ALL {
            let cells = row(&text, &metric.name);
            let unit = match &*metric.unit {
                "" => String::new(),
                unit => format!("`{unit}`"),
            };
            assert_eq!(cells[2..4], [metric.kind.as_str(), &unit], "{}", metric.name);
            let attributes: HashSet<&str> = cells[4].split('`').skip(1).step_by(2).collect();
            let common = [CHECK, TYPE, FAULT_INJECTED];
            let is_of_check = metric.attributes.contains(&CHECK);
            let own = metric.attributes.iter().copied();
            let own: HashSet<&str> = own
                .filter(|name| !is_of_check || !common.contains(name))
                .collect();
            assert_eq!(attributes, own, "{}", metric.name);
        }
    }

    #[test]
    fn every_metric_of_the_documentation_exists() {
        let text = documentation();
        let names: HashSet<&str> = ALL.iter().map(|metric| &*metric.name).collect();
        let documented = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            let kinds = ["counter", "up-down counter", "gauge", "histogram"];
            kinds.contains(&rest.split(" |").next()?).then_some(name)
        });
        let others: Vec<&str> = documented.filter(|name| !names.contains(name)).collect();
        assert_eq!(others, ["synthetic.check.measurement.NAME"]);
    }

    #[test]
    fn the_bounds_of_histograms_are_documented() {
        let text = documentation();
        for metric in ALL {
            let Kind::Histogram(bounds) = metric.kind else {
                continue;
            };
            let bounds: Vec<String> = bounds.iter().map(f64::to_string).collect();
            let wanted = format!("| `{}` | {} |", metric.name, bounds.join(", "));
            assert!(text.contains(&wanted), "{wanted}");
        }
    }

    #[test]
    fn names_are_distinct_and_bounds_rise() {
        let names: HashSet<_> = ALL.iter().map(|metric| &metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert!(metric.bounds().is_sorted_by(|a, b| a < b), "{}", metric.name);
        }
    }
}
