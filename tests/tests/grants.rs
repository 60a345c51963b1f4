//! The promise: a check reaches what it grants and nothing else. What is refused is refused before any packet
//! leaves, look-ups included, and names cannot be used to carry data out.

#[expect(dead_code, reason = "these tests do not ask for everything in a report")]
#[path = "report/mod.rs"]
mod report;

use std::net::{IpAddr, Ipv4Addr};

use bedcheck_tests::Program;
use bedcheck_tests::names::{Answer, NameServer};
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use report::{message, phases, verdict};
use serde_json::{Value, json};

/// A name server for which every name is at 127.0.0.1.
fn name_server() -> NameServer {
    NameServer::start(Answer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)), Answer::NoData)
}

/// Fetches a page with these grants; `more` are further keys of the check.
fn fetch(names: &NameServer, url: &str, allow: &str, more: &str) -> Value {
    let configuration = format!(
        r#"
        [resolver]
        servers = ["{}"]

        [[check]]
        name = "page"
        plugin = "http"
        budget.deadline = "5s"
        allow = [{allow}]
        {more}
        settings = {{ url = "{url}", redirects = 20 }}
        "#,
        names.address()
    );
    Program::run(&configuration).finish().report()
}

fn page() -> Script {
    Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .hang_up()
}

fn redirect(url: &str) -> Script {
    Script::new()
        .expect_through("\r\n\r\n")
        .send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
        ))
        .hang_up()
}

/// Peers that redirect from one name to the next, the last one to `end`, and the URL at which this begins.
fn chain(names: &[&str], end: &str) -> (Vec<Peer>, String) {
    let mut peers = Vec::new();
    let mut url = end.to_owned();
    for name in names.iter().rev() {
        let peer = redirect(&url).serve();
        url = format!("http://{name}:{}/", peer.port());
        peers.push(peer);
    }
    (peers, url)
}

#[track_caller]
fn assert_denied(report: &Value) {
    assert_eq!(verdict(report), "error config grant_denied connect", "{report:#}");
    assert!(
        phases(report).contains(&"connect denied".to_owned()),
        "{report:#}"
    );
    assert_eq!(report["usage"]["denied_calls"], json!({ "grant": 1 }));
    assert_eq!(report["usage"]["bytes_written"], 0);
}

#[test]
fn a_wildcard_grants_the_names_below_its_suffix() {
    let (names, peer) = (name_server(), page().serve());
    let port = peer.port();
    let allow = format!("\"*.web.test:{port}\", \"127.0.0.1:{port}\"");
    let report = fetch(&names, &format!("http://a.B.web.test:{port}/"), &allow, "");
    assert_eq!(verdict(&report), "pass", "{report:#}");
    // Case means nothing, so it does not travel.
    assert_eq!(names.questions(), ["a.b.web.test"]);
}

#[test]
fn what_is_not_granted_is_not_even_looked_up() {
    let (names, peer) = (name_server(), page().serve());
    let port = peer.port();
    let allow = format!("\"*.web.test:{port}\", \"127.0.0.0/8:{port}\"");
    for host in ["web.test", "secret.evil.test", "a.web.test.evil.test", "awebtest"] {
        let report = fetch(&names, &format!("http://{host}:{port}/"), &allow, "");
        assert_denied(&report);
        assert!(
            message(&report).contains(&format!("add `\"{host}:{port}\"` to `allow`")),
            "{report:#}"
        );
    }
    assert_denied(&fetch(&names, "http://a.web.test:1/", &allow, ""));
    assert_eq!(names.questions(), Vec::<String>::new());
    assert_eq!(peer.finish(), []);
}

#[test]
fn a_wildcard_does_not_lead_to_loopback_and_a_granted_range_does() {
    let (names, peer) = (name_server(), page().serve());
    let port = peer.port();
    let url = format!("http://a.web.test:{port}/");
    let wildcard = format!("\"*.web.test:{port}\"");
    assert_denied(&fetch(&names, &url, &wildcard, ""));
    let other_range = format!("{wildcard}, \"127.0.1.0/24:{port}\", \"10.0.0.0/8:{port}\"");
    assert_denied(&fetch(&names, &url, &other_range, ""));
    let range = format!("{wildcard}, \"127.0.0.0/8:1-65535\"");
    assert_eq!(verdict(&fetch(&names, &url, &range, "")), "pass");
    assert_eq!(peer.finish().len(), 1);
}

#[test]
fn a_range_grants_its_addresses() {
    let (names, peer) = (name_server(), page().serve());
    let port = peer.port();
    let url = format!("http://127.0.0.1:{port}/");
    let pass = fetch(&names, &url, &format!("\"127.0.0.0/30:{port}\""), "");
    assert_eq!(verdict(&pass), "pass", "{pass:#}");
    assert_denied(&fetch(&names, &url, &format!("\"127.0.0.4/30:{port}\""), ""));
    assert_eq!(peer.finish().len(), 1);
}

#[test]
fn a_range_does_not_grant_the_metadata_address() {
    let names = name_server();
    for host in ["169.254.169.254", "[::ffff:169.254.169.254]"] {
        let report = fetch(&names, &format!("http://{host}/"), "\"169.254.0.0/16:80\"", "");
        assert_denied(&report);
        assert!(
            message(&report).contains("add `\"169.254.169.254:80\"`"),
            "{report:#}"
        );
    }
}

#[test]
fn self_grants_the_own_target_and_nothing_else() {
    let (names, elsewhere) = (name_server(), page().serve());
    let own = page().serve();
    let pass = fetch(
        &names,
        &format!("http://127.0.0.1:{}/", own.port()),
        "\"self\"",
        "",
    );
    assert_eq!(verdict(&pass), "pass", "{pass:#}");

    let leads_away = redirect(&format!("http://127.0.0.1:{}/", elsewhere.port())).serve();
    let url = format!("http://127.0.0.1:{}/", leads_away.port());
    let report = fetch(&names, &url, "\"self\"", "");
    assert_eq!(
        verdict(&report),
        "error config grant_denied connect",
        "{report:#}"
    );
    assert_eq!(elsewhere.finish(), []);
}

#[test]
fn a_run_looks_up_eight_names_and_no_more() {
    let (names, end) = (name_server(), page().serve());
    let hosts: Vec<String> = (0..9).map(|number| format!("secret-{number}.web.test")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let (peers, url) = chain(&hosts, &format!("http://end.web.test:{}/", end.port()));
    let report = fetch(
        &names,
        &url,
        "\"*.web.test:1-65535\", \"127.0.0.0/8:1-65535\"",
        "",
    );
    assert_eq!(
        verdict(&report),
        "error plugin host_call_limit resolve",
        "{report:#}"
    );
    assert!(message(&report).contains("names looked up"), "{report:#}");
    assert_eq!(names.questions(), hosts[..8]);
    let reached = peers.into_iter().map(Peer::finish);
    let reached = reached.filter(|transcripts| !transcripts.is_empty()).count();
    assert_eq!(reached, 8);
    assert_eq!(end.finish(), []);
}

#[test]
fn all_attempts_of_a_run_share_the_names() {
    let (names, closed) = (name_server(), ClosedPort::new());
    let end = |host: &str| format!("http://{host}:{}/", closed.port());
    let (_first, first) = chain(
        &["a1.web.test", "a2.web.test", "a3.web.test"],
        &end("a4.web.test"),
    );
    let (_second, second) = chain(
        &["b1.web.test", "b2.web.test", "b3.web.test"],
        &end("b4.web.test"),
    );
    let start = Peer::serve(
        Ipv4Addr::LOCALHOST.into(),
        vec![redirect(&first), redirect(&second)],
    );
    let report = fetch(
        &names,
        &format!("http://start.web.test:{}/", start.port()),
        "\"*.web.test:1-65535\", \"127.0.0.0/8:1-65535\"",
        "retry = { attempts = 2, backoff = \"1ms\" }",
    );
    // The first attempt asked for five, the second one for three more, and not for the last.
    assert_eq!(
        verdict(&report),
        "error plugin host_call_limit resolve",
        "{report:#}"
    );
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(names.questions().len(), 8);
    assert!(!names.questions().contains(&"b4.web.test".to_owned()));
}
