//! The promise: while the system has no thread to give, what needs one fails and says so, and nothing else; once there are
//! threads again, all goes on as before.

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::hook::Hook;
use bedcheck_tests::target::{Health, Target};

/// A check each second, and whatever else.
fn configuration(target: &Target, more: &str) -> String {
    let port = target.port();
    format!(
        r#"
        log.format = "json"
        http.listen = "127.0.0.1:0"
        journal.dir = "journal"
        plugins.dir = "plugins"

        [[check]]
        name = "front"
        plugin = "http"
        every = "1s"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        {more}
        "#
    )
}

fn started(configuration: &str) -> Daemon {
    let starting = Daemon::with(configuration).file("plugins/.keep", "");
    starting.unprivileged().start()
}

fn is_logged(daemon: &Daemon, part: &str) -> bool {
    daemon.log().iter().any(|line| line.contains(part))
}

fn until_logged(daemon: &mut Daemon, part: &str) {
    daemon.wait_until(part, |daemon| is_logged(daemon, part).then_some(()));
}

#[test]
fn heartbeats_go_on_once_there_are_threads_again() {
    let (target, hook) = (Target::start(Health::Up), Hook::start());
    // A name, which is looked up on a thread.
    let url = hook.url("/beat").replace("127.0.0.1", "localhost");
    let heartbeat = format!("heartbeat.url = \"{url}\"");
    let mut daemon = started(&configuration(&target, &heartbeat));
    let beats = || hook.sent().len();
    daemon.wait_until("there are heartbeats", |_| (beats() > 1).then_some(()));
    daemon.give_threads(false);
    until_logged(&mut daemon, "a heartbeat was not delivered");
    daemon.give_threads(true);
    let until_now = beats();
    daemon.wait_until("there are heartbeats again", |_| {
        (beats() > until_now + 1).then_some(())
    });
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(!ended.log.join("\n").contains("panic"), "{:#?}", ended.log);
}

#[test]
fn pages_are_written_once_there_are_threads_again() {
    let target = Target::start(Health::Up);
    let daemon = started(&configuration(&target, ""));
    for (threads, status) in [(true, 200), (false, 503), (true, 200)] {
        daemon.give_threads(threads);
        // More of them than are written at once.
        for page in ["/metrics", "/api/v1/checks"].repeat(8) {
            assert_eq!(daemon.get(page).status, status, "{page}: {:#?}", daemon.log());
        }
    }
    let ended = daemon.end("TERM");
    assert!(!ended.log.join("\n").contains("panic"), "{:#?}", ended.log);
}

#[test]
fn a_reload_is_refused_and_the_end_is_an_end() {
    let target = Target::start(Health::Up);
    let mut daemon = started(&configuration(&target, ""));
    daemon.wait_until("it runs", |daemon| daemon.run_lines("front").pop());
    daemon.give_threads(false);
    until_logged(
        &mut daemon,
        "the plugin folder was not looked at: no thread can be started",
    );
    let refused = "the configuration cannot be loaded, and the one before stays in force: no thread";
    assert!(!is_logged(&daemon, refused), "nobody asked for that");
    daemon.signal("HUP");
    until_logged(&mut daemon, refused);
    let runs = daemon.run_lines("front").len();
    daemon.wait_until("checks go on", |daemon| {
        (daemon.run_lines("front").len() > runs + 1).then_some(())
    });
    daemon.give_threads(true);
    daemon.signal("HUP");
    until_logged(&mut daemon, "\"generation\":2");
    daemon.give_threads(false);
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(!ended.log.join("\n").contains("panic"), "{:#?}", ended.log);
}
