//! A span, and how it is written as OTLP's message of that name (`opentelemetry.proto.trace.v1`). Pure. What stands in it
//! is not known here.

use std::borrow::Cow;

use opentelemetry_proto::tonic::trace::v1::SpanFlags;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::SAMPLED;
use crate::telemetry::values::{Attributes, shortened};
use crate::telemetry::wire;

/// What every span and every link of ours is: recorded, and of this process.
const FLAGS: u32 = SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32;

/// A span.
pub(super) struct Span<'r> {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    /// None of a root.
    pub(super) parent_span_id: Option<[u8; 8]>,
    pub(super) name: Cow<'r, str>,
    pub(super) kind: SpanKind,
    /// From and to, in nanoseconds since 1970.
    pub(super) times: (u64, u64),
    pub(super) attributes: Attributes<'r>,
    pub(super) events: Vec<Event<'r>>,
    /// How many events there were besides.
    pub(super) dropped_events: u32,
    pub(super) links: Vec<Link>,
    /// What it failed with, if it did.
    pub(super) failure: Option<Cow<'r, str>>,
}

/// An event of a span.
pub(super) struct Event<'r> {
    /// In nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) name: &'static str,
    pub(super) attributes: Attributes<'r>,
}

/// A link to another span.
pub(super) struct Link {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) attributes: Attributes<'static>,
}

impl Span<'_> {
    /// Writes it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        wire::bytes(out, 1, &self.trace_id);
        wire::bytes(out, 2, &self.span_id);
        if let Some(parent) = &self.parent_span_id {
            wire::bytes(out, 4, parent);
        }
        wire::bytes(out, 5, self.name.as_bytes());
        wire::number(out, 6, number(self.kind as i32));
        wire::fixed64(out, 7, self.times.0);
        wire::fixed64(out, 8, self.times.1);
        self.attributes.write(out, 9);
        wire::number(out, 10, self.attributes.dropped().into());
        for event in &self.events {
            wire::message(out, 11, &event.written());
        }
        wire::number(out, 12, self.dropped_events.into());
        for link in &self.links {
            wire::message(out, 13, &link.written());
        }
        self.write_status(out);
        wire::fixed32(out, 16, FLAGS);
    }

    /// It is there, if only to say that nothing is said about how it ended.
    fn write_status(&self, out: &mut Vec<u8>) {
        let mut status = Vec::new();
        if let Some(failure) = &self.failure {
            wire::bytes(&mut status, 2, shortened(failure).as_bytes());
            wire::number(&mut status, 3, number(StatusCode::Error as i32));
        }
        wire::message(out, 15, &status);
    }
}

impl Event<'_> {
    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::fixed64(&mut out, 1, self.time);
        wire::bytes(&mut out, 2, self.name.as_bytes());
        self.attributes.write(&mut out, 3);
        wire::number(&mut out, 4, self.attributes.dropped().into());
        out
    }
}

impl Link {
    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::bytes(&mut out, 1, &self.trace_id);
        wire::bytes(&mut out, 2, &self.span_id);
        self.attributes.write(&mut out, 4);
        wire::number(&mut out, 5, self.attributes.dropped().into());
        wire::fixed32(&mut out, 6, FLAGS);
        out
    }
}

/// An enumeration's value; none of ours is negative.
fn number(value: i32) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
