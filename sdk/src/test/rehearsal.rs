//! A rehearsal that is being put together, and the command that runs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Error, Run, Server, Sweep, program, scratch, toml};

/// The settings of the check that is rehearsed.
#[derive(Debug, Clone)]
pub struct Settings(Source);

#[derive(Debug, Clone)]
enum Source {
    Values(Value),
    File(PathBuf),
}

impl Settings {
    /// Settings in a JSON or a TOML file, by its extension. A relative path begins where `cargo test` runs, in the
    /// folder of the package.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }
}

impl From<Value> for Settings {
    fn from(values: Value) -> Self {
        Self(Source::Values(values))
    }
}

impl From<&Value> for Settings {
    fn from(values: &Value) -> Self {
        values.clone().into()
    }
}

/// A check that is rehearsed: which settings, which server, which faults, how much time. Without a server and
/// without a recording, the target that the settings name is dialled, over the network.
///
/// Nothing happens before [`run`](Self::run) or [`sweep`](Self::sweep); both can be called often.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `run` or `sweep`"]
pub struct Rehearsal {
    plugin: PathBuf,
    settings: Settings,
    peer: Option<Other>,
    deadline: Option<Duration>,
    faults: Vec<String>,
    program: Option<PathBuf>,
}

/// The other side.
#[derive(Debug, Clone)]
enum Other {
    Server(Server),
    Recording(PathBuf),
}

impl Rehearsal {
    pub(super) fn new(plugin: PathBuf, settings: Settings) -> Self {
        Self {
            plugin,
            settings,
            peer: None,
            deadline: None,
            faults: Vec::new(),
            program: None,
        }
    }

    /// The server that the plugin meets; the last one that is given.
    pub fn server(mut self, server: Server) -> Self {
        self.peer = Some(Other::Server(server));
        self
    }

    /// A recording of a run, made by `bedcheck run --record`, instead of a server.
    pub fn recording(mut self, path: impl Into<PathBuf>) -> Self {
        self.peer = Some(Other::Recording(path.into()));
        self
    }

    /// The time the run has, in virtual time. By default it is that of a check that says nothing about it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// A fault to inject, as after `--fault` on the command line: `net.read#3=connection-reset`. Several can be
    /// given.
    pub fn fault(mut self, fault: impl Into<String>) -> Self {
        self.faults.push(fault.into());
        self
    }

    /// The program to run it with, instead of the one that the environment names.
    pub fn program(mut self, bedcheck: impl Into<PathBuf>) -> Self {
        self.program = Some(bedcheck.into());
        self
    }

    /// Runs the check once.
    ///
    /// # Errors
    ///
    /// When `bedcheck` is not found, or refuses the plugin, the settings, the server or a fault: its own words.
    pub fn run(&self) -> Result<Run, Error> {
        let arguments = self.arguments(Mode::Once)?;
        let printed = program::run(self.program.as_ref(), &json(&arguments))?;
        Run::parse(&printed.out, &printed.err, &program::command_line(&arguments))
    }

    /// Runs the check once, and then once for every failure that is possible at every host call of that run, the
    /// deadline passing there included. With faults, only for those of the failures that begin like one of them.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); and when the run without a failure does not pass.
    pub fn sweep(&self) -> Result<Sweep, Error> {
        let arguments = self.arguments(Mode::Sweep)?;
        let printed = program::run(self.program.as_ref(), &json(&arguments))?;
        // Here faults choose failures; in the run that repeats one of them, that one is injected and no other.
        let unfiltered = Self {
            faults: Vec::new(),
            ..self.clone()
        };
        let once = program::command_line(&unfiltered.arguments(Mode::Once)?);
        Sweep::parse(
            &printed.out,
            &printed.err,
            &program::command_line(&arguments),
            &once,
        )
    }

    fn arguments(&self, mode: Mode) -> Result<Vec<String>, Error> {
        let mut arguments = vec!["plugin".to_owned(), "test".to_owned(), path(&self.plugin)?];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--settings", path(&self.settings_file()?)?);
        match &self.peer {
            Some(Other::Server(server)) => option("--server", path(&server_file(server)?)?),
            Some(Other::Recording(recording)) => option("--recording", path(recording)?),
            None => {}
        }
        if let Some(deadline) = self.deadline {
            option("--deadline", toml::duration(deadline));
        }
        for fault in &self.faults {
            option("--fault", fault.clone());
        }
        if mode == Mode::Once {
            arguments.push("--once".to_owned());
        }
        Ok(arguments)
    }

    fn settings_file(&self) -> Result<PathBuf, Error> {
        match &self.settings.0 {
            Source::File(path) => Ok(path.clone()),
            Source::Values(values) => scratch::write("settings", "json", &values.to_string()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Once,
    Sweep,
}

fn server_file(server: &Server) -> Result<PathBuf, Error> {
    match server.file() {
        Some(path) => Ok(path.to_owned()),
        None => scratch::write("server", "toml", &server.script()),
    }
}

/// The same for machines. The command that is shown to people is without it.
fn json(arguments: &[String]) -> Vec<String> {
    let format = ["--format".to_owned(), "json".to_owned()];
    arguments.iter().cloned().chain(format).collect()
}

fn path(path: &Path) -> Result<String, Error> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        Error::new(format!(
            "{}: found a path that is not UTF-8, wanted one that is",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{Peer, Plugin, json as value};

    fn rehearsal() -> Rehearsal {
        Plugin::from_file("a.wasm").rehearse(Settings::from_file("settings.toml"))
    }

    #[test]
    fn a_rehearsal_is_a_command() {
        let rehearsal = rehearsal()
            .server(Server::from_file("server.toml"))
            .deadline(Duration::from_millis(300))
            .fault("net.read#1=connection-reset")
            .fault("net.write=delay 3s");
        let once = rehearsal.arguments(Mode::Once).unwrap();
        assert_eq!(
            program::command_line(&once),
            "bedcheck plugin test a.wasm --settings settings.toml --server server.toml --deadline 300ms \
             --fault 'net.read#1=connection-reset' --fault 'net.write=delay 3s' --once"
        );
        let sweep = json(&rehearsal.arguments(Mode::Sweep).unwrap());
        assert_eq!(&sweep[sweep.len() - 2..], ["--format", "json"]);
        assert!(!sweep.contains(&"--once".to_owned()));
    }

    #[test]
    fn values_and_scripts_become_files() {
        let settings = value!({"host": "mail.example.org", "password": {"secret": "mail"}});
        let server = Server::new("mail.example.org").on_connect(Peer::silence);
        let rehearsal = Plugin::from_file("a.wasm")
            .rehearse(&settings)
            .server(server.clone());
        let arguments = rehearsal.arguments(Mode::Once).unwrap();
        let read = |at: usize| std::fs::read_to_string(&arguments[at]).unwrap();
        assert_eq!(
            (arguments[3].as_str(), arguments[5].as_str()),
            ("--settings", "--server")
        );
        assert_eq!(serde_json::from_str::<Value>(&read(4)).unwrap(), settings);
        assert_eq!(read(6), server.script());
    }

    #[test]
    fn the_last_of_the_other_sides_counts() {
        let arguments = rehearsal()
            .server(Server::new("a"))
            .recording("run.tape")
            .arguments(Mode::Sweep)
            .unwrap();
        assert_eq!(&arguments[5..], ["--recording", "run.tape"]);
    }
}
