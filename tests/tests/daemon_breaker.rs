//! The promise: a sick target is left alone. After some failed runs the breaker opens, one probing run at a time
//! finds out whether the target is well again, and what was not run is `skipped`, never `fail`.

use std::time::Duration;

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// Two checks of one target, every 50 ms, with a breaker after three failures.
fn configuration(port: u16) -> String {
    let check = |name: &str| {
        format!(
            r#"
            [[check]]
            name = "{name}"
            plugin = "http"
            every = "100ms"
            budget.deadline = "1s"
            allow = ["127.0.0.1:{port}"]
            breaker = {{ failures = 3, reset = "500ms", max_reset = "1s" }}
            settings = {{ url = "http://127.0.0.1:{port}/" }}
            "#
        )
    };
    format!("http.listen = \"127.0.0.1:0\"\n{}{}", check("one"), check("two"))
}

fn breaker(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/breakers").json()["breakers"][0].clone()
}

fn outcomes(daemon: &Daemon, name: &str) -> Value {
    daemon.get(&format!("/api/v1/checks/{name}")).json()["runs"].clone()
}

#[test]
fn a_target_that_is_down_is_left_alone_and_found_again() {
    let target = Target::start(Health::Down);
    let mut daemon = Daemon::with(&configuration(target.port())).start();
    daemon.wait_until("the breaker is open", |daemon| {
        (breaker(daemon)["state"] == "open").then_some(())
    });
    let asked = target.asked();
    assert!(
        (3..=5).contains(&asked),
        "{asked} runs before it opened; both checks may have been under way"
    );

    // While it is open, runs are left out; a probing run comes every half second, later every second.
    daemon.wait_until("many runs were skipped", |daemon| {
        let skipped = outcomes(daemon, "one")["skipped"].as_u64()?;
        (skipped >= 20).then_some(())
    });
    let probes = target.asked() - asked;
    assert!(probes <= 8, "{probes} probing runs in the time of 20 intervals");
    assert!(outcomes(&daemon, "one")["fail"].as_u64() <= Some(asked + probes));

    target.turn(Health::Up);
    daemon.wait_until("it is closed again", |daemon| {
        (breaker(daemon)["state"] == "closed").then_some(())
    });
    daemon.wait_until("both checks pass", |daemon| {
        let passed = |name| outcomes(daemon, name)["pass"].as_u64() >= Some(2);
        (passed("one") && passed("two")).then_some(())
    });
    let metrics = daemon.get("/metrics").body;
    assert!(metrics.contains("circuit_open"), "{metrics}");
    let transitions: Vec<_> = daemon
        .events()
        .into_iter()
        .filter(|event| {
            event["message"]
                .as_str()
                .is_some_and(|message| message.contains("breaker"))
        })
        .collect();
    assert!(transitions.len() >= 3, "opened, tried, closed: {transitions:#?}");
}

#[test]
fn a_target_that_flaps_is_asked_less_and_not_forgotten() {
    let target = Target::start(Health::Up);
    let mut daemon = Daemon::with(&configuration(target.port())).start();
    for _ in 0..3 {
        target.turn(Health::Down);
        daemon.wait_until("the breaker opens", |daemon| {
            (breaker(daemon)["state"] == "open").then_some(())
        });
        target.turn(Health::Up);
        daemon.wait_until("the breaker closes", |daemon| {
            (breaker(daemon)["state"] == "closed").then_some(())
        });
    }
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
}

#[test]
fn a_check_without_its_breaker_any_more_has_no_state_of_it() {
    let target = Target::start(Health::Down);
    let configuration = configuration(target.port());
    let mut daemon = Daemon::with(&configuration).start();
    let open = |daemon: &Daemon, check: &str| {
        let labels = ["synthetic_check_circuit_state=\"open\"", &format!("=\"{check}\"")];
        daemon.metric("synthetic_check_circuit_state{", &labels)
    };
    daemon.wait_until("the breaker is open", |daemon| {
        (open(daemon, "one") == Some(1.0) && open(daemon, "two") == Some(1.0)).then_some(())
    });
    let breaker = "breaker = { failures = 3, reset = \"500ms\", max_reset = \"1s\" }";
    daemon.configure(&configuration.replacen(breaker, "", 1));
    assert_eq!(daemon.post("/-/reload").status, 200);
    assert_eq!(open(&daemon, "one"), None);
    assert!(open(&daemon, "two").is_some(), "others share it");
}
