//! Tests of the handle: what serving counts, and that it vanishes with what it is about.

use super::*;
use crate::outcome::{Blame, ErrorType, Outcome};
use crate::telemetry::metrics::Value;
use crate::telemetry::specimen::{self, failing, passing, skipped};
use crate::telemetry::strict;

fn meters() -> Meters {
    Meters::new(&BTreeMap::new())
}

fn labels(name: &str) -> CheckLabels<'_> {
    CheckLabels { name, plugin: "imap" }
}

fn text(meters: &Meters, format: Exposition) -> String {
    let mut text = Vec::new();
    meters.write_text(format, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn lines(meters: &Meters, needle: &str) -> Vec<String> {
    let page = text(meters, Exposition::Prometheus);
    let mut lines: Vec<String> = page
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains(needle))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn everything_that_serving_counts_is_readable_in_both_formats() {
    let meters = meters();
    meters.record(&passing());
    meters.record(&skipped());
    meters.check_state("mail-login", "imap", "passing");
    meters.breaker_state("mail-login", "imap", "half-open");
    meters.breaker_transition("mail-login", "imap", "half-open");
    meters.missed(2);
    meters.active_runs(4);
    meters.most_runs(16);
    meters.queue_size(5);
    meters.reloaded(true);
    meters.plugin_refused("imap");
    meters.plugin_swapped("imap");
    meters.plugin_compiled("imap", Duration::from_millis(3), true);
    meters.task_restarted("watch");
    meters.panicked();
    let page = text(&meters, Exposition::OpenMetrics);
    let samples = strict::open_metrics(&page).unwrap();
    let older = strict::prometheus(&text(&meters, Exposition::Prometheus)).unwrap();
    let value = |line: &str| {
        let found = samples.iter().find(|sample| {
            let labels: Vec<String> = sample
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{}{{{}}}", sample.name, labels.join(",")) == line
        });
        found.map(|sample| sample.value.as_str())
    };
    let check = "synthetic_check_name=mail-login";
    for (line, expected) in [
        (
            format!(
                "synthetic_check_runs_total{{{check},synthetic_check_outcome=pass,synthetic_check_type=imap}}"
            ),
            "1",
        ),
        (
            format!(
                "synthetic_check_runs_total{{error_type=circuit_open,{check},synthetic_check_outcome=skipped,\
                 synthetic_check_type=imap}}"
            ),
            "1",
        ),
        (
            format!("synthetic_check_up{{{check},synthetic_check_type=imap}}"),
            "1",
        ),
        (
            format!(
                "synthetic_check_state{{{check},synthetic_check_state=passing,synthetic_check_type=imap}}"
            ),
            "1",
        ),
        (
            format!(
                "synthetic_check_state{{{check},synthetic_check_state=failing,synthetic_check_type=imap}}"
            ),
            "0",
        ),
        (
            format!(
                "synthetic_check_circuit_state{{synthetic_check_circuit_state=half_open,{check},synthetic_check_type=imap}}"
            ),
            "1",
        ),
        (
            format!(
                "synthetic_check_circuit_state{{synthetic_check_circuit_state=open,{check},synthetic_check_type=imap}}"
            ),
            "0",
        ),
        (
            format!(
                "synthetic_check_circuit_transitions_total{{synthetic_check_circuit_state=half_open,{check},synthetic_check_type=imap}}"
            ),
            "1",
        ),
        ("synthetic_runner_schedule_delay_seconds_count{}".into(), "1"),
        ("synthetic_runner_schedule_missed_total{}".into(), "2"),
        ("synthetic_runner_runs_active{}".into(), "4"),
        ("synthetic_runner_runs_limit{}".into(), "16"),
        ("synthetic_runner_queue_size{}".into(), "5"),
        (
            "synthetic_runner_plugin_compile_duration_seconds_count{synthetic_check_type=imap,\
             synthetic_runner_cache=hit}"
                .into(),
            "1",
        ),
        (
            "synthetic_runner_plugin_fuel_used_count{synthetic_check_type=imap}".into(),
            "1",
        ),
        ("synthetic_runner_config_last_reload_success{}".into(), "1"),
        (
            "synthetic_runner_plugin_refused_total{synthetic_check_type=imap}".into(),
            "1",
        ),
        (
            "synthetic_runner_plugin_swapped_total{synthetic_check_type=imap}".into(),
            "1",
        ),
        (
            "synthetic_runner_task_restarts_total{synthetic_runner_task=watch}".into(),
            "1",
        ),
        ("synthetic_runner_panics_total{}".into(), "1"),
    ] {
        assert_eq!(value(&line), Some(expected), "{line} in {page}");
    }
    for name in [
        "process_start_time_seconds",
        "synthetic_runner_config_last_reload_time_seconds",
    ] {
        let sample = older.iter().find(|sample| sample.name == name).unwrap();
        assert!(sample.value.parse::<f64>().unwrap() > 1.7e9, "{sample:?}");
    }
}

#[test]
fn a_removed_check_is_nowhere_in_the_text() {
    let meters = meters();
    meters.set_checks([labels("mail-login"), labels("page")]);
    meters.record(&passing());
    for check in ["mail-login", "page"] {
        meters.check_state(check, "imap", "passing");
        meters.breaker_state(check, "imap", "open");
        meters.breaker_transition(check, "imap", "open");
    }
    assert!(lines(&meters, "mail-login").len() > 20);
    meters.set_checks([labels("page")]);
    meters.check_state("mail-login", "imap", "failing");
    meters.breaker_state("mail-login", "imap", "closed");
    meters.breaker_transition("mail-login", "imap", "closed");
    meters.record(&passing());
    assert_eq!(lines(&meters, "mail-login"), [""; 0]);
    assert_eq!(lines(&meters, "\"page\"").len(), 4 + 3 + 1);
}

#[test]
fn a_check_without_a_breaker_any_more_has_no_state_of_one() {
    let meters = meters();
    meters.set_checks([labels("mail-login"), labels("page")]);
    for check in ["mail-login", "page"] {
        meters.check_state(check, "imap", "passing");
        meters.breaker_state(check, "imap", "open");
    }
    meters.without_breaker("mail-login", "imap");
    assert_eq!(lines(&meters, "mail-login").len(), 4);
    assert_eq!(lines(&meters, "\"page\"").len(), 4 + 3);
}

#[test]
fn what_reports_add_goes_on_after_a_restart_with_its_start() {
    let before = meters();
    before.set_checks([labels("mail-login")]);
    let trapped = Report {
        outcome: Outcome::Error,
        blame: Some(Blame::Plugin),
        error: Some(specimen::error(ErrorType::FuelExhausted, "tls")),
        ..failing()
    };
    for report in [passing(), failing(), skipped(), trapped.clone()] {
        before.record(&report);
    }
    let kept = serde_json::from_str(&before.checkpoint().to_string()).unwrap();
    let after = meters();
    assert_eq!(after.restore(kept), [""; 0]);
    // As the daemon does, and with a check that is new.
    after.set_checks([labels("mail-login"), labels("page")]);
    let of_reports = |meters: &Meters| -> Vec<String> {
        let lines = lines(meters, "").into_iter();
        let runners = ["delay", "fuel", "memory_peak", "traps", "capability"];
        lines
            .filter(|line| {
                line.starts_with("synthetic_check") || runners.iter().any(|word| line.contains(word))
            })
            .collect()
    };
    assert!(of_reports(&before).len() > 60);
    assert_eq!(of_reports(&after), of_reports(&before));
    for meters in [&before, &after] {
        meters.record(&trapped);
    }
    assert_eq!(of_reports(&after), of_reports(&before));
    let starts = |meters: &Meters| {
        let mut starts = std::collections::BTreeSet::new();
        for instrument in meters.of_reports() {
            instrument.each(|_, series| {
                starts.insert(series.start);
            });
        }
        starts
    };
    assert_eq!(starts(&after), starts(&before));
}

#[test]
fn a_checkpoint_of_others_is_refused_in_a_sentence() {
    let meters = meters();
    assert_eq!(
        meters.restore(serde_json::json!({"version": 0})),
        ["the metrics count anew: its version is `0`, wanted `1`"]
    );
    meters.record(&passing());
    assert_eq!(lines(&meters, "synthetic_check_runs_total").len(), 1);
}

/// Every number of the text is the one that leaves over OTLP.
#[test]
fn the_text_and_the_export_tell_the_same_numbers() {
    use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
    let meters = meters();
    for report in [passing(), failing(), skipped()] {
        meters.record(&report);
    }
    meters.missed(3);
    let page = text(&meters, Exposition::Prometheus);
    let samples = strict::prometheus(&page).unwrap();
    let mut compared = 0;
    for metric in meters
        .export(SystemTime::now())
        .flat_map(|scope| scope.metrics)
        .filter(|metric| {
            !["process.", "synthetic.runner.metrics.series"]
                .iter()
                .any(|own| metric.name.starts_with(own))
        })
    {
        let family = metric.name.replace('.', "_");
        let of_family = |suffix: &str| -> f64 {
            let own = samples.iter().filter(|sample| {
                let rest = sample.name.strip_prefix(&family);
                rest.is_some_and(|rest| ["", "_seconds", "_bytes"].contains(&rest.trim_end_matches(suffix)))
                    && sample.name.ends_with(suffix)
            });
            own.map(|sample| sample.value.parse::<f64>().unwrap()).sum()
        };
        let numbers = |points: &[opentelemetry_proto::tonic::metrics::v1::NumberDataPoint]| -> f64 {
            let values = points.iter().map(|point| match point.value {
                Some(number_data_point::Value::AsInt(value)) => value as f64,
                Some(number_data_point::Value::AsDouble(value)) => value,
                None => f64::NAN,
            });
            values.sum()
        };
        let pairs = match metric.data.unwrap() {
            Data::Sum(sum) if sum.is_monotonic => vec![(numbers(&sum.data_points), of_family("_total"))],
            Data::Sum(sum) => vec![(numbers(&sum.data_points), of_family(""))],
            Data::Gauge(gauge) => vec![(numbers(&gauge.data_points), of_family(""))],
            Data::Histogram(histogram) => {
                let points = &histogram.data_points;
                let count: u64 = points.iter().map(|point| point.count).sum();
                let sum = points.iter().filter_map(|point| point.sum).sum();
                vec![(count as f64, of_family("_count")), (sum, of_family("_sum"))]
            }
            other => panic!("{other:?}"),
        };
        for (exported, shown) in pairs {
            compared += 1;
            assert!(
                (exported - shown).abs() <= exported.abs() * 1e-12,
                "{}: {exported} is exported, {shown} shown",
                metric.name
            );
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn a_refused_reload_shows_and_leaves_the_time_of_the_last_good_one() {
    let meters = meters();
    meters.reloaded(true);
    let time = lines(&meters, "last_reload_time");
    meters.reloaded(false);
    assert_eq!(
        lines(&meters, "last_reload_success"),
        ["synthetic_runner_config_last_reload_success 0"]
    );
    assert_eq!(lines(&meters, "last_reload_time"), time);
}

/// The points of the durations as they leave over OTLP: their form, start, count and sum.
fn durations(meters: &Meters) -> Vec<(&'static str, u64, u64, f64)> {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let metrics = meters.export(SystemTime::now()).flat_map(|scope| scope.metrics);
    let durations = metrics.filter(|metric| metric.name == "synthetic.check.duration");
    let points = durations.flat_map(|metric| match metric.data.unwrap() {
        Data::Histogram(histogram) => {
            let points = histogram.data_points.into_iter();
            let told = |point: opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| {
                (point.start_time_unix_nano, point.count, point.sum.unwrap())
            };
            points
                .map(told)
                .map(|(start, count, sum)| ("explicit", start, count, sum))
                .collect::<Vec<_>>()
        }
        Data::ExponentialHistogram(histogram) => {
            let points = histogram.data_points.into_iter();
            let told = |point: opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint| {
                (point.start_time_unix_nano, point.count, point.sum.unwrap())
            };
            points
                .map(told)
                .map(|(start, count, sum)| ("exponential", start, count, sum))
                .collect()
        }
        other => panic!("{other:?}"),
    });
    points.collect()
}

#[test]
fn histograms_go_on_in_the_other_form_and_never_fall() {
    let report = passing();
    let took = report.duration.as_secs_f64();
    let meters = |histograms| Meters::with_histograms(&BTreeMap::new(), histograms);
    let restarted = |before: &Meters, histograms| {
        let after = meters(histograms);
        let said = after.restore(serde_json::from_str(&before.checkpoint().to_string()).unwrap());
        (after, said)
    };
    let shown = |meters: &Meters| lines(meters, "synthetic_check_duration_seconds_count")[0].clone();
    let about = |wanted: f64, found: f64| (wanted - found).abs() < 1e-9;

    let first = meters(Histograms::Explicit);
    (0..5).for_each(|_| first.record(&report));
    let (_, start, ..) = durations(&first)[0];

    // What was counted is not known as finely, so that over OTLP these buckets begin with this process.
    let (second, said) = restarted(&first, Histograms::Exponential);
    let began = "over OTLP its buckets are exponential ones now, while `/metrics` goes on";
    assert!(
        said.contains(&format!("`synthetic.check.duration` counts anew: {began}")),
        "{said:?}"
    );
    second.record(&report);
    let (form, since, count, sum) = durations(&second)[0];
    assert!(
        form == "exponential" && since > start && count == 1 && about(took, sum),
        "{:?}",
        durations(&second)
    );
    assert!(shown(&second).ends_with(" 6"), "{}", shown(&second));

    // The same form again goes on.
    let (third, said) = restarted(&second, Histograms::Exponential);
    assert_eq!(said, [""; 0]);
    third.record(&report);
    let (_, still_since, count, sum) = durations(&third)[0];
    assert!(
        still_since == since && count == 2 && about(2.0 * took, sum),
        "{:?}",
        durations(&third)
    );
    assert!(shown(&third).ends_with(" 7"), "{}", shown(&third));

    // The explicit buckets were counted all the time.
    let (fourth, said) = restarted(&third, Histograms::Explicit);
    assert_eq!(said, [""; 0]);
    fourth.record(&report);
    let (form, still_start, count, sum) = durations(&fourth)[0];
    assert!(
        form == "explicit" && still_start == start && count == 8 && about(8.0 * took, sum),
        "{:?}",
        durations(&fourth)
    );
}

#[test]
fn what_counts_anew_says_since_when() {
    let before = meters();
    before.record(&passing());
    let (_, start, ..) = durations(&before)[0];
    let mut kept: serde_json::Value = serde_json::from_str(&before.checkpoint().to_string()).unwrap();
    let instruments = kept["instruments"].as_array_mut().unwrap();
    let duration = instruments
        .iter_mut()
        .find(|kept| kept["name"] == "synthetic.check.duration");
    duration.unwrap()["bounds"] = serde_json::json!([1.0]);
    let after = meters();
    assert_eq!(
        after.restore(kept),
        ["`synthetic.check.duration` counts anew: its buckets are others now"]
    );
    after.record(&passing());
    let (_, since, count, _) = durations(&after)[0];
    assert!(since > start && count == 1, "{since} {start} {count}");
}

/// Of a metric of a check that has one series: since when it counts, and what.
fn counted(meters: &Meters, metric: &str) -> (u64, Value) {
    let instruments = meters.instruments();
    let mut found = None;
    for instrument in instruments.iter().filter(|one| one.definition().name == metric) {
        instrument.each(|_, series| found = Some((series.start, series.value.clone())));
    }
    found.expect("a series")
}

#[test]
fn what_reports_do_not_add_starts_with_the_process_whatever_goes_on_beside_it() {
    let before = meters();
    before.set_checks([labels("mail-login")]);
    before.record(&passing());
    let turned = |meters: &Meters| {
        meters.breaker_transition("mail-login", "imap", "open");
        meters.breaker_state("mail-login", "imap", "open");
        meters.check_state("mail-login", "imap", "failing");
    };
    turned(&before);
    turned(&before);
    let after = meters();
    after.set_checks([labels("mail-login")]);
    after.restore(before.checkpoint());
    turned(&after);
    assert_eq!(after.start_of("mail-login"), before.start_of("mail-login"));
    for (metric, value) in [
        ("synthetic.check.circuit.transitions", Some(1)),
        ("synthetic.check.circuit.state", None),
        ("synthetic.check.state", None),
    ] {
        let ((start, _), (later, found)) = (counted(&before, metric), counted(&after, metric));
        assert!(later > start, "{metric}: {start} {later}");
        assert!(
            value.is_none_or(|value| found == Value::Whole(value)),
            "{metric}: {found:?}"
        );
    }
}

#[test]
fn nothing_of_another_plugin_comes_back_with_a_check() {
    let before = meters();
    before.record(&passing());
    before.record(&failing());
    let after = meters();
    let tcp = |name| CheckLabels { name, plugin: "tcp" };
    after.set_checks([tcp("mail-login")]);
    assert_eq!(after.restore(before.checkpoint()), [""; 0]);
    assert_eq!(lines(&after, "mail-login"), [""; 0]);
}

/// What counted anew in the process before says so in the next one as well, also in a series that had nothing then.
#[test]
fn what_counted_anew_before_a_restart_does_not_count_from_before_that_after_it() {
    let first = meters();
    first.record(&passing());
    let mut kept = first.checkpoint();
    let instruments = kept["instruments"].as_array_mut().unwrap();
    for instrument in instruments {
        if instrument["name"] == "synthetic.check.duration" {
            instrument["bounds"] = serde_json::json!([1.0]);
        }
    }
    let second = meters();
    second.restore(kept);
    let third = meters();
    third.restore(second.checkpoint());
    third.record(&passing());
    let (_, since, ..) = durations(&third)[0];
    assert!(since > durations(&first)[0].1, "{since}");
}

/// With a clock that is set back, what began before it was begins at the export that finds it out, and stays there.
#[test]
fn no_series_starts_in_the_future() {
    let meters = meters();
    meters.set_checks([labels("mail-login"), labels("page")]);
    meters.record(&passing());
    let starts = |now: SystemTime| {
        use opentelemetry_proto::tonic::metrics::v1::metric::Data;
        let metrics = meters.export(now).flat_map(|scope| scope.metrics);
        let starts = metrics.flat_map(|metric| -> Vec<u64> {
            match metric.data.unwrap() {
                Data::Sum(sum) => sum
                    .data_points
                    .iter()
                    .map(|point| point.start_time_unix_nano)
                    .collect(),
                Data::Gauge(gauge) => gauge
                    .data_points
                    .iter()
                    .map(|point| point.start_time_unix_nano)
                    .collect(),
                Data::Histogram(histogram) => histogram
                    .data_points
                    .iter()
                    .map(|point| point.start_time_unix_nano)
                    .collect(),
                other => panic!("{other:?}"),
            }
        });
        starts.collect::<std::collections::BTreeSet<u64>>()
    };
    let set_back = SystemTime::now() - Duration::from_secs(3600);
    let moved = std::collections::BTreeSet::from([nanoseconds(set_back)]);
    assert_eq!(starts(set_back), moved);
    // Also of what comes later, of a check that had nothing yet.
    meters.record(&failing());
    meters.check_state("page", "imap", "passing");
    assert_eq!(starts(set_back + Duration::from_secs(60)), moved);
    let after = Meters::new(&BTreeMap::new());
    after.restore(serde_json::from_str(&meters.checkpoint().to_string()).unwrap());
    let kept: Vec<u64> = durations(&after).iter().map(|(_, start, ..)| *start).collect();
    assert!(
        !kept.is_empty() && kept.iter().all(|start| moved.contains(start)),
        "{kept:?}"
    );
}
