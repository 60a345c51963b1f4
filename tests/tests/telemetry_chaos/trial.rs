//! A trial: checks that run while their collector, the way there and the daemon are sabotaged, and what is left of it.
//! What has to be true of that is in `found`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bedcheck_tests::between::Way;
use bedcheck_tests::collector::{Collector, Received};
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::program::{executable, undisturbed};
use bedcheck_tests::script::ClosedPort;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;
use tempfile::TempDir;

use super::sabotage::{Sabotage, Trouble};

/// The most runs that are in a request.
pub(crate) const MAX_REQUEST: usize = 512;

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
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
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

/// What is left when a trial is over.
pub(crate) struct Trial {
    pub(crate) sabotage: Sabotage,
    pub(crate) told: Told,
    /// The reports of the journal, oldest first.
    pub(crate) journalled: Vec<Value>,
    /// What the collector has, and how many bytes it wrote down for that.
    pub(crate) received: Received,
    pub(crate) end: usize,
    /// What the process held in memory, in MiB, ten times a second.
    pub(crate) memory: Vec<u64>,
    /// The folder with the journal.
    folder: TempDir,
}

impl Trial {
    /// Runs the checks while any of these goes wrong at random, and the daemon is killed twice.
    pub(crate) fn run(troubles: &'static [Trouble]) -> Self {
        let size = Size::wanted();
        let mut chance = Chance(size.seed);
        let (target, closed) = (Target::start(Health::Up), ClosedPort::new());
        let mut sabotage = Sabotage::start(troubles);
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
                daemon = killed_and_started(daemon, &mut told);
            }
        }
        sabotage.mend();
        wait_until_delivered(&mut daemon);
        assert_rejections_are_named(&mut sabotage, &mut daemon);
        wait_until_delivered(&mut daemon);
        told.note(&daemon);
        // The end delivers what is left, and the last metrics. The folder outlives the daemon.
        let (starting, folder) = (daemon.starting(), tempfile::tempdir().expect("a folder"));
        told.log.extend(daemon.end("TERM").log);
        let kept = folder.path().join("journal");
        fs::rename(starting.path("journal"), &kept).expect("moved");

        let (received, end) = received_after(&sabotage.collector, 0);
        Self {
            journalled: journalled(&kept),
            sabotage,
            told,
            received,
            end,
            memory,
            folder,
        }
    }

    /// Exports the time that the daemon named again, to the collector itself; what arrives.
    pub(crate) fn export(&self) -> Received {
        let (since, until) = self.told.to_export();
        // However long it takes: it is a whole trial that is sent.
        let finished = undisturbed(executable())
            .args(["journal", "export", "--since", &since, "--until", &until, "--dir"])
            .arg(self.folder.path().join("journal"))
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}", self.sabotage.collector.http_address()),
            )
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .output()
            .expect("the program");
        let said = String::from_utf8_lossy(&[finished.stdout, finished.stderr].concat()).into_owned();
        assert!(finished.status.success(), "{said}");
        println!("exported from {since} to {until}: {}", said.trim_end());
        received_after(&self.sabotage.collector, self.end).0
    }
}

/// The daemon after a kill, which has counted no less than before.
fn killed_and_started(daemon: Daemon, told: &mut Told) -> Daemon {
    let counted = runs_counted(&daemon);
    told.note(&daemon);
    told.kills += 1;
    let daemon = daemon.again_after("KILL").start();
    let now = runs_counted(&daemon);
    assert!(
        now >= counted,
        "{now} runs are counted after the kill, {counted} before"
    );
    daemon
}

/// What the daemon said, through all its lives.
#[derive(Default)]
pub(crate) struct Told {
    /// The runs that were sent without an answer, and so may have arrived twice.
    pub(crate) unconfirmed: usize,
    pub(crate) kills: usize,
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
    let finished = undisturbed(executable())
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
