//! A report, as far as tests ask for it. What it means is in bedcheck's documentation of reports.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// What a report says, as far as tests ask for it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Report {
    pub(super) plugin: Identity,
    pub(super) duration_s: f64,
    pub(super) deadline_s: f64,
    pub(super) deadline_exceeded: bool,
    pub(super) outcome: Outcome,
    pub(super) blame: Option<String>,
    pub(super) error: Option<ErrorReport>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) measurements: Vec<Measurement>,
    pub(super) log: Vec<LogLine>,
    #[serde(default)]
    pub(super) faults: Vec<Injected>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Attempt {
    pub(super) phases: Vec<Phase>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// The target does what the check expects.
    Pass,
    /// The target, or the way to it, does not.
    Fail,
    /// Nothing can be said about the target.
    Error,
    /// It did not run.
    Skipped,
}

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Status {
    /// It ended well.
    Ok,
    /// It ended with an error.
    Failed,
    /// The deadline passed in it, or had passed before it began.
    DeadlineExceeded,
    /// A grant or a capability was missing; nothing was sent.
    Denied,
    /// The run ended, or another phase began, while it was open.
    Interrupted,
    /// It was planned and never begun.
    NotReached,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ErrorReport {
    /// One of the closed list in bedcheck's documentation of reports, or the plugin's own.
    #[serde(rename = "type")]
    pub error_type: String,
    /// For people.
    pub message: String,
    /// The phase it happened in, if one was open.
    pub phase: Option<String>,
    /// Whether it was injected, or follows from what was.
    #[serde(default)]
    pub injected: bool,
}

/// A phase of the run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Which one, where several have the name.
    pub detail: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Its start, in seconds from the start of the run; none when it never began.
    pub start_s: Option<f64>,
    /// How long it took, in seconds; none when it never began.
    pub duration_s: Option<f64>,
    /// What went wrong in it.
    pub error: Option<ErrorReport>,
}

/// A failure that was injected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Injected {
    /// The fault, such as `net.read#3=connection-reset`.
    pub fault: String,
    /// The host call at which it happened.
    pub call: String,
    /// The phase that was open, if one was.
    pub phase: Option<String>,
    /// When, in seconds from the start of the run.
    pub at_s: f64,
}

/// A number that the plugin measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Measurement {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// A UCUM code.
    pub unit: String,
    /// What tells measurements of one name apart.
    pub attributes: BTreeMap<String, String>,
}

/// A line that the plugin wrote.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct LogLine {
    /// When, in seconds from the start of the run.
    pub at_s: f64,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// The line.
    pub message: String,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.detail {
            Some(detail) => format!("{} {detail}", self.name),
            None => self.name.clone(),
        };
        let mut line = format!("{name:<20} {:<17}", self.status.as_str());
        if let (Some(start), Some(duration)) = (self.start_s, self.duration_s) {
            line.push_str(&format!(" {duration:.6} s from {start:.6} s"));
        }
        if let Some(error) = &self.error {
            line.push_str(&format!(": {error}"));
        }
        f.write_str(line.trim_end())
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let injected = if self.injected { " (injected)" } else { "" };
        write!(f, "{}{injected}: {}", self.error_type, self.message)
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fault, call, at_s, ..
        } = self;
        let place = self
            .phase
            .as_deref()
            .map_or(String::new(), |phase| format!(" in {phase}"));
        write!(f, "injected {fault} at {call}{place}, after {at_s} s")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skipped => "skipped",
        })
    }
}

impl Status {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Denied => "denied",
            Self::Interrupted => "interrupted",
            Self::NotReached => "not-reached",
        }
    }
}
