//! Assertions about a report, and what they say when they do not hold.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

const COMMAND: &str = "bedcheck plugin test a.wasm --once";

fn report() -> Value {
    serde_json::json!({
        "check": "mail", "plugin": {"name": "mail", "version": "0.1.0", "sha256": "00"},
        "duration_s": 0.004, "lag_s": 0.0, "deadline_s": 10.0, "deadline_exceeded": false,
        "outcome": "fail", "blame": "target",
        "error": {"type": "connection_reset", "message": "the peer reset the connection", "phase": "select",
                  "injected": true},
        "attempts": [{"outcome": "fail", "phases": [
            {"name": "connect", "detail": null, "status": "ok", "start_s": 0.001, "duration_s": 0.001,
             "budget_share": 0.0001, "error": null},
            {"name": "select", "detail": "INBOX", "status": "ok", "start_s": 0.002, "duration_s": 0.001,
             "error": null},
            {"name": "select", "detail": "Archive", "status": "failed", "start_s": 0.003, "duration_s": 0.001,
             "error": {"type": "connection_reset", "message": "the peer reset the connection", "phase": "select"}},
            {"name": "logout", "detail": null, "status": "not-reached", "start_s": null, "duration_s": null,
             "error": null},
        ]}],
        "measurements": [{"name": "mail.messages", "value": 3, "unit": "{message}", "attributes": {}}],
        "faults": [{"fault": "net.read#3=connection-reset", "call": "net.read", "phase": "select",
                    "detail": "Archive", "at_s": 0.003}],
        "log": [{"at_s": 0.002, "level": "warning", "message": "slow"}],
    })
}

fn run() -> Run {
    Run::parse(&format!("{}\n", report()), "note: made up: mail\n", COMMAND).unwrap()
}

/// What an assertion that does not hold says.
fn complaint(assertion: impl FnOnce(&Run)) -> String {
    let run = run();
    let panicked =
        catch_unwind(AssertUnwindSafe(|| assertion(&run))).expect_err("the assertion must not hold");
    *panicked.downcast::<String>().expect("a panic with a sentence")
}

#[test]
fn what_is_so_can_be_asserted() {
    let run = run();
    run.assert_fail("connection_reset")
        .assert_measured("mail.messages", 3.0);
    run.phase("connect").assert_ok();
    run.phase_of("select", "INBOX").assert_ok();
    run.phase_of("select", "Archive")
        .assert_failed()
        .assert_error_type("connection_reset");
    run.phase("logout").assert_not_reached();
    assert_eq!(run.phase("connect").duration_s, Some(0.001));
    assert_eq!((run.outcome(), run.blame()), (Outcome::Fail, Some("target")));
    assert!(run.error().is_some_and(|error| error.injected));
    assert_eq!(run.faults()[0].call, "net.read");
    assert_eq!(run.json()["lag_s"], 0.0);
}

#[test]
fn what_is_not_so_is_told_with_the_timeline_and_the_command() {
    assert_eq!(
        complaint(|run| {
            run.assert_pass();
        }),
        "the run ended in fail with connection_reset, wanted pass
  mail 0.1.0: fail after 0.004 s of 10 s
    connect              ok                0.001000 s from 0.001000 s
    select INBOX         ok                0.001000 s from 0.002000 s
    select Archive       failed            0.001000 s from 0.003000 s: connection_reset: the peer reset the connection
    logout               not-reached
  connection_reset (injected): the peer reset the connection in select (blames: target)
  injected net.read#3=connection-reset at net.read in select, after 0.003 s
  measured mail.messages: 3 {message}
  warning at 0.002 s: slow
  note: made up: mail
  repeat it: bedcheck plugin test a.wasm --once"
    );
}

#[test]
fn every_assertion_can_fail() {
    type Assertion = fn(&Run);
    let assertions: [(Assertion, &str); 11] = [
        (
            |run| {
                run.assert_fail("deadline_exceeded");
            },
            "wanted fail with deadline_exceeded",
        ),
        (
            |run| {
                run.assert_error("connection_reset");
            },
            "wanted error with connection_reset",
        ),
        (
            |run| {
                run.assert_measured("mail.messages", 4.0);
            },
            "measured `mail.messages` as [3.0], wanted [4.0]",
        ),
        (
            |run| {
                run.assert_measured("mail.size", 4.0);
            },
            "measured `mail.size` as [], wanted [4.0]",
        ),
        (
            |run| {
                let _ = run.phase("nothing");
            },
            "found no phase `nothing`",
        ),
        (
            |run| {
                let _ = run.phase("select");
            },
            "several phases are called `select`",
        ),
        (
            |run| {
                let _ = run.phase_of("select", "Sent");
            },
            "found no phase `select` of `Sent`",
        ),
        (
            |run| {
                run.phase("connect").assert_failed();
            },
            "the phase `connect` ended as ok, wanted failed",
        ),
        (
            |run| {
                run.phase("logout").assert_ok();
            },
            "the phase `logout` ended as not-reached, wanted ok",
        ),
        (
            |run| {
                run.phase("connect").assert_deadline_exceeded();
            },
            "the phase `connect` ended as ok, wanted deadline-exceeded",
        ),
        (
            |run| {
                run.phase("connect").assert_error_type("tls.handshake");
            },
            "the phase `connect` ended with no error, wanted tls.handshake",
        ),
    ];
    for (assertion, wanted) in assertions {
        let complaint = complaint(assertion);
        assert!(
            complaint.contains(wanted),
            "wanted `{wanted}`, found `{complaint}`"
        );
        assert!(complaint.ends_with(COMMAND), "{complaint}");
    }
}

#[test]
fn what_is_no_report_is_an_error_with_what_was_printed() {
    let error = Run::parse("thread panicked\n", "at once\n", COMMAND)
        .unwrap_err()
        .to_string();
    for part in [
        "wanted the report of a run",
        "thread panicked",
        "at once",
        COMMAND,
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_run_off_the_script_is_no_pass() {
    let mut report = report();
    report["outcome"] = "pass".into();
    report["error"] = Value::Null;
    let passed = |notes| Run::parse(&report.to_string(), notes, COMMAND).unwrap();
    passed("note: made up: mail\n").assert_pass();

    let wandered = passed("note: off the script: step 2 of connection 1: found `NOOP`, wanted `QUIT`\n");
    assert_eq!(
        wandered.off_script(),
        ["step 2 of connection 1: found `NOOP`, wanted `QUIT`"]
    );
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(wandered.assert_pass().clone()))).unwrap_err();
    let complaint = panicked.downcast::<String>().expect("a panic with a sentence");
    assert!(
        complaint.starts_with("the run passed, but off the script: step 2"),
        "{complaint}"
    );
}
