//! The promise: `bedcheck demo` needs nothing installed, and gets from each of its healthy and sick servers a
//! different and true report, none later than the deadline, the grace and a little.

use std::collections::BTreeSet;

use bedcheck_tests::bedcheck;
use serde_json::Value;

/// Every server of the demo: outcome, error type, phase.
const TRUTH: [(&str, [&str; 3]); 15] = [
    ("imap-healthy", ["pass", "", ""]),
    ("imap-starttls", ["pass", "", ""]),
    ("imap-wrong-password", ["fail", "auth.rejected", "login"]),
    (
        "imap-hangs-after-banner",
        ["fail", "deadline_exceeded", "capability"],
    ),
    ("imap-silent", ["fail", "deadline_exceeded", "greeting"]),
    ("imap-closed-port", ["fail", "connection_refused", "connect"]),
    (
        "imap-starttls-stripped",
        ["fail", "tls.not_offered", "capability"],
    ),
    (
        "imap-expired-certificate",
        ["fail", "tls.certificate_expired", "tls"],
    ),
    ("http-healthy", ["pass", "", ""]),
    ("http-tls", ["pass", "", ""]),
    ("http-error-503", ["fail", "assertion_failed", ""]),
    ("http-drip", ["fail", "deadline_exceeded", "transfer"]),
    ("http-silent", ["fail", "deadline_exceeded", "processing"]),
    ("http-closed-port", ["fail", "connection_refused", "connect"]),
    (
        "http-expired-certificate",
        ["fail", "tls.certificate_expired", "tls"],
    ),
];

/// What the demo's checks log in with.
const PASSWORD: &str = "lights-out-at-ten";

/// A run of 300 ms ends no later than this, in seconds: the grace by default, 100 ms, and 20 ms for a busy
/// machine to notice.
const LATEST_END: f64 = 0.3 + 0.1 + 0.02;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Outcome, error type and phase.
fn verdict(report: &Value) -> [&str; 3] {
    let error = &report["error"];
    [
        text(&report["outcome"]),
        text(&error["type"]),
        text(&error["phase"]),
    ]
}

#[test]
fn each_server_gets_its_own_true_report() {
    let finished = bedcheck(["demo", "--format", "json"]);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:#?}"
    );

    let reports = finished.reports();
    let told: Vec<_> = reports
        .iter()
        .map(|report| (text(&report["check"]), verdict(report)))
        .collect();
    assert_eq!(told, TRUTH);

    for plugin in ["imap", "http"] {
        let sick: Vec<_> = told
            .iter()
            .filter(|(name, [outcome, ..])| name.starts_with(plugin) && *outcome != "pass")
            .map(|(_, verdict)| verdict)
            .collect();
        let different: BTreeSet<_> = sick.iter().collect();
        assert_eq!(different.len(), sick.len(), "{plugin}: {sick:?}");
    }
}

#[test]
fn no_run_ends_later_than_deadline_and_grace() {
    let finished = bedcheck(["demo", "--format", "json", "--deadline", "300ms"]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    for report in finished.reports() {
        let took = report["duration_s"].as_f64().unwrap_or(f64::INFINITY);
        assert!(took <= LATEST_END, "{took} s: {report:#}");
        let deadline_is_the_reason = text(&report["error"]["type"]) == "deadline_exceeded";
        assert_eq!(report["deadline_exceeded"], deadline_is_the_reason, "{report:#}");
        if deadline_is_the_reason {
            assert!(took >= 0.3, "{took} s is before the deadline: {report:#}");
            assert_eq!(
                report["deadline_hit"]["phase"], report["error"]["phase"],
                "{report:#}"
            );
            assert_eq!(report["deadline_hit"]["host_call"], "net.read", "{report:#}");
        }
    }
}

#[test]
fn the_deadline_is_the_one_that_was_asked_for() {
    let finished = bedcheck(["demo", "--format", "json", "--deadline", "150ms"]);
    let reports = finished.reports();
    let silent = reports.iter().find(|report| report["check"] == "http-silent");
    let silent = silent.expect("the server is there");
    assert_eq!(silent["deadline_s"], 0.15);
    let took = silent["duration_s"].as_f64().unwrap_or_default();
    assert!((0.15..=LATEST_END - 0.15).contains(&took), "{took} s");
}

#[test]
fn the_text_shows_each_server_with_its_state_and_its_reason() {
    let finished = bedcheck(["demo"]);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:#?}"
    );
    let shown = &finished.stdout;
    for (name, [outcome, error_type, phase]) in TRUTH {
        let block = shown
            .split("\n\n")
            .find(|block| block.contains(&format!(" {name} (")))
            .unwrap_or_else(|| panic!("{name} is missing in\n{shown}"));
        assert!(block.contains(&format!("): {outcome} in ")), "{block}");
        assert!(block.contains(error_type) && block.contains(phase), "{block}");
        if error_type == "deadline_exceeded" {
            assert!(
                block.contains(&format!("deadline hit in phase {phase} ")),
                "{block}"
            );
        }
        // Above the report is what is wrong with the server.
        assert!(
            block.lines().next().is_some_and(|about| !about.contains(name)),
            "{block}"
        );
    }
    assert!(shown.contains("15 checks: 4 passed, 11 failed in "), "{shown}");
}

#[test]
fn the_password_is_shown_nowhere() {
    for format in ["text", "json", "nagios"] {
        let finished = bedcheck(["demo", "--format", format]);
        assert!(!finished.mentions(PASSWORD), "{finished:#?}");
    }
}
