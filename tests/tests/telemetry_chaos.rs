//! The promise: whatever happens to the collector, to the way there, or to the daemon, every run that was journalled is
//! found in the collector with the one identity that it has, the counters go on where they were, and memory stays
//! bounded meanwhile.
//!
//! It takes half a minute with a few hundred checks. `BEDCHECK_CHAOS_CHECKS` and `BEDCHECK_CHAOS_SECONDS` make it
//! larger, and `BEDCHECK_CHAOS_SEED` repeats what chance did.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bedcheck_tests::bedcheck;
use bedcheck_tests::between::{Between, Way};
use bedcheck_tests::collector::{Collector, Point, Received, Span};
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::script::ClosedPort;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// How large a trial is.
struct Size {
    checks: u64,
    seconds: u64,
    /// Between two runs of a check.
    every: u64,
    seed: u64,
}

impl Size {
    fn wanted() -> Self {
        let number = |name: &str, otherwise: u64| {
            let value = std::env::var(name).ok();
            value.map_or(otherwise, |value| {
                value
                    .parse()
                    .unwrap_or_else(|_| panic!("{name} is `{value}`, wanted a number"))
            })
        };
        let checks = number("BEDCHECK_CHAOS_CHECKS", 300);
        Self {
            checks,
            seconds: number("BEDCHECK_CHAOS_SECONDS", 24),
            // A hundred or two runs each second, which is what two cores do beside everything else.
            every: (checks / 150).max(1),
            seed: number("BEDCHECK_CHAOS_SEED", 1),
        }
    }
}

/// Random numbers that a seed repeats (SplitMix64, Steele, Lea and Flood 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Half of the checks pass, a quarter fails, a quarter is left alone after a while because its target is sick.
fn configuration(size: &Size, endpoint: &str, healthy: u16, closed: u16) -> String {
    let every = size.every;
    let check = |number: u64| {
        let (port, breaker) = match number % 4 {
            0 | 1 => (healthy, "{}"),
            2 => (closed, "{ failures = 1000 }"),
            _ => (closed, r#"{ failures = 3, reset = "5s", max_reset = "5s" }"#),
        };
        format!(
            r#"
            [[check]]
            name = "check-{number}"
            plugin = "http"
            every = "{every}s"
            budget.deadline = "5s"
            allow = ["127.0.0.1:{port}"]
            breaker = {breaker}
            settings = {{ url = "http://127.0.0.1:{port}/{number}" }}
            "#
        )
    };
    let checks: String = (0..size.checks).map(check).collect();
    format!(
        r#"
        [http]
        listen = "127.0.0.1:0"
        [journal]
        dir = "journal"
        max_size = "8GiB"
        [otlp]
        endpoint = "{endpoint}"
        protocol = "http/protobuf"
        timeout = "2s"
        [runner]
        concurrency = 256
        per_target = 256
        {checks}"#
    )
}

/// What is going wrong at the moment.
enum Trouble {
    /// The way to the collector is like this.
    Way(Way),
    /// The collector does nothing.
    Frozen,
    /// The collector is not there.
    Stopped,
}

/// The collector, and all that can happen to it.
struct Sabotage {
    collector: Collector,
    between: Between,
    trouble: Trouble,
}

impl Sabotage {
    fn start() -> Self {
        let collector = Collector::start();
        let between = Between::start(collector.http_address());
        Self {
            collector,
            between,
            trouble: Trouble::Way(Way::Open),
        }
    }

    /// Ends the trouble there is.
    fn mend(&mut self) {
        match self.trouble {
            Trouble::Way(_) => self.between.turn(Way::Open),
            Trouble::Frozen => self.collector.freeze(false),
            Trouble::Stopped => self.collector.start_again(),
        }
        self.trouble = Trouble::Way(Way::Open);
    }

    /// Something else goes wrong, or nothing.
    fn turn(&mut self, chance: &mut Chance) {
        self.mend();
        self.trouble = match chance.below(8) {
            0 => Trouble::Frozen,
            1 => Trouble::Stopped,
            other => Trouble::Way(Way::ALL[other as usize % Way::ALL.len()]),
        };
        match self.trouble {
            Trouble::Way(way) => self.between.turn(way),
            Trouble::Frozen => self.collector.freeze(true),
            Trouble::Stopped => self.collector.stop(),
        }
    }
}

#[test]
fn every_journalled_run_is_found_by_its_one_identity_and_the_counters_go_on() {
    let size = Size::wanted();
    let mut chance = Chance(size.seed);
    let (target, closed) = (Target::start(Health::Up), ClosedPort::new());
    let mut sabotage = Sabotage::start();
    let endpoint = format!("http://{}", sabotage.between.address());
    let configuration = configuration(&size, &endpoint, target.port(), closed.port());
    let mut daemon = Daemon::with(&configuration).start();

    let began = Instant::now();
    let whole = Duration::from_secs(size.seconds);
    let mut kills = [whole / 3, whole * 2 / 3].into_iter().peekable();
    let mut memory = Vec::new();
    while began.elapsed() < whole {
        sabotage.turn(&mut chance);
        let until = Instant::now() + Duration::from_millis(200 + chance.below(2800));
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
            memory.push(resident(&daemon));
        }
        if kills.next_if(|at| began.elapsed() > *at).is_some() {
            let counted = runs_counted(&daemon);
            daemon = daemon.again_after("KILL").start();
            let now = runs_counted(&daemon);
            assert!(
                now >= counted,
                "{now} runs are counted after the kill, {counted} before"
            );
        }
    }
    sabotage.mend();
    daemon.wait_until("a thousand runs or fewer wait to be delivered", |daemon| {
        let waiting = daemon.metric("synthetic_runner_telemetry_spooled", &["\"traces\""])?;
        (waiting < 1000.0).then_some(())
    });
    // The end delivers what is left, and the last metrics. The folder outlives the daemon.
    let (journal, kept) = (daemon.path("journal"), tempfile::tempdir().expect("a folder"));
    let ended = daemon.again_after("TERM");
    let kept = kept.path().join("journal");
    fs::rename(journal, &kept).expect("moved");
    drop(ended);

    let journalled = journalled(&kept);
    let received = sabotage.collector.received();
    assert_all_found(&journalled, &received);
    assert_counters_go_on(&journalled, &received);
    assert_memory_is_bounded(&memory);
}

/// What the process holds in memory, in MiB.
fn resident(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process())).expect("the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    number.expect("a number of KiB") / 1024
}

/// The runs that the page of metrics counts.
fn runs_counted(daemon: &Daemon) -> f64 {
    let page = daemon.get("/metrics").body;
    let lines = page
        .lines()
        .filter(|line| line.starts_with("synthetic_check_runs_total{"));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// The reports of a journal, oldest first.
fn journalled(folder: &Path) -> Vec<Value> {
    let finished = bedcheck([
        "journal",
        "--dir",
        &folder.display().to_string(),
        "--format",
        "json",
    ]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.reports()
}

/// Each report has a root span with its identity, and no other run has one. Where an answer was lost a collector gets
/// the same twice, and has to be able to tell: what comes again says the same.
fn assert_all_found(journalled: &[Value], received: &Received) {
    let mut found = HashMap::<(&str, &str), &Span>::new();
    let mut again = 0;
    for span in received.spans.iter().filter(|span| span.parent.is_empty()) {
        let Some(first) = found.insert((&span.trace_id, &span.id), span) else {
            continue;
        };
        again += 1;
        assert_eq!((first.start, first.end), (span.start, span.end), "{span:?}");
        assert_eq!(first.attributes, span.attributes, "{span:?}");
    }
    let runs = journalled.len();
    println!("{runs} runs, {again} copies of them");
    for report in journalled {
        let identity = (text(report, "trace_id"), text(report, "run_id"));
        let found = found.remove(&identity);
        assert!(
            found.is_some(),
            "of {runs} runs this one is not in the collector: {report}"
        );
    }
    assert!(
        found.is_empty(),
        "the collector has runs that are not in the journal: {found:?}"
    );
}

fn text<'v>(report: &'v Value, name: &str) -> &'v str {
    report[name].as_str().unwrap_or_default()
}

/// Every series of runs only ever rises, from one start, to what the journal holds.
fn assert_counters_go_on(journalled: &[Value], received: &Received) {
    let exports = received
        .metrics
        .iter()
        .filter(|metric| metric.name == "synthetic.check.runs");
    let mut series = BTreeMap::<String, &Point>::new();
    for point in exports.flat_map(|export| &export.points) {
        let key = serde_json::to_string(&point.attributes).expect("plain values");
        if let Some(before) = series.insert(key, point) {
            assert!(before.value <= point.value, "{before:?} and then {point:?}");
            assert_eq!(before.start, point.start, "{before:?} and then {point:?}");
        }
    }
    let counted: f64 = series.values().map(|point| point.value).sum();
    assert_eq!(counted as usize, journalled.len());
}

/// The second half of the trial, in which as much went wrong as in the first, takes no more memory than the first did,
/// but for a quarter, which is what an allocator keeps or does not.
fn assert_memory_is_bounded(memory: &[u64]) {
    let (first, second) = memory.split_at(memory.len() / 2);
    let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
    let (first, second) = (most(first), most(second));
    assert!(
        second <= first + first / 4 + 16,
        "{second} MiB, {first} MiB before"
    );
}
