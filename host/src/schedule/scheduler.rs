//! The schedule of all checks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::cadence::Cadence;
use super::circuits::{Circuit, Circuits, circuit_of, transition};
use super::plan::{Plan, PlanChange};
use super::slots::{Slots, Ticket};
use super::{BreakerView, Decision, Limits, Scheduled, SkipReason, Skipped, Transition, View};
use crate::policy::TargetKey;
use crate::policy::breaker::{Admission, Verdict};

/// Decides when each check is due and whether its run starts. Each decision costs a look into a few ordered
/// trees, whatever the number of checks.
///
/// The caller sleeps until [`Scheduler::next_due`], asks [`Scheduler::tick`] what to do, does it, and tells
/// [`Scheduler::finished`] of the end of every run that was started. Two schedulers with the same seed that are
/// told the same decide the same.
#[derive(Debug)]
pub struct Scheduler {
    plan: Arc<Plan>,
    checks: HashMap<Arc<str>, Entry>,
    /// When each check is due next.
    agenda: BTreeSet<Ticket>,
    slots: Slots,
    /// By name, of checks that are gone or have changed as well: a check has one run at a time at any rate.
    running: HashMap<Arc<str>, Running>,
    /// The targets of runs beside those of checks, by the names of the checks.
    beside: HashMap<Arc<str>, TargetKey>,
    circuits: Circuits,
    chance: StdRng,
    now: Duration,
}

#[derive(Debug)]
struct Entry {
    check: Arc<Scheduled>,
    cadence: Cadence,
    /// When the run was due that waits for a free slot.
    waiting: Option<Duration>,
    started: u64,
    skipped: Skipped,
}

#[derive(Debug)]
struct Running {
    since: Duration,
    target: TargetKey,
    circuit: Option<Circuit>,
}

impl Scheduler {
    /// A schedule without checks. From the seed come jitter and the variation of reset times.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            plan: Arc::default(),
            checks: HashMap::new(),
            agenda: BTreeSet::new(),
            slots: Slots::new(limits),
            running: HashMap::new(),
            beside: HashMap::new(),
            circuits: Circuits::default(),
            chance: StdRng::seed_from_u64(seed),
            now: Duration::ZERO,
        }
    }

    /// Other limits from now on; runs beyond them go on to their end. Tick after this.
    pub fn set_limits(&mut self, limits: Limits) {
        self.slots.set_limits(limits);
    }

    /// The checks are those of another plan from now on, which was held against the one before.
    ///
    /// A check that is the same as before keeps everything: its due times, counts, a run that waits. One that has
    /// changed keeps its due times as long as its interval and jitter are the same, and a run that waits. Runs
    /// that go on end as they would have; no check starts another one before that. A breaker stays as it is as
    /// long as any check shares it.
    pub fn take_up(&mut self, change: &PlanChange, now: Duration) {
        debug_assert!(
            // The plan without checks, with which everything begins, is made more than once.
            Arc::ptr_eq(&change.before, &self.plan) || (change.before.is_empty() && self.plan.is_empty()),
            "the change is one of what is scheduled"
        );
        let now = self.at(now);
        for name in &change.gone {
            if let Some(entry) = self.checks.remove(name) {
                self.removed(&entry);
            }
        }
        self.checks.reserve(change.different.len());
        for check in &change.different {
            let check = Arc::clone(check);
            let entry = match self.checks.remove(&check.name) {
                Some(entry) => self.changed(entry, check, now),
                None => self.added(check, now),
            };
            self.checks.insert(Arc::clone(&entry.check.name), entry);
        }
        for circuit in &change.circuits_gone {
            self.circuits.remove(circuit);
        }
        for circuit in &change.circuits_different {
            if let Some(sharing) = change.plan.sharing(circuit) {
                self.circuits.set(circuit, sharing, now);
            }
        }
        self.plan = Arc::clone(&change.plan);
    }

    /// These are the checks from now on.
    #[cfg(test)]
    pub(super) fn set(&mut self, checks: Vec<Scheduled>, now: Duration) {
        let change = Arc::new(Plan::new(checks)).after(&self.plan);
        self.take_up(&change, now);
    }

    fn added(&mut self, check: Arc<Scheduled>, now: Duration) -> Entry {
        let cadence = Cadence::new(&check.name, check.every, check.jitter, now, &mut self.chance);
        self.agenda.insert((cadence.due(), Arc::clone(&check.name)));
        Entry {
            check,
            cadence,
            waiting: None,
            started: 0,
            skipped: Skipped::default(),
        }
    }

    fn changed(&mut self, before: Entry, check: Arc<Scheduled>, now: Duration) -> Entry {
        self.removed(&before);
        let mut entry = self.added(check, now);
        if (before.check.every, before.check.jitter) == (entry.check.every, entry.check.jitter) {
            self.agenda.remove(&entry.ticket(entry.cadence.due()));
            entry.cadence = before.cadence;
            self.agenda.insert(entry.ticket(entry.cadence.due()));
        }
        if let Some(due) = before.waiting {
            entry.waiting = Some(due);
            self.slots.wait(&entry.check.target, entry.ticket(due));
        }
        entry
    }

    fn removed(&mut self, entry: &Entry) {
        self.agenda.remove(&entry.ticket(entry.cadence.due()));
        if let Some(due) = entry.waiting {
            self.slots.leave(&entry.check.target, &entry.ticket(due));
        }
    }

    /// When to tick next: a time that is past means at once. None if nothing is ever due.
    pub fn next_due(&self) -> Option<Duration> {
        let due = self.agenda.first().map(|(due, _)| *due);
        let can_start = self.slots.next().map(|((due, _), _)| *due);
        due.into_iter().chain(can_start).min()
    }

    /// What is to be done now.
    pub fn tick(&mut self, now: Duration) -> Vec<Decision> {
        let now = self.at(now);
        let mut decisions = Vec::new();
        while self.agenda.first().is_some_and(|(due, _)| *due <= now) {
            if let Some(ticket) = self.agenda.pop_first() {
                self.fall_due(ticket, now, &mut decisions);
            }
        }
        while let Some((ticket, target)) = self.slots.next() {
            let (ticket, target) = (ticket.clone(), target.clone());
            self.slots.leave(&target, &ticket);
            self.start(ticket, target, now, &mut decisions);
        }
        decisions
    }

    /// A check is due: its run waits from now on, or is skipped.
    fn fall_due(&mut self, (first, name): Ticket, now: Duration, decisions: &mut Vec<Decision>) {
        let Some(entry) = self.checks.get_mut(&name) else {
            return;
        };
        let passed = entry.cadence.pass(now, &mut self.chance);
        self.agenda.insert(entry.ticket(entry.cadence.due()));
        if passed.missed > 0 {
            let runs = passed.missed;
            decisions.push(entry.skip(first, SkipReason::Missed { runs }));
        }
        let Some(due) = passed.due else { return };
        let reason = if self.running.contains_key(&name) {
            Some(SkipReason::StillRunning)
        } else if entry.waiting.is_some() {
            Some(SkipReason::StillWaiting)
        } else {
            circuit_of(&entry.check)
                .and_then(|circuit| self.circuits.refusal(&circuit, now))
                .map(|until| SkipReason::CircuitOpen { until })
        };
        match reason {
            Some(reason) => decisions.push(entry.skip(due, reason)),
            None => {
                entry.waiting = Some(due);
                self.slots.wait(&entry.check.target, (due, name));
            }
        }
    }

    /// A run that waited has found a free slot: it starts, unless the breaker has opened meanwhile.
    fn start(
        &mut self,
        (due, name): Ticket,
        target: TargetKey,
        now: Duration,
        decisions: &mut Vec<Decision>,
    ) {
        let Some(entry) = self.checks.get_mut(&name) else {
            return;
        };
        entry.waiting = None;
        let circuit = circuit_of(&entry.check);
        let admission = circuit
            .as_ref()
            .map_or(Admission::Run, |circuit| self.circuits.admit(circuit, &name, now));
        let is_probe = matches!(admission, Admission::Probe(_));
        match (admission, &circuit) {
            (Admission::Refused(until), _) => {
                return decisions.push(entry.skip(due, SkipReason::CircuitOpen { until }));
            }
            (Admission::Probe(change), Some(circuit)) => {
                decisions.push(Decision::Transition(transition(circuit, change)));
            }
            _ => {}
        }
        entry.started += 1;
        let number = entry.started;
        self.slots.take(&target);
        let running = Running {
            since: now,
            target,
            circuit,
        };
        self.running.insert(Arc::clone(&name), running);
        decisions.push(Decision::Start {
            name,
            due,
            number,
            is_probe,
        });
    }

    /// The run of a check is over, however it ended. Its slot is free: tick after this. Says whether that changed
    /// the state of a breaker.
    pub fn finished(&mut self, name: &str, verdict: &Verdict, now: Duration) -> Option<Transition> {
        let now = self.at(now);
        let (name, running) = self.running.remove_entry(name)?;
        self.slots.give_back(&running.target);
        let chance = self.chance.random();
        self.circuits
            .record(&running.circuit?, &name, verdict, now, chance)
    }

    /// Whether a run that counts nowhere may begin at a target beside those of this check: one at a time, and only
    /// where a slot is to spare, which it has then. Its end is to be told, or the slot is never free again.
    pub fn start_beside(&mut self, name: &Arc<str>, target: &TargetKey) -> bool {
        let may_start = !self.beside.contains_key(name) && self.slots.take_spare(target);
        if may_start {
            self.beside.insert(Arc::clone(name), target.clone());
        }
        may_start
    }

    /// The run beside those of this check is over. Its slot is free: tick after this.
    pub fn finished_beside(&mut self, name: &str) {
        if let Some(target) = self.beside.remove(name) {
            self.slots.give_back_spare(&target);
        }
    }

    /// All breakers, by target and plugin.
    pub fn breakers(&self) -> impl Iterator<Item = BreakerView> {
        self.circuits.views()
    }

    /// The breaker of a target and a plugin.
    pub fn breaker(&self, target: &TargetKey, plugin: &str) -> Option<BreakerView> {
        self.circuits.view(&(target.clone(), plugin.to_owned()))
    }

    /// What is to be told of a check.
    pub fn view(&self, name: &str) -> Option<View> {
        let entry = self.checks.get(name)?;
        Some(View {
            next_due: entry.cadence.due(),
            running_since: self.running.get(name).map(|running| running.since),
            waiting_since: entry.waiting,
            started: entry.started,
            skipped: entry.skipped,
        })
    }

    /// How many runs go on, those beside others included.
    pub fn running(&self) -> usize {
        self.slots.taken()
    }

    /// How many runs wait for a free slot.
    pub fn waiting(&self) -> usize {
        self.slots.waiting()
    }

    /// The time, which never goes back, whatever the caller says.
    fn at(&mut self, now: Duration) -> Duration {
        self.now = self.now.max(now);
        self.now
    }
}

impl Entry {
    fn ticket(&self, due: Duration) -> Ticket {
        (due, Arc::clone(&self.check.name))
    }

    fn skip(&mut self, due: Duration, reason: SkipReason) -> Decision {
        self.skipped.count(reason);
        Decision::Skip {
            name: Arc::clone(&self.check.name),
            due,
            reason,
        }
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
