//! The names of attributes and events: a contract with whoever builds dashboards and alerts on them. Those of metrics
//! are in `metrics::catalogue`. `synthetic.*` is our namespace, because OpenTelemetry's conventions have none for checks.

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
/// Whether a plugin had been compiled before: `hit` or `miss`.
pub(super) const CACHE: &str = "synthetic.runner.cache";
/// The name of a metric of ours.
pub(super) const METRIC: &str = "synthetic.runner.metric";
/// `traces`, `logs` or `metrics`.
pub(super) const SIGNAL: &str = "synthetic.runner.telemetry.signal";
/// How a collector answered: `success`, `partial`, `retry`, `too_large` or `refused`.
pub(super) const EXPORT_OUTCOME: &str = "synthetic.runner.telemetry.outcome";
