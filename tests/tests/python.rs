//! The promise: a check in Python, made a component by componentize-py as people do it, is a check like any other. It is
//! inspected and run without being touched, reports phase by phase, says what went wrong where, and its deadline holds.

mod report;

use std::sync::OnceLock;
use std::time::Duration;

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::program::{kept_code, python_plugin};
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use bedcheck_tests::{Finished, Program};
use report::{duration, measurements, message, phases, verdict};
use serde_json::Value;

/// How long the first call may take, which compiles the interpreter: the compiler's own bound is 120 s.
const COMPILING: Duration = Duration::from_secs(150);
/// The deadline and the grace of a check of a silent server, in seconds.
const DEADLINE: f64 = 0.5;
const GRACE: f64 = 0.1;
/// How much later a run may end: the ticker's 5 ms, and the scheduling of a busy machine.
const LATE: f64 = 0.02;

/// What `plugin inspect` says, asked once: from then on the compiled code is kept.
fn inspected() -> &'static Finished {
    static INSPECTED: OnceLock<Finished> = OnceLock::new();
    INSPECTED.get_or_init(|| {
        Program::new(["plugin", "inspect"])
            .argument(python_plugin())
            .env("BEDCHECK_CACHE", kept_code())
            .within(COMPILING)
            .finish()
    })
}

/// Runs a check of a port on loopback. `more` are keys of the check, and `settings` of its settings.
fn run_at(port: u16, more: &str, settings: &str) -> Value {
    assert_eq!(inspected().code, Some(0), "{:?}", inspected());
    let folder = python_plugin().parent().expect("it is in a folder").to_owned();
    let configuration = format!(
        r#"
        [plugins]
        dir = '{}'

        [[check]]
        name = "status"
        plugin = "http-status"
        allow = ["self"]
        {more}

        [check.settings]
        host = "127.0.0.1"
        port = {port}
        {settings}
        "#,
        folder.display()
    );
    Program::run(&configuration)
        .env("BEDCHECK_CACHE", kept_code())
        .finish()
        .report()
}

fn run(peer: &Peer, more: &str, settings: &str) -> Value {
    run_at(peer.port(), more, settings)
}

/// A server that answers with these bytes once it is asked.
fn answering(response: &str) -> Script {
    Script::new().expect_through("\r\n\r\n").send(response).hang_up()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nup\n";

#[test]
fn it_describes_itself_like_any_plugin() {
    let inspected = inspected();
    assert_eq!(inspected.code, Some(0), "{inspected:?}");
    for line in [
        "plugin        http-status 0.1.0",
        "phases        resolve, connect, tls, request, response",
        "capabilities  net.connect, net.tls",
        "target        `host` and `port`, else 80 or 443",
    ] {
        assert!(
            inspected.stdout.lines().any(|said| said == line),
            "{line}: {}",
            inspected.stdout
        );
    }
}

#[test]
fn it_reports_phase_by_phase() {
    // Hints go before the answer (RFC 9110, section 15.2), in the same read or in one before.
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let script = Script::new().expect_through("\r\n\r\n").send(hints);
    let peer = script.send(format!("{hints}{OK}")).hang_up().serve();
    let report = run(&peer, "", "path = \"/health\"");
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(
        phases(&report),
        ["resolve ok", "connect ok", "request ok", "response ok"]
    );
    assert_eq!(
        measurements(&report),
        ["http.response.status_code{} 200 {status_code}"]
    );
    let host = format!("127.0.0.1:{}", peer.port());
    let asked = peer.finish().remove(0).text();
    assert_eq!(
        asked,
        format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    );
}

#[test]
fn tls_is_the_hosts() {
    let certificates = Certificates::new();
    let script = Script::new().start_tls(certificates.valid().server_config());
    let peer = script.expect_through("\r\n\r\n").send(OK).hang_up().serve();
    let trust = format!("tls.ca_file = '{}'", certificates.authority_file().display());
    let report = run(&peer, &trust, "tls = true");
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(
        phases(&report),
        ["resolve ok", "connect ok", "tls ok", "request ok", "response ok"]
    );
}

#[test]
fn what_goes_wrong_is_told_where_it_does() {
    let unavailable = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
    let report = run(&answering(unavailable).serve(), "", "");
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    assert_eq!(message(&report), "the status is 503, and 200 was expected");
    assert_eq!(
        phases(&report),
        ["resolve ok", "connect ok", "request ok", "response ok"]
    );

    let report = run(&answering("220 mail.example.org ready\r\n\r\n").serve(), "", "");
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response response",
        "{report:#}"
    );
    assert_eq!(
        phases(&report),
        ["resolve ok", "connect ok", "request ok", "response failed"]
    );

    let report = run(&answering("HTTP/1.1 200").serve(), "", "");
    assert_eq!(
        message(&report),
        "the response ended within its head",
        "{report:#}"
    );

    let nobody = ClosedPort::new();
    let report = run_at(nobody.port(), "", "");
    assert_eq!(
        verdict(&report),
        "fail target connection_refused connect",
        "{report:#}"
    );
    assert_eq!(
        phases(&report),
        [
            "resolve ok",
            "connect failed",
            "request not-reached",
            "response not-reached"
        ]
    );
}

#[test]
fn a_long_body_behind_a_head_in_pieces_is_no_long_head() {
    let head = "HTTP/1.1 200 OK\r\nX-Padding: ";
    let rest = format!("{}\r\n\r\n{}", "x".repeat(2000), "y".repeat(64 * 1024));
    let asked = Script::new().expect_through("\r\n\r\n");
    // Byte by byte, so that the head is there before the rest of it is.
    let peer = asked
        .drip(head, Duration::from_millis(1))
        .send(rest)
        .hang_up()
        .serve();
    let report = run(&peer, "", "");
    assert_eq!(verdict(&report), "pass", "{report:#}");

    let endless = format!("{head}{}", "x".repeat(64 * 1024));
    let report = run(&answering(&endless).serve(), "", "");
    assert_eq!(
        verdict(&report),
        "fail target protocol.too_large response",
        "{report:#}"
    );
}

#[test]
fn its_deadline_holds() {
    let silent = Script::new().stall().serve();
    let budget = "budget = { deadline = \"500ms\", grace = \"100ms\" }";
    let (earliest, latest) = (DEADLINE, DEADLINE + GRACE + LATE);
    // A machine that is busy with other tests can keep one run waiting for longer than it may be late, and hardly three.
    let is_punctual = |report: &Value| (earliest..latest).contains(&duration(report));
    let mut report = run(&silent, budget, "");
    for _ in 0..2 {
        if !is_punctual(&report) {
            report = run(&silent, budget, "");
        }
    }
    assert!(is_punctual(&report), "{report:#}");
    assert_eq!(
        verdict(&report),
        "fail target deadline_exceeded response",
        "{report:#}"
    );
    assert_eq!(
        phases(&report),
        [
            "resolve ok",
            "connect ok",
            "request ok",
            "response deadline-exceeded"
        ]
    );
    assert_eq!(report["deadline_hit"]["host_call"], "net.read");
}

#[test]
fn too_little_memory_is_told_with_the_key_that_gives_more() {
    let peer = answering(OK).serve();
    let report = run(&peer, "budget.memory = \"8MiB\"", "");
    assert_eq!(verdict(&report), "error plugin memory_limit", "{report:#}");
    assert!(message(&report).contains("`budget.memory`"), "{report:#}");
}
