//! The finished record of a run, as `--format json`, the journal and the API show it. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, Serializer};

use super::{Attributes, Blame, DeniedCall, DeniedCalls, ErrorType, Outcome, Relations, RunReference, read};
use crate::phase::PhaseStatus;
use crate::text;

/// A finished run.
// Written as it stands, and read in two steps, of which `read` has the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Report {
    /// The name of the check.
    pub check: String,
    /// Which plugin ran.
    pub plugin: PluginIdentity,
    /// Unique to this run: 16 hexadecimal digits, the id of the root span as well.
    pub run_id: RunId,
    /// The trace that the run is exported as.
    pub trace_id: TraceId,
    /// When the run's budget was born.
    #[serde(serialize_with = "rfc3339", deserialize_with = "read::rfc3339")]
    pub started: SystemTime,
    /// From then to the end of the run.
    #[serde(
        rename = "duration_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub duration: Duration,
    /// How long the run waited for a free slot before `started`.
    #[serde(
        rename = "lag_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub lag: Duration,
    /// The time the run was given.
    #[serde(
        rename = "deadline_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub deadline: Duration,
    /// The durations over which it is too slow; absent when the check has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<ReportedThresholds>,
    /// Whether the deadline cut the run short.
    pub deadline_exceeded: bool,
    /// Where it did: the phase and the host call that hit the deadline first.
    pub deadline_hit: Option<DeadlineHit>,
    /// How the run ended.
    pub outcome: Outcome,
    /// Whose fault it is; absent on pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// What went wrong; null on pass.
    pub error: Option<ErrorReport>,
    /// What is not well with a run that passed, in sentences.
    pub warnings: Vec<String>,
    /// Why the run was not tried again although it should have been; absent when it was not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_denied: Option<String>,
    /// The attempts, in order. The last one's phases are the run's phases.
    pub attempts: Vec<Attempt>,
    /// What the plugin measured.
    pub measurements: Vec<Measurement>,
    /// What the run used of its budget.
    pub usage: Usage,
    /// Lines the plugin wrote.
    pub log: Vec<LogLine>,
    /// How the breaker of its target changed with this run; absent when it did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circuit: Vec<CircuitChange>,
    /// How it stands to other runs; absent where to none.
    #[serde(default, skip_serializing_if = "Relations::is_empty")]
    pub relations: Relations,
    /// Of the calls that a missing grant or capability refused, the first one for each reason; absent where none was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<DeniedCall>,
    /// The failures that were injected, in their order, at most [`InjectedFault::MOST_KEPT`].
    pub faults: Vec<InjectedFault>,
}

impl Report {
    /// The phases of the last attempt, which are the run's phases in every summary.
    pub fn phases(&self) -> &[PhaseReport] {
        self.attempts.last().map_or(&[], |attempt| &attempt.phases)
    }

    /// The run, as others refer to it.
    pub fn reference(&self) -> RunReference {
        RunReference {
            run_id: self.run_id,
            trace_id: self.trace_id,
        }
    }

    /// Whether it took more than one attempt to pass.
    pub fn is_retried(&self) -> bool {
        self.outcome == Outcome::Pass && self.attempts.len() > 1
    }

    /// Whether it passed and is not well all the same: after a retry, or with a warning.
    pub fn is_warning(&self) -> bool {
        self.is_retried() || (self.outcome == Outcome::Pass && !self.warnings.is_empty())
    }

    /// Whether any failure was injected: then the run says nothing about the target.
    pub fn is_injected(&self) -> bool {
        !self.faults.is_empty()
    }
}

/// A change of the breaker of a run's target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitChange {
    /// The target.
    pub target: String,
    /// The state before: `closed`, `open` or `half-open`.
    #[serde(deserialize_with = "read::word")]
    pub from: Word,
    /// The state since.
    #[serde(deserialize_with = "read::word")]
    pub to: Word,
    /// When, from the start of the run.
    #[serde(
        rename = "at_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub at: Duration,
}

/// Which plugin ran: name and version as it describes itself, and the file's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginIdentity {
    /// The name checks refer to.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// SHA-256 of the component, lower case hexadecimal.
    pub sha256: String,
}

/// The durations over which a run is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedThresholds {
    /// Over it the run passes with a warning.
    #[serde(
        rename = "warn_s",
        serialize_with = "optional_seconds",
        deserialize_with = "read::optional_seconds"
    )]
    pub warn: Option<Duration>,
    /// Over it the run fails.
    #[serde(
        rename = "fail_s",
        serialize_with = "optional_seconds",
        deserialize_with = "read::optional_seconds"
    )]
    pub fail: Option<Duration>,
}

/// Where the deadline was hit first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlineHit {
    /// The phase that was open, if one was.
    pub phase: Option<String>,
    /// Its detail.
    pub detail: Option<String>,
    /// The host call that was waiting or was refused, such as `net.read`; none while computing.
    #[serde(deserialize_with = "read::optional_word")]
    pub host_call: Option<Word>,
    /// When, from the start of the run.
    #[serde(
        rename = "at_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub at: Duration,
}

/// An error as a report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// One of the closed list.
    #[serde(rename = "type")]
    pub error_type: ErrorType,
    /// For people; secrets are struck out.
    pub message: String,
    /// The phase it happened in, if one was open.
    pub phase: Option<String>,
    /// Whether it was injected, or follows from what was; absent when not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub injected: bool,
}

/// A failure that was injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedFault {
    /// The fault in its canonical form, such as `net.read#3=connection-reset`.
    pub fault: String,
    /// The host call at which it happened, such as `net.read`.
    #[serde(deserialize_with = "read::word")]
    pub call: Word,
    /// The phase that was open, if one was.
    pub phase: Option<String>,
    /// Its detail.
    pub detail: Option<String>,
    /// When, from the start of the run.
    #[serde(
        rename = "at_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub at: Duration,
}

impl InjectedFault {
    /// How many a report keeps: the first ones tell what was done, and a fault at every one of ten
    /// thousand calls would make the report as long.
    pub const MOST_KEPT: usize = 256;
}

/// One try within a run.
#[derive(Debug, Clone, Serialize, PartialEq, Deserialize)]
pub struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong.
    pub error: Option<ErrorReport>,
    /// Its start, from the start of the run.
    #[serde(
        rename = "start_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub start: Duration,
    /// How long it took.
    #[serde(
        rename = "duration_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub duration: Duration,
    /// Its phases in the order in which they began; the ones never begun come last.
    pub phases: Vec<PhaseReport>,
}

/// A phase of an attempt.
#[derive(Debug, Clone, Serialize, PartialEq, Deserialize)]
pub struct PhaseReport {
    /// Its name.
    pub name: String,
    /// Which one, where several have the name.
    pub detail: Option<String>,
    /// How it ended.
    pub status: PhaseStatus,
    /// Its start, from the start of the run; null when it never began.
    #[serde(
        rename = "start_s",
        serialize_with = "optional_seconds",
        deserialize_with = "read::optional_seconds"
    )]
    pub start: Option<Duration>,
    /// How long it took; null when it never began.
    #[serde(
        rename = "duration_s",
        serialize_with = "optional_seconds",
        deserialize_with = "read::optional_seconds"
    )]
    pub duration: Option<Duration>,
    /// Its duration as a share of the run's time; null when it never began.
    pub budget_share: Option<f64>,
    /// What went wrong in it.
    pub error: Option<ErrorReport>,
    /// Whether a failure was injected in it; absent when not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub injected: bool,
    /// Facts the host knows about it, under OpenTelemetry's names: addresses, TLS version,
    /// certificate dates.
    #[serde(
        default,
        skip_serializing_if = "Attributes::is_empty",
        deserialize_with = "read::attributes"
    )]
    pub attributes: Attributes,
}

/// One of the words that the program has a constant for. Those of a report that was read back are kept for good.
pub type Word = &'static str;

/// A number the plugin measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Dotted lower case.
    pub name: String,
    /// Finite.
    #[serde(serialize_with = "plain_number")]
    pub value: f64,
    /// A UCUM code.
    pub unit: String,
    /// Of low cardinality.
    pub attributes: BTreeMap<String, String>,
}

/// What a run used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Fuel, about one unit an instruction.
    pub fuel: u64,
    /// The most linear memory it had, in bytes.
    pub memory_bytes: u64,
    /// Host calls made.
    pub host_calls: u64,
    /// Bytes the guest read from connections.
    pub bytes_read: u64,
    /// Bytes the guest wrote to connections, or tried to.
    pub bytes_written: u64,
    /// Log lines over the limit that were not kept.
    pub log_lines_dropped: u64,
    /// Calls that a missing grant or capability refused, by the reason.
    pub denied_calls: DeniedCalls,
}

/// A line the plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, from the start of the run.
    #[serde(
        rename = "at_s",
        serialize_with = "seconds",
        deserialize_with = "read::seconds"
    )]
    pub at: Duration,
    /// The phase that was open; absent if none was, and for what was printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How much it matters.
    pub level: LogLevel,
    /// The line; control characters are escaped, secrets struck out.
    pub message: String,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For authors.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd, and no failure.
    Warning,
    /// Wrong.
    Error,
}

/// Identifies a run: 8 random bytes, shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(pub [u8; 8]);

/// Identifies a trace (W3C Trace Context): 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hexadecimal(&self.0))
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hexadecimal(&self.0))
    }
}

/// Bytes as lower case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Seconds, to the microsecond: finer digits are noise of the clock.
pub(super) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded_seconds(*duration))
}

fn optional_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_some(&rounded_seconds(*duration)),
        None => serializer.serialize_none(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
fn rounded_seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

/// Whole numbers without `.0`, so that a count reads as one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "guarded by the range of exact integers"
)]
fn plain_number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

fn rfc3339<S: Serializer>(moment: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = text::rfc3339(*moment, 6).ok_or_else(|| serde::ser::Error::custom("a year beyond 9999"))?;
    serializer.serialize_str(&text)
}
