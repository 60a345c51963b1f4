//! Recordings: everything that runs were told, in a file, so that the same plugin can be run again to the same
//! report, offline and on another machine. The file holds the plugins themselves, and no secrets.

mod dialogues;
mod disguise;
mod file;
mod replay;
#[cfg(test)]
mod replay_tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use file::FileError;
pub use replay::{ReplayError, Replayed, replay};

use crate::budget::Limits;
use crate::outcome::{Outcome, PluginIdentity, Report};
use crate::policy::{ErrorPattern, PatternError, Retry, Thresholds};
use crate::runner::{Course, Prepared};
use crate::switches::Scope;
use crate::tape::Entry;
use disguise::Disguise;

/// Runs that were recorded, and their plugins.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The components by their SHA-256.
    pub plugins: BTreeMap<String, Vec<u8>>,
    /// The runs in the order in which they were reported.
    pub runs: Vec<RecordedRun>,
}

/// One run.
#[derive(Debug, Clone)]
pub struct RecordedRun {
    /// What made it this run.
    pub head: Head,
    /// What it was told.
    pub entries: Vec<Entry>,
    /// What was reported in the end.
    pub report: Value,
}

/// What a run begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The name of the check.
    pub check: String,
    /// Which plugin ran.
    pub plugin: PluginIdentity,
    /// Its settings.
    pub settings: Value,
    /// The capabilities that were granted.
    pub capabilities: Vec<String>,
    /// Those of them that were switched off, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<SwitchedOff>,
    /// What it might dial, as in `allow`.
    pub allow: Vec<String>,
    /// Whether it might tell peers of its trace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trace_context: bool,
    /// The secrets it had, by name: not their bytes but what stands for them, which is as long.
    pub secrets: BTreeMap<String, String>,
    /// What the run might spend.
    pub budget: Budget,
    /// How it was tried again.
    pub retry: Option<RetryPlan>,
    /// When it took too long to be well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<ThresholdPlan>,
    /// When it started, nanoseconds since 1970-01-01 UTC.
    pub started_ns: u64,
    /// How long it had waited for a slot, in nanoseconds.
    pub lag_ns: u64,
    /// Its id.
    pub run_id: String,
    /// Its trace's id.
    pub trace_id: String,
    /// Where everything random in it came from.
    pub seed: String,
    /// Whether a run of this recording ends in the same report to the last bit: not where a secret was
    /// answered in a form whose length gives it away, or is so short that it is part of other words.
    pub exact: bool,
}

/// A capability that was switched off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchedOff {
    /// Which.
    pub capability: String,
    /// Where.
    pub scope: Scope,
}

/// A run's limits, times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    deadline_ns: u64,
    grace_ns: u64,
    fuel: u64,
    memory: u64,
    host_calls: u64,
    bytes: u64,
}

/// How failed attempts were repeated, times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPlan {
    attempts: u32,
    backoff_ns: u64,
    max_backoff_ns: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<Vec<String>>,
}

/// When a run is too slow, times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdPlan {
    warn_ns: Option<u64>,
    fail_ns: Option<u64>,
}

impl Recording {
    /// Adds a run that went to its end, with the tape it was recorded on. One that did not, because it was
    /// cancelled, is left out: where it ended was nothing that it was told. So is one that was too long for its tape, of
    /// which nothing is left: says why then.
    #[must_use = "whoever asked for a recording has to know what is not in it"]
    pub fn add(&mut self, prepared: &Prepared, course: &Course, report: &Report) -> Option<String> {
        if report.outcome == Outcome::Skipped {
            return None;
        }
        let departure = course.tape.departure();
        if departure.is_some() {
            return departure;
        }
        let access = &prepared.access;
        let (disguise, placeholders) = Disguise::new(&access.secrets);
        let mut entries = course.tape.take_entries();
        disguise.hide(&mut entries);
        let identity = prepared.plugin.identity();
        self.plugins
            .entry(identity.sha256.clone())
            .or_insert_with(|| prepared.plugin.component().to_vec());
        self.runs.push(RecordedRun {
            head: Head {
                check: prepared.name.clone(),
                plugin: identity.clone(),
                settings: serde_json::from_str(&prepared.settings).unwrap_or(Value::Null),
                capabilities: access.capabilities.iter().map(ToString::to_string).collect(),
                disabled: access
                    .capabilities
                    .iter()
                    .filter_map(|capability| {
                        Some(SwitchedOff {
                            capability: capability.to_string(),
                            scope: access.switches.disabled(*capability)?.clone(),
                        })
                    })
                    .collect(),
                allow: access.grants.iter().map(ToString::to_string).collect(),
                trace_context: access.trace_context,
                secrets: placeholders,
                budget: Budget::from(prepared.limits),
                retry: prepared.retry.as_ref().map(RetryPlan::from),
                thresholds: prepared.thresholds.map(ThresholdPlan::from),
                started_ns: nanoseconds(
                    course
                        .started
                        .duration_since(SystemTime::UNIX_EPOCH)
                        .unwrap_or_default(),
                ),
                lag_ns: nanoseconds(course.lag),
                run_id: crate::outcome::hexadecimal(&course.run_id.0),
                trace_id: crate::outcome::hexadecimal(&course.trace_id.0),
                seed: crate::outcome::hexadecimal(&course.seed),
                exact: disguise.is_exact(),
            },
            entries,
            report: serde_json::to_value(report).unwrap_or(Value::Null),
        });
        None
    }
}

impl RecordedRun {
    /// The time of day at which it started.
    pub fn started(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.head.started_ns)
    }
}

impl From<Limits> for Budget {
    fn from(limits: Limits) -> Self {
        Self {
            deadline_ns: nanoseconds(limits.deadline),
            grace_ns: nanoseconds(limits.grace),
            fuel: limits.fuel,
            memory: limits.memory,
            host_calls: limits.host_calls,
            bytes: limits.bytes,
        }
    }
}

impl From<Budget> for Limits {
    fn from(budget: Budget) -> Self {
        Self {
            deadline: Duration::from_nanos(budget.deadline_ns),
            grace: Duration::from_nanos(budget.grace_ns),
            fuel: budget.fuel,
            memory: budget.memory,
            host_calls: budget.host_calls,
            bytes: budget.bytes,
        }
    }
}

impl From<&Retry> for RetryPlan {
    fn from(retry: &Retry) -> Self {
        let on = retry.on.as_ref();
        Self {
            attempts: retry.attempts,
            backoff_ns: nanoseconds(retry.backoff),
            max_backoff_ns: nanoseconds(retry.max_backoff),
            on: on.map(|patterns| patterns.iter().map(ToString::to_string).collect()),
        }
    }
}

impl RetryPlan {
    /// The plan of a check of this plugin.
    ///
    /// # Errors
    ///
    /// When it names an error that is never tried again.
    pub fn to_retry(&self, plugin: &str) -> Result<Retry, PatternError> {
        let patterns = |names: &Vec<String>| {
            let patterns = names.iter().map(|name| ErrorPattern::parse(name, plugin));
            patterns.collect::<Result<Vec<_>, _>>()
        };
        Ok(Retry {
            attempts: self.attempts,
            backoff: Duration::from_nanos(self.backoff_ns),
            max_backoff: Duration::from_nanos(self.max_backoff_ns),
            on: self.on.as_ref().map(patterns).transpose()?,
        })
    }
}

impl From<Thresholds> for ThresholdPlan {
    fn from(thresholds: Thresholds) -> Self {
        Self {
            warn_ns: thresholds.warn.map(nanoseconds),
            fail_ns: thresholds.fail.map(nanoseconds),
        }
    }
}

impl From<ThresholdPlan> for Thresholds {
    fn from(plan: ThresholdPlan) -> Self {
        Self {
            warn: plan.warn_ns.map(Duration::from_nanos),
            fail: plan.fail_ns.map(Duration::from_nanos),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
