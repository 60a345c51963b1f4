//! The promise: whatever a plugin is or does, it is contained. Its run ends in time with a report that is
//! complete, names what it did and blames nobody else; what cannot be run at all is refused with a sentence;
//! secrets stay secret; and its neighbours hardly notice.

#[path = "hostile/amounts.rs"]
mod amounts;
#[path = "hostile/components.rs"]
mod components;
#[path = "hostile/computing.rs"]
mod computing;
#[path = "hostile/descriptions.rs"]
mod descriptions;
#[path = "hostile/neighbours.rs"]
mod neighbours;
#[path = "hostile/words.rs"]
mod words;

use std::fs;

use bedcheck_tests::Program;
use bedcheck_tests::program::guest_plugin;
use serde_json::Value;

/// The phases that the guest declares.
const PHASES: [&str; 5] = ["resolve", "connect", "first", "second", "third"];
/// The deadline and the grace of the runs here, in seconds.
const DEADLINE: f64 = 0.5;
const GRACE: f64 = 0.1;
/// How much later than that a run may end, in seconds: the last resort's 10 ms, what the host has to do for the
/// largest single call, and the scheduling of a machine that runs other tests at the same time.
const LATE: f64 = 0.4;

/// A configuration of one check of the guest, which behaves like that.
fn configuration(behaviour: &str, more: &str, settings: &str) -> String {
    // A plugin that needs the network is not run without any grant; nobody answers at this address.
    let allow = if more.contains("allow = ") {
        ""
    } else {
        "allow = [\"192.0.2.1:9\"]\n"
    };
    let deadline = if more.contains("budget.deadline = ") {
        String::new()
    } else {
        format!("budget.deadline = \"{}ms\"\n", DEADLINE * 1000.0)
    };
    format!(
        "[plugins]\ndir = \".\"\n[secrets]\nprobe = {{ env = \"PROBE\" }}\n\
         [[check]]\nname = \"hostile\"\nplugin = \"guest\"\n{deadline}{allow}{more}\n\
         [check.settings]\nbehaviour = \"{behaviour}\"\n{settings}\n"
    )
}

/// A call of the program for this configuration, in this format.
fn program(configuration: &str, format: &str) -> Program {
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    Program::new(["run", "bedcheck.toml", "--format", format])
        .file("bedcheck.toml", configuration)
        .file("guest.wasm", guest)
        .env("PROBE", "hunter2hunter2hunter2")
}

/// Runs the guest, which is contained: in time, and with every declared phase in the report.
#[track_caller]
fn contained(behaviour: &str, more: &str, settings: &str) -> Value {
    let report = bounded(behaviour, more, settings);
    let duration = report["duration_s"].as_f64().unwrap_or(f64::INFINITY);
    assert!(duration < DEADLINE + GRACE + LATE, "{duration} s: {report:#}");
    report
}

/// Runs the guest, whose report has every declared phase, and is no larger than it may be.
#[track_caller]
fn bounded(behaviour: &str, more: &str, settings: &str) -> Value {
    let report = program(&configuration(behaviour, more, settings), "json")
        .finish()
        .report();
    let phases = report["attempts"][0]["phases"].as_array();
    for name in PHASES {
        let told = phases.is_some_and(|phases| {
            phases
                .iter()
                .any(|phase| phase["name"] == name && phase["status"].is_string())
        });
        assert!(told, "nothing about the phase `{name}`: {report:#}");
    }
    // What a report can hold is bounded, whatever the guest does: lines, measurements, phases.
    assert!(report.to_string().len() < 2 << 20, "{behaviour}");
    report
}

/// Holds a report to be an error with this blame and type.
#[track_caller]
fn assert_error(report: &Value, blame: &str, error_type: &str) {
    let seen = (&report["outcome"], &report["blame"], &report["error"]["type"]);
    assert_eq!(
        seen,
        (&"error".into(), &blame.into(), &error_type.into()),
        "{report:#}"
    );
}
