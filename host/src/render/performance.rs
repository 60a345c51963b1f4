//! Performance data of the Nagios plugin guidelines: `'label'=value[unit];warn;crit;min;max`. Pure.

use std::collections::HashSet;
use std::time::Duration;

use super::explain::named;
use super::nagios::harmless;
use super::units;
use crate::outcome::{Outcome, Report};

/// The run's time, its phases and its measurements, each as `label=value;warn;crit;min;max`. A run that was
/// skipped has none: its zero would be taken for a very quick one.
pub(super) fn performance(report: &Report, prefix: &str) -> Vec<String> {
    if report.outcome == Outcome::Skipped {
        return Vec::new();
    }
    let mut labels = Labels::new(prefix);
    let thresholds = report.thresholds;
    let threshold = |limit: Option<Duration>| {
        let seconds = |limit: Duration| units::decimal(limit.as_secs_f64(), 6);
        limit.map(seconds).unwrap_or_default()
    };
    // A range `10` alerts over 10, as a threshold does.
    let mut data = vec![format!(
        "{}={}s;{};{};0;{}",
        labels.unique("time"),
        units::decimal(report.duration.as_secs_f64(), 6),
        threshold(thresholds.and_then(|thresholds| thresholds.warn)),
        threshold(thresholds.and_then(|thresholds| thresholds.fail)),
        units::decimal(report.deadline.as_secs_f64(), 6)
    )];
    for phase in report.phases() {
        if let Some(duration) = phase.duration {
            let label = labels.unique(&named(&phase.name, phase.detail.as_deref()));
            data.push(format!("{label}={}s", units::decimal(duration.as_secs_f64(), 6)));
        }
    }
    for measurement in &report.measurements {
        let of = measurement.attributes.values().map(String::as_str);
        let name: Vec<&str> = std::iter::once(measurement.name.as_str()).chain(of).collect();
        let (value, unit) = measured(measurement.value, &measurement.unit);
        data.push(format!("{}={value}{unit}", labels.unique(&name.join(" "))));
    }
    data
}

/// A value in a unit that the guidelines know: seconds, bytes, percent, or none. A number that is
/// none is `U`, undetermined.
fn measured(value: f64, unit: &str) -> (String, &'static str) {
    if !value.is_finite() {
        return ("U".to_owned(), "");
    }
    let (scale, unit) = match unit {
        "s" => (1.0, "s"),
        "ms" => (1e-3, "s"),
        "us" => (1e-6, "s"),
        "ns" => (1e-9, "s"),
        "min" => (60.0, "s"),
        "h" => (3600.0, "s"),
        "By" => (1.0, "B"),
        "kBy" => (1e3, "B"),
        "MBy" => (1e6, "B"),
        "KiBy" => (1024.0, "B"),
        "MiBy" => (1024.0 * 1024.0, "B"),
        "%" => (1.0, "%"),
        _ => (1.0, ""),
    };
    (units::decimal(value * scale, 9), unit)
}

/// Labels of performance data, each once.
struct Labels<'prefix> {
    prefix: &'prefix str,
    used: HashSet<String>,
}

impl<'prefix> Labels<'prefix> {
    fn new(prefix: &'prefix str) -> Self {
        Self {
            prefix,
            used: HashSet::new(),
        }
    }

    /// A label that was not used before, as it is written: a phase that comes again, as in a redirect, gets a number,
    /// and so does a name that differs only in what no label has.
    fn unique(&mut self, name: &str) -> String {
        let first = format!("{}{}", self.prefix, name);
        let mut label = quoted(&first);
        let mut number = 2;
        while !self.used.insert(label.clone()) {
            label = quoted(&format!("{first} {number}"));
            number += 1;
        }
        label
    }
}

/// A label as the guidelines write it: without `=`, in quotes when it has more than plain words have,
/// a quote in it doubled.
fn quoted(label: &str) -> String {
    let safe = harmless(label).replace('=', "_");
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-:".contains(character);
    if safe.chars().all(is_plain) {
        safe
    } else {
        format!("'{}'", safe.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted_where_they_must_be_and_used_once() {
        let mut labels = Labels::new("");
        assert_eq!(labels.unique("connect"), "connect");
        assert_eq!(labels.unique("connect"), "'connect 2'");
        assert_eq!(labels.unique("select it's = |x|"), "'select it''s _ /x/'");
        assert_eq!(labels.unique("\n"), r"'\n'");
        // What is written alike is counted as the same.
        assert_eq!(labels.unique("a=b"), "a_b");
        assert_eq!(labels.unique("a_b"), "'a_b 2'");
        assert_eq!(labels.unique("c/d"), "'c/d'");
        assert_eq!(labels.unique("c|d"), "'c/d 2'");
    }

    #[test]
    fn measurements_have_the_units_that_the_guidelines_know() {
        let value = |value, unit| {
            let (value, unit) = measured(value, unit);
            format!("{value}{unit}")
        };
        assert_eq!(value(1.5, "ms"), "0.0015s");
        assert_eq!(value(2.0, "KiBy"), "2048B");
        assert_eq!(value(99.5, "%"), "99.5%");
        assert_eq!(value(3.0, "{message}"), "3");
        assert_eq!(value(f64::NAN, "s"), "U");
    }
}
