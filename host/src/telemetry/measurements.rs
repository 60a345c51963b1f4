//! What plugins measure, as gauges of the measurement's own name and unit under
//! `synthetic.check.measurement.`, with the check's attributes and the measurement's. How many
//! instruments there are is bounded, and so are their attribute sets (by the view in `metrics`).
//!
//! A gauge keeps its last value until the next run that measures it, or until the check is gone.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::names;
use super::series::Series;
use crate::outcome::Measurement;

/// How many different names are exported: some 60 plugins with 4 measurements each.
const MAX_INSTRUMENTS: usize = 256;
/// Attribute sets of one name: what a plugin can make of it is bounded, and less than what checks can.
pub(super) const CARDINALITY: usize = 20_000;
/// The longest measurement name, in bytes: OpenTelemetry allows instruments 255 with the prefix.
const MAX_NAME: usize = 255 - names::METRIC_MEASUREMENT_PREFIX.len();
/// The longest unit, in characters (OpenTelemetry metrics API, instrument unit).
const MAX_UNIT: usize = 63;

#[derive(Debug)]
pub(super) struct Measurements {
    meter: Meter,
    instruments: Mutex<Instruments>,
}

#[derive(Debug, Default)]
struct Instruments {
    gauges: HashMap<String, (String, Arc<Series<f64>>)>,
    refused: BTreeSet<String>,
}

impl Measurements {
    /// None yet.
    pub(super) fn new(meter: Meter) -> Self {
        Self {
            meter,
            instruments: Mutex::default(),
        }
    }

    /// Sets the gauges of what a run measured.
    pub(super) fn record(&self, check: &str, measurements: &[Measurement], base: &[KeyValue]) {
        for measurement in measurements {
            let Some(gauge) = self.lock().gauge(measurement, &self.meter) else {
                continue;
            };
            let own = measurement.attributes.iter();
            let own = own.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
            let attributes: Vec<KeyValue> = base.iter().cloned().chain(own).collect();
            gauge.set(check, &attributes, measurement.value);
        }
    }

    /// Forgets what other checks than these measured.
    pub(super) fn retain(&self, is_known: impl Fn(&str) -> bool) {
        for (_, gauge) in self.lock().gauges.values() {
            gauge.retain(&is_known);
        }
    }

    /// Why measurements were left out, once each.
    pub(super) fn refused(&self) -> Vec<String> {
        self.lock().refused.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Instruments> {
        self.instruments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Instruments {
    /// The gauge of a measurement; none when it cannot be exported.
    fn gauge(&mut self, measurement: &Measurement, meter: &Meter) -> Option<Arc<Series<f64>>> {
        let Measurement { name, unit, .. } = measurement;
        if let Some((known, gauge)) = self.gauges.get(name) {
            if known == unit {
                return Some(Arc::clone(gauge));
            }
            let refusal = format!("the measurement `{name}` has the unit `{unit}`, and had `{known}` before");
            return self.refuse(refusal);
        }
        if self.gauges.len() >= MAX_INSTRUMENTS {
            return self.refuse(format!("measurements of more than {MAX_INSTRUMENTS} names"));
        }
        if !is_name(name) || !is_unit(unit) {
            return self.refuse("a measurement whose name or unit a metric cannot have".to_owned());
        }
        let full_name = format!("{}{name}", names::METRIC_MEASUREMENT_PREFIX);
        let gauge = Series::new(CARDINALITY);
        let shown = Arc::clone(&gauge);
        let _shown_by_the_sdk = meter
            .f64_observable_gauge(full_name)
            .with_unit(unit.clone())
            .with_description("Measured by a plugin.")
            .with_callback(move |observer| {
                shown.observe(|value, attributes| observer.observe(value, attributes))
            })
            .build();
        self.gauges
            .insert(name.clone(), (unit.clone(), Arc::clone(&gauge)));
        Some(gauge)
    }

    fn refuse(&mut self, refusal: String) -> Option<Arc<Series<f64>>> {
        if self.refused.len() < MAX_INSTRUMENTS {
            self.refused.insert(refusal);
        }
        None
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(allowed)
}

fn is_unit(unit: &str) -> bool {
    unit.len() <= MAX_UNIT && unit.is_ascii()
}
