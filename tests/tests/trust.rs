//! The promise: a file given as `ca_file` is all that is trusted. That may be an authority, or the server's
//! own certificate, which on many a small server has signed itself. What is not trusted is described all the same,
//! and a check that trusts everybody is noted.

use std::path::Path;

use bedcheck_tests::Program;
use bedcheck_tests::certificates::{Certificates, Identity};
use bedcheck_tests::script::Script;
use serde_json::Value;

fn fetch(shown: &Identity, trusted: &Path, more: &str) -> Value {
    fetch_with(shown, &format!("ca_file = \"{}\"\n{more}", trusted.display()))
}

fn fetch_with(shown: &Identity, tls: &str) -> Value {
    let script = Script::new()
        .start_tls(shown.server_config())
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    fetch_from(script, tls)
}

fn fetch_from(script: Script, tls: &str) -> Value {
    let peer = script.serve();
    let port = peer.port();
    let configuration = format!(
        r#"
        [[check]]
        name = "page"
        plugin = "http"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "https://127.0.0.1:{port}/" }}
        [check.tls]
        {tls}
        "#
    );
    Program::run(&configuration).finish().report()
}

fn message(report: &Value) -> &str {
    report["error"]["message"].as_str().unwrap_or_default()
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_by_itself() {
    let certificates = Certificates::new();
    let own = certificates.self_signed();
    let report = fetch(&own, &own.certificate_file, "");
    assert_eq!(report["outcome"], "pass", "{report:#}");
}

#[test]
fn it_is_still_held_to_its_names() {
    let certificates = Certificates::new();
    let own = certificates.self_signed();
    let report = fetch(&own, &own.certificate_file, "server_name = \"other.invalid\"");
    assert_eq!(report["error"]["type"], "tls.name_mismatch", "{report:#}");
}

#[test]
fn another_certificate_is_not_trusted_by_it() {
    let certificates = Certificates::new();
    let report = fetch(
        &certificates.valid(),
        &certificates.self_signed().certificate_file,
        "",
    );
    assert_eq!(report["error"]["type"], "tls.certificate_invalid", "{report:#}");
    assert_eq!(
        message(&report),
        "the certificate is not from an authority that is trusted"
    );
}

#[test]
fn a_certificate_that_signed_itself_is_told_as_such() {
    let certificates = Certificates::new();
    let report = fetch(&certificates.self_signed(), &certificates.authority_file(), "");
    assert_eq!(report["error"]["type"], "tls.certificate_invalid", "{report:#}");
    assert_eq!(
        message(&report),
        "the certificate is not from an authority that is trusted: it names itself as its issuer"
    );
}

#[test]
fn other_names_are_told_as_the_report_has_them() {
    let certificates = Certificates::new();
    let told = |names: &[&str]| {
        let report = fetch(&certificates.for_names(names), &certificates.authority_file(), "");
        assert_eq!(report["error"]["type"], "tls.name_mismatch", "{report:#}");
        message(&report).to_owned()
    };
    assert_eq!(
        told(&["probe@example.org", "*.example.org", "2001:db8::1"]),
        "the certificate is not valid for `127.0.0.1`, only for `*.example.org`, `2001:db8::1`"
    );
    assert_eq!(
        told(&["probe@example.org"]),
        "the certificate is not valid for `127.0.0.1`: it has no name of a server (subjectAltName), and its common \
         name does not count"
    );
}

#[test]
fn where_nobody_is_verified_anybody_is_accepted() {
    let certificates = Certificates::new();
    let anybody = certificates.of_no_use();
    let report = fetch_with(&anybody, "do_not_verify = true");
    assert_eq!(report["outcome"], "pass", "{report:#}");
    let report = fetch(&anybody, &certificates.authority_file(), "");
    assert_eq!(report["error"]["type"], "tls.certificate_invalid", "{report:#}");
    assert_eq!(
        message(&report),
        "the certificate, or one that leads to it, has a critical extension that is not known here"
    );
}

#[test]
fn a_peer_that_speaks_no_tls_is_told_as_such() {
    let plain = Script::new()
        .expect(b"\x16\x03\x01")
        .send("HTTP/1.1 400 Bad Request\r\n\r\n")
        .stall();
    let report = fetch_from(plain, "do_not_verify = true");
    assert_eq!(report["error"]["type"], "tls.handshake", "{report:#}");
    assert_eq!(
        message(&report),
        "the peer does not speak TLS: what it sent is no TLS record"
    );
}

#[test]
fn a_refused_certificate_is_described_all_the_same() {
    let certificates = Certificates::new();
    let report = fetch(&certificates.expired(), &certificates.authority_file(), "");
    assert_eq!(report["error"]["type"], "tls.certificate_expired", "{report:#}");
    let phases = report["attempts"][0]["phases"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let tls = phases
        .iter()
        .find(|phase| phase["name"] == "tls")
        .cloned()
        .unwrap_or_default();
    for fact in [
        "tls.server.subject",
        "tls.server.issuer",
        "tls.server.not_after",
        "tls.server.hash.sha256",
    ] {
        assert!(tls["attributes"][fact].is_string(), "{fact}: {tls:#}");
    }
}

#[test]
fn what_a_configuration_leaves_open_is_noted_and_no_error() {
    let configuration = r#"
        [[check]]
        name = "page"
        plugin = "http"
        allow = ["192.0.2.1:80"]
        tls.do_not_verify = true
        settings = { url = "https://192.0.2.1/" }
        "#;
    let program = Program::new(["validate", "bedcheck.toml"]).file("bedcheck.toml", configuration);
    let finished = program.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.stdout, "bedcheck.toml: 1 check, nothing wrong\n");
    assert!(
        finished.stderr.contains("`\"192.0.2.1:443\"` to `allow`"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("do_not_verify"), "{}", finished.stderr);
}
