//! Tests of the handle: what serving counts, and that it vanishes with what it is about.

use super::*;
use crate::telemetry::specimen::{passing, skipped};
use crate::telemetry::strict;

fn meters() -> Meters {
    Meters::new(&BTreeMap::new())
}

fn labels<'a>(name: &'a str, target: &'a str) -> CheckLabels<'a> {
    CheckLabels {
        name,
        plugin: "imap",
        target,
    }
}

fn lines(meters: &Meters, needle: &str) -> Vec<String> {
    let page = meters.text(Exposition::Prometheus).unwrap();
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
    meters.breaker_state("mail:993", "imap", "half-open");
    meters.breaker_transition("mail:993", "imap", "half-open");
    meters.retry_denied("mail:993");
    meters.lag(Duration::from_millis(3));
    meters.missed(2);
    meters.active_runs(4);
    meters.reloaded(true);
    meters.plugin_refused("imap");
    meters.plugin_swapped("imap");
    meters.task_restarted("watch");
    meters.panicked();
    let page = meters.text(Exposition::OpenMetrics).unwrap();
    let samples = strict::open_metrics(&page).unwrap();
    let older = strict::prometheus(&meters.text(Exposition::Prometheus).unwrap()).unwrap();
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
    let circuit = "synthetic_check_target=mail:993,synthetic_check_type=imap";
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
            format!("synthetic_check_circuit_state{{synthetic_check_circuit_state=half_open,{circuit}}}"),
            "1",
        ),
        (
            format!("synthetic_check_circuit_state{{synthetic_check_circuit_state=open,{circuit}}}"),
            "0",
        ),
        (
            format!(
                "synthetic_check_circuit_transitions_total{{synthetic_check_circuit_state=half_open,{circuit}}}"
            ),
            "1",
        ),
        (
            "synthetic_check_retries_denied_total{synthetic_check_target=mail:993}".into(),
            "1",
        ),
        ("synthetic_runner_schedule_delay_seconds_count{}".into(), "1"),
        ("synthetic_runner_schedule_missed_total{}".into(), "2"),
        ("synthetic_runner_runs_active{}".into(), "4"),
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
fn a_removed_check_is_nowhere_in_the_text_and_takes_its_breaker_with_it() {
    let meters = meters();
    meters.set_checks([labels("mail-login", "mail:993"), labels("page", "www:443")]);
    meters.record(&passing());
    meters.check_state("mail-login", "imap", "passing");
    meters.breaker_state("mail:993", "imap", "open");
    meters.breaker_state("www:443", "imap", "open");
    meters.retry_denied("mail:993");
    assert!(lines(&meters, "mail-login").len() > 20);
    meters.set_checks([labels("page", "www:443")]);
    meters.check_state("mail-login", "imap", "failing");
    meters.record(&passing());
    for gone in ["mail-login", "mail:993"] {
        assert_eq!(lines(&meters, gone), [""; 0]);
    }
    assert_eq!(lines(&meters, "www:443").len(), 3);
}

#[test]
fn a_check_that_comes_back_counts_from_the_start() {
    let meters = meters();
    meters.record(&passing());
    meters.set_checks([]);
    meters.set_checks([labels("mail-login", "mail:993")]);
    meters.record(&passing());
    let runs = lines(&meters, "synthetic_check_runs_total");
    assert!(runs.len() == 1 && runs[0].ends_with(" 1"), "{runs:?}");
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
