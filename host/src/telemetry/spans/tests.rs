//! Tests of the spans of a report.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;

use super::*;
use crate::outcome::{
    CircuitChange, DeniedCall, ErrorType, InjectedFault, Relations, RunId, RunReference, StateChange, TraceId,
};
use crate::telemetry::specimen::{
    attempt, error, failing, milliseconds, passing, phase, refused_and_passing, skipped,
};
use crate::telemetry::values::MAX_ATTRIBUTES;

/// 2026-01-01T00:00:00Z, where the specimens start.
const START: u64 = 1_767_225_600_000_000_000;

fn shown(value: &AnyValue) -> String {
    match value.value.as_ref().expect("a value") {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(is) => is.to_string(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::ArrayValue(list) => {
            let texts: Vec<_> = list.values.iter().map(shown).collect();
            format!("[{}]", texts.join(","))
        }
        other => panic!("{other:?}"),
    }
}

fn shown_pairs(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let shown = |pair: &KeyValue| (pair.key.clone(), shown(pair.value.as_ref().expect("a value")));
    pairs.iter().map(shown).collect()
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    shown_pairs(&span.attributes)
}

/// The spans as a collector reads them. What is written is what the generated code writes of the same.
fn resource_spans<'r>(
    resource: &Resource,
    reports: impl IntoIterator<Item = &'r Report>,
) -> Vec<ResourceSpans> {
    let Some(written) = request(&resource.encode_to_vec(), reports) else {
        return Vec::new();
    };
    let read = ExportTraceServiceRequest::decode(written.as_slice()).unwrap();
    assert_eq!(read.encode_to_vec(), written);
    read.resource_spans
}

/// The scopes' names with their spans.
fn scopes(report: &Report) -> Vec<(String, Vec<Span>)> {
    let [of_resource] = &resource_spans(&Resource::default(), [report])[..] else {
        panic!("one resource")
    };
    let of_scopes = of_resource.scope_spans.iter();
    of_scopes
        .map(|of| {
            let scope = of.scope.as_ref().expect("a scope");
            (format!("{} {}", scope.name, scope.version), of.spans.clone())
        })
        .collect()
}

/// The spans as they follow each other in time, a span before those in it.
fn spans(report: &Report) -> Vec<Span> {
    let mut spans: Vec<Span> = scopes(report).into_iter().flat_map(|(_, spans)| spans).collect();
    let depth = |span: &Span| match span.name.as_str() {
        name if name.starts_with("check ") => 0,
        "attempt" | "backoff" => 1,
        _ => 2,
    };
    spans.sort_by_key(|span| (span.start_time_unix_nano, depth(span)));
    spans
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn code(span: &Span) -> i32 {
    span.status.as_ref().expect("a status").code
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
    assert_eq!(root.parent_span_id, Vec::<u8>::new());
    for (child, parent) in [
        (first, root),
        (connect, first),
        (backoff, root),
        (second, root),
        (select, second),
    ] {
        assert_eq!(child.parent_span_id, parent.span_id, "{}", child.name);
    }
    let [link] = &second.links[..] else {
        panic!("one link")
    };
    assert_eq!((&link.span_id, &link.trace_id), (&first.span_id, &root.trace_id));
    assert_eq!(
        shown_pairs(&link.attributes)["synthetic.check.link"],
        "previous_attempt"
    );
    assert!(first.links.is_empty() && root.links.is_empty());
}

#[test]
fn times_are_those_that_the_report_is_written_with() {
    let mut report = failing();
    report.started += Duration::from_nanos(999);
    report.duration += Duration::from_nanos(999);
    let spans = spans(&report);
    let times = |index: usize| {
        let span: &Span = &spans[index];
        (span.start_time_unix_nano - START, span.end_time_unix_nano - START)
    };
    assert_eq!(times(0), (0, 1_000_000_000));
    assert_eq!(times(3), (100_000_000, 300_000_000));
    assert_eq!(times(5), (300_000_000, 1_000_000_000));
}

#[test]
fn identities_follow_from_the_report() {
    let report = failing();
    let (first, second) = (spans(&report), spans(&report));
    assert_eq!(first, second);
    assert_eq!(first[0].span_id, report.run_id.0);
    assert!(first.iter().all(|span| span.trace_id == report.trace_id.0));
    let mut ids: Vec<_> = first.iter().map(|span| span.span_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), first.len());
    // What a phase is known by while it goes on.
    let select = SpanPlace::Phase { attempt: 2, index: 0 };
    assert_eq!(
        first[5].span_id,
        crate::outcome::derived_span_id(report.trace_id, select)
    );
}

#[test]
fn what_the_plugin_did_is_in_its_own_scope() {
    let of = |report: &Report| {
        let named = |(scope, spans): (String, Vec<Span>)| {
            let spans: Vec<_> = spans.into_iter().map(|span| span.name).collect();
            (scope, spans.join(" "))
        };
        scopes(report).into_iter().map(named).collect::<Vec<_>>()
    };
    let own = format!("bedcheck {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        of(&failing()),
        [
            (own, "check imap attempt connect backoff attempt".to_owned()),
            ("imap 0.1.0".to_owned(), "select".to_owned())
        ]
    );
}

#[test]
fn runs_share_the_resource_and_the_scopes() {
    let resource = Resource {
        dropped_attributes_count: 7,
        ..Resource::default()
    };
    let (one, other) = (
        failing(),
        Report {
            trace_id: TraceId([8; 16]),
            ..failing()
        },
    );
    let spans = resource_spans(&resource, [&one, &other]);
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].resource.as_ref(), Some(&resource));
    let sizes: Vec<_> = spans[0].scope_spans.iter().map(|of| of.spans.len()).collect();
    assert_eq!(sizes, [10, 2]);
    assert_eq!(resource_spans(&resource, []), []);
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
        ("synthetic.check.phases.not_reached", "[logout]"),
        ("synthetic.check.plugin.version", "0.1.0"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
    }
    let status = spans[0].status.as_ref().expect("a status");
    assert_eq!((status.code, status.message.as_str()), (2, "what happened"));
    let hit = spans[0].events.iter().find(|event| event.name == "deadline.hit");
    assert_eq!(hit.map(|event| event.time_unix_nano), Some(START + 1_000_000_000));
}

#[test]
fn a_retry_is_scheduled_at_the_end_of_the_attempt_before() {
    let root = spans(&failing()).remove(0);
    let event = root
        .events
        .iter()
        .find(|event| event.name == "retry.scheduled")
        .expect("the event");
    assert_eq!(event.time_unix_nano, START + 100_000_000);
    let told = shown_pairs(&event.attributes);
    assert_eq!(told["synthetic.check.attempt"], "2");
    assert_eq!(told["synthetic.check.backoff"], "0.2");
    assert_eq!(told["error.type"], "connection_refused");
    assert!(spans(&passing())[0].events.is_empty());
}

#[test]
fn phases_carry_their_status_and_what_the_host_learned() {
    let spans_of_failing = spans(&failing());
    let select = attributes(&spans_of_failing[5]);
    assert_eq!(select["synthetic.check.phase"], "select");
    assert_eq!(select["synthetic.check.phase.detail"], "INBOX");
    assert_eq!(select["synthetic.check.phase.status"], "deadline-exceeded");
    assert_eq!(select["error.type"], "deadline_exceeded");
    assert_eq!(
        attributes(&spans(&passing())[3])["tls.server.not_after"],
        "2026-01-02T00:00:00.1Z"
    );
}

#[test]
fn a_phase_is_of_the_kind_client_once_the_attempt_has_reached_out() {
    let mut report = passing();
    let phases = vec![
        phase("parse", PhaseStatus::Ok, 0, 5),
        phase("connect", PhaseStatus::Ok, 10, 10),
        phase("greeting", PhaseStatus::Ok, 20, 10),
    ];
    report.attempts = vec![attempt(Outcome::Pass, None, 0, 100, phases)];
    let kinds: Vec<_> = spans(&report)
        .iter()
        .map(|span| (span.name.clone(), span.kind))
        .collect();
    let wanted = [
        ("check imap", 1),
        ("attempt", 1),
        ("parse", 1),
        ("connect", 3),
        ("greeting", 3),
    ];
    assert_eq!(kinds, wanted.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn only_what_ran_and_did_not_pass_is_an_error() {
    assert!(spans(&passing()).iter().all(|span| code(span) == 0));
    let skipped = spans(&skipped());
    assert_eq!(names(&skipped), ["check imap"]);
    assert_eq!(code(&skipped[0]), 0);
    assert_eq!(attributes(&skipped[0])["error.type"], "circuit_open");
}

#[test]
fn a_phase_that_the_end_cut_off_is_where_the_attempt_failed() {
    let mut report = failing();
    let phase = &mut report.attempts[1].phases[0];
    (phase.status, phase.error) = (PhaseStatus::Interrupted, None);
    assert_eq!(attributes(&spans(&report)[5])["error.type"], "deadline_exceeded");
    report.attempts[1].outcome = Outcome::Pass;
    assert_eq!(code(&spans(&report)[5]), 0);
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

fn events(span: &Span, name: &str) -> Vec<u64> {
    let named = span.events.iter().filter(|event| event.name == name);
    named.map(|event| event.time_unix_nano - START).collect()
}

#[test]
fn an_injected_fault_is_an_event_of_its_phase_or_else_of_its_attempt_or_of_the_root() {
    let mut report = failing();
    report.attempts[1].phases[0].injected = true;
    report.faults = vec![
        injected(Some("select"), Some("INBOX"), 400),
        injected(None, None, 20),
        // A phase of that name, and not at that time.
        injected(Some("select"), Some("INBOX"), 30),
        // While the run waited.
        injected(None, None, 200),
    ];
    let spans = spans(&report);
    let [root, first, connect, _, second, select] = &spans[..] else {
        panic!("six spans")
    };
    let of = |span| events(span, "fault.injected");
    assert_eq!(of(root), [200_000_000]);
    assert_eq!(of(first), [20_000_000, 30_000_000]);
    assert_eq!(of(select), [400_000_000]);
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
    let event = select.events.iter().find(|event| event.name == "fault.injected");
    let told = shown_pairs(&event.expect("the event").attributes);
    assert_eq!(told["synthetic.check.fault"], "net.read#3=connection-reset");
    assert_eq!(told["synthetic.check.fault.host_call"], "net.read");
    assert_eq!(told["synthetic.check.phase"], "select");
    assert_eq!(told["synthetic.check.phase.detail"], "INBOX");
}

#[test]
fn refused_calls_stand_in_the_root_and_are_events_where_they_were_made() {
    let mut report = refused_and_passing();
    let denied = |denial: &'static str, phase: Option<&str>, at| DeniedCall {
        denial: denial.into(),
        phase: phase.map(str::to_owned),
        detail: None,
        at: milliseconds(at),
    };
    report.denials = vec![denied("grant", Some("connect"), 5), denied("net.tls", None, 50)];
    let spans_of_refused = spans(&report);
    let root = attributes(&spans_of_refused[0]);
    assert_eq!(root["synthetic.check.usage.denied_calls"], "2");
    assert_eq!(root["synthetic.check.denials"], "[grant]");
    assert!(!attributes(&spans(&passing())[0]).contains_key("synthetic.check.denials"));
    assert_eq!(events(&spans_of_refused[2], "grant.denied"), [5_000_000]);
    assert_eq!(events(&spans_of_refused[1], "capability.denied"), [50_000_000]);
    let told = shown_pairs(&spans_of_refused[1].events[0].attributes);
    assert_eq!(told["synthetic.check.denial"], "net.tls");
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
    report.usage.log_lines_dropped = 3;
    let told = attributes(&spans(&report)[0]);
    assert_eq!(told["synthetic.check.warnings"], "[slow]");
    assert_eq!(told["synthetic.check.retry_denied"], "enough");
    assert_eq!(told["synthetic.check.log.dropped"], "3");
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
        assert_eq!(code(&spans[index]), 0, "{}", spans[index].name);
        assert_eq!(attributes(&spans[index])["error.type"], "cancelled");
    }
    assert_eq!(code(&spans[1]), 2);
}

#[test]
fn changes_of_the_breaker_are_events_of_the_root() {
    let mut report = passing();
    let change = |from, to, at| CircuitChange {
        target: "mail.example.org:993".to_owned(),
        from,
        to,
        at,
    };
    report.circuit = vec![
        change("open", "half-open", Duration::ZERO),
        change("half-open", "closed", report.duration),
        change("closed", "open", report.duration),
    ];
    let root = spans(&report).remove(0);
    let told: Vec<_> = root
        .events
        .iter()
        .map(|event| {
            let told = shown_pairs(&event.attributes);
            let state = |name: &str| told[name].clone();
            let states = [
                state("synthetic.check.circuit.state.before"),
                state("synthetic.check.circuit.state"),
            ];
            assert_eq!(told["synthetic.check.target"], "mail.example.org:993");
            (
                event.name.as_str(),
                event.time_unix_nano - START,
                states.join(" "),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("circuit.half_opened", 0, "open half_open".to_owned()),
            ("circuit.closed", 100_000_000, "half_open closed".to_owned()),
            ("circuit.opened", 100_000_000, "closed open".to_owned()),
        ]
    );
}

#[test]
fn the_root_links_to_the_runs_that_it_has_to_do_with() {
    let run = |byte| RunReference {
        run_id: RunId([byte; 8]),
        trace_id: TraceId([byte; 16]),
    };
    let mut report = skipped();
    report.relations = Relations {
        opened_by: Some(run(1)),
        state_change: Some(StateChange {
            from: "passing".to_owned(),
            to: "failing".to_owned(),
            previous: Some(run(2)),
        }),
    };
    let root = spans(&report).remove(0);
    let links: Vec<_> = root
        .links
        .iter()
        .map(|link| {
            let why = shown_pairs(&link.attributes)["synthetic.check.link"].clone();
            (why, link.trace_id.clone(), link.span_id.clone())
        })
        .collect();
    assert_eq!(
        links,
        [
            ("opened_circuit".to_owned(), vec![1; 16], vec![1; 8]),
            ("previous_state".to_owned(), vec![2; 16], vec![2; 8]),
        ]
    );
    let told = attributes(&root);
    assert_eq!(told["synthetic.check.state.before"], "passing");
    assert_eq!(told["synthetic.check.state"], "failing");
}

#[test]
fn what_is_over_a_limit_is_left_out_and_counted() {
    let mut report = passing();
    let crowd = (0..MAX_SPANS).map(|_| phase("connect", PhaseStatus::Ok, 0, 10));
    let mut phases: Vec<_> = crowd.collect();
    let facts = (0..MAX_ATTRIBUTES).map(|index| {
        let name: &'static str = Box::leak(format!("fact.{index}").into_boxed_str());
        (name, crate::outcome::AttributeValue::Integer(1))
    });
    phases[0].attributes = facts.collect();
    report.attempts = vec![attempt(Outcome::Pass, None, 0, 100, phases)];
    report.faults = (0..MAX_EVENTS + 5).map(|_| injected(None, None, 50)).collect();
    let spans = spans(&report);
    assert_eq!(spans.len(), MAX_SPANS);
    // The root, two for the attempt, and the phases; all but one of the attempt's are there.
    assert_eq!(attributes(&spans[0])["synthetic.check.spans.dropped"], "2");
    assert_eq!(
        (spans[1].events.len(), spans[1].dropped_events_count),
        (MAX_EVENTS, 5)
    );
    let full = spans
        .iter()
        .find(|span| span.dropped_attributes_count > 0)
        .expect("a full span");
    assert_eq!(full.attributes.len(), MAX_ATTRIBUTES);
}
