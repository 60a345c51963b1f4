//! What plugins wrote, what happened and how runs failed arrives as log records in the traces of the runs.

use std::collections::BTreeSet;

use bedcheck_tests::collector::Log;
use serde_json::Value;

use crate::runs::RUNS;
use crate::trace::{elements, seconds, text};

/// The records of a run in the order of their arrival.
fn records(report: &Value) -> Vec<&'static Log> {
    let records = RUNS.received.logs.iter();
    records
        .filter(|record| report["trace_id"] == record.trace_id.as_str())
        .collect()
}

fn severity(level: &Value) -> u64 {
    match text(level) {
        "debug" => 5,
        "info" => 9,
        "warning" => 13,
        _ => 17,
    }
}

#[test]
fn every_line_of_a_plugin_arrives_in_the_span_in_which_it_was_written() {
    let mut lines_in_all = 0;
    for report in &RUNS.reports {
        let plugin = text(&report["plugin"]["name"]);
        let of_plugin = records(report)
            .into_iter()
            .filter(|record| record.scope == plugin);
        let found: Vec<_> = of_plugin.collect();
        let lines = elements(&report["log"]);
        assert_eq!(found.len(), lines.len(), "{report:#}");
        let spans = &RUNS.received.spans;
        let root = spans
            .iter()
            .find(|span| report["run_id"] == span.id.as_str())
            .expect("a root");
        for (record, line) in found.iter().zip(lines) {
            assert_eq!(record.body, text(&line["message"]));
            assert_eq!(record.severity, severity(&line["level"]));
            let at = (seconds(&line["at_s"]) * 1e6).round() as u64;
            assert_eq!((record.time - root.start) / 1000, at, "{record:#?}");
            let span = spans
                .iter()
                .find(|span| span.id == record.span_id)
                .expect("its span");
            assert_eq!(span.trace_id, record.trace_id);
            assert!(
                span.start <= record.time && record.time <= span.end,
                "{record:#?}, {span:#?}"
            );
            if let Some(phase) = line["phase"].as_str() {
                assert_eq!(span.name, phase);
            }
            assert_eq!(record.attributes["synthetic.check.name"], report["check"]);
            assert_eq!(record.resource, span.resource);
        }
        lines_in_all += lines.len();
    }
    // A plugin that panics says so.
    assert!(lines_in_all > 0);
}

#[test]
fn every_run_that_failed_is_one_record_and_no_other_run_is() {
    for report in &RUNS.reports {
        let failures: Vec<_> = records(report)
            .into_iter()
            .filter(|record| record.event_name == "check.failed")
            .collect();
        if report["outcome"] == "pass" {
            assert!(failures.is_empty(), "{failures:#?}");
            continue;
        }
        let [failure] = failures[..] else {
            panic!("wanted one record, found {failures:#?} for {report:#}")
        };
        assert_eq!(failure.body, text(&report["error"]["message"]));
        assert_eq!((failure.severity, failure.scope.as_str()), (17, "bedcheck"));
        assert_eq!(report["run_id"], failure.span_id.as_str());
        for (name, reported) in [
            ("synthetic.check.outcome", &report["outcome"]),
            ("synthetic.check.blame", &report["blame"]),
            ("error.type", &report["error"]["type"]),
        ] {
            assert_eq!(&failure.attributes[name], reported, "{name}");
        }
    }
}

#[test]
fn every_event_of_a_span_is_a_record_too_and_every_record_has_an_identity_of_its_own() {
    for report in &RUNS.reports {
        let spans = RUNS.received.spans.iter();
        let of_run = spans.filter(|span| report["trace_id"] == span.trace_id.as_str());
        let events = of_run.flat_map(|span| {
            span.events
                .iter()
                .map(|(name, _)| (name.clone(), span.id.clone()))
        });
        let events: BTreeSet<_> = events.collect();
        let logged = records(report)
            .into_iter()
            .filter(|record| !matches!(record.event_name.as_str(), "" | "check.failed" | "log.cut"));
        let logged: BTreeSet<_> = logged
            .map(|record| (record.event_name.clone(), record.span_id.clone()))
            .collect();
        assert_eq!(logged, events, "{report:#}");
    }
    let logs = &RUNS.received.logs;
    let ids: BTreeSet<_> = logs
        .iter()
        .map(|record| text(&record.attributes["log.record.uid"]))
        .collect();
    assert_eq!(ids.len(), logs.len());
}
