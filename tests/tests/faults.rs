//! The promise: a failure that is injected is what a real one would be, to the plugin, in the report and in the
//! exit code; it happens where it is said to and nowhere else; it is marked wherever it shows; and what fails by
//! a fault never reaches the target.

#[expect(dead_code, reason = "these tests do not ask for everything in a report")]
mod report;

use std::fs;

use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::{Script, Transcript};
use bedcheck_tests::{Finished, Program};
use report::{duration, phases, verdict};
use serde_json::Value;

/// A deadline for peers that answer, far more than they need on a busy machine.
const LONG: &str = "10s";
/// How much later than deadline and grace a run may end on a busy machine. The waits that are cut short here
/// are an hour.
const LATE: f64 = 0.3;

/// What came of a run with faults.
struct Ran {
    finished: Finished,
    /// What its peer saw.
    transcripts: Vec<Transcript>,
}

impl Ran {
    fn report(&self) -> Value {
        self.finished.report()
    }

    /// What came over all connections.
    fn received(&self) -> Vec<String> {
        self.transcripts.iter().map(Transcript::text).collect()
    }
}

/// Runs the checks of this configuration, in which `PORT` is the port of a peer with this script.
fn run(configuration: &str, script: Script, faults: &[&str]) -> Ran {
    let peer = script.serve();
    let configuration = format!(
        "[plugins]\ndir = \".\"\n[secrets]\nprobe = {{ env = \"PROBE_SECRET\" }}\n{}",
        configuration.replace("PORT", &peer.port().to_string())
    );
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    let program = Program::run(&configuration)
        .file("guest.wasm", guest)
        .env("PROBE_SECRET", "open sesame");
    let finished = faults
        .iter()
        .fold(program, |program, fault| {
            program.argument("--fault").argument(fault)
        })
        .finish();
    Ran {
        finished,
        transcripts: peer.finish(),
    }
}

/// A check of the guest's.
fn guest(behaviour: &str, deadline: &str, more: &str) -> String {
    format!(
        "[[check]]\nname = \"{behaviour}\"\nplugin = \"guest\"\nallow = [\"127.0.0.1:PORT\"]\n\
         budget = {{ deadline = \"{deadline}\", grace = \"100ms\" }}\n{more}\n\
         settings = {{ behaviour = \"{behaviour}\", host = \"127.0.0.1\", port = PORT, \
         secret = {{ secret = \"probe\" }} }}\n"
    )
}

/// A peer that answers `read-thrice`.
fn answering() -> Script {
    ["?", "?", "?"]
        .into_iter()
        .fold(Script::new(), |script, question| {
            script.expect(question).send("!")
        })
}

fn read_thrice(faults: &[&str]) -> Ran {
    run(&guest("read-thrice", LONG, ""), answering(), faults)
}

const MAIL: &str = "[[check]]\nname = \"mail\"\nplugin = \"imap\"\nallow = [\"127.0.0.1:PORT\"]\n\
    [check.settings]\nhost = \"127.0.0.1\"\nport = PORT\nuser = \"probe\"\npassword = { secret = \"probe\" }\n\
    mailboxes = [\"INBOX\", \"Archive\"]\n";

/// A check of a mail server, without TLS.
fn mail() -> String {
    format!("{MAIL}tls = \"none\"\n")
}

/// A mail server that does everything right.
fn mail_server() -> Script {
    Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n")
        .expect_through("\r\n")
        .send("A1 OK come in\r\n")
        .expect("A2 EXAMINE INBOX\r\n")
        .send("* 3 EXISTS\r\nA2 OK done\r\n")
        .expect("A3 EXAMINE Archive\r\n")
        .send("* 1 EXISTS\r\nA3 OK done\r\n")
        .expect("A4 LOGOUT\r\n")
        .send("* BYE\r\nA4 OK bye\r\n")
}

/// A check of a web server.
const PAGE: &str = "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"127.0.0.1:PORT\"]\n\
    [check.settings]\nurl = \"http://127.0.0.1:PORT/\"\nmax_body = 16777216\n";

/// A web server with a page of that many bytes.
fn web_server(bytes: usize) -> Script {
    Script::new()
        .expect_through("\r\n\r\n")
        .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n"))
        .send(vec![b'x'; bytes])
}

/// The injected faults as `FAULT at CALL in PHASE`.
fn faults(report: &Value) -> Vec<String> {
    let shown = |fault: &Value| {
        let text = |key: &str| fault[key].as_str().unwrap_or("none");
        assert!(fault["at_s"].is_number(), "{fault:#}");
        format!("{} at {} in {}", text("fault"), text("call"), text("phase"))
    };
    let faults = report["faults"].as_array();
    faults
        .map(|faults| faults.iter().map(shown).collect())
        .unwrap_or_default()
}

/// The phases of the last attempt in which something was injected.
fn injected_phases(report: &Value) -> Vec<&str> {
    let attempt = report["attempts"].as_array().and_then(|attempts| attempts.last());
    let phases = attempt.and_then(|attempt| attempt["phases"].as_array());
    phases
        .into_iter()
        .flatten()
        .filter(|phase| phase["injected"] == true)
        .filter_map(|phase| phase["name"].as_str())
        .collect()
}

/// One fault, and what is wanted of its run: the phases, the verdict, and that all of it is marked.
#[track_caller]
fn assert_fails(ran: &Ran, fault: &str, wanted_phases: &str, wanted_verdict: &str) {
    let report = ran.report();
    assert_eq!(phases(&report).join(", "), wanted_phases, "{fault}: {report:#}");
    assert_eq!(verdict(&report), wanted_verdict, "{fault}: {report:#}");
    assert_eq!(report["error"]["injected"], true, "{fault}: {report:#}");
    let told = faults(&report);
    assert!(
        told.iter().any(|told| told.starts_with(&format!("{fault} at "))),
        "{fault} is not in {told:?}"
    );
    if let Some(phase) = report["error"]["phase"].as_str() {
        assert!(injected_phases(&report).contains(&phase), "{fault}: {report:#}");
    }
    let code = if wanted_verdict.starts_with("fail") { 2 } else { 3 };
    assert_eq!(ran.finished.code, Some(code), "{fault}: {report:#}");
}

#[test]
fn names_that_fail_fail_the_phase_resolve_and_nothing_is_dialled() {
    let untouched = "first not-reached, second not-reached, third not-reached";
    for (fault, blame, error) in [
        ("net.connect=name-not-found", "network", "dns.not_found"),
        ("net.connect=name-server-failure", "network", "dns.server_failure"),
        ("net.connect=no-address", "network", "dns.no_address"),
        (
            "phase:resolve net.connect=deadline-exceeded",
            "network",
            "deadline_exceeded",
        ),
        ("phase:resolve net.connect=other", "runner", "_OTHER"),
    ] {
        let ran = read_thrice(&[fault]);
        let outcome = if blame == "runner" { "error" } else { "fail" };
        let status = if error == "deadline_exceeded" {
            error.replace('_', "-")
        } else {
            "failed".into()
        };
        assert_fails(
            &ran,
            fault,
            &format!("resolve {status}, connect not-reached, {untouched}"),
            &format!("{outcome} {blame} {error} resolve"),
        );
        assert_eq!(ran.transcripts, [], "{fault}: the peer was dialled");
    }
}

#[test]
fn everything_else_of_dialling_fails_the_phase_connect_and_nothing_is_dialled() {
    let untouched = "first not-reached, second not-reached, third not-reached";
    for (kind, status, wanted) in [
        ("connection-refused", "failed", "fail target connection_refused"),
        (
            "network-unreachable",
            "failed",
            "fail network network_unreachable",
        ),
        ("host-unreachable", "failed", "fail network host_unreachable"),
        ("connection-reset", "failed", "fail target connection_reset"),
        ("grant-denied", "denied", "error config grant_denied"),
        (
            "capability-disabled",
            "denied",
            "error config capability_disabled",
        ),
        ("over-quota", "failed", "error plugin host_call_limit"),
        ("invalid", "failed", "error plugin plugin_invalid"),
        ("other", "failed", "error runner _OTHER"),
        (
            "deadline-exceeded",
            "deadline-exceeded",
            "fail target deadline_exceeded",
        ),
    ] {
        let fault = format!("net.connect={kind}");
        let ran = read_thrice(&[&fault]);
        assert_fails(
            &ran,
            &fault,
            &format!("resolve ok, connect {status}, {untouched}"),
            &format!("{wanted} connect"),
        );
        assert_eq!(ran.transcripts, [], "{fault}: the peer was dialled");
    }
}

#[test]
fn a_handshake_that_fails_sends_nothing() {
    for (kind, status, wanted) in [
        ("tls-handshake", "failed", "fail target tls.handshake"),
        (
            "certificate-invalid",
            "failed",
            "fail target tls.certificate_invalid",
        ),
        (
            "certificate-expired",
            "failed",
            "fail target tls.certificate_expired",
        ),
        ("name-mismatch", "failed", "fail target tls.name_mismatch"),
        ("connection-reset", "failed", "fail target connection_reset"),
        ("connection-closed", "failed", "fail target connection_closed"),
        (
            "network-unreachable",
            "failed",
            "fail network network_unreachable",
        ),
        ("host-unreachable", "failed", "fail network host_unreachable"),
        (
            "capability-disabled",
            "denied",
            "error config capability_disabled",
        ),
        ("over-quota", "failed", "error plugin host_call_limit"),
        ("invalid", "failed", "error plugin plugin_invalid"),
        ("other", "failed", "error runner _OTHER"),
        (
            "deadline-exceeded",
            "deadline-exceeded",
            "fail target deadline_exceeded",
        ),
    ] {
        let fault = format!("net.start-tls={kind}");
        let ran = run(MAIL, Script::new().stall(), &[&fault]);
        let report = ran.report();
        assert_eq!(verdict(&report), format!("{wanted} tls"), "{fault}: {report:#}");
        assert!(
            phases(&report).contains(&format!("tls {status}")),
            "{fault}: {report:#}"
        );
        assert_eq!(report["error"]["injected"], true, "{fault}: {report:#}");
        assert_eq!(faults(&report), [format!("{fault} at net.start-tls in tls")]);
        assert_eq!(ran.received(), [""], "{fault}");
    }
}

#[test]
fn a_connection_that_breaks_stays_broken_and_one_call_that_is_refused_does_not_break_it() {
    let others_fail = "second failed, third failed";
    let others_pass = "second ok, third ok";
    for (kind, status, wanted, others) in [
        (
            "connection-reset",
            "failed",
            "fail target connection_reset",
            others_fail,
        ),
        (
            "connection-closed",
            "failed",
            "fail target connection_closed",
            others_fail,
        ),
        (
            "network-unreachable",
            "failed",
            "fail network network_unreachable",
            others_fail,
        ),
        (
            "host-unreachable",
            "failed",
            "fail network host_unreachable",
            others_fail,
        ),
        ("other", "failed", "error runner _OTHER", others_fail),
        (
            "capability-disabled",
            "denied",
            "error config capability_disabled",
            others_pass,
        ),
        (
            "over-quota",
            "failed",
            "error plugin host_call_limit",
            others_pass,
        ),
        ("invalid", "failed", "error plugin plugin_invalid", others_pass),
    ] {
        for call in ["net.read", "net.write"] {
            // A question that was not asked is not answered: such a peer does not wait for it.
            let script = Script::new().send("!!!").stall();
            let fault = format!("{call}#1={kind}");
            let ran = run(&guest("read-thrice", LONG, ""), script, &[&fault]);
            assert_fails(
                &ran,
                &fault,
                &format!("resolve ok, connect ok, first {status}, {others}"),
                &format!("{wanted} first"),
            );
            let asked = usize::from(call == "net.read") + if others == others_pass { 2 } else { 0 };
            assert_eq!(ran.received(), ["?".repeat(asked)], "{fault}");
        }
    }
}

#[test]
fn closing_can_fail_too() {
    for (kind, status, wanted) in [
        ("connection-reset", "failed", "fail target connection_reset"),
        ("connection-closed", "failed", "fail target connection_closed"),
        ("other", "failed", "error runner _OTHER"),
        ("over-quota", "failed", "error plugin host_call_limit"),
        ("invalid", "failed", "error plugin plugin_invalid"),
        (
            "capability-disabled",
            "denied",
            "error config capability_disabled",
        ),
        (
            "deadline-exceeded",
            "deadline-exceeded",
            "fail target deadline_exceeded",
        ),
    ] {
        let fault = format!("net.close={kind}");
        let ran = run(&guest("close", LONG, ""), Script::new().stall(), &[&fault]);
        assert_fails(
            &ran,
            &fault,
            &format!("resolve ok, connect ok, first {status}, second not-reached, third not-reached"),
            &format!("{wanted} first"),
        );
    }
}

#[test]
fn secrets_that_fail_are_sent_to_nobody() {
    for (kind, wanted) in [
        ("secret-missing", "error config secret_missing"),
        ("capability-disabled", "error config capability_disabled"),
        ("over-quota", "error plugin host_call_limit"),
        ("invalid", "error plugin plugin_invalid"),
    ] {
        let fault = format!("secrets.open={kind}");
        let ran = run(&guest("confess", LONG, ""), Script::new().stall(), &[&fault]);
        let report = ran.report();
        assert_eq!(verdict(&report), wanted, "{fault}: {report:#}");
        assert_eq!(report["error"]["injected"], true, "{fault}: {report:#}");
        assert_eq!(faults(&report), [format!("{fault} at secrets.open in none")]);
        assert_eq!(ran.transcripts, [], "{fault}");

        let report = run(&mail(), mail_server(), &[&fault]).report();
        assert!(verdict(&report).starts_with(wanted), "{fault}: {report:#}");
        assert_eq!(report["error"]["injected"], true, "{fault}: {report:#}");
    }
}

#[test]
fn calls_that_report_can_fail_too() {
    for (behaviour, fault, wanted) in [
        ("pass", "phases.begin=over-quota", "error plugin host_call_limit"),
        ("pass", "phases.begin=invalid", "error plugin plugin_invalid"),
        (
            "pass",
            "phases.succeed=over-quota",
            "error plugin host_call_limit",
        ),
        (
            "skip-planned",
            "phases.plan=invalid",
            "error plugin plugin_invalid",
        ),
        (
            "ask",
            "measurements.put=over-quota",
            "error plugin host_call_limit",
        ),
        ("ask", "measurements.put=invalid", "error plugin plugin_invalid"),
    ] {
        let ran = run(&guest(behaviour, LONG, ""), Script::new(), &[fault]);
        let report = ran.report();
        assert!(verdict(&report).starts_with(wanted), "{fault}: {report:#}");
        assert_eq!(report["error"]["injected"], true, "{fault}: {report:#}");
        assert_eq!(faults(&report).len(), 1, "{fault}: {report:#}");
    }
}

#[test]
fn a_capability_that_is_said_to_be_off_is_answered_so_and_the_run_passes_and_says_what_was_injected() {
    let fault = "capabilities.enabled#1=capability-disabled";
    let report = run(&guest("ask", LONG, ""), Script::new(), &[fault]).report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let measured = report::measurements(&report).join(", ");
    assert!(measured.starts_with("guest.connect{} 0 1, "), "{measured}");
    assert_eq!(
        faults(&report),
        [format!("{fault} at capabilities.enabled in none")]
    );
}

#[test]
fn a_number_a_detail_and_a_check_select_what_they_say() {
    let report = read_thrice(&["net.read#2=over-quota"]).report();
    assert_eq!(
        phases(&report),
        [
            "resolve ok",
            "connect ok",
            "first ok",
            "second failed",
            "third ok"
        ],
        "{report:#}"
    );
    assert_eq!(injected_phases(&report), ["second"]);

    let report = run(
        &mail(),
        mail_server(),
        &["phase:select[Archive] net.read=connection-reset"],
    )
    .report();
    let told = phases(&report).join(", ");
    assert!(
        told.contains("select(INBOX) ok, select(Archive) failed"),
        "{told}"
    );
    assert_eq!(verdict(&report), "fail target connection_reset select");
    assert_eq!(injected_phases(&report), ["select"]);

    let both = format!(
        "{}{}",
        guest("read-thrice", LONG, ""),
        guest("read-thrice", LONG, "").replace("name = \"read-thrice\"", "name = \"spared\"")
    );
    let ran = run(
        &both,
        answering(),
        &["check:read-thrice net.read=connection-reset"],
    );
    let verdicts: Vec<String> = ran.finished.reports().iter().map(verdict).collect();
    assert_eq!(verdicts, ["fail target connection_reset first", "pass"]);
    assert_eq!(ran.finished.reports()[1]["faults"], serde_json::json!([]));
}

#[test]
fn a_delay_beyond_the_deadline_ends_with_it_and_is_blamed_on_the_target() {
    for (place, phase) in [
        ("phase:connect net.connect", "connect"),
        ("phase:first net.read", "first"),
        ("phase:first", "first"),
    ] {
        let fault = format!("{place}=delay 1h");
        let ran = run(&guest("read-thrice", "300ms", ""), answering(), &[&fault]);
        let report = ran.report();
        assert_eq!(
            verdict(&report),
            format!("fail target deadline_exceeded {phase}"),
            "{report:#}"
        );
        assert_eq!(report["error"]["injected"], true, "{report:#}");
        assert_eq!(report["deadline_hit"]["phase"], phase, "{report:#}");
        let duration = duration(&report);
        assert!((0.3..0.4 + LATE).contains(&duration), "{fault}: {report:#}");
    }
}

#[test]
fn a_delay_of_names_is_blamed_on_the_network_and_one_of_sleeping_on_the_plugin() {
    let fault = "phase:resolve net.connect=delay 1h";
    let report = run(&guest("read-thrice", "300ms", ""), answering(), &[fault]).report();
    assert_eq!(
        verdict(&report),
        "fail network deadline_exceeded resolve",
        "{report:#}"
    );

    let report = run(
        &guest("clocks-and-chance", "300ms", ""),
        answering(),
        &["poll=delay 1h"],
    )
    .report();
    let verdict = verdict(&report);
    assert!(
        verdict.starts_with("error plugin deadline_exceeded"),
        "{report:#}"
    );
    assert!((0.3..0.4 + LATE).contains(&duration(&report)), "{report:#}");
}

#[test]
fn a_short_delay_in_a_phase_happens_once_each_time_it_begins_and_the_run_passes() {
    let ran = read_thrice(&["phase:first=delay 50ms"]);
    let report = ran.report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    // The phase writes and reads; the first of both waits.
    assert_eq!(faults(&report), ["phase:first=delay 50ms at net.write in first"]);
    assert_eq!(injected_phases(&report), ["first"]);
    let first = &report["attempts"][0]["phases"][2];
    assert!(first["duration_s"].as_f64() >= Some(0.05), "{report:#}");
    assert_eq!(ran.finished.code, Some(0));
    assert_eq!(ran.received(), ["???"]);
}

#[test]
fn what_drips_comes_byte_by_byte() {
    let ran = run(PAGE, web_server(200), &["net.read=drip 1ms"]);
    let report = ran.report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let read = report["usage"]["bytes_read"].as_u64().unwrap_or(0);
    assert!(read > 200, "{report:#}");
    assert!(report["usage"]["host_calls"].as_u64() > Some(read), "{report:#}");
    // So many milliseconds at least.
    assert!(duration(&report) >= 0.2, "{report:#}");
}

#[test]
fn a_connection_is_reset_after_so_many_bytes_of_its_direction() {
    let report = run(PAGE, web_server(200), &["net.read=reset-after 20B"]).report();
    assert_eq!(
        verdict(&report),
        "fail target connection_reset processing",
        "{report:#}"
    );
    assert_eq!(report["usage"]["bytes_read"], 20, "{report:#}");
    assert_eq!(report["error"]["injected"], true, "{report:#}");

    let ran = run(PAGE, web_server(200), &["net.write=reset-after 5B"]);
    let report = ran.report();
    assert_eq!(
        verdict(&report),
        "fail target connection_reset processing",
        "{report:#}"
    );
    assert_eq!(report["error"]["injected"], true, "{report:#}");
    assert_eq!(ran.received(), ["GET /"]);
}

#[test]
fn a_stream_ends_after_so_many_bytes() {
    let report = run(
        PAGE,
        web_server(100_000),
        &["phase:transfer net.read=truncate 10B"],
    )
    .report();
    assert_eq!(
        verdict(&report),
        "fail target connection_closed transfer",
        "{report:#}"
    );
    assert_eq!(report["error"]["injected"], true, "{report:#}");

    let ran = run(&mail(), mail_server(), &["net.read=truncate 0B"]);
    let report = ran.report();
    assert_eq!(
        verdict(&report),
        "fail target connection_closed greeting",
        "{report:#}"
    );
    assert_eq!(report["usage"]["bytes_read"], 0, "{report:#}");
    assert_eq!(ran.received(), [""]);
}

#[test]
fn memory_that_is_short_stops_the_plugin_that_wants_more() {
    // Its length is not known beforehand, so that room for it is made again and again while it comes.
    let page = || {
        Script::new()
            .expect_through("\r\n\r\n")
            .send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            .send(vec![b'x'; 8 << 20])
            .hang_up()
    };
    let ran = run(PAGE, page(), &["phase:transfer=memory-pressure"]);
    let report = ran.report();
    assert_eq!(
        verdict(&report),
        "error plugin memory_limit transfer",
        "{report:#}"
    );
    assert_eq!(report["error"]["injected"], true, "{report:#}");
    let used = |report: &Value| report["usage"]["memory_bytes"].as_u64().expect("a number");
    let needed = run(PAGE, page(), &[]).report();
    assert_eq!(verdict(&needed), "pass");
    assert!(used(&report) < used(&needed), "{report:#}");
}

#[test]
fn a_deadline_that_is_made_to_pass_has_passed_for_the_rest_of_the_run() {
    let ran = read_thrice(&["phase:first net.read=deadline-exceeded"]);
    let report = ran.report();
    let wanted = [
        "resolve ok",
        "connect ok",
        "first deadline-exceeded",
        "second deadline-exceeded",
        "third deadline-exceeded",
    ];
    assert_eq!(phases(&report), wanted, "{report:#}");
    assert_eq!(verdict(&report), "fail target deadline_exceeded first");
    assert_eq!(report["deadline_exceeded"], true, "{report:#}");
    assert_eq!(report["deadline_hit"]["host_call"], "net.read", "{report:#}");
    // A fraction of the ten seconds that the run was given.
    assert!(duration(&report) < 2.0, "{report:#}");
    assert_eq!(ran.received(), ["?"]);
}

#[test]
fn a_deadline_that_is_made_to_pass_while_reporting_stops_the_next_network_call() {
    for fault in [
        "phases.begin#2=deadline-exceeded",
        "phases.succeed#1=deadline-exceeded",
    ] {
        let ran = read_thrice(&[fault]);
        let report = ran.report();
        let wanted = [
            "resolve ok",
            "connect ok",
            "first ok",
            "second deadline-exceeded",
            "third deadline-exceeded",
        ];
        assert_eq!(phases(&report), wanted, "{fault}: {report:#}");
        assert_eq!(report["deadline_exceeded"], true, "{report:#}");
        // It is not injected in the phase, and follows from what was injected before.
        assert_eq!(report["error"]["injected"], true, "{fault}: {report:#}");
        assert!(duration(&report) < 2.0, "{report:#}");
        assert_eq!(ran.received(), ["?"], "{fault}");
    }
    // One that computes on is stopped after the grace.
    let spin = guest("spin-between-calls", LONG, "budget.fuel = 1_000_000_000_000").replace(
        "budget = { deadline = \"10s\", grace = \"100ms\" }",
        "budget.grace = \"100ms\"",
    );
    let report = run(
        &spin,
        Script::new(),
        &["budget.deadline-exceeded#3=deadline-exceeded"],
    )
    .report();
    assert_eq!(verdict(&report), "error plugin deadline_exceeded", "{report:#}");
    assert!((0.1..2.0).contains(&duration(&report)), "{report:#}");
}

#[test]
fn a_deadline_that_is_made_to_pass_is_blamed_by_the_time_until_then() {
    let script = "[[connection]]\nsteps = [{ expect = \"?\" }, { stall = \"400ms\" }, { send = \"!\" }]\n";
    let settings = "behaviour = \"read-thrice\"\nhost = \"192.0.2.1\"\nport = 25\n";
    let ran = Program::new(["plugin", "test", "--once", "--format=json"])
        .argument(guest_plugin())
        .argument("--settings=settings.toml")
        .file("settings.toml", settings)
        .argument("--server=server.toml")
        .file("server.toml", script)
        .argument("--fault=phases.begin#2=deadline-exceeded")
        .finish();
    let report = ran.report();
    assert_eq!(
        verdict(&report),
        "fail target deadline_exceeded second",
        "{report:#}"
    );
    assert_eq!(report["deadline_s"], 10.0, "{report:#}");
}

#[test]
fn a_deadline_that_is_made_to_pass_in_a_read_is_blamed_as_if_the_read_had_waited_for_it() {
    for faults in [&[][..], &["net.read=deadline-exceeded"]] {
        let ran = run(
            &guest("nap-then-read", "300ms", ""),
            Script::new().stall(),
            faults,
        );
        let report = ran.report();
        let wanted = "fail target deadline_exceeded first";
        assert_eq!(verdict(&report), wanted, "{faults:?}: {report:#}");
    }
}

#[test]
fn a_fault_that_happens_once_is_survived_by_another_attempt() {
    let retry = "retry = { attempts = 2, backoff = \"1ms\" }";
    let ran = run(
        &guest("read-thrice", LONG, retry),
        answering(),
        &["net.read#1=connection-reset times 1"],
    );
    let report = ran.report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(2), "{report:#}");
    assert_eq!(report["attempts"][0]["error"]["injected"], true, "{report:#}");
    assert_eq!(report["attempts"][1]["error"], Value::Null, "{report:#}");
    assert_eq!(faults(&report).len(), 1, "{report:#}");
    assert_eq!(injected_phases(&report), [""; 0]);
    assert_eq!(ran.finished.code, Some(1), "{report:#}");
    assert_eq!(ran.received(), ["?", "???"]);
}

#[test]
fn a_deadline_that_is_made_to_pass_was_hit_when_it_passed() {
    let fault = "log.write=deadline-exceeded";
    let report = run(&guest("huge-texts-for-ever", LONG, ""), Script::new(), &[fault]).report();
    assert_eq!(verdict(&report), "error plugin deadline_exceeded", "{report:#}");
    let at = report["deadline_hit"]["at_s"].as_f64().expect("a number");
    assert!(at <= duration(&report), "{report:#}");
}

#[test]
fn a_fault_with_a_window_happens_in_attempts_that_begin_in_it() {
    // The pause is half of the backoff at least, so the second attempt begins behind the window.
    let retry = "retry = { attempts = 2, backoff = \"3s\", max_backoff = \"3s\" }";
    let ran = run(
        &guest("read-thrice", LONG, retry),
        answering(),
        &["net.read=connection-reset for 1s"],
    );
    let report = ran.report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(report["attempts"].as_array().map(Vec::len), Some(2), "{report:#}");
    assert_eq!(ran.received(), ["?", "???"]);
}

#[test]
fn what_happens_by_chance_happens_again_with_the_same_seed() {
    // Reads of one byte each: their number is the same however the network cuts the answer up.
    let drawn = |seed: u32| {
        let chance = format!("net.read=delay 1ms probability 0.5 seed {seed}");
        let report = run(PAGE, web_server(10), &["net.read=drip 1ms", &chance]).report();
        assert_eq!(verdict(&report), "pass", "{report:#}");
        let told = faults(&report);
        let by_chance = told.iter().filter(|fault| fault.contains("delay")).count();
        assert!(by_chance > 5 && by_chance < told.len() / 2, "{told:#?}");
        told
    };
    let first = drawn(7);
    assert_eq!(first, drawn(7));
    assert_ne!(first, drawn(8));
}

#[test]
fn faults_of_a_file_and_of_the_command_line_are_the_same() {
    let in_file = format!(
        "[[fault]]\nphase = \"second\"\ncall = \"net.read\"\nkind = \"over-quota\"\n{}",
        guest("read-thrice", LONG, "")
    );
    let from_file = run(&in_file, answering(), &[]).report();
    let from_option = read_thrice(&["phase:second net.read=over-quota"]).report();
    assert_eq!(verdict(&from_file), "error plugin host_call_limit second");
    assert_eq!(verdict(&from_file), verdict(&from_option));
    assert_eq!(faults(&from_file), faults(&from_option));
    assert_eq!(phases(&from_file), phases(&from_option));
}

#[test]
fn whoever_runs_a_check_is_told_beforehand_that_failures_are_injected() {
    let ran = read_thrice(&["net.read#1=reset times 1"]);
    assert!(
        ran.finished
            .stderr
            .contains("note: failures are injected: net.read#1=connection-reset times 1"),
        "{:#?}",
        ran.finished
    );
    let without = read_thrice(&[]);
    assert_eq!(verdict(&without.report()), "pass");
    assert_eq!(without.report()["faults"], serde_json::json!([]));
    assert!(!without.finished.mentions("injected"), "{:#?}", without.finished);
}
