//! What the metrics of some runs add up to, worked out from their reports, and read from what a collector received.

use std::collections::BTreeMap;

use bedcheck_tests::collector::Received;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::trace::{elements, seconds, text};

/// Error types that blame plugin, configuration or runner (design, section 4), where a phase can end with them.
const NOT_THE_TARGETS: [&str; 2] = ["grant_denied", "capability_disabled"];

/// By the metric's name, without its prefix, and its attributes without theirs.
pub(crate) type Totals = BTreeMap<String, Total>;

/// What a point holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    /// Of a histogram, how many values.
    pub(crate) count: u64,
    /// The value; of a histogram the sum.
    pub(crate) value: f64,
}

const PREFIX: &str = "synthetic.check.";

/// The newest export of every metric.
pub(crate) fn of_collector(received: &Received) -> Totals {
    let mut totals = Totals::new();
    for metric in &received.metrics {
        for point in &metric.points {
            let attributes = point
                .attributes
                .iter()
                .map(|(name, value)| (name.as_str(), word(value)));
            let total = Total {
                count: point.count,
                value: point.value,
            };
            totals.insert(key(&metric.name, attributes), total);
        }
    }
    totals
}

/// What these reports amount to.
pub(crate) fn of_reports<'a>(reports: impl IntoIterator<Item = &'a Value>) -> Totals {
    let mut totals = Totals::new();
    for report in reports {
        add_run(&mut totals, report);
    }
    totals
}

fn add_run(totals: &mut Totals, report: &Value) {
    let base = [
        ("name", text(&report["check"])),
        ("type", text(&report["plugin"]["name"])),
    ];
    let outcome = [&base[..], &[("outcome", text(&report["outcome"]))]].concat();
    let (took, deadline) = (seconds(&report["duration_s"]), seconds(&report["deadline_s"]));
    let started = OffsetDateTime::parse(text(&report["started"]), &Rfc3339).expect("a time");
    let ended = started.unix_timestamp_nanos() as f64 / 1e9 + took;

    let mut of_run = with_error(&outcome, report);
    let attempts = report["attempts"].as_array().map_or(0, Vec::len);
    if report["outcome"] == "pass" && attempts > 1 {
        of_run.push(("retried", "true"));
    }
    add(totals, "runs", &of_run, 0, 1.0);
    add(totals, "last_run.time", &outcome, 0, ended);
    if report["outcome"] == "skipped" {
        return;
    }
    add(totals, "duration", &outcome, 1, took);
    add(totals, "deadline.utilization", &base, 1, took / deadline);
    match text(&report["outcome"]) {
        "pass" => add(totals, "up", &base, 0, 1.0),
        "fail" => add(totals, "up", &base, 0, 0.0),
        _ => {}
    }
    for (reason, calls) in report["usage"]["denied_calls"].as_object().into_iter().flatten() {
        let own = [("denial", reason.as_str())];
        add(
            totals,
            "denied_calls",
            &[&base[..], &own].concat(),
            0,
            seconds(calls),
        );
    }
    let attempts = elements(&report["attempts"]);
    for attempt in attempts {
        let outcome = [&base[..], &[("outcome", text(&attempt["outcome"]))]].concat();
        add(totals, "attempts", &with_error(&outcome, attempt), 0, 1.0);
        for phase in elements(&attempt["phases"])
            .iter()
            .filter(|phase| !phase["duration_s"].is_null())
        {
            let own = [
                ("phase", text(&phase["name"])),
                ("outcome", phase_outcome(phase, attempt)),
            ];
            add(
                totals,
                "phase.duration",
                &[&base[..], &own].concat(),
                1,
                seconds(&phase["duration_s"]),
            );
        }
    }
    let expiries = attempts
        .last()
        .map_or(&[][..], |attempt| elements(&attempt["phases"]))
        .iter();
    let expiries = expiries.filter_map(|phase| phase["attributes"]["tls.server.not_after"].as_str());
    let expiries = expiries.map(|text| {
        OffsetDateTime::parse(text, &Rfc3339)
            .expect("a time")
            .unix_timestamp()
    });
    if let Some(first) = expiries.min() {
        add(
            totals,
            "tls.certificate.time_left",
            &base,
            0,
            first as f64 - ended,
        );
    }
    for measurement in elements(&report["measurements"]) {
        let own = measurement["attributes"].as_object().into_iter().flatten();
        let own: Vec<_> = own.map(|(name, value)| (name.as_str(), text(value))).collect();
        let name = format!("measurement.{}", text(&measurement["name"]));
        add(
            totals,
            &name,
            &[&base[..], &own].concat(),
            0,
            seconds(&measurement["value"]),
        );
    }
}

fn phase_outcome<'a>(phase: &'a Value, attempt: &'a Value) -> &'a str {
    match phase["error"]["type"].as_str() {
        Some(error) if NOT_THE_TARGETS.contains(&error) => "error",
        Some(_) => "fail",
        None if phase["status"] == "ok" => "pass",
        None => text(&attempt["outcome"]),
    }
}

/// The attributes, and the error type of what did not pass.
fn with_error<'a>(attributes: &[(&'a str, &'a str)], judged: &'a Value) -> Vec<(&'a str, &'a str)> {
    let error = judged["error"]["type"]
        .as_str()
        .map(|error| ("error.type", error));
    attributes.iter().copied().chain(error).collect()
}

/// The value of an attribute: a text, or that something is so.
fn word(value: &Value) -> &str {
    if value == true { "true" } else { text(value) }
}

fn add(totals: &mut Totals, metric: &str, attributes: &[(&str, &str)], count: u64, value: f64) {
    let total = totals.entry(key(metric, attributes.iter().copied())).or_default();
    total.count += count;
    total.value += value;
}

fn key<'a>(metric: &'a str, attributes: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let short = |name: &'a str| name.strip_prefix(PREFIX).unwrap_or(name);
    let attributes: BTreeMap<&str, &str> = attributes.map(|(name, value)| (short(name), value)).collect();
    let attributes: Vec<String> = attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{}{{{}}}", short(metric), attributes.join(","))
}
