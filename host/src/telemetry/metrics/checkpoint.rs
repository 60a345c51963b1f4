//! What instruments hold, kept over the end of the process, and put back. Pure.
//!
//! Sums are kept by their bits: a sum that came back a little smaller would be a counter that fell, and Prometheus
//! would take it for one that began anew. Exemplars are not kept: the next runs bring their own.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::{KeyValue, Value as Attribute};
use serde::{Deserialize, Serialize};

use super::exponential::Exponential;
use super::{Histogram, Instrument, Owner, Series, Value};

/// The version of this form. Another one is not read.
const VERSION: u32 = 1;

/// What is said of a histogram that was kept without exponential buckets.
const OTHER_FORM: &str = "over OTLP its buckets are exponential ones now, while `/metrics` goes on";

/// What instruments hold.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::telemetry) struct Checkpoint {
    version: u32,
    /// Whether the histograms are of each check.
    pub(in crate::telemetry) each_check: bool,
    /// The checks; series refer to them by their place.
    pub(in crate::telemetry) checks: Vec<KeptCheck>,
    instruments: Vec<KeptInstrument>,
}

/// A check that has series.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::telemetry) struct KeptCheck {
    /// Its name.
    pub(in crate::telemetry) name: String,
    /// The name of its plugin.
    pub(in crate::telemetry) plugin: String,
    /// Since when it counts, in nanoseconds since 1970.
    pub(in crate::telemetry) start: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptInstrument {
    name: String,
    unit: String,
    bounds: Vec<f64>,
    /// No new series counts since an earlier moment, in nanoseconds since 1970.
    #[serde(default)]
    earliest: u64,
    /// Attributes of series, which refer to them by their place.
    attributes: Vec<Vec<(String, serde_json::Value)>>,
    series: Vec<KeptSeries>,
}

/// The place of its check, if it is of one; that of its attributes; its start; its value.
#[derive(Debug, Serialize, Deserialize)]
struct KeptSeries(Option<usize>, usize, u64, KeptValue);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptValue {
    Whole(i64),
    /// The bits of a double.
    Real(u64),
    Histogram {
        counts: Box<[u64]>,
        /// The bits of a double.
        sum: u64,
        exponential: Option<Box<Exponential>>,
    },
}

/// An instrument that was not put back, and why.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` counts anew: {reason}")]
pub(in crate::telemetry) struct NotRestored {
    name: String,
    reason: &'static str,
}

impl Checkpoint {
    /// What these instruments hold of these checks and of none.
    pub(in crate::telemetry) fn of(
        checks: Vec<KeptCheck>,
        each_check: bool,
        instruments: &[Arc<Instrument>],
    ) -> Self {
        let places: HashMap<&str, usize> = checks
            .iter()
            .enumerate()
            .map(|(place, check)| (&*check.name, place))
            .collect();
        let instruments = instruments.iter().map(|instrument| kept(instrument, &places));
        let instruments = instruments.collect();
        Self {
            version: VERSION,
            each_check,
            checks,
            instruments,
        }
    }

    /// Reads what was kept.
    ///
    /// # Errors
    ///
    /// When it is of another version, or no checkpoint.
    pub(in crate::telemetry) fn read(kept: serde_json::Value) -> Result<Self, String> {
        match kept.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {
                serde_json::from_value(kept).map_err(|error| error.to_string())
            }
            Some(version) => Err(format!("its version is `{version}`, wanted `{VERSION}`")),
            None => Err("it has no version".to_owned()),
        }
    }

    /// Puts series back into the instruments of their names, those of checks as their owners are now, in a process that
    /// began then. Says which instruments could not take what was kept of them.
    pub(in crate::telemetry) fn restore<'o>(
        &self,
        instrument: impl Fn(&str, &str) -> Option<Arc<Instrument>>,
        owner: impl Fn(&str) -> Option<&'o Owner>,
        nobody: &'o Owner,
        began: u64,
    ) -> Vec<NotRestored> {
        let mut problems = Vec::new();
        for kept in &self.instruments {
            let restored = match instrument(&kept.name, &kept.unit) {
                Some(instrument) => {
                    let restored = self.restore_one(kept, &instrument, &owner, nobody, began);
                    instrument.starts_anew(if restored.is_err() { began } else { kept.earliest });
                    restored.and_then(|is_whole| is_whole.then_some(()).ok_or(OTHER_FORM))
                }
                None => Err("there is no such metric any more"),
            };
            if let Err(reason) = restored {
                problems.push(NotRestored {
                    name: kept.name.clone(),
                    reason,
                });
            }
        }
        problems
    }

    /// Whether all of what is counted goes on.
    fn restore_one<'o>(
        &self,
        kept: &KeptInstrument,
        instrument: &Instrument,
        owner: &impl Fn(&str) -> Option<&'o Owner>,
        nobody: &'o Owner,
        began: u64,
    ) -> Result<bool, &'static str> {
        let definition = instrument.definition();
        if definition.unit != kept.unit {
            return Err("its unit is another one now");
        }
        if definition.bounds() != kept.bounds {
            return Err("its buckets are others now");
        }
        let mut is_whole = true;
        let attributes: Vec<Arc<[KeyValue]>> =
            kept.attributes.iter().map(|pairs| attributes(pairs)).collect();
        let nothing = instrument.nothing();
        let mut restored = Vec::with_capacity(kept.series.len());
        for KeptSeries(check, own, start, value) in &kept.series {
            let owner = match check {
                Some(place) => {
                    let check = self.checks.get(*place).ok_or("a check is missing")?;
                    owner(&check.name)
                }
                None => Some(nobody),
            };
            // A check that is gone is forgotten.
            let Some(owner) = owner else { continue };
            let mut value = value.restored().ok_or("a value does not fit together")?;
            is_whole &= goes_on(&mut value, &nothing, began).ok_or("its values are others now")?;
            let series = Series {
                own: Arc::clone(attributes.get(*own).ok_or("attributes are missing")?),
                start: *start,
                value,
                exemplar: None,
            };
            restored.push((owner, series));
        }
        for (owner, series) in &restored {
            instrument.restore(owner, series);
        }
        Ok(is_whole)
    }
}

fn kept(instrument: &Instrument, places: &HashMap<&str, usize>) -> KeptInstrument {
    let mut attributes: Vec<Vec<(String, serde_json::Value)>> = Vec::new();
    let mut known: HashMap<Arc<[KeyValue]>, usize> = HashMap::new();
    let mut series = Vec::with_capacity(instrument.held());
    instrument.each(|owner, one| {
        let check = places.get(owner.name()).copied();
        if check.is_none() && !owner.is_nobody() {
            return;
        }
        let own = *known.entry(Arc::clone(&one.own)).or_insert_with(|| {
            attributes.push(one.own.iter().map(pair).collect());
            attributes.len() - 1
        });
        series.push(KeptSeries(check, own, one.start, KeptValue::of(&one.value)));
    });
    let definition = instrument.definition();
    KeptInstrument {
        name: definition.name.clone().into_owned(),
        unit: definition.unit.clone().into_owned(),
        bounds: definition.bounds().to_vec(),
        earliest: instrument.earliest(),
        attributes,
        series,
    }
}

/// Ours are texts, and that something is so.
fn pair(pair: &KeyValue) -> (String, serde_json::Value) {
    let value = match &pair.value {
        Attribute::Bool(is_so) => serde_json::Value::Bool(*is_so),
        other => serde_json::Value::String(other.as_str().into_owned()),
    };
    (pair.key.as_str().to_owned(), value)
}

fn attributes(pairs: &[(String, serde_json::Value)]) -> Arc<[KeyValue]> {
    let attributes = pairs.iter().map(|(name, value)| match value {
        serde_json::Value::Bool(is_so) => KeyValue::new(name.clone(), *is_so),
        serde_json::Value::String(text) => KeyValue::new(name.clone(), text.clone()),
        other => KeyValue::new(name.clone(), other.to_string()),
    });
    attributes.collect()
}

/// Makes a value one of this instrument, in a process that began then; none if it cannot be. Whether it goes on in all
/// its buckets.
fn goes_on(value: &mut Value, nothing: &Value, began: u64) -> Option<bool> {
    match (value, nothing) {
        (Value::Histogram(value), Value::Histogram(nothing)) => {
            let is_alike = value.counts().len() == nothing.counts().len();
            is_alike.then(|| !value.becomes(nothing.exponential().is_some(), began))
        }
        (Value::Whole(_) | Value::Real(_), Value::Whole(_) | Value::Real(_)) => Some(true),
        _ => None,
    }
}

impl KeptValue {
    fn of(value: &Value) -> Self {
        match value {
            Value::Whole(number) => Self::Whole(*number),
            Value::Real(number) => Self::Real(number.to_bits()),
            Value::Histogram(histogram) => Self::Histogram {
                counts: histogram.counts().into(),
                sum: histogram.sum().to_bits(),
                exponential: histogram.exponential().cloned().map(Box::new),
            },
        }
    }

    fn restored(&self) -> Option<Value> {
        match self {
            Self::Whole(number) => Some(Value::Whole(*number)),
            Self::Real(bits) => Some(f64::from_bits(*bits))
                .filter(|number| number.is_finite())
                .map(Value::Real),
            Self::Histogram {
                counts,
                sum,
                exponential,
            } => {
                let is_sound = exponential
                    .as_ref()
                    .is_none_or(|exponential| exponential.is_sound());
                let histogram =
                    Histogram::restored(counts.clone(), f64::from_bits(*sum), exponential.clone());
                histogram
                    .filter(|_| is_sound)
                    .map(|histogram| Value::Histogram(Box::new(histogram)))
            }
        }
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
