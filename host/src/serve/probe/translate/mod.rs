//! A finished report as the gauges that blackbox_exporter has, and those of every plugin. Pure.
//!
//! One thing is told otherwise: a phase that was never reached has no duration here. blackbox_exporter says that it
//! took 0 s, and so nobody can tell a connection that was refused from one that took no time.

mod facts;
mod http;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use self::facts::{attribute, measured, sum_of_phases};
use super::exposition::{Family, Point};
use crate::outcome::{AttributeValue, ErrorType, Measurement, Outcome, Report};
use crate::phase::PhaseStatus;
use crate::telemetry::exposition::{Gauge, gauge};

/// What the plugin `tcp` reports the named groups of a match as: 1, the groups as attributes.
const CAPTURE: &str = "tcp.capture";
/// Room for as many gauges as most probes have.
const USUAL_FAMILIES: usize = 32;
/// The phase in which the plugin `tcp` reads lines until one matches.
const EXPECT: &str = "expect";

/// The gauges of a run that had so much time, the wait for its slot included.
pub(super) fn families(report: &Report, time: Duration) -> Vec<Family> {
    let mut families = Vec::with_capacity(USUAL_FAMILIES);
    families.extend([
        gauge!("probe_success", "Whether the probe succeeded.")
            .one(f64::from(u8::from(report.outcome == Outcome::Pass))),
        gauge!("probe_duration_seconds", "How long the probe took, in seconds.")
            .one(report.duration.as_secs_f64()),
        gauge!(
            "probe_timeout_seconds",
            "How much time the probe had, in seconds."
        )
        .one(time.as_secs_f64()),
        gauge!("probe_attempts", "How many attempts the probe made.").one(count(report.attempts.len())),
    ]);
    families.extend(reached(report));
    match report.plugin.name.as_str() {
        "http" => families.extend(http::families(report)),
        "tcp" => families.extend(tcp(report)),
        "dns" => families.extend(dns(report)),
        _ => {}
    }
    families.extend(tls::families(report));
    families.extend(phases(report));
    families.push(failure(report));
    families.push(measurements(report));
    families
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53, and no report has as many of anything"
)]
fn count(number: usize) -> f64 {
    number as f64
}

/// The host that was probed: how long its name took, and which address it led to. 0 where none is known.
fn reached(report: &Report) -> Vec<Family> {
    let phases = report.phases();
    let lookup = phases
        .iter()
        .find(|phase| phase.name == "resolve")
        .and_then(|phase| phase.duration);
    let address = facts::address(report);
    let protocol = address.map_or(0.0, |address| if address.is_ipv6() { 6.0 } else { 4.0 });
    let mut families = vec![
        gauge!(
            "probe_ip_protocol",
            "The version of IP that the target was probed by: 4 or 6."
        )
        .one(protocol),
        gauge!(
            "probe_ip_addr_hash",
            "A hash of the target's address, which changes when the address does."
        )
        .one(address.map_or(0.0, |address| f64::from(facts::hash(address)))),
    ];
    families.extend(lookup.map(|lookup| {
        gauge!(
            "probe_dns_lookup_time_seconds",
            "How long the target's name took to resolve, in seconds."
        )
        .one(lookup.as_secs_f64())
    }));
    families
}

fn tcp(report: &Report) -> Vec<Family> {
    let mut labels: BTreeMap<String, &str> = BTreeMap::new();
    for capture in report
        .measurements
        .iter()
        .filter(|measured| measured.name == CAPTURE)
    {
        labels.extend(
            capture
                .attributes
                .iter()
                .map(|(name, value)| (label_name(name), value.as_str())),
        );
    }
    let has_any = !labels.is_empty();
    let point = || Point::new(labels.iter().map(|(name, value)| (&**name, *value)), 1.0);
    vec![
        failed_due_to_regex(has_assertion_failed(report) || was_closed_unmatched(report)),
        gauge!(
            "probe_expect_info",
            "What was captured from the peer's answers, as labels."
        )
        .each(has_any.then(point)),
    ]
}

/// Whether the target answered, and not what the module expects.
fn has_assertion_failed(report: &Report) -> bool {
    let error = report.error.as_ref();
    error.is_some_and(|error| error.error_type == ErrorType::AssertionFailed)
}

/// Whether the peer ended the stream, and no line before that was what was expected. A stream that broke off is
/// something else.
fn was_closed_unmatched(report: &Report) -> bool {
    let error = report.error.as_ref();
    error.is_some_and(|error| {
        error.error_type == ErrorType::ConnectionClosed && error.phase.as_deref() == Some(EXPECT)
    })
}

fn failed_due_to_regex(failed: bool) -> Family {
    gauge!(
        "probe_failed_due_to_regex",
        "Whether the probe failed because of a regular expression."
    )
    .one(f64::from(u8::from(failed)))
}

fn dns(report: &Report) -> Vec<Family> {
    let records = |gauge: Gauge, measurement: &str| gauge.one(measured(report, measurement).unwrap_or(0.0));
    let mut families = vec![
        by_phase(
            report,
            gauge!(
                "probe_dns_duration_seconds",
                "How long each phase of the query took, in seconds."
            ),
            &[
                ("resolve", "resolve"),
                ("connect", "connect"),
                ("query", "request"),
            ],
        ),
        records(
            gauge!("probe_dns_answer_rrs", "Resource records in the answer section."),
            "dns.answer.records",
        ),
        records(
            gauge!(
                "probe_dns_authority_rrs",
                "Resource records in the authority section."
            ),
            "dns.authority.records",
        ),
        records(
            gauge!(
                "probe_dns_additional_rrs",
                "Resource records in the additional section."
            ),
            "dns.additional.records",
        ),
        gauge!(
            "probe_dns_query_succeeded",
            "Whether the name server answered at all."
        )
        .one(f64::from(u8::from(
            measured(report, "dns.answer.records").is_some(),
        ))),
    ];
    families.extend(
        measured(report, "dns.soa.serial")
            .map(|serial| gauge!("probe_dns_serial", "The serial number of the zone.").one(serial)),
    );
    families
}

/// How long the phases of these names took that were reached, those of one name together: each by its own name and
/// what blackbox_exporter calls it.
fn by_phase(report: &Report, gauge: Gauge, phases: &[(&str, &str)]) -> Family {
    let points = phases.iter().filter_map(|&(own, theirs)| {
        let took = sum_of_phases(report, own)?;
        Some(Point::new([("phase", theirs)], took.as_secs_f64()))
    });
    gauge.each(points)
}

/// How each phase ended and how long it took. Of several phases of one name the worst counts, and their durations
/// together.
fn phases(report: &Report) -> [Family; 2] {
    let mut names: Vec<&str> = Vec::new();
    for phase in report.phases() {
        if !names.contains(&phase.name.as_str()) {
            names.push(&phase.name);
        }
    }
    let status = |&name: &&str| {
        let of_name = report.phases().iter().filter(|phase| phase.name == name);
        let worst = of_name
            .map(|phase| phase.status)
            .min_by_key(|&status| badness(status))?;
        Some(Point::new([("phase", name), ("status", worst.as_str())], 1.0))
    };
    let duration = |&name: &&str| {
        let took = sum_of_phases(report, name)?;
        Some(Point::new([("phase", name)], took.as_secs_f64()))
    };
    [
        gauge!(
            "probe_phase_status",
            "How each phase of the last attempt ended; the value is 1."
        )
        .each(names.iter().filter_map(status)),
        gauge!(
            "probe_phase_duration_seconds",
            "How long each phase of the last attempt took that was reached, in seconds."
        )
        .each(names.iter().filter_map(duration)),
    ]
}

/// The worst is least.
fn badness(status: PhaseStatus) -> u8 {
    match status {
        PhaseStatus::Failed => 0,
        PhaseStatus::DeadlineExceeded => 1,
        PhaseStatus::Denied => 2,
        PhaseStatus::Interrupted => 3,
        PhaseStatus::NotReached => 4,
        PhaseStatus::Ok => 5,
    }
}

fn failure(report: &Report) -> Family {
    let point = report.error.as_ref().map(|error| {
        let phase = error.phase.as_deref().unwrap_or_default();
        Point::new([("phase", phase), ("reason", error.error_type.as_str())], 1.0)
    });
    gauge!(
        "probe_failure_info",
        "Why the probe did not succeed, and in which phase; the value is 1."
    )
    .each(point)
}

/// Everything else that the plugin measured. Of two measurements with the same labels the later one counts.
fn measurements(report: &Report) -> Family {
    let measured = report.measurements.iter();
    gauge!(
        "probe_measurement",
        "What the plugin measured, by the measurement's name."
    )
    .last_of_each(
        measured
            .filter(|measured| measured.name != CAPTURE)
            .map(measurement),
    )
}

fn measurement(measurement: &Measurement) -> Point {
    let mut attributes: BTreeMap<String, &str> = BTreeMap::new();
    for (name, value) in &measurement.attributes {
        let name = match label_name(name) {
            own if own == "name" || own == "unit" => format!("attribute_{own}"),
            other => other,
        };
        attributes.insert(name, value);
    }
    let own = [("name", measurement.name.as_str()), ("unit", &measurement.unit)];
    let attributes = attributes.iter().map(|(name, value)| (name.as_str(), *value));
    Point::new(own.into_iter().chain(attributes), measurement.value)
}

/// A name as a label can have it; two underscores in front belong to Prometheus.
fn label_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '_'
            }
        })
        .collect();
    let plain = if plain.starts_with("__") {
        plain.trim_start_matches('_').to_owned()
    } else {
        plain
    };
    match plain.chars().next() {
        Some(first) if !first.is_ascii_digit() => plain,
        _ => format!("_{plain}"),
    }
}

/// A text among the facts of a phase.
fn text_of<'r>(phase: &'r crate::outcome::PhaseReport, name: &str) -> Option<&'r str> {
    match attribute(phase, name)? {
        AttributeValue::Text(text) => Some(text),
        _ => None,
    }
}
