//! The promise: a run has one deadline. Once it has passed every network call fails at once, so that
//! straight-line code reports each phase truthfully; after the grace the guest is stopped whatever it does;
//! and the report says where the time went and whose fault that was.

use std::fs;

use bedcheck_tests::Program;
use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::Script;
use serde_json::Value;

/// The deadline and the grace of these runs, in seconds.
const DEADLINE: f64 = 0.2;
const GRACE: f64 = 0.1;
/// How much later than that a run may end: 5 ms until a guest that computes is looked at, and a busy machine's scheduling.
const LATE: f64 = 0.02;

/// Runs the misbehaving guest against a peer that accepts and stays silent.
fn run(behaviour: &str, more: &str) -> Value {
    let peer = Script::new().stall().serve();
    let port = peer.port();
    let grace = match more.contains("budget.grace") {
        true => "",
        false => "budget.grace = \"100ms\"",
    };
    let configuration = format!(
        r#"
        [plugins]
        dir = "."

        [[check]]
        name = "guest"
        plugin = "guest"
        budget.deadline = "200ms"
        {grace}
        allow = ["127.0.0.1:{port}"]
        {more}
        settings = {{ behaviour = "{behaviour}", host = "127.0.0.1", port = {port} }}
        "#
    );
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    Program::run(&configuration)
        .file("guest.wasm", guest)
        .finish()
        .report()
}

/// Runs the guest, and once or twice more if it ended late: a machine that is busy with other tests can keep
/// one process waiting for longer than a run may be late, and hardly three.
fn run_punctually(behaviour: &str, more: &str, end: f64) -> Value {
    let is_punctual = |report: &Value| (end..end + LATE).contains(&seconds(&report["duration_s"]));
    let mut report = run(behaviour, more);
    for _ in 0..2 {
        if is_punctual(&report) {
            break;
        }
        report = run(behaviour, more);
    }
    assert!(is_punctual(&report), "not within {LATE} s of {end} s: {report:#}");
    report
}

fn statuses(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let phases = report["attempts"][0]["phases"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    phases
        .iter()
        .map(|phase| (text(&phase["name"]), text(&phase["status"])))
        .collect()
}

fn status<'r>(phases: &'r [(String, String)], name: &str) -> &'r str {
    phases
        .iter()
        .find(|(phase, _)| phase == name)
        .map_or("absent", |(_, status)| status)
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[test]
fn every_call_after_the_deadline_fails_at_once_and_every_phase_is_told() {
    // Nothing is waited for twice: the run ends with the deadline, without using the grace.
    let report = run_punctually("read-thrice", "", DEADLINE);
    let phases = statuses(&report);
    assert_eq!(status(&phases, "connect"), "ok", "{report:#}");
    for phase in ["first", "second", "third"] {
        assert_eq!(status(&phases, phase), "deadline-exceeded", "{report:#}");
    }
    assert_eq!(report["deadline_exceeded"], true);
    assert_eq!(report["deadline_hit"]["phase"], "first");
    assert_eq!(report["deadline_hit"]["host_call"], "net.read");
    assert_eq!(
        (&report["outcome"], &report["blame"]),
        (&"fail".into(), &"target".into())
    );
    assert_eq!(report["error"]["type"], "deadline_exceeded");
    assert_eq!(report["error"]["phase"], "first");
}

#[test]
fn the_phase_that_waited_has_the_budget_and_the_others_next_to_none() {
    let is_as_promised = |phase: &Value| match (phase["name"].as_str(), seconds(&phase["budget_share"])) {
        (Some("first"), share) => (0.9..1.1).contains(&share),
        (_, share) => share < 0.1,
    };
    // A machine that is busy with other tests keeps one of three waiting in another phase, and hardly all.
    let mut phases = Vec::new();
    for _ in 0..3 {
        let report = run("read-thrice", "");
        phases = report["attempts"][0]["phases"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert!(phases.len() >= 4, "{report:#}");
        if phases.iter().all(is_as_promised) {
            return;
        }
    }
    panic!("{phases:#?}");
}

#[test]
fn a_guest_that_never_listens_is_stopped_and_the_target_keeps_the_blame() {
    let stopped = run_punctually(
        "never-listen",
        "budget.host_calls = 1_000_000_000",
        DEADLINE + GRACE,
    );
    // The same when what it does with the grace ends it before the grace is over.
    let out_of_calls = run("never-listen", "");
    let out_of_fuel = run(
        "never-listen",
        "budget.fuel = 2_000_000\nbudget.host_calls = 1_000_000_000",
    );
    for report in [stopped, out_of_calls, out_of_fuel] {
        assert_eq!(report["error"]["type"], "deadline_exceeded", "{report:#}");
        assert_eq!(report["error"]["phase"], "first");
        assert_eq!(report["blame"], "target");
        // A thousand refused calls are one line in the timeline.
        assert!(statuses(&report).len() < 10, "{report:#}");
    }
}

#[test]
fn a_guest_that_computes_past_the_deadline_has_exceeded_it_whatever_it_says() {
    for behaviour in [
        "overrun",
        "overrun-unasked",
        "overrun-and-tell",
        "overrun-unasked-and-tell",
        "overrun-and-mumble",
    ] {
        let report = run(
            behaviour,
            "budget.fuel = 1_000_000_000_000\nbudget.host_calls = 1_000_000_000\nbudget.grace = \"10s\"",
        );
        let judged = (&report["outcome"], &report["blame"], &report["error"]["type"]);
        let wanted = (&"error".into(), &"plugin".into(), &"deadline_exceeded".into());
        assert_eq!(judged, wanted, "{behaviour}: {report:#}");
        assert_eq!(report["deadline_exceeded"], true, "{report:#}");
        assert_eq!(report["deadline_hit"]["host_call"], Value::Null, "{report:#}");
    }
}

#[test]
fn a_guest_that_computes_is_stopped_after_the_grace_and_is_to_blame_itself() {
    let report = run_punctually("spin", "budget.fuel = 1_000_000_000_000", DEADLINE + GRACE);
    assert_eq!(
        (&report["outcome"], &report["blame"]),
        (&"error".into(), &"plugin".into())
    );
    assert_eq!(report["error"]["type"], "deadline_exceeded");
    assert_eq!(report["deadline_exceeded"], true);
    assert_eq!(status(&statuses(&report), "first"), "not-reached");
}

#[test]
fn a_guest_that_keeps_the_host_busy_is_stopped_as_soon() {
    for behaviour in ["huge-texts-for-ever", "print-for-ever", "hammer-clocks"] {
        let report = run_punctually(
            behaviour,
            "budget.fuel = 1_000_000_000_000\nbudget.host_calls = 1_000_000_000",
            DEADLINE + GRACE,
        );
        assert_eq!(report["blame"], "plugin", "{behaviour}: {report:#}");
        assert_eq!(report["error"]["type"], "deadline_exceeded", "{behaviour}");
    }
}

#[test]
fn guests_that_compute_side_by_side_are_stopped_as_soon() {
    let is_punctual = |report: &Value| {
        let end = seconds(&report["duration_s"]);
        (DEADLINE + GRACE..DEADLINE + GRACE + LATE).contains(&end)
    };
    let check = |name: &str| {
        format!(
            "[[check]]\nname = \"{name}\"\nplugin = \"guest\"\nbudget.deadline = \"200ms\"\nbudget.grace = \"100ms\"\n\
             budget.fuel = 1_000_000_000_000\nallow = [\"127.0.0.1:9\"]\n\
             settings = {{ behaviour = \"spin\", host = \"127.0.0.1\", port = 9 }}\n"
        )
    };
    let configuration = format!("plugins.dir = \".\"\n{}{}", check("one"), check("other"));
    let run = || {
        let guest = fs::read(guest_plugin()).expect("the guest is built");
        let program = Program::run(&configuration).file("guest.wasm", guest);
        program.finish().reports()
    };
    // Once or twice more for the same reason as with one of them.
    let mut reports = run();
    for _ in 0..2 {
        if !reports.iter().all(is_punctual) {
            reports = run();
        }
    }
    assert_eq!(reports.len(), 2, "{reports:#?}");
    for report in reports {
        assert!(is_punctual(&report), "{report:#}");
        assert_eq!(report["blame"], "plugin", "{report:#}");
        assert_eq!(report["error"]["type"], "deadline_exceeded", "{report:#}");
    }
}

#[test]
fn a_sleep_ends_with_the_deadline_and_is_the_plugins_fault_whatever_it_says() {
    for behaviour in ["sleep", "oversleep", "sleep-and-mumble"] {
        let report = run_punctually(behaviour, "", DEADLINE);
        let judged = (&report["outcome"], &report["blame"]);
        assert_eq!(judged, (&"error".into(), &"plugin".into()), "{report:#}");
        assert_eq!(report["error"]["type"], "deadline_exceeded");
        assert_eq!(report["deadline_exceeded"], true);
    }
}

#[test]
fn an_attempt_is_not_repeated_when_the_budget_cannot_hold_it() {
    let report = run("read-thrice", r#"retry = { attempts = 5, backoff = "1ms" }"#);
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(1), "{report:#}");
}

#[test]
fn a_guest_can_ask_what_is_left() {
    let report = run("ask", "");
    let remaining = report["measurements"]
        .as_array()
        .and_then(|measurements| {
            measurements
                .iter()
                .find(|measurement| measurement["name"] == "guest.remaining")
        })
        .map(|measurement| seconds(&measurement["value"]));
    let remaining = remaining.unwrap_or_else(|| panic!("no measurement: {report:#}"));
    assert!(remaining > 0.0 && remaining <= DEADLINE, "{remaining}");
}
