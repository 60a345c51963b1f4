//! The state of a check: what several runs together say of its target, while each outcome stays as it is. Pure:
//! moments are given.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::outcome::Outcome;

/// The most runs that are looked at.
pub const MOST_RUNS: u32 = 100;

/// How many runs have to fail until a check is failing (`state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateSettings {
    /// So many, 1 to `of`. By default 1.
    pub failures: u32,
    /// Of the last so many that were judged, 1 to 100. By default `failures`: that many in a row.
    pub of: u32,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self { failures: 1, of: 1 }
    }
}

/// What is known of a check's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CheckState {
    /// Nothing: it has not been judged yet, or could not be any more.
    #[default]
    Unknown,
    /// It is well.
    Passing,
    /// It is well, and the last run that passed did so with a warning: after a retry, or too slowly.
    Warning,
    /// It is not.
    Failing,
}

impl CheckState {
    /// The word used in labels and attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Failing => "failing",
        }
    }
}

impl Display for CheckState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A state gave way to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: CheckState,
    /// The state since.
    pub to: CheckState,
    /// From when on.
    pub since: Duration,
    /// How long the state before had lasted.
    pub lasted: Duration,
}

/// Follows the state of one check.
///
/// Of the last `of` runs that passed or failed, `failures` have to have failed for it to be failing; with fewer it
/// is passing again as soon as one passes. Runs that could not be judged (`error`) do not count, and say nothing
/// as long as they are single ones; after `of` of them in a row nothing is known any more. Skipped runs change
/// nothing.
#[derive(Debug, Clone)]
pub struct StateTracker {
    settings: StateSettings,
    state: CheckState,
    since: Duration,
    /// Whether each of the last runs that were judged failed, the newest last.
    failed: VecDeque<bool>,
    errors_in_a_row: u32,
}

impl StateTracker {
    /// Of a check that has not run yet. Moments are from any fixed one on.
    pub fn new(settings: StateSettings, now: Duration) -> Self {
        Self {
            settings,
            state: CheckState::Unknown,
            since: now,
            failed: VecDeque::new(),
            errors_in_a_row: 0,
        }
    }

    /// The state.
    pub fn state(&self) -> CheckState {
        self.state
    }

    /// From when on it is that.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// How many of the runs that are looked at failed, and how many are looked at.
    pub fn failures(&self) -> (u32, u32) {
        let failures = self.failed.iter().filter(|failed| **failed).count();
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        (count(failures), count(self.failed.len()))
    }

    /// Takes in how a run ended, with a warning or without. The transition that it led to, if it did.
    pub fn record(&mut self, outcome: Outcome, with_warning: bool, now: Duration) -> Option<Transition> {
        match outcome {
            Outcome::Skipped => return None,
            Outcome::Error => {
                self.errors_in_a_row = self.errors_in_a_row.saturating_add(1);
                if self.errors_in_a_row < self.settings.of {
                    return None;
                }
                self.failed.clear();
                return self.enter(CheckState::Unknown, now);
            }
            Outcome::Pass | Outcome::Fail => {}
        }
        self.errors_in_a_row = 0;
        self.failed.push_back(outcome == Outcome::Fail);
        self.shorten();
        let state = match outcome {
            _ if self.failures().0 >= self.settings.failures => CheckState::Failing,
            Outcome::Pass if with_warning => CheckState::Warning,
            Outcome::Pass => CheckState::Passing,
            // Not yet often enough to say anything else than before.
            _ => self.state,
        };
        self.enter(state, now)
    }

    /// Goes on with other settings. They hold from the next run on; as many runs as they look at are remembered.
    pub fn configure(&mut self, settings: StateSettings) {
        self.settings = settings;
        self.shorten();
    }

    fn shorten(&mut self) {
        let most = usize::try_from(self.settings.of).unwrap_or(usize::MAX);
        let surplus = self.failed.len().saturating_sub(most);
        self.failed.drain(..surplus);
    }

    fn enter(&mut self, to: CheckState, now: Duration) -> Option<Transition> {
        let transition = Transition {
            from: self.state,
            to,
            since: now,
            lasted: now.saturating_sub(self.since),
        };
        if transition.from == to {
            return None;
        }
        (self.state, self.since) = (to, now);
        Some(transition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(failures: u32, of: u32) -> StateTracker {
        StateTracker::new(StateSettings { failures, of }, Duration::ZERO)
    }

    /// The states after each of these runs: `p`ass, `w`arning, `f`ail, `e`rror, `s`kipped; in the same letters, and
    /// `u`nknown.
    fn states(tracker: &mut StateTracker, runs: &str) -> String {
        let after = |(second, run): (u64, char)| {
            let outcome = match run {
                'p' | 'w' => Outcome::Pass,
                'f' => Outcome::Fail,
                'e' => Outcome::Error,
                _ => Outcome::Skipped,
            };
            tracker.record(outcome, run == 'w', Duration::from_secs(second));
            match tracker.state() {
                CheckState::Unknown => 'u',
                CheckState::Passing => 'p',
                CheckState::Warning => 'w',
                CheckState::Failing => 'f',
            }
        };
        (1..).zip(runs.chars()).map(after).collect()
    }

    #[test]
    fn by_default_every_judged_run_decides() {
        assert_eq!(states(&mut tracker(1, 1), "pfpwpsf"), "pfpwppf");
    }

    #[test]
    fn a_check_is_failing_only_after_so_many_of_the_last_runs() {
        assert_eq!(states(&mut tracker(2, 3), "pfpffppp"), "pppfffpp");
        assert_eq!(states(&mut tracker(2, 3), "fpf"), "upf");
        assert_eq!(states(&mut tracker(3, 3), "pffpfff"), "ppppppf");
    }

    #[test]
    fn errors_and_skipped_runs_are_not_judged() {
        assert_eq!(states(&mut tracker(2, 3), "pfeef"), "ppppf");
        assert_eq!(states(&mut tracker(2, 3), "ffssss"), "ufffff");
    }

    #[test]
    fn after_a_row_of_errors_nothing_is_known() {
        assert_eq!(states(&mut tracker(2, 3), "ffeee"), "ufffu");
        // Skipped runs neither make the row longer nor break it, and what was before it is forgotten.
        assert_eq!(states(&mut tracker(2, 3), "ffeesef"), "uffffuu");
        assert_eq!(states(&mut tracker(1, 1), "pep"), "pup");
    }

    #[test]
    fn a_transition_tells_how_long_the_state_before_lasted() {
        let mut tracker = tracker(1, 1);
        let second = Duration::from_secs;
        tracker.record(Outcome::Pass, false, second(5));
        assert_eq!(tracker.record(Outcome::Pass, false, second(8)), None);
        let transition = Transition {
            from: CheckState::Passing,
            to: CheckState::Failing,
            since: second(9),
            lasted: second(4),
        };
        assert_eq!(tracker.record(Outcome::Fail, false, second(9)), Some(transition));
        assert_eq!((tracker.since(), tracker.failures()), (second(9), (1, 1)));
    }

    #[test]
    fn other_settings_keep_the_state_and_what_was_seen() {
        let mut tracker = tracker(3, 5);
        assert_eq!(states(&mut tracker, "pffp"), "pppp");
        tracker.configure(StateSettings { failures: 2, of: 2 });
        assert_eq!(tracker.state(), CheckState::Passing);
        assert_eq!(states(&mut tracker, "ff"), "pf");
    }
}
