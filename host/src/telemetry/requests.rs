//! What the requests of each signal say: reports as spans and as log records, the metrics as they are. Pure but for what
//! is collected.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::delivery::{Render, Source};
use super::environment::Signal;
use super::meters::Meters;
use super::otlp::Payload;
use super::settings::{Destination, Settings};
use super::{logs, resource, spans};

/// The signals that are made of reports and exported: where each goes, and how its requests are made.
pub(super) fn of_reports(settings: &Settings) -> Vec<(Signal, &Destination, Render)> {
    let resource = resource::resource(&settings.resource);
    let traces = settings.traces.iter();
    let traces = traces.map(|destination| (Signal::Traces, destination, traces_of(resource.clone())));
    let logs = settings.logs.iter();
    let logs = logs.map(|destination| (Signal::Logs, destination, logs_of(resource.clone())));
    traces.chain(logs).collect()
}

/// The spans of reports.
fn traces_of(resource: Resource) -> Render {
    Arc::new(move |reports| {
        let reports = reports.iter().map(|(_, report)| &**report);
        let resource_spans = spans::resource_spans(&resource, reports);
        (!resource_spans.is_empty()).then_some(Payload::Traces(ExportTraceServiceRequest { resource_spans }))
    })
}

/// The log records of reports; most have none.
fn logs_of(resource: Resource) -> Render {
    Arc::new(move |reports| {
        let reports = reports.iter().map(|(_, report)| &**report);
        let resource_logs = logs::resource_logs(&resource, reports);
        (!resource_logs.is_empty()).then_some(Payload::Logs(ExportLogsServiceRequest { resource_logs }))
    })
}

/// The metrics.
pub(super) fn metrics(metrics: Meters) -> Source {
    Arc::new(move || Box::new(metrics.pages(SystemTime::now())))
}
