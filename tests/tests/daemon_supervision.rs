//! The promise: a thread of the daemon that is stopped is said within seconds, and after its time the process ends, so
//! that whoever supervises it starts it again.

use std::fs;
use std::time::{Duration, Instant};

use bedcheck_tests::component::Component;
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::stopped::stop_thread;
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
/// After how long the process ends for it, and how long it may take to do so.
const ENDS_AFTER: Duration = Duration::from_secs(30 + 1 + 10);
/// What a busy machine may add to each.
const BUSY: Duration = Duration::from_secs(15);

/// A thread of the daemon's runtime.
fn worker(daemon: &Daemon) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.process())).ok()?;
    let mut threads = threads.flatten();
    threads.find_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let id = thread.file_name().to_str()?.parse().ok()?;
        name.starts_with("tokio").then_some(id)
    })
}

#[test]
fn a_thread_that_is_stopped_is_said_and_ends_the_process() {
    let mut daemon = Daemon::with(CONFIGURATION)
        .file("plugins/odd.wasm", Component::new().build())
        .start();
    daemon.wait_until("it runs", |daemon| daemon.run_lines("odd").pop());
    let worker = daemon.wait_until("it has a worker", worker);
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
