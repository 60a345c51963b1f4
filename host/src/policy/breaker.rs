//! When a sick target is left alone: the circuit breaker. Pure: time and chance are given. Who shares one, and
//! what becomes of the runs, is the schedule's to know.
//!
//! ```text
//! closed --so many failed runs in a row--> open --reset time--> half-open --pass--> closed
//!                                           ^                       |
//!                                           +--fail, reset doubled--+
//! ```

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::{Blame, ErrorType, Outcome, Report, RunReference};

/// By how much of it a reset time is shortened at random, at most: enough that the breakers of targets which
/// went down together do not all probe together, and too little to matter to whoever waits for it.
const JITTER: f64 = 0.1;

/// How patient a breaker is (`breaker`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// After how many failed runs in a row it opens, 1 to 1,000. By default 5.
    pub failures: u32,
    /// How long it then stays open before a run may probe the target, 100 ms to 24 h. By default 30 s.
    pub reset: Duration,
    /// The longest that it stays open: the time doubles after each probing run that failed. From `reset` to
    /// 24 h. By default 5 min, or `reset` if that is longer.
    pub max_reset: Duration,
}

impl Settings {
    /// What [`Settings::failures`] can be.
    pub const FAILURES: RangeInclusive<u64> = 1..=1_000;
    /// What [`Settings::reset`] and [`Settings::max_reset`] can be.
    pub const RESETS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(24 * 3600);
    /// One failed run is an accident, five in a row are none.
    pub const DEFAULT_FAILURES: u32 = 5;
    /// What a service needs to restart.
    pub const DEFAULT_RESET: Duration = Duration::from_secs(30);
    /// What people accept between a repair and the first check that sees it.
    pub const DEFAULT_MAX_RESET: Duration = Duration::from_secs(300);

    /// The settings of a breaker that is shared by checks with different ones: the fewest failures, the longest
    /// times, so that no check makes another one's target be asked more than that one wants.
    pub fn strictest(self, other: Self) -> Self {
        Self {
            failures: self.failures.min(other.failures),
            reset: self.reset.max(other.reset),
            max_reset: self.max_reset.max(other.max_reset),
        }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Every run goes ahead.
    Closed,
    /// No run does.
    Open,
    /// One run probes the target, no other one goes ahead.
    HalfOpen,
}

impl State {
    /// The word used in labels, attributes and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What a breaker wants to know of a run that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Whose fault it was.
    pub blame: Option<Blame>,
    /// What went wrong, for whoever is told of a transition.
    pub error: Option<ErrorType>,
    /// Which run it was, for those that are skipped because of it.
    pub run: Option<RunReference>,
}

impl From<&Report> for Verdict {
    fn from(report: &Report) -> Self {
        Self {
            outcome: report.outcome,
            blame: report.blame,
            error: report.error.as_ref().map(|error| error.error_type.clone()),
            run: Some(report.reference()),
        }
    }
}

impl Verdict {
    /// What the run says about the target: whether it is well. A run that is no judgement of the target or of
    /// the way to it says nothing: a plugin's bug, a wrong setting, a run that was cancelled or never began.
    fn is_target_well(&self) -> Option<bool> {
        match (self.outcome, self.blame) {
            (Outcome::Pass, _) => Some(true),
            (Outcome::Fail, Some(Blame::Target | Blame::Network)) => Some(false),
            _ => None,
        }
    }
}

/// Whether a run goes ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Run,
    /// It does, to probe the target; no other run will until this one has ended.
    Probe(Change),
    /// It does not: open until then, or, without a time, until the probing run has ended.
    Refused(Option<Duration>),
}

/// A change of state, for log, metrics, span and API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// When a run may probe the target, where the breaker is open now.
    pub retry_at: Option<Duration>,
    /// The check whose run brought it about.
    pub check: Arc<str>,
    /// What that run ended with, where it did not pass; none where it has just begun.
    pub error: Option<ErrorType>,
}

/// The breaker of one target. Times are those of the caller's clock, which never goes back.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: Settings,
    /// Failed runs in a row, probing ones included.
    failures: u32,
    /// How long it is open the next time that a probing run does not double it.
    reset: Duration,
    /// The run that opened it last; none while it is closed.
    opened_by: Option<RunReference>,
    position: Position,
}

#[derive(Debug, Clone)]
enum Position {
    Closed,
    Open {
        until: Duration,
    },
    /// A check has one run at a time: its name tells which run is the probing one.
    HalfOpen {
        probing: Arc<str>,
    },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            failures: 0,
            reset: settings.reset,
            opened_by: None,
            position: Position::Closed,
        }
    }

    /// Other settings from now on. Where it stands stays as it is, but no longer than the longest it may.
    pub fn set(&mut self, settings: Settings, now: Duration) {
        self.settings = settings;
        if let Position::Open { until } = &mut self.position {
            *until = now.saturating_add(settings.max_reset).min(*until);
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match self.position {
            Position::Closed => State::Closed,
            Position::Open { .. } => State::Open,
            Position::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// The run that opened it last, a probing one included; none while it is closed.
    pub fn opened_by(&self) -> Option<RunReference> {
        self.opened_by
    }

    /// How many runs have failed in a row, probing ones included.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When a run may probe the target, while it is open.
    pub fn retry_at(&self) -> Option<Duration> {
        match self.position {
            Position::Open { until } => Some(until),
            Position::Closed | Position::HalfOpen { .. } => None,
        }
    }

    /// The check whose run is probing the target.
    pub fn probing(&self) -> Option<&Arc<str>> {
        match &self.position {
            Position::HalfOpen { probing } => Some(probing),
            Position::Closed | Position::Open { .. } => None,
        }
    }

    /// What [`Breaker::admit`] would say, without a probing run being begun: none where a run would go ahead,
    /// else until when it would not.
    pub fn refusal(&self, now: Duration) -> Option<Option<Duration>> {
        match self.position {
            Position::Open { until } if now < until => Some(Some(until)),
            Position::HalfOpen { .. } => Some(None),
            Position::Closed | Position::Open { .. } => None,
        }
    }

    /// Asks whether a run of this check goes ahead. Whoever is let through must say how it ended
    /// ([`Breaker::record`]), whatever happens to it.
    pub fn admit(&mut self, check: &Arc<str>, now: Duration) -> Admission {
        if let Some(until) = self.refusal(now) {
            return Admission::Refused(until);
        }
        if self.state() == State::Closed {
            return Admission::Run;
        }
        let probing = Arc::clone(check);
        Admission::Probe(self.go(Position::HalfOpen { probing }, check, None))
    }

    /// Takes in how a run of this check ended. `chance`, from 0 to 1, is drawn for each call.
    ///
    /// Runs that began before the breaker opened and end after it are left out. A probing run that says nothing
    /// about the target gives the probe back: the next run that is due is the next to probe, at once and after
    /// no longer time, so that a check with a bug of its own does not keep the others from finding out.
    pub fn record(
        &mut self,
        check: &Arc<str>,
        verdict: &Verdict,
        now: Duration,
        chance: f64,
    ) -> Option<Change> {
        let error = verdict.error.clone();
        let is_probe = self.probing() == Some(check);
        if self.state() != State::Closed && !is_probe {
            return None;
        }
        match verdict.is_target_well() {
            Some(true) => {
                self.failures = 0;
                self.opened_by = None;
                is_probe.then(|| self.go(Position::Closed, check, None))
            }
            Some(false) => {
                self.failures = self.failures.saturating_add(1);
                let Settings { reset, max_reset, .. } = self.settings;
                if is_probe {
                    self.reset = self.reset.saturating_mul(2).min(max_reset).max(reset);
                } else if self.failures >= self.settings.failures {
                    self.reset = reset;
                } else {
                    return None;
                }
                let shortened = self.reset.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0));
                let until = now.saturating_add(shortened);
                self.opened_by = verdict.run;
                Some(self.go(Position::Open { until }, check, error))
            }
            None => is_probe.then(|| self.go(Position::Open { until: now }, check, error)),
        }
    }

    fn go(&mut self, position: Position, check: &Arc<str>, error: Option<ErrorType>) -> Change {
        let from = self.state();
        self.position = position;
        Change {
            from,
            to: self.state(),
            retry_at: self.retry_at(),
            check: Arc::clone(check),
            error,
        }
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
