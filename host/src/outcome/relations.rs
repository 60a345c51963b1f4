//! How a run stands to other runs, each of which has a trace of its own. Pure.

use serde::{Deserialize, Serialize};

use super::{RunId, TraceId};

/// Another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReference {
    /// Its id, that of its root span as well.
    pub run_id: RunId,
    /// The trace that it is exported as.
    pub trace_id: TraceId,
}

/// How a run stands to others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{DeniedCall, Report};
    use crate::render::samples;

    #[test]
    fn what_a_run_has_to_do_with_others_is_read_back_and_absent_where_it_is_nothing() {
        let alone = serde_json::to_value(samples::pass()).unwrap();
        assert!(alone.get("relations").is_none() && alone.get("denials").is_none());
        let run = RunReference {
            run_id: RunId([1; 8]),
            trace_id: TraceId([2; 16]),
        };
        let report = Report {
            relations: Relations {
                opened_by: Some(run),
                state_change: Some(StateChange {
                    from: "passing".to_owned(),
                    to: "failing".to_owned(),
                    previous: Some(run),
                }),
            },
            denials: vec![DeniedCall {
                denial: "net.tls".into(),
                phase: Some("tls".to_owned()),
                detail: None,
                at: std::time::Duration::from_micros(7),
            }],
            ..samples::pass()
        };
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(written["relations"]["opened_by"]["run_id"], "0101010101010101");
        assert_eq!(written["denials"][0]["at_s"], 0.000_007);
        assert_eq!(serde_json::from_value::<Report>(written).unwrap(), report);
    }
}
