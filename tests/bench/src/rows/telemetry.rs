//! `telemetry`: what it costs to tell of runs. On: every report is written to the journal on disk, counted in metrics,
//! exported as spans and log records over OTLP to a collector in another process, metrics are exported and scraped. Off:
//! none of it.
//!
//! In this process runs go on 16 at a time, as fast as they can, and a turn is over when everything is delivered; that
//! is the rate. In the daemon, runs come at a pace that leaves room, and what is compared is the CPU time of the process
//! for each: there on is as it is configured by default, with a line of the log for each run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bedcheck::config::{Config, Source};
use bedcheck::journal::{self, Journal};
use bedcheck::outcome::{Outcome, Report};
use bedcheck::runner::{DefaultGrant, Preparation, Prepared, Runner};
use bedcheck::sandbox::Compiling;
use bedcheck::telemetry::{Configured, Exporter, Exposition, Meters, Settings};
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::check::{self, at_a_time};
use crate::cpu;
use crate::program::{Running, free_address};
use crate::row::{CPU, Goal, Line, RATE, Rounds, Row, Sample, Stand, Turn, Unmeasured};
use crate::target::{Target, asked};

/// How many runs are under way at a time.
const AT_A_TIME: usize = 16;
/// The threads of the runtime: those of the machine which the goal is for.
const THREADS: usize = 2;
/// How many checks there are: enough for every run to find its metrics cold.
const CHECKS: usize = 100;
/// How often the daemon runs each of them: 500 runs a second, which leaves room.
const EVERY: Duration = Duration::from_millis(200);
/// The least share of the rate, with telemetry.
const RATE_GOAL: Goal = Goal::AtLeast(0.9);
/// The same as CPU time for a run.
const CPU_GOAL: Goal = Goal::AtMost(1.11);
/// The shortest turn: what a turn costs once, such as the last export, is then little of it.
const SHORTEST: Duration = Duration::from_secs(2);
/// How long a daemon runs before it is measured: reports gather for a second before they are exported.
const SETTLING: Duration = Duration::from_millis(1500);
/// How long a collector has for the last exports of a turn.
const LAST_EXPORTS: Duration = Duration::from_secs(10);

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "telemetry",
        about: "runs of the check `http` that are told of in every way against runs that are not",
        rounds: Rounds::AtMost(7),
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let (target, runtime) = (bench.target()?, Rc::new(check::runtime(THREADS)?));
    let checks = Arc::new(Checks::prepare(&target, &runtime)?);
    let mut stand = Stand::new();
    for name in ["off", "on"] {
        let (checks, runtime, target) = (Arc::clone(&checks), Rc::clone(&runtime), Rc::clone(&target));
        let folder = (name == "on").then(|| bench.folder().to_owned());
        stand = stand.side(name, move |turn| {
            let telling = folder.as_deref();
            let telling = telling
                .map(|folder| Telling::start(folder, &target, &runtime))
                .transpose()?;
            checks.measure(telling, &longer(turn), &runtime)
        });
    }
    for (name, telling) in [("daemon, off", OFF.to_owned()), ("daemon, on", on(&target))] {
        let daemon = Daemon::new(bench, &target, &telling)?;
        stand = stand.side(name, move |turn| daemon.measure(&longer(turn)));
    }
    Ok(stand
        .line(Line::ratio("rate", RATE, "on", "off").goal(RATE_GOAL))
        .line(Line::ratio("CPU", CPU, "on", "off"))
        .line(Line::ratio("daemon, CPU", CPU, "daemon, on", "daemon, off").goal(CPU_GOAL)))
}

fn longer(turn: &Turn) -> Turn {
    let shortest = if turn.is_quick { SHORTEST / 4 } else { SHORTEST };
    Turn {
        length: turn.length.max(shortest),
        ..*turn
    }
}

/// The checks as a configuration has them.
fn written(target: &Target) -> String {
    let (address, every) = (target.addresses().http, EVERY.as_millis());
    let check = |number| {
        format!(
            "[[check]]\nname = \"front-{number}\"\nplugin = \"http\"\nevery = \"{every}ms\"\n\
             allow = [\"{address}\"]\n\
             settings = {{ url = \"http://{address}/\", expect = {{ status = [\"2xx\"] }} }}\n\n"
        )
    };
    (0..CHECKS).map(check).collect()
}

/// The checks, ready to run in this process.
struct Checks {
    runner: Runner,
    prepared: Vec<Arc<Prepared>>,
    next: AtomicUsize,
}

impl Checks {
    fn prepare(target: &Target, runtime: &Runtime) -> Result<Self, String> {
        let source = Source::new(Path::new("telemetry.toml"), &written(target));
        let config = Config::parse(&source).map_err(|problems| problems.to_string())?;
        let preparing = Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, Compiling::default());
        let preparation = runtime
            .block_on(preparing)
            .map_err(|problems| problems.to_string())?;
        Ok(Self {
            runner: Runner::new(preparation.sandbox, config.concurrency),
            prepared: preparation.checks,
            next: AtomicUsize::new(0),
        })
    }

    /// Runs the check whose turn it is; it has to pass.
    async fn run(&self) -> Result<Report, String> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let report = self.runner.run(&self.prepared[next % self.prepared.len()]).await;
        match report.outcome {
            Outcome::Pass => Ok(report),
            _ => Err(format!("a run did not pass: {:?}", report.error)),
        }
    }

    /// Runs checks until the turn is over, and waits until all of them are told of.
    fn measure(
        self: &Arc<Self>,
        telling: Option<Telling>,
        turn: &Turn,
        runtime: &Runtime,
    ) -> Result<Sample, String> {
        let (begun, before) = (Instant::now(), cpu::own());
        let runs = Arc::new(AtomicU64::new(0));
        let journal = telling.as_ref().map(|telling| telling.journal.clone());
        let run = {
            let (checks, runs) = (Arc::clone(self), Arc::clone(&runs));
            move || {
                let (checks, runs, journal) = (Arc::clone(&checks), Arc::clone(&runs), journal.clone());
                async move {
                    let report = checks.run().await?;
                    if let Some(journal) = journal {
                        journal.append(report);
                    }
                    runs.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
            }
        };
        at_a_time(AT_A_TIME, turn, runtime, run)?;
        let number = runs.load(Ordering::Relaxed);
        if let Some(telling) = telling {
            telling.finish(number, runtime)?;
        }
        Ok(Sample::of_many(number, begun.elapsed(), cpu::own() - before))
    }
}

/// Everything that tells of runs, for one turn.
struct Telling {
    journal: Journal,
    meters: Meters,
    exporter: Exporter,
    folder: tempfile::TempDir,
}

impl Telling {
    fn start(folder: &Path, target: &Target, runtime: &Runtime) -> Result<Self, String> {
        let folder = tempfile::tempdir_in(folder).map_err(|error| format!("no temporary folder: {error}"))?;
        let meters = Meters::new(&BTreeMap::new());
        let kept = journal::Settings {
            dir: Some(folder.path().to_owned()),
            ..journal::Settings::default()
        };
        let opened = Journal::open(kept, vec![Box::new(meters.clone())]);
        let (journal, _) = opened.map_err(|error| error.to_string())?;
        let configured = Configured {
            endpoint: Some(format!("http://{}", target.addresses().otlp)),
            ..Configured::default()
        };
        let settings = Settings::resolve(Some(&configured), &|_| None);
        let settings = settings.map_err(|problems| format!("{problems:?}"))?;
        let settings = settings.ok_or("nothing is exported")?;
        let exporter = Exporter::start_with(&settings, &meters, Some(&journal), runtime.handle());
        Ok(Self {
            exporter: exporter.map_err(|error| error.to_string())?,
            journal,
            meters,
            folder,
        })
    }

    /// Waits until all of so many reports are told of, and scrapes the metrics once.
    fn finish(self, reports: u64, runtime: &Runtime) -> Result<(), String> {
        let lost = runtime.block_on(self.exporter.shutdown(LAST_EXPORTS));
        if !lost.is_empty() {
            return Err(lost.join("; "));
        }
        let page = self
            .meters
            .write_text(Exposition::Prometheus, &mut std::io::sink());
        page.map_err(|error| error.to_string())?;
        let closed = runtime.block_on(self.journal.close(LAST_EXPORTS));
        closed.map_err(|error| error.to_string())?;
        let recorded = self.journal.status().records;
        drop(self.folder);
        match recorded == reports {
            true => Ok(()),
            false => Err(format!("{recorded} of {reports} reports are in the journal")),
        }
    }
}

/// What the configuration of a daemon says that tells nobody of anything.
const OFF: &str = "[log]\nlevel = \"error\"\n\n[journal]\nenabled = false\n\n";

/// What the configuration of a daemon says that tells everybody of everything.
fn on(target: &Target) -> String {
    format!(
        "[journal]\ndir = \"journal\"\n\n[otlp]\nendpoint = \"http://{}\"\n\n",
        target.addresses().otlp
    )
}

/// A daemon to be started for each turn.
struct Daemon {
    program: PathBuf,
    folder: tempfile::TempDir,
    address: std::net::SocketAddr,
    is_scraped: bool,
    target: Rc<Target>,
}

impl Daemon {
    fn new(bench: &Bench, target: &Rc<Target>, telling: &str) -> Result<Self, String> {
        let folder =
            tempfile::tempdir_in(bench.folder()).map_err(|error| format!("no temporary folder: {error}"))?;
        let address = free_address()?;
        let text = format!("{telling}[http]\nlisten = \"{address}\"\n\n{}", written(target));
        let file = folder.path().join("bedcheck.toml");
        std::fs::write(&file, text)
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
        Ok(Self {
            program: bench.program().to_owned(),
            folder,
            address,
            is_scraped: telling != OFF,
            target: Rc::clone(target),
        })
    }

    /// What a run costs the process once it has found its pace.
    fn measure(&self, turn: &Turn) -> Result<Sample, String> {
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "bedcheck.toml"])
            .current_dir(self.folder.path());
        let output = self.folder.path().join("output");
        let mut program = Running::start(&mut command, &output, self.address)?;
        std::thread::sleep(SETTLING);
        let (begun, cpu, runs) = (Instant::now(), program.cpu()?, self.target.counts()?.exchanges);
        std::thread::sleep(turn.length);
        if self.is_scraped {
            asked(self.address, "/metrics")?;
        }
        let (took, cpu) = (begun.elapsed(), program.cpu()? - cpu);
        let runs = self.target.counts()?.exchanges - runs;
        program.still_runs(&output)?;
        if runs == 0 {
            return Err(format!("no run in {took:?}"));
        }
        Ok(Sample::of_many(runs, took, cpu))
    }
}
