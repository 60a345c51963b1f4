//! The promise: a name that does not exist, one without an address, and name servers that fail or stay silent
//! are told apart; a family of addresses that leads nowhere does not eat the budget; and a name cannot lead
//! where the check does not grant.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bedcheck_tests::Program;
use bedcheck_tests::names::{Answer, NameServer};
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

const V4: Answer = Answer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
const V6: Answer = Answer::Address(IpAddr::V6(Ipv6Addr::LOCALHOST));

/// Fetches `http://web.test:PORT/` with the name resolved by this server.
fn run(server: &NameServer, port: u16, allow: &str, deadline: &str) -> Value {
    fetch(server, &format!("http://web.test:{port}/"), allow, deadline)
}

fn fetch(server: &NameServer, url: &str, allow: &str, deadline: &str) -> Value {
    let configuration = format!(
        r#"
        [resolver]
        servers = ["{}"]

        [[check]]
        name = "page"
        plugin = "http"
        budget.deadline = "{deadline}"
        allow = [{allow}]
        settings = {{ url = "{url}" }}
        "#,
        server.address()
    );
    Program::run(&configuration).finish().report()
}

/// Grants the name, and loopback by its addresses.
fn loopback(port: u16) -> String {
    format!(r#""web.test:{port}", "127.0.0.1:{port}", "[::1]:{port}""#)
}

fn web_server() -> Peer {
    Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .serve()
}

#[track_caller]
fn assert_resolve_failed(report: &Value, error_type: &str, blame: &str) {
    let seen = (
        &report["error"]["type"],
        &report["blame"],
        &report["error"]["phase"],
    );
    assert_eq!(
        seen,
        (&error_type.into(), &blame.into(), &"resolve".into()),
        "{report:#}"
    );
    assert_eq!(report["outcome"], "fail");
}

fn duration(report: &Value) -> Duration {
    Duration::from_secs_f64(report["duration_s"].as_f64().unwrap_or(f64::MAX))
}

#[test]
fn a_name_that_does_not_exist() {
    let server = NameServer::start(Answer::NotFound, Answer::NotFound);
    assert_resolve_failed(&run(&server, 80, &loopback(80), "5s"), "dns.not_found", "network");
}

#[test]
fn a_name_without_an_address() {
    let server = NameServer::start(Answer::NoData, Answer::NoData);
    assert_resolve_failed(
        &run(&server, 80, &loopback(80), "5s"),
        "dns.no_address",
        "network",
    );
}

#[test]
fn name_servers_that_fail() {
    let server = NameServer::start(Answer::Failure, Answer::Failure);
    assert_resolve_failed(
        &run(&server, 80, &loopback(80), "5s"),
        "dns.server_failure",
        "network",
    );
}

#[test]
fn name_servers_that_fail_for_one_family_and_know_nothing_of_the_other() {
    for (v4, v6) in [
        (Answer::Failure, Answer::NoData),
        (Answer::NotFound, Answer::Failure),
    ] {
        let server = NameServer::start(v4, v6);
        assert_resolve_failed(
            &run(&server, 80, &loopback(80), "5s"),
            "dns.server_failure",
            "network",
        );
    }
}

#[test]
fn a_name_with_an_underscore_and_one_in_another_script_are_asked_for() {
    let peer = web_server();
    let port = peer.port();
    let server = NameServer::start(V4, Answer::NoData);
    for (host, asked) in [
        ("a_b.test", "a_b.test"),
        ("_web.bücher.test", "_web.xn--bcher-kva.test"),
    ] {
        let allow = format!(r#""self", "127.0.0.1:{port}""#);
        let report = fetch(&server, &format!("http://{host}:{port}/"), &allow, "5s");
        assert_eq!(report["outcome"], "pass", "{report:#}");
        assert!(
            server.questions().contains(&asked.to_owned()),
            "{:?}",
            server.questions()
        );
    }
}

#[test]
fn name_servers_that_stay_silent_cost_the_deadline_and_no_more() {
    let server = NameServer::start(Answer::Silence, Answer::Silence);
    // Deadline, and what the end of a run may be late; a look-up that could not be left would take seconds.
    // A busy machine can keep one process waiting for longer than that, and hardly three.
    let bound = Duration::from_millis(320);
    let mut reports = (0..3).map(|_| run(&server, 80, &loopback(80), "300ms"));
    let report = reports
        .find(|report| duration(report) < bound)
        .expect("one of three runs ends in time");
    // The target was not even asked.
    assert_resolve_failed(&report, "deadline_exceeded", "network");
    assert_eq!(report["deadline_hit"]["phase"], "resolve");
}

#[test]
fn one_family_whose_look_up_is_never_answered_does_not_hold_the_other_up() {
    let peer = web_server();
    for (v4, v6) in [
        (V4, Answer::Silence),
        (V4, Answer::NoData),
        (V4, Answer::NotFound),
        (V4, Answer::Failure),
    ] {
        let server = NameServer::start(v4, v6);
        let report = run(&server, peer.port(), &loopback(peer.port()), "2s");
        assert_eq!(report["outcome"], "pass", "{v6:?}: {report:#}");
        assert!(duration(&report) < Duration::from_secs(1), "{v6:?}: {report:#}");
    }
}

#[test]
fn a_refusal_is_told_though_the_other_familys_look_up_is_never_answered() {
    let closed = ClosedPort::new();
    let server = NameServer::start(V4, Answer::Silence);
    let report = run(&server, closed.port(), &loopback(closed.port()), "8s");
    assert_eq!(report["error"]["type"], "connection_refused", "{report:#}");
    assert_eq!(report["blame"], "target");
}

#[test]
fn a_family_that_leads_nowhere_does_not_eat_the_budget() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!(
            "left out: this machine has no IPv6 on loopback, and with one family there is nothing to choose"
        );
        return;
    }
    let (_black_hole, peer) = black_hole_beside_a_web_server();
    let server = NameServer::start(V4, V6);
    let report = run(&server, peer.port(), &loopback(peer.port()), "3s");
    assert_eq!(report["outcome"], "pass", "{report:#}");
    let connect = &report["attempts"][0]["phases"][1];
    assert_eq!(
        connect["attributes"]["network.peer.address"], "127.0.0.1",
        "{report:#}"
    );
    // The second family starts after 250 ms (RFC 8305 section 5); had it waited for the first, it would have
    // taken the whole deadline.
    let took = connect["duration_s"].as_f64().unwrap_or(f64::MAX);
    assert!((0.2..1.0).contains(&took), "{connect:#}");
}

#[test]
fn a_family_that_is_refused_is_no_reason_not_to_ask_the_other() {
    let refused = Answer::Address("fe80::1".parse().expect("an address"));
    let server = NameServer::start(Answer::Late(IpAddr::V4(Ipv4Addr::LOCALHOST)), refused);
    let peer = web_server();
    let port = peer.port();
    let report = run(&server, port, &loopback(port), "5s");
    assert_eq!(report["outcome"], "pass", "{report:#}");
    // Nor is one that never comes a reason to wait for the deadline.
    let server = NameServer::start(Answer::Silence, refused);
    let report = run(&server, port, &loopback(port), "8s");
    assert_eq!(report["error"]["type"], "grant_denied", "{report:#}");
    assert_eq!(report["error"]["phase"], "connect", "{report:#}");
}

#[test]
fn a_name_does_not_lead_to_loopback_unless_that_is_granted() {
    let server = NameServer::start(V4, V6);
    let peer = web_server();
    let port = peer.port();
    let report = run(&server, port, &format!("\"web.test:{port}\""), "2s");
    assert_eq!(report["error"]["type"], "grant_denied", "{report:#}");
    assert_eq!(report["blame"], "config");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("127.0.0.1") || message.contains("::1"),
        "{message}"
    );
    assert!(
        peer.finish().is_empty(),
        "something was sent to what is not granted"
    );
}

/// How often another port is tried when one is free in IPv4 and taken in IPv6.
const TRIES: usize = 20;

/// Both at one port: the web server in IPv4, and in IPv6 nobody who ever answers.
fn black_hole_beside_a_web_server() -> (BlackHole, Peer) {
    let both = (0..TRIES).find_map(|_| {
        let peer = web_server();
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, peer.port()));
        Some((BlackHole::at(address).ok()?, peer))
    });
    both.expect("a port is free in both families")
}

/// A listener whose queue is full: the kernel drops what else comes, as a firewall does.
struct BlackHole {
    _listener: Socket,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// At this address of IPv6, unless somebody else has it.
    fn at(address: SocketAddr) -> io::Result<Self> {
        let listener = Socket::new(Domain::IPV6, Type::STREAM, None)?;
        listener.set_only_v6(true)?;
        listener.bind(&address.into())?;
        listener.listen(0)?;
        // Connections that are never accepted, until the queue takes no more.
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
            assert!(waiting.len() < 100, "the queue never fills up");
        }
        Ok(Self {
            _listener: listener,
            _waiting: waiting,
        })
    }
}
