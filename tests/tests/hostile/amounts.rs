//! Guests that hand over, hold and ask for far too much.

use std::net::{IpAddr, Ipv4Addr};

use bedcheck_tests::names::{Answer, NameServer};
use bedcheck_tests::script::Script;
use serde_json::Value;

use super::computing::reach;
use super::{assert_error, bounded, configuration, program};

/// The longest text that is shown, and the mark of what was cut off.
const LONGEST: usize = 1024 + "…".len();

/// Runs the guest, which is stopped for what it asks for: its deadline is far away, however busy the machine is.
#[track_caller]
fn stopped(behaviour: &str, more: &str, settings: &str) -> Value {
    let report = bounded(behaviour, &format!("budget.deadline = \"10s\"\n{more}"), settings);
    assert_eq!(report["deadline_exceeded"], false, "{report:#}");
    report
}

fn length(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

#[test]
fn a_hundred_thousand_of_everything_are_a_bounded_report() {
    let report = stopped("chatter", "", "count = 100000");
    assert_error(&report, "plugin", "host_call_limit");
    assert_eq!(length(&report["log"]), 256);
    assert_eq!(length(&report["measurements"]), 256);
    assert!(length(&report["attempts"][0]["phases"]) <= 192 + super::PHASES.len());
}

#[test]
fn texts_of_megabytes_are_shortened_or_refused() {
    let report = stopped("huge-texts", "", "");
    // The first of them to fail a phase was that of a name to dial.
    assert_error(&report, "config", "grant_denied");
    let shown = [&report["error"]["message"], &report["log"][0]["message"]];
    for text in shown {
        let length = text.as_str().map_or(0, str::len);
        assert!((1..=LONGEST).contains(&length), "{length}");
    }
    assert_eq!(length(&report["measurements"]), 1);
}

#[test]
fn a_plan_of_a_thousand_phases_is_refused() {
    assert_error(&stopped("huge-plan", "", ""), "plugin", "host_call_limit");
}

#[test]
fn a_list_of_64_mebibytes_is_not_taken() {
    let peer = Script::new().stall().serve();
    let (allow, settings) = reach(peer.port());
    let report = stopped(
        "huge-write",
        &format!("budget.memory = \"256MiB\"\n{allow}"),
        &settings,
    );
    assert_error(&report, "plugin", "plugin_trap");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("more than 4 MiB"), "{message}");
    assert_eq!(report["usage"]["bytes_written"], 0);
}

#[test]
fn a_few_handles_do_not_become_gigabytes() {
    let peer = Script::new().stall().serve();
    let (allow, settings) = reach(peer.port());
    let settings = format!("{settings}\nsecret = {{ secret = \"probe\" }}");
    let finished = program(&configuration("send-secret-often", &allow, &settings), "json")
        .env("PROBE", "0123456789".repeat(1000))
        .finish();
    let report = finished.report();
    assert_error(&report, "plugin", "plugin_invalid");
    assert_eq!(report["usage"]["bytes_written"], 0);
}

#[test]
fn what_the_host_must_strike_out_is_bounded() {
    let peer = Script::new().stall().serve();
    let (allow, settings) = reach(peer.port());
    let settings = format!("{settings}\nsecret = {{ secret = \"probe\" }}");
    let report = stopped("encode-secret-often", &allow, &settings);
    assert_error(&report, "plugin", "host_call_limit");
}

#[test]
fn handles_and_connections_are_bounded() {
    let peer = Script::new().stall().serve();
    let (allow, settings) = reach(peer.port());
    let secret = format!("{settings}\nsecret = {{ secret = \"probe\" }}");
    assert_error(&stopped("hold-handles", &allow, &secret), "plugin", "plugin_trap");
    let report = stopped("hold-connections", &allow, &settings);
    assert_error(&report, "plugin", "host_call_limit");
}

#[test]
fn a_peer_that_floods_fills_nothing_but_its_share() {
    let peer = Script::new().send(vec![b'x'; 4 << 20]).stall().serve();
    let (allow, settings) = reach(peer.port());
    let report = stopped(
        "read-for-ever",
        &format!("budget.bytes = \"1MiB\"\n{allow}"),
        &settings,
    );
    assert_error(&report, "plugin", "host_call_limit");
    assert_eq!(report["usage"]["bytes_read"], 1 << 20);
}

#[test]
fn a_hundred_thousand_names_are_neither_looked_up_nor_listed() {
    // Whoever asks this server waits until the deadline.
    let server = NameServer::start(Answer::Silence, Answer::Silence);
    let configuration = format!(
        "resolver.servers = [\"{}\"]\n{}",
        server.address(),
        configuration(
            "dial-many",
            "allow = [\"names.test:80\"]\nbudget.deadline = \"10s\"",
            "host = \"names.test\"\nport = 80\ncount = 100000"
        )
    );
    let report = program(&configuration, "json").finish().report();
    assert_error(&report, "plugin", "host_call_limit");
    assert_eq!(report["deadline_exceeded"], false, "{report:#}");
    assert!(length(&report["attempts"][0]["phases"]) < 10);
}

#[test]
fn a_name_leads_neither_to_loopback_nor_to_the_metadata_service() {
    for address in [[127, 0, 0, 1], [169, 254, 169, 254]] {
        let address = Answer::Address(IpAddr::V4(Ipv4Addr::from(address)));
        let server = NameServer::start(address, Answer::NoData);
        let configuration = format!(
            "resolver.servers = [\"{}\"]\n{}",
            server.address(),
            configuration(
                "dial",
                "allow = [\"names.test:80\"]",
                "host = \"names.test\"\nport = 80"
            )
        );
        let report = program(&configuration, "json").finish().report();
        assert_error(&report, "config", "grant_denied");
    }
}
