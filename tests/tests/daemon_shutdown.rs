//! The promise: TERM and INT end the daemon at once when nothing is under way, and otherwise when the runs under way
//! have ended or their time to drain is over; what was cut short is told as `skipped`, and killed processes leave
//! nothing behind that keeps the next one from starting.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use bedcheck_tests::collector::Collector;
use bedcheck_tests::daemon::{Daemon, Ended, exchange};
use bedcheck_tests::names::{Answer, NameServer};
use bedcheck_tests::script::Script;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// The promise for a daemon in which nothing runs.
const IDLE: Duration = Duration::from_millis(100);

fn configuration(port: u16, every: &str, drain: &str) -> String {
    format!(
        r#"
        http.listen = "127.0.0.1:0"
        serve.drain = "{drain}"

        [[check]]
        name = "front"
        plugin = "http"
        every = "{every}"
        budget.deadline = "1h"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        "#
    )
}

/// Ends an idle daemon; once or twice more when it was slow: a busy machine can keep one process waiting.
fn end_idle(signal: &str) -> Ended {
    let target = Target::start(Health::Up);
    let mut ended = Vec::new();
    for _ in 0..3 {
        let daemon = Daemon::with(&configuration(target.port(), "7d", "10s")).start();
        let now = daemon.end(signal);
        if now.took < IDLE {
            return now;
        }
        ended.push(now.took);
    }
    panic!("{signal}: an idle daemon took {ended:?} to end, wanted less than {IDLE:?}");
}

#[test]
fn an_idle_daemon_ends_at_once() {
    for signal in ["TERM", "INT"] {
        assert_eq!(end_idle(signal).code, Some(0), "{signal}");
    }
}

#[test]
fn a_run_under_way_is_cancelled_after_the_drain_and_told() {
    let silent = Target::start(Health::Silent);
    let collector = Collector::start();
    let configuration = format!(
        "otlp.endpoint = \"{}\"\n{}",
        collector.http_endpoint(),
        configuration(silent.port(), "100ms", "300ms")
    );
    let mut daemon = Daemon::with(&configuration).start();
    daemon.wait_until("the run hangs", |_| (silent.asked() == 1).then_some(()));
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(ended.took >= Duration::from_millis(300), "{:?}", ended.took);
    assert!(
        ended.took < Duration::from_secs(8),
        "drain, cancel, flush: {:?}",
        ended.took
    );
    let log = ended.log.join("\n");
    assert!(
        log.contains("\"outcome\":\"skipped\"") && log.contains("cancelled"),
        "{log}"
    );
    assert!(
        collector.received_text().contains("cancelled"),
        "{} {log}",
        collector.received_text()
    );
}

#[test]
fn the_drain_is_that_of_the_configuration_in_force() {
    let silent = Target::start(Health::Silent);
    let mut daemon = Daemon::with(&configuration(silent.port(), "100ms", "10m")).start();
    daemon.wait_until("the run hangs", |_| (silent.asked() == 1).then_some(()));
    daemon.configure(&configuration(silent.port(), "100ms", "100ms"));
    assert_eq!(daemon.post("/-/reload").status, 200);
    assert_eq!(daemon.end("TERM").code, Some(0));
}

#[test]
fn an_end_that_drags_on_says_what_it_waits_for() {
    let silent = Target::start(Health::Silent);
    let configuration = format!(
        "serve.report_after = \"1s\"\nlog.level = \"warn\"\n{}",
        configuration(silent.port(), "100ms", "10m")
    );
    let mut daemon = Daemon::with(&configuration).launch();
    daemon.wait_until("the run hangs", |_| (silent.asked() == 1).then_some(()));
    daemon.signal("TERM");
    let said = "the shutdown drags on; what is open:";
    daemon.wait_until("it says so again and again", |daemon| {
        let events = daemon.events();
        let times = events.iter().filter(|event| event["message"] == said).count();
        (times >= 2).then_some(())
    });
    let ended = daemon.end("INT");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let log = ended.log.join("\n");
    for open in ["open: run `front`", "open: connection ", "open: task `daemon`"] {
        let line = ended.log.iter().find(|line| line.contains(open));
        let line = line.unwrap_or_else(|| panic!("nothing of `{open}`: {log}"));
        assert!(line.contains(".rs:"), "where it was opened: {line}");
    }
    // Of what the level held back before, the end is told as well.
    assert!(
        ended.log.iter().any(|line| line.contains("\"level\":\"INFO\"")),
        "{log}"
    );
}

#[test]
fn what_is_open_is_told_without_the_secret_in_the_name_of_a_host() {
    let token = "tok-s3cr3tvalue77";
    let names = NameServer::start(Answer::Address(Ipv4Addr::LOCALHOST.into()), Answer::NoData);
    let silent = Target::start(Health::Silent);
    let port = silent.port();
    let redirecting = Script::new()
        .expect_through("\r\n\r\n")
        .send(format!(
            "HTTP/1.1 302 Found\r\nLocation: http://{token}.idp.test:{port}/\r\nContent-Length: 0\r\n\r\n"
        ))
        .hang_up()
        .serve();
    let first = redirecting.port();
    let configuration = format!(
        r#"
        serve = {{ report_after = "1s", drain = "10m" }}
        resolver.servers = ["{}"]
        secrets.token = {{ env = "TOKEN" }}

        [[check]]
        name = "front"
        plugin = "http"
        every = "100ms"
        budget.deadline = "1h"
        allow = ["127.0.0.1:{first}", "*.idp.test:{port}", "127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{first}/", bearer = {{ secret = "token" }} }}
        "#,
        names.address()
    );
    let mut daemon = Daemon::with(&configuration).env("TOKEN", token).launch();
    daemon.wait_until("the run hangs", |_| (silent.asked() == 1).then_some(()));
    daemon.signal("TERM");
    daemon.wait_until("it says what is open", |daemon| {
        let says = |event: &Value| {
            event["message"]
                .as_str()
                .is_some_and(|said| said.starts_with("open: connection "))
        };
        daemon.events().iter().any(says).then_some(())
    });
    let ended = daemon.end("INT");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let log = ended.log.join("\n");
    assert!(
        log.contains(&format!("open: connection `127.0.0.1:{port}`")),
        "{log}"
    );
    assert!(!log.contains(token), "{log}");
}

#[test]
fn a_second_signal_ends_the_drain() {
    let silent = Target::start(Health::Silent);
    let mut daemon = Daemon::with(&configuration(silent.port(), "100ms", "10m")).start();
    daemon.wait_until("the run hangs", |_| (silent.asked() == 1).then_some(()));
    daemon.signal("TERM");
    daemon.wait_until("it drains", |daemon| daemon.log_has("ending").then_some(()));
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}

#[test]
fn a_probe_under_way_is_answered_and_no_other_is_begun() {
    let target = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = target.local_addr().expect("an address");
    let module = "[[module]]\nname = \"http\"\nplugin = \"http\"\n";
    let configuration = format!("http.listen = \"127.0.0.1:0\"\n{module}targets = [\"{address}\"]\n");
    let mut daemon = Daemon::with(&configuration).start();
    let probe = format!("/probe?module=http&target=http://{address}/");
    let (connection, path) = (daemon.connect().expect("a connection"), probe.clone());
    let asked = std::thread::spawn(move || exchange(connection, "GET", &path, "", ""));
    let (mut stream, _) = target.accept().expect("the probe");
    daemon.signal("TERM");
    daemon.wait_until("it drains", |daemon| {
        (daemon.get("/-/ready").status == 503).then_some(())
    });
    assert_eq!(daemon.get(&probe).status, 503);
    assert_ne!(daemon.post("/-/reload").status, 200);
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nup")
        .expect("the probe reads");
    let answer = asked.join().expect("it does not panic").expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("probe_success 1"), "{}", answer.body);
    assert_eq!(daemon.end("TERM").code, Some(0));
}

#[test]
fn a_probe_under_way_is_cancelled_after_the_drain_and_told() {
    let silent = Target::start(Health::Silent);
    let address = format!("127.0.0.1:{}", silent.port());
    let collector = Collector::start();
    let configuration = format!(
        r#"
        http.listen = "127.0.0.1:0"
        serve.drain = "300ms"
        otlp.endpoint = "{}"

        [[module]]
        name = "page"
        plugin = "http"
        targets = ["{address}"]
        budget.deadline = "1h"
        "#,
        collector.http_endpoint()
    );
    let mut daemon = Daemon::with(&configuration).start();
    let connection = daemon.connect().expect("a connection");
    let path = format!("/probe?module=page&target=http://{address}/");
    let asked = std::thread::spawn(move || exchange(connection, "GET", &path, "", ""));
    daemon.wait_until("the probe hangs", |_| (silent.asked() == 1).then_some(()));
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(ended.took >= Duration::from_millis(300), "{:?}", ended.took);
    let log = ended.log.join("\n");
    let mut lines = ended.log.iter();
    let told = lines.find(|line| line.contains("\"outcome\":\"skipped\"") && line.contains("\"cancelled\""));
    assert!(told.is_some_and(|line| line.contains("page")), "{log}");
    let received = collector.received_text();
    assert!(received.contains("cancelled"), "{received} {log}");
    let answer = asked.join().expect("it does not panic");
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status != 200));
}

#[test]
fn while_it_drains_it_is_not_ready_and_starts_nothing() {
    let silent = Target::start(Health::Silent);
    let mut daemon = Daemon::with(&configuration(silent.port(), "100ms", "10m")).start();
    assert_eq!(daemon.get("/-/ready").status, 200);
    daemon.wait_until("the run hangs", |_| (silent.asked() == 1).then_some(()));
    daemon.signal("TERM");
    daemon.wait_until("it says so", |daemon| {
        (daemon.get("/-/ready").status == 503).then_some(())
    });
    assert_eq!(daemon.get("/-/healthy").status, 200);
    assert_eq!(silent.asked(), 1);
    assert_eq!(daemon.end("INT").code, Some(0));
}

#[test]
fn a_daemon_that_was_killed_starts_again() {
    let target = Target::start(Health::Up);
    let cache = tempfile::tempdir().expect("a folder");
    let starting = || {
        Daemon::with(&configuration(target.port(), "100ms", "10s"))
            .env("BEDCHECK_CACHE", &cache.path().to_string_lossy())
    };
    // At different moments of its start, the compiling of plugins among them.
    for step in 0..8 {
        let daemon = starting().launch();
        std::thread::sleep(Duration::from_millis(step * 40));
        let ended = daemon.end("KILL");
        assert_eq!(ended.code, None);
    }
    let before = target.asked();
    let mut daemon = starting().start();
    daemon.wait_until("it runs", |_| (target.asked() > before).then_some(()));
    assert_eq!(daemon.end("TERM").code, Some(0));
}
