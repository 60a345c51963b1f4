//! How a run ended: outcome, blame, error types, the finished report. Pure.

mod denial;
mod error_type;
mod read;
mod report;

pub use denial::{Denial, DeniedCalls};
pub use error_type::{Blame, DeadlineWhile, ErrorType, Outcome};
pub use report::{
    Attempt, AttributeValue, Attributes, CircuitChange, DeadlineHit, ErrorReport, InjectedFault, LogLevel,
    LogLine, Measurement, PhaseReport, PluginIdentity, Report, ReportedThresholds, RunId, TraceId, Usage,
    Word, hexadecimal,
};
