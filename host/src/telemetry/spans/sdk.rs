//! What the SDK wants: its own attributes for metrics, its own spans for its exporter. From ours.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue as OtlpPair};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::resource_spans;
use crate::outcome::Report;
use crate::telemetry::names;

/// The name under which everything is exported: the program's.
pub(in crate::telemetry) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("bedcheck")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}

/// What every metric of a check has.
pub(in crate::telemetry) fn base_attributes(report: &Report) -> Vec<KeyValue> {
    vec![
        KeyValue::new(names::CHECK, report.check.clone()),
        KeyValue::new(names::TYPE, report.plugin.name.clone()),
    ]
}

/// Absent where nothing was injected, so that nobody has to ask for `false`.
pub(in crate::telemetry) fn injected_attribute(is_injected: bool) -> Option<KeyValue> {
    is_injected.then(|| KeyValue::new(names::FAULT_INJECTED, true))
}

/// On a run that passed on a later attempt. Absent otherwise, so that nobody has to ask for `false`.
pub(in crate::telemetry) fn retried_attribute(report: &Report) -> Option<KeyValue> {
    report.is_retried().then(|| KeyValue::new(names::RETRIED, true))
}

/// The spans of a run, as the SDK's exporters take them.
pub(in crate::telemetry) fn spans(report: &Report) -> Vec<SpanData> {
    let of_resources = resource_spans(&Resource::default(), [report]);
    let of_scopes = of_resources.into_iter().flat_map(|of| of.scope_spans);
    let spans = of_scopes.flat_map(|of| {
        let scope = of.scope.unwrap_or_default();
        let scope = InstrumentationScope::builder(scope.name)
            .with_version(scope.version)
            .build();
        of.spans.into_iter().map(move |span| data(span, scope.clone()))
    });
    spans.collect()
}

fn data(span: Span, scope: InstrumentationScope) -> SpanData {
    let mut events = SpanEvents::default();
    events.events = span
        .events
        .into_iter()
        .map(|event| {
            Event::new(
                event.name,
                moment(event.time_unix_nano),
                pairs(event.attributes),
                0,
            )
        })
        .collect();
    events.dropped_count = span.dropped_events_count;
    let mut links = SpanLinks::default();
    links.links = span
        .links
        .into_iter()
        .map(|link| Link::new(context(&link.trace_id, &link.span_id), pairs(link.attributes), 0))
        .collect();
    let status = span.status.unwrap_or_default();
    SpanData {
        span_context: context(&span.trace_id, &span.span_id),
        parent_span_id: span_id(&span.parent_span_id),
        parent_span_is_remote: false,
        span_kind: if span.kind == 3 {
            SpanKind::Client
        } else {
            SpanKind::Internal
        },
        name: span.name.into(),
        start_time: moment(span.start_time_unix_nano),
        end_time: moment(span.end_time_unix_nano),
        attributes: pairs(span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events,
        links,
        status: if status.code == 2 {
            Status::error(status.message)
        } else {
            Status::Unset
        },
        instrumentation_scope: scope,
    }
}

fn context(trace: &[u8], span: &[u8]) -> SpanContext {
    let trace = TraceId::from_bytes(trace.try_into().unwrap_or_default());
    SpanContext::new(trace, span_id(span), TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn span_id(bytes: &[u8]) -> SpanId {
    SpanId::from_bytes(bytes.try_into().unwrap_or_default())
}

fn moment(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

fn pairs(attributes: Vec<OtlpPair>) -> Vec<KeyValue> {
    attributes
        .into_iter()
        .filter_map(|pair| Some(KeyValue::new(pair.key, value(pair.value?)?)))
        .collect()
}

fn value(value: AnyValue) -> Option<Value> {
    Some(match value.value? {
        OtlpValue::StringValue(text) => text.into(),
        OtlpValue::BoolValue(is) => is.into(),
        OtlpValue::IntValue(number) => number.into(),
        OtlpValue::DoubleValue(number) => number.into(),
        OtlpValue::ArrayValue(list) => {
            let texts = list.values.into_iter().filter_map(|text| match text.value? {
                OtlpValue::StringValue(text) => Some(StringValue::from(text)),
                _ => None,
            });
            Value::Array(Array::String(texts.collect()))
        }
        _ => return None,
    })
}
