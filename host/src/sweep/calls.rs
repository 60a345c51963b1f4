//! The host calls of a run, read from what was recorded of it. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fault::HostCall;
use crate::tape::{Answer, Entry};

/// One host call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Which.
    pub call: HostCall,
    /// The how manieth of this name, from 1.
    pub nth: u64,
    /// The plugin's phase that was open, and its detail.
    pub phase: Option<(String, Option<String>)>,
    /// Whether it was told that the stream had ended.
    pub ended_stream: bool,
    /// How many bytes it sent or received over a connection.
    pub moved: u64,
}

/// The host calls of an attempt, in order.
pub fn calls_of(entries: &[Entry]) -> Vec<Called> {
    let mut calls: Vec<Called> = Vec::new();
    let mut counts: BTreeMap<HostCall, u64> = BTreeMap::new();
    let mut phase = None;
    for entry in entries {
        match entry {
            Entry::Call { name, arguments } => {
                let Ok(call) = name.parse::<HostCall>() else {
                    continue;
                };
                let nth = counts.entry(call).or_default();
                *nth += 1;
                calls.push(Called {
                    call,
                    nth: *nth,
                    phase: phase.clone(),
                    ended_stream: false,
                    moved: 0,
                });
                match call {
                    HostCall::PhasesBegin => phase = begun(arguments),
                    HostCall::PhasesSucceed | HostCall::PhasesFail => phase = None,
                    _ => {}
                }
            }
            Entry::Answer(Answer::Received(data)) => {
                if let Some(call) = last(&mut calls, HostCall::NetRead) {
                    call.ended_stream = data.bytes.is_empty();
                    call.moved = data.bytes.len() as u64;
                }
            }
            Entry::Sent(data) => {
                if let Some(call) = last(&mut calls, HostCall::NetWrite) {
                    call.moved = data.bytes.len() as u64;
                }
            }
            Entry::End { .. } => break,
            _ => {}
        }
    }
    calls
}

fn last(calls: &mut [Called], call: HostCall) -> Option<&mut Called> {
    calls.last_mut().filter(|called| called.call == call)
}

fn begun(arguments: &Value) -> Option<(String, Option<String>)> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str).map(str::to_owned);
    Some((text("name")?, text("detail")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tape::Data;

    #[test]
    fn calls_are_counted_by_name_and_know_their_phase() {
        let call = |name: &str, arguments| Entry::Call {
            name: name.into(),
            arguments,
        };
        let data = |bytes: &[u8]| Data {
            connection: 0,
            bytes: bytes.to_vec(),
        };
        let entries = [
            call("net.connect", Value::Null),
            call("phases.begin", json!({"name": "select", "detail": "INBOX"})),
            call("net.read", Value::Null),
            Entry::Answer(Answer::Received(data(b"* OK"))),
            call("net.read", Value::Null),
            Entry::Answer(Answer::Received(data(b""))),
            call("phases.succeed", Value::Null),
            call("net.close", Value::Null),
        ];
        let calls = calls_of(&entries);
        let phase = Some(("select".to_owned(), Some("INBOX".to_owned())));
        let seen: Vec<_> = calls
            .iter()
            .map(|called| (called.call, called.nth, called.phase == phase))
            .collect();
        assert_eq!(
            seen,
            [
                (HostCall::NetConnect, 1, false),
                (HostCall::PhasesBegin, 1, false),
                (HostCall::NetRead, 1, true),
                (HostCall::NetRead, 2, true),
                (HostCall::PhasesSucceed, 1, true),
                (HostCall::NetClose, 1, false),
            ]
        );
        let read: Vec<_> = calls[2..4]
            .iter()
            .map(|called| (called.moved, called.ended_stream))
            .collect();
        assert_eq!(read, [(4, false), (0, true)]);
    }
}
