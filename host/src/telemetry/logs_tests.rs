//! Tests of the log records of a report.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;
use crate::outcome::{TraceId, derived_span_id};
use crate::telemetry::specimen::{failing, milliseconds, passing, skipped};

/// 2026-01-01T00:00:00Z, where the specimens start.
const START: u64 = 1_767_225_600_000_000_000;

fn line(at: u64, level: LogLevel, phase: Option<&str>, message: &str) -> LogLine {
    LogLine {
        at: milliseconds(at),
        phase: phase.map(str::to_owned),
        detail: phase
            .filter(|phase| *phase == "select")
            .map(|_| "INBOX".to_owned()),
        level,
        message: message.to_owned(),
    }
}

/// The records with the names of their scopes.
fn records(report: &Report) -> Vec<(String, LogRecord)> {
    let of_resources = resource_logs(&Resource::default(), [report]);
    let of_scopes = of_resources.into_iter().flat_map(|of| of.scope_logs);
    of_scopes
        .flat_map(|of| {
            let scope = of.scope.expect("a scope").name;
            of.log_records
                .into_iter()
                .map(move |record| (scope.clone(), record))
        })
        .collect()
}

fn body(record: &LogRecord) -> &str {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn attributes(record: &LogRecord) -> BTreeMap<&str, String> {
    let shown = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = record.attributes.iter();
    pairs
        .map(|pair| {
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            (pair.key.as_str(), shown(value.expect("a value")))
        })
        .collect()
}

#[test]
fn a_line_is_a_record_of_the_plugin_in_the_span_of_the_phase_that_was_open() {
    let mut report = failing();
    report.log = vec![
        line(50, LogLevel::Debug, Some("connect"), "trying"),
        line(400, LogLevel::Warning, Some("select"), "slow"),
        line(400, LogLevel::Error, None, "printed"),
    ];
    let of_plugin: Vec<_> = records(&report)
        .into_iter()
        .filter(|(scope, _)| scope == "imap")
        .collect();
    let [(_, first), (_, second), (_, third)] = &of_plugin[..] else {
        panic!("three lines")
    };
    let place =
        |attempt, index| derived_span_id(report.trace_id, SpanPlace::Phase { attempt, index }).to_vec();
    assert_eq!(
        (body(first), first.severity_number, first.severity_text.as_str()),
        ("trying", 5, "DEBUG")
    );
    assert_eq!(
        (first.time_unix_nano, &first.span_id),
        (START + 50_000_000, &place(1, 0))
    );
    assert_eq!(
        (body(second), second.severity_number, &second.span_id),
        ("slow", 13, &place(2, 0))
    );
    let told = attributes(second);
    for (name, value) in [
        ("synthetic.check.name", "mail-login"),
        ("synthetic.check.type", "imap"),
        ("synthetic.check.run.id", "0102030405060708"),
        ("synthetic.check.phase", "select"),
        ("synthetic.check.phase.detail", "INBOX"),
        ("synthetic.check.attempt", "2"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
    }
    let attempt = derived_span_id(report.trace_id, SpanPlace::Attempt(2)).to_vec();
    assert_eq!(
        (third.severity_text.as_str(), &third.span_id),
        ("ERROR", &attempt)
    );
    assert!(of_plugin.iter().all(|(_, record)| {
        record.trace_id == report.trace_id.0
            && record.flags == 1
            && record.event_name.is_empty()
            && record.observed_time_unix_nano == START + 1_000_000_000
    }));
}

#[test]
fn a_failure_is_one_record_and_what_passed_or_was_skipped_has_none() {
    let of = |report: &Report| {
        let records = records(report).into_iter().map(|(_, record)| record);
        records
            .filter(|record| record.event_name == "check.failed")
            .collect::<Vec<_>>()
    };
    let report = failing();
    let [failure] = &of(&report)[..] else {
        panic!("one record")
    };
    assert_eq!(
        (body(failure), failure.severity_text.as_str()),
        ("what happened", "ERROR")
    );
    assert_eq!(failure.span_id, report.run_id.0);
    let told = attributes(failure);
    assert_eq!(told["error.type"], "deadline_exceeded");
    assert_eq!(told["synthetic.check.outcome"], "fail");
    assert_eq!(told["synthetic.check.blame"], "target");
    assert_eq!(told["synthetic.check.phase"], "select");
    assert!(of(&passing()).is_empty() && of(&skipped()).is_empty());
    assert_eq!(resource_logs(&Resource::default(), [&passing()]), []);
}

#[test]
fn what_happened_is_a_record_of_the_name_of_the_event() {
    let report = failing();
    let events: Vec<_> = records(&report)
        .into_iter()
        .map(|(scope, record)| (scope, record.event_name.clone(), body(&record).to_owned()))
        .collect();
    let own = |name: &str, sentence: &str| ("bedcheck".to_owned(), name.to_owned(), sentence.to_owned());
    assert_eq!(
        events,
        [
            own("check.failed", "what happened"),
            own("deadline.hit", "the deadline of 1 s was hit in `net.read`"),
            own("retry.scheduled", "attempt 2 follows in 0.2 s"),
        ]
    );
}

#[test]
fn every_record_has_an_identity_of_its_own_and_always_the_same() {
    let mut report = failing();
    report.log = vec![line(50, LogLevel::Info, Some("connect"), "again"); 3];
    let other = Report {
        trace_id: TraceId([8; 16]),
        ..report.clone()
    };
    let ids = |report: &Report| -> Vec<String> {
        let records = records(report);
        let ids = records
            .iter()
            .map(|(_, record)| attributes(record)["log.record.uid"].clone());
        ids.collect()
    };
    assert_eq!(ids(&report), ids(&report));
    let all: BTreeSet<_> = ids(&report).into_iter().chain(ids(&other)).collect();
    assert_eq!(all.len(), 12);
}

#[test]
fn what_is_over_the_limit_is_left_out_and_told() {
    let mut report = failing();
    report.usage.log_lines_dropped = 10;
    report.log = vec![line(50, LogLevel::Info, None, "again"); MAX_RECORDS];
    let records = records(&report);
    assert_eq!(records.len(), MAX_RECORDS + 1);
    assert!(
        records
            .iter()
            .any(|(_, record)| record.event_name == "check.failed")
    );
    let cut = records.iter().find(|(_, record)| record.event_name == "log.cut");
    let (scope, cut) = cut.expect("it is told");
    // Three records come before the lines.
    assert_eq!(attributes(cut)["synthetic.check.log.dropped"], "13");
    assert_eq!(
        (scope.as_str(), body(cut)),
        ("bedcheck", "13 lines were left out: the run has too many")
    );
}
