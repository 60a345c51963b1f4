//! The gate that every call passes: limits, then the deadline, then the capability.

use serde_json::Value;

use super::{CALLS_OVER_LIMIT, HostCallsExhausted, RunState};
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::fault::HostCall;
use crate::outcome::{Denial, DeniedCall};

/// How much of each argument a recording keeps, in bytes: what the longest name and detail have. A guest may hand
/// over megabytes in each of thousands of calls.
const MAX_ARGUMENT: usize = 256;
/// How many elements of a list a recording keeps: twice as many as any call takes.
const MAX_ELEMENTS: usize = 16;

impl RunState {
    /// The gate of calls that only report: the deadline does not concern them.
    pub(super) fn report_call(&mut self, call: HostCall) -> wasmtime::Result<Result<(), CallError>> {
        self.report_call_with(call, || Value::Null)
    }

    pub(super) fn report_call_with(
        &mut self,
        call: HostCall,
        arguments: impl FnOnce() -> Value,
    ) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.count_call(call, arguments)? {
            return Ok(Err(error));
        }
        Ok(self.disturb_report(call))
    }

    /// The gate of calls that reach out.
    pub(super) fn enter(
        &mut self,
        call: HostCall,
        capability: Capability,
        arguments: impl FnOnce() -> Value,
    ) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.count_call(call, arguments)? {
            return Ok(Err(error));
        }
        if self.deadline.has_passed() {
            self.refused_by_deadline(call);
            return Ok(Err(CallError::DeadlineExceeded));
        }
        Ok(self.require(capability))
    }

    /// Whether the guest has a capability at this moment. That it has not is counted.
    pub(super) fn require(&mut self, capability: Capability) -> Result<(), CallError> {
        if self.access.has(capability) {
            return Ok(());
        }
        self.note_denial(Denial::Capability(capability));
        Err(self.refuse(CallError::CapabilityDisabled(capability.as_str().into())))
    }

    /// An error of which the guest is told that something was refused to it.
    pub(super) fn refuse(&mut self, error: CallError) -> CallError {
        self.refused.note(&error);
        error
    }

    /// Counts a call that was refused. Of each reason the first one is kept.
    pub(super) fn note_denial(&mut self, denial: Denial) {
        self.usage.denied_calls.add(denial);
        if self.denials.iter().any(|kept| kept.denial == denial.as_str()) {
            return;
        }
        let (phase, detail) = self.open_phase();
        self.denials.push(DeniedCall {
            denial: denial.as_str().into(),
            phase,
            detail,
            at: self.deadline.moment(),
        });
    }

    /// The phase that is open, and its detail.
    pub(super) fn open_phase(&self) -> (Option<String>, Option<String>) {
        let current = self.timeline.current();
        let name = current.map(|(name, _)| name.to_owned());
        (name, current.and_then(|(_, detail)| detail.map(str::to_owned)))
    }

    pub(super) fn count_call(
        &mut self,
        call: HostCall,
        arguments: impl FnOnce() -> Value,
    ) -> wasmtime::Result<Result<(), CallError>> {
        self.deadline
            .tape()
            .call(call.as_str(), || shortened(arguments()));
        self.usage.host_calls += 1;
        let counted = self.usage.host_calls - self.uncounted_calls;
        if counted > self.limits.host_calls + CALLS_OVER_LIMIT {
            return Err(HostCallsExhausted.into());
        }
        if counted > self.limits.host_calls {
            return Ok(Err(CallError::OverQuota("host calls".into())));
        }
        Ok(Ok(()))
    }
}

/// As much of an argument as is kept, in no more memory than that takes.
fn shortened(argument: Value) -> Value {
    match argument {
        Value::String(mut text) => {
            text.truncate(text.floor_char_boundary(MAX_ARGUMENT));
            text.shrink_to_fit();
            Value::String(text)
        }
        Value::Array(mut values) => {
            values.truncate(MAX_ELEMENTS);
            values.shrink_to_fit();
            values.into_iter().map(shortened).collect()
        }
        Value::Object(values) => values
            .into_iter()
            .map(|(name, value)| (name, shortened(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_kept_up_to_a_length() {
        let kept = shortened(json!({"host": "é".repeat(1000), "port": 993, "alpn": ["x".repeat(1000)]}));
        assert_eq!(kept["host"].as_str().map(str::len), Some(MAX_ARGUMENT));
        assert_eq!(kept["alpn"][0].as_str().map(str::len), Some(MAX_ARGUMENT));
        assert_eq!(kept["port"], 993);
        let kept = shortened(json!({"alpn": vec!["h2"; 100_000]}));
        assert_eq!(kept["alpn"].as_array().map(Vec::len), Some(MAX_ELEMENTS));
        assert_eq!(kept["alpn"].as_array().map(Vec::capacity), Some(MAX_ELEMENTS));
        let Value::String(kept) = shortened("x".repeat(1 << 20).into()) else {
            panic!("a text is shortened to a text");
        };
        assert_eq!(kept.capacity(), MAX_ARGUMENT);
    }
}
