//! The promise: no plugin harms the runner or its neighbours. Whatever a guest does, its run ends with a
//! report that names what it did, blames the plugin, and leaves every other check alone.

use std::fs;

use bedcheck_tests::Program;
use bedcheck_tests::program::guest_plugin;
use serde_json::Value;

/// Runs the guest once for each behaviour, all at the same time, and returns the reports.
fn run(behaviours: &[(&str, &str)]) -> Vec<Value> {
    let mut configuration = String::from("[plugins]\ndir = \".\"\n");
    for (behaviour, more) in behaviours {
        let allow = if more.contains("allow = ") {
            ""
        } else {
            "allow = [\"192.0.2.1:10\"]\n"
        };
        configuration.push_str(&format!(
            "[[check]]\nname = \"{behaviour}\"\nplugin = \"guest\"\nbudget.deadline = \"5s\"\n{allow}{more}\n\
             settings = {{ behaviour = \"{behaviour}\", host = \"192.0.2.1\", port = 9, count = 1000 }}\n"
        ));
    }
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    let reports = Program::run(&configuration)
        .file("guest.wasm", guest)
        .finish()
        .reports();
    assert_eq!(reports.len(), behaviours.len());
    reports
}

fn only(behaviour: &str, more: &str) -> Value {
    run(&[(behaviour, more)]).remove(0)
}

#[track_caller]
fn assert_error(report: &Value, blame: &str, error_type: &str) {
    let outcome = if blame == "target" { "fail" } else { "error" };
    let seen = (&report["outcome"], &report["blame"], &report["error"]["type"]);
    assert_eq!(
        seen,
        (&outcome.into(), &blame.into(), &error_type.into()),
        "{report:#}"
    );
}

#[test]
fn computing_is_bounded_by_fuel_and_always_by_the_same() {
    let spent: Vec<_> = (0..2)
        .map(|_| {
            let report = only("spin", "budget.fuel = 10_000_000");
            assert_error(&report, "plugin", "fuel_exhausted");
            report["usage"]["fuel"].clone()
        })
        .collect();
    assert_eq!(spent[0], spent[1]);
}

#[test]
fn memory_is_bounded() {
    let report = only("hoard", "budget.memory = \"8MiB\"");
    assert_error(&report, "plugin", "memory_limit");
    let memory = report["usage"]["memory_bytes"].as_u64().unwrap_or(u64::MAX);
    assert!(memory <= 8 * 1024 * 1024, "{report:#}");
}

#[test]
fn a_panic_is_a_trap_with_its_message() {
    let report = only("panic", "");
    assert_error(&report, "plugin", "plugin_trap");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("as asked"), "{message}");
}

#[test]
fn a_panic_is_told_however_much_was_printed_before_and_what_is_not_kept_is_counted() {
    let report = only("print-and-panic", "");
    assert_error(&report, "plugin", "plugin_trap");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    for words in ["panicked at", "the number of lines", "left: 1000"] {
        assert!(message.contains(words), "{message}");
    }
    let log = report["log"].as_array().cloned().unwrap_or_default();
    // 1,000 lines to each stream, and the five of the panic: place, assertion, left, right, a hint.
    let dropped = report["usage"]["log_lines_dropped"].as_u64().unwrap_or_default();
    assert_eq!(log.len() as u64 + dropped, 2 * 1000 + 5, "{report:#}");
    let cut = log
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.ends_with('…')));
    assert_eq!(cut.count(), 2, "{report:#}");
}

#[test]
fn a_guest_that_does_without_memory_and_panics_later_has_panicked() {
    let report = only("refused-memory-and-panic", "");
    assert_error(&report, "plugin", "plugin_trap");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("there are 0 of 3"), "{message}");
}

#[test]
fn the_stack_is_bounded() {
    assert_error(&only("recurse", ""), "plugin", "plugin_trap");
}

#[test]
fn host_calls_are_bounded() {
    let report = only("flood", "budget.host_calls = 100");
    assert_error(&report, "plugin", "host_call_limit");
}

#[test]
fn what_is_logged_measured_and_begun_is_bounded() {
    let report = only("chatter", "");
    assert_error(&report, "plugin", "host_call_limit");
    let length = |value: &Value| value.as_array().map_or(0, Vec::len);
    assert_eq!(length(&report["log"]), 256);
    assert_eq!(report["usage"]["log_lines_dropped"], 1000 - 256);
    assert_eq!(length(&report["measurements"]), 256);
    assert!(length(&report["attempts"][0]["phases"]) < 200);
}

#[test]
fn nothing_is_dialled_that_is_not_granted() {
    let report = only("dial", "allow = [\"192.0.2.1:10\"]");
    assert_error(&report, "config", "grant_denied");
    assert_eq!(report["error"]["phase"], "connect");
    let phases = report["attempts"][0]["phases"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let status = |name| {
        phases
            .iter()
            .find(|phase| phase["name"] == name)
            .map(|phase| phase["status"].clone())
    };
    assert_eq!(status("connect"), Some("denied".into()));
    assert_eq!(status("resolve"), Some("not-reached".into()));
    assert_eq!(report["usage"]["bytes_written"], 0);
}

#[test]
fn a_capability_that_is_switched_off_is_an_error_of_its_own() {
    let report = only("dial", "allow = [\"192.0.2.1:9\"]\ndisable = [\"net.connect\"]");
    assert_error(&report, "config", "capability_disabled");
}

#[test]
fn a_guest_that_says_pass_is_not_believed_against_the_record() {
    let lie = only("lie-about-failure", "");
    assert_error(&lie, "target", "assertion_failed");
    assert_eq!(lie["error"]["phase"], "first");
    assert_error(&only("leave-open", ""), "plugin", "plugin_invalid");
    assert_error(&only("skip-planned", ""), "plugin", "plugin_invalid");
}

#[test]
fn words_that_are_not_the_plugins_own_are_refused() {
    assert_error(&only("lie-about-deadline", ""), "plugin", "plugin_invalid");
    assert_error(&only("foreign-error-type", ""), "plugin", "plugin_invalid");
    assert_error(&only("undeclared-phase", ""), "plugin", "plugin_invalid");
    let foreign = only("foreign-error-type", "");
    let message = foreign["error"]["message"].as_str().unwrap_or_default();
    for words in ["`imap.over_quota`", "`guest.`", "not mine"] {
        assert!(message.contains(words), "{message}");
    }
    assert_error(&only("own-error-type", ""), "target", "guest.tired");
}

#[test]
fn a_target_that_was_not_asked_is_not_to_blame() {
    for behaviour in [
        "stray-socket",
        "stray-file",
        "unexpected-unasked",
        "too-large-unasked",
        "rejected-unasked",
        "no-tls-unasked",
        "lie-about-network",
    ] {
        let report = only(behaviour, "");
        assert_error(&report, "plugin", "plugin_invalid");
        let message = report["error"]["message"].as_str().unwrap_or_default();
        let rule = ["has not used the network", "is not a connection's"];
        assert!(
            rule.iter().any(|words| message.contains(words)),
            "{behaviour}: {message}"
        );
    }
}

#[test]
fn an_operator_who_was_asked_for_nothing_is_not_to_blame() {
    for behaviour in ["not-granted-unasked", "disabled-unasked", "no-secret-unasked"] {
        let report = only(behaviour, "");
        assert_error(&report, "plugin", "plugin_invalid");
        let message = report["error"]["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("no call of it was refused for that"),
            "{behaviour}: {message}"
        );
    }
    assert_error(&only("no-secret", ""), "config", "secret_missing");
}

#[test]
fn what_was_recorded_goes_before_what_the_guest_makes_of_it() {
    let report = only("dial-and-mumble", "");
    assert_error(&report, "config", "grant_denied");
    assert_eq!(report["error"]["phase"], "connect");
}

#[test]
fn messages_are_bounded_and_hold_no_control_characters() {
    let report = only("noisy-message", "");
    assert_error(&report, "target", "assertion_failed");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(message.len() <= 1100, "{} bytes", message.len());
    let text = report.to_string();
    assert!(!text.contains("\\u001b") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn neighbours_are_not_affected() {
    let reports = run(&[
        ("spin", "budget.fuel = 50_000_000"),
        ("hoard", ""),
        ("panic", ""),
        ("recurse", ""),
        ("flood", ""),
        ("pass", ""),
    ]);
    let pass = &reports[5];
    assert_eq!(
        (&pass["check"], &pass["outcome"]),
        (&"pass".into(), &"pass".into()),
        "{pass:#}"
    );
}
