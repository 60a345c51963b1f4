//! How many retries a target may be sent beside its ordinary runs, so that retries cannot multiply the load of
//! an outage. Pure: time is given.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::show_duration;

/// The slices in which a window slides: one more than these is looked at, so that what is looked at is never
/// shorter than the window, and a twelfth longer at most.
const SLICES: u32 = 12;

/// How many retries a target gets (`[retry_budget]`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudgetSettings {
    /// Retries as a share of the target's runs in the window, 0 to 1. By default 0.2: when everything fails, a
    /// sick target gets a fifth more than its ordinary load.
    pub share: f64,
    /// The retries in a window that are always allowed, 0 to 1,000. By default 3: a target with one check a
    /// minute would get none by the share.
    pub minimum: u32,
    /// How far back is looked, 1 s to 1 h. By default 1 min: several runs of most checks, and soon forgotten once
    /// the target is well again.
    pub window: Duration,
}

impl Default for RetryBudgetSettings {
    fn default() -> Self {
        Self {
            share: 0.2,
            minimum: 3,
            window: Duration::from_secs(60),
        }
    }
}

/// The runs and retries of one target. Takes the same memory however many there are.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    settings: RetryBudgetSettings,
    slices: VecDeque<Slice>,
}

#[derive(Debug, Clone, Copy)]
struct Slice {
    /// The slices between the beginning of time and this one.
    number: u128,
    runs: u64,
    retries: u64,
}

/// The target has had its retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("retries: {retries} of {allowed}, runs: {runs}, in {}", show_duration(*window))]
pub struct RetryDenied {
    /// The retries in the window.
    pub retries: u64,
    /// How many there may be.
    pub allowed: u64,
    /// The runs in the window, all checks of the target together.
    pub runs: u64,
    /// The window.
    pub window: Duration,
}

impl RetryBudget {
    /// The budget of a target that has had nothing yet.
    pub fn new(settings: RetryBudgetSettings) -> Self {
        Self {
            settings,
            slices: VecDeque::new(),
        }
    }

    /// Counts a run that begins. `now` is from any fixed moment on and never less than before.
    pub fn run(&mut self, now: Duration) {
        self.slice(now).runs += 1;
    }

    /// Takes a retry out of the budget.
    ///
    /// # Errors
    ///
    /// When there is none left; then nothing is counted.
    pub fn retry(&mut self, now: Duration) -> Result<(), RetryDenied> {
        self.forget(now);
        let runs = self.slices.iter().map(|slice| slice.runs).sum();
        let retries = self.retries();
        let allowed = self.allowed(runs);
        if retries >= allowed {
            return Err(RetryDenied {
                retries,
                allowed,
                runs,
                window: self.settings.window,
            });
        }
        self.slice(now).retries += 1;
        Ok(())
    }

    /// The retries in the window, as far as they have not been forgotten.
    pub fn retries(&self) -> u64 {
        self.slices.iter().map(|slice| slice.retries).sum()
    }

    /// Goes on with other settings. With another window nothing is known of what was before.
    pub fn configure(&mut self, settings: RetryBudgetSettings) {
        if self.settings.window != settings.window {
            self.slices.clear();
        }
        self.settings = settings;
    }

    /// Whether there was nothing in the window: a new budget would say the same.
    pub fn is_idle(&self, now: Duration) -> bool {
        let current = self.number(now);
        self.slices
            .back()
            .is_none_or(|last| last.number + u128::from(SLICES) < current)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of at most 1 of a count far below 2^53"
    )]
    fn allowed(&self, runs: u64) -> u64 {
        let by_share = (runs as f64 * self.settings.share).floor() as u64;
        by_share.max(u64::from(self.settings.minimum))
    }

    fn number(&self, now: Duration) -> u128 {
        let length = (self.settings.window / SLICES).as_nanos().max(1);
        now.as_nanos() / length
    }

    fn forget(&mut self, now: Duration) {
        let current = self.number(now);
        while self
            .slices
            .pop_front_if(|first| first.number + u128::from(SLICES) < current)
            .is_some()
        {}
    }

    /// The slice of this moment, or the last one should time go back.
    fn slice(&mut self, now: Duration) -> &mut Slice {
        self.forget(now);
        let number = self.number(now);
        if self.slices.back().is_none_or(|last| last.number < number) {
            self.slices.push_back(Slice {
                number,
                runs: 0,
                retries: 0,
            });
        }
        let last = self.slices.len() - 1;
        &mut self.slices[last]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn granted(budget: &mut RetryBudget, now: Duration, wanted: u32) -> usize {
        (0..wanted).filter(|_| budget.retry(now).is_ok()).count()
    }

    #[test]
    fn a_few_retries_are_always_allowed_and_then_a_share_of_the_runs() {
        let mut budget = RetryBudget::new(RetryBudgetSettings::default());
        budget.run(SECOND);
        assert_eq!(granted(&mut budget, SECOND, 10), 3);
        for _ in 0..99 {
            budget.run(SECOND * 2);
        }
        // A fifth of a hundred runs, and three of them are gone.
        assert_eq!(granted(&mut budget, SECOND * 2, 100), 17);
        let denied = budget.retry(SECOND * 2).unwrap_err();
        assert_eq!(denied.to_string(), "retries: 20 of 20, runs: 100, in 1m");
    }

    #[test]
    fn what_was_longer_ago_than_the_window_is_forgotten() {
        let mut budget = RetryBudget::new(RetryBudgetSettings::default());
        assert_eq!(granted(&mut budget, SECOND, 10), 3);
        assert_eq!(granted(&mut budget, SECOND * 61, 10), 0);
        assert!(!budget.is_idle(SECOND * 61));
        assert!(budget.is_idle(SECOND * 67));
        assert_eq!(granted(&mut budget, SECOND * 67, 10), 3);
    }

    #[test]
    fn no_window_of_an_outage_has_more_than_the_share_and_the_minimum() {
        // An hour in which ten checks run every second, all of them fail, and each wants two retries.
        let mut budget = RetryBudget::new(RetryBudgetSettings::default());
        let mut retries = Vec::new();
        for second in 0..3600 {
            let now = SECOND * second;
            for _ in 0..10 {
                budget.run(now);
                retries.extend((0..2).filter(|_| budget.retry(now).is_ok()).map(|_| now));
            }
        }
        let in_window = |end: u32| {
            let window = SECOND * end.saturating_sub(59)..=SECOND * end;
            retries.iter().filter(|moment| window.contains(*moment)).count()
        };
        // 650 runs are in what is looked at, which is a twelfth longer than the window.
        let most = (0..3600).map(in_window).max().unwrap();
        assert!(most <= 130, "{most}");
        // Of 36,000 runs a fifth at most, and about as many.
        assert!((5_400..=7_200).contains(&retries.len()), "{}", retries.len());
    }

    #[test]
    fn memory_does_not_grow() {
        let mut budget = RetryBudget::new(RetryBudgetSettings::default());
        for second in 0..10_000 {
            budget.run(SECOND * second);
        }
        assert!(budget.slices.len() <= 13, "{}", budget.slices.len());
    }

    #[test]
    fn other_settings_take_effect_at_once_and_keep_what_was_counted() {
        let mut budget = RetryBudget::new(RetryBudgetSettings::default());
        assert_eq!(granted(&mut budget, SECOND, 10), 3);
        budget.configure(RetryBudgetSettings {
            minimum: 5,
            ..RetryBudgetSettings::default()
        });
        assert_eq!(granted(&mut budget, SECOND, 10), 2);
    }
}
