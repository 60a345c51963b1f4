//! What plugins measure, as gauges of the measurement's own name and unit under
//! `synthetic.check.measurement.`, with the check's attributes and the measurement's. How many
//! instruments there are is bounded, and so are their series.
//!
//! A gauge keeps its last value until the next run that measures it, or until the check is gone.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;

use super::exposition::label_name;
use super::metrics::catalogue::{Definition, Kind};
use super::metrics::{Instrument, Owner, Registry, Value};
use super::names;
use crate::outcome::Measurement;
use crate::text;

/// How many different names are exported: some 60 plugins with 4 measurements each.
const MAX_INSTRUMENTS: usize = 256;
/// Series of one name: what a plugin can make of it is bounded, and less than what checks can.
const MAX_SERIES: usize = 20_000;
/// The longest measurement name, in bytes: OpenTelemetry allows instruments 255 with the prefix.
const MAX_NAME: usize = 255 - names::METRIC_MEASUREMENT_PREFIX.len();
/// The longest unit, in characters (OpenTelemetry metrics API, instrument unit).
const MAX_UNIT: usize = 63;

#[derive(Debug)]
pub(super) struct Measurements {
    registry: Arc<Registry>,
    gauges: Mutex<Gauges>,
}

#[derive(Debug, Default)]
struct Gauges {
    by_name: HashMap<String, Arc<Instrument>>,
    refused: BTreeSet<String>,
}

impl Measurements {
    /// None yet.
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            gauges: Mutex::default(),
        }
    }

    /// Sets the gauges of what a run measured.
    pub(super) fn record(&self, owner: &Owner, measurements: &[Measurement], injected: Option<&KeyValue>) {
        for measurement in measurements {
            if let Some(key) = measurement.attributes.keys().find(|key| is_ours(key)) {
                let name = told(&measurement.name);
                let key = told(key);
                self.refuse(format!(
                    "the measurement `{name}` has the attribute `{key}`, whose beginning is the host's"
                ));
                continue;
            }
            let Some(gauge) = self.gauge(&measurement.name, &measurement.unit) else {
                continue;
            };
            let own = measurement.attributes.iter();
            let own = own.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
            let own: Vec<KeyValue> = own.chain(injected.cloned()).collect();
            gauge.set(owner, &own, Value::Real(measurement.value));
        }
    }

    /// Forgets what other checks than these measured. A name that nobody measures any more is free for another one. To
    /// be called while nothing is recorded.
    pub(super) fn retain(&self, keep: &dyn Fn(&str) -> bool) {
        self.lock().by_name.retain(|_, gauge| {
            gauge.retain(keep);
            // What is over the limit belongs to nobody, and how much that was is a counter.
            let is_measured = gauge.held() > 0 || gauge.overflowed() > 0;
            if !is_measured {
                self.registry.remove(gauge);
            }
            is_measured
        });
    }

    /// Those that there are.
    pub(super) fn instruments(&self) -> Vec<Arc<Instrument>> {
        self.lock().by_name.values().cloned().collect()
    }

    /// Why measurements were left out, once each.
    pub(super) fn refused(&self) -> Vec<String> {
        self.lock().refused.iter().cloned().collect()
    }

    /// The gauge of a measurement; none when it cannot be exported, which is said.
    pub(super) fn gauge(&self, name: &str, unit: &str) -> Option<Arc<Instrument>> {
        let found = self.lock().gauge(name, unit, &self.registry);
        found.map_err(|refusal| self.refuse(refusal)).ok()
    }

    /// Says why a measurement is left out, once.
    fn refuse(&self, refusal: String) {
        let mut gauges = self.lock();
        if gauges.refused.len() < MAX_INSTRUMENTS && gauges.refused.insert(refusal.clone()) {
            drop(gauges);
            tracing::warn!("not exported: {refusal}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gauges> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauges {
    /// The gauge of a measurement, made if need be; the error is why it is left out.
    fn gauge(&mut self, name: &str, unit: &str, registry: &Registry) -> Result<Arc<Instrument>, String> {
        if let Some(gauge) = self.by_name.get(name) {
            let known = &gauge.definition().unit;
            if known == unit {
                return Ok(Arc::clone(gauge));
            }
            let unit = told(unit);
            return Err(format!(
                "the measurement `{name}` has the unit `{unit}`, and had `{known}` before"
            ));
        }
        if self.by_name.len() >= MAX_INSTRUMENTS {
            return Err(format!("measurements of more than {MAX_INSTRUMENTS} names"));
        }
        if !is_name(name) || !is_unit(unit) {
            return Err("a measurement whose name or unit a metric cannot have".to_owned());
        }
        let gauge = registry.make(&definition(name, unit));
        self.by_name.insert(name.to_owned(), Arc::clone(&gauge));
        Ok(gauge)
    }
}

fn definition(name: &str, unit: &str) -> Definition {
    Definition {
        name: Cow::Owned(format!("{}{name}", names::METRIC_MEASUREMENT_PREFIX)),
        kind: Kind::Gauge,
        unit: Cow::Owned(unit.to_owned()),
        // And the plugin's own.
        attributes: &[names::CHECK, names::TYPE, names::FAULT_INJECTED],
        limit: MAX_SERIES,
        description: "Measured by a plugin.",
    }
}

/// Whether an attribute says what only we say, such as whose a measurement is. The text for Prometheus joins values
/// under one label whose names are told apart by such characters only.
fn is_ours(key: &str) -> bool {
    let label = label_name(key);
    ["synthetic_", "otel_"].iter().any(|ours| label.starts_with(ours))
}

/// A plugin's words, harmless in a line.
fn told(words: &str) -> String {
    text::told(words, MAX_NAME)
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(allowed)
}

fn is_unit(unit: &str) -> bool {
    unit.len() <= MAX_UNIT && unit.is_ascii()
}
