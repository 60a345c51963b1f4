//! When a check is tried again, when it is too slow and when it is failing: the keys of `retry`, `thresholds`,
//! `state` and `[retry_budget]`, what values they take, and their defaults.

use std::time::Duration;

use super::reader::{Kind, Table, Value};
use super::units::show_duration;
use crate::policy::state::{MOST_RUNS, StateSettings};
use crate::policy::{ErrorPattern, Retry, RetryBudgetSettings, Thresholds};

/// `retry` of a check of this plugin, if its name is known.
pub(super) fn retry(table: &mut Table<'_>, plugin: Option<&str>) -> Retry {
    let attempts = table.get("attempts").and_then(|value| value.integer(1..=10));
    let backoffs = Duration::from_millis(1)..=Duration::from_secs(60);
    let backoff = table.get("backoff").and_then(|value| value.duration(backoffs));
    let backoff = backoff.unwrap_or(Duration::from_millis(200));
    let longest = Duration::from_secs(600);
    let max_backoff = table.get("max_backoff").and_then(|value| {
        let max_backoff = value.duration(Duration::from_millis(1)..=longest)?;
        if max_backoff < backoff {
            return value.unwanted(&format!(
                "no less than `backoff`, which is {}",
                show_duration(backoff)
            ));
        }
        Some(max_backoff)
    });
    let on = table.get("on").and_then(|value| patterns(&value, plugin?));
    Retry {
        attempts: small(attempts, 3),
        backoff,
        max_backoff: max_backoff.unwrap_or(backoff.max(Duration::from_secs(2))),
        on,
    }
}

fn patterns(value: &Value<'_>, plugin: &str) -> Option<Vec<ErrorPattern>> {
    let elements =
        value.elements("an array of error types, such as `[\"connection_refused\", \"dns.*\"]`")?;
    if elements.is_empty() {
        return value.refuse("found no error type, wanted at least one; `attempts = 1` tries nothing again");
    }
    let mut patterns = Vec::with_capacity(elements.len());
    for element in &elements {
        match element.read(|text| ErrorPattern::parse(text, plugin)) {
            Some(pattern) if patterns.contains(&pattern) => drop(element.unwanted::<()>("each one once")),
            Some(pattern) => patterns.push(pattern),
            None => {}
        }
    }
    Some(patterns)
}

/// `thresholds` of a check.
pub(super) fn thresholds(table: &mut Table<'_>) -> Thresholds {
    let range = Duration::from_millis(1)..=Duration::from_secs(3600);
    let warn = table.get("warn").and_then(|value| value.duration(range.clone()));
    let given = table.get("fail");
    let fail = given.as_ref().and_then(|value| value.duration(range));
    if let (Some(value), Some(warn), Some(fail)) = (&given, warn, fail)
        && fail <= warn
    {
        value
            .unwanted(&format!("more than `warn`, which is {}", show_duration(warn)))
            .unwrap_or(())
    }
    if table.get("warn").is_none() && given.is_none() {
        table.refuse("found neither `warn` nor `fail`, wanted one of them at least");
    }
    Thresholds { warn, fail }
}

/// `state` of a check.
pub(super) fn state(table: &mut Table<'_>) -> StateSettings {
    let runs = || 1..=u64::from(MOST_RUNS);
    let failures = table.get("failures").and_then(|value| value.integer(runs()));
    let failures = small(failures, 1);
    let of = table.get("of").and_then(|value| {
        let of = small(value.integer(runs()), failures);
        if of < failures {
            return value.unwanted(&format!("no less than `failures`, which is {failures}"));
        }
        Some(of)
    });
    StateSettings {
        failures,
        of: of.unwrap_or(failures),
    }
}

/// `[retry_budget]`.
pub(super) fn retry_budget(table: &mut Table<'_>) -> RetryBudgetSettings {
    let default = RetryBudgetSettings::default();
    let share = table.get("share").and_then(|value| share(&value));
    let minimum = table.get("minimum").and_then(|value| value.integer(0..=1_000));
    let windows = Duration::from_secs(1)..=Duration::from_secs(3600);
    let window = table.get("window").and_then(|value| value.duration(windows));
    RetryBudgetSettings {
        share: share.unwrap_or(default.share),
        minimum: small(minimum, default.minimum),
        window: window.unwrap_or(default.window),
    }
}

fn share(value: &Value<'_>) -> Option<f64> {
    let share = match value.kind() {
        Kind::Float(Some(share)) => share,
        Kind::Integer(Some(0)) => 0.0,
        Kind::Integer(Some(1)) => 1.0,
        _ => f64::NAN,
    };
    match (0.0..=1.0).contains(&share) {
        true => Some(share),
        false => value.unwanted("a share from 0 to 1, such as `0.2`"),
    }
}

fn small(number: Option<u64>, default: u32) -> u32 {
    number
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(default)
}
