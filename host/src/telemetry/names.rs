//! The names of metrics and attributes: a contract with whoever builds dashboards and alerts on them.
//! `synthetic.*` is our namespace, because OpenTelemetry's conventions have none for checks.

/// The check, by its name in the configuration.
pub(super) const CHECK: &str = "synthetic.check.name";
/// The plugin's name.
pub(super) const TYPE: &str = "synthetic.check.type";
/// `pass`, `fail`, `error` or `skipped`.
pub(super) const OUTCOME: &str = "synthetic.check.outcome";
/// `target`, `network`, `plugin`, `config` or `runner`; absent on pass.
pub(super) const BLAME: &str = "synthetic.check.blame";
/// One of the closed list; absent on pass. OpenTelemetry's own name.
pub(super) const ERROR_TYPE: &str = "error.type";
/// For people. OpenTelemetry's own name.
pub(super) const ERROR_MESSAGE: &str = "error.message";
/// Identifies the run.
pub(super) const RUN_ID: &str = "synthetic.check.run.id";
/// The time the run was given, in seconds.
pub(super) const DEADLINE: &str = "synthetic.check.deadline";
/// Whether the deadline cut the run short.
pub(super) const DEADLINE_EXCEEDED: &str = "synthetic.check.deadline.exceeded";
/// The phase in which the deadline was hit first.
pub(super) const DEADLINE_PHASE: &str = "synthetic.check.deadline.phase";
/// The host call in which it was.
pub(super) const DEADLINE_HOST_CALL: &str = "synthetic.check.deadline.host_call";
/// How long the run waited for a free slot, in seconds.
pub(super) const LAG: &str = "synthetic.check.lag";
/// How many attempts the run made.
pub(super) const ATTEMPTS: &str = "synthetic.check.attempts";
/// Which attempt, from 1.
pub(super) const ATTEMPT: &str = "synthetic.check.attempt";
/// `true` on a run that passed on a later attempt. Absent otherwise.
pub(super) const RETRIED: &str = "synthetic.check.retried";
/// Why the run was not tried again although it should have been. Absent otherwise.
pub(super) const RETRY_DENIED: &str = "synthetic.check.retry_denied";
/// What is not well with a run that passed. Absent when there is nothing.
pub(super) const WARNINGS: &str = "synthetic.check.warnings";
/// The plugin, as it describes itself.
pub(super) const PLUGIN_NAME: &str = "synthetic.check.plugin.name";
/// Its version.
pub(super) const PLUGIN_VERSION: &str = "synthetic.check.plugin.version";
/// SHA-256 of the component.
pub(super) const PLUGIN_DIGEST: &str = "synthetic.check.plugin.digest";
/// The phase's name.
pub(super) const PHASE: &str = "synthetic.check.phase";
/// How the phase ended.
pub(super) const PHASE_STATUS: &str = "synthetic.check.phase.status";
/// Which one, where several phases have the name.
pub(super) const PHASE_DETAIL: &str = "synthetic.check.phase.detail";
/// The phase's duration as a share of the deadline.
pub(super) const PHASE_BUDGET_SHARE: &str = "synthetic.check.phase.budget_share";
/// The phases of the last attempt that were never begun, as `name` or `name(detail)`.
pub(super) const PHASES_NOT_REACHED: &str = "synthetic.check.phases.not_reached";
/// Fuel used.
pub(super) const USAGE_FUEL: &str = "synthetic.check.usage.fuel";
/// The most memory the guest had, in bytes.
pub(super) const USAGE_MEMORY: &str = "synthetic.check.usage.memory";
/// Host calls made.
pub(super) const USAGE_HOST_CALLS: &str = "synthetic.check.usage.host_calls";
/// Bytes read from connections.
pub(super) const USAGE_BYTES_READ: &str = "synthetic.check.usage.bytes_read";
/// Bytes written to connections.
pub(super) const USAGE_BYTES_WRITTEN: &str = "synthetic.check.usage.bytes_written";
/// `true` on what a failure was injected into: runs and everything they count, attempts, phases. Absent
/// otherwise.
pub(super) const FAULT_INJECTED: &str = "synthetic.check.fault.injected";
/// The fault that was injected, in its canonical form.
pub(super) const FAULT: &str = "synthetic.check.fault";
/// The host call at which it was.
pub(super) const FAULT_HOST_CALL: &str = "synthetic.check.fault.host_call";
/// The event that marks an injected fault: of the phase's span, or of the root when no phase was open.
pub(super) const EVENT_FAULT_INJECTED: &str = "fault.injected";
/// Calls that a missing grant or capability refused.
pub(super) const USAGE_DENIED_CALLS: &str = "synthetic.check.usage.denied_calls";
/// The reasons for which calls were refused: `grant`, or the name of a capability.
pub(super) const DENIALS: &str = "synthetic.check.denials";
/// The reason for which a call was refused: `grant`, or the name of a capability.
pub(super) const DENIAL: &str = "synthetic.check.denial";
/// The event of the root span that marks the deadline.
pub(super) const EVENT_DEADLINE_HIT: &str = "deadline.hit";
/// Where connection phases keep the end of the server certificate's validity. OpenTelemetry's name.
pub(super) const CERTIFICATE_NOT_AFTER: &str = "tls.server.not_after";

/// Runs by outcome: counter, `{run}`.
pub(super) const METRIC_RUNS: &str = "synthetic.check.runs";
/// The duration of runs: histogram, `s`.
pub(super) const METRIC_DURATION: &str = "synthetic.check.duration";
/// The duration of phases that were reached: histogram, `s`.
pub(super) const METRIC_PHASE_DURATION: &str = "synthetic.check.phase.duration";
/// Attempts by outcome: counter, `{attempt}`.
pub(super) const METRIC_ATTEMPTS: &str = "synthetic.check.attempts";
/// 1 after a pass, 0 after a fail; an error or a skipped run says nothing about the target and leaves
/// it as it was: gauge, `{check}`.
pub(super) const METRIC_UP: &str = "synthetic.check.up";
/// When a run last ended with an outcome: gauge, `s` since 1970.
pub(super) const METRIC_LAST_RUN: &str = "synthetic.check.last_run.time";
/// A run's duration as a share of its deadline: histogram, `1`.
pub(super) const METRIC_DEADLINE_UTILIZATION: &str = "synthetic.check.deadline.utilization";
/// Calls that a missing grant or capability refused: counter, `{call}`.
pub(super) const METRIC_DENIED_CALLS: &str = "synthetic.check.denied_calls";
/// What is left of the server certificate's validity, negative after its end: gauge, `s`.
pub(super) const METRIC_CERTIFICATE_TIME_LEFT: &str = "synthetic.check.tls.certificate.time_left";
/// What plugins measure is a gauge of this and the measurement's name, in the measurement's unit.
pub(super) const METRIC_MEASUREMENT_PREFIX: &str = "synthetic.check.measurement.";
/// What a check's runs go to, `host:port`; checks of the same share a breaker and a retry budget.
pub(super) const TARGET: &str = "synthetic.check.target";
/// `unknown`, `passing`, `warning` or `failing`.
pub(super) const CHECK_STATE: &str = "synthetic.check.state";
/// `closed`, `open` or `half_open`.
pub(super) const CIRCUIT_STATE: &str = "synthetic.check.circuit.state";
/// The same, of the state before.
pub(super) const CIRCUIT_STATE_BEFORE: &str = "synthetic.check.circuit.state.before";
/// The state of the check before the run that changed it.
pub(super) const CHECK_STATE_BEFORE: &str = "synthetic.check.state.before";
/// The breaker of the run's target opened: from now on the target is left alone.
pub(super) const EVENT_CIRCUIT_OPENED: &str = "circuit.opened";
/// It went half-open: this run finds out whether the target is well.
pub(super) const EVENT_CIRCUIT_HALF_OPENED: &str = "circuit.half_opened";
/// It closed: the target is well.
pub(super) const EVENT_CIRCUIT_CLOSED: &str = "circuit.closed";
/// Another attempt is going to be made.
pub(super) const EVENT_RETRY_SCHEDULED: &str = "retry.scheduled";
/// A call was refused because a capability is missing.
pub(super) const EVENT_CAPABILITY_DENIED: &str = "capability.denied";
/// A call was refused because the check does not grant what it wanted to reach.
pub(super) const EVENT_GRANT_DENIED: &str = "grant.denied";
/// How long the run waits before an attempt, in seconds.
pub(super) const BACKOFF: &str = "synthetic.check.backoff";
/// Why a span links to another: `previous_attempt`, `opened_circuit` or `previous_state`.
pub(super) const LINK: &str = "synthetic.check.link";
/// Lines of the plugin's over the limit of a run that were not kept. Absent when there were none.
pub(super) const LOG_LINES_DROPPED: &str = "synthetic.check.log.dropped";
/// By which a log record is told from every other. OpenTelemetry's own name.
pub(super) const LOG_RECORD_UID: &str = "log.record.uid";
/// The log record of a run that failed.
pub(super) const EVENT_CHECK_FAILED: &str = "check.failed";
/// The log record that tells how many lines were left out.
pub(super) const EVENT_LOG_CUT: &str = "log.cut";
/// Spans over the limit of a run that were left out. Absent when there were none.
pub(super) const SPANS_DROPPED: &str = "synthetic.check.spans.dropped";
/// The name of a task of the runner.
pub(super) const TASK: &str = "synthetic.runner.task";
/// `user` or `system`. OpenTelemetry's own name.
pub(super) const CPU_MODE: &str = "cpu.mode";

/// 1 for the state that a check is in, 0 for the others: gauge, `{check}`.
pub(super) const METRIC_CHECK_STATE: &str = "synthetic.check.state";
/// 1 for the state that a breaker is in, 0 for the others: gauge, `{circuit}`.
pub(super) const METRIC_CIRCUIT_STATE: &str = "synthetic.check.circuit.state";
/// Changes of a breaker into a state: counter, `{transition}`.
pub(super) const METRIC_CIRCUIT_TRANSITIONS: &str = "synthetic.check.circuit.transitions";
/// Retries that a target's retry budget did not allow: counter, `{retry}`.
pub(super) const METRIC_RETRIES_DENIED: &str = "synthetic.check.retries_denied";
/// How late runs began: histogram, `s`.
pub(super) const METRIC_SCHEDULE_DELAY: &str = "synthetic.runner.schedule.delay";
/// Runs whose time passed without them: counter, `{run}`.
pub(super) const METRIC_SCHEDULE_MISSED: &str = "synthetic.runner.schedule.missed";
/// Runs under way: up-down counter, `{run}`.
pub(super) const METRIC_ACTIVE_RUNS: &str = "synthetic.runner.runs.active";
/// 1 when the last load of the configuration was taken, else 0: gauge.
pub(super) const METRIC_RELOAD_SUCCESS: &str = "synthetic.runner.config.last_reload.success";
/// When the last one that was taken happened: gauge, `s` since 1970.
pub(super) const METRIC_RELOAD_TIME: &str = "synthetic.runner.config.last_reload.time";
/// Plugin files that were refused: counter, `{plugin}`.
pub(super) const METRIC_PLUGIN_REFUSED: &str = "synthetic.runner.plugin.refused";
/// Plugins that were replaced: counter, `{plugin}`.
pub(super) const METRIC_PLUGIN_SWAPPED: &str = "synthetic.runner.plugin.swapped";
/// Tasks that were started again: counter, `{restart}`.
pub(super) const METRIC_TASK_RESTARTS: &str = "synthetic.runner.task.restarts";
/// Panics: counter, `{panic}`.
pub(super) const METRIC_PANICS: &str = "synthetic.runner.panics";
/// When the process began: gauge, `s` since 1970. Prometheus' own name, once translated.
pub(super) const METRIC_PROCESS_START: &str = "process.start_time";
/// Processor time: counter, `s`. OpenTelemetry's own name, as the following.
pub(super) const METRIC_PROCESS_CPU: &str = "process.cpu.time";
/// Resident memory: up-down counter, `By`.
pub(super) const METRIC_PROCESS_MEMORY: &str = "process.memory.usage";
/// Open file descriptors: up-down counter, `{file_descriptor}`.
pub(super) const METRIC_PROCESS_FILES: &str = "process.open_file_descriptor.count";
