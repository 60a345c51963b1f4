//! The free slots, in all and at each target, and the runs that wait for one.
//!
//! Waiting runs start in the order of their due times. A target that is busy holds up its own runs and no others:
//! of each target that has room, only its first waiting run stands in the common queue. So nobody ever looks
//! through the runs that cannot start.
//!
//! Runs beside others get what is to spare: a slot that nobody waits for, and never more than a share of all, so that
//! however long they take most slots are there for the runs that count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Limits;
use crate::policy::TargetKey;

/// Of so many slots runs beside others may take one; one in any case.
const PER_SPARE: usize = 2;

/// A run that waits: when it was due, and the name of its check.
pub(super) type Ticket = (Duration, Arc<str>);

#[derive(Debug)]
pub(super) struct Slots {
    limits: Limits,
    taken: usize,
    /// How many of those are taken by runs beside others.
    spared: usize,
    waiting: usize,
    /// Those with runs that go on or wait.
    targets: HashMap<TargetKey, Target>,
    /// The first waiting run of each target that has room.
    first_ones: BTreeMap<Ticket, TargetKey>,
}

#[derive(Debug, Default)]
struct Target {
    taken: usize,
    spared: usize,
    waiting: BTreeSet<Ticket>,
}

impl Target {
    /// Its run that could start next.
    fn first(&self, limits: Limits) -> Option<&Ticket> {
        self.waiting.first().filter(|_| self.taken < limits.per_target)
    }
}

impl Slots {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            taken: 0,
            spared: 0,
            waiting: 0,
            targets: HashMap::new(),
            first_ones: BTreeMap::new(),
        }
    }

    /// Other limits from now on; runs beyond them go on to their end.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.first_ones = self
            .targets
            .iter()
            .filter_map(|(key, target)| Some((target.first(limits)?.clone(), key.clone())))
            .collect();
    }

    /// How many runs go on.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// How many runs wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The run that can start now, and its target.
    pub(super) fn next(&self) -> Option<(&Ticket, &TargetKey)> {
        let has_room = self.taken < self.limits.concurrency;
        self.first_ones.first_key_value().filter(|_| has_room)
    }

    /// A run begins to wait.
    pub(super) fn wait(&mut self, key: &TargetKey, ticket: Ticket) {
        self.waiting += 1;
        self.change(key, |target| {
            target.waiting.insert(ticket);
        });
    }

    /// A run waits no longer.
    pub(super) fn leave(&mut self, key: &TargetKey, ticket: &Ticket) {
        self.waiting -= 1;
        self.change(key, |target| {
            target.waiting.remove(ticket);
        });
    }

    /// A run takes a slot.
    pub(super) fn take(&mut self, key: &TargetKey) {
        self.taken += 1;
        self.change(key, |target| target.taken += 1);
    }

    /// A run gives its slot back.
    pub(super) fn give_back(&mut self, key: &TargetKey) {
        self.taken -= 1;
        self.change(key, |target| target.taken -= 1);
    }

    /// A run beside another takes a slot, if one is to spare; whether it did.
    pub(super) fn take_spare(&mut self, key: &TargetKey) -> bool {
        let at_target = self.targets.get(key).map(|target| (target.taken, target.spared));
        let is_spare = is_spare(self.taken, self.spared, self.limits.concurrency)
            && at_target.is_none_or(|(taken, spared)| is_spare(taken, spared, self.limits.per_target))
            && self.next().is_none();
        if is_spare {
            self.take(key);
            self.spared += 1;
            self.change(key, |target| target.spared += 1);
        }
        is_spare
    }

    /// A run beside another gives its slot back.
    pub(super) fn give_back_spare(&mut self, key: &TargetKey) {
        self.spared -= 1;
        self.change(key, |target| target.spared -= 1);
        self.give_back(key);
    }

    /// Changes a target, and the common queue with it.
    fn change(&mut self, key: &TargetKey, change: impl FnOnce(&mut Target)) {
        if !self.targets.contains_key(key) {
            self.targets.insert(key.clone(), Target::default());
        }
        let Some(target) = self.targets.get_mut(key) else {
            return;
        };
        let before = target.first(self.limits).cloned();
        change(target);
        let after = target.first(self.limits);
        if before.as_ref() != after {
            before.and_then(|ticket| self.first_ones.remove(&ticket));
            after.and_then(|ticket| self.first_ones.insert(ticket.clone(), key.clone()));
        }
        if target.taken == 0 && target.waiting.is_empty() {
            self.targets.remove(key);
        }
    }
}

/// Whether of so many slots, with so many taken, and of those so many by runs beside others, one is to spare.
fn is_spare(taken: usize, spared: usize, slots: usize) -> bool {
    taken < slots && spared < (slots / PER_SPARE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> TargetKey {
        TargetKey::of_check(name)
    }

    fn ticket(due: u64, name: &str) -> Ticket {
        (Duration::from_secs(due), name.into())
    }

    /// Starts what can start, and says what that was.
    fn start(slots: &mut Slots) -> Option<String> {
        let (ticket, key) = slots.next()?;
        let (ticket, key) = (ticket.clone(), key.clone());
        slots.leave(&key, &ticket);
        slots.take(&key);
        Some(ticket.1.to_string())
    }

    fn slots(concurrency: usize, per_target: usize) -> Slots {
        Slots::new(Limits {
            concurrency,
            per_target,
        })
    }

    #[test]
    fn a_busy_target_holds_up_its_own_runs_only() {
        let mut slots = slots(10, 1);
        for (due, name) in [(1, "a1"), (2, "a2"), (3, "a3")] {
            slots.wait(&target("a"), ticket(due, name));
        }
        slots.wait(&target("b"), ticket(4, "b1"));
        assert_eq!(start(&mut slots).as_deref(), Some("a1"));
        assert_eq!(start(&mut slots).as_deref(), Some("b1"));
        assert_eq!(start(&mut slots), None);
        slots.give_back(&target("a"));
        assert_eq!(start(&mut slots).as_deref(), Some("a2"));
        assert_eq!((slots.taken(), slots.waiting()), (2, 1));
    }

    #[test]
    fn whoever_was_due_first_starts_first() {
        let mut slots = slots(1, 1);
        for (due, name) in [(5, "e"), (2, "b"), (9, "i")] {
            slots.wait(&target(name), ticket(due, name));
        }
        let mut order = Vec::new();
        while let Some(name) = start(&mut slots) {
            slots.give_back(&target(&name));
            order.push(name);
        }
        assert_eq!(order, ["b", "e", "i"]);
        assert!(slots.targets.is_empty() && slots.first_ones.is_empty());
    }

    #[test]
    fn runs_beside_others_get_a_share_of_what_nobody_waits_for() {
        let mut slots = slots(5, 3);
        let (a, b) = (target("a"), target("b"));
        assert_eq!(
            [&a, &a, &b, &b].map(|key| slots.take_spare(key)),
            [true, false, true, false]
        );
        for (due, name) in [(1, "1"), (2, "2"), (3, "3")] {
            slots.wait(&target("c"), ticket(due, name));
        }
        slots.give_back_spare(&a);
        assert!(!slots.take_spare(&a), "whoever waits and could start goes first");
        while start(&mut slots).is_some() {}
        assert_eq!((slots.taken(), slots.waiting()), (4, 0));
        slots.wait(&target("c"), ticket(4, "4"));
        assert_eq!(start(&mut slots), None, "its target is busy");
        assert!(slots.take_spare(&a), "so that this one keeps nobody waiting");
        for key in [&a, &b] {
            slots.give_back_spare(key);
        }
        for _ in 0..3 {
            slots.give_back(&target("c"));
        }
        assert_eq!(start(&mut slots).as_deref(), Some("4"));
        assert_eq!((slots.taken(), slots.targets.len()), (1, 1));
    }

    #[test]
    fn of_a_single_slot_a_run_beside_others_gets_one_and_no_more_than_there_is() {
        let mut slots = slots(1, 1);
        assert!(slots.take_spare(&target("a")));
        assert!(!slots.take_spare(&target("b")));
        slots.wait(&target("b"), ticket(1, "b"));
        assert_eq!(start(&mut slots), None);
        slots.give_back_spare(&target("a"));
        assert_eq!(start(&mut slots).as_deref(), Some("b"));
        assert!(!slots.take_spare(&target("a")));
    }

    #[test]
    fn other_limits_hold_at_once_and_end_no_run() {
        let mut slots = slots(2, 2);
        for number in 0..4 {
            slots.wait(&target("a"), ticket(number, &number.to_string()));
        }
        assert!(start(&mut slots).is_some() && start(&mut slots).is_some());
        assert_eq!(start(&mut slots), None);
        slots.set_limits(Limits {
            concurrency: 3,
            per_target: 3,
        });
        assert_eq!(start(&mut slots).as_deref(), Some("2"));
        slots.set_limits(Limits {
            concurrency: 3,
            per_target: 1,
        });
        slots.give_back(&target("a"));
        slots.give_back(&target("a"));
        assert_eq!(start(&mut slots), None, "one still goes on");
        slots.give_back(&target("a"));
        assert_eq!(start(&mut slots).as_deref(), Some("3"));
    }
}
