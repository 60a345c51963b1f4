//! What the board is told, and what it tells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::outcome::{Outcome, PluginIdentity, Report};

/// A check as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFacts {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: PluginIdentity,
    /// What its runs go to, `host:port`; checks of the same target and plugin share a breaker.
    pub target: String,
    /// The time from one run to the next; none for one that is not scheduled.
    pub every: Option<Duration>,
}

/// Where a breaker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerFacts {
    /// Its target.
    pub target: String,
    /// Its plugin.
    pub plugin: String,
    /// `closed`, `open` or `half-open`.
    pub state: &'static str,
    /// Failed runs in a row.
    pub failures: u32,
    /// When a run may probe the target; none while it is closed.
    pub retry_at: Option<Instant>,
    /// The checks that share it, in the order of their names.
    pub checks: Arc<[Arc<str>]>,
}

/// A plugin that is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginFacts {
    /// Name, version and digest.
    pub identity: PluginIdentity,
    /// Where it comes from: `built in`, or its file.
    pub origin: String,
    /// When it was loaded.
    pub since: SystemTime,
    /// The last file that was to take its place and was refused.
    pub last_refusal: Option<Refusal>,
    /// The new version beside it.
    pub shadow: Option<ShadowFacts>,
}

/// A new version of a plugin that runs, or ran, beside the one in use.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowFacts {
    /// Its name, version and digest.
    pub identity: PluginIdentity,
    /// Since when it runs.
    pub since: SystemTime,
    /// How long it does before it is judged.
    pub lasts: Duration,
    /// Whether that time is over and it waits for somebody to promote it.
    pub is_over: bool,
    /// How many pairs of runs were compared.
    pub runs: u64,
    /// How many differences there were in outcome or error type, and how many others.
    pub differences: (u64, u64),
    /// How many times as long it took, if that is more than chance.
    pub slowdown: Option<f64>,
    /// Examples of differences, as sentences.
    pub examples: Vec<String>,
}

/// A file in the plugin folder that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFileFacts {
    /// Its path.
    pub file: String,
    /// The name of the plugin that it has or had, as far as it is known.
    pub plugin: Option<String>,
    /// When it was refused.
    pub at: SystemTime,
    /// A sentence for people.
    pub message: String,
}

/// Why a file did not become a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// A sentence for people.
    pub message: String,
}

/// The last time that a configuration was loaded, or was to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// When.
    pub at: SystemTime,
    /// Whether it was taken.
    pub ok: bool,
    /// Why not, whole.
    pub message: Option<String>,
}

/// Whether the daemon does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing is loaded yet.
    #[default]
    Starting,
    /// It does.
    Ready,
    /// It was told to stop.
    Stopping,
}

/// How many runs ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// `pass`.
    pub pass: u64,
    /// `fail`.
    pub fail: u64,
    /// `error`.
    pub error: u64,
    /// `skipped`.
    pub skipped: u64,
}

impl OutcomeCounts {
    /// Counts a run.
    pub(super) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.pass += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Error => self.error += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }
}

/// How the last run of a check ended: what is kept of it whatever its report weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct LastRun {
    /// Its id, 16 hexadecimal digits.
    pub run_id: [u8; 8],
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// `error.type`, if it has one.
    pub error_type: Option<String>,
    /// How many attempts it took.
    pub attempts: usize,
}

impl LastRun {
    pub(super) fn of(report: &Report) -> Self {
        Self {
            run_id: report.run_id.0,
            started: report.started,
            duration: report.duration,
            outcome: report.outcome,
            error_type: report
                .error
                .as_ref()
                .map(|error| error.error_type.as_str().to_owned()),
            attempts: report.attempts.len(),
        }
    }
}

/// What is known of a check at a moment.
#[derive(Debug, Clone)]
pub struct CheckSnapshot {
    /// As it is configured.
    pub facts: Arc<CheckFacts>,
    /// When its next run is due.
    pub next_due: Option<Instant>,
    /// When the run that is under way began.
    pub running_since: Option<Instant>,
    /// `unknown`, `passing`, `warning` or `failing`.
    pub state: &'static str,
    /// Since when; none before the first run.
    pub state_since: Option<SystemTime>,
    /// The state of its breaker, if it has one.
    pub breaker: Option<&'static str>,
    /// How many runs ended how, since the daemon began or the check was added.
    pub outcomes: OutcomeCounts,
    /// Skipped runs by their `error.type`.
    pub skipped: BTreeMap<String, u64>,
    /// How the last run ended.
    pub last: Option<LastRun>,
    /// Its report, if there is room for it.
    pub report: Option<Arc<Report>>,
}
