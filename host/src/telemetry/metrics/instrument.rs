//! An instrument: values by their owner and their attributes, within a limit.
//!
//! What all series of an owner have in common stands once, and what differs is shared among owners: with many thousand
//! checks that is most of the memory.
//!
//! Locks are held for a part of the owners at a time, so that runs go on counting while all of it is shown.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use opentelemetry::KeyValue;

use super::catalogue::{Definition, Kind};
use super::{Exemplar, Histogram, Owner};

/// Parts with a lock each. With 100,000 checks one is copied in a few milliseconds, which is how long a run may wait.
const PARTS: usize = 32;
/// With what is over the limit.
pub(super) const ALL_PARTS: usize = PARTS + 1;
/// The attribute of what is over the limit (OpenTelemetry SDK specification, section "Overflow attribute").
const OVERFLOW: &str = "otel.metric.overflow";

/// A value with its attributes.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) struct Series {
    /// The attributes that are not its owner's.
    pub(in crate::telemetry) own: Arc<[KeyValue]>,
    /// Since when it counts, in nanoseconds since 1970.
    pub(in crate::telemetry) start: u64,
    /// The value.
    pub(in crate::telemetry) value: Value,
    /// The newest one of a number; those of a histogram are its own.
    pub(in crate::telemetry) exemplar: Option<Box<Exemplar>>,
}

/// What a series holds.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) enum Value {
    /// A count, or another whole number.
    Whole(i64),
    /// A finite number.
    Real(f64),
    /// Counted values.
    Histogram(Box<Histogram>),
}

/// The values of a metric.
#[derive(Debug)]
pub(in crate::telemetry) struct Instrument {
    definition: Definition,
    is_exponential: bool,
    parts: [Mutex<Part>; PARTS],
    overflow: Mutex<Option<Series>>,
    held: AtomicUsize,
    overflowed: AtomicU64,
    refused: AtomicU64,
    /// No new series counts since an earlier moment, in nanoseconds since 1970.
    earliest: AtomicU64,
}

/// What an owner had at a moment.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) owner: Owner,
    pub(super) series: Vec<Series>,
}

/// Some of the owners.
#[derive(Debug, Default)]
struct Part {
    /// By the name of each.
    owners: HashTable<Owned>,
    /// Attributes that series have, each once.
    shared: HashSet<Arc<[KeyValue]>>,
}

/// The series of an owner.
#[derive(Debug)]
struct Owned {
    owner: Owner,
    series: Vec<Series>,
}

impl Series {
    fn began_by(&mut self, now: u64) {
        self.start = self.start.min(now);
        if let Value::Histogram(histogram) = &mut self.value {
            histogram.began_by(now);
        }
    }
}

impl Instrument {
    /// Without any series.
    pub(super) fn new(definition: Definition, is_exponential: bool) -> Self {
        Self {
            definition,
            is_exponential,
            parts: std::array::from_fn(|_| Mutex::default()),
            overflow: Mutex::default(),
            held: AtomicUsize::new(0),
            overflowed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            earliest: AtomicU64::new(0),
        }
    }

    /// What it is.
    pub(in crate::telemetry) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Adds to a count.
    pub(in crate::telemetry) fn add(&self, owner: &Owner, own: &[KeyValue], more: u64) {
        self.add_with(owner, own, more, None);
    }

    /// Adds to a count, with the run that it is counted for.
    pub(in crate::telemetry) fn add_with(
        &self,
        owner: &Owner,
        own: &[KeyValue],
        more: u64,
        exemplar: Option<Exemplar>,
    ) {
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        self.update(owner, own, |series| {
            if let Value::Whole(count) = &mut series.value {
                *count = count.saturating_add(more);
            }
            if let Some(exemplar) = exemplar {
                series.exemplar = Some(Box::new(exemplar));
            }
        });
    }

    /// Sets a number, and refuses one that is none.
    pub(in crate::telemetry) fn set(&self, owner: &Owner, own: &[KeyValue], value: Value) {
        if matches!(value, Value::Real(number) if !number.is_finite()) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.update(owner, own, |series| series.value = value);
    }

    /// Counts a value of a histogram, and refuses one that is negative or no number: a single one would spoil the sum.
    pub(in crate::telemetry) fn record(
        &self,
        owner: &Owner,
        own: &[KeyValue],
        value: f64,
        exemplar: Option<Exemplar>,
    ) {
        if !value.is_finite() || value < 0.0 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let bounds = self.definition.bounds();
        self.update(owner, own, |series| {
            if let Value::Histogram(histogram) = &mut series.value {
                histogram.record(value, bounds, exemplar);
            }
        });
    }

    /// Forgets what belongs to checks that are not to be kept.
    pub(in crate::telemetry) fn retain(&self, keep: impl Fn(&str) -> bool) {
        for part in &self.parts {
            let mut part = lock(part);
            let Part { owners, shared } = &mut *part;
            owners.retain(|owned| {
                let is_kept = owned.owner.is_nobody() || keep(owned.owner.name());
                if !is_kept {
                    self.held.fetch_sub(owned.series.len(), Ordering::Relaxed);
                }
                is_kept
            });
            shared.retain(|attributes| Arc::strong_count(attributes) > 1);
        }
    }

    /// Forgets what belongs to nobody.
    pub(in crate::telemetry) fn forget_unowned(&self) {
        self.forget(&Owner::nobody(0));
    }

    /// Forgets what belongs to this owner.
    pub(in crate::telemetry) fn forget(&self, owner: &Owner) {
        let mut part = lock(self.part(owner));
        let found = part
            .owners
            .find_entry(owner.hash(), |owned| owned.owner.has_name_of(owner));
        if let Ok(found) = found {
            let (owned, _) = found.remove();
            self.held.fetch_sub(owned.series.len(), Ordering::Relaxed);
        }
    }

    /// Shows every series with its owner.
    pub(in crate::telemetry) fn each(&self, mut visit: impl FnMut(&Owner, &Series)) {
        for part in 0..ALL_PARTS {
            for Copied { owner, series } in &self.copied(part) {
                series.iter().for_each(|series| visit(owner, series));
            }
        }
    }

    /// What a part of the owners has, as it is now.
    pub(super) fn copied(&self, part: usize) -> Vec<Copied> {
        if let Some(part) = self.parts.get(part) {
            let part = lock(part);
            let owners = part.owners.iter();
            return owners
                .map(|owned| Copied {
                    owner: owned.owner.clone(),
                    series: owned.series.clone(),
                })
                .collect();
        }
        let overflow = lock(&self.overflow).clone();
        let overflow = overflow.map(|series| Copied {
            owner: Owner::nobody(series.start),
            series: vec![series],
        });
        overflow.into_iter().collect()
    }

    /// What a part of the owners has, and they themselves, began at this moment at the latest: the clock was set back.
    /// A point that begins when it is taken is a reset for receivers, and nothing that was added since another point.
    pub(super) fn began_by(&self, part: usize, now: u64) {
        self.earliest.fetch_min(now, Ordering::Relaxed);
        let Some(part) = self.parts.get(part) else {
            let mut overflow = lock(&self.overflow);
            return overflow.iter_mut().for_each(|series| series.began_by(now));
        };
        for owned in &mut lock(part).owners {
            owned.owner.began_by(now);
            owned.series.iter_mut().for_each(|series| series.began_by(now));
        }
    }

    /// What it counted before is not here: what comes counts since then at the earliest, however long its owners were
    /// there.
    pub(in crate::telemetry) fn starts_anew(&self, then: u64) {
        self.earliest.fetch_max(then, Ordering::Relaxed);
    }

    /// No new series counts since an earlier moment, in nanoseconds since 1970.
    pub(super) fn earliest(&self) -> u64 {
        self.earliest.load(Ordering::Relaxed)
    }

    /// Puts back a series that was kept elsewhere. It replaces what is there.
    pub(super) fn restore(&self, owner: &Owner, kept: &Series) {
        // Found again only where it is by itself: as one of many it would be there a second time after the next overflow.
        if owner.is_nobody() && *kept.own == overflow_attributes() {
            *lock(&self.overflow) = Some(kept.clone());
            return;
        }
        self.update(owner, &kept.own, |series| {
            series.start = kept.start;
            series.value = kept.value.clone();
            series.exemplar.clone_from(&kept.exemplar);
        });
    }

    /// How many series there are, without that of the overflow.
    pub(in crate::telemetry) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How often something was over the limit.
    pub(in crate::telemetry) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// How many values were refused.
    pub(in crate::telemetry) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A value before anything was counted.
    pub(super) fn nothing(&self) -> Value {
        match self.definition.kind {
            Kind::Histogram(bounds) => {
                Value::Histogram(Box::new(Histogram::new(bounds.len(), self.is_exponential)))
            }
            Kind::Counter | Kind::UpDownCounter | Kind::Gauge => Value::Whole(0),
        }
    }

    fn update(&self, owner: &Owner, own: &[KeyValue], change: impl FnOnce(&mut Series)) {
        let mut part = lock(self.part(owner));
        let Part { owners, shared } = &mut *part;
        let is_owner = |owned: &Owned| owned.owner.has_name_of(owner);
        if let Some(owned) = owners.find_mut(owner.hash(), is_owner) {
            if !owned.owner.is(owner) {
                // Another check under the same name.
                self.held.fetch_sub(owned.series.len(), Ordering::Relaxed);
                *owned = Owned::new(owner);
            }
            if let Some(series) = owned.series.iter_mut().find(|series| *series.own == *own) {
                return change(series);
            }
        }
        if self.held.fetch_add(1, Ordering::Relaxed) >= self.definition.limit {
            self.held.fetch_sub(1, Ordering::Relaxed);
            drop(part);
            return self.overflow(self.start(owner), change);
        }
        let own = shared.get(own).cloned().unwrap_or_else(|| {
            let own: Arc<[KeyValue]> = own.into();
            shared.insert(Arc::clone(&own));
            own
        });
        let mut series = Series {
            own,
            start: self.start(owner),
            value: self.nothing(),
            exemplar: None,
        };
        change(&mut series);
        let owned = owners.entry(owner.hash(), is_owner, |owned| owned.owner.hash());
        let mut owned = owned.or_insert_with(|| Owned::new(owner));
        owned.get_mut().series.push(series);
    }

    /// Since when a new series of this owner counts.
    fn start(&self, owner: &Owner) -> u64 {
        owner.start().max(self.earliest())
    }

    fn overflow(&self, start: u64, change: impl FnOnce(&mut Series)) {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        let mut overflow = lock(&self.overflow);
        change(overflow.get_or_insert_with(|| Series {
            own: overflow_attributes().into(),
            start,
            value: self.nothing(),
            exemplar: None,
        }));
    }

    fn part(&self, owner: &Owner) -> &Mutex<Part> {
        // Other bits than those by which an owner is found within its part.
        let part = (owner.hash() >> 32) % PARTS as u64;
        &self.parts[usize::try_from(part).unwrap_or_default()]
    }
}

impl Owned {
    fn new(owner: &Owner) -> Self {
        Self {
            owner: owner.clone(),
            // Most have one. Room for four of them each would be a quarter of the memory of all metrics.
            series: Vec::with_capacity(1),
        }
    }
}

fn overflow_attributes() -> [KeyValue; 1] {
    [KeyValue::new(OVERFLOW, true)]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole at any moment, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "instrument_tests.rs"]
mod tests;
