//! What the requests of each signal say: reports as spans and as log records, the metrics as they are. Pure but for what
//! is collected.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

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
    let traces = traces.map(|destination| (Signal::Traces, destination, traces_of(&resource)));
    let logs = settings.logs.iter();
    let logs = logs.map(|destination| (Signal::Logs, destination, logs_of(resource.clone())));
    traces.chain(logs).collect()
}

/// The spans of reports.
fn traces_of(resource: &Resource) -> Render {
    let resource = resource.encode_to_vec();
    Arc::new(move |reports| {
        let reports = reports.iter().map(|(_, report)| &**report);
        let request = spans::request(&resource, reports)?;
        Some(Payload::new(Signal::Traces, request))
    })
}

/// The log records of reports; most have none.
fn logs_of(resource: Resource) -> Render {
    Arc::new(move |reports| {
        let reports = reports.iter().map(|(_, report)| &**report);
        let resource_logs = logs::resource_logs(&resource, reports);
        let request = ExportLogsServiceRequest { resource_logs };
        (!request.resource_logs.is_empty()).then(|| Payload::of(Signal::Logs, &request))
    })
}

/// The metrics.
pub(super) fn metrics(metrics: Meters) -> Source {
    Arc::new(move || Box::new(metrics.pages(SystemTime::now())))
}
