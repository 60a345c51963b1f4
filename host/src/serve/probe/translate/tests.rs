//! Tests of the translation: reports made by hand to gauges as text.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::super::exposition::text;
use super::*;
use crate::outcome::{
    Attempt, Attributes, DeadlineWhile, ErrorReport, PhaseReport, PluginIdentity, RunId, TraceId, Usage,
};
use crate::telemetry::Exposition;

/// A phase that took so many milliseconds, if it was reached.
fn phase(name: &str, status: PhaseStatus, took: Option<u64>, facts: &[(&'static str, &str)]) -> PhaseReport {
    let attributes: Attributes = facts
        .iter()
        .map(|(name, value)| (*name, AttributeValue::Text((*value).to_owned())))
        .collect();
    PhaseReport {
        name: name.to_owned(),
        detail: None,
        status,
        start: took.map(|_| Duration::ZERO),
        duration: took.map(Duration::from_millis),
        budget_share: None,
        error: None,
        injected: false,
        attributes,
    }
}

fn report(plugin: &str, phases: Vec<PhaseReport>, error: Option<(ErrorType, &str)>) -> Report {
    let error = error.map(|(error_type, phase)| ErrorReport {
        error_type,
        message: "as it went".into(),
        phase: Some(phase.into()),
        injected: false,
    });
    let outcome = error
        .as_ref()
        .map_or(Outcome::Pass, |error| error.error_type.outcome());
    Report {
        check: "module".into(),
        plugin: PluginIdentity {
            name: plugin.into(),
            version: "0.1.0".into(),
            sha256: String::new(),
        },
        run_id: RunId([0; 8]),
        trace_id: TraceId([0; 16]),
        started: SystemTime::UNIX_EPOCH,
        duration: Duration::from_millis(250),
        lag: Duration::ZERO,
        deadline: Duration::from_secs(9),
        deadline_exceeded: false,
        deadline_hit: None,
        warnings: Vec::new(),
        retry_denied: None,
        thresholds: None,
        outcome,
        blame: error.as_ref().map(|error| error.error_type.blame()),
        error: error.clone(),
        attempts: vec![Attempt {
            outcome,
            error,
            start: Duration::ZERO,
            duration: Duration::from_millis(250),
            phases,
        }],
        measurements: Vec::new(),
        usage: Usage::default(),
        log: Vec::new(),
        circuit: Vec::new(),
        relations: crate::outcome::Relations::default(),
        denials: Vec::new(),
        faults: Vec::new(),
    }
}

fn measure(report: &mut Report, name: &str, value: f64, attributes: &[(&str, &str)]) {
    report.measurements.push(Measurement {
        name: name.into(),
        value,
        unit: "1".into(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    });
}

/// The samples, without help and types.
fn samples(report: &Report) -> Vec<String> {
    let text = text(
        &families(report, Duration::from_millis(9_500)),
        Exposition::Prometheus,
    );
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(str::to_owned).collect()
}

#[track_caller]
fn assert_has(samples: &[String], wanted: &[&str]) {
    for line in wanted {
        assert!(
            samples.iter().any(|sample| sample == line),
            "no `{line}` in {samples:#?}"
        );
    }
}

#[track_caller]
fn assert_lacks(samples: &[String], prefixes: &[&str]) {
    for prefix in prefixes {
        let found = samples.iter().find(|sample| sample.starts_with(prefix));
        assert_eq!(found, None, "{prefix}");
    }
}

#[test]
fn a_fetch_over_tls_with_a_redirect_has_all_that_blackbox_exporter_has() {
    use PhaseStatus::Ok;
    let peer = [("network.peer.address", "192.0.2.1")];
    let tls = [
        ("tls.protocol.version", "1.3"),
        ("tls.cipher", "TLS13_AES_128_GCM_SHA256"),
        ("tls.server.subject", "CN=www"),
        ("tls.server.issuer", "CN=ca"),
        ("tls.server.hash.sha256", "00ff"),
        ("tls.server.serial_number", "0a1b"),
        ("tls.server.not_after", "2026-03-25T12:00:00Z"),
        ("tls.server.chain.earliest_not_after", "2026-03-24T12:00:00Z"),
        ("tls.server.chain.not_after", "2026-03-25T12:00:00Z"),
    ];
    let mut fetched = report(
        "http",
        vec![
            phase("resolve", Ok, Some(1), &[]),
            phase("connect", Ok, Some(2), &peer),
            phase("processing", Ok, Some(3), &[]),
            phase("transfer", Ok, Some(4), &[]),
            phase("resolve", Ok, Some(10), &[]),
            phase("connect", Ok, Some(20), &peer),
            phase("tls", Ok, Some(30), &tls),
            phase("processing", Ok, Some(40), &[]),
            phase("transfer", Ok, Some(50), &[]),
        ],
        None,
    );
    let names = AttributeValue::List(vec!["www".into(), "example.org".into()]);
    fetched.attempts[0].phases[6]
        .attributes
        .insert("tls.server.names", names);
    for (name, value) in [
        ("http.response.status_code", 204.0),
        ("http.response.version", 1.1),
        ("http.redirects", 1.0),
        ("http.response.body.size", 10.0),
        ("http.response.body.uncompressed_size", 12.0),
        ("http.response.content_length", 10.0),
        ("http.response.last_modified", 1_700_000_000.0),
    ] {
        measure(&mut fetched, name, value, &[]);
    }
    assert_has(
        &samples(&fetched),
        &[
            "probe_success 1",
            "probe_duration_seconds 0.25",
            "probe_timeout_seconds 9.5",
            "probe_dns_lookup_time_seconds 0.001",
            "probe_ip_protocol 4",
            "probe_ip_addr_hash 1969986452",
            "probe_http_duration_seconds{phase=\"resolve\"} 0.011",
            "probe_http_duration_seconds{phase=\"connect\"} 0.022",
            "probe_http_duration_seconds{phase=\"tls\"} 0.03",
            "probe_http_duration_seconds{phase=\"processing\"} 0.043",
            "probe_http_duration_seconds{phase=\"transfer\"} 0.054",
            "probe_http_status_code 204",
            "probe_http_version 1.1",
            "probe_http_redirects 1",
            "probe_http_ssl 1",
            "probe_http_content_length 10",
            "probe_http_uncompressed_body_length 12",
            "probe_http_last_modified_timestamp_seconds 1700000000",
            "probe_failed_due_to_regex 0",
            "probe_ssl_earliest_cert_expiry 1774353600",
            "probe_ssl_last_chain_expiry_timestamp_seconds 1774440000",
            "probe_ssl_last_chain_info{fingerprint_sha256=\"00ff\",subject=\"CN=www\",issuer=\"CN=ca\",\
             subjectalternative=\"www,example.org\",serialnumber=\"0a1b\"} 1",
            "probe_tls_version_info{version=\"TLS 1.3\"} 1",
            "probe_tls_cipher_info{cipher=\"TLS_AES_128_GCM_SHA256\"} 1",
            "probe_phase_status{phase=\"tls\",status=\"ok\"} 1",
            "probe_phase_duration_seconds{phase=\"connect\"} 0.022",
            "probe_measurement{name=\"http.redirects\",unit=\"1\"} 1",
        ],
    );
    assert_lacks(&samples(&fetched), &["probe_failure_info"]);
}

#[test]
fn a_phase_that_was_never_reached_has_no_duration() {
    let refused = report(
        "http",
        vec![
            phase("resolve", PhaseStatus::Ok, Some(1), &[]),
            phase("connect", PhaseStatus::Failed, Some(2), &[]),
            phase("tls", PhaseStatus::NotReached, None, &[]),
            phase("processing", PhaseStatus::NotReached, None, &[]),
            phase("transfer", PhaseStatus::NotReached, None, &[]),
        ],
        Some((ErrorType::ConnectionRefused, "connect")),
    );
    let samples = samples(&refused);
    assert_has(
        &samples,
        &[
            "probe_success 0",
            "probe_http_status_code 0",
            "probe_http_ssl 0",
            "probe_http_content_length 0",
            "probe_ip_protocol 0",
            "probe_http_duration_seconds{phase=\"connect\"} 0.002",
            "probe_phase_status{phase=\"connect\",status=\"failed\"} 1",
            "probe_phase_status{phase=\"transfer\",status=\"not-reached\"} 1",
            "probe_failure_info{phase=\"connect\",reason=\"connection_refused\"} 1",
        ],
    );
    assert_lacks(
        &samples,
        &[
            "probe_http_duration_seconds{phase=\"tls\"}",
            "probe_http_duration_seconds{phase=\"processing\"}",
            "probe_http_duration_seconds{phase=\"transfer\"}",
            "probe_phase_duration_seconds{phase=\"tls\"}",
            "probe_http_last_modified",
            "probe_ssl",
            "probe_tls",
        ],
    );
}

#[test]
fn a_certificate_that_was_refused_still_says_when_it_expired() {
    let facts = [
        ("tls.server.not_after", "2020-01-01T00:00:00Z"),
        ("tls.server.hash.sha256", "00"),
    ];
    let expired = report(
        "http",
        vec![
            phase("connect", PhaseStatus::Ok, Some(1), &[]),
            phase("tls", PhaseStatus::Failed, Some(1), &facts),
        ],
        Some((ErrorType::TlsCertificateExpired, "tls")),
    );
    let samples = samples(&expired);
    assert_has(
        &samples,
        &["probe_ssl_earliest_cert_expiry 1577836800", "probe_http_ssl 0"],
    );
    assert_lacks(
        &samples,
        &["probe_ssl_last_chain_expiry", "probe_tls_version_info"],
    );
}

#[test]
fn captures_become_labels_of_one_gauge_and_no_measurement() {
    let mut greeted = report("tcp", vec![phase("connect", PhaseStatus::Ok, Some(1), &[])], None);
    measure(
        &mut greeted,
        "tcp.capture",
        1.0,
        &[("software", "post\"fix"), ("8bit", "yes")],
    );
    measure(&mut greeted, "tcp.capture", 1.0, &[("__reserved", "x")]);
    let samples = samples(&greeted);
    assert_has(
        &samples,
        &[
            "probe_expect_info{_8bit=\"yes\",reserved=\"x\",software=\"post\\\"fix\"} 1",
            "probe_failed_due_to_regex 0",
        ],
    );
    assert_lacks(&samples, &["probe_measurement", "probe_http"]);

    let unmatched = report("tcp", Vec::new(), Some((ErrorType::AssertionFailed, "expect")));
    assert_has(&self::samples(&unmatched), &["probe_failed_due_to_regex 1"]);
    let closed = report("tcp", Vec::new(), Some((ErrorType::ConnectionClosed, "expect")));
    assert_has(&self::samples(&closed), &["probe_failed_due_to_regex 1"]);
    assert_lacks(&self::samples(&closed), &["probe_expect_info"]);
    for other in [
        (ErrorType::ConnectionClosed, "tls"),
        (ErrorType::ConnectionReset, "expect"),
        (ErrorType::DeadlineExceeded(DeadlineWhile::Waiting), "expect"),
    ] {
        let samples = self::samples(&report("tcp", Vec::new(), Some(other.clone())));
        assert_has(&samples, &["probe_failed_due_to_regex 0"]);
    }
}

#[test]
fn a_query_has_its_sections_and_phases() {
    // The second query is over TCP, after an answer that was cut off.
    let steps = ["resolve", "connect", "query", "connect", "query", "validate"];
    let phases = steps
        .map(|name| phase(name, PhaseStatus::Ok, Some(5), &[]))
        .into();
    let mut answered = report("dns", phases, None);
    for (name, value) in [
        ("dns.answer.records", 2.0),
        ("dns.authority.records", 1.0),
        ("dns.additional.records", 0.0),
        ("dns.soa.serial", 2_026_010_101.0),
    ] {
        measure(&mut answered, name, value, &[]);
    }
    assert_has(
        &samples(&answered),
        &[
            "probe_dns_duration_seconds{phase=\"resolve\"} 0.005",
            "probe_dns_duration_seconds{phase=\"request\"} 0.01",
            "probe_dns_answer_rrs 2",
            "probe_dns_authority_rrs 1",
            "probe_dns_additional_rrs 0",
            "probe_dns_query_succeeded 1",
            "probe_dns_serial 2026010101",
        ],
    );
    let silent = report("dns", Vec::new(), Some((ErrorType::ConnectionRefused, "query")));
    assert_has(
        &samples(&silent),
        &["probe_dns_query_succeeded 0", "probe_dns_answer_rrs 0"],
    );
    assert_lacks(
        &samples(&silent),
        &["probe_dns_serial", "probe_dns_duration_seconds"],
    );
}

#[test]
fn no_two_samples_have_the_same_labels() {
    let select = |status| phase("select", status, Some(10), &[]);
    let mut opened = report(
        "imap",
        vec![select(PhaseStatus::Ok), select(PhaseStatus::Failed)],
        None,
    );
    for (value, mailbox) in [(3.0, "INBOX"), (7.0, "Archive"), (8.0, "Archive")] {
        measure(
            &mut opened,
            "imap.mailbox.messages",
            value,
            &[("mailbox", mailbox), ("name", "x")],
        );
    }
    let samples = samples(&opened);
    assert_has(
        &samples,
        &[
            "probe_phase_status{phase=\"select\",status=\"failed\"} 1",
            "probe_phase_duration_seconds{phase=\"select\"} 0.02",
            "probe_measurement{name=\"imap.mailbox.messages\",unit=\"1\",attribute_name=\"x\",mailbox=\"Archive\"} 8",
        ],
    );
    let series: Vec<_> = samples
        .iter()
        .filter_map(|sample| sample.rsplit_once(' '))
        .collect();
    let by_name: BTreeMap<_, _> = series.iter().copied().collect();
    assert_eq!(by_name.len(), series.len(), "{samples:#?}");
}

#[test]
fn addresses_have_the_hashes_of_blackbox_exporter() {
    assert_eq!(facts::hash("127.0.0.1".parse().unwrap()), 3_668_918_509);
    assert_eq!(facts::hash("::ffff:127.0.0.1".parse().unwrap()), 3_668_918_509);
    assert_ne!(
        facts::hash("::1".parse().unwrap()),
        facts::hash("::2".parse().unwrap())
    );
}
