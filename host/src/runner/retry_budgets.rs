//! The retry budgets of all targets, shared by the checks of each, for as long as the process lives. The rule is
//! `policy::RetryBudget`; time and locks are here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::policy::{RetryBudget, RetryBudgetSettings, TargetKey};

/// How many budgets there are at least before those nobody needs are looked for.
const FEW: usize = 64;

/// The retry budgets by target.
#[derive(Debug)]
pub struct RetryBudgets {
    began: Instant,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    settings: RetryBudgetSettings,
    budgets: HashMap<TargetKey, Arc<TargetBudget>>,
    /// With so many budgets, those nobody needs are let go.
    many: usize,
}

/// The retry budget of one target.
#[derive(Debug)]
pub struct TargetBudget {
    target: TargetKey,
    began: Instant,
    budget: Mutex<RetryBudget>,
}

impl RetryBudgets {
    /// Budgets of targets that have had nothing yet.
    pub fn new(settings: RetryBudgetSettings) -> Self {
        Self {
            began: Instant::now(),
            held: Mutex::new(Held {
                settings,
                budgets: HashMap::new(),
                many: FEW,
            }),
        }
    }

    /// The budget of a target, the same for everybody who asks.
    pub fn of(&self, target: &TargetKey) -> Arc<TargetBudget> {
        self.of_at(target, self.began.elapsed())
    }

    fn of_at(&self, target: &TargetKey, now: Duration) -> Arc<TargetBudget> {
        let mut held = locked(&self.held);
        if let Some(budget) = held.budgets.get(target) {
            return Arc::clone(budget);
        }
        if held.budgets.len() >= held.many {
            held.budgets
                .retain(|_, budget| Arc::strong_count(budget) > 1 || !locked(&budget.budget).is_idle(now));
            held.many = (2 * held.budgets.len()).max(FEW);
        }
        let budget = Arc::new(TargetBudget {
            target: target.clone(),
            began: self.began,
            budget: Mutex::new(RetryBudget::new(held.settings)),
        });
        held.budgets.insert(target.clone(), Arc::clone(&budget));
        budget
    }

    /// Goes on with other settings, for the targets that are known and those to come.
    pub fn configure(&self, settings: RetryBudgetSettings) {
        let mut held = locked(&self.held);
        if held.settings == settings {
            return;
        }
        held.settings = settings;
        for budget in held.budgets.values() {
            locked(&budget.budget).configure(settings);
        }
    }
}

impl TargetBudget {
    /// Counts a run that begins.
    pub(super) fn run(&self) {
        locked(&self.budget).run(self.began.elapsed());
    }

    /// Takes a retry out of the budget.
    ///
    /// # Errors
    ///
    /// When there is none left: why there is no retry, as the report tells it.
    pub(super) fn retry(&self) -> Result<(), String> {
        self.retry_at(self.began.elapsed())
    }

    /// How many retries there were lately.
    pub fn retries(&self) -> u64 {
        locked(&self.budget).retries()
    }

    fn retry_at(&self, now: Duration) -> Result<(), String> {
        let taken = locked(&self.budget).retry(now);
        taken.map_err(|denied| format!("the retry budget of `{}` is used up: {denied}", self.target))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(number: usize) -> TargetKey {
        TargetKey::of_check(&number.to_string())
    }

    fn settings(minimum: u32) -> RetryBudgetSettings {
        RetryBudgetSettings {
            minimum,
            ..RetryBudgetSettings::default()
        }
    }

    #[test]
    fn checks_of_a_target_share_its_budget_and_others_have_their_own() {
        let budgets = RetryBudgets::new(settings(1));
        let now = Duration::ZERO;
        assert_eq!(budgets.of(&target(1)).retry_at(now), Ok(()));
        assert_eq!(
            budgets.of(&target(1)).retry_at(now).unwrap_err(),
            "the retry budget of `check:1` is used up: retries: 1 of 1, runs: 0, in 1m"
        );
        assert_eq!(budgets.of(&target(2)).retry_at(now), Ok(()));
        assert_eq!(
            budgets.of(&target(1)).retry_at(now + Duration::from_secs(66)),
            Ok(())
        );
    }

    #[test]
    fn other_settings_hold_for_targets_that_are_known_too() {
        let budgets = RetryBudgets::new(settings(1));
        let (known, now) = (budgets.of(&target(1)), Duration::ZERO);
        assert_eq!(known.retry_at(now), Ok(()));
        budgets.configure(settings(2));
        assert_eq!(known.retry_at(now), Ok(()));
        assert!(known.retry_at(now).is_err());
        assert_eq!(budgets.of(&target(2)).retry_at(now), Ok(()));
    }

    #[test]
    fn targets_that_nobody_needs_are_let_go() {
        let budgets = RetryBudgets::new(settings(1));
        let kept = budgets.of(&target(0));
        for second in 1..1000 {
            let now = Duration::from_secs(second);
            let budget = budgets.of_at(&target(usize::try_from(second).unwrap()), now);
            locked(&budget.budget).run(now);
        }
        let held = locked(&budgets.held).budgets.len();
        assert!(held < 300, "{held}");
        assert!(Arc::ptr_eq(&kept, &budgets.of(&target(0))));
    }
}
