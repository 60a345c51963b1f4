//! When runs start, and when a target is left alone: the tables `[runner]` and `[schedule]`, and the keys `jitter`
//! and `breaker` of a check.

use std::time::Duration;

use super::reader::Table;
use super::units::show_duration;
use super::{DEFAULT_CONCURRENCY, DEFAULT_PER_TARGET};
use crate::policy::breaker::Settings;
use crate::schedule::Limits;

/// An hour takes any two checks apart; more is another time of day.
const LONGEST_JITTER: Duration = Duration::from_secs(3600);

/// `[runner]`.
pub(super) fn runner(table: &mut Table<'_>) -> Limits {
    let mut number = |key, default| {
        let number = table.get(key).and_then(|value| value.integer(1..=10_000));
        number
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default)
    };
    Limits {
        concurrency: number("concurrency", DEFAULT_CONCURRENCY),
        per_target: number("per_target", DEFAULT_PER_TARGET),
    }
}

/// `[schedule]`: the jitter of the checks that have none of their own.
pub(super) fn schedule(table: &mut Table<'_>) -> Option<Duration> {
    table.get("jitter")?.duration(Duration::ZERO..=LONGEST_JITTER)
}

/// `jitter` of a check.
pub(super) fn jitter(table: &mut Table<'_>, every: Option<Duration>) -> Option<Duration> {
    let value = table.get("jitter")?;
    let jitter = value.duration(Duration::ZERO..=LONGEST_JITTER)?;
    match every {
        Some(every) if jitter > every => value.unwanted(&format!(
            "no more than `every`, which is {}",
            show_duration(every)
        )),
        _ => Some(jitter),
    }
}

/// `breaker` of a check.
pub(super) fn breaker(table: &mut Table<'_>) -> Settings {
    let failures = table
        .get("failures")
        .and_then(|value| value.integer(Settings::FAILURES));
    let reset = table
        .get("reset")
        .and_then(|value| value.duration(Settings::RESETS))
        .unwrap_or(Settings::DEFAULT_RESET);
    let max_reset = table.get("max_reset").and_then(|value| {
        let max_reset = value.duration(Settings::RESETS)?;
        if max_reset < reset {
            return value.unwanted(&format!(
                "no less than `reset`, which is {}",
                show_duration(reset)
            ));
        }
        Some(max_reset)
    });
    Settings {
        failures: failures
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(Settings::DEFAULT_FAILURES),
        reset,
        max_reset: max_reset.unwrap_or(reset.max(Settings::DEFAULT_MAX_RESET)),
    }
}
