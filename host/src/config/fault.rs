//! Faults of a file (`[[fault]]`) and of the command line (`--fault`), with their places.

use std::collections::BTreeSet;

use super::problem::{Location, Problem};
use super::reader::{Kind, Table, Value};
use super::words::{nearest, quoted};
use super::{Check, Config};
use crate::fault::{CallSelector, Chance, Fault, FaultKind, Limits, PhaseSelector, Selector};

/// A fault, and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfiguredFault {
    /// The fault.
    pub fault: Fault,
    /// Whether a check that was left out by `--check` may be meant: then it is no mistake that none of
    /// the others has the phase.
    pub may_mean_others: bool,
    place: Location,
}

impl ConfiguredFault {
    /// Where its phase is written, or else the fault as a whole.
    pub fn location(&self) -> &Location {
        &self.place
    }
}

impl Config {
    /// Adds faults as `--fault` has them, and gives what is wrong with them. Which checks there are is
    /// only asked when `checks_are_known`.
    pub fn add_faults(&mut self, texts: &[String], checks_are_known: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        for text in texts {
            let place = Location::option(format!("--fault {}", quoted(text)));
            let fault = match text.parse::<Fault>() {
                Ok(fault) => fault,
                Err(error) => {
                    problems.push(Problem::new(place, error.to_string()));
                    continue;
                }
            };
            let names = self.checks_and_templates().map(|check| check.name.as_str());
            match unknown_check(fault.selector.check.as_deref(), names) {
                Some(message) if checks_are_known => problems.push(Problem::new(place, message)),
                _ => self.faults.push(ConfiguredFault {
                    fault,
                    may_mean_others: false,
                    place,
                }),
            }
        }
        problems
    }

    /// Keeps the checks that are wanted. Faults stay: they may be meant for those left out.
    pub fn keep_checks(&mut self, is_wanted: impl Fn(&Check) -> bool) {
        self.checks.retain(is_wanted);
        for fault in &mut self.faults {
            fault.may_mean_others = true;
        }
    }
}

/// The `[[fault]]`s; `checks` are the names of all checks.
pub(super) fn faults(root: &mut Table<'_>, checks: &BTreeSet<String>) -> Vec<ConfiguredFault> {
    let elements = root
        .get("fault")
        .and_then(|value| value.elements("an array of tables: each fault begins with `[[fault]]`"));
    elements
        .unwrap_or_default()
        .iter()
        .filter_map(|element| element.table(|table| fault(table, checks)).flatten())
        .collect()
}

fn fault(table: &mut Table<'_>, checks: &BTreeSet<String>) -> Option<ConfiguredFault> {
    let check = table.get("check").and_then(|value| check_name(&value, checks));
    let phase_value = table.get("phase");
    let phase = phase_value.as_ref().map(Value::parsed::<PhaseSelector>);
    let call_value = table.get("call");
    let call = call_value.as_ref().map(Value::parsed::<CallSelector>);
    let kind_value = table.require("kind", "kind = \"reset\"");
    let kind = kind_value.as_ref().and_then(Value::parsed::<FaultKind>);
    let limits = limits(table);
    let place = phase_value
        .as_ref()
        .map_or_else(|| table.location(), Value::location);
    let selector = Selector {
        check,
        // What is there and cannot be read has been reported.
        phase: phase.map(|phase| phase.ok_or(())).transpose().ok()?,
        call: call.map(|call| call.ok_or(())).transpose().ok()?,
    };
    if let Err(error) = selector.validate() {
        match phase_value {
            Some(phase) => phase.refuse(&error.to_string())?,
            None => table.missing(&error.to_string()),
        }
        return None;
    }
    match Fault::new(selector, kind?, limits) {
        Ok(fault) => Some(ConfiguredFault {
            fault,
            may_mean_others: false,
            place,
        }),
        Err(error) => kind_value?.refuse(&error.to_string()),
    }
}

/// A name that no check has still makes the fault one of a check.
fn check_name(value: &Value<'_>, checks: &BTreeSet<String>) -> Option<String> {
    let name = value.string()?;
    if let Some(message) = unknown_check(Some(name), checks.iter().map(String::as_str)) {
        value.dangling(&message);
    }
    Some(name.to_owned())
}

fn unknown_check<'c>(name: Option<&str>, checks: impl Iterator<Item = &'c str> + Clone) -> Option<String> {
    let name = name?;
    if checks.clone().any(|check| check == name) {
        return None;
    }
    let advice = match nearest(name, checks) {
        Some(near) => format!(", did you mean `{near}`?"),
        None => String::new(),
    };
    Some(format!("no check is called {}{advice}", quoted(name)))
}

fn limits(table: &mut Table<'_>) -> Limits {
    let numbers = 0..=i64::MAX.unsigned_abs();
    let times = table
        .get("times")
        .and_then(|value| value.integer(1..=*numbers.end()));
    let window = table.get("for").and_then(|value| value.duration(Limits::WINDOWS));
    let probability = table.get("probability");
    let seed_value = table.get("seed");
    let seed = seed_value.as_ref().and_then(|value| value.integer(numbers));
    if let (None, Some(seed)) = (&probability, &seed_value) {
        seed.refuse_key("of no use without `probability`");
    }
    Limits {
        times: times.and_then(std::num::NonZeroU64::new),
        window,
        chance: probability.and_then(|value| {
            let probability = fraction(&value)?;
            let seed = seed.unwrap_or(0);
            Some(Chance { probability, seed })
        }),
    }
}

fn fraction(value: &Value<'_>) -> Option<f64> {
    let number = match value.kind() {
        Kind::Float(number) => number,
        Kind::Integer(Some(1)) => Some(1.0),
        _ => None,
    };
    number
        .filter(|&number| number > 0.0 && number <= 1.0)
        .or_else(|| value.unwanted("a number above 0 and at most 1, such as `0.5`"))
}
