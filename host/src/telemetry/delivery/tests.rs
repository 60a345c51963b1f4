//! Tests of deliveries against collectors that are away, silent, or do as a script says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{AgainError, Delivery, Render, Sent, Way, export_again};
use crate::journal::Journal;
use crate::outcome::Report;
use crate::telemetry::environment::Signal;
use crate::telemetry::otlp::scripted::{Reply, Request, Scripted};
use crate::telemetry::otlp::{Client, Payload};
use crate::telemetry::requests::of_reports;
use crate::telemetry::settings::{Configured, Destination, Protocol, Settings};
use crate::telemetry::specimen::{failing, passing};
use crate::telemetry::statistics::{ExportResult, SignalFigures};
use crate::telemetry::{Exporter, FLUSH_BOUND, Histograms, Meters};

/// What a machine with other work may add to a bound.
const SLACK: Duration = Duration::from_millis(500);
/// How long a thing that is bound to happen may take on a machine with other work.
const AT_LAST: Duration = Duration::from_secs(30);
const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

fn exporter(address: SocketAddr, protocol: Protocol) -> Exporter {
    let table = Configured {
        endpoint: Some(format!("http://{address}")),
        protocol: Some(protocol),
        ..Configured::default()
    };
    let variable = |name: &str| (name == "OTEL_LOGS_EXPORTER").then(|| "none".into());
    let settings = Settings::resolve(Some(&table), &variable).unwrap().unwrap();
    Exporter::start(&settings, None, &Handle::current()).unwrap()
}

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

/// Of spans only, which waits no longer than this for an answer.
fn impatient(collector: &Scripted, timeout: Duration) -> Exporter {
    let destination = Destination {
        timeout,
        ..collector.destination()
    };
    Exporter::start(&spans_to(destination), None, &Handle::current()).unwrap()
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

#[tokio::test]
async fn a_collector_that_refuses_connections_is_said_in_a_sentence_a_signal() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for protocol in PROTOCOLS {
        let exporter = exporter(address, protocol);
        exporter.record(&passing());
        exporter.record(&failing());
        let began = Instant::now();
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert!(
            began.elapsed() < FLUSH_BOUND / 2,
            "{protocol:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(losses.len(), 2, "{losses:?}");
        for (loss, what) in losses.iter().zip(["spans of 2 runs", "metrics"]) {
            let begin = format!("the {what} did not reach `http://127.0.0.1:");
            assert!(loss.starts_with(&begin), "{loss}");
            assert!(loss.ends_with("Connection refused (os error 111)"), "{loss}");
        }
    }
}

#[tokio::test]
async fn a_collector_that_is_silent_costs_the_bound_and_no_more() {
    // Never accepted from: the kernel shakes hands, and nobody answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let bound = Duration::from_millis(300);
    for protocol in PROTOCOLS {
        let exporter = exporter(address, protocol);
        exporter.record(&passing());
        let began = Instant::now();
        let losses = exporter.shutdown(bound).await;
        let took = began.elapsed();
        assert!(took >= bound && took < bound + SLACK, "{protocol:?}: {took:?}");
        assert_eq!(losses.len(), 2, "{losses:?}");
        assert!(losses[0].ends_with("no answer in time"), "{losses:?}");
    }
}

#[tokio::test]
async fn nothing_recorded_needs_no_collector() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let exporter = exporter(listener.local_addr().unwrap(), Protocol::Grpc);
    assert_eq!(exporter.shutdown(FLUSH_BOUND).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_may_be_taken_later_is_sent_again_as_it_was_and_once() {
    for protocol in PROTOCOLS {
        let script = move |number, _: &_| match (number, protocol) {
            (0, Protocol::HttpProtobuf) => Reply::Http(503, "retry-after: 1\r\n", Vec::new()),
            (0, Protocol::Grpc) => Reply::Grpc(Err(tonic::Status::unavailable("starting"))),
            (1, _) => Reply::Cut,
            _ => success(protocol),
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        exporter.record(&passing());
        exporter.record(&failing());
        until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
        let received = collector.received();
        // Before what may have arrived comes again, it is asked whether anybody answers.
        let [first, second, asked, third] = received.as_slice() else {
            panic!("{protocol:?}: {} requests", received.len());
        };
        assert!(asked.body.is_empty() && !first.body.is_empty());
        assert!(second.body == first.body && third.body == first.body);
        let figures = figures(&exporter);
        assert_eq!((figures.exports, figures.unconfirmed), ([1, 0, 2, 0, 0], 2));
        assert_eq!(figures.pauses, 2);
        if protocol == Protocol::HttpProtobuf {
            assert!(figures.paused >= Duration::from_millis(1000 + 500), "{figures:?}");
        }
    }
}

#[tokio::test]
async fn answers_that_do_not_come_cost_few_copies_and_all_are_counted() {
    for protocol in PROTOCOLS {
        let sent = std::sync::atomic::AtomicUsize::new(0);
        let script = move |_, request: &Request| {
            if request.body.is_empty() {
                return success(protocol);
            }
            // Each arrives; of the fourth and fifth that is not said.
            match sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                3 | 4 => Reply::Cut,
                _ => success(protocol),
            }
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        reports(512).iter().for_each(|report| exporter.record(report));
        until("delivered", || count(&exporter, ExportResult::Success) == 11).await;
        let received: Vec<_> = collector.received().iter().map(runs).collect();
        let sizes: Vec<_> = received.iter().map(BTreeSet::len).collect();
        assert_eq!(
            sizes,
            [8, 16, 32, 64, 0, 8, 0, 8, 16, 32, 64, 96, 104, 112, 24],
            "{protocol:?}"
        );
        let all: BTreeSet<u16> = received.iter().flatten().copied().collect();
        let copies = sizes.iter().sum::<usize>() - all.len();
        assert_eq!((all.len(), copies), (512, 64 + 8));
        assert_eq!(figures(&exporter).unconfirmed, 64 + 8);
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
    }
}

#[tokio::test]
async fn a_collector_that_falls_silent_is_asked_again_on_another_connection() {
    for protocol in PROTOCOLS {
        let script = move |number, _: &_| {
            if number == 0 {
                Reply::Silent
            } else {
                success(protocol)
            }
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = impatient(&collector, Duration::from_millis(500));
        exporter.record(&passing());
        until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
        let received = collector.received();
        assert!(received.last().unwrap().connection > 0);
        assert_eq!(figures(&exporter).unconfirmed, 1);
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_the_timeout_is_taken_and_nothing_is_sent_twice() {
    for protocol in PROTOCOLS {
        // Whether the collector answers the question first, or the request itself.
        for is_asked_in_vain in [false, true] {
            let script = move |number, request: &Request| match number {
                0 => Reply::AfterNext(Box::new(success(protocol))),
                _ if request.body.is_empty() && is_asked_in_vain => Reply::Silent,
                _ => success(protocol),
            };
            let collector = Scripted::start(protocol, script).await;
            let exporter = impatient(&collector, Duration::from_millis(500));
            let [first, second, third] = reports(3).try_into().unwrap();
            exporter.record(&first);
            exporter.record(&second);
            until("delivered late", || count(&exporter, ExportResult::Success) == 1).await;
            exporter.record(&third);
            assert_eq!(exporter.shutdown(FLUSH_BOUND).await, Vec::<String>::new());
            let received: Vec<_> = collector.received().iter().map(runs).collect();
            let wanted = [BTreeSet::from([1, 2]), BTreeSet::new(), BTreeSet::from([3])];
            assert_eq!(received, wanted, "{protocol:?}");
            let figures = figures(&exporter);
            assert_eq!((figures.exports, figures.unconfirmed), ([2, 0, 1, 0, 0], 0));
        }
    }
}

#[tokio::test]
async fn a_late_answer_that_asks_for_another_try_has_one() {
    for protocol in PROTOCOLS {
        let later = match protocol {
            Protocol::Grpc => Reply::Grpc(Err(tonic::Status::unavailable("starting"))),
            Protocol::HttpProtobuf => Reply::Http(503, "", Vec::new()),
        };
        let script = move |number, _: &_| match number {
            0 => Reply::AfterNext(Box::new(later.clone())),
            _ => success(protocol),
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = impatient(&collector, Duration::from_millis(500));
        exporter.record(&passing());
        until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
        let received = collector.received();
        assert_eq!(received.last().unwrap().body, received[0].body, "{protocol:?}");
        // It was not taken, and so is not there twice.
        assert_eq!(figures(&exporter).unconfirmed, 0, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_run_that_went_past_a_request_without_an_answer_is_counted_once_as_perhaps_there_twice() {
    // The first request has no answer, nor has any question.
    let script = |number, request: &Request| match (number, runs(request).len()) {
        (0, _) | (_, 0) => Reply::Silent,
        _ => success(Protocol::HttpProtobuf),
    };
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let exporter = impatient(&collector, Duration::from_millis(100));
    reports(3).iter().for_each(|report| exporter.record(report));
    until("delivered", || count(&exporter, ExportResult::Success) == 2).await;
    let received: Vec<_> = collector.received().iter().map(runs).collect();
    let sizes: Vec<_> = received.iter().map(BTreeSet::len).collect();
    assert_eq!(sizes, [3, 0, 0, 0, 1, 2]);
    assert_eq!(figures(&exporter).unconfirmed, 3);
    assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
}

#[tokio::test]
async fn what_is_refused_for_good_is_never_sent_again_and_holds_up_nothing() {
    for protocol in PROTOCOLS {
        let script = move |number, _: &_| match (number, protocol) {
            (0, Protocol::HttpProtobuf) => Reply::Http(400, "content-type: text/plain\r\n", b"no".to_vec()),
            (0, Protocol::Grpc) => Reply::Grpc(Err(tonic::Status::invalid_argument("no"))),
            _ => success(protocol),
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        let [first, second, third] = reports(3).try_into().unwrap();
        exporter.record(&first);
        exporter.record(&second);
        until("refused", || count(&exporter, ExportResult::Refused) == 1).await;
        exporter.record(&third);
        until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert_eq!(losses.len(), 1, "{losses:?}");
        assert!(
            losses[0].starts_with("the spans of 2 runs did not reach `"),
            "{losses:?}"
        );
        assert!(losses[0].ends_with(": no"), "{losses:?}");
        let received: Vec<_> = collector.received().iter().map(runs).collect();
        assert_eq!(received, [BTreeSet::from([1, 2]), BTreeSet::from([3])]);
        assert_eq!(figures(&exporter).refused, 2);
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_sent_in_parts() {
    for protocol in PROTOCOLS {
        let script = move |_, request: &Request| match (runs(request).len() > 2, protocol) {
            (true, Protocol::HttpProtobuf) => Reply::Http(413, "", Vec::new()),
            (true, Protocol::Grpc) => Reply::Grpc(Err(tonic::Status::resource_exhausted("too large"))),
            (false, _) => success(protocol),
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        reports(9).iter().for_each(|report| exporter.record(report));
        assert_eq!(exporter.shutdown(AT_LAST).await, Vec::<String>::new());
        let received: Vec<_> = collector.received().iter().map(runs).collect();
        let taken: Vec<u16> = received
            .into_iter()
            .filter(|runs| runs.len() <= 2)
            .flatten()
            .collect();
        assert_eq!(taken, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_to_its_end_is_made_smaller() {
    // Of the first eight runs little is told, of the others so much that the way to a collector which does not read it
    // has no room for all of them.
    const EACH: usize = 192 * 1024;
    let taken = |_, _: &_| success(Protocol::HttpProtobuf);
    let collector = Scripted::start_with(Protocol::HttpProtobuf, 8 * EACH, None, taken).await;
    let destination = collector.destination();
    let render: Render = Arc::new(|reports| {
        let sizes = reports.iter().map(|(_, report)| match report.run_id.0[7] {
            ..=8 => 1,
            _ => EACH,
        });
        Some(Payload::new(Signal::Traces, vec![0; sizes.sum()]))
    });
    let (journal, _) = Journal::open(crate::journal::Settings::default(), Vec::new()).unwrap();
    let feed = journal.feed(Signal::Traces.name());
    for report in reports(24) {
        journal.append(report);
    }
    journal.flush(AT_LAST).await.unwrap();
    let client = Client::new(&destination).unwrap();
    let way = Way::new(Signal::Traces, client, Arc::default());
    let (_stop, stopped) = watch::channel(Some(tokio::time::Instant::now() + AT_LAST));
    let losses = Delivery::new(way, feed, render, false).run(stopped).await;
    assert_eq!(losses, Vec::<String>::new());
    let received = collector.received();
    let sizes: Vec<_> = received.iter().map(|request| request.body.len()).collect();
    assert_eq!(sizes, [8, 8 * EACH, 8 * EACH]);
}

/// Metrics only, at the end only.
fn metrics_to(destination: Destination) -> Settings {
    Settings {
        traces: None,
        metrics: Some(destination.clone()),
        metric_interval: 10 * AT_LAST,
        ..spans_to(destination)
    }
}

/// Runs of so many checks that one request has more than is taken.
fn record_many_checks(exporter: &Exporter) {
    for number in 0..20 {
        let mut report = passing();
        report.check = format!("check-{number}");
        exporter.record(&report);
    }
}

/// The names of the metrics in a request.
fn metric_names(request: &Request) -> BTreeSet<String> {
    let message: ExportMetricsServiceRequest = request.message();
    let scopes = message
        .resource_metrics
        .into_iter()
        .flat_map(|metrics| metrics.scope_metrics);
    scopes
        .flat_map(|scope| scope.metrics)
        .map(|metric| metric.name)
        .collect()
}

#[tokio::test]
async fn metrics_that_are_too_large_are_sent_in_parts_at_once() {
    for protocol in PROTOCOLS {
        const TAKEN: usize = 8 * 1024;
        let script = move |_, request: &Request| match (request.body.len() > TAKEN, protocol) {
            (true, Protocol::HttpProtobuf) => Reply::Http(413, "", Vec::new()),
            (true, Protocol::Grpc) => Reply::Grpc(Err(tonic::Status::resource_exhausted("too large"))),
            (false, _) => success(protocol),
        };
        let collector = Scripted::start(protocol, script).await;
        let settings = metrics_to(collector.destination());
        let exporter = Exporter::start(&settings, None, &Handle::current()).unwrap();
        record_many_checks(&exporter);
        assert_eq!(exporter.shutdown(AT_LAST).await, Vec::<String>::new());
        let received = collector.received();
        let (whole, parts) = received.split_first().unwrap();
        assert!(whole.body.len() > TAKEN, "{protocol:?}: {}", whole.body.len());
        let sent: BTreeSet<String> = parts.iter().flat_map(metric_names).collect();
        assert!(sent.is_superset(&metric_names(whole)), "{protocol:?}: {sent:?}");
        assert!(parts.last().unwrap().body.len() <= TAKEN, "{protocol:?}");
    }
}

#[tokio::test]
async fn that_not_even_few_metrics_are_taken_is_said_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _subscribed = tracing::subscriber::set_default(subscriber.finish());
    let script = |_, _: &_| Reply::Http(413, "", Vec::new());
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let settings = Settings {
        metric_interval: Duration::from_millis(10),
        ..metrics_to(collector.destination())
    };
    let exporter = Exporter::start(&settings, None, &Handle::current()).unwrap();
    record_many_checks(&exporter);
    until("refused again and again", || collector.received().len() > 10).await;
    let losses = exporter.shutdown(FLUSH_BOUND).await;
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(
        losses[0].ends_with("bytes, and none are made smaller"),
        "{losses:?}"
    );
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("metrics do not reach `").count(), 1, "{log}");
    let last = collector.received().pop().unwrap().body.len();
    assert!(last < 8 * 1024, "{last}");
}

#[tokio::test]
async fn a_single_run_that_is_too_large_is_refused() {
    let script = |_, _: &_| Reply::Http(413, "", Vec::new());
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
    exporter.record(&passing());
    let losses = exporter.shutdown(FLUSH_BOUND).await;
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(
        losses[0].starts_with("the spans of 1 run did not reach `"),
        "{losses:?}"
    );
    assert_eq!((collector.received().len(), figures(&exporter).refused), (1, 1));
}

#[tokio::test]
async fn what_was_rejected_of_an_export_is_said_and_never_sent_again() {
    for protocol in PROTOCOLS {
        let response = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: 2,
                error_message: "too old".to_owned(),
            }),
        };
        let message = response.encode_to_vec();
        let script = move |_, _: &_| match protocol {
            Protocol::Grpc => Reply::Grpc(Ok(message.clone())),
            Protocol::HttpProtobuf => Reply::Http(200, "", message.clone()),
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        exporter.record(&passing());
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert_eq!(losses.len(), 1, "{losses:?}");
        assert!(
            losses[0].ends_with("rejected 2 of the spans: too old"),
            "{losses:?}"
        );
        assert_eq!((collector.received().len(), figures(&exporter).rejected), (1, 2));
    }
}

#[tokio::test]
async fn a_collector_that_wants_an_hour_or_all_eternity_does_not_hold_up_the_end() {
    for fields in ["retry-after: 3600\r\n", "retry-after: 18446744073709551615\r\n"] {
        let script = move |_, _: &_| Reply::Http(429, fields, Vec::new());
        let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
        let settings = Settings {
            metrics: Some(collector.destination()),
            ..spans_to(collector.destination())
        };
        let exporter = Exporter::start(&settings, None, &Handle::current()).unwrap();
        exporter.record(&passing());
        let began = Instant::now();
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert!(began.elapsed() < FLUSH_BOUND, "{:?}", began.elapsed());
        assert_eq!(losses.len(), 2, "{losses:?}");
        assert!(
            losses.iter().all(|loss| loss.ends_with("status 429")),
            "{losses:?}"
        );
    }
}

#[tokio::test]
async fn what_one_exporter_could_not_deliver_the_next_one_of_the_journal_does() {
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let script = move |_, _: &_| match up.load(std::sync::atomic::Ordering::Relaxed) {
        true => success(Protocol::HttpProtobuf),
        false => Reply::Http(503, "", Vec::new()),
    };
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let settings = spans_to(collector.destination());
    let (journal, _) = Journal::open(crate::journal::Settings::default(), Vec::new()).unwrap();
    let meters = Meters::new(&BTreeMap::new());
    let start = || Exporter::start_with(&settings, &meters, Some(&journal), &Handle::current()).unwrap();

    let first = start();
    for report in reports(3) {
        journal.append(report);
    }
    let losses = first.shutdown(FLUSH_BOUND).await;
    assert!(
        losses.concat().contains("the spans of 3 runs did not reach"),
        "{losses:?}"
    );
    let before = collector.received().len();
    is_up.store(true, std::sync::atomic::Ordering::Relaxed);
    let second = start();
    until("delivered", || count(&second, ExportResult::Success) == 1).await;
    assert!(second.shutdown(FLUSH_BOUND).await.is_empty());
    let received = collector.received();
    assert_eq!(received.len(), before + 1);
    assert_eq!(runs(&received[before]), BTreeSet::from([1, 2, 3]));
}

#[tokio::test]
async fn what_waits_on_disk_is_delivered_by_the_next_process() {
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let script = move |_, _: &_| match up.load(std::sync::atomic::Ordering::Relaxed) {
        true => success(Protocol::HttpProtobuf),
        false => Reply::Cut,
    };
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let settings = spans_to(collector.destination());
    let directory = tempfile::tempdir().unwrap();
    let meters = Meters::new(&BTreeMap::new());
    let start = || {
        let settings_of_journal = crate::journal::Settings {
            dir: Some(directory.path().join("journal")),
            ..crate::journal::Settings::default()
        };
        let (journal, _) = Journal::open(settings_of_journal, Vec::new()).unwrap();
        let exporter = Exporter::start_with(&settings, &meters, Some(&journal), &Handle::current());
        (journal, exporter.unwrap())
    };

    let (journal, exporter) = start();
    for report in reports(3) {
        journal.append(report);
    }
    let losses = exporter.shutdown(FLUSH_BOUND).await;
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(
        losses[0].starts_with("the spans of 3 runs did not reach `"),
        "{losses:?}"
    );
    assert!(
        losses[0].ends_with("; they are in the journal, and the next start sends them"),
        "{losses:?}"
    );
    drop(exporter);
    journal.close(AT_LAST).await.unwrap();
    drop(journal);

    is_up.store(true, std::sync::atomic::Ordering::Relaxed);
    let before = collector.received();
    let (journal, exporter) = start();
    until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
    assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
    journal.close(AT_LAST).await.unwrap();
    let received = collector.received();
    assert_eq!(received.len(), before.len() + 1);
    assert_eq!(runs(&received[before.len()]), BTreeSet::from([1, 2, 3]));
}

#[tokio::test]
async fn a_report_that_no_request_can_be_made_of_holds_up_no_others() {
    let collector = Scripted::start(Protocol::HttpProtobuf, |_, _| success(Protocol::HttpProtobuf)).await;
    let settings = spans_to(collector.destination());
    let (signal, destination, whole) = of_reports(&settings).remove(0);
    let render: Render = Arc::new(move |reports| {
        assert!(
            reports.iter().all(|(_, report)| report.run_id.0[7] != 2),
            "planted"
        );
        whole(reports)
    });
    let (journal, _) = Journal::open(crate::journal::Settings::default(), Vec::new()).unwrap();
    let feed = journal.feed(signal.name());
    for report in reports(5) {
        journal.append(report);
    }
    journal.flush(AT_LAST).await.unwrap();
    let way = Way::new(signal, Client::new(destination).unwrap(), Arc::default());
    let (_stop, stopped) = watch::channel(Some(tokio::time::Instant::now() + AT_LAST));
    let losses = Delivery::new(way, feed, render, false).run(stopped).await;
    assert_eq!(
        losses,
        ["the spans of 1 run were dropped before they could be sent"]
    );
    let arrived: Vec<u16> = collector.received().iter().flat_map(runs).collect();
    assert_eq!(arrived, [1, 3, 4, 5]);
}

#[tokio::test]
async fn of_a_burst_of_ten_thousand_runs_every_one_arrives_once() {
    for protocol in PROTOCOLS {
        let collector = Scripted::start(protocol, move |_, _| success(protocol)).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        reports(10_000).iter().for_each(|report| exporter.record(report));
        assert_eq!(exporter.shutdown(4 * AT_LAST).await, Vec::<String>::new());
        let received = collector.received();
        let arrived: Vec<u16> = received.iter().flat_map(runs).collect();
        assert_eq!(arrived, (1..=10_000).collect::<Vec<u16>>(), "{protocol:?}");
        assert!(
            received
                .iter()
                .all(|request| request.body.len() <= super::MAX_REQUEST)
        );
    }
}

#[tokio::test]
async fn reports_are_sent_again_with_the_same_identities() {
    for protocol in PROTOCOLS {
        let collector = Scripted::start(protocol, move |_, _| success(protocol)).await;
        let settings = spans_to(collector.destination());
        let exporter = Exporter::start(&settings, None, &Handle::current()).unwrap();
        reports(2).iter().for_each(|report| exporter.record(report));
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
        let sent = export_again(&settings, reports(2)).await.unwrap();
        assert_eq!((sent.delivered, sent.refused, sent.rejected), (2, 0, 0));
        let spans = |request: &Request| {
            let mut message: ExportTraceServiceRequest = request.message();
            message.resource_spans.remove(0).scope_spans
        };
        let received = collector.received();
        assert_eq!(received.len(), 2);
        assert_eq!(spans(&received[0]), spans(&received[1]));
    }
}

#[tokio::test]
async fn sending_again_counts_what_is_refused_and_ends_where_nobody_answers() {
    let script = |_, request: &Request| match runs(request).len() {
        1 => success(Protocol::HttpProtobuf),
        2 => Reply::Http(400, "", Vec::new()),
        _ => Reply::Http(413, "", Vec::new()),
    };
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let settings = spans_to(collector.destination());
    let sent = export_again(&settings, reports(5)).await.unwrap();
    assert_eq!((sent.delivered, sent.refused), (1, 4));
    assert_eq!(sent.reason.as_deref(), Some("status 400"));
    let nowhere = Settings {
        traces: None,
        ..settings
    };
    let error = export_again(&nowhere, reports(1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing says where spans or log records are to be sent"
    );
}

#[test]
fn a_collector_that_goes_away_does_not_hide_what_became_of_the_reports_before() {
    let error = AgainError::Unreachable {
        url: "http://c/".to_owned(),
        reason: "connection refused".to_owned(),
        sent: Sent {
            delivered: 512,
            refused: 2,
            rejected: 3,
            reason: Some("too old".to_owned()),
        },
    };
    assert_eq!(
        error.to_string(),
        "`http://c/` does not take the export: connection refused; before, 512 reports were taken, 2 were refused, 3 of \
         their spans and log records were rejected: too old"
    );
}

/// What is logged from here on, for as long as the second one is there.
fn logged() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    (log, tracing::subscriber::set_default(subscriber.finish()))
}

#[tokio::test]
async fn an_outage_after_a_refusal_is_said() {
    let (log, _subscribed) = logged();
    let script = |number, _: &_| Reply::Http(if number == 0 { 401 } else { 503 }, "", Vec::new());
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
    exporter.record(&passing());
    until("refused", || figures(&exporter).refused > 0).await;
    exporter.record(&failing());
    until("away", || count(&exporter, ExportResult::Retry) > 1).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("spans do not reach `").count(), 1, "{log}");
    assert!(log.contains("/v1/traces`: status 503"), "{log}");
}

#[tokio::test]
async fn a_page_of_something_else_is_no_delivery() {
    for protocol in PROTOCOLS {
        let script = |_, _: &_| Reply::Http(200, "content-type: text/html\r\n", b"<p>Log in</p>".to_vec());
        let collector = Scripted::start(protocol, script).await;
        let settings = Settings {
            metrics: Some(collector.destination()),
            ..spans_to(collector.destination())
        };
        let exporter = Exporter::start(&settings, None, &Handle::current()).unwrap();
        exporter.record(&passing());
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert_eq!(losses.len(), 2, "{protocol:?}: {losses:?}");
        let wanted = "status 200 with a body of `text/html`, which is no answer to an export";
        assert!(
            losses
                .iter()
                .all(|loss| loss.contains("did not reach") && loss.ends_with(wanted)),
            "{protocol:?}: {losses:?}"
        );
    }
}

#[tokio::test]
async fn reports_that_are_dropped_during_an_outage_are_said() {
    let (log, _subscribed) = logged();
    let collector = Scripted::start(Protocol::Grpc, |_, _| Reply::Http(503, "", Vec::new())).await;
    let settings = crate::journal::Settings {
        memory: 4,
        ..crate::journal::Settings::default()
    };
    let (journal, _) = Journal::open(settings, Vec::new()).unwrap();
    let (settings, meters) = (spans_to(collector.destination()), Meters::new(&BTreeMap::new()));
    let exporter = Exporter::start_with(&settings, &meters, Some(&journal), &Handle::current()).unwrap();
    let dropped = || journal.status().feeds[0].dropped;
    journal.append(passing());
    until("sent", || !collector.received().is_empty()).await;
    for report in reports(8) {
        journal.append(report);
        journal.flush(AT_LAST).await.unwrap();
    }
    until("said", || {
        String::from_utf8_lossy(&log.0.lock().unwrap()).contains("were dropped before they could be sent")
    })
    .await;
    for report in reports(8) {
        journal.append(report);
        journal.flush(AT_LAST).await.unwrap();
    }
    let losses = exporter.shutdown(FLUSH_BOUND).await;
    let wanted = format!(
        "the spans of {} runs were dropped before they could be sent",
        dropped()
    );
    assert!(
        dropped() >= 8 && losses.contains(&wanted),
        "{} {losses:?}",
        dropped()
    );
    assert_eq!(figures(&exporter).dropped, dropped());
}

/// Metrics of so many checks that they take two requests, at this interval, and their names.
fn many_metrics(collector: &Scripted, interval: Duration) -> (Exporter, BTreeSet<String>) {
    let settings = Settings {
        metric_interval: interval,
        ..metrics_to(collector.destination())
    };
    let meters = Meters::new(&BTreeMap::new());
    for number in 0..500 {
        let mut report = passing();
        report.check = format!("check-{number}");
        meters.record(&report);
    }
    let scopes = meters.export(std::time::SystemTime::now());
    let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
    let names = names.collect();
    let exporter = Exporter::start_with(&settings, &meters, None, &Handle::current()).unwrap();
    (exporter, names)
}

#[tokio::test]
async fn a_collector_that_limits_requests_gets_all_metrics() {
    // Whether there is time for another try before the next export, and how often it is said that they do not arrive.
    for (interval, said) in [(Duration::from_secs(5), 0), (Duration::from_millis(10), 1)] {
        let (log, _subscribed) = logged();
        let script = |number, _: &_| match number % 2 {
            0 => success(Protocol::HttpProtobuf),
            _ => Reply::Http(429, "", Vec::new()),
        };
        let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
        let (_exporter, names) = many_metrics(&collector, interval);
        until("all have arrived", || {
            let received = collector.received();
            let taken: BTreeSet<String> = received.iter().step_by(2).flat_map(metric_names).collect();
            received.len() > 4 && taken.is_superset(&names)
        })
        .await;
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("metrics do not reach `").count(), said, "{log}");
        assert_eq!(log.matches("metrics reach `").count(), 0, "{log}");
    }
}

#[tokio::test]
async fn that_some_of_the_metrics_are_refused_is_said_once() {
    let (log, _subscribed) = logged();
    let script = |number, _: &_| match number % 2 {
        0 => success(Protocol::HttpProtobuf),
        _ => Reply::Http(400, "", Vec::new()),
    };
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let (_exporter, _) = many_metrics(&collector, Duration::from_millis(10));
    until("exported again and again", || collector.received().len() > 8).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("metrics do not reach `").count(), 1, "{log}");
    assert_eq!(log.matches("metrics reach `").count(), 0, "{log}");
}

#[tokio::test]
async fn what_a_collector_says_of_what_it_took_is_said_at_the_end() {
    let response = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 0,
            error_message: "your quota is nearly used up".to_owned(),
        }),
    };
    let script = move |_, _: &_| Reply::Http(200, "", response.encode_to_vec());
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let settings = Settings {
        metrics: Some(collector.destination()),
        ..spans_to(collector.destination())
    };
    let exporter = Exporter::start(&settings, None, &Handle::current()).unwrap();
    exporter.record(&passing());
    let losses = exporter.shutdown(FLUSH_BOUND).await;
    assert_eq!(losses.len(), 2, "{losses:?}");
    for (loss, what) in losses.iter().zip(["spans", "metrics"]) {
        let wanted = format!("took {what} and says: your quota is nearly used up");
        assert!(loss.ends_with(&wanted), "{losses:?}");
    }
}
