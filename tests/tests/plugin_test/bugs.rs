//! Planted bugs: each is something that goes wrong on one error path of an otherwise sound plugin, and is found by
//! the sweep at a failure at which it shows.

use std::fs;
use std::path::{Path, PathBuf};

use bedcheck_tests::program::faulty_plugin;
use bedcheck_tests::{Finished, Program};
use serde_json::Value;

use super::cases;

/// What the plugin checks: three independent items, or a service behind STARTTLS.
#[derive(Clone, Copy)]
enum Service {
    Items,
    Tls,
}

impl Service {
    fn file(self, ending: &str) -> PathBuf {
        let name = match self {
            Self::Items => "items",
            Self::Tls => "tls",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("faulty/peers/{name}{ending}.toml"))
    }

    /// The sweep of the plugin with a bug.
    fn test(self, bug: &str) -> Program {
        let settings = fs::read_to_string(self.file(".settings")).expect("the settings are in the tree");
        Program::new(["plugin", "test", "--settings", "settings.toml"])
            .file("settings.toml", format!("{settings}bug = \"{bug}\"\n"))
            .argument(faulty_plugin())
            .argument("--server")
            .argument(self.file(""))
    }
}

#[test]
fn a_sound_plugin_is_clean_whatever_its_manner() {
    for manner in ["none", "stops-at-first", "dials-anew"] {
        for service in [Service::Items, Service::Tls] {
            let swept = service.test(manner).argument("--format=json").finish();
            assert_eq!(swept.code, Some(0), "{manner}: {swept:#?}");
            assert!(cases(&swept).len() >= 100, "{manner}: {}", swept.stdout);
        }
    }
}

/// That the sweep finds the bug at this failure, and says so in these words.
#[track_caller]
fn assert_found(service: Service, bug: &str, fault: &str, words: &str) {
    let swept = service.test(bug).argument("--format=json").finish();
    assert_told(&swept, bug, fault, words);
}

#[track_caller]
fn assert_told(swept: &Finished, bug: &str, fault: &str, words: &str) {
    assert_eq!(swept.code, Some(2), "{bug}: {}", swept.stderr);
    let cases = cases(swept);
    let case = cases.iter().find(|case| case["fault"] == fault);
    let problems = case.and_then(|case| case["problems"].as_array());
    let is_told = |problem: &Value| problem.as_str().is_some_and(|problem| problem.contains(words));
    assert!(
        problems.is_some_and(|problems| problems.iter().any(is_told)),
        "{bug}: wanted `{words}` at {fault}, found {case:#?}"
    );
}

#[test]
fn a_phase_forgotten_on_one_error_path_is_found() {
    let never = "never begins the phase `goodbye`";
    for (bug, fault) in [
        ("skips-goodbye-on-closed", "net.read#2=connection-closed"),
        ("skips-goodbye-on-closed", "net.write#1=connection-closed"),
        ("skips-goodbye-on-closed", "net.read#1=truncate 0B"),
        ("skips-goodbye-on-over-quota", "net.read#2=over-quota"),
        ("skips-goodbye-on-disabled", "net.write#1=capability-disabled"),
        ("skips-goodbye-on-deadline", "net.read#2=deadline-exceeded"),
        ("skips-goodbye-on-write", "net.write#1=connection-reset"),
        ("skips-goodbye-on-write", "net.write#1=invalid"),
        ("skips-goodbye-after-items", "net.read#4=connection-reset"),
        ("skips-goodbye-after-items", "net.write#2=over-quota"),
    ] {
        assert_found(Service::Items, bug, fault, never);
    }
    assert_found(
        Service::Tls,
        "skips-goodbye-on-closed",
        "net.read#2=connection-closed",
        never,
    );
}

#[test]
fn items_left_out_after_one_error_are_found() {
    let never = "never begins the phase `fetch` (summer)";
    assert_found(
        Service::Items,
        "skips-items-on-reset",
        "net.read#3=connection-reset",
        never,
    );
    assert_found(
        Service::Items,
        "skips-items-on-over-quota",
        "net.read#3=over-quota",
        never,
    );
    assert_found(
        Service::Items,
        "plans-one-item-less",
        "net.read#1=connection-reset",
        "the phase `fetch` (autumn) has no status",
    );
}

#[test]
fn phases_that_do_not_tell_what_happened_are_found() {
    for (bug, fault, words) in [
        (
            "leaves-phase-open-on-closed",
            "net.read#2=connection-closed",
            "the phase `login` was begun and never ended",
        ),
        (
            "succeeds-on-reset",
            "net.read#2=connection-reset",
            "the phase `login` is `ok`, although `net.read#2` failed in it",
        ),
        (
            "succeeds-on-deadline",
            "net.read#2=deadline-exceeded",
            "the phase `login` is `ok`, although `net.read#2` failed in it",
        ),
        (
            "ignores-disabled",
            "net.write#5=capability-disabled",
            "the phase `goodbye` is `ok`, although `net.write#5` failed in it",
        ),
        (
            "fails-in-another-phase",
            "net.write#1=host-unreachable",
            "the phase `login` is `ok`, although `net.write#1` failed in it",
        ),
        (
            "begins-after-the-call",
            "net.read#1=connection-reset",
            "`net.read#1` is made outside of all phases",
        ),
    ] {
        assert_found(Service::Items, bug, fault, words);
    }
}

#[test]
fn errors_that_are_called_something_else_are_found() {
    for (bug, fault, words) in [
        (
            "unexpected-for-all",
            "net.read#1=connection-closed",
            "ended in `protocol.unexpected_response`, wanted `connection_closed`",
        ),
        (
            "unexpected-for-all",
            "net.read#4=connection-reset",
            "ended in `protocol.unexpected_response`, wanted `connection_reset`",
        ),
        (
            "own-type-for-other",
            "net.read#2=other",
            "ended in `faulty.broken`, wanted `_OTHER`",
        ),
        (
            "closed-for-reset",
            "net.read#2=reset-after 1B",
            "ended in `connection_closed`, wanted `connection_reset`",
        ),
        (
            "settings-for-unreachable",
            "net.read#2=host-unreachable",
            "ended in `settings_invalid`, wanted `host_unreachable`",
        ),
        (
            "own-timeout",
            "net.read#1=delay 1s",
            "ended in `faulty.slow`, wanted `deadline_exceeded`",
        ),
        (
            "one-read-is-one-line",
            "net.read#2=drip 1ms",
            "ended in `protocol.unexpected_response`, wanted `deadline_exceeded`",
        ),
    ] {
        assert_found(Service::Items, bug, fault, words);
    }
}

#[test]
fn failures_that_are_passed_over_are_found() {
    for (bug, fault, words) in [
        (
            "swallows-write",
            "net.write#5=connection-reset",
            "although `net.write#5` failed",
        ),
        (
            "swallows-write",
            "net.write#1=over-quota",
            "ended in `deadline_exceeded`, wanted `host_call_limit`",
        ),
        (
            "passes-without-secret",
            "secrets.open#1=secret-missing",
            "which is the plugin's own fault",
        ),
        (
            "passes-without-measurement",
            "measurements.put#1=over-quota",
            "never began the phase `fetch` it had planned",
        ),
        (
            "empty-greeting",
            "net.read#1=truncate 0B",
            "the phase `greeting` is `ok`, although `net.read#1` failed in it",
        ),
        ("retries-over-quota", "net.read#1=over-quota", "the run passed"),
    ] {
        assert_found(Service::Items, bug, fault, words);
    }
}

#[test]
fn crashes_and_endless_loops_are_found() {
    for (bug, fault, words) in [
        (
            "panics-on-closed",
            "net.read#2=truncate 1B",
            "ended in `plugin_trap`",
        ),
        (
            "panics-on-short-line",
            "net.read#2=truncate 1B",
            "ended in `plugin_trap`",
        ),
        (
            "reads-on-at-end",
            "net.read#2=truncate 0B",
            "ended in `host_call_limit`",
        ),
        (
            "retries-reset",
            "net.read#2=connection-reset",
            "ended in `host_call_limit`",
        ),
        (
            "waits-on-closed",
            "net.read#2=connection-closed",
            "the run went on until its deadline",
        ),
    ] {
        assert_found(Service::Items, bug, fault, words);
    }
}

/// One failure only: each such run computes until its fuel is used up, which takes seconds.
#[test]
fn a_plugin_that_never_ends_after_the_deadline_is_found() {
    let fault = "net.read#1=deadline-exceeded";
    let swept = Service::Items
        .test("spins-after-deadline")
        .argument("--format=json")
        .argument("--fault")
        .argument(fault)
        .finish();
    assert_told(
        &swept,
        "spins-after-deadline",
        fault,
        "which is the plugin's own fault",
    );
}

#[test]
fn plaintext_in_the_place_of_tls_is_found() {
    let plaintext = "a secret is sent in plaintext after TLS has failed";
    for fault in [
        "net.start-tls#1=tls-handshake",
        "net.start-tls#1=capability-disabled",
        "net.start-tls#1=over-quota",
    ] {
        assert_found(Service::Tls, "goes-on-in-plaintext", fault, plaintext);
    }
    assert_found(
        Service::Tls,
        "skips-disabled-tls",
        "capabilities.enabled#1=capability-disabled",
        "wanted `capability_disabled`",
    );
}

#[test]
fn what_is_wrong_is_told_with_the_command_that_repeats_it() {
    let program = Service::Items.test("closed-for-reset");
    let settings = fs::read(program.path("settings.toml")).expect("the settings were just written");
    let swept = program.finish();
    assert_eq!(swept.code, Some(2), "{swept:#?}");
    let commands: Vec<&str> = swept
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("repeat it: bedcheck "))
        .collect();
    let told = swept.stdout.lines().last().unwrap_or_default();
    assert!(
        told.ends_with(&format!(": {} with something wrong", commands.len())),
        "{told}"
    );
    assert!(!commands.is_empty(), "{}", swept.stdout);
    for command in commands {
        let repeated = Program::line(&format!("{command} --format json"))
            .file("settings.toml", &settings)
            .finish();
        let report = repeated.report();
        assert_eq!(repeated.code, Some(2), "{command}");
        assert_eq!(
            report["error"]["type"], "connection_closed",
            "{command}: {report:#}"
        );
        assert_eq!(report["faults"].as_array().map(Vec::len), Some(1), "{command}");
    }
}
