//! What is in the journal of a daemon is what arrives, field by field, by every way there is: in the OpenTelemetry
//! Collector over gRPC, HTTP and TLS, and in a receiver that shares nothing with it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bedcheck_tests::bedcheck;
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::collector::{Collector, Received};
use bedcheck_tests::daemon::{Daemon, WITHIN};
use bedcheck_tests::rotel::Rotel;
use bedcheck_tests::script::ClosedPort;
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

use crate::totals::{self, Totals};
use crate::trace::{Trace, elements};

/// Of every check, how many runs are looked at.
const RUNS: u64 = 5;
/// The metrics that are sums of what every run adds; the others are of the last run.
const SUMS: [&str; 5] = [
    "runs{",
    "attempts{",
    "duration{",
    "phase.duration{",
    "deadline.utilization{",
];

/// The name of the log record of a run that failed.
const FAILED: &str = "check.failed";

/// Targets that are well, flaky, silent and not there.
struct World {
    well: Target,
    flaky: Target,
    silent: Target,
    closed: ClosedPort,
}

impl World {
    fn start() -> Self {
        Self {
            well: Target::start(Health::Up),
            flaky: Target::start(Health::Flaky),
            silent: Target::start(Health::Silent),
            closed: ClosedPort::new(),
        }
    }

    /// A check for each of them; one is left alone after a while.
    fn configuration(&self, otlp: &str) -> String {
        let check = |name: &str, port: u16, more: &str| {
            format!(
                r#"
                [[check]]
                name = "{name}"
                plugin = "http"
                every = "100ms"
                allow = ["127.0.0.1:{port}"]
                settings = {{ url = "http://127.0.0.1:{port}/" }}
                {more}
                "#
            )
        };
        let (well, closed) = (self.well.port(), self.closed.port());
        let again = r#"retry = { attempts = 2, backoff = "10ms" }
                       budget.deadline = "10s""#;
        let checks = [
            check("passes", well, r#"budget.deadline = "10s""#),
            check("is-tried-again", self.flaky.port(), again),
            check(
                "hits-its-deadline",
                self.silent.port(),
                r#"budget.deadline = "50ms""#,
            ),
            check("fails", closed, r#"breaker = { failures = 2, reset = "150ms" }"#),
        ];
        format!("http.listen = \"127.0.0.1:0\"\n{otlp}\n{}", checks.join(""))
    }
}

/// Serves until every check has run often enough, ends in peace, and holds what arrived against the journal.
fn assert_journal_arrives(otlp: &str, authority: &[u8], received: impl Fn() -> Received) {
    let world = World::start();
    let mut daemon = Daemon::with(&world.configuration(otlp))
        .file("authority.pem", authority)
        .start();
    for check in ["passes", "is-tried-again", "hits-its-deadline", "fails"] {
        daemon.wait_until(check, |daemon| {
            let runs = daemon.check(check)["runs"].clone();
            let runs = runs.as_object().into_iter().flatten();
            (runs.filter_map(|(_, count)| count.as_u64()).sum::<u64>() >= RUNS).then_some(())
        });
    }
    let journal = daemon.path("state/bedcheck/journal");
    let folder = daemon.again_after("TERM");
    let reports = journalled(&journal);
    drop(folder);
    assert!(reports.len() as u64 >= 4 * RUNS);

    // A receiver that hands on answers before it has done so, and each signal goes its own way.
    let give_up = Instant::now() + WITHIN;
    while !is_all_there(&reports, &received()) && Instant::now() < give_up {
        thread::sleep(Duration::from_millis(50));
    }
    let received = received();
    for report in &reports {
        Trace::of(report, &received).assert_tells_the_report();
        assert_failure_is_told(report, &received);
    }
    let roots = received.spans.iter().filter(|span| span.parent.is_empty());
    assert_eq!(roots.count(), reports.len());
    assert_sums(&reports, &received);
}

fn journalled(folder: &Path) -> Vec<Value> {
    assert!(
        fs::read_dir(folder).is_ok(),
        "no journal in `{}`",
        folder.display()
    );
    let shown = bedcheck([
        "journal",
        "--dir",
        &folder.display().to_string(),
        "--format",
        "json",
    ]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    shown.reports()
}

/// Whether there is as much of every signal as there has to be; what it says is looked at later.
fn is_all_there(reports: &[Value], received: &Received) -> bool {
    let totals = totals::of_collector(received);
    let runs = totals.iter().filter(|(key, _)| key.starts_with("runs{"));
    let counted: f64 = runs.map(|(_, total)| total.value).sum();
    let spans: usize = reports.iter().map(spans_of).sum();
    let failed = reports.iter().filter(|report| has_failed(report)).count();
    let told = received
        .logs
        .iter()
        .filter(|record| record.event_name == FAILED)
        .count();
    counted >= reports.len() as f64 && received.spans.len() >= spans && told >= failed
}

/// The run, its attempts, the pauses between them, the phases that were reached.
fn spans_of(report: &Value) -> usize {
    let attempts = elements(&report["attempts"]);
    let phases = attempts.iter().flat_map(|attempt| elements(&attempt["phases"]));
    let reached = phases.filter(|phase| phase["status"] != "not-reached").count();
    1 + attempts.len() + attempts.len().saturating_sub(1) + reached
}

fn has_failed(report: &Value) -> bool {
    report["outcome"] == "fail" || report["outcome"] == "error"
}

/// A run that failed is a log record in its trace, with its message; one that was skipped did not fail.
fn assert_failure_is_told(report: &Value, received: &Received) {
    let records = received
        .logs
        .iter()
        .filter(|record| record.event_name == FAILED && report["trace_id"] == record.trace_id.as_str());
    let bodies: Vec<_> = records.map(|record| record.body.as_str()).collect();
    let message = report["error"]["message"].as_str().filter(|_| has_failed(report));
    assert_eq!(bodies, Vec::from_iter(message), "{report:#}");
}

fn assert_sums(reports: &[Value], received: &Received) {
    let is_sum = |key: &String| SUMS.iter().any(|sum| key.starts_with(sum));
    let (found, wanted) = (totals::of_collector(received), totals::of_reports(reports));
    let found: Totals = found.into_iter().filter(|(key, _)| is_sum(key)).collect();
    let wanted: Totals = wanted.into_iter().filter(|(key, _)| is_sum(key)).collect();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>()
    );
    for (key, wanted) in &wanted {
        let found = found[key];
        assert_eq!(found.count, wanted.count, "{key}");
        // A report has durations to the microsecond; a share of the shortest deadline makes twenty of each.
        let tolerance = 2e-5 * wanted.count.max(1) as f64;
        assert!(
            (found.value - wanted.value).abs() <= tolerance,
            "{key}: {found:?}, {wanted:?}"
        );
    }
}

fn table(endpoint: &str, protocol: &str) -> String {
    format!("otlp = {{ endpoint = \"{endpoint}\", protocol = \"{protocol}\" }}")
}

#[test]
fn in_the_collector_over_grpc() {
    let collector = Collector::start();
    assert_journal_arrives(&table(&collector.grpc_endpoint(), "grpc"), b"", || {
        collector.received()
    });
}

#[test]
fn in_the_collector_over_http() {
    let collector = Collector::start();
    let otlp = table(&collector.http_endpoint(), "http/protobuf");
    assert_journal_arrives(&otlp, b"", || collector.received());
}

#[test]
fn in_the_collector_over_https() {
    let certificates = Certificates::new();
    let collector = Collector::start_tls(&certificates.valid());
    let authority = fs::read(certificates.authority_file()).expect("the authority is there");
    let endpoint = collector.http_endpoint();
    let otlp = format!(
        "otlp = {{ endpoint = \"{endpoint}\", protocol = \"http/protobuf\", ca_file = \"authority.pem\" }}"
    );
    assert_journal_arrives(&otlp, &authority, || collector.received());
}

#[test]
fn in_another_receiver_over_grpc() {
    let rotel = Rotel::start();
    assert_journal_arrives(&table(&rotel.grpc_endpoint(), "grpc"), b"", || rotel.received());
}

#[test]
fn in_another_receiver_over_http() {
    let rotel = Rotel::start();
    assert_journal_arrives(&table(&rotel.http_endpoint(), "http/protobuf"), b"", || {
        rotel.received()
    });
}
