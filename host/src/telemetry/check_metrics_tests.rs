//! Tests of what a report adds to the metrics.

use std::collections::HashSet;
use std::time::Duration;

use opentelemetry_proto::tonic::resource::v1::Resource;

use super::super::checks::MOST_WITH_HISTOGRAMS;
use super::super::meters::{CheckLabels, Meters};
use super::super::metrics::Histograms;
use super::*;
use crate::outcome::{ErrorType, InjectedFault};
use crate::telemetry::specimen::{error, failing, measurement, passing, refused_and_passing, skipped};

fn metrics() -> Meters {
    Meters::of_checks(Resource::default(), Histograms::Explicit)
}

/// Each point as `metric{attribute=value,...} value`; of a histogram, the count.
fn points(metrics: &Meters) -> Vec<String> {
    let mut lines = Vec::new();
    for instrument in metrics.instruments() {
        let name = short(&instrument.definition().name).to_owned();
        instrument.each(|owner, series| {
            let pairs = owner.base().iter().chain(series.own.iter());
            let mut words: Vec<String> = pairs
                .map(|pair| format!("{}={}", short(pair.key.as_str()), pair.value))
                .collect();
            words.sort();
            let value = match &series.value {
                Value::Whole(number) => number.to_string(),
                Value::Real(number) => number.to_string(),
                Value::Histogram(histogram) => histogram.count().to_string(),
            };
            lines.push(format!("{name}{{{}}} {value}", words.join(",")));
        });
    }
    lines.sort();
    lines
}

fn set_checks<'a>(metrics: &Meters, names: impl IntoIterator<Item = &'a str>) {
    metrics.set_checks(names.into_iter().map(|name| CheckLabels { name, plugin: "imap" }));
}

fn short(name: &str) -> &str {
    name.strip_prefix("synthetic.check.").unwrap_or(name)
}

fn after(reports: &[Report]) -> Vec<String> {
    let metrics = metrics();
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
    let metrics = metrics();
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
fn more_checks_than_the_sdk_allows_by_itself_are_told_apart() {
    let metrics = metrics();
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
fn a_removed_check_leaves_nothing_behind() {
    let metrics = metrics();
    let other = Report {
        check: "page".into(),
        ..passing()
    };
    metrics.record(&passing());
    metrics.record(&other);
    set_checks(&metrics, ["page"]);
    // A run that was under way when its check was removed.
    metrics.record(&passing());
    let points = points(&metrics);
    assert!(
        !points.iter().any(|point| point.contains("mail-login")),
        "{points:#?}"
    );
    assert_eq!(points.len(), 10);
}

#[test]
fn a_check_that_comes_back_counts_from_the_start_and_says_since_when() {
    let metrics = metrics();
    let starts = || {
        let mut starts = HashSet::new();
        for instrument in metrics.instruments() {
            instrument.each(|_, series| {
                starts.insert(series.start);
            });
        }
        starts.into_iter().collect::<Vec<_>>()
    };
    set_checks(&metrics, ["mail-login"]);
    metrics.record(&passing());
    let before = starts();
    set_checks(&metrics, []);
    assert!(starts().is_empty());
    set_checks(&metrics, ["mail-login"]);
    metrics.record(&passing());
    let after = starts();
    assert!(
        before.len() == 1 && after.len() == 1 && after[0] > before[0],
        "{before:?} {after:?}"
    );
    let runs = "runs{name=mail-login,outcome=pass,type=imap} 1".to_owned();
    assert!(points(&metrics).contains(&runs));
}

#[test]
fn a_first_failure_counts_since_its_check_does() {
    let metrics = metrics();
    set_checks(&metrics, ["mail-login"]);
    metrics.record(&passing());
    metrics.record(&failing());
    let mut starts = HashSet::new();
    for instrument in metrics.instruments() {
        instrument.each(|_, series| {
            starts.insert(series.start);
        });
    }
    assert_eq!(starts.len(), 1);
}

#[test]
fn a_check_of_another_plugin_is_another_check() {
    let metrics = metrics();
    set_checks(&metrics, ["mail-login"]);
    metrics.record(&passing());
    metrics.set_checks([CheckLabels {
        name: "mail-login",
        plugin: "tcp",
    }]);
    metrics.record(&passing());
    assert_eq!(points(&metrics), [""; 0]);
}

#[test]
fn while_one_generation_takes_over_from_another_unchanged_checks_go_on_and_those_of_another_plugin_begin() {
    let metrics = metrics();
    set_checks(&metrics, ["mail-login", "page", "gone"]);
    let page = Report {
        check: "page".into(),
        ..passing()
    };
    metrics.record(&passing());
    metrics.record(&page);
    let before = points(&metrics);
    let later = [("mail-login", "tcp"), ("page", "imap"), ("new", "imap")];
    let later = later.map(|(name, plugin)| CheckLabels { name, plugin });
    let start = |name: &str| metrics.start_of(name);
    let starts = [start("page"), start("gone")];
    metrics.add_checks(later);
    let of_page = before.into_iter().filter(|point| point.contains("name=page"));
    let of_page: Vec<_> = of_page.collect();
    assert_eq!(points(&metrics), of_page);
    assert_eq!([start("page"), start("gone")], starts);
    assert!(start("mail-login") > starts[0]);
    // A run that was under way with the plugin before.
    metrics.record(&passing());
    metrics.set_checks(later);
    assert_eq!(points(&metrics), of_page);
    assert_eq!((start("page"), start("gone")), (starts[0], None));
}

#[test]
fn checks_of_two_generations_are_not_too_many_for_histograms() {
    let metrics = metrics();
    metrics.record(&passing());
    let names = |numbers: std::ops::Range<usize>| -> Vec<String> {
        let numbers = numbers.map(|number| number.to_string());
        numbers.chain(["mail-login".to_owned()]).collect()
    };
    let labels = |names: &[String]| set_checks(&metrics, names.iter().map(String::as_str));
    labels(&names(1..MOST_WITH_HISTOGRAMS));
    metrics.record(&passing());
    let before = points(&metrics);
    let later = names(20..MOST_WITH_HISTOGRAMS + 19);
    metrics.add_checks(later.iter().map(|name| CheckLabels { name, plugin: "imap" }));
    labels(&later);
    assert_eq!(points(&metrics), before);
}

#[test]
fn with_very_many_checks_histograms_are_of_each_plugin_and_back() {
    let metrics = metrics();
    metrics.record(&passing());
    let started = |metrics: &Meters| -> u64 {
        let mut started = Vec::new();
        for instrument in metrics.instruments() {
            if matches!(&*instrument.definition().name, "synthetic.check.duration") {
                instrument.each(|_, series| started.push(series.start));
            }
        }
        started[0]
    };
    let first = started(&metrics);
    let others: Vec<String> = (0..MOST_WITH_HISTOGRAMS)
        .map(|number| number.to_string())
        .collect();
    let all = others.iter().map(String::as_str).chain(["mail-login"]);
    set_checks(&metrics, all);
    metrics.record(&passing());
    let of_plugin = [
        "deadline.utilization{type=imap} 1",
        "duration{outcome=pass,type=imap} 1",
        "phase.duration{outcome=pass,phase=connect,type=imap} 1",
        "phase.duration{outcome=pass,phase=tls,type=imap} 1",
    ];
    let histograms = |metrics: &Meters| -> Vec<String> {
        let is_one = |point: &String| point.contains("duration") || point.contains("utilization");
        points(metrics).into_iter().filter(is_one).collect()
    };
    assert_eq!(histograms(&metrics), of_plugin);
    let runs = "runs{name=mail-login,outcome=pass,type=imap} 2".to_owned();
    assert!(points(&metrics).contains(&runs));
    let second = started(&metrics);
    set_checks(&metrics, ["mail-login"]);
    metrics.record(&passing());
    // A count that fell since the same start is no reset for whoever takes it.
    assert!(first < second && second < started(&metrics));
    let all = histograms(&metrics);
    assert!(
        all.iter().all(|point| point.contains("name=mail-login")),
        "{all:?}"
    );
}

#[test]
fn what_did_not_pass_and_what_took_time_leads_to_its_trace() {
    let metrics = metrics();
    for report in [passing(), failing(), skipped()] {
        metrics.record(&report);
    }
    let (mut of_runs, mut of_durations) = (Vec::new(), 0);
    for instrument in metrics.instruments() {
        let name = &instrument.definition().name;
        instrument.each(|_, series| match &series.value {
            Value::Histogram(histogram) if name.contains("duration") => {
                for (_, exemplar) in histogram.exemplars() {
                    assert_eq!(exemplar.trace_id, [9; 16]);
                    of_durations += 1;
                }
            }
            _ => of_runs.extend(
                series
                    .exemplar
                    .as_deref()
                    .map(|exemplar| (name.clone(), *exemplar)),
            ),
        });
    }
    // Of two runs and four phases.
    assert_eq!(of_durations, 6);
    let root = passing().run_id.0;
    assert_eq!(of_runs.len(), 2);
    for (name, exemplar) in of_runs {
        assert_eq!((&*name, exemplar.span_id), ("synthetic.check.runs", root));
    }
}

#[test]
fn a_denied_retry_is_counted() {
    let report = Report {
        retry_denied: Some("the retry budget of the target is spent".into()),
        ..failing()
    };
    assert!(after(&[report]).contains(&"retries_denied{name=mail-login,type=imap} 1".to_owned()));
}

/// Addresses of targets and messages are nowhere in them.
#[test]
fn attributes_are_those_of_the_catalogue() {
    let metrics = metrics();
    for report in [passing(), failing(), skipped(), refused_and_passing()] {
        metrics.record(&report);
    }
    for instrument in metrics.instruments() {
        let definition = instrument.definition();
        instrument.each(|owner, series| {
            for pair in owner.base().iter().chain(series.own.iter()) {
                let key = pair.key.as_str();
                let is_own = definition.is_of_plugin() && key == "mailbox";
                assert!(
                    is_own || definition.attributes.contains(&key),
                    "{key} of {}",
                    definition.name
                );
                assert!(!pair.value.as_str().contains("what happened"), "{pair:?}");
            }
        });
    }
}

fn measured(check: &str, names: impl IntoIterator<Item = String>) -> Report {
    let mut report = passing();
    report.check = check.to_owned();
    report.measurements = names
        .into_iter()
        .map(|name| measurement(&name, "1", 1.0))
        .collect();
    report
}

#[test]
fn the_names_of_measurements_are_free_again_when_their_checks_are_gone() {
    let metrics = metrics();
    set_checks(&metrics, ["wild", "page"]);
    metrics.record(&measured(
        "wild",
        (0..256).map(|number| format!("wild.n{number}")),
    ));
    let page = || measured("page", ["page.size".to_owned()]);
    metrics.record(&page());
    let shown = |metrics: &Meters| {
        points(metrics)
            .iter()
            .any(|point| point.starts_with("measurement.page.size{"))
    };
    assert!(!shown(&metrics));
    let instruments = metrics.instruments().len();
    set_checks(&metrics, ["page"]);
    metrics.record(&page());
    assert!(shown(&metrics));
    assert_eq!(metrics.instruments().len(), instruments - 255);
}

#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_left_out_of_measurements_is_logged_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _subscribed = tracing::subscriber::set_default(subscriber.finish());
    let metrics = metrics();
    let mut report = passing();
    report.measurements = vec![
        measurement("http.size", "By", 1.0),
        measurement("http.size", "kBy\u{1b}[2J", 2.0),
    ];
    metrics.record(&report);
    metrics.record(&report);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        log.matches("the measurement `http.size` has the unit `kBy")
            .count(),
        1,
        "{log}"
    );
    assert!(!log.contains("\u{1b}[2J"), "{log:?}");
}

#[test]
fn a_measurement_says_nothing_of_whose_it_is() {
    let metrics = metrics();
    let mut report = passing();
    let forged = |key: &str| {
        let mut measurement = measurement("imap.forged", "1", 1.0);
        measurement.attributes = [(key.to_owned(), "evil".to_owned())].into();
        measurement
    };
    let keys = [
        "synthetic.check.name",
        "synthetic_check_type",
        "synthetic-check.name",
        "otel.metric.overflow",
        "otel_scope_name",
    ];
    report.measurements = keys.into_iter().map(forged).collect();
    metrics.record(&report);
    assert!(
        !points(&metrics).iter().any(|point| point.contains("forged")),
        "{:#?}",
        points(&metrics)
    );
    let refused = metrics.refused_measurements();
    assert_eq!(refused.len(), keys.len(), "{refused:#?}");
    let wanted = "the measurement `imap.forged` has the attribute `synthetic.check.name`, whose beginning is the host's";
    assert!(refused.contains(&wanted.to_owned()), "{refused:#?}");
    report.measurements = vec![forged("synthetics")];
    metrics.record(&report);
    assert!(points(&metrics).iter().any(|point| point.contains("forged")));
}
