//! A new version of a plugin beside the old one: what differs between their reports, and whether the new one may
//! take over. Pure.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::outcome::{LogLevel, LogLine, PluginIdentity, Report};
use crate::text::told;

/// How many differences are kept as examples; the others are counted.
const MAX_EXAMPLES: usize = 5;
/// The longest sentence about one, in bytes: plugins' words may be in it.
const MAX_EXAMPLE: usize = 300;
/// How much longer the new version may take, all runs together, before that is said: what chance makes of two
/// runs one after the other is less.
const SLOWER: f64 = 1.5;
/// Below this, in all, nothing is said about time: then chance is all there is.
const SHORT: Duration = Duration::from_millis(100);
/// How far measurements may be apart, as a share of the larger: two runs never measure quite the same.
const TOLERANCE: f64 = 0.5;

/// One thing in which two reports differ.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// The outcomes.
    Outcome(String, String),
    /// The error types.
    ErrorType(Option<String>, Option<String>),
    /// The names and statuses of the phases, in order.
    Phases(Vec<String>, Vec<String>),
    /// A measurement that is missing, new, or far off.
    Measurement {
        /// Its name.
        name: String,
        /// What the old version measured.
        old: Option<f64>,
        /// What the new version measured.
        new: Option<f64>,
    },
}

impl Difference {
    /// Whether it keeps the new version from taking over: the two judge the target differently.
    pub fn is_of_outcome(&self) -> bool {
        matches!(self, Self::Outcome(..) | Self::ErrorType(..))
    }
}

impl Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |phases: &[String]| phases.join(", ");
        let number =
            |value: &Option<f64>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        match self {
            Self::Outcome(old, new) => write!(formatter, "outcome `{old}` became `{new}`"),
            Self::ErrorType(old, new) => {
                let shown = |error: &Option<String>| error.clone().unwrap_or_else(|| "no error".into());
                write!(formatter, "error `{}` became `{}`", shown(old), shown(new))
            }
            Self::Phases(old, new) => {
                write!(formatter, "phases `{}` became `{}`", listed(old), listed(new))
            }
            Self::Measurement { name, old, new } => {
                write!(
                    formatter,
                    "measurement `{name}`: {} became {}",
                    number(old),
                    number(new)
                )
            }
        }
    }
}

/// Marks the report of a new version's run, so that nobody takes it for a result.
pub fn mark(report: &mut Report) {
    report.log.push(LogLine {
        at: report.duration,
        phase: None,
        detail: None,
        level: LogLevel::Info,
        message: "a run of a new version beside the one in use: it does not count".into(),
    });
}

/// In what the reports of two versions differ that ran against the same target, one after the other.
pub fn compare(old: &Report, new: &Report) -> Vec<Difference> {
    let mut differences = Vec::new();
    if old.outcome != new.outcome {
        let names = [old, new].map(|report| report.outcome.as_str().to_owned());
        let [old, new] = names;
        differences.push(Difference::Outcome(old, new));
    }
    let error_type = |report: &Report| {
        report
            .error
            .as_ref()
            .map(|error| error.error_type.as_str().to_owned())
    };
    if error_type(old) != error_type(new) {
        differences.push(Difference::ErrorType(error_type(old), error_type(new)));
    }
    if phases(old) != phases(new) {
        differences.push(Difference::Phases(phases(old), phases(new)));
    }
    differences.extend(measurements(old, new));
    differences
}

fn phases(report: &Report) -> Vec<String> {
    let last = report.attempts.last();
    let phases = last.into_iter().flat_map(|attempt| &attempt.phases);
    phases
        .map(|phase| format!("{} {}", phase.name, phase.status.as_str()))
        .collect()
}

fn measurements(old: &Report, new: &Report) -> Vec<Difference> {
    let value_in = |report: &Report, name: &str, attributes: &_| {
        let mut all = report.measurements.iter();
        let found = all.find(|other| other.name == name && other.attributes == *attributes)?;
        Some(found.value)
    };
    let mut differences = Vec::new();
    for measurement in &old.measurements {
        let now = value_in(new, &measurement.name, &measurement.attributes);
        if now.is_none_or(|now| is_far(measurement.value, now)) {
            differences.push(Difference::Measurement {
                name: measurement.name.clone(),
                old: Some(measurement.value),
                new: now,
            });
        }
    }
    for measurement in &new.measurements {
        if value_in(old, &measurement.name, &measurement.attributes).is_none() {
            differences.push(Difference::Measurement {
                name: measurement.name.clone(),
                old: None,
                new: Some(measurement.value),
            });
        }
    }
    differences
}

fn is_far(old: f64, new: f64) -> bool {
    (old - new).abs() > old.abs().max(new.abs()) * TOLERANCE
}

/// A new version that runs beside the old one.
#[derive(Debug, Clone)]
pub struct Shadow {
    /// The version in use.
    pub old: PluginIdentity,
    /// The version that is watched.
    pub new: PluginIdentity,
    begun: Duration,
    lasts: Duration,
    runs: u64,
    of_outcome: u64,
    others: u64,
    examples: Vec<String>,
    took: (Duration, Duration),
}

/// What is to become of a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on beside the old one.
    Watch,
    /// It takes over.
    Promote,
    /// The old one stays.
    Keep,
}

impl Shadow {
    /// A new version that is watched from `now` on for so long; `now` is monotonic.
    pub fn new(old: PluginIdentity, new: PluginIdentity, now: Duration, lasts: Duration) -> Self {
        Self {
            old,
            new,
            begun: now,
            lasts,
            runs: 0,
            of_outcome: 0,
            others: 0,
            examples: Vec::new(),
            took: (Duration::ZERO, Duration::ZERO),
        }
    }

    /// Takes a pair of runs into account: one of each version of the same check.
    pub fn compared(&mut self, old: &Report, new: &Report) {
        self.runs += 1;
        self.took = (self.took.0 + old.duration, self.took.1 + new.duration);
        for difference in compare(old, new) {
            match difference.is_of_outcome() {
                true => self.of_outcome += 1,
                false => self.others += 1,
            }
            let example = told(&format!("check `{}`: {difference}", old.check), MAX_EXAMPLE);
            // One in the outcome is told before one in anything else.
            if difference.is_of_outcome() && self.examples.len() >= MAX_EXAMPLES && self.of_outcome == 1 {
                self.examples.pop();
            }
            if self.examples.len() < MAX_EXAMPLES && !self.examples.contains(&example) {
                self.examples.push(example);
            }
        }
    }

    /// What is to become of it: it takes over after its time, if it ran at all and judged every run as the old one
    /// did.
    pub fn verdict(&self, now: Duration) -> Verdict {
        if now.saturating_sub(self.begun) < self.lasts || self.runs == 0 {
            return Verdict::Watch;
        }
        match self.of_outcome {
            0 => Verdict::Promote,
            _ => Verdict::Keep,
        }
    }

    /// How long it is watched.
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// How many pairs of runs there were.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How many differences there were in outcome or error type, and how many others.
    pub fn differences(&self) -> (u64, u64) {
        (self.of_outcome, self.others)
    }

    /// Examples of differences, as sentences.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }

    /// How many times as long the new version took, all runs together, if that is more than chance.
    pub fn slowdown(&self) -> Option<f64> {
        let (old, new) = self.took;
        let ratio = new.as_secs_f64() / old.as_secs_f64().max(f64::MIN_POSITIVE);
        (new >= SHORT && ratio >= SLOWER).then_some(ratio)
    }
}

impl Display for Shadow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differences = self.of_outcome + self.others;
        write!(
            formatter,
            "`{}` {} beside {}: {} runs, {differences} differences, {} of them in the outcome",
            self.new.name, self.new.version, self.old.version, self.runs, self.of_outcome
        )?;
        if let Some(slowdown) = self.slowdown() {
            write!(formatter, ", {slowdown:.1} times as long")?;
        }
        for example in &self.examples {
            write!(formatter, "; {example}")?;
        }
        Ok(())
    }
}
