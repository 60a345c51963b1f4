//! A hundred thousand checks, each once a minute: how late their runs begin, and what the daemon costs besides the
//! exchanges.
//!
//! The daemon runs as it is, with its journal, its log and its metrics. The same exchanges at the same pace, run by the
//! library in a plain loop without any of that, are what is taken off.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::check::{self, Check, Written};
use crate::cpu;
use crate::crowd::write_http;
use crate::program::{Running, free_address};
use crate::row::{CPU, Goal, Line, Quantity, Rounds, Row, Sample, Stand, Turn, Unmeasured};

/// How many checks there are.
const CHECKS: u32 = 100_000;
/// How often each runs.
const EVERY: Duration = Duration::from_secs(60);
/// The same where little is to do: as many runs a second.
const QUICK: (u32, Duration) = (10_000, Duration::from_secs(6));
/// How long the daemon is left alone after its start, which is work of another kind.
const SETTLED: Duration = Duration::from_secs(5);
/// How long it is watched: a third of the checks run in that time, and the figures do not depend on which.
const WATCHED: Duration = Duration::from_secs(20);
/// The same where little is to do.
const WATCHED_QUICK: Duration = Duration::from_secs(6);
/// Of so many runs each, one begins later than the figure says.
const ONE_IN: usize = 100;

/// How late one run in a hundred begins, or later.
const LAG: Quantity = Quantity {
    name: "lag",
    unit: "ms",
};
/// How much of one processor is busy.
const BUSY: Quantity = Quantity {
    name: "busy",
    unit: "%",
};
/// How much of it is not busy with the exchanges.
const BESIDES: Quantity = Quantity {
    name: "besides",
    unit: "%",
};
/// What the daemon holds for each check.
const MEMORY: Quantity = Quantity {
    name: "memory",
    unit: "KiB",
};

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "scheduled",
        about: "a hundred thousand checks once a minute: start lag, and what the daemon costs besides the exchanges",
        rounds: Rounds::AtMost(1),
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let target = bench.target()?;
    let server = target.addresses().http;
    let (checks, every) = if bench.is_quick() { QUICK } else { (CHECKS, EVERY) };
    let runtime = check::runtime(2)?;
    let url = [format!("url=http://{server}/")];
    let written = Written {
        plugin: "http",
        set: &url,
        ..Written::default()
    };
    let check = Arc::new(Check::prepare(&written, &runtime)?);
    let daemon = Daemon {
        program: bench.program().to_owned(),
        folder: bench.folder().to_owned(),
        server,
        checks,
        every,
    };
    let pause = every / checks;
    let exchange = Rc::new(Cell::new(0.0));
    let known = Rc::clone(&exchange);
    Ok(Stand::new()
        .side("plain loop", move |turn| {
            let each = paced(&check, pause, watched(turn), &runtime)?;
            exchange.set(each);
            Ok(Sample::new().with(CPU, each))
        })
        .side("daemon", move |turn| daemon.watch(watched(turn), known.get()))
        .line(
            Line::absolute("start lag, one run in a hundred later than", LAG, "daemon")
                .goal(Goal::AtMost(50.0)),
        )
        .line(
            Line::absolute("one core busy besides the exchanges", BESIDES, "daemon").goal(Goal::AtMost(33.3)),
        )
        .line(Line::absolute("one core busy in all", BUSY, "daemon"))
        .line(Line::ratio(
            "CPU for each run against a plain loop",
            CPU,
            "daemon",
            "plain loop",
        ))
        .line(Line::absolute("memory for each check", MEMORY, "daemon")))
}

fn watched(turn: &Turn) -> Duration {
    if turn.is_quick { WATCHED_QUICK } else { WATCHED }
}

/// Runs a check again and again, at such distances, and says what CPU time each took, in microseconds.
fn paced(check: &Arc<Check>, pause: Duration, length: Duration, runtime: &Runtime) -> Result<f64, String> {
    let (begun, cpu) = (Instant::now(), cpu::own());
    let number = runtime.block_on(async {
        let mut pace = tokio::time::interval(pause);
        let mut runs = JoinSet::new();
        let mut number = 0_u64;
        while begun.elapsed() < length {
            pace.tick().await;
            let check = Arc::clone(check);
            runs.spawn(async move { check.run().await });
            number += 1;
            while let Some(ended) = runs.try_join_next() {
                ended.map_err(|error| format!("a run panicked: {error}"))??;
            }
        }
        while let Some(ended) = runs.join_next().await {
            ended.map_err(|error| format!("a run panicked: {error}"))??;
        }
        Ok::<u64, String>(number)
    })?;
    Ok((cpu::own() - cpu).as_secs_f64() * 1e6 / number as f64)
}

/// A daemon with many checks of one server.
struct Daemon {
    program: PathBuf,
    folder: PathBuf,
    server: SocketAddr,
    checks: u32,
    every: Duration,
}

impl Daemon {
    /// Watches it for a while; an exchange by itself takes so many microseconds.
    fn watch(&self, length: Duration, exchange: f64) -> Result<Sample, String> {
        let log = self.folder.join("scheduled.log");
        let running = self.start(&log)?;
        std::thread::sleep(SETTLED);
        let (begun, from) = (Instant::now(), size(&log)?);
        let cpu = running.cpu()?;
        std::thread::sleep(length);
        let (took, used) = (begun.elapsed(), running.cpu()? - cpu);
        let memory = running.memory()?;
        let mut lags = lags(&log, from)?;
        drop(running);
        if lags.is_empty() {
            return Err("the daemon ran nothing".into());
        }
        lags.sort_unstable_by(f64::total_cmp);
        let each = used.as_secs_f64() * 1e6 / lags.len() as f64;
        let busy = |each: f64| each * lags.len() as f64 / took.as_secs_f64() / 1e4;
        Ok(Sample::new()
            .with(LAG, lags[lags.len() - 1 - lags.len() / ONE_IN] * 1e3)
            .with(BUSY, busy(each))
            .with(BESIDES, busy(each - exchange))
            .with(CPU, each)
            .with(MEMORY, memory as f64 / 1024.0 / f64::from(self.checks)))
    }

    /// Starts it, with its log in this file, and waits until it serves.
    fn start(&self, log: &Path) -> Result<Running, String> {
        let listens = free_address()?;
        let mut text = format!(
            "[http]\nlisten = \"{listens}\"\n[runner]\nconcurrency = 500\nper_target = 500\n[plugins]\nwatch = false\n"
        );
        let every = format!("{}s", self.every.as_secs());
        for check in 0..self.checks {
            write_http(&mut text, &format!("check-{check}"), &every, self.server, "/");
        }
        let file = self.folder.join("scheduled.toml");
        std::fs::write(&file, text)
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg(file);
        for (variable, folder) in [("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")] {
            command.env(variable, self.folder.join(folder));
        }
        Running::start(&mut command, log, listens)
    }
}

fn size(file: &Path) -> Result<u64, String> {
    let metadata = file.metadata();
    metadata
        .map(|metadata| metadata.len())
        .map_err(|error| format!("`{}` cannot be read: {error}", file.display()))
}

/// The lags of the runs that passed, in seconds, as the log tells them after its first bytes.
///
/// # Errors
///
/// When a run did not pass: then it was no exchange as the others.
fn lags(log: &Path, from: u64) -> Result<Vec<f64>, String> {
    let content =
        std::fs::read(log).map_err(|error| format!("`{}` cannot be read: {error}", log.display()))?;
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let text = String::from_utf8_lossy(content.get(from..).unwrap_or_default());
    let mut lags = Vec::new();
    // The first line and the last may be cut.
    for line in text.lines() {
        let Ok(serde_json::Value::Object(line)) = serde_json::from_str(line) else {
            continue;
        };
        let Some(lag) = line.get("lag_s").and_then(serde_json::Value::as_f64) else {
            continue;
        };
        match line.get("outcome").and_then(serde_json::Value::as_str) {
            Some("pass") => lags.push(lag),
            _ => return Err(format!("a run did not pass: {line:?}")),
        }
    }
    Ok(lags)
}
