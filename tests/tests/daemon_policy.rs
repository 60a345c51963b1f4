//! The promise: what several runs come to is told wherever one looks. A check fails only after so many of its last
//! runs have, each outcome stays visible, a run that was too slow or needed another attempt says so, and retries
//! cannot multiply the load of an outage.

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::target::{Health, SLOWNESS, Target};
use serde_json::Value;

/// A check `front` of this target.
fn check(target: &Target, more: &str) -> String {
    let port = target.port();
    format!(
        r#"
        [[check]]
        name = "front"
        plugin = "http"
        budget.deadline = "1h"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        {more}
        "#
    )
}

/// A daemon that runs it every 100 ms.
fn daemon(target: &Target, more: &str) -> Daemon {
    let check = check(target, &format!("every = \"100ms\"\n{more}"));
    Daemon::with(&format!("{HEAD}{check}")).start()
}

/// One retry in an hour, whatever runs.
const HEAD: &str = "http.listen = \"127.0.0.1:0\"\nserve.drain = \"0s\"\n\
                    retry_budget = { share = 0.0, minimum = 1, window = \"1h\" }\n";

fn runs(daemon: &Daemon, outcome: &str) -> u64 {
    daemon.check("front")["runs"][outcome].as_u64().unwrap_or(0)
}

/// The newest report of a run that took place: on a busy machine others are left out, because one is still under way.
fn report(daemon: &mut Daemon) -> Value {
    daemon.wait_until("there is a report of a run", |daemon| {
        let reports = daemon.get("/api/v1/checks/front/reports").json();
        let mut reports = reports["reports"].as_array()?.iter();
        reports.find(|report| report["outcome"] != "skipped").cloned()
    })
}

/// Waits until the check is in this state, and so is its metric.
fn until_state(daemon: &mut Daemon, state: &str) {
    daemon.wait_until(state, |daemon| {
        (daemon.check("front")["state"] == state).then_some(())
    });
    let label = format!("synthetic_check_state=\"{state}\"");
    daemon.wait_until("the metric says so", |daemon| {
        (daemon.metric("synthetic_check_state{", &[&label]) == Some(1.0)).then_some(())
    });
}

fn changes(daemon: &Daemon) -> Vec<(Value, Value)> {
    let events = daemon.events().into_iter();
    let of_state = events.filter(|event| event["check"] == "front" && event["from"].is_string());
    of_state
        .map(|event| (event["from"].clone(), event["to"].clone()))
        .collect()
}

#[test]
fn a_check_fails_only_after_so_many_of_its_last_runs_have() {
    let target = Target::start(Health::Up);
    let mut daemon = daemon(&target, "state = { failures = 3, of = 4 }");
    until_state(&mut daemon, "passing");
    let since = daemon.check("front")["state_since"].clone();
    target.turn(Health::Down);
    until_state(&mut daemon, "failing");
    assert_ne!(daemon.check("front")["state_since"], since);
    // The state is known before it is logged.
    let states = daemon.wait_until("three failures are logged", |daemon| {
        let lines = daemon.run_lines("front").into_iter();
        let failed = lines.filter(|line| line["outcome"] == "fail");
        let states: Vec<_> = failed.map(|line| line["state"].clone()).take(3).collect();
        (states.len() == 3).then_some(states)
    });
    assert_eq!(states, ["passing", "passing", "failing"]);
    assert!(runs(&daemon, "fail") >= 3, "each outcome is counted as it is");
    assert_eq!(daemon.metric("synthetic_check_up{", &["front"]), Some(0.0));

    target.turn(Health::Up);
    until_state(&mut daemon, "passing");
    let states = daemon.wait_until("three changes are logged", |daemon| {
        let states = changes(daemon);
        (states.len() >= 3).then_some(states)
    });
    let expected = [
        ("unknown", "passing"),
        ("passing", "failing"),
        ("failing", "passing"),
    ];
    let expected = expected.map(|(from, to)| (Value::from(from), Value::from(to)));
    assert_eq!(states, expected);
}

#[test]
fn a_run_that_is_too_slow_warns_or_fails() {
    let slow = Target::start(Health::Slow);
    let half = SLOWNESS.as_millis() / 2;
    let warning = format!("thresholds = {{ warn = \"{half}ms\", fail = \"1m\" }}");
    let mut warned = daemon(&slow, &warning);
    until_state(&mut warned, "warning");
    let report = report(&mut warned);
    assert_eq!(report["outcome"], "pass");
    let said = report["warnings"][0].as_str().unwrap_or_default();
    assert!(said.contains("the run took"), "{report:#}");
    assert_eq!(runs(&warned, "fail"), 0);

    let failing = format!("thresholds.fail = \"{half}ms\"");
    let mut failed = daemon(&slow, &failing);
    until_state(&mut failed, "failing");
    assert_eq!(runs(&failed, "pass"), 0);
    let line = failed.wait_until("a failure is logged", |daemon| {
        let mut lines = daemon.run_lines("front").into_iter();
        lines.find(|line| line["outcome"] == "fail")
    });
    assert_eq!(line["error_type"], "assertion_failed");
}

#[test]
fn a_run_that_passed_on_a_later_attempt_says_so_everywhere() {
    let flaky = Target::start(Health::Flaky);
    let retry = "every = \"100ms\"\nretry = { attempts = 2, backoff = \"1ms\" }";
    let head = HEAD.replace("minimum = 1,", "minimum = 1000,");
    let mut daemon = Daemon::with(&format!("{head}{}", check(&flaky, retry))).start();
    let report = report(&mut daemon);
    assert_eq!(daemon.check("front")["state"], "warning");
    assert_eq!(report["outcome"], "pass");
    let attempts = report["attempts"].as_array().expect("a list");
    let outcomes: Vec<_> = attempts.iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["fail", "pass"], "{report:#}");
    let line = daemon.wait_until("it is logged", |daemon| {
        let mut lines = daemon.run_lines("front").into_iter();
        lines.find(|line| line["outcome"] == "pass")
    });
    assert_eq!(line["attempts"], 2);
    assert_eq!(line["message"], "front: pass on attempt 2");
    let retried = [
        "synthetic_check_retried=\"true\"",
        "synthetic_check_outcome=\"pass\"",
    ];
    // It is counted once it is in the journal.
    daemon.wait_until("it is counted", |daemon| {
        let counted = daemon.metric("synthetic_check_runs_total{", &retried)?;
        (counted >= 1.0).then_some(())
    });
}

#[test]
fn retries_do_not_multiply_the_load_of_an_outage() {
    let down = Target::start(Health::Down);
    let retry = "retry = { attempts = 5, backoff = \"1ms\" }";
    let mut daemon = daemon(&down, retry);
    daemon.wait_until("ten runs failed", |daemon| {
        (runs(daemon, "fail") >= 10).then_some(())
    });
    let denied = daemon.wait_until("that is counted", |daemon| {
        let denied = daemon.metric("synthetic_check_retries_denied_total{", &[])?;
        (denied >= 9.0).then_some(denied)
    });
    let report = report(&mut daemon);
    let why = report["retry_denied"].as_str().unwrap_or_default();
    assert!(why.contains("retry budget"), "{report:#}");
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(1));
    // One retry was allowed, by the minimum. A run may have begun since.
    let (asked, failed) = (down.asked(), runs(&daemon, "fail"));
    assert!(
        asked <= failed + 2,
        "{asked} connections in {failed} runs, {denied} denied"
    );
}

#[test]
fn a_target_is_asked_by_so_many_runs_at_once_and_others_do_not_wait_for_them() {
    let (silent, up) = (Target::start(Health::Silent), Target::start(Health::Up));
    let named = |name: &str, target: &Target| {
        check(target, "every = \"100ms\"").replace("\"front\"", &format!("\"{name}\""))
    };
    let hanging: String = (0..5)
        .map(|number| named(&format!("h{number}"), &silent))
        .collect();
    let well = named("well", &up);
    let mut daemon = Daemon::with(&format!("{HEAD}runner.per_target = 2\n{hanging}{well}")).start();
    daemon.wait_until("two hang", |_| (silent.asked() == 2).then_some(()));
    daemon.wait_until("the other one runs again and again", |daemon| {
        (daemon.check("well")["runs"]["pass"].as_u64()? >= 10).then_some(())
    });
    assert_eq!(silent.asked(), 2);
    assert_eq!(
        daemon
            .metric("synthetic_runner_runs_active", &[])
            .map(|active| active >= 2.0),
        Some(true)
    );
    let delays = daemon.metric("synthetic_runner_schedule_delay_seconds_count", &[]);
    assert!(delays >= Some(10.0), "{delays:?}");
    assert_eq!(daemon.end("TERM").code, Some(0));
}
