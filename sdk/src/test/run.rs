//! One run of a rehearsal, as bedcheck reports it, and what a test says about it.

mod report;

use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde_json::Value;

use super::Error;
use report::Report;
pub use report::{ErrorReport, Injected, LogLine, Measurement, Outcome, Phase, Status};

/// How `bedcheck plugin test` begins what it says about a plugin that left the script.
const OFF_SCRIPT: &str = "note: off the script: ";

/// A finished run. Assertions panic with the timeline and the command that repeats the run; they return what they
/// are asked of, so that several can follow each other.
///
/// Times are in seconds, of the virtual clock, as in the report.
#[derive(Debug, Clone)]
pub struct Run {
    report: Report,
    json: Value,
    notes: String,
    command: String,
}

impl Run {
    /// Reads the report that a run printed, on a line of its own.
    pub(super) fn parse(out: &str, notes: &str, command: &str) -> Result<Self, Error> {
        let read = || -> Result<(Value, Report), serde_json::Error> {
            let json: Value = serde_json::from_str(out.trim())?;
            let report = Report::deserialize(&json)?;
            Ok((json, report))
        };
        let (json, report) = read().map_err(|error| {
            Error::new(format!(
                "found what is no report ({error}), wanted the report of a run\n{out}{notes}  repeat it: {command}"
            ))
        })?;
        Ok(Self {
            report,
            json,
            notes: notes.to_owned(),
            command: command.to_owned(),
        })
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.report.outcome
    }

    /// Whose fault it is: `target`, `network`, `plugin`, `config` or `runner`; none on pass.
    #[must_use]
    pub fn blame(&self) -> Option<&str> {
        self.report.blame.as_deref()
    }

    /// What went wrong; none on pass.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorReport> {
        self.report.error.as_ref()
    }

    /// How long it took, in seconds of virtual time.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        self.report.duration_s
    }

    /// Whether the deadline cut it short.
    #[must_use]
    pub fn deadline_exceeded(&self) -> bool {
        self.report.deadline_exceeded
    }

    /// The phases, in the order in which they began, then those never begun.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        self.report.attempts.last().map_or(&[], |attempt| &attempt.phases)
    }

    /// What the plugin measured.
    #[must_use]
    pub fn measurements(&self) -> &[Measurement] {
        &self.report.measurements
    }

    /// What the plugin wrote into the log.
    #[must_use]
    pub fn log(&self) -> &[LogLine] {
        &self.report.log
    }

    /// The failures that were injected, in their order.
    #[must_use]
    pub fn faults(&self) -> &[Injected] {
        &self.report.faults
    }

    /// The whole report.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Where the plugin wrote something else than the server's script expects, or waited for what does not come, in
    /// sentences; empty when it went by the script.
    #[must_use]
    pub fn off_script(&self) -> Vec<&str> {
        self.notes
            .lines()
            .filter_map(|line| line.strip_prefix(OFF_SCRIPT))
            .collect()
    }

    /// The command that repeats the run and shows it.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The phase of this name.
    ///
    /// # Panics
    ///
    /// When there is none, or several: see [`phase_of`](Self::phase_of).
    #[track_caller]
    #[must_use]
    pub fn phase(&self, name: &str) -> PhaseOf<'_> {
        let mut found = self.phases().iter().filter(|phase| phase.name == name);
        match (found.next(), found.next()) {
            (Some(phase), None) => PhaseOf { run: self, phase },
            (Some(_), Some(_)) => {
                self.complain(&format!("several phases are called `{name}`: wanted `phase_of`"))
            }
            (None, _) => self.complain(&format!("found no phase `{name}`")),
        }
    }

    /// The phase of this name and detail.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn phase_of(&self, name: &str, detail: &str) -> PhaseOf<'_> {
        let wanted = |phase: &&Phase| phase.name == name && phase.detail.as_deref() == Some(detail);
        match self.phases().iter().find(wanted) {
            Some(phase) => PhaseOf { run: self, phase },
            None => self.complain(&format!("found no phase `{name}` of `{detail}`")),
        }
    }

    /// The run passed, and the plugin went by the script of the server.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn assert_pass(&self) -> &Self {
        self.assert_ended(Outcome::Pass, None);
        if let [first, ..] = self.off_script()[..] {
            self.complain(&format!("the run passed, but off the script: {first}"));
        }
        self
    }

    /// The run failed, which blames the target or the way to it, with this error type.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn assert_fail(&self, error_type: &str) -> &Self {
        self.assert_ended(Outcome::Fail, Some(error_type))
    }

    /// The run ended in an error, which blames the plugin, the configuration or the runner, of this type.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn assert_error(&self, error_type: &str) -> &Self {
        self.assert_ended(Outcome::Error, Some(error_type))
    }

    /// The plugin measured this value under this name, once.
    ///
    /// # Panics
    ///
    /// When it measured another, none or several.
    #[track_caller]
    pub fn assert_measured(&self, name: &str, value: f64) -> &Self {
        let measurements = self
            .measurements()
            .iter()
            .filter(|measurement| measurement.name == name);
        let values: Vec<f64> = measurements.map(|measurement| measurement.value).collect();
        // Exactly: a value is carried from the plugin to here without arithmetic.
        if values != [value] {
            self.complain(&format!("measured `{name}` as {values:?}, wanted [{value:?}]"));
        }
        self
    }

    #[track_caller]
    fn assert_ended(&self, outcome: Outcome, error_type: Option<&str>) -> &Self {
        let found = self.error().map(|error| error.error_type.as_str());
        if (self.outcome(), found) != (outcome, error_type) {
            self.complain(&format!(
                "the run ended in {}, wanted {}",
                words(self.outcome(), found),
                words(outcome, error_type)
            ));
        }
        self
    }

    #[track_caller]
    fn complain(&self, sentence: &str) -> ! {
        panic!("{sentence}\n{self}")
    }
}

/// The timeline in words, and the command that shows it as a waterfall.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            plugin,
            outcome,
            duration_s,
            deadline_s,
            ..
        } = &self.report;
        writeln!(
            f,
            "  {} {}: {outcome} after {duration_s} s of {deadline_s} s",
            plugin.name, plugin.version
        )?;
        for phase in self.phases() {
            writeln!(f, "    {phase}")?;
        }
        if let Some(error) = self.error() {
            let place = error
                .phase
                .as_deref()
                .map_or(String::new(), |phase| format!(" in {phase}"));
            writeln!(
                f,
                "  {error}{place} (blames: {})",
                self.blame().unwrap_or("nobody")
            )?;
        }
        for fault in self.faults() {
            writeln!(f, "  {fault}")?;
        }
        for Measurement {
            name, value, unit, ..
        } in self.measurements()
        {
            writeln!(f, "  measured {name}: {value} {unit}")?;
        }
        for LogLine { at_s, level, message } in self.log() {
            writeln!(f, "  {level} at {at_s} s: {message}")?;
        }
        for note in self.notes.lines() {
            writeln!(f, "  {note}")?;
        }
        write!(f, "  repeat it: {}", self.command)
    }
}

/// A phase of a [`Run`], to say something about.
#[derive(Debug, Clone, Copy)]
pub struct PhaseOf<'r> {
    run: &'r Run,
    phase: &'r Phase,
}

impl PhaseOf<'_> {
    /// It ended well.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn assert_ok(&self) -> &Self {
        self.assert_status(Status::Ok)
    }

    /// It ended with an error.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn assert_failed(&self) -> &Self {
        self.assert_status(Status::Failed)
    }

    /// It was planned and never begun.
    ///
    /// # Panics
    ///
    /// When it was begun.
    #[track_caller]
    pub fn assert_not_reached(&self) -> &Self {
        self.assert_status(Status::NotReached)
    }

    /// The deadline passed in it, or had passed before it began.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn assert_deadline_exceeded(&self) -> &Self {
        self.assert_status(Status::DeadlineExceeded)
    }

    /// It ended so.
    ///
    /// # Panics
    ///
    /// When it ended otherwise.
    #[track_caller]
    pub fn assert_status(&self, wanted: Status) -> &Self {
        if self.status != wanted {
            let (name, found, wanted) = (&self.name, self.status.as_str(), wanted.as_str());
            self.run
                .complain(&format!("the phase `{name}` ended as {found}, wanted {wanted}"));
        }
        self
    }

    /// Its error is of this type.
    ///
    /// # Panics
    ///
    /// When it has another, or none.
    #[track_caller]
    pub fn assert_error_type(&self, wanted: &str) -> &Self {
        let found = self.error.as_ref().map(|error| error.error_type.as_str());
        if found != Some(wanted) {
            let (name, found) = (&self.name, found.unwrap_or("no error"));
            self.run
                .complain(&format!("the phase `{name}` ended with {found}, wanted {wanted}"));
        }
        self
    }
}

impl Deref for PhaseOf<'_> {
    type Target = Phase;

    fn deref(&self) -> &Phase {
        self.phase
    }
}

fn words(outcome: Outcome, error_type: Option<&str>) -> String {
    error_type.map_or_else(
        || outcome.to_string(),
        |error_type| format!("{outcome} with {error_type}"),
    )
}

#[cfg(test)]
mod tests;
