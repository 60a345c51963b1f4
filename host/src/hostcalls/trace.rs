//! The trace that a run is exported as: what a peer may be told of it, and what a guest says of its phases.

use super::RunState;
use crate::bindings::bedcheck::plugin::trace::{Fact, Host};
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::fault::HostCall;
use crate::outcome::{AttributeValue, Attributes, SpanPlace, derived_span_id, trace_parent};
use crate::text::told;

/// How many facts a guest may tell in one call: as many as there are names.
const MAX_FACTS: usize = 32;
/// What a guest may say of a phase: OpenTelemetry's names for clients. The list is closed, so that no plugin speaks
/// for the host, nor under names that nobody knows.
pub(super) const FACTS: [&str; MAX_FACTS] = [
    "db.namespace",
    "db.operation.name",
    "db.response.status_code",
    "db.system.name",
    "dns.question.name",
    "http.request.body.size",
    "http.request.method",
    "http.request.resend_count",
    "http.response.body.size",
    "http.response.status_code",
    "messaging.destination.name",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.system",
    "network.local.address",
    "network.local.port",
    "network.peer.address",
    "network.peer.port",
    "network.protocol.name",
    "network.protocol.version",
    "network.transport",
    "rpc.method",
    "rpc.response.status_code",
    "rpc.system.name",
    "server.address",
    "server.port",
    "url.full",
    "url.path",
    "url.scheme",
    "url.template",
    "user_agent.original",
    "user_agent.synthetic.type",
];

/// The longest text of a fact, in bytes: a URL of a usual length. There may be as many facts as names, in each phase.
const MAX_FACT: usize = 512;
/// How much of a name that nobody knows is shown, in bytes.
const MAX_NAME: usize = 128;

impl Host for RunState {
    fn parent(&mut self) -> wasmtime::Result<Option<String>> {
        let called = self.report_call(HostCall::TraceParent)?;
        if called.is_err() || !self.access.trace_context {
            return Ok(None);
        }
        let attempt = self.attempt;
        let place = match self.timeline.current_index() {
            Some(index) => SpanPlace::Phase { attempt, index },
            None => SpanPlace::Attempt(attempt),
        };
        Ok(Some(trace_parent(self.trace, derived_span_id(self.trace, place))))
    }

    fn describe(&mut self, facts: Vec<(String, Fact)>) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.report_call(HostCall::TraceDescribe)? {
            return Ok(Err(error));
        }
        if facts.len() > MAX_FACTS {
            let found = facts.len();
            return Ok(Err(CallError::Invalid(format!(
                "found {found} facts in one call, wanted {MAX_FACTS} at most, as many as there are names"
            ))));
        }
        let mut described = Attributes::with_capacity(facts.len());
        for (name, value) in facts {
            let Some(known) = known(&name) else {
                return Ok(Err(CallError::Invalid(format!(
                    "found `{}`, wanted a fact of OpenTelemetry's conventions for clients, such as `url.full`",
                    // Nothing of it is struck out: that would tell the guest of secrets.
                    told(&name, MAX_NAME)
                ))));
            };
            let value = match value {
                Fact::Text(text) => AttributeValue::Text(self.presentable(text, MAX_FACT)),
                Fact::Integer(number) => AttributeValue::Integer(number),
            };
            described.insert(known, value);
        }
        Ok(self.timeline.describe(described).map_err(CallError::from))
    }
}

fn known(name: &str) -> Option<&'static str> {
    FACTS.into_iter().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_speaks_under_names_of_the_conventions_only_and_not_for_the_host() {
        assert_eq!(known("http.request.method"), Some("http.request.method"));
        for refused in [
            "error.type",
            "synthetic.check.name",
            "tls.server.subject",
            "http.request.header.cookie",
            "",
        ] {
            assert_eq!(known(refused), None, "{refused}");
        }
        assert!(FACTS.is_sorted(), "every name once, where one looks for it");
    }
}
