//! Healthy checks beside hostile ones, in one process: what they notice, and what all of them may take.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use bedcheck_tests::Program;
use bedcheck_tests::program::{executable, guest_plugin, undisturbed};
use bedcheck_tests::script::Script;
use serde_json::Value;

/// How many healthy checks there are, all at once.
const HEALTHY: usize = 200;
/// What the hostile ones do: each computes, in one way or another, until it is stopped.
const HOSTILE: [&str; 6] = [
    "spin",
    "spin-between-calls",
    "hammer-clocks",
    "print-for-ever",
    "flood",
    "never-listen",
];
/// How many hostile checks there are: many for each processor.
const BATCH: usize = 24;
/// How many times as long the healthy checks may take. Guests that compute have all processors but one, and on
/// a machine with two that is half of the work that the healthy ones can get done at once; as much again for
/// what is not to be foreseen on a machine that runs other tests. Without turns it is tenfold here.
const RATIO: f64 = 4.0;
/// How often that is tried: another test may take the processor away during one of two runs.
const TRIES: usize = 3;

#[test]
fn two_hundred_healthy_checks_keep_their_latency() {
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let (alone, beside) = (latencies(0), latencies(BATCH));
        let ratio = |of: fn(&[f64]) -> f64| of(&beside) / of(&alone);
        seen.push((ratio(median), ratio(high)));
        if seen.iter().any(|(median, high)| *median < RATIO && *high < RATIO) {
            return;
        }
    }
    panic!("median and 95th percentile are these times as long: {seen:?}");
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// The 95th percentile.
fn high(sorted: &[f64]) -> f64 {
    sorted[sorted.len() * 95 / 100]
}

/// How long the healthy checks took, in seconds, the fastest first, beside so many hostile ones.
fn latencies(hostile: usize) -> Vec<f64> {
    let server = Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .serve();
    let port = server.port();
    let mut configuration = "plugins.dir = \".\"\nrunner.concurrency = 300\n".to_owned();
    for number in 0..hostile {
        configuration += &format!(
            "[[check]]\nname = \"hostile-{number}\"\nplugin = \"guest\"\nbudget.deadline = \"2s\"\n\
             allow = [\"192.0.2.1:9\"]\n\
             budget.fuel = 1_000_000_000_000\nbudget.host_calls = 1_000_000_000\n\
             settings = {{ behaviour = \"{}\", host = \"127.0.0.1\", port = 9 }}\n",
            HOSTILE[number % HOSTILE.len()]
        );
    }
    for number in 0..HEALTHY {
        configuration += &format!(
            "[[check]]\nname = \"healthy-{number}\"\nplugin = \"http\"\nallow = [\"127.0.0.1:{port}\"]\n\
             settings.url = \"http://127.0.0.1:{port}/\"\n"
        );
    }
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    let reports = Program::run(&configuration)
        .file("guest.wasm", guest)
        .finish()
        .reports();
    let (healthy, hostile): (Vec<Value>, Vec<Value>) = reports.into_iter().partition(|report| {
        report["check"]
            .as_str()
            .is_some_and(|name| name.starts_with("healthy"))
    });
    for report in hostile {
        assert_eq!(report["outcome"], "error", "{report:#}");
    }
    let passed = |report: &Value| {
        assert_eq!(report["outcome"], "pass", "{report:#}");
        report["duration_s"].as_f64().unwrap_or(f64::INFINITY)
    };
    let mut latencies: Vec<f64> = healthy.iter().map(passed).collect();
    assert_eq!(latencies.len(), HEALTHY);
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// How many checks take memory at the same time.
const HOARDERS: u64 = 8;
/// The memory that each may have, in MiB, and what it takes of that.
const LIMIT: u64 = 32;
const TAKEN: u64 = 28;

#[test]
fn hoarders_take_together_no_more_than_their_limits_come_to() {
    let (nothing, all) = (peak_memory(0), peak_memory(TAKEN));
    let more = all.saturating_sub(nothing);
    // A quarter less than they asked for: part of it was free already, from loading the plugins.
    assert!(
        more >= HOARDERS * TAKEN * 3 / 4,
        "{more} MiB: they did not take what they were to"
    );
    assert!(more <= HOARDERS * LIMIT, "{more} MiB");
}

/// The most memory that the program had, in MiB, while checks took so many MiB each and slept on them.
fn peak_memory(taken: u64) -> u64 {
    let mut configuration = "plugins.dir = \".\"\n".to_owned();
    for number in 0..HOARDERS {
        configuration += &format!(
            "[[check]]\nname = \"hoarder-{number}\"\nplugin = \"guest\"\nbudget.deadline = \"2s\"\n\
             allow = [\"192.0.2.1:9\"]\n\
             budget.memory = \"{LIMIT}MiB\"\nsettings = {{ behaviour = \"hoard-and-sleep\", count = {taken} }}\n"
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bedcheck.toml"), configuration).expect("a new file");
    fs::copy(guest_plugin(), folder.path().join("guest.wasm")).expect("the guest is built");
    let mut child = undisturbed(executable())
        .args(["run", "bedcheck.toml", "--format", "nagios"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program is built");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().is_ok_and(|ended| ended.is_none()) {
        peak = peak.max(high_water_mark(&fs::read_to_string(&status).unwrap_or_default()));
        thread::sleep(Duration::from_millis(20));
    }
    peak
}

/// `VmHWM` of a process's status, in MiB.
fn high_water_mark(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
