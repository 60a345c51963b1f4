//! Which checks there are, and since when each counts. What is counted of them does not live here.
//!
//! A check that was removed and comes back counts from the start, with a start time of its own: whoever works out
//! rates then takes it for what it is, and not for a counter that fell.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use opentelemetry::KeyValue;

use super::metrics::{Owner, nanoseconds};
use super::names;
use crate::outcome::Report;

/// Up to how many checks the histograms are of each check. The three of a check are nine tenths of what a page of
/// metrics says of it: 20 kB, 200 MB for so many checks. With more, they are of each plugin.
pub(super) const MOST_WITH_HISTOGRAMS: usize = 10_000;

/// The checks.
#[derive(Debug)]
pub(super) struct Checks {
    /// When the process began, in nanoseconds since 1970.
    began: u64,
    known: RwLock<Known>,
}

/// What is known of them.
#[derive(Debug)]
pub(super) struct Known {
    /// Whether somebody said which ones there are; else there are those whose reports come.
    is_said: bool,
    by_name: HashMap<Box<str>, Check>,
    each_check: bool,
}

/// A check.
#[derive(Debug, Clone)]
pub(super) struct Check {
    owner: Owner,
    plugin: Box<str>,
}

impl Check {
    fn new(name: &str, plugin: &str, start: u64) -> Self {
        let base = [
            KeyValue::new(names::CHECK, name.to_owned()),
            KeyValue::new(names::TYPE, plugin.to_owned()),
        ];
        Self {
            owner: Owner::new(name, base, start),
            plugin: plugin.into(),
        }
    }

    /// Its series.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Its plugin.
    pub(super) fn plugin(&self) -> &str {
        &self.plugin
    }
}

impl Known {
    /// A check that there is.
    pub(super) fn get(&self, name: &str) -> Option<&Check> {
        self.by_name.get(name)
    }

    /// Whether the histograms are of each check.
    pub(super) fn each_check(&self) -> bool {
        self.each_check
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Check> {
        self.by_name.values()
    }
}

impl Checks {
    /// None yet; nobody has said which ones there are.
    pub(super) fn new(began: u64) -> Self {
        Self {
            began,
            known: RwLock::new(Known {
                is_said: false,
                by_name: HashMap::new(),
                each_check: true,
            }),
        }
    }

    /// What is known, and stays so for as long as this is held.
    pub(super) fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, with the check of a report if nobody has said which ones there are.
    pub(super) fn known_with(&self, report: &Report) -> RwLockReadGuard<'_, Known> {
        let plugin = &report.plugin.name;
        let known = self.known();
        let is_there = known
            .get(&report.check)
            .is_some_and(|check| *check.plugin == **plugin);
        if is_there || known.is_said {
            return known;
        }
        drop(known);
        // A report that is read again from the journal is older than the process.
        let start = self.began.min(nanoseconds(report.started + report.duration));
        self.put(&report.check, plugin, start);
        self.known()
    }

    /// Puts a check back that counts since then; false if there is no such check any more.
    pub(super) fn restore(&self, name: &str, plugin: &str, start: u64) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_there = known.get(name).is_some_and(|check| *check.plugin == *plugin);
        let is_taken = is_there || !known.is_said;
        if is_taken {
            known.by_name.insert(name.into(), Check::new(name, plugin, start));
        }
        is_taken
    }

    /// Puts a check in, where it is not there with this plugin.
    fn put(&self, name: &str, plugin: &str, start: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_there = known.get(name).is_some_and(|check| *check.plugin == *plugin);
        if !is_there {
            known.by_name.insert(name.into(), Check::new(name, plugin, start));
        }
    }

    /// Has the histograms be of each check, or of each plugin.
    pub(super) fn set_each_check(&self, each_check: bool) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.each_check = each_check;
    }

    /// Says which checks there are besides from this moment on, each with its plugin. `forget` is given who is kept: not
    /// a check that has another plugin now.
    pub(super) fn add<'a>(
        &self,
        checks: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: u64,
        forget: impl FnOnce(&dyn Fn(&str) -> bool),
    ) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = HashSet::new();
        for (name, plugin) in checks {
            let last = known.get(name);
            if last.is_some_and(|check| *check.plugin == *plugin) {
                continue;
            }
            if last.is_some() {
                changed.insert(name);
            }
            known.by_name.insert(name.into(), Check::new(name, plugin, now));
        }
        if !changed.is_empty() {
            forget(&|name| !changed.contains(name));
        }
    }

    /// Says which checks there are at this moment, each with its plugin, and has what is not there any more be
    /// forgotten before any other report is taken. `forget` is given who is kept, and whether histograms are now of
    /// something else than they were.
    pub(super) fn set<'a>(
        &self,
        checks: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: u64,
        forget: impl FnOnce(&dyn Fn(&str) -> bool, Option<bool>),
    ) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut known.by_name);
        // At the beginning of the process nothing was missed of them.
        let start = if known.is_said { now } else { self.began };
        let mut changed = HashSet::new();
        for (name, plugin) in checks {
            let check = match before.remove(name) {
                Some(check) if *check.plugin == *plugin => check,
                Some(_) => {
                    changed.insert(name);
                    Check::new(name, plugin, now)
                }
                None => Check::new(name, plugin, start),
            };
            known.by_name.insert(name.into(), check);
        }
        known.is_said = true;
        let each_check = known.by_name.len() <= MOST_WITH_HISTOGRAMS;
        let is_other = (each_check != known.each_check).then_some(each_check);
        known.each_check = each_check;
        let keep = |name: &str| known.by_name.contains_key(name) && !changed.contains(name);
        forget(&keep, is_other);
    }
}
