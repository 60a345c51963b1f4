//! What the requests of each signal say: reports as spans, the metrics as they are. Pure but for what is collected.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;

use super::delivery::{Render, Source};
use super::environment::Signal;
use super::meters::Meters;
use super::otlp::Payload;
use super::settings::{Destination, Settings};
use super::spans;

/// The signals that are made of reports and exported: where each goes, and how its requests are made.
pub(super) fn of_reports<'a>(
    settings: &'a Settings,
    resource: &Resource,
) -> Vec<(Signal, &'a Destination, Render)> {
    let traces = settings.traces.iter();
    traces
        .map(|destination| (Signal::Traces, destination, traces_of(resource)))
        .collect()
}

/// The spans of reports.
fn traces_of(resource: &Resource) -> Render {
    let resource = ResourceAttributesWithSchema::from(resource);
    Arc::new(move |reports| {
        let spans = reports
            .iter()
            .flat_map(|(_, report)| spans::spans(report))
            .collect();
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(spans, &resource),
        };
        Some(Payload::Traces(request))
    })
}

/// The metrics.
pub(super) fn metrics(metrics: Meters) -> Source {
    Arc::new(move || Box::new(metrics.pages(SystemTime::now())))
}
