//! The process whose runs are counted: it runs the checks of a file, one at a time on one thread, when it is told to on
//! its standard input, and says what they took.

use std::fs;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use bedcheck::config::{Config, Source};
use bedcheck::outcome::Outcome;
use bedcheck::runner::{DefaultGrant, Preparation, Prepared, Runner};
use bedcheck::sandbox::{Cache, Compiling};
use bedcheck_bench::check::runtime;
use serde::{Deserialize, Serialize};

use crate::allocations;

/// How many runs there are before any is counted: caches are filled, and buffers have grown.
const WARM_UP: u64 = 20;
/// How many runs are counted: a figure for each hides what happens once in a while.
pub(crate) const RUNS: u64 = 100;
/// Where the page faults are among the fields of `/proc/PID/stat` that follow the name (proc_pid_stat(5), field 10).
const FAULTS: usize = 7;

/// What all counted runs of a check took together.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Took {
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
    pub(crate) fuel: u64,
    pub(crate) host_calls: u64,
    pub(crate) page_faults: u64,
}

/// Serves until the input ends. For each line, the name of a check: warms up, says so in a line, and after the next
/// line runs and says what it took.
///
/// # Errors
///
/// A sentence when a check cannot run or does not pass.
pub(crate) fn serve(file: &Path, kept_code: &Path) -> Result<(), String> {
    let runtime = runtime(1)?;
    let source = Source::read(file).map_err(|problems| problems.to_string())?;
    let config = Config::parse(&source).map_err(|problems| problems.to_string())?;
    let kept_code = Cache::new(kept_code).map_err(|error| error.to_string())?;
    let compiling = Compiling::from(Some(kept_code));
    let preparing = Preparation::new(&config, Vec::new(), DefaultGrant::OwnTarget, compiling);
    let preparation = runtime
        .block_on(preparing)
        .map_err(|problems| problems.to_string())?;
    let runner = Runner::new(preparation.sandbox, config.concurrency);
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(name)) = lines.next() {
        let found = preparation.checks.iter().find(|check| check.name == name);
        let check = found.ok_or_else(|| format!("there is no check `{name}`"))?;
        runtime.block_on(run(&runner, check, WARM_UP))?;
        say("warm")?;
        if lines.next().is_none() {
            break;
        }
        let took = runtime.block_on(run(&runner, check, RUNS))?;
        say(&serde_json::to_string(&took).map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

/// Runs a check so often; it has to pass.
async fn run(runner: &Runner, check: &Arc<Prepared>, times: u64) -> Result<Took, String> {
    let (mut fuel, mut host_calls) = (0, 0);
    let (faults, (allocations, bytes)) = (page_faults()?, allocations::so_far());
    for _ in 0..times {
        let report = runner.run(check).await;
        if report.outcome != Outcome::Pass {
            let message = report.error.map(|error| error.message).unwrap_or_default();
            return Err(format!("a run of `{}` did not pass: {message}", check.name));
        }
        fuel += report.usage.fuel;
        host_calls += report.usage.host_calls;
    }
    let (allocations_then, bytes_then) = allocations::so_far();
    Ok(Took {
        allocations: allocations_then - allocations,
        bytes: bytes_then - bytes,
        fuel,
        host_calls,
        page_faults: page_faults()? - faults,
    })
}

/// How many pages this process has touched that were not there.
fn page_faults() -> Result<u64, String> {
    let stat =
        fs::read_to_string("/proc/self/stat").map_err(|error| format!("`/proc/self/stat`: {error}"))?;
    // The name is in parentheses and may hold any of them.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let faults = fields.and_then(|fields| fields.split(' ').nth(FAULTS)?.parse().ok());
    faults.ok_or_else(|| "`/proc/self/stat` is not as expected".into())
}

fn say(line: &str) -> Result<(), String> {
    let mut output = std::io::stdout();
    let said = writeln!(output, "{line}").and_then(|()| output.flush());
    said.map_err(|error| format!("nobody listens: {error}"))
}
