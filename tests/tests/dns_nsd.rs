//! The promise: the DNS check asks a real name server over UDP, TCP and TLS, asks again over TCP for what does not fit
//! into a datagram, and says phase by phase what came of it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bedcheck_tests::Program;
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::nsd::{LARGE, Nsd, SERIAL};
use serde_json::{Value, json};

struct Server {
    certificates: Certificates,
    nsd: Nsd,
}

impl Server {
    /// That of the tests that run now; it is ended with the last of them.
    fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let certificates = Certificates::new();
            let nsd = Nsd::start(&certificates);
            let server = Arc::new(Self { certificates, nsd });
            *running = Arc::downgrade(&server);
            server
        })
    }

    /// The report of a check with these settings.
    fn run(&self, settings: &str) -> Value {
        let port = match settings.contains("\"tls\"") {
            true => self.nsd.tls_port(),
            false => self.nsd.port(),
        };
        let configuration = format!(
            "[[check]]
name = \"names\"
plugin = \"dns\"
budget.deadline = \"5s\"
allow = [\"self\"]
tls.ca_file = \"{}\"
[check.settings]
host = \"127.0.0.1\"
port = {port}
{settings}
",
            self.certificates.authority_file().display()
        );
        Program::run(&configuration).finish().report()
    }

    #[track_caller]
    fn assert_pass(&self, report: &Value) {
        assert_eq!(report["outcome"], "pass", "{report:#}\n{}", self.nsd.log());
    }
}

/// The phases of the last attempt, each with its detail and status.
fn phases(report: &Value) -> Vec<String> {
    let attempts = report["attempts"].as_array().expect("attempts");
    let phases = attempts.last().expect("one attempt")["phases"].as_array();
    phases
        .expect("phases")
        .iter()
        .map(|phase| {
            let detail = phase["detail"].as_str().map(|detail| format!("[{detail}]"));
            let text = |key: &str| phase[key].as_str().unwrap_or_default().to_owned();
            format!(
                "{}{} {}",
                text("name"),
                detail.unwrap_or_default(),
                text("status")
            )
        })
        .collect()
}

fn measured(report: &Value, name: &str) -> Option<f64> {
    let measurements = report["measurements"].as_array().expect("measurements");
    let found = measurements
        .iter()
        .find(|measurement| measurement["name"] == name);
    found?["value"].as_f64()
}

#[test]
fn addresses_over_every_transport() {
    let server = Server::shared();
    for (transport, tls) in [("udp", false), ("tcp", false), ("tls", true)] {
        let report = server.run(&format!(
            "transport = \"{transport}\"
query = {{ name = \"www.example.test\" }}
expect = {{ exact_answers = [\"192.0.2.2\", \"192.0.2.1\"], authoritative = true, min_ttl = 300 }}"
        ));
        server.assert_pass(&report);
        let mut wanted = vec!["resolve ok", "connect ok", "query ok", "validate ok"];
        if tls {
            wanted.insert(2, "tls ok");
        }
        assert_eq!(phases(&report), wanted, "{transport}");
        assert_eq!(measured(&report, "dns.answer.records"), Some(2.0));
        assert_eq!(measured(&report, "dns.answer.min_ttl"), Some(300.0));
        assert_eq!(measured(&report, "dns.response.code"), Some(0.0));
    }
}

#[test]
fn records_of_many_types() {
    let server = Server::shared();
    for (name, kind, answer) in [
        ("www.example.test", "AAAA", "2001:db8::1"),
        ("example.test.", "MX", "10 mail.example.test."),
        ("EXAMPLE.test", "NS", "ns.example.test"),
        ("example.test", "TXT", "\\\"v=spf1 -all\\\""),
        ("alias.example.test", "CNAME", "www.example.test."),
    ] {
        let report = server.run(&format!(
            "query = {{ name = \"{name}\", type = \"{kind}\" }}\nexpect = {{ exact_answers = [\"{answer}\"] }}"
        ));
        server.assert_pass(&report);
    }
    let report = server.run(
        "query = { name = \"example.test\", type = \"SOA\", recursion = false }
[check.settings.expect.validate_answer]
fail_if_not_matches_regexp = [\"^example\\\\.test\\\\.\\t300\\tIN\\tSOA\\tns\\\\.example\\\\.test\\\\. \"]",
    );
    server.assert_pass(&report);
    assert_eq!(measured(&report, "dns.soa.serial"), Some(f64::from(SERIAL)));
}

#[test]
fn what_does_not_fit_into_a_datagram_is_asked_for_again_over_tcp() {
    let server = Server::shared();
    let report = server.run("query = { name = \"large.example.test\", type = \"TXT\" }");
    server.assert_pass(&report);
    assert_eq!(
        phases(&report),
        [
            "resolve ok",
            "connect ok",
            "query ok",
            "resolve ok",
            "connect ok",
            "query[over TCP] ok",
            "validate ok",
        ]
    );
    assert_eq!(measured(&report, "dns.answer.records"), Some(f64::from(LARGE)));
    assert!(measured(&report, "dns.response.size") > Some(512.0));
}

#[test]
fn names_that_do_not_exist_and_zones_of_others() {
    let server = Server::shared();
    for (name, code) in [
        ("missing.example.test", "NXDOMAIN"),
        ("example.invalid", "REFUSED"),
    ] {
        let query = format!("query = {{ name = \"{name}\" }}");
        let report = server.run(&query);
        assert_eq!(report["outcome"], "fail");
        let wanted = json!({
            "type": "assertion_failed", "phase": "validate",
            "message": format!("the response code is `{code}`, wanted `NOERROR`"),
        });
        for key in ["type", "phase", "message"] {
            assert_eq!(report["error"][key], wanted[key], "{report:#}");
        }
        let expected = server.run(&format!("{query}\nexpect = {{ rcodes = [\"{code}\"] }}"));
        server.assert_pass(&expected);
    }
}

#[test]
fn an_authority_that_is_not_trusted() {
    let server = Server::shared();
    let port = server.nsd.tls_port();
    let report = Program::run(&format!(
        "[[check]]
name = \"names\"
plugin = \"dns\"
allow = [\"self\"]
settings = {{ host = \"127.0.0.1\", port = {port}, transport = \"tls\", query = {{ name = \"www.example.test\" }} }}
"
    ))
    .finish()
    .report();
    assert_eq!(report["error"]["type"], "tls.certificate_invalid", "{report:#}");
    assert_eq!(
        phases(&report),
        [
            "resolve ok",
            "connect ok",
            "tls failed",
            "query not-reached",
            "validate not-reached"
        ]
    );
}
