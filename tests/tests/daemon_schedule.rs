//! The promise: the daemon runs each check again and again at its interval, never twice at once, and never lets
//! one check keep another from running; what it left out is counted with the reason.

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

fn check(name: &str, port: u16, every: &str, deadline: &str) -> String {
    format!(
        r#"
        [[check]]
        name = "{name}"
        plugin = "http"
        every = "{every}"
        budget.deadline = "{deadline}"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        "#
    )
}

const LISTEN: &str = "http.listen = \"127.0.0.1:0\"\nserve.drain = \"0s\"\n";

fn state(daemon: &Daemon, name: &str) -> Value {
    daemon.get(&format!("/api/v1/checks/{name}")).json()
}

fn runs(daemon: &Daemon, name: &str, outcome: &str) -> u64 {
    state(daemon, name)["runs"][outcome].as_u64().unwrap_or(0)
}

#[test]
fn checks_run_again_and_again_and_a_hanging_one_holds_up_no_other() {
    let (up, silent) = (Target::start(Health::Up), Target::start(Health::Silent));
    let configuration = format!(
        "{LISTEN}{}{}",
        check("healthy", up.port(), "100ms", "2s"),
        check("hanging", silent.port(), "100ms", "1h"),
    );
    let mut daemon = Daemon::with(&configuration).start();
    daemon.wait_until("the healthy check has passed ten times", |daemon| {
        (runs(daemon, "healthy", "pass") >= 10).then_some(())
    });
    let skipped = daemon.wait_until("runs of the hanging check are left out", |daemon| {
        let skipped = state(daemon, "hanging")["skipped"]["still_running"].as_u64()?;
        (skipped >= 3).then_some(skipped)
    });
    assert!(skipped >= 3);
    assert_eq!(silent.asked(), 1, "one run at a time");
    assert!(state(&daemon, "hanging")["running_since"].is_string());
    assert_eq!(daemon.end("TERM").code, Some(0));
}

#[test]
fn the_reports_are_those_of_a_run() {
    let up = Target::start(Health::Up);
    let configuration = format!("{LISTEN}{}", check("front", up.port(), "100ms", "2s"));
    let mut daemon = Daemon::with(&configuration).start();
    daemon.wait_until("there are two reports", |daemon| {
        (runs(daemon, "front", "pass") >= 2).then_some(())
    });
    // On a busy machine a run may be left out because the one before is still under way.
    let (one, all) = ("?limit=1", "");
    let reports = [one, all].map(|limit| {
        let reports = daemon.get(&format!("/api/v1/checks/front/reports{limit}")).json();
        reports["reports"].as_array().cloned().unwrap_or_default()
    });
    assert_eq!(reports[0].len(), 1);
    let reports: Vec<_> = reports[1]
        .iter()
        .filter(|report| report["outcome"] != "skipped")
        .collect();
    assert!(reports.len() >= 2, "{reports:#?}");
    for report in &reports {
        assert_eq!(report["check"], "front");
        assert_eq!(report["outcome"], "pass");
        let phases = report["attempts"][0]["phases"].as_array().map(Vec::len);
        assert_eq!(phases, Some(4), "{report:#}");
    }
    assert_ne!(reports[0]["run_id"], reports[1]["run_id"]);
    assert!(
        reports[0]["started"].as_str() > reports[1]["started"].as_str(),
        "newest first"
    );
}

#[test]
fn a_stopped_process_goes_on_without_a_burst() {
    let up = Target::start(Health::Up);
    let configuration = format!("{LISTEN}{}", check("front", up.port(), "100ms", "2s"));
    let mut daemon = Daemon::with(&configuration).start();
    daemon.wait_until("it runs", |daemon| {
        (runs(daemon, "front", "pass") >= 2).then_some(())
    });
    daemon.signal("STOP");
    // A stop of thirty intervals: long enough that a burst would show.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let before = up.asked();
    daemon.signal("CONT");
    daemon.wait_until("it goes on", |_| (up.asked() >= before + 2).then_some(()));
    let missed = daemon.wait_until("what was missed is counted", |daemon| {
        let missed = state(daemon, "front")["skipped"]["missed"].as_u64()?;
        (missed >= 20).then_some(missed)
    });
    let since = up.asked() - before;
    assert!(since < 15, "{since} runs at once after {missed} were missed");
}
