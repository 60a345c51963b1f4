//! The promise: whatever happens to the collector, to the way there, or to the daemon, every run that was journalled is
//! found in the collector with the one identity that it has, the counters go on where they were, and memory stays
//! bounded meanwhile. What a collector rejected of requests that it took is named to the number, and is there after it
//! was exported by the command that the daemon names. Of a run that is there twice, the daemon knows that it may be.
//!
//! It takes half a minute with a few hundred checks. `BEDCHECK_CHAOS_CHECKS` and `BEDCHECK_CHAOS_SECONDS` make it
//! larger, and `BEDCHECK_CHAOS_SEED` repeats what chance did.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bedcheck_tests::between::{Between, Way};
use bedcheck_tests::collector::{Collector, Point, Received, Span};
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::program::executable;
use bedcheck_tests::script::ClosedPort;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// The most runs that are in a request.
const MAX_REQUEST: usize = 512;

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
        let trouble = match chance.below(9) {
            0 => Trouble::Frozen,
            1 => Trouble::Stopped,
            other => Trouble::Way(Way::ALL[other as usize - 2]),
        };
        self.turn_to(trouble);
    }

    fn turn_to(&mut self, trouble: Trouble) {
        self.mend();
        match trouble {
            Trouble::Way(way) => self.between.turn(way),
            Trouble::Frozen => self.collector.freeze(true),
            Trouble::Stopped => self.collector.stop(),
        }
        self.trouble = trouble;
    }
}

/// What the daemon said, through all its lives.
#[derive(Default)]
struct Told {
    /// The runs that were sent without an answer, and so may have arrived twice.
    unconfirmed: usize,
    kills: usize,
    log: Vec<String>,
}

impl Told {
    /// Notes what the daemon has said up to its end.
    fn note(&mut self, daemon: &Daemon) {
        let unconfirmed = daemon.metric("synthetic_runner_telemetry_unconfirmed_total", &["\"traces\""]);
        self.unconfirmed += unconfirmed.unwrap_or_default() as usize;
        self.log.extend(daemon.log());
    }

    /// The time whose runs are to be exported again: from the first that was named to the last.
    fn to_export(&self) -> (String, String) {
        let commands = self.log.iter().filter_map(|line| {
            let (_, options) = line.split_once("bedcheck journal export --since ")?;
            let (since, rest) = options.split_once(" --until ")?;
            Some((since.to_owned(), rest.split(['`', ' ']).next()?.to_owned()))
        });
        let both = commands.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        both.expect("what was rejected is named in the log, with the command that sends it again")
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
    let (mut memory, mut told) = (Vec::new(), Told::default());
    while began.elapsed() < whole {
        sabotage.turn(&mut chance);
        let until = Instant::now() + Duration::from_millis(200 + chance.below(2800));
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
            memory.push(resident(&daemon));
        }
        if kills.next_if(|at| began.elapsed() > *at).is_some() {
            let counted = runs_counted(&daemon);
            told.note(&daemon);
            told.kills += 1;
            daemon = daemon.again_after("KILL").start();
            let now = runs_counted(&daemon);
            assert!(
                now >= counted,
                "{now} runs are counted after the kill, {counted} before"
            );
        }
    }
    sabotage.mend();
    wait_until_delivered(&mut daemon);
    assert_rejections_are_named(&mut sabotage, &mut daemon);
    wait_until_delivered(&mut daemon);
    told.note(&daemon);
    // The end delivers what is left, and the last metrics. The folder outlives the daemon.
    let (folder, kept) = (daemon.starting(), tempfile::tempdir().expect("a folder"));
    told.log.extend(daemon.end("TERM").log);
    let kept = kept.path().join("journal");
    fs::rename(folder.path("journal"), &kept).expect("moved");

    let journalled = journalled(&kept);
    let (received, end) = received_after(&sabotage.collector, 0);
    let mut found = assert_found_but_for_rejected(&journalled, &received, &sabotage.between, &told);
    assert_counters_go_on(&journalled, &received);
    assert_memory_is_bounded(&memory);
    drop(received);

    export(&kept, &told.to_export(), &sabotage.collector);
    let (received, _) = received_after(&sabotage.collector, end);
    found.extend(roots(&received).map(|span| (span.trace_id.clone(), span.id.clone())));
    let journalled = journalled.iter().map(identity);
    assert_eq!(
        found,
        journalled.collect::<HashSet<_>>(),
        "after the export every run is there"
    );
}

/// Waits until less than a request has to be delivered: as long as that takes, but each hundred runs, which are some
/// seconds on a starved machine, within the bound of all waiting.
fn wait_until_delivered(daemon: &mut Daemon) {
    let waiting = |daemon: &Daemon| daemon.metric("synthetic_runner_telemetry_spooled", &["\"traces\""]);
    let mut before = f64::INFINITY;
    while before >= MAX_REQUEST as f64 {
        before = daemon.wait_until("some of what waits is delivered", |daemon| {
            let enough = (before - 100.0).max(MAX_REQUEST as f64);
            waiting(daemon).filter(|waiting| before.is_infinite() || *waiting < enough)
        });
    }
}

/// While the collector rejects every second run, the daemon counts as many spans as the answers named.
fn assert_rejections_are_named(sabotage: &mut Sabotage, daemon: &mut Daemon) {
    let counted = |daemon: &Daemon| {
        let counted = daemon.metric("synthetic_runner_telemetry_rejected_total", &["\"traces\""]);
        counted.unwrap_or_default() as u64
    };
    let before = (counted(daemon), sabotage.between.rejected().spans);
    sabotage.turn_to(Trouble::Way(Way::TakesHalf));
    daemon.wait_until("a thousand spans are rejected", |_| {
        (sabotage.between.rejected().spans >= before.1 + 1000).then_some(())
    });
    sabotage.mend();
    daemon.wait_until("as many are counted as were rejected", |daemon| {
        (counted(daemon) - before.0 == sabotage.between.rejected().spans - before.1).then_some(())
    });
}

/// Sends the runs of a time again, to the collector itself.
fn export(kept: &Path, (since, until): &(String, String), collector: &Collector) {
    // However long it takes: it is a whole trial that is sent.
    let finished = Command::new(executable())
        .args(["journal", "export", "--since", since, "--until", until, "--dir"])
        .arg(kept)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}", collector.http_address()),
        )
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&[finished.stdout, finished.stderr].concat()).into_owned();
    assert!(finished.status.success(), "{said}");
    println!("exported from {since} to {until}: {}", said.trim_end());
}

/// What the collector got after so many bytes of what it wrote down, and how many there are now.
fn received_after(collector: &Collector, bytes: usize) -> (Received, usize) {
    let text = collector.received_text();
    (Received::of_lines(&text[bytes..]), text.len())
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
    let finished = Command::new(executable())
        .args(["journal", "--format", "json", "--dir"])
        .arg(folder)
        .output()
        .expect("the program");
    assert!(
        finished.status.success(),
        "{}",
        String::from_utf8_lossy(&finished.stderr)
    );
    let lines = finished
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("a report"))
        .collect()
}

fn roots(received: &Received) -> impl Iterator<Item = &Span> {
    received.spans.iter().filter(|span| span.parent.is_empty())
}

/// The trace of a report's run, and its root span.
fn identity(report: &Value) -> (String, String) {
    (
        text(report, "trace_id").to_owned(),
        text(report, "run_id").to_owned(),
    )
}

/// Each report has a root span with its identity, but for those of which the collector said that it rejected them, and
/// no other run has one. Where an answer was lost a collector gets the same twice, and has to be able to tell: what
/// comes again says the same, and the daemon knows how much it may be. The identities that were found.
fn assert_found_but_for_rejected(
    journalled: &[Value],
    received: &Received,
    between: &Between,
    told: &Told,
) -> HashSet<(String, String)> {
    let mut first = HashMap::<(&str, &str), &Span>::new();
    let mut copies = 0;
    for span in roots(received) {
        let Some(first) = first.insert((&span.trace_id, &span.id), span) else {
            continue;
        };
        copies += 1;
        assert_eq!((first.start, first.end), (span.start, span.end), "{span:?}");
        assert_eq!(first.attributes, span.attributes, "{span:?}");
    }
    let found: HashSet<_> = roots(received)
        .map(|span| (span.trace_id.clone(), span.id.clone()))
        .collect();
    let kept: HashSet<_> = journalled.iter().map(identity).collect();
    let (runs, rejected) = (journalled.len(), between.rejected());
    let missing: Vec<_> = kept.difference(&found).collect();
    println!(
        "{runs} runs; {} found, {} rejected of {} spans rejected; {copies} copies, {} sent without an answer, {} answers cut",
        found.len(),
        missing.len(),
        rejected.spans,
        told.unconfirmed,
        between.answers_cut(),
    );
    for (trace, _) in &missing {
        assert!(
            rejected.traces.contains(trace),
            "of {runs} runs {trace} is not in the collector"
        );
    }
    assert!(!missing.is_empty(), "nothing was rejected for good");
    let others: Vec<_> = found.difference(&kept).collect();
    assert!(
        others.is_empty(),
        "the collector has runs that are not in the journal: {others:?}"
    );
    // A kill costs the request under way, and the one before if its answer was not noted yet.
    let most = told.unconfirmed + told.kills * 2 * MAX_REQUEST;
    assert!(copies <= most, "{copies} copies, and {most} are explained");
    found
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
