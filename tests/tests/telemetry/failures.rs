//! What goes wrong on the way to a collector: it is said, it takes a bounded time, and the run stays what it was.

use std::time::Duration;

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::collector::Collector;
use bedcheck_tests::script::{ClosedPort, Script};
use bedcheck_tests::{Finished, Program};
use serde_json::Value;

use crate::page::{Page, with_each_protocol};
use crate::trace::Trace;

/// How long a process that ends waits for its collector.
const FLUSH_BOUND: Duration = Duration::from_secs(5);
/// How much longer than without a collector the rest of the process may take: it is started twice on a machine
/// that may be busy. Together with the bound it is less than the 10 s that an export alone may take by default.
const SLACK: Duration = Duration::from_secs(3);

fn table(endpoint: &str, protocol: &str) -> String {
    format!("[otlp]\nendpoint = \"{endpoint}\"\nprotocol = \"{protocol}\"")
}

/// What a run is judged by, and how far it came.
fn judgement(finished: &Finished) -> (Option<i32>, Vec<Value>) {
    let report = finished.report();
    let phases = report["attempts"][0]["phases"].as_array().into_iter().flatten();
    let phases = phases.flat_map(|phase| [phase["name"].clone(), phase["status"].clone()]);
    let judgement =
        ["outcome", "blame", "error", "deadline_exceeded", "measurements"].map(|key| report[key].clone());
    (finished.code, judgement.into_iter().chain(phases).collect())
}

/// The same run as without a collector, and one sentence for each signal, which names where it did not arrive.
#[track_caller]
fn assert_told_and_nothing_else(finished: &Finished, without: &Finished, endpoint: &str) {
    assert_eq!(judgement(finished), judgement(without));
    let said: Vec<&str> = finished.stderr.lines().collect();
    let [spans, metrics] = said[..] else {
        panic!("wanted two sentences, found {said:#?}")
    };
    for (sentence, beginning) in [
        (spans, "telemetry: the spans of 1 run did not reach `"),
        (metrics, "telemetry: the metrics did not reach `"),
    ] {
        let rest = sentence.strip_prefix(beginning).unwrap_or_default();
        let (place, reason) = rest.split_once("`: ").unwrap_or_default();
        assert!(place.starts_with(endpoint) && !reason.is_empty(), "{sentence}");
    }
}

#[test]
fn a_collector_that_refuses_connections_is_told_and_changes_nothing() {
    let page = Page::serve();
    let closed = ClosedPort::new();
    let endpoint = format!("http://127.0.0.1:{}", closed.port());
    let without = page.check("").finish();
    assert_eq!((without.code, without.stderr.as_str()), (Some(0), ""));
    with_each_protocol(|protocol| {
        let finished = page.check(&table(&endpoint, protocol)).finish();
        assert_told_and_nothing_else(&finished, &without, &endpoint);
        assert!(
            finished.stderr.to_lowercase().contains("connection refused"),
            "{}",
            finished.stderr
        );
        // It has answered at once, so that the bound is not used up by a few more tries.
        assert!(
            finished.took < without.took + SLACK,
            "{:?} and {:?}",
            finished.took,
            without.took
        );
    });
}

#[test]
fn a_collector_that_never_answers_costs_no_more_than_the_flush_bound() {
    let page = Page::serve();
    let mute = Script::new().stall().serve();
    let endpoint = format!("http://127.0.0.1:{}", mute.port());
    let without = page.check("").finish();
    with_each_protocol(|protocol| {
        let finished = page.check(&table(&endpoint, protocol)).finish();
        assert_told_and_nothing_else(&finished, &without, &endpoint);
        let bound = without.took + FLUSH_BOUND + SLACK;
        assert!(
            finished.took < bound,
            "{:?} and {:?}",
            finished.took,
            without.took
        );
    });
}

#[test]
fn a_collector_that_is_sick_is_told_and_changes_nothing() {
    let page = Page::serve();
    let certificates = Certificates::new();
    let without = page.check("").finish();
    let answer = |answer: &str| Script::new().expect_through("\r\n\r\n").send(answer).hang_up();
    for (sickness, script) in [
        ("hangs up", Script::new()),
        ("resets", Script::new().expect("P").reset()),
        (
            "is overloaded",
            answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "knows no such path",
            answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ),
        ("talks nonsense", answer("* OK IMAP4rev1 ready\r\n")),
        (
            "wants TLS",
            Script::new().start_tls(certificates.valid().server_config()),
        ),
    ] {
        let sick = script.serve();
        let endpoint = format!("http://127.0.0.1:{}", sick.port());
        with_each_protocol(|protocol| {
            let finished = page.check(&table(&endpoint, protocol)).finish();
            assert_told_and_nothing_else(&finished, &without, &endpoint);
            assert!(
                finished.took < without.took + FLUSH_BOUND + SLACK,
                "{sickness}: {:?}",
                finished.took
            );
        });
    }
}

#[test]
fn a_timeout_of_ones_own_is_kept() {
    let page = Page::serve();
    let mute = Script::new().stall().serve();
    let endpoint = format!("http://127.0.0.1:{}", mute.port());
    with_each_protocol(|protocol| {
        for (in_file, variable) in [("timeout = \"150ms\"", "60000"), ("", "150")] {
            let finished = page
                .check(&format!("{}\n{in_file}", table(&endpoint, protocol)))
                .env("OTEL_EXPORTER_OTLP_TIMEOUT", variable)
                .finish();
            assert_eq!(finished.code, Some(0));
            let told = finished
                .stderr
                .lines()
                .filter(|line| line.ends_with(": no answer in 150ms"));
            assert_eq!(told.count(), 2, "{}", finished.stderr);
        }
    });
}

#[test]
fn the_exit_code_of_a_failure_is_that_of_the_check() {
    let closed = ClosedPort::new();
    let port = closed.port();
    for (endpoint, sentences) in [(None, 0), (Some(format!("http://127.0.0.1:{port}")), 3)] {
        let url = format!("url=http://127.0.0.1:{port}/");
        let mut program = Program::new(["run", "--plugin", "http", "--format", "nagios", "--set", &url]);
        if let Some(endpoint) = endpoint {
            program = program.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        }
        let finished = program.finish();
        assert_eq!(finished.code, Some(2));
        let told = finished
            .stderr
            .lines()
            .filter(|line| line.starts_with("telemetry: "));
        assert_eq!(told.count(), sentences, "{}", finished.stderr);
        // One line for the monitoring system, whatever telemetry does.
        assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
        assert!(finished.stdout.starts_with("CRITICAL"), "{}", finished.stdout);
    }
}

#[test]
fn a_destination_that_is_down_does_not_hold_up_the_other() {
    let collector = Collector::start();
    let closed = ClosedPort::new();
    let elsewhere = format!("http://127.0.0.1:{}/v1/metrics", closed.port());
    let finished = Page::serve()
        .check("")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_endpoint())
        .env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &elsewhere)
        .finish();
    assert_eq!(finished.code, Some(0));
    Trace::of(&finished.report(), &collector.received()).assert_tells_the_report();
    let sentence = format!("telemetry: the metrics did not reach `{elsewhere}`: ");
    let said: Vec<&str> = finished.stderr.lines().collect();
    assert!(
        matches!(said[..], [said] if said.starts_with(&sentence)),
        "{said:#?}"
    );
}

#[test]
fn bad_values_of_the_environment_are_all_told_at_once_and_nothing_runs() {
    let page = Page::serve();
    let call = |variables: &[(&str, &str)]| {
        let program = page
            .check("")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let finished = variables
            .iter()
            .fold(program, |program, (name, value)| program.env(name, value))
            .finish();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(64), ""),
            "{finished:#?}"
        );
        finished.stderr
    };
    let sentence = "OTEL_EXPORTER_OTLP_PROTOCOL: found `tcp`, wanted `grpc` or `http/protobuf`\n";
    assert_eq!(call(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "tcp")]), sentence);
    let sentence = "OTEL_SDK_DISABLED: found `perhaps`, wanted `true` or `false`\n";
    assert_eq!(call(&[("OTEL_SDK_DISABLED", "perhaps")]), sentence);
    let told = call(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "udp"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
    ]);
    let mut places: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(place, _)| place)
        .collect();
    places.sort_unstable();
    let wanted = [
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_RESOURCE_ATTRIBUTES",
    ];
    assert_eq!(places, wanted, "{told}");

    let told = call(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization Bearer tok-5c1e")]);
    assert!(
        told.starts_with("OTEL_EXPORTER_OTLP_HEADERS: ") && !told.contains("tok-5c1e"),
        "{told}"
    );
    let told = call(&[(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://user:tok-5c1e@127.0.0.1:4318",
    )]);
    assert!(
        told.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: ") && !told.contains("tok-5c1e"),
        "{told}"
    );
    assert_eq!(page.requests(), 0);
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_named_and_nothing_runs() {
    let page = Page::serve();
    with_each_protocol(|protocol| {
        for contents in [None, Some("no certificate")] {
            let mut program = page.check(&format!(
                "{}\nca_file = \"ca.pem\"",
                table("https://127.0.0.1:1", protocol)
            ));
            if let Some(contents) = contents {
                program = program.file("ca.pem", contents);
            }
            let finished = program.finish();
            assert_eq!(
                (finished.code, finished.stdout.as_str()),
                (Some(64), ""),
                "{finished:#?}"
            );
            assert!(
                finished.mentions("ca.pem") && finished.stderr.lines().count() == 1,
                "{finished:#?}"
            );
        }
    });
    assert_eq!(page.requests(), 0);
}
