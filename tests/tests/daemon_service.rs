//! The promise: whoever supervises the daemon learns how it is. systemd is told when it is ready, lives, reloads and
//! stops; a service elsewhere hears the heartbeats of checks and of the daemon itself; the log has the form that is
//! asked for; a daemon that cannot begin ends with 64 and says all that is wrong, or with 70 where that may pass.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use bedcheck_tests::daemon::{Daemon, WITHIN};
use bedcheck_tests::hook::{Hook, Sent};
use bedcheck_tests::target::{Health, Target};

const LISTEN: &str = "http.listen = \"127.0.0.1:0\"\n";

fn check(target: &Target, more: &str) -> String {
    let port = target.port();
    format!(
        r#"
        [[check]]
        name = "front"
        plugin = "http"
        every = "100ms"
        budget.deadline = "10s"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        {more}
        "#
    )
}

/// What stands for systemd.
struct Manager {
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
    path: String,
}

impl Manager {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket in it");
        socket.set_read_timeout(Some(WITHIN)).expect("a bound");
        Self {
            socket,
            path: path.to_string_lossy().into_owned(),
            _folder: folder,
        }
    }

    /// Reads until one of the messages has this line; gives the message.
    fn until(&self, line: &str) -> String {
        let give_up = Instant::now() + WITHIN;
        let mut buffer = [0; 4096];
        while Instant::now() < give_up {
            let length = self.socket.recv(&mut buffer).expect("a message in time");
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|other| other == line) {
                return message;
            }
        }
        panic!("`{line}` was not said within {WITHIN:?}");
    }
}

#[test]
fn systemd_is_told_how_it_is() {
    let manager = Manager::start();
    let target = Target::start(Health::Up);
    let daemon = Daemon::with(&format!("{LISTEN}{}", check(&target, "")))
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "400000")
        .launch();
    let ready = manager.until("READY=1");
    assert!(ready.contains("STATUS=1 check, generation 1"), "{ready}");
    // Twice, so that it is not only said at the start.
    manager.until("WATCHDOG=1");
    manager.until("WATCHDOG=1");
    daemon.signal("HUP");
    let reloading = manager.until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    let ready = manager.until("READY=1");
    assert!(ready.contains("STATUS=1 check, generation 2"), "{ready}");
    assert_eq!(daemon.end("TERM").code, Some(0));
    manager.until("STOPPING=1");
}

#[test]
fn systemd_is_told_of_a_reload_that_nobody_asked_for() {
    let manager = Manager::start();
    let target = Target::start(Health::Up);
    let watching = format!("{LISTEN}serve.watch_config = true\n");
    let daemon = Daemon::with(&format!("{watching}{}", check(&target, "")))
        .env("NOTIFY_SOCKET", &manager.path)
        .launch();
    manager.until("READY=1");
    daemon.configure(&format!(
        "{watching}{}",
        check(&target, "budget.fuel = 1_000_000_000")
    ));
    manager.until("RELOADING=1");
    let ready = manager.until("READY=1");
    assert!(ready.contains("generation 2"), "{ready}");
}

/// Waits until a request for this path came that is not among the first `after`; gives it.
fn until_sent(daemon: &mut Daemon, hook: &Hook, path: &str, after: usize) -> Sent {
    daemon.wait_until(path, |_| {
        let sent = hook.sent().into_iter().skip(after);
        sent.into_iter().find(|sent| sent.path == path)
    })
}

#[test]
fn heartbeats_tell_of_each_run_and_of_the_daemon_itself() {
    let hook = Hook::start();
    let target = Target::start(Health::Up);
    let (beat, own) = (hook.url("/front-5ecret?create=1"), hook.url("/own"));
    let check = check(&target, "heartbeat.url = { secret = \"beat\" }");
    let mut daemon = Daemon::with(&format!(
        "{LISTEN}heartbeat = {{ url = \"{own}\", every = \"1s\" }}\nsecrets.beat.env = \"BEAT\"\n{check}"
    ))
    .env("BEAT", &beat)
    .start();
    let began = until_sent(&mut daemon, &hook, "/front-5ecret/start", 0);
    let passed = until_sent(&mut daemon, &hook, "/front-5ecret", 0);
    assert_eq!((began.method.as_str(), passed.method.as_str()), ("POST", "POST"));
    assert!(began.query.starts_with("create=1&rid="), "{began:?}");
    assert_eq!(began.query, passed.query, "the end of the run that began first");
    until_sent(&mut daemon, &hook, "/own/start", 0);
    until_sent(&mut daemon, &hook, "/own", 0);

    target.turn(Health::Down);
    let failed = until_sent(&mut daemon, &hook, "/front-5ecret/fail", 0);
    assert!(
        failed.body.contains("front") && failed.body.contains("fail"),
        "{failed:?}"
    );
    let so_far = hook.sent().len();
    until_sent(&mut daemon, &hook, "/own", so_far);
    let shown = daemon.get("/api/v1/checks/front").body + &daemon.get("/metrics").body;
    assert!(!shown.contains("5ecret"), "{shown}");
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0));
    assert!(!ended.log.join("\n").contains("5ecret"), "{:#?}", ended.log);
}

#[test]
fn the_log_has_the_form_and_the_level_that_are_asked_for() {
    let target = Target::start(Health::Up);
    let text = format!("{LISTEN}log = {{ format = \"text\" }}\n{}", check(&target, ""));
    let mut daemon = Daemon::with(&text).launch();
    daemon.wait_until("a run is told as text", |daemon| {
        let log = daemon.log();
        log.iter()
            .any(|line| line.contains("INFO") && line.contains("front: pass") && line.contains("check=front"))
            .then_some(())
    });
    assert!(daemon.events().is_empty(), "{:#?}", daemon.log());

    let quiet = format!("{LISTEN}log.level = \"warn\"\n{}", check(&target, ""));
    let mut daemon = Daemon::with(&quiet).launch();
    daemon.wait_until("runs pass", |_| (target.asked() >= 5).then_some(()));
    target.turn(Health::Down);
    let line = daemon.wait_until("one fails", |daemon| daemon.run_lines("front").into_iter().next());
    assert_eq!(
        (&line["level"], &line["outcome"]),
        (&"WARN".into(), &"fail".into())
    );
    for (key, digits) in [("run_id", 16), ("trace_id", 32)] {
        let id = line[key].as_str().unwrap_or_default();
        assert!(
            id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{line}"
        );
    }
    assert!(daemon.events().iter().all(|event| event["level"] != "INFO"));
}

#[test]
fn a_taken_port_ends_it_with_64_and_says_which() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let target = Target::start(Health::Up);
    let configuration = format!("http.listen = \"{address}\"\n{}", check(&target, ""));
    // Two threads end in either order: something that is said of the one shows in some starts only.
    for _ in 0..40 {
        let ended = Daemon::with(&configuration).launch().wait();
        assert_eq!(ended.code, Some(64), "{:#?}", ended.log);
        let log = ended.log.join("\n");
        assert!(log.contains(&format!("cannot listen at `{address}`")), "{log}");
        assert!(
            !log.contains("ERROR"),
            "it says what is wrong, and nothing else: {log}"
        );
    }
    assert_eq!(target.asked(), 0, "nothing runs");
}

#[test]
fn a_bad_configuration_ends_it_with_64_and_everything_that_is_wrong() {
    let target = Target::start(Health::Up);
    let bad = check(&target, "retry.attempts = 0\nplugn = 1");
    let ended = Daemon::with(&format!("{LISTEN}serve.drain = \"2d\"\n{bad}"))
        .launch()
        .wait();
    assert_eq!(ended.code, Some(64), "{:#?}", ended.log);
    let log = ended.log.join("\n");
    for part in ["bedcheck.toml:", "retry.attempts", "plugn", "serve.drain"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(ended.took < Duration::from_secs(30), "{:?}", ended.took);
}

#[test]
fn what_may_pass_is_no_bad_configuration() {
    let target = Target::start(Health::Up);
    let check = check(&target, "");
    let asking = check.replace(" }", ", headers.authorization = { secret = \"given\" } }");
    let bad = check.replace("front", "back").replace("budget", "budgt");
    let given = "secrets.given.command = [\"false\"]\n";
    let misspelt = given.replace("false", "no-such-program");
    let own = "heartbeat.url = { secret = \"given\" }\n";
    for (code, configuration) in [
        (70, format!("{given}{own}{check}")),
        (70, format!("{given}{asking}")),
        (64, format!("{misspelt}{own}{check}")),
        (64, format!("{misspelt}{asking}")),
        (64, format!("{given}{asking}{bad}")),
    ] {
        let ended = Daemon::with(&format!("{LISTEN}{configuration}")).launch().wait();
        let log = ended.log.join("\n");
        assert_eq!(ended.code, Some(code), "{configuration}{log}");
        assert!(log.contains("`given` could not be read: `"), "{log}");
    }
    assert_eq!(target.asked(), 0, "nothing runs");
}
