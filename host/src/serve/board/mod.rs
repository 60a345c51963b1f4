//! What is known of every check, for whoever asks: the daemon writes it down here, the endpoints read it.
//! Nothing is decided here.
//!
//! A run takes one short lock of its own check; whoever reads takes one check after the other, so that no
//! run waits for a reader of all of them.

mod facts;
mod weight;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Instant, SystemTime};

pub use facts::{
    BreakerFacts, CheckFacts, CheckSnapshot, LastReload, LastRun, OutcomeCounts, PluginFacts, Readiness,
    Refusal, RefusedFileFacts, ShadowFacts,
};
use weight::weight;

use crate::outcome::{ErrorType, Outcome, Report};

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The reports of a check. Default 10: enough to see whether a failure is the first one.
    pub reports: usize,
    /// The memory of the reports of all checks together, in bytes, estimated. Each check has an equal share and
    /// keeps as many of its reports as fit into it, which may be none; how its last run ended is always kept.
    /// Default 256 MiB: ten plain reports of 10,000 checks, and one of 100,000.
    pub memory: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            reports: 10,
            memory: 256 * 1024 * 1024,
        }
    }
}

/// What is known of every check.
#[derive(Debug)]
pub struct Board {
    keep: Keep,
    started: (Instant, SystemTime),
    checks: RwLock<BTreeMap<String, Arc<Mutex<Entry>>>>,
    breakers: Mutex<BTreeMap<(String, String), BreakerFacts>>,
    general: Mutex<General>,
}

#[derive(Debug, Default)]
struct General {
    plugins: Arc<[PluginFacts]>,
    refused: Arc<[RefusedFileFacts]>,
    generation: u64,
    last_reload: Option<LastReload>,
    readiness: Readiness,
}

/// A check and its past.
#[derive(Debug)]
struct Entry {
    facts: Arc<CheckFacts>,
    next_due: Option<Instant>,
    running_since: Option<Instant>,
    state: &'static str,
    state_since: Option<SystemTime>,
    outcomes: OutcomeCounts,
    skipped: BTreeMap<String, u64>,
    last: Option<LastRun>,
    /// The newest first, each with its weight.
    reports: VecDeque<(Arc<Report>, usize)>,
}

impl Board {
    /// Nothing is known yet; the daemon began now.
    pub fn new(keep: Keep) -> Arc<Self> {
        Arc::new(Self {
            keep,
            started: (Instant::now(), SystemTime::now()),
            checks: RwLock::default(),
            breakers: Mutex::default(),
            general: Mutex::default(),
        })
    }

    /// Says which checks are gone, and which are new or are shown otherwise from now on; these keep their past.
    /// Takes as long as there are of them, however many others there are.
    pub fn change_checks(&self, gone: &[Arc<str>], different: &[Arc<CheckFacts>]) {
        let mut known = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        for name in gone {
            known.remove(&**name);
        }
        for facts in different {
            match known.get(&facts.name) {
                Some(entry) => lock(entry).show(Arc::clone(facts)),
                None => {
                    let entry = Entry::new(Arc::clone(facts));
                    known.insert(facts.name.clone(), Arc::new(Mutex::new(entry)));
                }
            }
        }
    }

    /// Drops reports that do not fit any more since there are more checks. A check that has a run sees to its own.
    pub fn trim(&self) {
        let entries: Vec<_> = self.read().values().map(Arc::clone).collect();
        let share = self.share(entries.len());
        for entry in entries {
            lock(&entry).trim(self.keep.reports, share);
        }
    }

    /// A check is another one from now on, in this state: that of before says nothing of it.
    pub fn begun_anew(&self, check: &str, state: &'static str) {
        self.with(check, |entry| {
            entry.state = state;
            entry.state_since = None;
        });
    }

    /// Says when a check's next run is due.
    pub fn due(&self, check: &str, at: Instant) {
        self.with(check, |entry| entry.next_due = Some(at));
    }

    /// A run has begun.
    pub fn started(&self, check: &str) {
        self.with(check, |entry| entry.running_since = Some(Instant::now()));
    }

    /// A run is over. The state is that of the check since: `unknown`, `passing`, `warning` or `failing`.
    pub fn finished(&self, report: Arc<Report>, state: &'static str) {
        let share = self.share(self.read().len());
        let check = report.check.clone();
        self.with(&check, |entry| {
            entry.running_since = None;
            entry.set_state(state);
            entry.take(report, self.keep.reports, share);
        });
    }

    /// A run did not take place, or was cancelled.
    pub fn skipped(&self, report: Arc<Report>) {
        let share = self.share(self.read().len());
        let check = report.check.clone();
        self.with(&check, |entry| {
            let reason = report.error.as_ref().map(|error| &error.error_type);
            // The run because of which this one is skipped goes on.
            if reason != Some(&ErrorType::StillRunning) {
                entry.running_since = None;
            }
            entry.take(report, self.keep.reports, share);
        });
    }

    /// Runs whose time passed without anybody noticing it.
    pub fn missed(&self, check: &str, runs: u64) {
        self.with(check, |entry| {
            *entry.skipped.entry("missed".to_owned()).or_default() += runs
        });
    }

    /// Says where a breaker stands.
    pub fn breaker(&self, breaker: BreakerFacts) {
        let circuit = (breaker.target.clone(), breaker.plugin.clone());
        lock(&self.breakers).insert(circuit, breaker);
    }

    /// No check has this breaker any more.
    pub fn breaker_gone(&self, target: &str, plugin: &str) {
        lock(&self.breakers).remove(&(target.to_owned(), plugin.to_owned()));
    }

    /// Says which plugins are loaded, and which files in their folder are not used.
    pub fn set_plugins(&self, plugins: Vec<PluginFacts>, refused: Vec<RefusedFileFacts>) {
        let mut general = lock(&self.general);
        general.plugins = plugins.into();
        general.refused = refused.into();
    }

    /// A configuration was taken, as this generation, or refused, with a message for people.
    pub fn reloaded(&self, result: Result<u64, String>) {
        let mut general = lock(&self.general);
        if let Ok(generation) = result {
            general.generation = generation;
        }
        general.last_reload = Some(LastReload {
            at: SystemTime::now(),
            ok: result.is_ok(),
            message: result.err(),
        });
    }

    /// Says whether the daemon does its work.
    pub fn set_readiness(&self, readiness: Readiness) {
        lock(&self.general).readiness = readiness;
    }

    /// Whether it does.
    pub fn readiness(&self) -> Readiness {
        lock(&self.general).readiness
    }

    /// When the daemon began, and how long ago that is, whatever happened to the clock since.
    pub fn uptime(&self) -> (SystemTime, std::time::Duration) {
        (self.started.1, self.started.0.elapsed())
    }

    /// The generation of the configuration in force, 0 before the first, and the last attempt at another one.
    pub fn generation(&self) -> (u64, Option<LastReload>) {
        let general = lock(&self.general);
        (general.generation, general.last_reload.clone())
    }

    /// The plugins that are loaded.
    pub fn plugins(&self) -> Arc<[PluginFacts]> {
        Arc::clone(&lock(&self.general).plugins)
    }

    /// The files in their folder that are not used.
    pub fn refused_files(&self) -> Arc<[RefusedFileFacts]> {
        Arc::clone(&lock(&self.general).refused)
    }

    /// The breakers in the order of their targets, at most `limit` that come after this target and plugin, and how many
    /// there are in all.
    pub fn breakers(&self, after: Option<(&str, &str)>, limit: usize) -> (Vec<BreakerFacts>, usize) {
        let after = after.map(|(target, plugin)| (target.to_owned(), plugin.to_owned()));
        let breakers = lock(&self.breakers);
        let range = breakers.range((after.map_or(Unbounded, Excluded), Unbounded));
        let shown = range.take(limit).map(|(_, breaker)| breaker.clone());
        (shown.collect(), breakers.len())
    }

    /// How many checks there are.
    pub fn check_count(&self) -> usize {
        self.read().len()
    }

    /// The checks in the order of their names, at most `limit` that come after the name `after`.
    pub fn checks(&self, after: Option<&str>, limit: usize) -> Vec<CheckSnapshot> {
        let from = after.map_or(Unbounded, Excluded);
        let entries: Vec<_> = {
            let checks = self.read();
            let range = checks.range::<str, _>((from, Unbounded));
            range.take(limit).map(|(_, entry)| Arc::clone(entry)).collect()
        };
        entries.iter().map(|entry| self.snapshot(&lock(entry))).collect()
    }

    /// A check.
    pub fn check(&self, name: &str) -> Option<CheckSnapshot> {
        let entry = self.entry(name)?;
        Some(self.snapshot(&lock(&entry)))
    }

    /// The kept reports of a check, the newest first; none of a check that there is not.
    pub fn reports(&self, name: &str) -> Option<Vec<Arc<Report>>> {
        let entry = self.entry(name)?;
        let entry = lock(&entry);
        Some(
            entry
                .reports
                .iter()
                .map(|(report, _)| Arc::clone(report))
                .collect(),
        )
    }

    fn snapshot(&self, entry: &Entry) -> CheckSnapshot {
        let facts = Arc::clone(&entry.facts);
        CheckSnapshot {
            breaker: self.breaker_of(&facts),
            facts,
            next_due: entry.next_due,
            running_since: entry.running_since,
            state: entry.state,
            state_since: entry.state_since,
            outcomes: entry.outcomes,
            skipped: entry.skipped.clone(),
            last: entry.last.clone(),
            report: entry.reports.front().map(|(report, _)| Arc::clone(report)),
        }
    }

    /// The state of a check's breaker; none of one that has none, though others of its target share one.
    fn breaker_of(&self, check: &CheckFacts) -> Option<&'static str> {
        let circuit = (check.target.clone(), check.plugin.name.clone());
        let breakers = lock(&self.breakers);
        let breaker = breakers.get(&circuit)?;
        let place = breaker.checks.binary_search_by(|name| (**name).cmp(&check.name));
        place.is_ok().then_some(breaker.state)
    }

    fn share(&self, checks: usize) -> usize {
        self.keep.memory / checks.max(1)
    }

    fn with(&self, check: &str, change: impl FnOnce(&mut Entry)) {
        // A run that was under way when its check was removed has nobody to tell.
        if let Some(entry) = self.entry(check) {
            change(&mut lock(&entry));
        }
    }

    fn entry(&self, check: &str) -> Option<Arc<Mutex<Entry>>> {
        self.read().get(check).map(Arc::clone)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Mutex<Entry>>>> {
        self.checks.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(facts: Arc<CheckFacts>) -> Self {
        Self {
            facts,
            next_due: None,
            running_since: None,
            state: "unknown",
            state_since: None,
            outcomes: OutcomeCounts::default(),
            skipped: BTreeMap::new(),
            last: None,
            reports: VecDeque::new(),
        }
    }

    fn show(&mut self, facts: Arc<CheckFacts>) {
        if facts.every.is_none() {
            self.next_due = None;
        }
        self.facts = facts;
    }

    fn set_state(&mut self, state: &'static str) {
        if self.state != state || self.state_since.is_none() {
            self.state = state;
            self.state_since = Some(SystemTime::now());
        }
    }

    fn take(&mut self, report: Arc<Report>, most: usize, share: usize) {
        self.outcomes.add(report.outcome);
        if report.outcome == Outcome::Skipped {
            let reason = report
                .error
                .as_ref()
                .map_or("", |error| error.error_type.as_str());
            *self.skipped.entry(reason.to_owned()).or_default() += 1;
        }
        self.last = Some(LastRun::of(&report));
        let weight = weight(&report);
        self.reports.push_front((report, weight));
        self.trim(most, share);
    }

    /// Drops the oldest reports until there are no more than `most` and they fit.
    fn trim(&mut self, most: usize, share: usize) {
        let mut held: usize = self.reports.iter().map(|(_, weight)| weight).sum();
        while self.reports.len() > most || held > share {
            let Some((_, weight)) = self.reports.pop_back() else {
                break;
            };
            held -= weight;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is written down is whole at any moment, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
