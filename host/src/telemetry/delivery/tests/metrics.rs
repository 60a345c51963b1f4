//! Metrics, which are sent as a whole and not kept.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

use super::*;

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
