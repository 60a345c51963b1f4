//! Report → spans and metrics → OTLP; the only place that knows OpenTelemetry. It takes finished
//! reports and can fail without effect on them. How reports come to be does not live here.
//!
//! A run is one trace: a root span, a span for each attempt, a span for each phase that was reached.
//! The SDK's batch processor is not used: it drops spans on bursts and hides failed exports. Spans are
//! built from the finished report with identities that follow from it, so that exporting a report
//! again yields the same spans, and the outcome of every export is known.
//!
//! Metrics are cumulative, so that a collector that was away for a while misses nothing but
//! resolution. Their attributes are of low cardinality: check, plugin, outcome, phase, error type. A process
//! that serves has [`Meters`], which it exports, shows as text, or both.

mod check_metrics;
mod checks;
mod configured;
mod delivery;
mod environment;
mod exporter;
pub(crate) mod exposition;
mod measurements;
mod meters;
mod metrics;
mod names;
mod otlp;
mod process;
mod queue;
mod resource;
mod runner_metrics;
mod settings;
mod spans;
#[cfg(test)]
mod specimen;
#[cfg(test)]
pub(crate) mod strict;

pub use exporter::{Exporter, FLUSH_BOUND};
pub use exposition::Exposition;
pub use meters::{CheckLabels, Meters};
pub use metrics::Histograms;
pub use otlp::StartError;
pub use settings::{ClientIdentity, Configured, Destination, Headers, Problem, Protocol, Settings};
