//! The promise: a file given as `ca_file` is all that is trusted. That may be an authority, or the server's
//! own certificate, which on many a small server has signed itself.

use bedcheck_tests::Program;
use bedcheck_tests::certificates::{Certificates, Identity};
use bedcheck_tests::script::Script;
use serde_json::Value;

fn fetch(shown: &Identity, trusted: &Identity, more: &str) -> Value {
    let peer = Script::new()
        .start_tls(shown.server_config())
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .serve();
    let port = peer.port();
    let configuration = format!(
        r#"
        [[check]]
        name = "page"
        plugin = "http"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "https://127.0.0.1:{port}/" }}
        [check.tls]
        ca_file = "{}"
        {more}
        "#,
        trusted.certificate_file.display()
    );
    Program::run(&configuration).finish().report()
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_by_itself() {
    let certificates = Certificates::new();
    let own = certificates.self_signed();
    let report = fetch(&own, &own, "");
    assert_eq!(report["outcome"], "pass", "{report:#}");
}

#[test]
fn it_is_still_held_to_its_names() {
    let certificates = Certificates::new();
    let own = certificates.self_signed();
    let report = fetch(&own, &own, "server_name = \"other.invalid\"");
    assert_eq!(report["error"]["type"], "tls.name_mismatch", "{report:#}");
}

#[test]
fn another_certificate_is_not_trusted_by_it() {
    let certificates = Certificates::new();
    let report = fetch(&certificates.valid(), &certificates.self_signed(), "");
    assert_eq!(report["error"]["type"], "tls.certificate_invalid", "{report:#}");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert_eq!(
        message,
        "the certificate is not from an authority that is trusted"
    );
}
