//! How long `bedcheck serve` takes from the start of the process to the first result, with every built-in plugin in its
//! configuration and their compiled code kept: `cold_start`.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::row::{Goal, Line, Quantity, Rounds, Row, Sample, Stand, Unmeasured, WALL};
use crate::target::Addresses;

/// What is to be reached, in milliseconds.
const GOAL: Goal = Goal::AtMost(30.0);
/// How many checks there are of each plugin that passes. A check is due at a moment of its own in each interval; with so
/// many, ten times a second, the first is due within a millisecond.
const CHECKS: usize = 32;
/// How long the first result may take: the first start of all compiles the plugins.
const START: Duration = Duration::from_secs(60);
/// Nothing is kept: a journal is otherwise on by itself.
const ALONE: &str = "[journal]\nenabled = false\n";
/// Until it is ready, as far as it has nothing to do with when checks are due.
const READY: Quantity = Quantity {
    name: "ready",
    unit: "ms",
};

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "cold_start",
        about: "`bedcheck serve` from its start to the first result, with all built-in plugins, their code kept",
        rounds: Rounds::AsAsked,
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let target = bench.target()?;
    let addresses = target.addresses();
    let journal = bench.folder().join("cold-journal");
    let kept = format!(
        "[journal]\ndir = {journal:?}\n[otlp]\nendpoint = \"http://{}\"\n",
        addresses.silent
    );
    let mut stand = Stand::new();
    for (name, more) in [("alone", ALONE), ("with journal and telemetry", kept.as_str())] {
        let daemon = Daemon {
            program: bench.program().to_owned(),
            configuration: bench.folder().join(format!("cold {name}.toml")),
            cache: bench.folder().join("cold-start"),
            journal: journal.clone(),
        };
        let text = configuration(addresses, more);
        fs::write(&daemon.configuration, text)
            .map_err(|error| format!("`{}` cannot be written: {error}", daemon.configuration.display()))?;
        stand = stand
            .side(name, move |_| daemon.start())
            .line(Line::absolute(format!("{name}, first result"), WALL, name).goal(GOAL))
            .line(Line::absolute(format!("{name}, ready"), READY, name));
    }
    Ok(stand)
}

/// Checks of all built-in plugins. Nobody answers the one of `dns`, which is there for its plugin to be loaded.
fn configuration(addresses: &Addresses, more: &str) -> String {
    let mut text = format!("[http]\nlisten = \"127.0.0.1:0\"\n{more}");
    let (http, imap, silent) = (addresses.http, addresses.imap, addresses.silent);
    let mut check = |name: String, plugin: &str, allow: &dyn std::fmt::Display, settings: String| {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[[check]]\nname = \"{name}\"\nplugin = \"{plugin}\"\nevery = \"100ms\"\nallow = [\"{allow}\"]\n\
             settings = {{ {settings} }}\n"
        );
    };
    for number in 0..CHECKS {
        let (host, name) = ("host = \"127.0.0.1\"", |plugin: &str| {
            format!("{plugin}-{number}")
        });
        check(name("http"), "http", &http, format!("url = \"http://{http}/\""));
        let port = imap.port();
        check(
            name("imap"),
            "imap",
            &imap,
            format!("{host}, port = {port}, tls = \"none\""),
        );
        check(
            name("tcp"),
            "tcp",
            &http,
            format!("{host}, port = {}", http.port()),
        );
    }
    let port = silent.port();
    let query = "query = { name = \"example.org\" }";
    let settings = format!("host = \"127.0.0.1\", port = {port}, {query}");
    check("dns".to_owned(), "dns", &silent, settings);
    text
}

/// A daemon that is started anew in each turn.
struct Daemon {
    program: PathBuf,
    configuration: PathBuf,
    cache: PathBuf,
    journal: PathBuf,
}

impl Daemon {
    fn start(&self) -> Result<Sample, String> {
        // Reading what an earlier turn has recorded is another matter.
        remove(&self.journal)?;
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .arg(&self.configuration)
            .env("BEDCHECK_CACHE", &self.cache)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let begun = Instant::now();
        let child = command
            .spawn()
            .map_err(|error| format!("`{}` cannot be started: {error}", self.program.display()))?;
        let mut running = Running(child);
        let log = running.0.stderr.take().ok_or("its log cannot be read")?;
        let mut ready = None;
        for line in BufReader::new(log).lines() {
            let (line, took) = (line.map_err(|error| error.to_string())?, begun.elapsed());
            if took > START {
                break;
            }
            if line.contains("\"message\":\"ready\"") {
                ready = Some(took);
            } else if line.contains("\"outcome\":\"pass\"") {
                let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
                return Ok(Sample::new()
                    .with(WALL, milliseconds(took))
                    .with(READY, milliseconds(ready.unwrap_or(took))));
            }
        }
        Err("it said no result".to_owned())
    }
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("`{}` cannot be removed: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Ends with the turn, at once: how it would end by itself is another matter.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
