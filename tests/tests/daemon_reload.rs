//! The promise: a configuration is loaded again as a whole or not at all. A bad one keeps the good one running and
//! is told wherever one looks; checks that did not change keep their history.

use std::time::Instant;

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::hook::Hook;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

fn check(name: &str, port: u16, more: &str) -> String {
    format!(
        r#"
        [[check]]
        name = "{name}"
        plugin = "http"
        every = "100ms"
        budget.deadline = "2s"
        allow = ["127.0.0.1:{port}"]
        {more}
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        "#
    )
}

const LISTEN: &str = "http.listen = \"127.0.0.1:0\"\n";

fn passes(daemon: &Daemon, name: &str) -> u64 {
    let status = daemon.get(&format!("/api/v1/checks/{name}"));
    if status.status == 404 {
        return 0;
    }
    status.json()["runs"]["pass"].as_u64().unwrap_or(0)
}

fn last_reload(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/status").json()["last_reload"].clone()
}

fn metric(daemon: &Daemon, name: &str) -> Option<String> {
    let metrics = daemon.get("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with(name))?.to_owned();
    Some(line.rsplit(' ').next()?.to_owned())
}

const SUCCESS: &str = "synthetic_runner_config_last_reload_success";

#[test]
fn a_changed_file_is_taken_up_by_signal_and_by_request() {
    let target = Target::start(Health::Up);
    let port = target.port();
    let one = check("one", port, "");
    let mut daemon = Daemon::with(&format!("{LISTEN}{one}")).start();
    daemon.wait_until("it passes", |daemon| (passes(daemon, "one") >= 3).then_some(()));

    daemon.configure(&format!("{LISTEN}{one}{}", check("two", port, "")));
    daemon.signal("HUP");
    daemon.wait_until("the second one runs", |daemon| {
        (passes(daemon, "two") >= 1).then_some(())
    });
    assert!(
        passes(&daemon, "one") >= 3,
        "an unchanged check keeps its history"
    );

    daemon.configure(&format!("{LISTEN}{}", check("two", port, "")));
    let answer = daemon.post("/-/reload");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(daemon.get("/api/v1/checks/one").status, 404);
    assert!(passes(&daemon, "two") >= 1);
    assert_eq!(metric(&daemon, SUCCESS).as_deref(), Some("1"));
}

#[test]
fn a_bad_file_changes_nothing_and_is_told() {
    let target = Target::start(Health::Up);
    let port = target.port();
    let mut daemon = Daemon::with(&format!("{LISTEN}{}", check("one", port, ""))).start();
    let bad = format!(
        "{LISTEN}{}{}",
        check("two", port, ""),
        check("three", port, "retry.attempts = 0")
    );
    daemon.configure(&bad);
    let answer = daemon.post("/-/reload");
    assert!((400..600).contains(&answer.status), "{answer:?}");
    assert!(
        answer.body.contains("retry.attempts") && answer.body.contains("found `0`"),
        "{answer:?}"
    );
    assert_eq!(last_reload(&daemon)["ok"], false);
    let message = last_reload(&daemon)["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(message.contains("retry.attempts"), "{message}");
    assert_eq!(metric(&daemon, SUCCESS).as_deref(), Some("0"));
    assert_eq!(daemon.get("/api/v1/checks/two").status, 404);
    let before = passes(&daemon, "one");
    daemon.wait_until("the good one goes on", |daemon| {
        (passes(daemon, "one") > before + 2).then_some(())
    });

    std::fs::remove_file(daemon.path("bedcheck.toml")).expect("the file is there");
    assert!((400..600).contains(&daemon.post("/-/reload").status));
    daemon.configure(&format!("{LISTEN}{}", check("four", port, "")));
    assert_eq!(daemon.post("/-/reload").status, 200);
    daemon.wait_until("the new one runs", |daemon| {
        (passes(daemon, "four") >= 1).then_some(())
    });
    assert_eq!(metric(&daemon, SUCCESS).as_deref(), Some("1"));
}

#[test]
fn the_file_is_watched_where_that_is_asked_for() {
    let target = Target::start(Health::Up);
    let port = target.port();
    let head = format!("{LISTEN}serve.watch_config = true\n");
    let mut daemon = Daemon::with(&format!("{head}{}", check("one", port, ""))).start();
    daemon.configure(&format!("{head}{}", check("two", port, "")));
    daemon.wait_until("the new check runs", |daemon| {
        (passes(daemon, "two") >= 1).then_some(())
    });
}

#[test]
fn a_watched_file_that_is_gone_is_told() {
    let target = Target::start(Health::Up);
    let head = format!("{LISTEN}serve.watch_config = true\n");
    let mut daemon = Daemon::with(&format!("{head}{}", check("one", target.port(), ""))).start();
    let (file, away) = (daemon.path("bedcheck.toml"), daemon.path("away.toml"));
    std::fs::rename(&file, &away).expect("moved");
    let gone = daemon.wait_until("it is told", |daemon| {
        let says_so = |event: &Value| {
            let message = event["message"].as_str().unwrap_or_default();
            message.contains("bedcheck.toml` is gone")
        };
        daemon.events().into_iter().find(says_so)
    });
    assert_eq!(gone["level"], "WARN", "{gone}");
    std::fs::rename(&away, &file).expect("moved");
    daemon.wait_until("it is read again", |daemon| {
        let mut events = daemon.events().into_iter();
        events.find(|event| event["generation"] == 2)
    });
}

#[test]
fn many_reloads_under_load_lose_nothing() {
    let target = Target::start(Health::Up);
    let port = target.port();
    let checks: String = (0..20)
        .map(|number| check(&format!("c{number}"), port, ""))
        .collect();
    let mut daemon = Daemon::with(&format!("{LISTEN}{checks}")).start();
    daemon.wait_until("all run", |daemon| {
        (0..20)
            .all(|number| passes(daemon, &format!("c{number}")) >= 1)
            .then_some(())
    });
    for round in 0..20 {
        let more = check("extra", port, &format!("budget.fuel = {}", 1_000_000_000 + round));
        daemon.configure(&format!("{LISTEN}{checks}{more}"));
        assert_eq!(daemon.post("/-/reload").status, 200);
    }
    let metrics = daemon.get("/metrics").body;
    let bad: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("synthetic_check_runs_total"))
        // On a busy machine a run may still be under way when the next one is due.
        .filter(|line| !line.contains("outcome=\"pass\"") && !line.contains("still_"))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(daemon.end("TERM").code, Some(0));
}

/// How many checks do nothing but have to be loaded: enough for a reload to take many times as long as a run does.
const MANY: usize = 3_000;
/// How many checks run ten times a second, each in a phase of its own.
const BEATS: usize = 10;
/// How often it is tried: on a busy machine anything may have to wait once.
const ROUNDS: u64 = 5;
/// How late a run may be, as a share of the time that the reload takes meanwhile. To exchange all of the checks one by
/// one takes more than twice this.
const SHARE: f64 = 0.1;

#[test]
fn a_reload_of_many_checks_keeps_no_run_waiting() {
    let target = Target::start(Health::Up);
    let port = target.port();
    let mut checks = format!("{LISTEN}runner.per_target = {BEATS}\n");
    for number in 0..BEATS {
        checks += &check(&format!("beat-{number}"), port, "");
    }
    for number in 0..MANY {
        checks += &check(&format!("quiet-{number}"), port, "").replace("100ms", "7d");
    }
    let mut daemon = Daemon::with(&checks).start();
    let mut shares = Vec::new();
    for round in 0..ROUNDS {
        let (before, missed) = (beats(&daemon).len(), missed(&daemon));
        let more = check("extra", port, &format!("budget.fuel = {}", 1_000_000_000 + round));
        daemon.configure(&format!("{checks}{more}"));
        let begun = Instant::now();
        assert_eq!(daemon.post("/-/reload").status, 200);
        let took = begun.elapsed().as_secs_f64();
        // Those that fell due last begin and are told after the answer.
        let answered = beats(&daemon).len();
        let lags = daemon.wait_until("they beat on", |daemon| {
            let lags = beats(daemon);
            (lags.len() >= answered + 2 * BEATS).then_some(lags)
        });
        let worst = lags.into_iter().skip(before).fold(0.0, f64::max);
        let missed = self::missed(&daemon) - missed;
        if worst <= SHARE * took && missed == 0 {
            return;
        }
        shares.push((worst / took, missed));
    }
    panic!("a run was late by more than {SHARE} of each reload, or missed: {shares:?}");
}

/// How late each run began of the checks that beat, in seconds, in order.
fn beats(daemon: &Daemon) -> Vec<f64> {
    let events = daemon.events();
    let lines = events.iter().filter(|event| {
        let check = event["check"].as_str().unwrap_or_default();
        event["target"] == "bedcheck::run" && check.starts_with("beat-")
    });
    lines.filter_map(|line| line["lag_s"].as_f64()).collect()
}

/// How many runs they have missed.
fn missed(daemon: &Daemon) -> u64 {
    let of_check = |number| daemon.check(&format!("beat-{number}"))["skipped"]["missed"].as_u64();
    (0..BEATS).filter_map(of_check).sum()
}

#[test]
fn the_state_of_a_check_stays_until_the_check_changes() {
    let target = Target::start(Health::Down);
    let port = target.port();
    let judged = |failures: u32, more: &str| {
        let settings = format!("state = {{ failures = {failures}, of = {failures} }}\n{more}");
        format!("{LISTEN}{}", check("down", port, &settings))
    };
    let mut daemon = Daemon::with(&judged(3, "")).start();
    let states = |daemon: &Daemon| -> Vec<String> {
        let lines = daemon.run_lines("down").into_iter();
        lines
            .map(|line| line["state"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    daemon.wait_until("it is failing", |daemon| {
        (states(daemon).last()? == "failing").then_some(())
    });
    let first = states(&daemon);
    assert_eq!(first[..3], ["unknown", "unknown", "failing"]);

    // Nor does it go when it is judged by other numbers from now on.
    for failures in [3, 2] {
        daemon.configure(&judged(failures, ""));
        assert_eq!(daemon.post("/-/reload").status, 200);
        let reloaded = states(&daemon).len();
        daemon.wait_until("it runs on", |daemon| {
            (states(daemon).len() >= reloaded + 3).then_some(())
        });
    }
    assert!(states(&daemon)[2..].iter().all(|state| state == "failing"));

    let before = states(&daemon).len();
    daemon.configure(&judged(3, "budget.fuel = 999_999_999"));
    assert_eq!(daemon.post("/-/reload").status, 200);
    let anew = daemon.wait_until("it is failing again", |daemon| {
        let states = states(daemon).split_off(before);
        // Runs that ended before the reload were of the check as it was.
        let anew = states.iter().position(|state| state == "unknown")?;
        states[anew..]
            .contains(&"failing".to_owned())
            .then(|| states[anew..].to_vec())
    });
    assert_eq!(anew[..3], ["unknown", "unknown", "failing"]);
}

#[test]
fn a_check_that_has_changed_has_no_state_before_it_runs() {
    let target = Target::start(Health::Up);
    let one = check("one", target.port(), "");
    let mut daemon = Daemon::with(&format!("{LISTEN}{one}")).start();
    daemon.wait_until("it passes", |daemon| {
        (daemon.check("one")["state"] == "passing").then_some(())
    });
    daemon.configure(&format!("{LISTEN}{}", one.replace("100ms", "7d")));
    assert_eq!(daemon.post("/-/reload").status, 200);
    assert_eq!(daemon.check("one")["state"], "unknown");
    let unknown = ["synthetic_check_state=\"unknown\""];
    assert_eq!(daemon.metric("synthetic_check_state{", &unknown), Some(1.0));
}

#[test]
fn a_run_of_a_check_as_it_was_says_nothing_of_what_it_is_now() {
    let (silent, up, hook) = (
        Target::start(Health::Silent),
        Target::start(Health::Up),
        Hook::start(),
    );
    let beating = |target: &Target, path: &str| {
        check(
            "moved",
            target.port(),
            &format!("heartbeat.url = \"{}\"", hook.url(path)),
        )
    };
    let mut daemon = Daemon::with(&format!("{LISTEN}{}", beating(&silent, "/old"))).start();
    daemon.wait_until("a run is under way", |_| (silent.asked() >= 1).then_some(()));
    let now = beating(&up, "/new").replace("100ms", "7d");
    daemon.configure(&format!("{LISTEN}{now}"));
    assert_eq!(daemon.post("/-/reload").status, 200);
    daemon.wait_until("the run under way ends", |daemon| {
        let check = daemon.check("moved");
        (check["running_since"].is_null() && check["last"]["outcome"] == "fail").then_some(())
    });
    assert_eq!(daemon.check("moved")["state"], "unknown");
    let last = daemon.wait_until("it is logged", |daemon| daemon.run_lines("moved").pop());
    assert_eq!(last["state"], "unknown", "{last:#}");
    let sent = daemon.wait_until("its heartbeat ends", |_| {
        let paths: Vec<_> = hook.sent().into_iter().map(|sent| sent.path).collect();
        paths.last()?.ends_with("/fail").then_some(paths)
    });
    assert!(sent.iter().all(|path| path.starts_with("/old/")), "{sent:?}");
}

/// How many slots there are before, and how many after.
const SLOTS: (usize, usize) = (4, 3);

#[test]
fn fewer_slots_hold_for_runs_that_went_on_when_there_were_more() {
    let silent = Target::start(Health::Silent);
    let port = silent.port();
    let checks: String = (0..SLOTS.0)
        .map(|number| check(&format!("c{number}"), port, "").replace("\"2s\"", "\"1h\""))
        .collect();
    let module =
        format!("[[module]]\nname = \"http\"\nplugin = \"http\"\ntargets = [\"127.0.0.1:{port}\"]\n");
    let with = |slots| {
        format!(
            "{LISTEN}serve.drain = \"0s\"\nrunner = {{ concurrency = {slots}, per_target = 99 }}\n{checks}{module}"
        )
    };
    let mut daemon = Daemon::with(&with(SLOTS.0)).start();
    daemon.wait_until("all slots are taken", |_| {
        (silent.asked() >= SLOTS.0 as u64).then_some(())
    });
    daemon.configure(&with(SLOTS.1));
    assert_eq!(daemon.post("/-/reload").status, 200);
    let path = format!("/probe?module=http&target=http://127.0.0.1:{port}/");
    let probe = || daemon.request("GET", &path, "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n", "");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let probes: Vec<_> = (0..SLOTS.1).map(|_| scope.spawn(probe)).collect();
        let answers = probes
            .into_iter()
            .map(|probe| probe.join().expect("it does not panic"));
        answers.map(|answer| answer.expect("an answer").status).collect()
    });
    assert_eq!(statuses, [503; SLOTS.1], "no slot is free");
    assert_eq!(silent.asked(), SLOTS.0 as u64);
}

#[test]
fn a_pipe_in_place_of_the_file_is_refused_and_holds_nothing_up() {
    let target = Target::start(Health::Up);
    let one = check("one", target.port(), "");
    let daemon = Daemon::with(&format!("{LISTEN}{one}")).start();
    let file = daemon.path("bedcheck.toml");
    std::fs::remove_file(&file).expect("the file is there");
    make_pipe(&file);
    let answer = daemon.post("/-/reload");
    assert!((400..600).contains(&answer.status), "{answer:?}");
    assert!(
        answer.body.contains("found a pipe or a device, wanted a file"),
        "{answer:?}"
    );
    daemon.configure(&format!("{LISTEN}{one}"));
    assert_eq!(daemon.post("/-/reload").status, 200);
}

#[test]
fn what_changes_during_the_start_is_taken_up_after_it() {
    let target = Target::start(Health::Up);
    let waiting = check("one", target.port(), "heartbeat.url = { secret = \"beat\" }");
    for (watches, signal) in [("false", Some("HUP")), ("true", None)] {
        let starting = Daemon::with(&format!(
            "{LISTEN}serve.watch_config = {watches}\nsecrets.beat.file = \"pipe\"\n{waiting}"
        ));
        let pipe = starting.path("pipe");
        make_pipe(&pipe);
        let mut daemon = starting.launch();
        // Opened as soon as the daemon reads it, which it does once it has read the file.
        let mut secret = std::fs::OpenOptions::new()
            .write(true)
            .open(&pipe)
            .expect("it is read");
        daemon.configure(&check("two", target.port(), ""));
        if let Some(signal) = signal {
            daemon.signal(signal);
        }
        std::io::Write::write_all(&mut secret, b"http://127.0.0.1:1/").expect("it is read");
        drop(secret);
        daemon.wait_until("the new one runs", |daemon| daemon.run_lines("two").pop());
    }
}

fn make_pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo failed");
}

#[test]
fn the_runners_heartbeat_and_faults_that_are_used_up_are_not_begun_anew() {
    let (target, hook) = (Target::start(Health::Up), Hook::start());
    let configuration = |level: &str| {
        let heartbeat = format!("heartbeat = {{ url = \"{}\", every = \"1h\" }}", hook.url("/own"));
        let fault = "[[fault]]\ncall = \"net.connect\"\nkind = \"refused\"\ntimes = 1\n";
        let check = check("one", target.port(), "");
        format!("{LISTEN}log.level = \"{level}\"\n{heartbeat}\n{check}{fault}")
    };
    let mut daemon = Daemon::with(&configuration("info")).start();
    let passes_after = |daemon: &mut Daemon, before: u64| {
        daemon.wait_until("it passes", |daemon| {
            (passes(daemon, "one") > before + 2).then(|| passes(daemon, "one"))
        })
    };
    let mut passed = passes_after(&mut daemon, 0);
    for level in ["debug", "info"] {
        daemon.configure(&configuration(level));
        assert_eq!(daemon.post("/-/reload").status, 200);
        passed = passes_after(&mut daemon, passed);
    }
    assert_eq!(daemon.check("one")["runs"]["fail"], 1);
    assert_eq!(daemon.end("TERM").code, Some(0));
    let sent: Vec<_> = hook.sent().into_iter().map(|sent| sent.path).collect();
    assert_eq!(sent, ["/own/start", "/own"]);
}
