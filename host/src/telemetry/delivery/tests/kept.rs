//! What the journal keeps for another exporter, another process, or another try.

use super::*;
use crate::telemetry::delivery::{MAX_REQUEST, export_again};

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
async fn of_a_burst_of_ten_thousand_runs_every_one_arrives_once() {
    for protocol in PROTOCOLS {
        let collector = Scripted::start(protocol, move |_, _| success(protocol)).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        reports(10_000).iter().for_each(|report| exporter.record(report));
        assert_eq!(exporter.shutdown(4 * AT_LAST).await, Vec::<String>::new());
        let received = collector.received();
        let arrived: Vec<u16> = received.iter().flat_map(runs).collect();
        assert_eq!(arrived, (1..=10_000).collect::<Vec<u16>>(), "{protocol:?}");
        assert!(received.iter().all(|request| request.body.len() <= MAX_REQUEST));
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
        // One request, or two where the machine was busy between the reports.
        let requests = collector.received().len();
        let sent = export_again(&settings, reports(2)).await.unwrap();
        assert_eq!((sent.delivered, sent.refused, sent.rejected), (2, 0, 0));
        let spans = |requests: &[Request]| -> Vec<_> {
            let messages = requests.iter().map(Request::message::<ExportTraceServiceRequest>);
            messages
                .flat_map(|message| message.resource_spans)
                .flat_map(|resource| resource.scope_spans)
                .flat_map(|scope| scope.spans)
                .collect()
        };
        let received = collector.received();
        let (first, again) = received.split_at(requests);
        assert!(!spans(first).is_empty());
        assert_eq!(spans(first), spans(again));
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
