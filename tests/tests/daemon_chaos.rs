//! The promise: whatever happens around the daemon, it says so, goes on, and begins again: it is killed in the middle
//! of everything, stands still, its files go away, its log is full.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bedcheck_tests::component::Component;
use bedcheck_tests::daemon::{Daemon, WITHIN, replace};
use bedcheck_tests::guarded::Guarded;
use bedcheck_tests::program;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// So many checks of one target, ten times a second each.
fn configuration(port: u16, checks: usize) -> String {
    let check = |number: usize| {
        format!(
            r#"
            [[check]]
            name = "check-{number}"
            plugin = "http"
            every = "100ms"
            budget.deadline = "5s"
            allow = ["127.0.0.1:{port}"]
            settings = {{ url = "http://127.0.0.1:{port}/" }}
            "#
        )
    };
    let head = r#"
        [http]
        listen = "127.0.0.1:0"
        [runner]
        per_target = 64
        [plugins]
        dir = "plugins"
        [serve]
        drain = "1s"
    "#;
    let checks: Vec<_> = (0..checks).map(check).collect();
    format!("{head}{}", checks.join(""))
}

/// Waits until something is so, and fails after [`WITHIN`].
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + WITHIN;
    while !is_so() {
        assert!(Instant::now() < give_up, "{what}: not within {WITHIN:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The lines of the log that tell of something that is wrong with the daemon itself.
fn errors(log: &[String]) -> Vec<Value> {
    let events = log.iter().filter_map(|line| serde_json::from_str(line).ok());
    events.filter(|event: &Value| event["level"] == "ERROR").collect()
}

#[test]
fn a_compiler_ends_when_nobody_waits_for_its_code() {
    let mut compiler = program::undisturbed(program::executable());
    compiler.args(["plugin", "compile", "--reservation", "1048576"]);
    compiler.stdin(Stdio::piped());
    compiler.stdout(Stdio::piped());
    let mut compiler = Guarded::start(compiler.stderr(Stdio::null()));
    // Whoever started it is gone, and it does not come to write anything: its input does not end.
    let input = compiler.stdin.take().expect("its input");
    drop(compiler.stdout.take());
    let mut ended = None;
    wait_until("the compiler ends", || {
        ended = compiler.try_wait().expect("a child");
        ended.is_some()
    });
    drop(input);
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
}

#[test]
fn killed_at_any_moment_it_begins_again() {
    let target = Target::start(Health::Up);
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    // Before it is ready, when it has just begun, and in the middle of things.
    for (round, moment) in [0, 20, 100, 200, 400, 800].into_iter().enumerate() {
        let starting = Daemon::with(&configuration(target.port(), 50))
            .file("plugins/.keep", "")
            .env("BEDCHECK_CACHE", &cache.display().to_string());
        let daemon = starting.launch();
        thread::sleep(Duration::from_millis(moment));
        // Before it is ready, HUP ends it as it ends every program.
        if daemon.log_has("ready") {
            daemon.signal("HUP");
        }
        let asked = if round % 2 == 0 { "KILL" } else { "TERM" };
        let is_ready = daemon.log_has("ready");
        let ended = daemon.end(asked);
        if asked == "TERM" && is_ready {
            assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
        }
    }
    let starting = Daemon::with(&configuration(target.port(), 50))
        .file("plugins/.keep", "")
        .env("BEDCHECK_CACHE", &cache.display().to_string());
    let ended = starting.start().end("TERM");
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert_eq!(errors(&ended.log), Vec::<Value>::new());
}

#[test]
fn a_process_that_stood_still_starts_no_burst_and_says_what_it_missed() {
    const CHECKS: u64 = 20;
    let target = Target::start(Health::Up);
    let checks = usize::try_from(CHECKS).expect("few");
    let mut daemon = Daemon::with(&configuration(target.port(), checks))
        .file("plugins/.keep", "")
        .start();
    daemon.wait_until("checks run", |_| (target.asked() > CHECKS).then_some(()));
    daemon.signal("STOP");
    let before = target.asked();
    // Thirty intervals.
    thread::sleep(Duration::from_secs(3));
    daemon.signal("CONT");
    let missed = |daemon: &Daemon| {
        let missed = |event: &Value| event["runs"].as_u64().filter(|runs| *runs > 20 * CHECKS);
        daemon.events().iter().find_map(missed)
    };
    let from = Instant::now();
    let runs = daemon.wait_until("what was missed is told in one line", missed);
    assert!(runs <= 60 * CHECKS, "{runs}: no more than twice what there were");
    // Runs that were due in the last second before may run, each check once; after that it is as ever.
    let asked = target.asked() - before;
    let usual = (from.elapsed().as_millis() as u64 / 100 + 2) * CHECKS;
    assert!(asked <= usual + CHECKS, "{asked} runs at once, {usual} are usual");
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        errors(&ended.log),
        Vec::<Value>::new(),
        "nothing is wrong with any task"
    );
}

#[test]
fn a_log_that_cannot_be_written_stops_no_check() {
    let target = Target::start(Health::Up);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("plugins")).expect("made");
    let file = folder.path().join("bedcheck.toml");
    let written = File::create(&file).and_then(|mut file| {
        let configuration = configuration(target.port(), 10);
        file.write_all(configuration.as_bytes())
    });
    written.expect("written");
    // A disk that is always full.
    let full = File::options().write(true).open("/dev/full").expect("opened");
    let mut daemon = program::undisturbed(program::executable());
    daemon.args(["serve", "bedcheck.toml"]).stderr(full);
    daemon.current_dir(folder.path());
    let mut daemon = Guarded::start(daemon.env("XDG_STATE_HOME", folder.path()));
    wait_until("many runs go on", || target.asked() > 200);
    assert!(daemon.try_wait().expect("a child").is_none());
    let id = daemon.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().expect("sent");
    let mut ended = None;
    wait_until("it ends", || {
        ended = daemon.try_wait().expect("a child");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

#[test]
fn files_that_go_away_and_come_back_are_told_and_stop_no_check() {
    let target = Target::start(Health::Up);
    let mut daemon = Daemon::with(&configuration(target.port(), 10))
        .file("plugins/.keep", "")
        .start();
    let (configuration, plugins) = (daemon.path("bedcheck.toml"), daemon.path("plugins"));
    let away = |path: &std::path::Path| path.with_extension("away");
    std::fs::rename(&plugins, away(&plugins)).expect("renamed");
    std::fs::rename(&configuration, away(&configuration)).expect("renamed");
    daemon.wait_until("the folder is missed", |daemon| {
        let told = |line: &String| line.contains("plugin folder") && line.contains("cannot be read");
        daemon.log().iter().any(told).then_some(())
    });
    let refused = daemon.post("/-/reload");
    assert_eq!(refused.status, 500, "{}", refused.body);
    assert!(refused.body.contains("cannot be read"), "{}", refused.body);
    let asked = target.asked();
    daemon.wait_until("checks go on", |_| (target.asked() > asked + 50).then_some(()));

    std::fs::rename(away(&plugins), &plugins).expect("renamed");
    std::fs::rename(away(&configuration), &configuration).expect("renamed");
    let taken = daemon.post("/-/reload");
    assert_eq!(taken.status, 200, "{}", taken.body);
    replace(&daemon.path("plugins/broken.wasm"), b"no component");
    daemon.wait_until("the folder is watched again", |daemon| {
        let told = |line: &String| line.contains("a plugin is refused");
        daemon.log().iter().any(told).then_some(())
    });
    assert_eq!(daemon.end("TERM").code, Some(0));
}

#[test]
fn without_free_descriptors_it_goes_on_and_recovers() {
    let target = Target::start(Health::Up);
    let mut daemon = Daemon::with(&configuration(target.port(), 50))
        .file("plugins/.keep", "")
        .start();
    daemon.wait_until("checks run", |_| (target.asked() > 100).then_some(()));
    let process = daemon.process().to_string();
    let limit = |most: u64| {
        let limited = Command::new("prlimit")
            .args(["--pid", &process, &format!("--nofile={most}:")])
            .status();
        assert!(limited.is_ok_and(|status| status.success()), "prlimit failed");
    };
    limit(4);
    let failed = |daemon: &Daemon| {
        let failed = |event: &Value| event["outcome"] == "error" || event["outcome"] == "fail";
        daemon.events().iter().any(failed).then_some(())
    };
    daemon.wait_until("runs say that they cannot", failed);
    limit(1024);
    let asked = target.asked();
    daemon.wait_until("checks go on", |_| (target.asked() > asked + 100).then_some(()));
    assert_eq!(daemon.get("/-/ready").status, 200);
    assert_eq!(daemon.end("TERM").code, Some(0));
}

/// How many reloads there are before descriptors and memory are looked at, and after.
const RELOADS: (u64, u64) = (60, 300);
/// After how many reloads the plugin is swapped.
const RELOADS_FOR_A_SWAP: u64 = 50;
/// How much more memory there may be afterwards: what the allocator keeps differs from time to time.
const MORE: f64 = 1.25;

#[test]
fn hundreds_of_reloads_and_swaps_leave_nothing_behind() {
    let configuration = |round: u64| {
        let checks: String = (0..20)
            .map(|number| {
                format!(
                    "[[check]]\nname = \"c{number}\"\nplugin = \"odd\"\nevery = \"500ms\"\nbudget.fuel = {}\n",
                    1_000_000_000 + round
                )
            })
            .collect();
        format!("http.listen = \"127.0.0.1:0\"\nplugins.dir = \"plugins\"\nlog.level = \"warn\"\n{checks}")
    };
    let component = |round: u64| Component::new().summary(format!("number {round}")).build();
    let daemon = Daemon::with(&configuration(0).replace("warn", "info"))
        .file("plugins/odd.wasm", component(0))
        .start();
    let swapped = |daemon: &Daemon| {
        let swaps = daemon.metric("synthetic_runner_plugin_swapped_total{", &["odd"]);
        swaps.unwrap_or_default()
    };
    let mut replaced = 0.0;
    let mut reload = |daemon: &Daemon, rounds: std::ops::Range<u64>| {
        for round in rounds {
            daemon.configure(&configuration(round));
            let answer = daemon.post("/-/reload");
            assert_eq!(answer.status, 200, "{answer:?}");
            if round % RELOADS_FOR_A_SWAP == 0 {
                // The folder is looked at once a second: of what is written more often only the last is seen.
                wait_until("the plugin is swapped", || swapped(daemon) >= replaced);
                replace(&daemon.path("plugins/odd.wasm"), &component(round));
                replaced += 1.0;
            }
        }
        wait_until("the plugin is swapped", || swapped(daemon) >= replaced);
    };
    let (first, all) = RELOADS;
    reload(&daemon, 1..first);
    let (descriptors, memory) = settled(&daemon);
    reload(&daemon, first..first + all);
    let (descriptors_now, memory_now) = settled(&daemon);
    assert_eq!(descriptors_now, descriptors, "descriptors");
    assert!(
        memory_now < memory * MORE,
        "{memory} KiB of memory became {memory_now} KiB"
    );
    assert!(swapped(&daemon) >= 7.0, "{}", swapped(&daemon));
    let status = daemon.get("/api/v1/status").json();
    assert_eq!(status["generation"], first + all, "{status}");
    assert_eq!(daemon.end("TERM").code, Some(0));
}

/// How many descriptors the daemon has open, and how much memory, in KiB, once nothing is opened or closed for a while.
fn settled(daemon: &Daemon) -> (usize, f64) {
    let process = format!("/proc/{}", daemon.process());
    let count = || std::fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count);
    let (mut seen, mut since) = (count(), Instant::now());
    wait_until("the descriptors stay the same", || {
        let now = count();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(3)
    });
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    (seen, memory.unwrap_or_else(|| panic!("no memory in: {status}")))
}
