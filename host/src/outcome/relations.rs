//! How a run stands to other runs, each of which has a trace of its own. Pure.

use serde::Serialize;

use super::{RunId, TraceId};

/// Another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RunReference {
    /// Its id, that of its root span as well.
    pub run_id: RunId,
    /// The trace that it is exported as.
    pub trace_id: TraceId,
}

/// How a run stands to others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Relations {
    /// The run that opened the breaker because of which this one was skipped, or which this one probes; absent where
    /// neither is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<RunReference>,
    /// How the state of its check changed with this run; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_change: Option<StateChange>,
}

/// A change of the state of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateChange {
    /// The state before: `unknown`, `passing`, `warning` or `failing`.
    pub from: String,
    /// The state since.
    pub to: String,
    /// The check's last run before this one that took place; absent where there was none since the check is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RunReference>,
}

impl Relations {
    /// Whether it stands alone.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
