//! How a run ended: outcome, blame, error types, the finished report. Pure.

mod attributes;
mod denial;
mod error_type;
mod identity;
mod read;
mod relations;
mod report;

pub use attributes::{AttributeValue, Attributes};
pub use denial::{Denial, DeniedCall, DeniedCalls};
pub use error_type::{Blame, DeadlineWhile, ErrorType, MAX_OWN_TYPE, Outcome};
pub use identity::{SpanPlace, derived_span_id, trace_parent};
pub use relations::{Relations, RunReference, StateChange};
pub use report::{
    Attempt, CircuitChange, DeadlineHit, ErrorReport, InjectedFault, LogLevel, LogLine, Measurement,
    PhaseReport, PluginIdentity, Report, ReportedThresholds, RunId, TraceId, Usage, Word, hexadecimal,
};
