//! What is to be scheduled, and in what that differs from what is scheduled already. Both are found by whoever has
//! the time, so that the schedule takes a change up in a time that depends on what changed, not on how many checks
//! there are. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Scheduled;
use super::circuits::{Circuit, Sharing, shared};

/// The checks to schedule. Of two with one name the first counts.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order that was given.
    checks: Vec<Arc<Scheduled>>,
    by_name: HashMap<Arc<str>, Arc<Scheduled>>,
    circuits: BTreeMap<Circuit, Sharing>,
}

/// From one plan to the next.
#[derive(Debug)]
pub struct PlanChange {
    pub(super) before: Arc<Plan>,
    pub(super) plan: Arc<Plan>,
    /// The names that are scheduled no more.
    pub(super) gone: Vec<Arc<str>>,
    /// The checks that are new or other than before.
    pub(super) different: Vec<Arc<Scheduled>>,
    /// The names of the checks that had a breaker and have none any more.
    pub(super) unguarded: Vec<Arc<str>>,
    /// The breakers that no check shares any more.
    pub(super) circuits_gone: Vec<Circuit>,
    /// The breakers that are new, have other settings, or are shared by other checks.
    pub(super) circuits_different: Vec<Circuit>,
}

impl Plan {
    /// The plan to schedule these.
    pub fn new(checks: impl IntoIterator<Item = Scheduled>) -> Self {
        let mut plan = Self::default();
        for check in checks {
            if !plan.by_name.contains_key(&check.name) {
                let check = Arc::new(check);
                plan.by_name.insert(Arc::clone(&check.name), Arc::clone(&check));
                plan.checks.push(check);
            }
        }
        plan.circuits = shared(plan.checks.iter().map(|check| &**check));
        plan
    }

    /// What changes when this plan follows that one.
    pub fn after(self: &Arc<Self>, before: &Arc<Self>) -> PlanChange {
        let is_gone = |check: &&Arc<Scheduled>| !self.by_name.contains_key(&check.name);
        let is_different = |check: &&Arc<Scheduled>| before.by_name.get(&check.name) != Some(*check);
        let gone = before.checks.iter().filter(is_gone);
        let different = self.checks.iter().filter(is_different);
        let had_breaker = before.checks.iter().filter(|check| check.breaker.is_some());
        let unguarded = had_breaker.filter(|check| {
            let now = self.by_name.get(&check.name);
            now.is_none_or(|now| now.breaker.is_none())
        });
        let circuits_gone = before
            .circuits
            .keys()
            .filter(|circuit| !self.circuits.contains_key(*circuit));
        let circuits_different = self
            .circuits
            .iter()
            .filter(|(circuit, sharing)| before.circuits.get(*circuit) != Some(*sharing));
        PlanChange {
            gone: gone.map(|check| Arc::clone(&check.name)).collect(),
            different: different.cloned().collect(),
            unguarded: unguarded.map(|check| Arc::clone(&check.name)).collect(),
            circuits_gone: circuits_gone.cloned().collect(),
            circuits_different: circuits_different.map(|(circuit, _)| circuit.clone()).collect(),
            before: Arc::clone(before),
            plan: Arc::clone(self),
        }
    }

    /// Whether there is no check.
    pub(super) fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    pub(super) fn sharing(&self, circuit: &Circuit) -> Option<&Sharing> {
        self.circuits.get(circuit)
    }
}

impl PlanChange {
    /// The names of the checks that are new or other than before.
    pub fn different(&self) -> impl Iterator<Item = &Arc<str>> {
        self.different.iter().map(|check| &check.name)
    }

    /// The names of the checks that had a breaker and have none any more, those that are gone among them.
    pub fn unguarded(&self) -> &[Arc<str>] {
        &self.unguarded
    }

    /// The breakers that no check shares any more, by target and plugin.
    pub fn circuits_gone(&self) -> &[Circuit] {
        &self.circuits_gone
    }

    /// The breakers that are new, have other settings, or are shared by other checks.
    pub fn circuits_different(&self) -> &[Circuit] {
        &self.circuits_different
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::simulation::{check, guarded};
    use super::*;
    use crate::policy::breaker::Settings;

    const EVERY: Duration = Duration::from_secs(10);
    const SETTINGS: Settings = Settings {
        failures: 1,
        reset: Duration::from_secs(25),
        max_reset: Duration::from_secs(60),
    };

    fn plan(checks: Vec<Scheduled>) -> Arc<Plan> {
        Arc::new(Plan::new(checks))
    }

    fn names<'n>(names: impl Iterator<Item = &'n Arc<str>>) -> Vec<&'n str> {
        names.map(|name| &**name).collect()
    }

    #[test]
    fn only_what_changed_is_in_a_change() {
        let before = plan(vec![check("a", EVERY), check("b", EVERY), check("c", EVERY)]);
        let after = plan(vec![check("d", EVERY), check("c", EVERY * 2), check("b", EVERY)]);
        let change = after.after(&before);
        assert_eq!(names(change.gone.iter()), ["a"]);
        assert_eq!(names(change.different()), ["d", "c"]);
        let same = after.after(&after);
        assert_eq!((same.gone.len(), same.different.len()), (0, 0));
    }

    #[test]
    fn of_two_checks_with_one_name_the_first_counts() {
        let plan = plan(vec![check("a", EVERY), check("a", EVERY * 2)]);
        let change = plan.after(&Arc::default());
        let every: Vec<_> = change.different.iter().map(|check| check.every).collect();
        assert_eq!(every, [EVERY]);
    }

    #[test]
    fn a_breaker_changes_with_its_settings_and_with_who_shares_it() {
        let at = |name: &str, target: &str, settings| Scheduled {
            target: crate::policy::TargetKey::of_check(target),
            ..guarded(name, EVERY, settings)
        };
        let before = plan(vec![
            at("a", "same", SETTINGS),
            at("b", "gone", SETTINGS),
            at("c", "other settings", SETTINGS),
            at("d", "other checks", SETTINGS),
        ]);
        let strict = Settings {
            reset: Duration::from_secs(50),
            ..SETTINGS
        };
        let after = plan(vec![
            at("a", "same", SETTINGS),
            at("c", "other settings", strict),
            at("d", "other checks", SETTINGS),
            at("e", "other checks", SETTINGS),
            at("f", "new", SETTINGS),
        ]);
        let change = after.after(&before);
        assert_eq!(names(change.unguarded().iter()), ["b"]);
        let targets =
            |circuits: &[Circuit]| -> Vec<_> { circuits.iter().map(|(target, _)| target.clone()).collect() };
        let of = crate::policy::TargetKey::of_check;
        assert_eq!(targets(change.circuits_gone()), [of("gone")]);
        let different = targets(change.circuits_different());
        assert_eq!(different.len(), 3, "{different:?}");
        assert!(!different.contains(&of("same")), "{different:?}");
    }

    #[test]
    fn a_check_without_a_breaker_from_now_on_is_named_though_others_share_it() {
        let before = plan(vec![
            guarded("a", EVERY, SETTINGS),
            guarded("b", EVERY, SETTINGS),
            guarded("c", EVERY, SETTINGS),
            check("d", EVERY),
        ]);
        let after = plan(vec![
            guarded("a", EVERY, SETTINGS),
            check("b", EVERY),
            check("d", EVERY),
        ]);
        assert_eq!(names(after.after(&before).unguarded().iter()), ["b", "c"]);
    }
}
