//! The spans of several runs as one request (`ExportTraceServiceRequest` of OTLP), as it is written. Pure.

use super::span::Span;
use crate::telemetry::wire;

/// Whose doing something is: a name and a version.
pub(super) type Scope<'r> = (&'r str, &'r str);

/// Spans by their scopes, in the order in which these first came.
#[derive(Default)]
pub(super) struct Request<'r> {
    scopes: Vec<(Scope<'r>, Vec<u8>)>,
    /// Where a span is written before its length is known.
    span: Vec<u8>,
}

impl<'r> Request<'r> {
    /// Adds a span to its scope.
    pub(super) fn push(&mut self, scope: Scope<'r>, span: &Span<'_>) {
        self.span.clear();
        span.write(&mut self.span);
        let known = self.scopes.iter().position(|(known, _)| *known == scope);
        let place = known.unwrap_or_else(|| {
            self.scopes.push((scope, Vec::new()));
            self.scopes.len() - 1
        });
        wire::message(&mut self.scopes[place].1, 2, &self.span);
    }

    /// The request, under the attributes of a process, which are a message that is written already; none if there is
    /// no span.
    pub(super) fn finish(self, resource: &[u8]) -> Option<Vec<u8>> {
        if self.scopes.is_empty() {
            return None;
        }
        let headed: Vec<(Vec<u8>, Vec<u8>)> = self
            .scopes
            .into_iter()
            .map(|(scope, spans)| (head(scope), spans))
            .collect();
        let of_scopes = headed.iter().map(|(head, spans)| head.len() + spans.len());
        let length =
            wire::message_length(resource.len()) + of_scopes.map(wire::message_length).sum::<usize>();
        let mut out = Vec::with_capacity(wire::message_length(length));
        wire::begin_message(&mut out, 1, length);
        wire::message(&mut out, 1, resource);
        for (head, spans) in headed {
            wire::begin_message(&mut out, 2, head.len() + spans.len());
            out.extend_from_slice(&head);
            out.extend_from_slice(&spans);
        }
        Some(out)
    }
}

/// What comes before the spans of a scope: the scope.
fn head((name, version): Scope<'_>) -> Vec<u8> {
    let mut scope = Vec::new();
    wire::bytes(&mut scope, 1, name.as_bytes());
    wire::bytes(&mut scope, 2, version.as_bytes());
    let mut head = Vec::new();
    wire::message(&mut head, 1, &scope);
    head
}
