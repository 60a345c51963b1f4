//! The promise: a thread of the daemon that is stopped is said within seconds, and after its time the process ends, so
//! that whoever supervises it starts it again. While all of the process is stopped, nobody's time runs out.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bedcheck_tests::component::Component;
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::stopped::stop_thread;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

const CONFIGURATION: &str = r#"
    plugins.dir = "plugins"

    [[check]]
    name = "odd"
    plugin = "odd"
    every = "100ms"
"#;

/// After how long a thread that is stopped is said, a look of the watcher included.
const SAID_AFTER: Duration = Duration::from_secs(6);
/// For how long a runtime may stand still.
const STANDS_STILL: Duration = Duration::from_secs(30);
/// After how long the process ends for it, a look of the watcher and the end itself included.
const ENDS_AFTER: Duration = STANDS_STILL.saturating_add(Duration::from_secs(1 + 10));
/// What a busy machine may add to each.
const BUSY: Duration = Duration::from_secs(15);

/// The threads of the daemon's runtime.
fn workers(daemon: &Daemon) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.process()));
    let threads = threads.into_iter().flatten().flatten();
    let worker = |thread: fs::DirEntry| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let id = thread.file_name().to_str()?.parse().ok()?;
        name.starts_with("tokio").then_some(id)
    };
    threads.filter_map(worker).collect()
}

#[test]
fn a_thread_that_is_stopped_is_said_and_ends_the_process() {
    let mut daemon = Daemon::with(CONFIGURATION)
        .file("plugins/odd.wasm", Component::new().build())
        .start();
    daemon.wait_until("it runs", |daemon| daemon.run_lines("odd").pop());
    let worker = daemon.wait_until("it has a worker", |daemon| workers(daemon).first().copied());
    stop_thread(worker);
    let stopped = Instant::now();
    let is_told = |event: &Value| {
        let message = event["message"].as_str().unwrap_or_default();
        message.contains(&format!("({worker})")) && message.contains("somebody outside has stopped")
    };
    let said = daemon.wait_until("it is said", |daemon| daemon.events().into_iter().find(is_told));
    let after = stopped.elapsed();
    assert!(after < SAID_AFTER + BUSY, "{after:?}");
    assert_eq!(said["level"], "ERROR", "{said}");
    let ended = daemon.wait();
    let after = stopped.elapsed();
    assert_eq!(ended.code, Some(70), "{:#?}", ended.log);
    assert!(after < ENDS_AFTER + BUSY, "{after:?}");
    let last = ended.log.join("\n");
    assert!(last.contains("the process ends"), "{last}");
}

#[test]
fn a_runtime_that_is_stopped_as_a_whole_has_its_time_and_is_what_is_blamed() {
    // Nothing is under way that could be blamed instead.
    let daemon = Daemon::with(&CONFIGURATION.replace("100ms", "7d"))
        .file("plugins/odd.wasm", Component::new().build())
        .start();
    for worker in workers(&daemon) {
        stop_thread(worker);
    }
    let stopped = Instant::now();
    let ended = daemon.wait();
    let after = stopped.elapsed();
    assert_eq!(ended.code, Some(70), "{:#?}", ended.log);
    assert!(after >= STANDS_STILL, "{after:?}: {:#?}", ended.log);
    let blamed: Vec<&String> = ended
        .log
        .iter()
        .filter(|line| line.contains("the process ends"))
        .collect();
    assert!(!blamed.is_empty(), "{:#?}", ended.log);
    assert!(
        !blamed
            .iter()
            .any(|line| line.contains("the task `") || line.contains("task `journal`")),
        "{blamed:#?}"
    );
}

#[test]
fn a_target_is_not_blamed_for_the_time_in_which_the_process_stood_still() {
    let target = Target::start(Health::Silent);
    let port = target.port();
    let mut daemon = Daemon::with(&format!(
        r#"
        [[check]]
        name = "page"
        plugin = "http"
        every = "100ms"
        budget.deadline = "2s"
        breaker.failures = 1
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        "#
    ))
    .start();
    daemon.wait_until("a run waits", |_| (target.asked() >= 1).then_some(()));
    daemon.signal("STOP");
    target.turn(Health::Up);
    // Longer than the deadline.
    sleep(Duration::from_secs(4));
    daemon.signal("CONT");
    let runs = daemon.wait_until("runs end", |daemon| {
        let mut runs = daemon.run_lines("page");
        runs.retain(|run| run["outcome"] != "skipped");
        (runs.len() >= 3).then_some(runs)
    });
    let of_outcome = |outcome: &str| runs.iter().filter(|run| run["outcome"] == outcome).count();
    assert_eq!((of_outcome("fail"), of_outcome("error")), (0, 1), "{runs:#?}");
    let error = &runs[0];
    assert_eq!(error["error_type"], "_OTHER", "{error:#}");
    assert!(error.to_string().contains("the process stood still"), "{error:#}");
    let of_breakers = |event: &Value| {
        let message = event["message"].as_str().unwrap_or_default();
        message.starts_with("the breaker of")
    };
    assert!(!daemon.events().iter().any(of_breakers), "{:#?}", daemon.log());
}
