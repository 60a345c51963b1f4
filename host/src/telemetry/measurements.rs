//! What plugins measure, as gauges of the measurement's own name and unit under
//! `synthetic.check.measurement.`, with the check's attributes and the measurement's. How many
//! instruments there are is bounded, and so are their series.
//!
//! A gauge keeps its last value until the next run that measures it, or until the check is gone.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;

use super::metrics::catalogue::{Definition, Kind};
use super::metrics::{Instrument, Owner, Registry, Value};
use super::names;
use crate::outcome::Measurement;

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
            let Some(gauge) = self.gauge(&measurement.name, &measurement.unit) else {
                continue;
            };
            let own = measurement.attributes.iter();
            let own = own.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
            let own: Vec<KeyValue> = own.chain(injected.cloned()).collect();
            gauge.set(owner, &own, Value::Real(measurement.value));
        }
    }

    /// Forgets what other checks than these measured.
    pub(super) fn retain(&self, keep: &dyn Fn(&str) -> bool) {
        for gauge in self.instruments() {
            gauge.retain(keep);
        }
    }

    /// Those that there are.
    pub(super) fn instruments(&self) -> Vec<Arc<Instrument>> {
        self.lock().by_name.values().cloned().collect()
    }

    /// Why measurements were left out, once each.
    pub(super) fn refused(&self) -> Vec<String> {
        self.lock().refused.iter().cloned().collect()
    }

    /// The gauge of a measurement; none when it cannot be exported.
    pub(super) fn gauge(&self, name: &str, unit: &str) -> Option<Arc<Instrument>> {
        let mut gauges = self.lock();
        if let Some(gauge) = gauges.by_name.get(name) {
            let known = &gauge.definition().unit;
            if known == unit {
                return Some(Arc::clone(gauge));
            }
            let refusal = format!("the measurement `{name}` has the unit `{unit}`, and had `{known}` before");
            return gauges.refuse(refusal);
        }
        if gauges.by_name.len() >= MAX_INSTRUMENTS {
            return gauges.refuse(format!("measurements of more than {MAX_INSTRUMENTS} names"));
        }
        if !is_name(name) || !is_unit(unit) {
            return gauges.refuse("a measurement whose name or unit a metric cannot have".to_owned());
        }
        let gauge = self.registry.make(&definition(name, unit));
        gauges.by_name.insert(name.to_owned(), Arc::clone(&gauge));
        Some(gauge)
    }

    fn lock(&self) -> MutexGuard<'_, Gauges> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauges {
    fn refuse(&mut self, refusal: String) -> Option<Arc<Instrument>> {
        if self.refused.len() < MAX_INSTRUMENTS {
            self.refused.insert(refusal);
        }
        None
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

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(allowed)
}

fn is_unit(unit: &str) -> bool {
    unit.len() <= MAX_UNIT && unit.is_ascii()
}
