//! The promise: a plugin that is compiled without a C library, as built-in ones are, is told of like any other. Its panics
//! have their place and message, memory that it is refused is named, its clock is right, and its memory is its own.

use std::fs;
use std::time::{Duration, SystemTime};

use bedcheck_tests::Program;
use bedcheck_tests::program::bare_guest_plugin;
use serde_json::Value;

/// Runs the guest once, and returns the report.
fn run(behaviour: &str, count: u32, more: &str) -> Value {
    let configuration = format!(
        "[plugins]\ndir = \".\"\n\
         [[check]]\nname = \"one\"\nplugin = \"guest\"\nbudget.deadline = \"20s\"\nallow = [\"192.0.2.1:10\"]\n{more}\n\
         settings = {{ behaviour = \"{behaviour}\", count = {count}, host = \"192.0.2.1\", port = 9 }}\n"
    );
    let guest = fs::read(bare_guest_plugin()).expect("the guest is built");
    let program = Program::run(&configuration).file("guest.wasm", guest);
    program.finish().reports().remove(0)
}

fn message(report: &Value) -> &str {
    report["error"]["message"].as_str().unwrap_or_default()
}

#[test]
fn a_panic_is_a_trap_with_its_place_and_message() {
    let report = run("panic", 0, "");
    assert_eq!(report["error"]["type"], "plugin_trap", "{report:#}");
    assert_eq!(report["blame"], "plugin", "{report:#}");
    let message = message(&report);
    for words in ["panicked at", "tests/guest/src/lib.rs:", "as asked"] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn memory_is_bounded_and_what_is_refused_is_named() {
    let report = run("hoard", 0, "budget.memory = \"8MiB\"");
    assert_eq!(report["error"]["type"], "memory_limit", "{report:#}");
    assert_eq!(report["blame"], "plugin", "{report:#}");
    let memory = report["usage"]["memory_bytes"].as_u64().unwrap_or(u64::MAX);
    assert!(memory <= 8 * 1024 * 1024, "{report:#}");
}

#[test]
fn a_panic_after_memory_was_refused_is_a_panic() {
    let report = run("refused-memory-and-panic", 0, "");
    assert_eq!(report["error"]["type"], "plugin_trap", "{report:#}");
    assert!(message(&report).contains("there are 0 of 3"), "{report:#}");
}

#[test]
fn the_clock_is_the_hosts() {
    let now = || {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970")
    };
    let before = now();
    let report = run("time-of-day", 0, "");
    let after = now();
    let told = report["measurements"][0]["value"].as_f64().expect("a number");
    let told = Duration::from_secs_f64(told);
    // A number with a fraction is exact to a microsecond only.
    let inexact = Duration::from_millis(1);
    assert!(before <= told + inexact && told <= after + inexact, "{report:#}");
}

#[test]
fn what_is_in_its_memory_stays_there_until_it_is_given_back() {
    let report = run("churn", 3000, "");
    assert_eq!(report["outcome"], "pass", "{report:#}");
    // It has taken more than it had at first, and what it gave back as well.
    let memory = report["usage"]["memory_bytes"].as_u64().unwrap_or_default();
    assert!((2 << 20..16 << 20).contains(&memory), "{report:#}");
}
