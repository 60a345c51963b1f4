//! Report → spans and metrics → OTLP; the only place that knows OpenTelemetry. It takes finished
//! reports and can fail without effect on them. How reports come to be does not live here.
//!
//! A run is one trace: a root span, a span for each attempt, a span for each phase that was reached.
//! Neither the SDK's batch processor nor its exporters are used: they drop spans on bursts and hide what a
//! collector answered. Spans are built from the finished report with identities that follow from it, so that
//! exporting a report again yields the same spans. What waits for a collector waits in the journal.
//!
//! Metrics are cumulative, so that a collector that was away for a while misses nothing but
//! resolution. Their attributes are of low cardinality: check, plugin, outcome, phase, error type. A process
//! that serves has [`Meters`], which it exports, shows as text, or both.

mod check_metrics;
mod checks;
mod configured;
mod delivery;
mod delivery_metrics;
mod environment;
mod exporter;
pub(crate) mod exposition;
mod logs;
mod machine;
mod measurements;
mod meters;
mod metrics;
mod names;
mod observer;
mod otlp;
mod process;
mod requests;
mod resource;
mod runner_metrics;
mod settings;
mod spans;
#[cfg(test)]
mod specimen;
mod statistics;
#[cfg(test)]
pub(crate) mod strict;
mod values;
mod wire;

pub use delivery::{AgainError, Sent, export_again};
pub use exporter::{Exporter, FLUSH_BOUND};
pub use exposition::Exposition;
pub use meters::{CheckLabels, Meters};
pub use metrics::Histograms;
pub use otlp::StartError;
pub use resource::name_instance;
pub use settings::{Configured, Destination, Headers, Problem, Protocol, Settings};
pub use statistics::{DURATION_BOUNDS, ExportResult, SignalFigures, Statistics};
