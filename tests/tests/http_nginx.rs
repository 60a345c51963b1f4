//! The promise: against a real web server a check goes through its phases, measures the response, and holds it
//! against everything that can be expected of one; certificates, credentials, encodings and redirects are treated
//! as they are meant, and no redirect leads where the check may not go.

mod report;

use std::sync::Arc;

use bedcheck_tests::certificates::{Certificates, Identity, OTHER_NAME, VALID_DAYS};
use bedcheck_tests::nginx::{Nginx, PAGE_BYTES, PAGE_LINE, PASSWORD, USER};
use bedcheck_tests::script::Script;
use bedcheck_tests::{Finished, Program};
use report::{duration, measurements, message, phases, verdict};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

/// The phases of one request with nothing wrong in it.
const HTTP: [&str; 4] = ["resolve ok", "connect ok", "processing ok", "transfer ok"];
const HTTPS: [&str; 5] = [
    "resolve ok",
    "connect ok",
    "tls ok",
    "processing ok",
    "transfer ok",
];

/// Runs a check of this URL, which may reach 127.0.0.1 at this port and nothing else. `more` are keys of the
/// check, and `settings` of its settings.
fn finish(scheme: &str, port: u16, path: &str, more: &str, settings: &str) -> Finished {
    let configuration = format!(
        r#"
        [[check]]
        name = "front-page"
        plugin = "http"
        allow = ["127.0.0.1:{port}"]
        {more}

        [check.settings]
        url = "{scheme}://127.0.0.1:{port}{path}"
        {settings}

        [secrets]
        web = {{ env = "WEB_PASSWORD" }}
        wrong = {{ env = "WRONG_PASSWORD" }}
        "#
    );
    Program::run(&configuration)
        .env("WEB_PASSWORD", PASSWORD)
        .env("WRONG_PASSWORD", "not the password")
        .finish()
}

fn http(nginx: &Nginx, path: &str, settings: &str) -> Value {
    finish("http", nginx.http_port(), path, "", settings).report()
}

fn https(port: u16, tls: &str, settings: &str) -> Value {
    finish("https", port, "/health", tls, settings).report()
}

fn trusting(certificates: &Certificates) -> String {
    format!("tls.ca_file = '{}'", certificates.authority_file().display())
}

/// The value of a measurement.
fn measured(report: &Value, name: &str) -> f64 {
    let measurements = report["measurements"].as_array().into_iter().flatten();
    let mut values = measurements.filter(|measurement| measurement["name"] == name);
    values
        .next()
        .and_then(|measurement| measurement["value"].as_f64())
        .unwrap_or(f64::NAN)
}

#[test]
fn http_goes_through_its_phases_and_measures_the_response() {
    let nginx = Nginx::start(&Certificates::new());
    let finished = finish("http", nginx.http_port(), "/health", "", "");
    let report = finished.report();
    assert_eq!(
        (verdict(&report).as_str(), finished.code),
        ("pass", Some(0)),
        "{report:#}"
    );
    assert_eq!(phases(&report), HTTP);
    assert_eq!(
        measurements(&report),
        [
            "http.response.status_code{} 200 {status_code}",
            "http.response.body.size{} 15 By",
            "http.response.content_length{} 15 By",
            "http.response.version{} 1.1 {version}",
            "http.redirects{} 0 {redirect}",
        ]
    );
}

#[test]
fn https_trusts_the_authority_it_is_given_and_no_other() {
    let certificates = Certificates::new();
    let nginx = Nginx::start(&certificates);
    let report = https(nginx.https_port(), &trusting(&certificates), "");
    assert_eq!(verdict(&report), "pass", "{report:#}\n{}", nginx.log());
    assert_eq!(phases(&report), HTTPS);
    let tls = &report["attempts"][0]["phases"][2]["attributes"];
    assert_eq!(tls["tls.next_protocol"], "http/1.1");
    assert_eq!(tls["tls.server.subject"], "CN=bedcheck test server");
    // Within a day of what was issued.
    let days = measured(&report, "tls.server.certificate.time_left") / 86_400.0;
    assert!(
        (VALID_DAYS as f64 - 1.0..=VALID_DAYS as f64).contains(&days),
        "{report:#}"
    );

    for tls in [trusting(&Certificates::new()), String::new()] {
        let report = https(nginx.https_port(), &tls, "");
        assert_eq!(
            verdict(&report),
            "fail target tls.certificate_invalid tls",
            "{report:#}"
        );
        let wanted = [
            "resolve ok",
            "connect ok",
            "tls failed",
            "processing not-reached",
            "transfer not-reached",
        ];
        assert_eq!(phases(&report), wanted);
    }
}

#[test]
fn each_thing_wrong_with_a_certificate_has_its_own_error() {
    let certificates = Certificates::new();
    let nginx = Nginx::start(&certificates);
    let tls = trusting(&certificates);
    let report = https(nginx.expired_port(), &tls, "");
    assert_eq!(
        verdict(&report),
        "fail target tls.certificate_expired tls",
        "{report:#}"
    );
    let report = https(nginx.wrong_name_port(), &tls, "");
    assert_eq!(
        verdict(&report),
        "fail target tls.name_mismatch tls",
        "{report:#}"
    );
    assert!(message(&report).contains(OTHER_NAME), "{report:#}");

    let named = format!("{tls}\ntls.server_name = \"{OTHER_NAME}\"");
    let report = https(nginx.wrong_name_port(), &named, "");
    assert_eq!(verdict(&report), "pass", "{report:#}");
    for port in [nginx.expired_port(), nginx.wrong_name_port()] {
        let report = https(port, "tls.do_not_verify = true", "");
        assert_eq!(verdict(&report), "pass", "{report:#}");
    }
    // Not to verify is not to look away: what the certificate says is still told, and still judged.
    let settings = "expect.certificate_days = 0";
    let report = https(nginx.expired_port(), "tls.do_not_verify = true", settings);
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    assert!(message(&report).contains("expired 1 day ago"), "{report:#}");
    assert!(
        measured(&report, "tls.server.certificate.time_left") < 0.0,
        "{report:#}"
    );
}

#[test]
fn a_client_certificate_is_presented_where_it_is_configured() {
    let certificates = Certificates::new();
    let nginx = Nginx::start(&certificates);
    let port = nginx.client_certificate_port();
    let report = https(port, &trusting(&certificates), "");
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    assert!(message(&report).contains("status 400"), "{report:#}");

    let client = certificates.client();
    let tls = format!(
        "{}\ntls.client_certificate = '{}'\ntls.client_key = '{}'",
        trusting(&certificates),
        client.certificate_file.display(),
        client.key_file.display()
    );
    let report = https(port, &tls, "");
    assert_eq!(verdict(&report), "pass", "{report:#}\n{}", nginx.log());
}

#[test]
fn a_server_that_does_not_speak_tls_fails_the_handshake() {
    let nginx = Nginx::start(&Certificates::new());
    let report = https(nginx.http_port(), "", "");
    assert_eq!(verdict(&report), "fail target tls.handshake tls", "{report:#}");
    // And the other way round: nginx answers 400 to a request in the clear.
    let report = finish("http", nginx.https_port(), "/health", "", "").report();
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    assert!(message(&report).contains("status 400"), "{report:#}");
}

#[test]
fn a_compressed_body_is_judged_decoded_and_measured_as_sent() {
    let nginx = Nginx::start(&Certificates::new());
    let text = PAGE_LINE.trim_end();
    let settings = format!(
        r#"expect = {{ body_contains = "{text}", min_size = {PAGE_BYTES}, max_size = {PAGE_BYTES}, headers = {{ content-encoding = "^gzip$" }} }}"#
    );
    let report = http(&nginx, "/page", &settings);
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let sent = measured(&report, "http.response.body.size");
    assert!(sent > 0.0 && sent < PAGE_BYTES as f64 / 2.0, "{report:#}");
    let decoded = measured(&report, "http.response.body.uncompressed_size");
    assert_eq!(decoded, PAGE_BYTES as f64, "{report:#}");
    // Another coding was not asked for, and this is no plain body.
    let settings = r#"expect = { encoding = "deflate" }"#;
    let report = http(&nginx, "/page", settings);
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    let told = "body is encoded as `gzip`, expected `deflate`";
    assert_eq!(message(&report), told, "{report:#}");
}

#[test]
fn a_chunked_body_is_put_together() {
    let nginx = Nginx::start(&Certificates::new());
    let settings = format!(
        r#"expect = {{ min_size = {PAGE_BYTES}, max_size = {PAGE_BYTES}, headers = {{ transfer-encoding = "^chunked$" }} }}"#
    );
    let report = http(&nginx, "/chunked", &settings);
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(
        measured(&report, "http.response.body.size"),
        PAGE_BYTES as f64,
        "{report:#}"
    );
}

#[test]
fn a_body_over_its_bound_is_refused() {
    let nginx = Nginx::start(&Certificates::new());
    for path in ["/page", "/chunked"] {
        let report = http(&nginx, path, "max_body = 5000");
        assert_eq!(
            verdict(&report),
            "fail target protocol.too_large transfer",
            "{report:#}"
        );
    }
    let report = http(&nginx, "/page", &format!("max_body = {PAGE_BYTES}"));
    assert_eq!(verdict(&report), "pass", "{report:#}");
}

#[test]
fn a_body_that_drips_hits_the_deadline_in_the_transfer() {
    let nginx = Nginx::start(&Certificates::new());
    let budget = "budget = { deadline = \"300ms\", grace = \"100ms\" }";
    let finished = finish("http", nginx.http_port(), "/drip", budget, "");
    let report = finished.report();
    assert_eq!(
        (verdict(&report).as_str(), finished.code),
        ("fail target deadline_exceeded transfer", Some(2))
    );
    let wanted = [
        "resolve ok",
        "connect ok",
        "processing ok",
        "transfer deadline-exceeded",
    ];
    assert_eq!(phases(&report), wanted);
    assert_eq!(report["deadline_hit"]["phase"], "transfer", "{report:#}");
    // Deadline, grace, and 20 ms for the ticker and the scheduling of a busy machine.
    assert!((0.3..=0.42).contains(&duration(&report)), "{report:#}");
}

#[test]
fn a_redirect_is_followed_to_its_end() {
    let nginx = Nginx::start(&Certificates::new());
    let settings = r#"expect = { json = { "/status" = "up" } }"#;
    let report = http(&nginx, "/redirect", settings);
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let hop = format!("127.0.0.1:{}/health", nginx.http_port());
    let second = ["resolve ok".into(), "connect ok".into()];
    let last = [format!("processing({hop}) ok"), format!("transfer({hop}) ok")];
    let wanted: Vec<String> = HTTP
        .map(str::to_owned)
        .into_iter()
        .chain(second)
        .chain(last)
        .collect();
    assert_eq!(phases(&report), wanted);
    assert_eq!(measured(&report, "http.redirects"), 1.0);
    assert_eq!(measured(&report, "http.response.status_code"), 200.0);
}

#[test]
fn a_redirect_can_be_what_is_expected() {
    let nginx = Nginx::start(&Certificates::new());
    let settings = r#"
        redirects = 0
        expect = { status = [302], headers = { location = "^/health$" } }"#;
    let report = http(&nginx, "/redirect", settings);
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(phases(&report), HTTP);
    let report = http(&nginx, "/redirect", "redirects = 0");
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
}

#[test]
fn redirects_without_an_end_are_given_up() {
    let nginx = Nginx::start(&Certificates::new());
    let report = http(&nginx, "/redirect-loop", "redirects = 3");
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response",
        "{report:#}"
    );
    assert!(message(&report).contains("more than 3 redirects"), "{report:#}");
    let requests = phases(&report)
        .iter()
        .filter(|phase| phase.starts_with("processing"))
        .count();
    assert_eq!(requests, 4, "the first request, and three redirects: {report:#}");
}

#[test]
fn a_redirect_to_what_is_not_granted_is_denied_and_not_dialled() {
    let nginx = Nginx::start(&Certificates::new());
    let elsewhere = nginx.http_port();
    let location = format!("http://127.0.0.1:{elsewhere}/health");
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let peer = Script::new().expect_through("\r\n\r\n").send(redirect).serve();

    let finished = finish("http", peer.port(), "/", "", "");
    let report = finished.report();
    assert_eq!(
        (verdict(&report).as_str(), finished.code),
        ("error config grant_denied connect", Some(3))
    );
    assert!(
        message(&report).contains(&format!("127.0.0.1:{elsewhere}")),
        "{report:#}"
    );
    assert_eq!(
        phases(&report),
        [&HTTP[..], &["connect denied"]].concat(),
        "{report:#}"
    );
    assert!(!nginx.log().contains("GET /health"), "{}", nginx.log());

    // Granted, the same is followed.
    let granted = format!(
        "allow = [\"127.0.0.1:{}\", \"127.0.0.1:{elsewhere}\"]",
        peer.port()
    );
    let configuration = format!(
        r#"
        [[check]]
        name = "front-page"
        plugin = "http"
        {granted}
        settings = {{ url = "http://127.0.0.1:{}/" }}
        "#,
        peer.port()
    );
    let report = Program::run(&configuration).finish().report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert!(nginx.log().contains("GET /health"), "{}", nginx.log());
}

#[test]
fn a_target_that_is_not_granted_is_denied() {
    let nginx = Nginx::start(&Certificates::new());
    let configuration = format!(
        r#"
        [[check]]
        name = "front-page"
        plugin = "http"
        allow = ["127.0.0.1:1"]
        settings = {{ url = "http://127.0.0.1:{}/health" }}
        "#,
        nginx.http_port()
    );
    let report = Program::run(&configuration).finish().report();
    assert_eq!(
        verdict(&report),
        "error config grant_denied connect",
        "{report:#}"
    );
    assert!(
        phases(&report).contains(&"connect denied".to_owned()),
        "{report:#}"
    );
}

#[test]
fn basic_credentials_are_right_or_rejected() {
    let nginx = Nginx::start(&Certificates::new());
    let basic = |secret| format!(r#"basic = {{ user = "{USER}", password = {{ secret = "{secret}" }} }}"#);
    let finished = finish("http", nginx.http_port(), "/private", "", &basic("web"));
    let report = finished.report();
    assert_eq!(verdict(&report), "pass", "{report:#}\n{}", nginx.log());
    // As it is, as JSON has it, and as it was sent.
    for form in [PASSWORD, r#"p@ss \"w\\o:rd"#, "cHJvYmU6cEBzcyAid1xvOnJk"] {
        assert!(!finished.mentions(form), "{finished:#?}");
    }

    let report = http(&nginx, "/private", &basic("wrong"));
    assert_eq!(verdict(&report), "fail target auth.rejected", "{report:#}");
    assert_eq!(phases(&report), HTTP);
    // Without credentials there are none to be rejected.
    let report = http(&nginx, "/private", "");
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    let report = http(&nginx, "/private", "expect.status = 401");
    assert_eq!(verdict(&report), "pass", "{report:#}");
}

/// Runs a check with this expectation, and returns the words about what is not met.
fn unmet(nginx: &Nginx, path: &str, expect: &str) -> Option<String> {
    let report = http(nginx, path, &format!("expect = {{ {expect} }}"));
    match verdict(&report).as_str() {
        "pass" => None,
        "fail target assertion_failed" => {
            // What is unmet is no phase's fault.
            assert!(
                phases(&report).iter().all(|phase| phase.ends_with(" ok")),
                "{report:#}"
            );
            Some(message(&report).to_owned())
        }
        _ => panic!("{expect}: {report:#}"),
    }
}

#[test]
fn expectations_of_status_headers_and_body_are_judged_both_ways() {
    let nginx = Nginx::start(&Certificates::new());
    for (path, expect) in [
        ("/health", r#"status = 200"#),
        ("/health", r#"status = ["3xx", 200]"#),
        ("/unavailable", r#"status = "5xx""#),
        ("/missing", r#"status = [503, 404]"#),
        (
            "/health",
            r#"headers = { Content-Type = "^application/json", server = "nginx" }"#,
        ),
        ("/health", r#"body_contains = ["status", "up"]"#),
        ("/health", r#"body_matches = '"status":\s*"(up|ready)"'"#),
        ("/health", r#"body_not_matches = ["down", "maintenance"]"#),
        (
            "/health",
            r#"json = { "/status" = "up", "" = { status = "up" } }"#,
        ),
        ("/health", "min_size = 15, max_size = 15"),
    ] {
        assert_eq!(unmet(&nginx, path, expect), None, "{expect}");
    }
    for (path, expect, words) in [
        (
            "/health",
            r#"status = ["3xx", 404]"#,
            "status 200, expected 3xx or 404",
        ),
        ("/unavailable", r#"headers = {}"#, "status 503, expected 2xx"),
        ("/missing", r#"status = "5xx""#, "status 404, expected 5xx"),
        (
            "/health",
            r#"headers = { content-type = "^text/" }"#,
            "header `content-type` is `application/json`",
        ),
        (
            "/health",
            r#"headers = { x-version = "." }"#,
            "no header `x-version`",
        ),
        (
            "/health",
            r#"body_contains = ["up", "ready"]"#,
            "body does not contain `ready`",
        ),
        (
            "/health",
            r#"body_matches = "^up$""#,
            "body does not match `^up$`",
        ),
        (
            "/health",
            r#"body_not_matches = '"u.'"#,
            r#"body matches `"u.`: `"up`"#,
        ),
        (
            "/health",
            r#"json = { "/status" = "down" }"#,
            r#"JSON `/status` is `"up"`, expected `"down"`"#,
        ),
        ("/health", r#"json = { "/load" = 1 }"#, "JSON has no `/load`"),
        ("/page", r#"json = { "/status" = "up" }"#, "body is not JSON"),
        (
            "/health",
            "min_size = 16",
            "body has 15 bytes, expected at least 16",
        ),
        (
            "/health",
            "max_size = 14",
            "body has 15 bytes, expected at most 14",
        ),
        ("/health", "certificate_days = 1", "no certificate without TLS"),
        ("/health", r#"tls_version = "1.2""#, "no TLS"),
    ] {
        let unmet = unmet(&nginx, path, expect).unwrap_or_default();
        assert!(unmet.contains(words), "{expect}: {unmet}");
    }
    let both = unmet(&nginx, "/unavailable", r#"body_contains = "up", max_size = 1"#).unwrap_or_default();
    for words in ["status 503", "does not contain `up`", "at most 1"] {
        assert!(both.contains(words), "all that is not met is told: {both}");
    }
}

#[test]
fn an_expectation_of_the_certificate_is_judged_both_ways() {
    let certificates = Certificates::new();
    let nginx = Nginx::start(&certificates);
    let expect = |expect: String| {
        let report = https(nginx.https_port(), &trusting(&certificates), &expect);
        (verdict(&report), message(&report).to_owned())
    };
    let pass = ("pass".to_owned(), String::new());
    // It is some moments old: the last day has begun, or is about to.
    assert_eq!(
        expect(format!("expect.certificate_days = {}", VALID_DAYS - 1)),
        pass
    );
    let (verdict, message) = expect(format!("expect.certificate_days = {}", VALID_DAYS + 1));
    assert_eq!(verdict, "fail target assertion_failed");
    assert!(
        message.ends_with(&format!(" days left, expected {}", VALID_DAYS + 1)),
        "{message}"
    );
}

#[test]
fn an_expectation_of_the_tls_version_is_judged_both_ways() {
    let certificates = Certificates::new();
    let identity = certificates.valid();
    for (server, version, expected, wanted) in [
        (identity.server_config(), "1.3", "1.3", "pass"),
        (identity.server_config(), "1.3", "1.2", "pass"),
        (speaking_tls_1_2_only(&identity), "1.2", "1.2", "pass"),
        (
            speaking_tls_1_2_only(&identity),
            "1.2",
            "1.3",
            "fail target assertion_failed",
        ),
    ] {
        let peer = Script::new()
            .start_tls(server)
            .expect_through("\r\n\r\n")
            .send("HTTP/1.1 204 No Content\r\n\r\n")
            .serve();
        let expect = format!("expect.tls_version = \"{expected}\"");
        let report = https(peer.port(), &trusting(&certificates), &expect);
        assert_eq!(verdict(&report), wanted, "{report:#}");
        let spoken = &report["attempts"][0]["phases"][2]["attributes"]["tls.protocol.version"];
        assert_eq!(spoken, version, "{report:#}");
        if wanted != "pass" {
            assert_eq!(
                message(&report),
                format!("TLS version {version}, expected at least {expected}")
            );
        }
    }
}

fn speaking_tls_1_2_only(identity: &Identity) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(&identity.certificate_file).expect("it was just issued");
    let key = PrivateKeyDer::from_pem_file(&identity.key_file).expect("it was just issued");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("the provider has suites of this version")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("certificate and key were made for each other"))
}
