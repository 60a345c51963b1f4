//! Tests of deliveries against collectors that are away, silent, or do as a script says. Here is what several of them
//! need.

mod kept;
mod metrics;
mod refusals;
mod said;
mod silence;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::runtime::Handle;

use crate::journal::Journal;
use crate::outcome::Report;
use crate::telemetry::otlp::scripted::{Reply, Request, Scripted};
use crate::telemetry::settings::{Destination, Protocol, Settings};
use crate::telemetry::specimen::{failing, passing};
use crate::telemetry::statistics::{ExportResult, SignalFigures};
use crate::telemetry::{Exporter, FLUSH_BOUND, Histograms, Meters};

/// How long a thing that is bound to happen may take on a machine with other work.
const AT_LAST: Duration = Duration::from_secs(30);
const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

/// Spans only.
fn spans_to(destination: Destination) -> Settings {
    Settings {
        traces: Some(destination),
        metrics: None,
        logs: None,
        metric_interval: Duration::from_secs(60),
        histograms: Histograms::Explicit,
        resource: BTreeMap::new(),
    }
}

fn of_spans_and_metrics(collector: &Scripted) -> Exporter {
    let settings = Settings {
        metrics: Some(collector.destination()),
        ..spans_to(collector.destination())
    };
    Exporter::start(&settings, None, &Handle::current()).unwrap()
}

fn success(protocol: Protocol) -> Reply {
    let message = ExportTraceServiceResponse::default().encode_to_vec();
    match protocol {
        Protocol::Grpc => Reply::Grpc(Ok(message)),
        Protocol::HttpProtobuf => Reply::Http(200, "", message),
    }
}

/// So many reports of runs of their own.
fn reports(count: u16) -> Vec<Report> {
    let report = |number: u16| {
        let mut report = passing();
        report.trace_id.0[14..].copy_from_slice(&number.to_be_bytes());
        report.run_id.0[6..].copy_from_slice(&number.to_be_bytes());
        report
    };
    (1..=count).map(report).collect()
}

/// The runs that a request tells of, by the end of their trace's identity.
fn runs(request: &Request) -> BTreeSet<u16> {
    let message: ExportTraceServiceRequest = request.message();
    let scopes = message.resource_spans.iter().flat_map(|spans| &spans.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    spans
        .map(|span| u16::from_be_bytes([span.trace_id[14], span.trace_id[15]]))
        .collect()
}

/// What is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < AT_LAST, "not {what} within {AT_LAST:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn figures(exporter: &Exporter) -> SignalFigures {
    let statistics = exporter.statistics();
    let traces = statistics.signals().find(|(name, _)| *name == "traces");
    traces.unwrap().1
}

fn count(exporter: &Exporter, result: ExportResult) -> u64 {
    figures(exporter).exports[result as usize]
}

/// What is logged from here on, for as long as the second one is there.
fn logged() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    (log, tracing::subscriber::set_default(subscriber.finish()))
}
