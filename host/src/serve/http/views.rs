//! What the board knows, as the JSON of the API. Pure but for the clocks that moments are told by.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::outcome::{Outcome, PluginIdentity, Report, hexadecimal};
use crate::serve::board::{
    BreakerFacts, CheckSnapshot, LastReload, LastRun, PluginFacts, RefusedFileFacts, ShadowFacts,
};

/// A moment as reports write it.
pub(super) fn rfc3339(moment: SystemTime) -> Option<String> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from(moment).format(format).ok()
}

/// A moment by the clock of intervals, as the clock on the wall will show it, or did.
fn on_the_wall(moment: Instant) -> Option<String> {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let moment = match moment.checked_duration_since(now) {
        Some(ahead) => wall.checked_add(ahead),
        None => wall.checked_sub(now.saturating_duration_since(moment)),
    };
    rfc3339(moment?)
}

fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

/// A page of checks.
#[derive(Serialize)]
pub(super) struct Checks<'a> {
    pub(super) total: usize,
    pub(super) checks: Vec<Check<'a>>,
    pub(super) next: Option<&'a str>,
}

/// A check with its latest report, as `--format json` writes it.
#[derive(Serialize)]
pub(super) struct CheckWithReport<'a> {
    #[serde(flatten)]
    pub(super) check: Check<'a>,
    pub(super) report: Option<&'a Report>,
}

/// The reports of a check.
#[derive(Serialize)]
pub(super) struct Reports<'a> {
    pub(super) reports: Vec<&'a Report>,
}

/// A check, without its report.
#[derive(Serialize)]
pub(super) struct Check<'a> {
    name: &'a str,
    plugin: &'a PluginIdentity,
    target: &'a str,
    every_s: Option<f64>,
    next_due: Option<String>,
    running_since: Option<String>,
    state: &'static str,
    state_since: Option<String>,
    breaker: Option<&'static str>,
    runs: Runs,
    skipped: &'a BTreeMap<String, u64>,
    last: Option<Last<'a>>,
}

#[derive(Serialize)]
struct Runs {
    pass: u64,
    fail: u64,
    error: u64,
    skipped: u64,
}

#[derive(Serialize)]
struct Last<'a> {
    run_id: String,
    started: Option<String>,
    duration_s: f64,
    outcome: Outcome,
    error_type: Option<&'a str>,
    attempts: usize,
}

/// How a check is shown.
pub(super) fn check(check: &CheckSnapshot) -> Check<'_> {
    let facts = &check.facts;
    let counts = check.outcomes;
    Check {
        name: &facts.name,
        plugin: &facts.plugin,
        target: &facts.target,
        every_s: facts.every.map(seconds),
        next_due: check.next_due.and_then(on_the_wall),
        running_since: check.running_since.and_then(on_the_wall),
        state: check.state,
        state_since: check.state_since.and_then(rfc3339),
        breaker: check.breaker,
        runs: Runs {
            pass: counts.pass,
            fail: counts.fail,
            error: counts.error,
            skipped: counts.skipped,
        },
        skipped: &check.skipped,
        last: check.last.as_ref().map(last_run),
    }
}

fn last_run(last: &LastRun) -> Last<'_> {
    Last {
        run_id: hexadecimal(&last.run_id),
        started: rfc3339(last.started),
        duration_s: seconds(last.duration),
        outcome: last.outcome,
        error_type: last.error_type.as_deref(),
        attempts: last.attempts,
    }
}

/// A page of breakers.
#[derive(Serialize)]
pub(super) struct Breakers<'a> {
    pub(super) total: usize,
    pub(super) breakers: Vec<Breaker<'a>>,
    pub(super) next: Option<String>,
}

/// A breaker.
#[derive(Serialize)]
pub(super) struct Breaker<'a> {
    target: &'a str,
    plugin: &'a str,
    state: &'static str,
    failures: u32,
    retry_at: Option<String>,
    checks: Vec<&'a str>,
}

/// How a breaker is shown.
pub(super) fn breaker(breaker: &BreakerFacts) -> Breaker<'_> {
    Breaker {
        target: &breaker.target,
        plugin: &breaker.plugin,
        state: breaker.state,
        failures: breaker.failures,
        retry_at: breaker.retry_at.and_then(on_the_wall),
        checks: breaker.checks.iter().map(|check| &**check).collect(),
    }
}

/// A plugin.
pub(super) fn plugin(plugin: &PluginFacts) -> Value {
    let refusal = plugin.last_refusal.as_ref();
    json!({
        "name": plugin.identity.name,
        "version": plugin.identity.version,
        "sha256": plugin.identity.sha256,
        "origin": plugin.origin,
        "since": rfc3339(plugin.since),
        "last_refusal": refusal.map(|refusal| json!({
            "at": rfc3339(refusal.at),
            "message": refusal.message,
        })),
        "shadow": plugin.shadow.as_ref().map(shadow),
    })
}

fn shadow(shadow: &ShadowFacts) -> Value {
    let (of_outcome, others) = shadow.differences;
    json!({
        "version": shadow.identity.version,
        "sha256": shadow.identity.sha256,
        "since": rfc3339(shadow.since),
        "lasts_s": seconds(shadow.lasts),
        "over": shadow.is_over,
        "runs": shadow.runs,
        "differences": { "outcome": of_outcome, "other": others },
        "slowdown": shadow.slowdown,
        "examples": shadow.examples,
    })
}

/// A file that is not used.
pub(super) fn refused_file(refused: &RefusedFileFacts) -> Value {
    json!({
        "file": refused.file,
        "plugin": refused.plugin,
        "at": rfc3339(refused.at),
        "message": refused.message,
    })
}

/// A reload.
pub(super) fn last_reload(reload: &LastReload) -> Value {
    json!({ "at": rfc3339(reload.at), "ok": reload.ok, "message": reload.message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_ahead_and_past_are_told_by_the_clock_on_the_wall() {
        let minute = Duration::from_secs(60);
        let ahead = on_the_wall(Instant::now() + minute).unwrap();
        let past = on_the_wall(Instant::now() - minute).unwrap();
        let now = rfc3339(SystemTime::now()).unwrap();
        assert!(past < now && now < ahead, "{past} {now} {ahead}");
    }
}
