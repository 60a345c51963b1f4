//! What is said of deliveries in the log and at the end.

use super::*;
use crate::telemetry::delivery::{AgainError, Sent};

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
    let exporter = of_spans_and_metrics(&collector);
    exporter.record(&passing());
    let losses = exporter.shutdown(FLUSH_BOUND).await;
    assert_eq!(losses.len(), 2, "{losses:?}");
    for (loss, what) in losses.iter().zip(["spans", "metrics"]) {
        let wanted = format!("took {what} and says: your quota is nearly used up");
        assert!(loss.ends_with(&wanted), "{losses:?}");
    }
}
