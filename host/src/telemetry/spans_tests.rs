//! Tests of the spans of a report.

use std::collections::BTreeMap;

use super::*;
use crate::outcome::ErrorType;
use crate::telemetry::specimen::{
    error, failing, milliseconds, passing, refused_and_passing, skipped, started,
};

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    span.attributes
        .iter()
        .map(|pair| (pair.key.to_string(), pair.value.to_string()))
        .collect()
}

fn names(spans: &[SpanData]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_ref()).collect()
}

#[test]
fn a_run_is_a_tree_of_attempts_phases_and_waits() {
    let spans = spans(&failing());
    assert_eq!(
        names(&spans),
        ["check imap", "attempt", "connect", "backoff", "attempt", "select"]
    );
    let [root, first, connect, backoff, second, select] = &spans[..] else {
        panic!("six spans")
    };
    let parents = [root, first, connect, backoff, second, select].map(|span| span.parent_span_id);
    let (root_id, first_id, second_id) = (
        root.span_context.span_id(),
        first.span_context.span_id(),
        second.span_context.span_id(),
    );
    assert_eq!(
        parents,
        [SpanId::INVALID, root_id, first_id, root_id, root_id, second_id]
    );
    assert_eq!(second.links[0].span_context, first.span_context);
    assert!(first.links.is_empty());
}

#[test]
fn times_are_those_of_the_report() {
    let spans = spans(&failing());
    let times = |index: usize| (spans[index].start_time, spans[index].end_time);
    assert_eq!(times(0), (started(), started() + milliseconds(1000)));
    assert_eq!(
        times(3),
        (started() + milliseconds(100), started() + milliseconds(300))
    );
    assert_eq!(
        times(5),
        (started() + milliseconds(300), started() + milliseconds(1000))
    );
}

#[test]
fn identities_follow_from_the_report() {
    let report = failing();
    let (first, second) = (spans(&report), spans(&report));
    assert_eq!(first, second);
    assert_eq!(first[0].span_context.span_id().to_bytes(), report.run_id.0);
    assert!(
        first
            .iter()
            .all(|span| span.span_context.trace_id().to_bytes() == report.trace_id.0)
    );
    let mut ids: Vec<_> = first
        .iter()
        .map(|span| span.span_context.span_id().to_bytes())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), first.len());
}

#[test]
fn the_root_tells_the_outcome_and_where_the_deadline_was_hit() {
    let spans = spans(&failing());
    let told = attributes(&spans[0]);
    for (name, value) in [
        ("synthetic.check.name", "mail-login"),
        ("synthetic.check.type", "imap"),
        ("synthetic.check.outcome", "fail"),
        ("synthetic.check.blame", "target"),
        ("error.type", "deadline_exceeded"),
        ("synthetic.check.attempts", "2"),
        ("synthetic.check.deadline", "1"),
        ("synthetic.check.deadline.phase", "select"),
        ("synthetic.check.deadline.host_call", "net.read"),
        ("synthetic.check.run.id", "0102030405060708"),
        ("synthetic.check.phases.not_reached", "[\"logout\"]"),
        ("synthetic.check.plugin.version", "0.1.0"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(spans[0].status, Status::error("what happened"));
    assert_eq!(spans[0].events[0].name, "deadline.hit");
    assert_eq!(spans[0].events[0].timestamp, started() + milliseconds(1000));
}

#[test]
fn phases_carry_their_status_and_what_the_host_learned() {
    let spans = spans(&failing());
    let select = attributes(&spans[5]);
    assert_eq!(select["synthetic.check.phase"], "select");
    assert_eq!(select["synthetic.check.phase.detail"], "INBOX");
    assert_eq!(select["synthetic.check.phase.status"], "deadline-exceeded");
    assert_eq!(select["error.type"], "deadline_exceeded");
    assert_eq!(spans[5].span_kind, SpanKind::Client);
    let passing = super::spans(&passing());
    assert_eq!(
        attributes(&passing[3])["tls.server.not_after"],
        "2026-01-02T00:00:00.1Z"
    );
}

#[test]
fn only_what_ran_and_did_not_pass_is_an_error() {
    assert!(spans(&passing()).iter().all(|span| span.status == Status::Unset));
    let skipped = spans(&skipped());
    assert_eq!(names(&skipped), ["check imap"]);
    assert_eq!(skipped[0].status, Status::Unset);
    assert_eq!(attributes(&skipped[0])["error.type"], "circuit_open");
}

#[test]
fn a_phase_that_the_end_cut_off_is_where_the_attempt_failed() {
    let mut report = failing();
    let phase = &mut report.attempts[1].phases[0];
    (phase.status, phase.error) = (PhaseStatus::Interrupted, None);
    assert_eq!(attributes(&spans(&report)[5])["error.type"], "deadline_exceeded");
    report.attempts[1].outcome = Outcome::Pass;
    assert_eq!(spans(&report)[5].status, Status::Unset);
}

fn injected(phase: Option<&str>, detail: Option<&str>, at: u64) -> InjectedFault {
    InjectedFault {
        fault: "net.read#3=connection-reset".into(),
        call: "net.read",
        phase: phase.map(str::to_owned),
        detail: detail.map(str::to_owned),
        at: milliseconds(at),
    }
}

#[test]
fn an_injected_fault_is_an_event_of_its_phase_or_else_of_the_root() {
    let mut report = failing();
    report.attempts[1].phases[0].injected = true;
    report.faults = vec![
        injected(Some("select"), Some("INBOX"), 400),
        injected(None, None, 20),
        // A phase of that name, and not at that time.
        injected(Some("select"), Some("INBOX"), 20),
    ];
    let spans = spans(&report);
    let events = |span: &SpanData| {
        let named = |event: &&Event| event.name == "fault.injected";
        let events = span.events.iter().filter(named);
        events.map(|event| event.timestamp).collect::<Vec<_>>()
    };
    let [root, first, connect, _, second, select] = &spans[..] else {
        panic!("six spans")
    };
    assert_eq!(events(root), [started() + milliseconds(20); 2]);
    assert_eq!(events(select), [started() + milliseconds(400)]);
    for (span, is_injected) in [
        (root, true),
        (first, false),
        (connect, false),
        (second, true),
        (select, true),
    ] {
        let told = attributes(span);
        let told = told.get("synthetic.check.fault.injected").map(String::as_str);
        assert_eq!(told, is_injected.then_some("true"), "{}", span.name);
    }
    let event = select
        .events
        .iter()
        .find(|event| event.name == "fault.injected")
        .unwrap();
    let of_event: Vec<_> = event
        .attributes
        .iter()
        .map(|pair| pair.value.to_string())
        .collect();
    assert_eq!(
        of_event,
        ["net.read#3=connection-reset", "net.read", "select", "INBOX"]
    );
}

#[test]
fn refused_calls_stand_in_the_root() {
    let root = attributes(&spans(&refused_and_passing())[0]);
    assert_eq!(root["synthetic.check.usage.denied_calls"], "2");
    assert_eq!(root["synthetic.check.denials"], "[\"grant\"]");
    assert!(!attributes(&spans(&passing())[0]).contains_key("synthetic.check.denials"));
}

#[test]
fn a_run_that_passed_on_a_later_attempt_says_so_on_the_root() {
    let mut report = failing();
    (report.outcome, report.attempts[1].outcome) = (Outcome::Pass, Outcome::Pass);
    let retried = spans(&report);
    assert_eq!(attributes(&retried[0])["synthetic.check.retried"], "true");
    let numbers: Vec<_> = retried
        .iter()
        .filter_map(|span| attributes(span).remove("synthetic.check.attempt"))
        .collect();
    assert_eq!(numbers, ["1", "2"]);
    let plain = spans(&passing());
    assert!(!attributes(&plain[0]).contains_key("synthetic.check.retried"));
}

#[test]
fn warnings_and_a_retry_that_was_left_out_are_on_the_root() {
    let mut report = passing();
    report.warnings = vec!["slow".into()];
    report.retry_denied = Some("enough".into());
    let told = attributes(&spans(&report)[0]);
    assert_eq!(told["synthetic.check.warnings"], "[\"slow\"]");
    assert_eq!(told["synthetic.check.retry_denied"], "enough");
}

#[test]
fn a_run_that_was_cancelled_is_no_error_but_for_what_failed_before() {
    let mut report = failing();
    let cancelled = error(ErrorType::Cancelled, "select");
    (report.outcome, report.error) = (Outcome::Skipped, Some(cancelled.clone()));
    (report.attempts[1].outcome, report.attempts[1].error) = (Outcome::Skipped, Some(cancelled));
    let phase = &mut report.attempts[1].phases[0];
    (phase.status, phase.error) = (PhaseStatus::Interrupted, None);
    let spans = spans(&report);
    for index in [0, 4, 5] {
        assert_eq!(spans[index].status, Status::Unset, "{}", spans[index].name);
        assert_eq!(attributes(&spans[index])["error.type"], "cancelled");
    }
    assert_ne!(spans[1].status, Status::Unset);
}

#[test]
fn changes_of_the_breaker_are_events_of_the_root() {
    let mut report = passing();
    report.circuit = vec![
        CircuitChange {
            target: "mail.example.org:993".to_owned(),
            from: "open",
            to: "half-open",
            at: Duration::ZERO,
        },
        CircuitChange {
            target: "mail.example.org:993".to_owned(),
            from: "half-open",
            to: "closed",
            at: report.duration,
        },
    ];
    let root = spans(&report).remove(0);
    let told: Vec<_> = root
        .events
        .events
        .iter()
        .map(|event| {
            let values = event
                .attributes
                .iter()
                .map(|attribute| attribute.value.to_string());
            (
                event.name.to_string(),
                event.timestamp,
                values.collect::<Vec<_>>(),
            )
        })
        .collect();
    let changed = |at, before: &str, now: &str| {
        let states = vec![
            "mail.example.org:993".to_owned(),
            before.to_owned(),
            now.to_owned(),
        ];
        ("circuit.transition".to_owned(), report.started + at, states)
    };
    assert_eq!(
        told,
        [
            changed(Duration::ZERO, "open", "half_open"),
            changed(report.duration, "half_open", "closed"),
        ]
    );
}
