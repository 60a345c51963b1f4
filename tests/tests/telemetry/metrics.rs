//! The metrics: the instruments of the contract, with values that add up to the reports.

use std::collections::BTreeMap;

use bedcheck_tests::certificates::VALID_DAYS;

use crate::runs::RUNS;
use crate::totals::{self, Total, Totals};

/// From a connection on the same host to a check that gives up after a minute, in seconds.
const DURATION: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Of phases, which are parts of that.
const PHASE_DURATION: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Of the share of the deadline.
const UTILIZATION: &[f64] = &[0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];

/// How far a moment may be from the report's, which has it to the millisecond, and a number of seconds since 1970
/// to a quarter of a microsecond.
const MOMENT: f64 = 0.001_001;
/// How far a duration may be from the report's, which has it to the microsecond: the metric is a sum of at most
/// three, and the smallest deadline makes a share of it five times as large.
const DURATIONS: f64 = 5e-6;

#[test]
fn metrics_add_up_to_the_reports() {
    let found = totals::of_collector(&RUNS.received);
    let wanted = totals::of_reports(&RUNS.reports);
    let keys = |totals: &Totals| totals.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&wanted));
    for (key, wanted) in &wanted {
        let Total { count, value } = found[key];
        assert_eq!(count, wanted.count, "{key}");
        let is_moment = key.starts_with("last_run.time") || key.starts_with("tls.certificate.time_left");
        let tolerance = if is_moment { MOMENT } else { DURATIONS };
        assert!(
            (value - wanted.value).abs() <= tolerance,
            "{key}: found {value}, wanted {}",
            wanted.value
        );
    }
}

#[test]
fn the_instruments_are_those_of_the_contract() {
    let contract: [(&str, &str, &str, &[f64]); 14] = [
        ("attempts", "sum", "{attempt}", &[]),
        ("deadline.utilization", "histogram", "1", UTILIZATION),
        ("denied_calls", "sum", "{call}", &[]),
        ("duration", "histogram", "s", DURATION),
        ("last_run.time", "gauge", "s", &[]),
        ("measurement.http.redirects", "gauge", "{redirect}", &[]),
        ("measurement.http.response.body.size", "gauge", "By", &[]),
        (
            "measurement.http.response.status_code",
            "gauge",
            "{status_code}",
            &[],
        ),
        ("measurement.http.response.version", "gauge", "{version}", &[]),
        ("measurement.imap.mailbox.messages", "gauge", "{message}", &[]),
        ("phase.duration", "histogram", "s", PHASE_DURATION),
        ("runs", "sum", "{run}", &[]),
        ("tls.certificate.time_left", "gauge", "s", &[]),
        ("up", "gauge", "{check}", &[]),
    ];
    for (name, kind, unit, bounds) in contract {
        let metric = RUNS.received.metric(&format!("synthetic.check.{name}"));
        let metric = metric.unwrap_or_else(|| panic!("no metric `{name}`"));
        assert_eq!(
            (metric.kind.as_str(), metric.unit.as_str()),
            (kind, unit),
            "{name}"
        );
        // A gauge has no beginning to count from.
        assert_eq!(metric.is_cumulative, kind != "gauge", "{name}");
        assert!(
            metric.points.iter().all(|point| point.bounds == bounds),
            "{metric:#?}"
        );
        assert_eq!(metric.resource["service.name"], "bedcheck", "{name}");
    }
}

#[test]
fn runs_are_counted_by_outcome_and_error_type() {
    let totals = totals::of_collector(&RUNS.received);
    for key in [
        "runs{name=page,outcome=pass,type=http}",
        "runs{error.type=deadline_exceeded,name=hangs,outcome=fail,type=imap}",
        "runs{error.type=connection_refused,name=refused,outcome=fail,type=http}",
        "runs{error.type=tls.certificate_expired,name=expired,outcome=fail,type=http}",
        "runs{error.type=plugin_trap,name=panics,outcome=error,type=guest}",
    ] {
        assert_eq!(totals.get(key).map(|total| total.value), Some(1.0), "{key}");
    }
    let denied = totals.get("denied_calls{denial=grant,name=forbidden,type=guest}");
    assert_eq!(denied.map(|total| total.value), Some(1.0));
    let refused = "attempts{error.type=connection_refused,name=refused,outcome=fail,type=http}";
    assert_eq!(totals.get(refused).map(|total| total.value), Some(2.0));
}

#[test]
fn up_is_one_or_zero_and_absent_where_nothing_can_be_said_about_the_target() {
    let totals = totals::of_collector(&RUNS.received);
    let ups = totals
        .iter()
        .filter_map(|(key, total)| Some((key.strip_prefix("up{name=")?, total.value)));
    let ups: BTreeMap<&str, f64> = ups
        .map(|(key, value)| (key.split(',').next().unwrap_or_default(), value))
        .collect();
    let wanted = [
        ("page", 1.0),
        ("second-try", 1.0),
        ("mail", 0.0),
        ("hangs", 0.0),
        ("refused", 0.0),
        ("expired", 0.0),
        ("confesses", 0.0),
    ];
    assert_eq!(ups, BTreeMap::from(wanted));
}

#[test]
fn phases_that_were_not_reached_are_in_no_histogram() {
    let totals = totals::of_collector(&RUNS.received);
    let of_hangs: Vec<&String> = totals
        .keys()
        .filter(|key| key.starts_with("phase.duration{name=hangs,"))
        .collect();
    let wanted = [
        "phase.duration{name=hangs,outcome=fail,phase=capability,type=imap}",
        "phase.duration{name=hangs,outcome=pass,phase=connect,type=imap}",
        "phase.duration{name=hangs,outcome=pass,phase=greeting,type=imap}",
        "phase.duration{name=hangs,outcome=pass,phase=resolve,type=imap}",
    ];
    assert_eq!(of_hangs, wanted);
    // Two mailboxes that can be opened; the third is another series.
    let opened = &totals["phase.duration{name=mail,outcome=pass,phase=select,type=imap}"];
    assert_eq!(opened.count, 2);
}

#[test]
fn what_is_left_of_a_certificate_is_in_seconds() {
    let totals = totals::of_collector(&RUNS.received);
    let left = totals["tls.certificate.time_left{name=page,type=http}"].value;
    let issued_for = (VALID_DAYS * 24 * 60 * 60) as f64;
    // What went by between issuing it and the run is well under a minute.
    assert!(left <= issued_for && left > issued_for - 60.0, "{left}");
}
