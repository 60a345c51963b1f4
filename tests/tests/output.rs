//! The promise: a one-shot run says what happened in the form that was asked for, a waterfall for people, the
//! report for programs, one line for Nagios, and ends with the code that the outcome has. And the program
//! teaches its own use.

#[path = "output/command_line.rs"]
mod command_line;
#[path = "output/unwritable.rs"]
mod unwritable;

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use bedcheck_tests::{Finished, Program};
use serde_json::Value;

/// A web server that answers every request with 200 and `up`.
fn healthy() -> Script {
    Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup")
        .hang_up()
}

/// A check of a web server on 127.0.0.1; `more` are further keys of it.
fn check(name: &str, port: u16, more: &str) -> String {
    format!(
        "[[check]]\nname = \"{name}\"\nplugin = \"http\"\nallow = [\"127.0.0.1:{port}\"]\n{more}\n\
         settings.url = \"http://127.0.0.1:{port}/\"\n"
    )
}

/// A check of the misbehaving plugin, which must be in the folder.
fn guest(behaviour: &str) -> String {
    format!(
        "[[check]]\nname = \"{behaviour}\"\nplugin = \"guest\"\nallow = [\"192.0.2.1:9\"]\n\
         settings.behaviour = \"{behaviour}\"\n"
    )
}

fn run_as(format: &str, configuration: &str) -> Finished {
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    Program::new(["run", "bedcheck.toml", "--format", format])
        .file("bedcheck.toml", format!("plugins.dir = \".\"\n{configuration}"))
        .file("guest.wasm", guest)
        .finish()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    let object = object
        .as_object()
        .unwrap_or_else(|| panic!("no object: {object}"));
    object.keys().map(String::as_str).collect()
}

#[test]
fn the_exit_code_is_that_of_the_worst_outcome() {
    let server = healthy().serve();
    let closed = ClosedPort::new();
    let refused = Peer::serve(Ipv4Addr::LOCALHOST.into(), vec![Script::new(), healthy()]);
    let (good, bad) = (check("good", server.port(), ""), check("bad", closed.port(), ""));
    let flaky = check(
        "flaky",
        refused.port(),
        "retry = { attempts = 2, backoff = \"1ms\" }",
    );
    let error = guest("panic");
    for (configuration, code) in [
        (good.clone(), 0),
        (format!("{good}{flaky}"), 1),
        (bad.clone(), 2),
        (error.clone(), 3),
        (format!("{good}{error}"), 3),
        // That a target is down is known, whatever else is not.
        (format!("{error}{bad}{good}"), 2),
        (format!("{good}budget.tme = 1\n"), 64),
    ] {
        for format in ["text", "json", "nagios"] {
            // The flaky server is so only once.
            if code == 1 && format != "json" {
                continue;
            }
            let finished = run_as(format, &configuration);
            assert_eq!(finished.code, Some(code), "{configuration}\n{finished:#?}");
        }
    }
}

#[test]
fn a_waterfall_names_the_phases_and_where_the_deadline_hit() {
    let hangs = Script::new().send("* OK ready\r\n").stall().serve();
    let port = hangs.port();
    let finished = Program::new(["run", "bedcheck.toml"])
        .file(
            "bedcheck.toml",
            format!(
                "[[check]]\nname = \"mail\"\nplugin = \"imap\"\nallow = [\"127.0.0.1:{port}\"]\n\
                 budget.deadline = \"200ms\"\n\
                 settings = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\", user = \"u\", password = {{ secret = \"p\" }}, \
                 mailboxes = [\"INBOX\", \"Archive\"] }}\n[secrets]\np = {{ env = \"HOME\" }}\n"
            ),
        )
        .finish();
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(2), ""),
        "{finished:#?}"
    );
    let shown = &finished.stdout;
    for (phase, status) in [
        ("resolve", "ok"),
        ("connect", "ok"),
        ("greeting", "ok"),
        ("capability", "deadline-exceeded"),
        ("login", "not-reached"),
        ("select INBOX", "not-reached"),
        ("select Archive", "not-reached"),
        ("logout", "not-reached"),
    ] {
        let row = shown
            .lines()
            .find(|line| line.trim_start_matches(['✗', ' ']).starts_with(phase));
        let row = row.unwrap_or_else(|| panic!("{phase} is missing in\n{shown}"));
        assert!(row.ends_with(status), "{row}\n{shown}");
    }
    assert!(shown.contains("mail (imap "), "{shown}");
    assert!(
        shown.contains("deadline hit in phase capability (net.read), after 20"),
        "{shown}"
    );
    assert!(shown.contains("blames: target"), "{shown}");
    assert!(shown.contains("1 check: 1 failed in "), "{shown}");
}

#[test]
fn what_passed_on_a_later_attempt_says_so_everywhere() {
    let answers_late = |format: &str| {
        let peer = Peer::serve(
            Ipv4Addr::LOCALHOST.into(),
            vec![Script::new().reset(), Script::new(), healthy()],
        );
        let retry = "retry = { attempts = 3, backoff = \"10ms\" }";
        let finished = run_as(format, &check("flaky", peer.port(), retry));
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert_eq!(peer.finish().len(), 3);
        finished
    };

    let report = answers_late("json").report();
    assert_eq!(
        (&report["outcome"], &report["error"]),
        (&"pass".into(), &Value::Null),
        "{report:#}"
    );
    let attempts = report["attempts"].as_array().expect("attempts");
    let outcomes: Vec<_> = attempts.iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["fail", "fail", "pass"]);
    // One after the other, with a pause between them.
    let second = |key: &str, attempt: &Value| attempt[key].as_f64().unwrap_or(f64::NAN);
    for pair in attempts.windows(2) {
        let end = second("start_s", &pair[0]) + second("duration_s", &pair[0]);
        assert!(second("start_s", &pair[1]) > end, "{report:#}");
    }

    let text = answers_late("text").stdout;
    assert!(text.contains("passed on attempt 3"), "{text}");
    assert!(text.contains("1 check: 1 passed (1 after a retry)"), "{text}");

    let nagios = answers_late("nagios").stdout;
    assert!(
        nagios.starts_with("WARNING - flaky: passed on attempt 3 in "),
        "{nagios}"
    );
}

#[test]
fn what_never_passed_is_told_with_its_attempts() {
    let closed = ClosedPort::new();
    let configuration = check(
        "down",
        closed.port(),
        "retry = { attempts = 3, backoff = \"10ms\" }",
    );
    let finished = run_as("json", &configuration);
    assert_eq!(finished.code, Some(2));
    let report = finished.report();
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(3), "{report:#}");
    let text = run_as("text", &configuration).stdout;
    assert!(text.contains("fail after 3 attempts"), "{text}");
}

#[test]
fn a_run_that_is_too_slow_warns_or_fails_everywhere() {
    let run = |format: &str, thresholds: &str| {
        // A byte in a millisecond: 40 of them take longer than the thresholds.
        let server = Script::new()
            .expect_through("\r\n\r\n")
            .drip(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup",
                Duration::from_millis(1),
            )
            .hang_up()
            .serve();
        run_as(
            format,
            &check("slow", server.port(), &format!("thresholds = {thresholds}")),
        )
    };
    let (warns, fails) = ("{ warn = \"10ms\" }", "{ warn = \"10ms\", fail = \"20ms\" }");

    let report = run("json", warns).report();
    assert_eq!(report["outcome"], "pass");
    assert_eq!(
        report["thresholds"],
        serde_json::json!({"warn_s": 0.01, "fail_s": null})
    );
    let warning = report["warnings"][0].as_str().unwrap_or_default();
    assert!(
        warning.ends_with("over the threshold of 0.01 s (`thresholds.warn`)"),
        "{report:#}"
    );
    let text = run("text", warns);
    assert_eq!(text.code, Some(1), "{text:#?}");
    assert!(text.stdout.contains("1 passed (1 with a warning)"), "{text:#?}");
    let nagios = run("nagios", warns);
    assert!(
        nagios.stdout.starts_with("WARNING - slow: pass in "),
        "{nagios:#?}"
    );
    assert!(nagios.stdout.contains("s;0.01;;0;10 "), "{nagios:#?}");

    let nagios = run("nagios", fails);
    assert_eq!(nagios.code, Some(2), "{nagios:#?}");
    assert!(
        nagios.stdout.contains(", assertion_failed: the run took "),
        "{nagios:#?}"
    );
    assert!(nagios.stdout.contains("s;0.01;0.02;0;10 "), "{nagios:#?}");
}

#[test]
fn a_retry_that_the_target_does_not_get_is_told_everywhere() {
    let refused = |format: &str| {
        let closed = ClosedPort::new();
        let retry = "retry = { attempts = 5, backoff = \"1ms\" }";
        let budget = "[retry_budget]\nshare = 0\nminimum = 1\n";
        run_as(
            format,
            &format!("{}{budget}", check("down", closed.port(), retry)),
        )
    };
    let report = refused("json").report();
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(2), "{report:#}");
    let reason = report["retry_denied"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("the retry budget of `127.0.0.1:") && reason.contains("retries: 1 of 1, runs: 1"),
        "{report:#}"
    );
    for format in ["text", "nagios"] {
        let shown = refused(format);
        assert_eq!(shown.code, Some(2), "{shown:#?}");
        assert!(
            shown.stdout.contains("not tried again: the retry budget of "),
            "{shown:#?}"
        );
    }
}

#[test]
fn a_report_has_the_documented_fields_and_no_others() {
    let closed = ClosedPort::new();
    let server = healthy().serve();
    let reports = run_as(
        "json",
        &format!(
            "{}{}",
            check("good", server.port(), ""),
            check("bad", closed.port(), "")
        ),
    )
    .reports();
    let common = [
        "check",
        "plugin",
        "run_id",
        "trace_id",
        "started",
        "duration_s",
        "lag_s",
        "deadline_s",
        "deadline_exceeded",
        "deadline_hit",
        "outcome",
        "error",
        "warnings",
        "attempts",
        "measurements",
        "usage",
        "log",
        "faults",
    ];
    let mut expected = BTreeSet::from(common);
    assert_eq!(keys(&reports[0]), expected);
    // Nobody is to blame for what passed.
    expected.insert("blame");
    assert_eq!(keys(&reports[1]), expected);

    for report in &reports {
        assert_eq!(
            keys(&report["plugin"]),
            BTreeSet::from(["name", "version", "sha256"])
        );
        let usage = [
            "fuel",
            "memory_bytes",
            "host_calls",
            "bytes_read",
            "bytes_written",
            "log_lines_dropped",
            "denied_calls",
        ];
        assert_eq!(keys(&report["usage"]), BTreeSet::from(usage));
        let hexadecimal = |key: &str, length: usize| {
            let id = report[key].as_str().unwrap_or_default();
            assert_eq!(id.len(), length, "{key} {id}");
            assert!(
                id.bytes().all(|byte| b"0123456789abcdef".contains(&byte)),
                "{key} {id}"
            );
        };
        hexadecimal("run_id", 16);
        hexadecimal("trace_id", 32);
        let started = report["started"].as_str().unwrap_or_default();
        assert_eq!((started.len(), started.ends_with('Z')), (27, true), "{started}");
        for attempt in report["attempts"].as_array().expect("attempts") {
            let fields = ["outcome", "error", "start_s", "duration_s", "phases"];
            assert_eq!(keys(attempt), BTreeSet::from(fields));
            for phase in attempt["phases"].as_array().expect("phases") {
                let mut fields = keys(phase);
                // Facts are there for the phases that have some.
                fields.remove("attributes");
                let documented = [
                    "name",
                    "detail",
                    "status",
                    "start_s",
                    "duration_s",
                    "budget_share",
                    "error",
                ];
                assert_eq!(fields, BTreeSet::from(documented));
            }
        }
    }
    let error = BTreeSet::from(["type", "message", "phase"]);
    assert_eq!(keys(&reports[1]["error"]), error);
    assert_eq!(keys(&reports[1]["attempts"][0]["error"]), error);
    let measurement = BTreeSet::from(["name", "value", "unit", "attributes"]);
    assert_eq!(keys(&reports[0]["measurements"][0]), measurement);
}

#[test]
fn a_phase_that_was_not_reached_has_no_times() {
    let closed = ClosedPort::new();
    let report = run_as("json", &check("bad", closed.port(), "")).report();
    let phases = report["attempts"][0]["phases"].as_array().expect("phases");
    let last = phases.last().expect("a phase");
    assert_eq!(last["status"], "not-reached");
    for key in ["start_s", "duration_s", "budget_share", "error"] {
        assert_eq!(last[key], Value::Null, "{key}");
    }
}

#[test]
fn nagios_gets_one_line_with_performance_data() {
    let server = healthy().serve();
    let finished = run_as(
        "nagios",
        &check("page", server.port(), "budget.deadline = \"5s\""),
    );
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.stdout.lines().count(), 1);
    let (words, data) = finished
        .stdout
        .trim_end()
        .split_once(" | ")
        .expect("performance data");
    assert!(words.starts_with("OK - page: pass in "), "{words}");
    let data: Vec<(&str, &str)> = data
        .split(' ')
        .filter_map(|datum| datum.split_once('='))
        .collect();
    let labels: Vec<&str> = data.iter().map(|(label, _)| *label).collect();
    assert_eq!(
        labels[..5],
        ["time", "resolve", "connect", "processing", "transfer"],
        "{finished:#?}"
    );
    let (_, time) = data[0];
    assert!(time.ends_with("s;;;0;5"), "{time}");
    for (label, value) in &data[..5] {
        let seconds = value.split(';').next().and_then(|value| value.strip_suffix('s'));
        let seconds: f64 = seconds
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(f64::NAN);
        assert!((0.0..5.0).contains(&seconds), "{label}={value}");
    }
    assert!(data.contains(&("http.response.status_code", "200")), "{data:?}");
    assert!(data.contains(&("http.response.body.size", "2B")), "{data:?}");
}

#[test]
fn nagios_gets_several_checks_with_the_worst_first() {
    let server = healthy().serve();
    let closed = ClosedPort::new();
    let configuration = format!(
        "{}{}",
        check("good", server.port(), ""),
        check("bad", closed.port(), "")
    );
    let output = run_as("nagios", &configuration).stdout;
    let lines: Vec<&str> = output.lines().collect();
    assert!(
        lines[0].starts_with("CRITICAL - 2 checks: 1 passed, 1 failed; look at bad | "),
        "{output}"
    );
    assert!(lines[1].starts_with("CRITICAL - bad: fail in "), "{output}");
    assert!(lines[1].contains("connection_refused"), "{output}");
    assert!(lines[2].starts_with("OK - good: pass in "), "{output}");
}

#[test]
fn there_are_no_colours_where_there_is_no_terminal_or_none_are_wanted() {
    let shown = |program: Program| {
        let closed = ClosedPort::new();
        let configuration = format!("{}{}", check("bad", closed.port(), ""), guest("pass"));
        let guest = fs::read(guest_plugin()).expect("the guest is built");
        let program = program
            .file("bedcheck.toml", format!("plugins.dir = \".\"\n{configuration}"))
            .file("guest.wasm", guest);
        let finished = program.finish();
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.stdout.contains("connection_refused"), "{finished:#?}");
        finished
    };
    let run = ["run", "bedcheck.toml"];
    let red = "\x1b[31m";

    let to_a_file = shown(Program::new(run));
    assert!(!to_a_file.mentions("\x1b"), "{to_a_file:#?}");
    // Progress is for terminals as well.
    assert_eq!(to_a_file.stderr, "");
    let on_a_terminal = shown(Program::on_terminal(run));
    assert!(on_a_terminal.mentions(red), "{on_a_terminal:#?}");
    let unwanted = shown(Program::on_terminal(run).env("NO_COLOR", "1"));
    // Progress moves the cursor, which is no colour.
    assert!(!has_colours(&unwanted.stdout), "{unwanted:#?}");
}

/// Whether a text has an escape sequence of those that set colours (ECMA-48, "SGR"), other than to reset them.
fn has_colours(text: &str) -> bool {
    text.split("\x1b[").skip(1).any(|sequence| {
        let end = sequence.find(|character: char| character.is_ascii_alphabetic());
        end.is_some_and(|end| sequence[end..].starts_with('m') && !["", "0"].contains(&&sequence[..end]))
    })
}
