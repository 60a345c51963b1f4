//! The promise: what a report says arrives in a real OpenTelemetry Collector, as one trace for each run and as
//! metrics with their units; by every way that OTLP offers; without a secret in it; and a collector that is away
//! changes nothing about a run, costs a bounded time, and is said on the standard error.

#[path = "telemetry/conformance.rs"]
mod conformance;
#[path = "telemetry/context.rs"]
mod context;
#[path = "telemetry/failures.rs"]
mod failures;
#[path = "telemetry/logs.rs"]
mod logs;
#[path = "telemetry/metrics.rs"]
mod metrics;
#[path = "telemetry/page.rs"]
mod page;
#[path = "telemetry/runs.rs"]
mod runs;
#[path = "telemetry/spans.rs"]
mod spans;
#[path = "telemetry/totals.rs"]
mod totals;
#[path = "telemetry/trace.rs"]
mod trace;
#[path = "telemetry/ways.rs"]
mod ways;
