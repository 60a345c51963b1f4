//! The values of an instrument that are kept here and shown to the SDK when it collects. The SDK never
//! forgets what a synchronous instrument was told; what is kept here is forgotten with its owner, so that
//! a check that was removed leaves no series behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;

/// The owner of what is over the limit, which no check can be.
const NOBODY: &str = "";

/// Values by their owner (a check, a target) and their attributes.
#[derive(Debug)]
pub(super) struct Series<T> {
    limit: usize,
    held: Mutex<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    by_owner: HashMap<String, HashMap<Arc<[KeyValue]>, T>>,
    count: usize,
}

impl<T: Copy> Series<T> {
    /// None yet. More sets of attributes than `limit` are one, `otel.metric.overflow`, as in the SDK.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let held = Held {
            by_owner: HashMap::new(),
            count: 0,
        };
        Arc::new(Self {
            limit,
            held: Mutex::new(held),
        })
    }

    /// Sets a value.
    pub(super) fn set(&self, owner: &str, attributes: &[KeyValue], value: T) {
        self.update(owner, attributes, value, |held| *held = value);
    }

    /// Forgets what belongs to the owners that are not to be kept.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut held = self.lock();
        held.by_owner.retain(|owner, _| owner == NOBODY || keep(owner));
        held.count = held.by_owner.values().map(HashMap::len).sum();
    }

    /// Shows every value with its attributes. Runs go on counting meanwhile: with many thousand checks it takes
    /// seconds.
    pub(super) fn observe(&self, mut observe: impl FnMut(T, &[KeyValue])) {
        let held: Vec<(Arc<[KeyValue]>, T)> = {
            let held = self.lock();
            let values = held.by_owner.values().flatten();
            values
                .map(|(attributes, value)| (Arc::clone(attributes), *value))
                .collect()
        };
        for (attributes, value) in held {
            observe(value, &attributes);
        }
    }

    fn update(&self, owner: &str, attributes: &[KeyValue], first: T, change: impl FnOnce(&mut T)) {
        let mut held = self.lock();
        let known = held
            .by_owner
            .get_mut(owner)
            .and_then(|values| values.get_mut(attributes));
        if let Some(value) = known {
            return change(value);
        }
        let is_over = held.count >= self.limit;
        held.count += usize::from(!is_over);
        let (owner, attributes) = if is_over {
            (NOBODY, Arc::from([KeyValue::new("otel.metric.overflow", true)]))
        } else {
            (owner, Arc::from(attributes))
        };
        let values = held.by_owner.entry(owner.to_owned()).or_default();
        values.entry(attributes).and_modify(change).or_insert(first);
    }

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        // Whole at any moment, whoever panicked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series<u64> {
    /// Adds to a count.
    pub(super) fn add(&self, owner: &str, attributes: &[KeyValue], more: u64) {
        self.update(owner, attributes, more, |count| {
            *count = count.saturating_add(more)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(series: &Series<u64>) -> Vec<String> {
        let mut shown = Vec::new();
        series.observe(|value, attributes| {
            let attributes: Vec<String> = attributes
                .iter()
                .map(|pair| format!("{}={}", pair.key, pair.value))
                .collect();
            shown.push(format!("{} {value}", attributes.join(",")));
        });
        shown.sort();
        shown
    }

    fn number(value: i64) -> [KeyValue; 1] {
        [KeyValue::new("number", value)]
    }

    #[test]
    fn what_belonged_to_a_removed_owner_is_forgotten() {
        let series = Series::new(10);
        series.add("page", &number(1), 1);
        series.add("page", &number(1), 2);
        series.add("mail", &number(2), 5);
        series.set("mail", &number(3), 7);
        assert_eq!(shown(&series), ["number=1 3", "number=2 5", "number=3 7"]);
        series.retain(|owner| owner == "page");
        assert_eq!(shown(&series), ["number=1 3"]);
    }

    #[test]
    fn what_is_over_the_limit_is_added_up_and_there_is_room_again_after_a_removal() {
        let series = Series::new(2);
        for value in 1..=4 {
            series.add("page", &number(value), 1);
        }
        assert_eq!(
            shown(&series),
            ["number=1 1", "number=2 1", "otel.metric.overflow=true 2"]
        );
        series.add("page", &number(1), 1);
        series.retain(|owner| owner != "page");
        series.add("mail", &number(5), 1);
        assert_eq!(shown(&series), ["number=5 1", "otel.metric.overflow=true 2"]);
    }

    #[test]
    fn counting_goes_on_while_the_values_are_shown() {
        let series = Series::new(10);
        series.add("page", &number(1), 1);
        series.observe(|_, _| {
            let is_free = series.held.try_lock().is_ok();
            assert!(is_free, "a run would wait until all of them are shown");
        });
    }
}
