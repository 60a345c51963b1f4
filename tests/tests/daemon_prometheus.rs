//! The promise: a real Prometheus whose job was written for blackbox_exporter scrapes `bedcheck serve` as it is, and
//! reads the daemon's own metrics as OpenMetrics.

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::prometheus::Prometheus;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// A module for two targets, and a check, so that the daemon has metrics of its own.
fn configuration(healthy: u16, sick: u16) -> String {
    format!(
        r#"
http.listen = "127.0.0.1:0"
[[module]]
name = "http_2xx"
plugin = "http"
targets = ["127.0.0.1:{healthy}", "127.0.0.1:{sick}"]
[[check]]
name = "own"
plugin = "http"
every = "500ms"
budget.deadline = "5s"
allow = ["self"]
settings.url = "http://127.0.0.1:{healthy}/"
"#
    )
}

/// The job is the one of blackbox_exporter's documentation: only the addresses are these.
fn scraping(daemon: &Daemon, healthy: u16, sick: u16) -> String {
    let address = daemon.address();
    format!(
        r#"
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: 'blackbox'
    metrics_path: /probe
    params:
      module: [http_2xx]
    static_configs:
      - targets:
        - http://127.0.0.1:{healthy}
        - 127.0.0.1:{sick}
    relabel_configs:
      - source_labels: [__address__]
        target_label: __param_target
      - source_labels: [__param_target]
        target_label: instance
      - target_label: __address__
        replacement: {address}
  - job_name: 'bedcheck'
    static_configs:
      - targets: ['{address}']
"#
    )
}

/// The labels of this name, sorted.
fn labels(series: &[Value], name: &str) -> Vec<String> {
    let mut labels: Vec<String> = series
        .iter()
        .map(|one| one["metric"][name].as_str().unwrap_or_default().to_owned())
        .collect();
    labels.sort();
    labels
}

#[test]
fn a_job_of_blackbox_exporter_goes_on_unchanged() {
    let healthy = Target::start(Health::Up);
    let sick = Target::start(Health::Down);
    let daemon = Daemon::with(&configuration(healthy.port(), sick.port())).start();
    let prometheus = Prometheus::start(&scraping(&daemon, healthy.port(), sick.port()));

    let good = format!("http://127.0.0.1:{}", healthy.port());
    let bad = format!("127.0.0.1:{}", sick.port());
    let has = |query: String| prometheus.wait_for(&query);
    has(format!("probe_success{{instance=\"{good}\"}} == 1"));
    has(format!("probe_success{{instance=\"{bad}\"}} == 0"));
    has(format!("up{{job=\"blackbox\",instance=\"{bad}\"}} == 1"));
    has("up{job=\"bedcheck\"} == 1".to_owned());

    let phases = has(format!("probe_http_duration_seconds{{instance=\"{good}\"}}"));
    assert_eq!(
        labels(&phases, "phase"),
        ["connect", "processing", "resolve", "transfer"]
    );
    has(format!("probe_http_status_code{{instance=\"{good}\"}} == 200"));
    let why = has(format!("probe_failure_info{{instance=\"{bad}\"}} == 1"));
    assert_eq!(labels(&why, "phase"), ["processing"]);
    assert_eq!(labels(&why, "reason"), ["connection_closed"]);
    let ups = prometheus.query("up == 0");
    assert!(ups.is_empty(), "{ups:#?}\n{}", prometheus.log());

    let counted = has("synthetic_check_runs_total{job=\"bedcheck\"} > 1".to_owned());
    assert_eq!(labels(&counted, "job"), ["bedcheck"]);
    // It warns of samples that it cannot take.
    let log = prometheus.log();
    assert!(!log.contains("level=warn"), "{log}");

    // The scraper's second, less the offset, is what a probe has.
    target_that_is_silent_ends_in_time(&sick, &prometheus, &bad);
}

/// A target that says nothing is told as such within the scraper's timeout: the scrape itself succeeds.
fn target_that_is_silent_ends_in_time(sick: &Target, prometheus: &Prometheus, instance: &str) {
    sick.turn(Health::Silent);
    let query = format!("probe_failure_info{{instance=\"{instance}\",reason=\"deadline_exceeded\"}}");
    assert_eq!(labels(&prometheus.wait_for(&query), "phase"), ["processing"]);
    let timeout = format!("probe_timeout_seconds{{instance=\"{instance}\"}} <= 0.5");
    assert_eq!(prometheus.wait_for(&timeout).len(), 1);
}
