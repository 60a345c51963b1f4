//! The trace that a run is exported as: what to tell peers of it, and what a phase does.

use crate::Failure;
use crate::bindings::lending::bedcheck::plugin::trace;

/// The value of a fact, for [`describe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
}

/// The value of the header `traceparent` (W3C Trace Context) for a request that is made now; it names the phase that
/// is open. None where the check does not allow that (`trace_context`): then nothing is to be sent.
///
/// A plugin that calls it needs a host of version 1.2.0 of the contract.
pub fn trace_parent() -> Option<String> {
    trace::parent()
}

/// Says what the open phase does, by OpenTelemetry's names for clients, such as `http.request.method`. They become
/// attributes of its span.
///
/// A plugin that calls it needs a host of version 1.2.0 of the contract.
///
/// # Errors
///
/// When no phase is open, or a name is not of the conventions.
pub fn describe(facts: &[(&str, Fact<'_>)]) -> Result<(), Failure> {
    let facts: Vec<_> = facts
        .iter()
        .map(|&(name, value)| {
            let value = match value {
                Fact::Text(text) => trace::Fact::Text(text),
                Fact::Integer(number) => trace::Fact::Integer(number),
            };
            (name, value)
        })
        .collect();
    Ok(trace::describe(&facts)?)
}
