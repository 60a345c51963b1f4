//! What a collector refuses or rejects, what is too large for it, and what is no answer of one.

use tokio::sync::watch;

use super::*;
use crate::telemetry::delivery::{Delivery, Render, Way};
use crate::telemetry::environment::Signal;
use crate::telemetry::otlp::{Client, Payload};
use crate::telemetry::requests::of_reports;

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
async fn a_page_of_something_else_is_no_delivery() {
    for protocol in PROTOCOLS {
        let script = |_, _: &_| Reply::Http(200, "content-type: text/html\r\n", b"<p>Log in</p>".to_vec());
        let collector = Scripted::start(protocol, script).await;
        let exporter = of_spans_and_metrics(&collector);
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
