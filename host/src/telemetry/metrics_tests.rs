//! Tests of what a report adds to the metrics.

use std::collections::BTreeSet;

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};

use super::*;
use crate::outcome::{ErrorType, InjectedFault};
use crate::telemetry::specimen::{error, failing, measurement, passing, refused_and_passing, skipped};

/// Each point as `metric{attribute=value,...} value`; of a histogram, the count.
fn points(metrics: &Metrics) -> Vec<String> {
    let collected = metrics.collect().unwrap();
    let metrics = collected.scope_metrics().flat_map(|scope| scope.metrics());
    let mut lines: Vec<String> = metrics.flat_map(lines).collect();
    lines.sort();
    lines
}

fn lines(metric: &Metric) -> Vec<String> {
    let line = |attributes: Vec<KeyValue>, value: String| {
        let mut words: Vec<String> = attributes
            .iter()
            .map(|pair| format!("{}={}", short(pair.key.as_str()), pair.value))
            .collect();
        words.sort();
        format!("{}{{{}}} {value}", short(metric.name()), words.join(","))
    };
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|point| line(point.attributes().cloned().collect(), point.value().to_string()))
            .collect(),
        AggregatedMetrics::U64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|point| line(point.attributes().cloned().collect(), point.value().to_string()))
            .collect(),
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|point| line(point.attributes().cloned().collect(), point.value().to_string()))
            .collect(),
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
            .data_points()
            .map(|point| line(point.attributes().cloned().collect(), point.count().to_string()))
            .collect(),
        other => panic!("no such instrument is used: {other:?}"),
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("synthetic.check.").unwrap_or(name)
}

fn after(reports: &[Report]) -> Vec<String> {
    let metrics = Metrics::new(Resource::builder_empty().build());
    reports.iter().for_each(|report| metrics.record(report));
    points(&metrics)
}

#[test]
fn a_pass_is_counted_timed_and_up() {
    assert_eq!(
        after(&[passing()]),
        [
            "attempts{name=mail-login,outcome=pass,type=imap} 1",
            "deadline.utilization{name=mail-login,type=imap} 1",
            "duration{name=mail-login,outcome=pass,type=imap} 1",
            "last_run.time{name=mail-login,outcome=pass,type=imap} 1767225600.1",
            "measurement.imap.mailbox.messages{mailbox=INBOX,name=mail-login,type=imap} 3",
            "phase.duration{name=mail-login,outcome=pass,phase=connect,type=imap} 1",
            "phase.duration{name=mail-login,outcome=pass,phase=tls,type=imap} 1",
            "runs{name=mail-login,outcome=pass,type=imap} 1",
            "tls.certificate.time_left{name=mail-login,type=imap} 86400",
            "up{name=mail-login,type=imap} 1",
        ]
    );
}

#[test]
fn a_fail_has_its_error_type_and_no_duration_for_what_was_not_reached() {
    assert_eq!(
        after(&[failing()]),
        [
            "attempts{error.type=connection_refused,name=mail-login,outcome=fail,type=imap} 1",
            "attempts{error.type=deadline_exceeded,name=mail-login,outcome=fail,type=imap} 1",
            "deadline.utilization{name=mail-login,type=imap} 1",
            "duration{name=mail-login,outcome=fail,type=imap} 1",
            "last_run.time{name=mail-login,outcome=fail,type=imap} 1767225601",
            "phase.duration{name=mail-login,outcome=fail,phase=connect,type=imap} 1",
            "phase.duration{name=mail-login,outcome=fail,phase=select,type=imap} 1",
            "runs{error.type=deadline_exceeded,name=mail-login,outcome=fail,type=imap} 1",
            "up{name=mail-login,type=imap} 0",
        ]
    );
}

#[test]
fn neither_an_error_of_ours_nor_a_skipped_run_says_that_the_target_is_down() {
    let mut broken = passing();
    broken.outcome = Outcome::Error;
    broken.error = Some(error(ErrorType::PluginTrap, "tls"));
    let points = after(&[passing(), broken, skipped()]);
    assert!(
        points.contains(&"up{name=mail-login,type=imap} 1".to_owned()),
        "{points:#?}"
    );
    let skipped = "runs{error.type=circuit_open,name=mail-login,outcome=skipped,type=imap} 1";
    assert!(points.contains(&skipped.to_owned()), "{points:#?}");
    let timed = "duration{name=mail-login,outcome=skipped";
    assert!(
        !points.iter().any(|point| point.starts_with(timed)),
        "{points:#?}"
    );
}

#[test]
fn a_measurement_keeps_the_unit_it_came_with_first() {
    let metrics = Metrics::new(Resource::builder_empty().build());
    let mut report = passing();
    report.measurements = vec![
        measurement("http.size", "By", 1.0),
        measurement("http.size", "kBy", 2.0),
    ];
    metrics.record(&report);
    let size = "measurement.http.size{mailbox=INBOX,name=mail-login,type=imap} 1".to_owned();
    assert!(points(&metrics).contains(&size));
    assert_eq!(
        metrics.refused_measurements(),
        ["the measurement `http.size` has the unit `kBy`, and had `By` before"]
    );
}

#[test]
fn every_instrument_has_its_unit_and_histograms_our_buckets() {
    let metrics = Metrics::new(Resource::builder_empty().build());
    metrics.record(&passing());
    let collected = metrics.collect().unwrap();
    let metrics = collected.scope_metrics().flat_map(|scope| scope.metrics());
    let units: Vec<_> = metrics
        .map(|metric| (short(metric.name()), metric.unit()))
        .collect();
    for unit in [
        ("runs", "{run}"),
        ("duration", "s"),
        ("phase.duration", "s"),
        ("attempts", "{attempt}"),
        ("up", "{check}"),
        ("last_run.time", "s"),
        ("deadline.utilization", "1"),
        ("tls.certificate.time_left", "s"),
        ("measurement.imap.mailbox.messages", "{message}"),
    ] {
        assert!(units.contains(&unit), "{unit:?} in {units:?}");
    }
    let metrics = collected.scope_metrics().flat_map(|scope| scope.metrics());
    let mut phases = metrics.filter(|metric| metric.name() == names::METRIC_PHASE_DURATION);
    let Some(AggregatedMetrics::F64(MetricData::Histogram(phases))) = phases.next().map(Metric::data) else {
        panic!("phase durations are a histogram");
    };
    let bounds: Vec<f64> = phases.data_points().next().unwrap().bounds().collect();
    assert_eq!(bounds, PHASE_BUCKETS);
}

#[test]
fn more_checks_than_the_sdk_allows_by_itself_are_told_apart() {
    let metrics = Metrics::new(Resource::builder_empty().build());
    for number in 0..2_500 {
        metrics.record(&Report {
            check: format!("check-{number}"),
            ..skipped()
        });
    }
    let runs = points(&metrics)
        .into_iter()
        .filter(|point| point.starts_with("runs{"));
    assert_eq!(runs.count(), 2_500);
}

#[test]
fn what_was_injected_is_counted_apart_from_the_target() {
    let mut report = failing();
    report.faults = vec![InjectedFault {
        fault: "net.read=delay 1s".into(),
        call: "net.read",
        phase: None,
        detail: None,
        at: Duration::ZERO,
    }];
    let points = after(&[passing(), report]);
    let of = |name: &str| {
        let named = points.iter().filter(|point| point.starts_with(name));
        named.map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(
        of("up"),
        [
            "up{fault.injected=true,name=mail-login,type=imap} 0",
            "up{name=mail-login,type=imap} 1",
        ]
    );
    assert_eq!(
        of("runs"),
        [
            "runs{error.type=deadline_exceeded,fault.injected=true,name=mail-login,outcome=fail,type=imap} 1",
            "runs{name=mail-login,outcome=pass,type=imap} 1",
        ]
    );
    let failed = points.iter().filter(|point| point.contains("outcome=fail"));
    for point in failed {
        assert!(point.contains("fault.injected=true"), "{point}");
    }
}

#[test]
fn refused_calls_are_counted_by_their_reason() {
    let points = after(&[passing(), refused_and_passing(), refused_and_passing()]);
    let denied: Vec<_> = points
        .iter()
        .filter(|point| point.starts_with("denied_calls"))
        .collect();
    assert_eq!(denied, ["denied_calls{denial=grant,name=mail-login,type=imap} 4"]);
}

#[test]
fn a_run_that_passed_on_a_later_attempt_is_counted_apart() {
    let mut report = failing();
    (report.outcome, report.error, report.blame) = (Outcome::Pass, None, None);
    (report.attempts[1].outcome, report.attempts[1].error) = (Outcome::Pass, None);
    let points = after(&[passing(), report]);
    let of = |name: &str| {
        let named = points.iter().filter(|point| point.starts_with(name));
        named.map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(
        of("runs"),
        [
            "runs{name=mail-login,outcome=pass,retried=true,type=imap} 1",
            "runs{name=mail-login,outcome=pass,type=imap} 1",
        ]
    );
    assert_eq!(
        of("attempts"),
        [
            "attempts{error.type=connection_refused,name=mail-login,outcome=fail,type=imap} 1",
            "attempts{name=mail-login,outcome=pass,type=imap} 2",
        ]
    );
}

#[test]
fn a_removed_check_leaves_its_histograms_and_nothing_else_behind() {
    let metrics = Metrics::new(Resource::builder_empty().build());
    let other = Report {
        check: "page".into(),
        ..passing()
    };
    metrics.record(&passing());
    metrics.record(&other);
    metrics.set_checks(HashSet::from(["page".to_owned()]));
    // A run that was under way when its check was removed.
    metrics.record(&passing());
    let of_removed: BTreeSet<String> = points(&metrics)
        .into_iter()
        .filter(|point| point.contains("name=mail-login"))
        .map(|point| point.split('{').next().unwrap_or_default().to_owned())
        .collect();
    let histograms = ["deadline.utilization", "duration", "phase.duration"];
    assert_eq!(of_removed, histograms.map(str::to_owned).into());
    let kept = points(&metrics)
        .into_iter()
        .filter(|point| point.contains("name=page"));
    assert_eq!(kept.count(), 10);
}

#[test]
fn with_very_many_checks_histograms_are_of_each_plugin() {
    let metrics = Metrics::new(Resource::builder_empty().build());
    let others = (0..MOST_WITH_HISTOGRAMS).map(|number| number.to_string());
    metrics.set_checks(others.chain(["mail-login".to_owned()]).collect());
    metrics.record(&passing());
    let points = points(&metrics);
    for expected in [
        "duration{outcome=pass,type=imap} 1",
        "deadline.utilization{type=imap} 1",
        "phase.duration{outcome=pass,phase=tls,type=imap} 1",
        "runs{name=mail-login,outcome=pass,type=imap} 1",
    ] {
        assert!(
            points.iter().any(|point| point == expected),
            "{expected}: {points:#?}"
        );
    }
}

#[test]
fn there_is_room_for_each_state_of_as_many_checks_as_there_may_be() {
    assert_eq!(cardinality(names::METRIC_UP), CARDINALITY);
    assert_eq!(cardinality(names::METRIC_CHECK_STATE), 4 * CARDINALITY);
}
