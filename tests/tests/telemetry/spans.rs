//! A run is one trace, which says what the report says.

use std::collections::BTreeSet;

use bedcheck_tests::collector::Span;
use bedcheck_tests::{dovecot, nginx};
use serde_json::{Value, json};

use crate::runs::{ENCODED_TOKEN, RUNS, TOKEN};
use crate::trace::{Trace, text};

fn trace(check: &str) -> Trace<'static> {
    Trace::of(RUNS.report(check), &RUNS.received)
}

fn names(spans: &[&Span]) -> Vec<String> {
    spans.iter().map(|span| span.name.clone()).collect()
}

#[test]
fn traces_and_reports_say_the_same_field_by_field() {
    for report in &RUNS.reports {
        Trace::of(report, &RUNS.received).assert_tells_the_report();
    }
    // Otherwise much of that would be true of nothing.
    let gist = |report: &Value| format!("{} {}", text(&report["check"]), text(&report["outcome"]));
    let gists: Vec<String> = RUNS.reports.iter().map(gist).collect();
    let wanted = [
        "page pass",
        "mail fail",
        "hangs fail",
        "refused fail",
        "second-try pass",
        "expired fail",
        "forbidden error",
        "panics error",
        "spins error",
        "leaves-open error",
        "confesses fail",
    ];
    assert_eq!(gists, wanted);
    // Notes are about the configuration; of telemetry there is nothing to say.
    let said: Vec<&str> = RUNS
        .stderr
        .lines()
        .filter(|line| !line.starts_with("note: "))
        .collect();
    assert_eq!(said, Vec::<&str>::new());
}

#[test]
fn every_run_has_a_trace_of_its_own_and_every_span_an_identity_of_its_own() {
    let spans = &RUNS.received.spans;
    let traces: BTreeSet<&str> = spans.iter().map(|span| span.trace_id.as_str()).collect();
    let reported: BTreeSet<&str> = RUNS
        .reports
        .iter()
        .map(|report| text(&report["trace_id"]))
        .collect();
    assert_eq!(traces, reported);
    assert_eq!(traces.len(), RUNS.reports.len());
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len());
    for id in ids {
        assert!(id.len() == 16 && id != "0000000000000000", "{id}");
    }
}

#[test]
fn spans_lie_between_the_start_and_the_end_of_the_process() {
    let (before, after) = RUNS.between;
    for span in &RUNS.received.spans {
        assert!(
            before < span.start.into() && u128::from(span.end) < after,
            "{span:#?}"
        );
    }
}

#[test]
fn every_span_says_who_sent_it() {
    let resources: BTreeSet<String> = RUNS
        .received
        .spans
        .iter()
        .map(|span| json!(span.resource).to_string())
        .collect();
    assert_eq!(resources.len(), 1, "{resources:#?}");
    for span in &RUNS.received.spans {
        assert_eq!(span.resource["service.name"], "bedcheck");
        for name in [
            "service.version",
            "service.instance.id",
            "telemetry.sdk.name",
            "host.name",
            "os.type",
            "host.arch",
        ] {
            assert_ne!(text(&span.resource[name]), "", "{name}");
        }
    }
}

#[test]
fn the_phases_of_a_page_are_spans_with_what_the_host_knows() {
    let trace = trace("page");
    let attempt = trace.only("attempt");
    assert_eq!(attempt.parent, trace.root().id);
    let phases = trace.under(attempt);
    assert_eq!(
        names(&phases),
        ["resolve", "connect", "tls", "processing", "transfer"]
    );
    let [resolve, connect, tls, processing, _] = phases[..] else {
        panic!("{phases:#?}")
    };
    assert_eq!(resolve.attributes["dns.question.name"], "127.0.0.1");
    assert_eq!(resolve.attributes["dns.answers"], json!(["127.0.0.1"]));
    assert_eq!(connect.attributes["server.address"], "127.0.0.1");
    assert_eq!(
        connect.attributes["network.peer.port"],
        connect.attributes["server.port"]
    );
    assert_eq!(connect.attributes["network.transport"], "tcp");
    assert_eq!(connect.attributes["network.type"], "ipv4");
    assert_eq!(tls.attributes["tls.server.subject"], "CN=bedcheck test server");
    assert_eq!(tls.attributes["tls.server.issuer"], "CN=bedcheck test authority");
    for (name, value) in [
        ("http.request.method", json!("GET")),
        ("http.response.status_code", json!(200)),
        ("network.protocol.name", json!("http")),
        ("network.protocol.version", json!("1.1")),
        ("server.address", json!("127.0.0.1")),
        ("user_agent.synthetic.type", json!("test")),
    ] {
        assert_eq!(processing.attributes[name], value, "{name}");
    }
    assert!(text(&processing.attributes["url.full"]).ends_with("/private"));
    for name in [
        "tls.protocol.version",
        "tls.cipher",
        "tls.server.not_after",
        "tls.server.hash.sha256",
    ] {
        assert!(tls.attributes[name].is_string(), "{tls:#?}");
    }
}

#[test]
fn a_mailbox_that_fails_is_a_span_of_its_own_between_others_that_work() {
    let trace = trace("mail");
    let phases = trace.under(trace.only("attempt"));
    let wanted = [
        "resolve",
        "connect",
        "tls",
        "greeting",
        "capability",
        "login",
        "select",
        "select",
        "select",
        "logout",
    ];
    assert_eq!(names(&phases), wanted);
    let mailbox = |span: &&&Span| span.name == "select";
    let mailboxes: Vec<String> = phases
        .iter()
        .filter(mailbox)
        .map(|span| {
            format!(
                "{} {}",
                text(&span.attributes["synthetic.check.phase.detail"]),
                span.status
            )
        })
        .collect();
    assert_eq!(mailboxes, ["INBOX 0", "Missing 2", "Archive 0"]);
    assert_eq!(
        trace.root().attributes["error.type"],
        "protocol.unexpected_response"
    );
    assert_eq!(trace.root().status, 2);
}

#[test]
fn attempts_that_were_repeated_are_linked_with_the_pause_between_them() {
    for (check, statuses) in [("refused", [2, 2]), ("second-try", [2, 0])] {
        let trace = trace(check);
        let root = trace.root();
        let under = trace.under(root);
        assert_eq!(names(&under), ["attempt", "backoff", "attempt"], "{check}");
        let [first, pause, second] = under[..] else {
            panic!("{under:#?}")
        };
        assert_eq!([first.status, second.status], statuses, "{check}");
        assert_eq!(root.status, second.status, "{check}");
        assert_eq!(root.attributes["synthetic.check.attempts"], 2);
        assert!(first.links.is_empty());
        assert_eq!(second.links, std::slice::from_ref(&first.id));
        // Half of it at least is waited for, and jitter takes from the rest.
        assert!(pause.end - pause.start >= 10_000_000, "{pause:#?}");
    }
}

#[test]
fn the_deadline_is_an_event_of_the_run_with_its_phase_and_host_call() {
    let trace = trace("hangs");
    let root = trace.root();
    let [(name, attributes)] = &root.events[..] else {
        panic!("{root:#?}")
    };
    assert_eq!(name, "deadline.hit");
    assert_eq!(attributes["synthetic.check.deadline.phase"], "capability");
    assert_eq!(attributes["synthetic.check.deadline.host_call"], "net.read");
    assert_eq!(root.attributes["synthetic.check.deadline.exceeded"], true);
    let not_reached = &root.attributes["synthetic.check.phases.not_reached"];
    assert_eq!(*not_reached, json!(["login", "select(INBOX)", "logout"]));
    assert_eq!(
        trace.only("capability").attributes["synthetic.check.phase.status"],
        "deadline-exceeded"
    );
}

#[test]
fn the_plugin_and_not_the_target_is_blamed_for_what_the_plugin_did() {
    for (check, blame, error_type) in [
        ("forbidden", "config", "grant_denied"),
        ("panics", "plugin", "plugin_trap"),
        ("spins", "plugin", "deadline_exceeded"),
        ("leaves-open", "plugin", "plugin_invalid"),
    ] {
        let root = trace(check).root();
        let seen = ["synthetic.check.outcome", "synthetic.check.blame", "error.type"]
            .map(|name| &root.attributes[name]);
        assert_eq!(seen, ["error", blame, error_type], "{check}");
        assert_eq!(root.status, 2);
    }
}

#[test]
fn no_secret_arrives_though_a_peer_sent_it_back() {
    // It was there to be struck out.
    assert_eq!(
        trace("confesses").root().message,
        "you said [redacted] [redacted]"
    );
    for secret in [TOKEN, ENCODED_TOKEN, dovecot::PASSWORD, nginx::PASSWORD] {
        assert!(!RUNS.text.contains(secret), "{secret}");
        let quoted = json!(secret).to_string();
        assert!(!RUNS.text.contains(quoted.trim_matches('"')), "{secret}");
    }
}
