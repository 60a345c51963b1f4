//! What a check in Python costs (`tests/python`, a component made by componentize-py, CPython inside), beside a process
//! that starts the interpreter and does nothing: the least that a check in Python costs without a sandbox that keeps
//! what is the same in every run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use bedcheck::sandbox::Cache;

use crate::bench::Bench;
use crate::check::{self, Check, Written, at_a_time};
use crate::cpu;
use crate::row::{CPU, Goal, Line, Rounds, Row, Sample, Stand, Turn, Unmeasured};

/// The tools of this checkout, where `scripts/python.sh` puts the component.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools");
/// What a run may cost, in microseconds of CPU time.
const GOAL: Goal = Goal::AtMost(2000.0);
/// How many runs are under way at a time: one, so that what is counted is a run's and no lock's.
const AT_A_TIME: usize = 1;

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "python",
        about: "a check in Python (HTTP, plain) against `python3 -c pass`",
        rounds: Rounds::AsAsked,
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let (target, runtime) = (bench.target()?, check::runtime(1)?);
    let address = target.addresses().http;
    let compiled = Cache::new(&Path::new(TOOLS).join("compiled"));
    let written = Written {
        plugin: "http-status",
        set: &[
            format!("host={}", address.ip()),
            format!("port={}", address.port()),
        ],
        plugins: Some(&plugins(bench)?),
        // Compiling it takes half a minute.
        compiled: Some(compiled.map_err(|error| error.to_string())?),
        ..Written::default()
    };
    let check = Arc::new(Check::prepare(&written, &runtime)?);
    let stand = Stand::new().side("check in Python", move |turn| {
        let check = Arc::clone(&check);
        at_a_time(AT_A_TIME, turn, &runtime, move || {
            let check = Arc::clone(&check);
            async move { check.run().await }
        })
    });
    let line = Line::absolute("a run, CPU", CPU, "check in Python").goal(GOAL);
    Ok(match interpreter() {
        Ok(python) => stand
            .side("python3", move |turn| start_again_and_again(&python, turn))
            .line(line)
            .line(Line::ratio(
                "against a process, CPU",
                CPU,
                "check in Python",
                "python3",
            )),
        Err(sentence) => stand.line(line).note(sentence),
    })
}

/// A folder with the component as the only plugin.
fn plugins(bench: &Bench) -> Result<PathBuf, Unmeasured> {
    let component = Path::new(TOOLS).join("http-status.wasm");
    if !component.is_file() {
        return Err(Unmeasured::Missing(
            "the check in Python is missing: `./justw python` makes it".into(),
        ));
    }
    let folder = bench.folder().join("plugins-python");
    let copied = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::copy(&component, folder.join("http-status.wasm")));
    copied.map_err(|error| format!("`{}` cannot be copied: {error}", component.display()))?;
    Ok(folder)
}

/// The interpreter itself: what is called `python3` may be a script that looks for it.
fn interpreter() -> Result<PathBuf, String> {
    let asked = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable, end='')"])
        .stderr(Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned().into())
        }
        _ => Err("`python3` is missing: on Debian, apt-get install python3".into()),
    }
}

/// Starts the interpreter for nothing until the turn is over.
fn start_again_and_again(python: &Path, turn: &Turn) -> Result<Sample, String> {
    let (begun, before) = (Instant::now(), cpu::children()?);
    let mut started = 0;
    while begun.elapsed() < turn.length {
        let ended = Command::new(python).args(["-c", "pass"]).status();
        if !ended.is_ok_and(|status| status.success()) {
            return Err(format!("`{} -c pass` failed", python.display()));
        }
        started += 1;
    }
    let (took, cpu) = (begun.elapsed(), cpu::children()?.saturating_sub(before));
    Ok(Sample::of_many(started, took, cpu))
}
