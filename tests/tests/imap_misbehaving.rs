//! The promise: whatever a mail server does instead of its job, the report names the phase it happened in and what
//! it was, no run outlives its deadline and grace, and the password goes to nobody who should not have it.

mod report;

use std::time::Duration;

use bedcheck_tests::Program;
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::script::{Peer, Script};
use report::{duration, measurements, message, phases, verdict};
use serde_json::Value;

/// The deadline and the grace of these checks, in seconds.
const DEADLINE: f64 = 0.3;
const GRACE: f64 = 0.1;
/// How much later a run may end: the ticker's 5 ms, and the scheduling of a busy machine.
const LATE: f64 = 0.02;
/// A deadline for servers that answer, far more than they need on a busy machine.
const LONG: &str = "10s";

/// Not ASCII, so that a literal's length in bytes is not that in characters; escaped in every other form.
const PASSWORD: &str = "päss \"w\\ord";
/// NUL, user, NUL, password (RFC 4616) in base64.
const CREDENTIALS: &str = "AHByb2JlAHDDpHNzICJ3XG9yZA==";

const GREETING: &str = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN STARTTLS] ready\r\n";

/// Runs a check of this peer, and returns its report and what came over its one connection. The certificate
/// authority is that of the peer's, if it has one.
fn run(peer: Peer, tls: &str, deadline: &str, authority: Option<&Certificates>) -> (Value, String) {
    run_with(
        peer,
        tls,
        &format!("budget.deadline = \"{deadline}\""),
        PASSWORD,
        authority,
    )
}

/// The same with this budget and password.
fn run_with(
    peer: Peer,
    tls: &str,
    budget: &str,
    password: &str,
    authority: Option<&Certificates>,
) -> (Value, String) {
    let port = peer.port();
    let trust = authority.map_or_else(String::new, |certificates| {
        format!("tls.ca_file = '{}'", certificates.authority_file().display())
    });
    let configuration = format!(
        r#"
        [[check]]
        name = "mail-login"
        plugin = "imap"
        {budget}
        budget.grace = "100ms"
        allow = ["127.0.0.1:{port}"]
        {trust}

        [check.settings]
        host = "127.0.0.1"
        port = {port}
        tls = "{tls}"
        user = "probe"
        password = {{ secret = "mail" }}
        mailboxes = ["INBOX", "Archive"]

        [secrets]
        mail = {{ env = "MAIL_PASSWORD" }}
        "#
    );
    let finished = Program::run(&configuration)
        .env("MAIL_PASSWORD", password)
        .finish();
    for form in [password, PASSWORD, r#"päss \"w\\ord"#, CREDENTIALS] {
        assert!(!finished.mentions(form), "the password is in {finished:#?}");
    }
    let mut transcripts = peer.finish();
    assert_eq!(transcripts.len(), 1, "{transcripts:?}");
    (finished.report(), transcripts.remove(0).text())
}

/// A report and a transcript of a server without TLS that answers.
fn run_plain(script: Script) -> (Value, String) {
    run(script.serve(), "none", LONG, None)
}

/// The first part of a conversation without TLS: up to the answer to the login.
fn logged_in() -> Script {
    Script::new()
        .send(GREETING)
        .expect(format!("A1 AUTHENTICATE PLAIN {CREDENTIALS}\r\n"))
        .send("A1 OK come in\r\n")
}

/// The rest of a conversation: both mailboxes with these tags, and the logout.
fn opened(script: Script, [inbox, archive, logout]: [&str; 3]) -> Script {
    script
        .expect(format!("{inbox} EXAMINE INBOX\r\n"))
        .send(format!("* 3 EXISTS\r\n{inbox} OK [READ-ONLY] done\r\n"))
        .expect(format!("{archive} EXAMINE Archive\r\n"))
        .send(format!("* 1 EXISTS\r\n{archive} OK [READ-ONLY] done\r\n"))
        .expect(format!("{logout} LOGOUT\r\n"))
        .send(format!("* BYE\r\n{logout} OK bye\r\n"))
}

/// A server that does everything right after this beginning.
#[track_caller]
fn assert_passes(script: Script) {
    let peer = opened(script, ["A2", "A3", "A4"]).serve();
    let (report, transcript) = run(peer, "none", LONG, None);
    assert_eq!(verdict(&report), "pass", "{report:#}\n{transcript}");
    assert_eq!(
        measurements(&report),
        [
            "imap.mailbox.messages{mailbox=INBOX} 3 {message}",
            "imap.mailbox.messages{mailbox=Archive} 1 {message}",
        ]
    );
}

/// Runs against a server that hangs where this script ends. `wanted` are the phases after `connect`.
#[track_caller]
fn assert_hangs(script: Script, tls: &str, authority: Option<&Certificates>, wanted: &str) {
    let (report, _) = run(script.stall().serve(), tls, "300ms", authority);
    let told = phases(&report).join(", ");
    assert_eq!(told, format!("resolve ok, connect ok, {wanted}"), "{report:#}");
    let hung = wanted
        .split(", ")
        .find(|phase| phase.ends_with(" deadline-exceeded"));
    let hung = hung
        .and_then(|phase| phase.split([' ', '(']).next())
        .unwrap_or_default();
    assert_eq!(
        verdict(&report),
        format!("fail target deadline_exceeded {hung}"),
        "{report:#}"
    );
    assert_eq!(report["deadline_exceeded"], true, "{report:#}");
    assert_eq!(report["deadline_hit"]["phase"], hung, "{report:#}");
    let call = if hung == "tls" {
        "net.start-tls"
    } else {
        "net.read"
    };
    assert_eq!(report["deadline_hit"]["host_call"], call, "{report:#}");
    let duration = duration(&report);
    assert!(
        (DEADLINE..=DEADLINE + GRACE + LATE).contains(&duration),
        "{report:#}"
    );
}

#[test]
fn a_server_that_hangs_is_cut_in_the_phase_it_hangs_in() {
    let after_login = "select(INBOX) not-reached, select(Archive) not-reached, logout not-reached";
    let silent =
        format!("greeting deadline-exceeded, capability not-reached, login not-reached, {after_login}");
    assert_hangs(Script::new(), "none", None, &silent);
    assert_hangs(Script::new().send("* OK [CAPA"), "none", None, &silent);
    let mute = format!("greeting ok, capability deadline-exceeded, login not-reached, {after_login}");
    assert_hangs(Script::new().send("* OK ready\r\n"), "none", None, &mute);
    let listed = "greeting ok, capability(from the greeting) ok";
    let deaf = format!("{listed}, login deadline-exceeded, {after_login}");
    assert_hangs(Script::new().send(GREETING), "none", None, &deaf);
    // What comes after the deadline fails at once, and is told as what it is.
    let stuck = "login ok, select(INBOX) deadline-exceeded, select(Archive) deadline-exceeded";
    assert_hangs(
        logged_in(),
        "none",
        None,
        &format!("{listed}, {stuck}, logout deadline-exceeded"),
    );
    let half = logged_in()
        .expect("A2 EXAMINE INBOX\r\n")
        .send("* 3 EXISTS\r\nA2 OK [READ-ON");
    assert_hangs(
        half,
        "none",
        None,
        &format!("{listed}, {stuck}, logout deadline-exceeded"),
    );
    let stays = logged_in()
        .expect("A2 EXAMINE INBOX\r\n")
        .send("* 3 EXISTS\r\nA2 OK done\r\n")
        .expect("A3 EXAMINE Archive\r\n")
        .send("* 1 EXISTS\r\nA3 OK done\r\n");
    let opened = "login ok, select(INBOX) ok, select(Archive) ok";
    assert_hangs(
        stays,
        "none",
        None,
        &format!("{listed}, {opened}, logout deadline-exceeded"),
    );
}

#[test]
fn a_server_that_hangs_around_tls_is_cut_in_the_phase_it_hangs_in() {
    let certificates = Certificates::new();
    let after_login = "select(INBOX) not-reached, select(Archive) not-reached, logout not-reached";
    let rest = format!("login not-reached, {after_login}");

    let implicit = format!("tls deadline-exceeded, greeting not-reached, capability not-reached, {rest}");
    assert_hangs(Script::new(), "implicit", None, &implicit);
    let secured = Script::new().start_tls(certificates.valid().server_config());
    let silent = format!("tls ok, greeting deadline-exceeded, capability not-reached, {rest}");
    assert_hangs(secured, "implicit", Some(&certificates), &silent);

    let asked = || Script::new().send(GREETING).expect("A1 STARTTLS\r\n");
    let unanswered = "greeting ok, capability(from the greeting) deadline-exceeded, tls not-reached";
    let unanswered = format!("{unanswered}, capability(after STARTTLS) not-reached, {rest}");
    assert_hangs(asked(), "starttls", None, &unanswered);
    let begun = "greeting ok, capability(from the greeting) ok";
    let unshaken = format!("{begun}, tls deadline-exceeded, capability(after STARTTLS) not-reached, {rest}");
    assert_hangs(asked().send("A1 OK go on\r\n"), "starttls", None, &unshaken);
    let shaken = asked()
        .send("A1 OK go on\r\n")
        .start_tls(certificates.valid().server_config());
    let mute = format!("{begun}, tls ok, capability(after STARTTLS) deadline-exceeded, {rest}");
    assert_hangs(shaken, "starttls", Some(&certificates), &mute);
}

#[test]
fn a_server_that_drips_does_not_outlive_the_deadline() {
    let peer = Script::new()
        .drip(
            "* OK one byte at a time\r\n".repeat(1000),
            Duration::from_millis(50),
        )
        .serve();
    let (report, _) = run(peer, "none", "300ms", None);
    assert_eq!(
        verdict(&report),
        "fail target deadline_exceeded greeting",
        "{report:#}"
    );
    assert!(duration(&report) <= DEADLINE + GRACE + LATE, "{report:#}");
}

#[test]
fn a_greeting_that_says_goodbye_fails_in_its_words() {
    let (report, transcript) = run_plain(Script::new().send("* BYE too many users\r\n"));
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response greeting",
        "{report:#}"
    );
    assert!(message(&report).contains("BYE too many users"), "{report:#}");
    assert_eq!(transcript, "");
}

#[test]
fn a_greeting_that_has_logged_in_already_gets_no_password() {
    let greeting = Script::new().send("* PREAUTH [CAPABILITY IMAP4rev1 AUTH=PLAIN] welcome\r\n");
    let (report, transcript) = run_plain(opened(greeting, ["A1", "A2", "A3"]));
    assert_eq!(verdict(&report), "pass", "{report:#}\n{transcript}");
    assert!(
        phases(&report).contains(&"login(PREAUTH) ok".to_owned()),
        "{report:#}"
    );

    // It also rules STARTTLS out (RFC 9051, section 11.1).
    let greeting = Script::new().send("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n");
    let (report, transcript) = run(greeting.serve(), "starttls", LONG, None);
    assert_eq!(
        verdict(&report),
        "fail target tls.not_offered greeting",
        "{report:#}"
    );
    assert_eq!(transcript, "");
}

#[test]
fn a_server_that_closes_is_told_by_the_phase_and_what_was_missing() {
    let listed = || Script::new().send(GREETING).expect_through("\r\n");
    for (script, phase) in [
        (Script::new(), "greeting"),
        (Script::new().send("* OK half a gree"), "greeting"),
        (
            Script::new().send("* OK ready\r\n").expect("A1 CAPABILITY\r\n"),
            "capability",
        ),
        (listed(), "login"),
        (
            logged_in().expect_through("\r\n").send("* 3 EXISTS\r\n* FLA"),
            "select",
        ),
    ] {
        let (report, _) = run_plain(script.hang_up());
        assert_eq!(
            verdict(&report),
            format!("fail target connection_closed {phase}"),
            "{report:#}"
        );
        assert_eq!(report["deadline_exceeded"], false);
    }
    let (report, _) = run_plain(Script::new().send("* OK half a gree"));
    assert!(message(&report).contains("`* OK half a gree`"), "{report:#}");

    let (report, _) = run_plain(listed().reset());
    assert_eq!(
        verdict(&report),
        "fail target connection_reset login",
        "{report:#}"
    );
    let (report, _) = run(Script::new().serve(), "implicit", LONG, None);
    assert_eq!(verdict(&report), "fail target tls.handshake tls", "{report:#}");
}

#[test]
fn a_mailbox_that_is_refused_leaves_the_next_but_a_goodbye_does_not() {
    let refused = logged_in()
        .expect("A2 EXAMINE INBOX\r\n")
        .send("A2 NO [SERVERBUG] the index is broken, not OK\r\n")
        .expect("A3 EXAMINE Archive\r\n")
        .send("* 1 EXISTS\r\nA3 OK done\r\n")
        .expect("A4 LOGOUT\r\n")
        .send("* BYE\r\nA4 OK\r\n");
    let (report, _) = run_plain(refused);
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response select",
        "{report:#}"
    );
    assert!(message(&report).contains("the index is broken"), "{report:#}");
    assert!(
        phases(&report)
            .ends_with(&["select(INBOX) failed", "select(Archive) ok", "logout ok"].map(str::to_owned)),
        "{report:#}"
    );
    assert_eq!(
        measurements(&report),
        ["imap.mailbox.messages{mailbox=Archive} 1 {message}"]
    );

    let goodbye = logged_in()
        .expect("A2 EXAMINE INBOX\r\n")
        .send("* BYE shutting down\r\n");
    let (report, _) = run_plain(goodbye);
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response select",
        "{report:#}"
    );
    assert!(message(&report).contains("BYE shutting down"), "{report:#}");
    let wanted = ["select(INBOX) failed", "select(Archive) failed", "logout failed"];
    assert!(
        phases(&report).ends_with(&wanted.map(str::to_owned)),
        "{report:#}"
    );
}

#[test]
fn a_server_that_speaks_something_else_is_named() {
    for (said, named) in [
        (
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "an HTTP server",
        ),
        ("220 mx.example.org ESMTP\r\n", "an SMTP or FTP server"),
        ("+OK ready\r\n", "a POP3 server"),
        ("SSH-2.0-OpenSSH_9.9\r\n", "an SSH server"),
        ("\u{1}\u{2}\u{3} rubbish \u{ff}\r\n", "no IMAP greeting"),
    ] {
        // The end does not have to be waited for.
        let (report, transcript) = run_plain(Script::new().send(said).stall());
        assert_eq!(
            verdict(&report),
            "fail target protocol.unexpected_response greeting",
            "{report:#}"
        );
        assert!(message(&report).contains(named), "{report:#}");
        assert!(
            !transcript.contains("AUTHENTICATE") && !transcript.contains("LOGIN"),
            "{transcript}"
        );
    }
    // A server without TLS where it is spoken from the first byte, and one with TLS where it is not.
    let (report, _) = run(
        Script::new().send(GREETING).stall().serve(),
        "implicit",
        LONG,
        None,
    );
    assert_eq!(verdict(&report), "fail target tls.handshake tls", "{report:#}");
    let (report, _) = run_plain(Script::new().send(b"\x15\x03\x03\x00\x02\x02\x28"));
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response greeting",
        "{report:#}"
    );
    assert!(message(&report).contains("looks like TLS"), "{report:#}");
}

#[test]
fn only_the_tagged_answer_decides_and_not_the_word_ok() {
    for answer in [
        "A1 NO OK you are not\r\n",
        "* OK A1 OK\r\nA1 NO [AUTHENTICATIONFAILED] no\r\n",
        "* 5 EXISTS\r\n* OK A1 OK\r\n+ A1 OK\r\n",
        "A2 OK come in\r\n",
        "a1 ok A1 OK\r\n",
        "A1 OKAY\r\n",
        "A1 BAD A1 OK\r\n",
        "OK\r\n",
    ] {
        let script = Script::new().send(GREETING).expect_through("\r\n").send(answer);
        let (report, transcript) = run_plain(script.stall());
        assert!(
            phases(&report).contains(&"login failed".to_owned()),
            "{answer}: {report:#}"
        );
        assert_eq!(report["blame"], "target", "{answer}: {report:#}");
        assert!(!transcript.contains("EXAMINE"), "{answer}: {transcript}");
    }
}

#[test]
fn a_server_in_trouble_is_not_a_wrong_password() {
    let answers = |answer: &str| {
        let script = Script::new().send(GREETING).expect_through("\r\n").send(answer);
        run_plain(script.stall()).0
    };
    let report = answers("A1 NO [UNAVAILABLE] the user database does not answer\r\n");
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response login",
        "{report:#}"
    );
    assert!(
        message(&report).contains("the user database does not answer"),
        "{report:#}"
    );
    let report = answers("A1 NO [AUTHORIZATIONFAILED] not from here\r\n");
    assert_eq!(verdict(&report), "fail target auth.rejected login", "{report:#}");
    assert!(message(&report).contains("not from here"), "{report:#}");
}

#[test]
fn rubbish_without_an_end_is_cut_by_its_size() {
    let endless = "x".repeat(1 << 20);
    let flood = "* OK nothing to see here\r\n".repeat(1 << 17);
    for (script, phase) in [
        (Script::new().send(format!("* OK {endless}")), "greeting"),
        (
            Script::new().send(GREETING).expect_through("\r\n").send(&flood),
            "login",
        ),
        (
            logged_in()
                .expect_through("\r\n")
                .send("* LIST () \"/\" {4294967296}\r\n"),
            "select",
        ),
    ] {
        let (report, _) = run_plain(script.stall());
        assert_eq!(
            verdict(&report),
            format!("fail target protocol.too_large {phase}"),
            "{report:#}"
        );
    }
}

#[test]
fn what_is_dear_to_read_is_not_the_plugins_fault() {
    let asked = || Script::new().send("* OK ready\r\n").expect("A1 CAPABILITY\r\n");
    let literals = format!("* {}{}\r\n", "X".repeat(30_000), "{0}\r\n".repeat(6_900));
    for answer in [
        literals,
        "* NO x\r\n".repeat(12_000),
        "* 1 \r\n".repeat(12_000),
        "* OK\r\n".repeat(20_000 - 1),
    ] {
        let (report, _) = run_plain(asked().send(answer).hang_up());
        assert_eq!(
            verdict(&report),
            "fail target connection_closed capability",
            "{report:#}"
        );
    }
    // What is too much for one command is too much for several.
    let news = "* 1 EXISTS\r\n".repeat(8_000);
    let script = Script::new()
        .send(GREETING)
        .expect_through("\r\n")
        .send(format!("{news}A1 OK come in\r\n"))
        .expect("A2 EXAMINE INBOX\r\n")
        .send(format!("{news}A2 OK done\r\n"))
        .expect("A3 EXAMINE Archive\r\n")
        .send(format!("{news}A3 OK done\r\n"));
    let (report, _) = run_plain(script.stall());
    assert_eq!(
        verdict(&report),
        "fail target protocol.too_large select",
        "{report:#}"
    );
    assert!(
        phases(&report).contains(&"select(INBOX) ok".to_owned()),
        "{report:#}"
    );
}

#[test]
fn reads_that_wait_for_their_peer_are_not_counted() {
    let slowly = Duration::from_millis(1);
    let drip = |script: Script, said: &str| script.drip(said, slowly);
    let greeted = drip(Script::new(), GREETING).expect_through("\r\n");
    let script = drip(greeted, "A1 OK come in\r\n").expect("A2 EXAMINE INBOX\r\n");
    let script = drip(script, "* 3 EXISTS\r\nA2 OK [READ-ONLY] done\r\n").expect("A3 EXAMINE Archive\r\n");
    let script = drip(script, "* 1 EXISTS\r\nA3 OK [READ-ONLY] done\r\n").expect("A4 LOGOUT\r\n");
    let peer = drip(script, "* BYE\r\nA4 OK bye\r\n").serve();
    // Fewer than bytes that come one by one.
    let (report, _) = run_with(peer, "none", "budget.host_calls = 60", PASSWORD, None);
    assert_eq!(verdict(&report), "pass", "{report:#}");
}

#[test]
fn used_up_host_calls_are_told_with_the_phase_in_which_they_were() {
    let mut named = 0;
    for host_calls in 8..14 {
        let peer = opened(logged_in(), ["A2", "A3", "A4"]).serve();
        let budget = format!("budget.host_calls = {host_calls}");
        let (report, _) = run_with(peer, "none", &budget, PASSWORD, None);
        let interrupted: Vec<String> = phases(&report)
            .iter()
            .filter_map(|phase| phase.strip_suffix(" interrupted"))
            .map(|phase| phase.split('(').next().unwrap_or_default().to_owned())
            .collect();
        named += interrupted.len();
        let wanted = format!("error plugin host_call_limit {}", interrupted.join(" "));
        assert_eq!(verdict(&report), wanted.trim_end(), "{report:#}");
    }
    assert!(named > 0, "the host calls never ended within a phase");
}

#[test]
fn a_password_that_is_too_long_for_the_only_mechanism_is_the_configurations_fault() {
    let long = "long ".repeat(1_860);
    let budget = "budget.deadline = \"10s\"";
    let only_plain = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LOGINDISABLED] ready\r\n";
    let peer = Script::new().send(only_plain).expect("A2 LOGOUT\r\n").serve();
    let (report, _) = run_with(peer, "none", budget, &long, None);
    assert_eq!(
        verdict(&report),
        "error config settings_invalid login",
        "{report:#}"
    );
    let script = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+] ready\r\n")
        .expect(format!(
            "A1 LOGIN {{5+}}\r\nprobe {{{}+}}\r\n{long}\r\n",
            long.len()
        ))
        .send("A1 OK come in\r\n");
    let (report, _) = run_with(
        opened(script, ["A2", "A3", "A4"]).serve(),
        "none",
        budget,
        &long,
        None,
    );
    assert_eq!(verdict(&report), "pass", "{report:#}");
}

#[test]
fn starttls_that_is_withheld_or_refused_gets_no_password() {
    let stripped = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n";
    let (report, transcript) = run(
        Script::new().send(stripped).stall().serve(),
        "starttls",
        LONG,
        None,
    );
    assert_eq!(
        verdict(&report),
        "fail target tls.not_offered capability",
        "{report:#}"
    );
    assert_eq!(transcript, "A1 LOGOUT\r\n");

    for answer in ["A1 NO not today\r\n", "A1 BAD what?\r\n"] {
        let script = Script::new()
            .send(GREETING)
            .expect("A1 STARTTLS\r\n")
            .send(answer);
        let (report, transcript) = run(script.stall().serve(), "starttls", LONG, None);
        assert_eq!(
            verdict(&report),
            "fail target tls.not_offered capability",
            "{report:#}"
        );
        assert_eq!(transcript, "A1 STARTTLS\r\nA2 LOGOUT\r\n");
    }
}

#[test]
fn what_is_injected_before_tls_is_refused() {
    let asked = || Script::new().send(GREETING).expect("A1 STARTTLS\r\n");
    // In the same packet as the answer.
    let script = asked().send("A1 OK go on\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nA2 OK done\r\n");
    let (report, transcript) = run(script.stall().serve(), "starttls", LONG, None);
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response capability",
        "{report:#}"
    );
    assert!(message(&report).contains("in the clear"), "{report:#}");
    assert_eq!(transcript, "A1 STARTTLS\r\n");

    // In the middle of the handshake.
    let script = asked()
        .send("A1 OK go on\r\n")
        .expect("\x16\x03\x01")
        .send("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nA2 OK done\r\n");
    let (report, _) = run(script.stall().serve(), "starttls", LONG, None);
    assert_eq!(verdict(&report), "fail target tls.handshake tls", "{report:#}");
}

#[test]
fn what_was_said_before_tls_does_not_count_after_it() {
    let certificates = Certificates::new();
    let script = Script::new()
        .send(GREETING)
        .expect("A1 STARTTLS\r\n")
        .send("A1 OK go on\r\n")
        .start_tls(certificates.valid().server_config())
        .expect("A2 CAPABILITY\r\n")
        // Neither AUTH=PLAIN nor SASL-IR, which it had offered in the clear.
        .send("* CAPABILITY IMAP4rev1 LITERAL+\r\nA2 OK done\r\n")
        .expect(format!(
            "A3 LOGIN {{5+}}\r\nprobe {{{}+}}\r\n{PASSWORD}\r\n",
            PASSWORD.len()
        ))
        .send("A3 OK come in\r\n");
    let peer = opened(script, ["A4", "A5", "A6"]).serve();
    let (report, transcript) = run(peer, "starttls", LONG, Some(&certificates));
    assert_eq!(verdict(&report), "pass", "{report:#}\n{transcript}");
}

#[test]
fn credentials_go_with_the_command_only_where_that_is_offered() {
    assert_passes(logged_in());
    assert_passes(
        Script::new()
            .send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n")
            .expect("A1 AUTHENTICATE PLAIN\r\n")
            .send("+ \r\n")
            .expect(format!("{CREDENTIALS}\r\n"))
            .send("A1 OK come in\r\n"),
    );
    // A server that asks again for what it has is not given the password again.
    let script = Script::new().send(GREETING).expect_through("\r\n").send("+ \r\n");
    let (report, transcript) = run_plain(script.stall());
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response login",
        "{report:#}"
    );
    assert_eq!(transcript.matches(CREDENTIALS).count(), 1, "{transcript}");
}

#[test]
fn without_a_mechanism_the_login_is_by_literals() {
    let length = PASSWORD.len();
    let waits = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1] ready\r\n")
        .expect("A1 LOGIN {5}\r\n")
        .send("+ go on\r\n")
        .expect(format!("probe {{{length}}}\r\n"))
        .send("+ go on\r\n")
        .expect(format!("{PASSWORD}\r\n"))
        .send("A1 OK come in\r\n");
    assert_passes(waits);
    for extension in ["LITERAL+", "LITERAL-"] {
        let flows = Script::new()
            .send(format!("* OK [CAPABILITY IMAP4rev1 {extension}] ready\r\n"))
            .expect(format!(
                "A1 LOGIN {{5+}}\r\nprobe {{{length}+}}\r\n{PASSWORD}\r\n"
            ))
            .send("A1 OK come in\r\n");
        assert_passes(flows);
    }
    // A server that has heard enough is not sent the rest.
    let refuses = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1] ready\r\n")
        .expect("A1 LOGIN {5}\r\n")
        .send("A1 NO no logins here\r\n");
    let (report, transcript) = run_plain(refuses.stall());
    // Nor can it have rejected credentials that it has not seen.
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response login",
        "{report:#}"
    );
    assert_eq!(transcript, "A1 LOGIN {5}\r\nA2 LOGOUT\r\n");
}

#[test]
fn a_login_that_is_disabled_is_not_tried() {
    let greeting = Script::new().send("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n");
    let (report, transcript) = run_plain(greeting.stall());
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response login",
        "{report:#}"
    );
    assert!(message(&report).contains("LOGINDISABLED"), "{report:#}");
    assert!(
        transcript.ends_with(" LOGOUT\r\n") && transcript.lines().count() == 1,
        "{transcript}"
    );
}

#[test]
fn literals_in_answers_are_data_whatever_is_in_them() {
    let fake = "A2 NO failed\r\n* 9 EXISTS\r\n";
    let script = logged_in()
        .expect("A2 EXAMINE INBOX\r\n")
        .send(format!("* LIST () \"/\" {{{}}}\r\n{fake}\r\n", fake.len()))
        .send("* 3 EXISTS\r\n* LIST () {1}\r\n/ {0}\r\n\r\nA2 OK done\r\n")
        .expect("A3 EXAMINE Archive\r\n")
        .send("* 1 EXISTS\r\nA3 OK done\r\n")
        .expect("A4 LOGOUT\r\n")
        .send("* BYE\r\nA4 OK\r\n");
    let (report, transcript) = run_plain(script);
    assert_eq!(verdict(&report), "pass", "{report:#}\n{transcript}");
    assert_eq!(
        measurements(&report)[0],
        "imap.mailbox.messages{mailbox=INBOX} 3 {message}"
    );
}

#[test]
fn answers_may_come_in_pieces_of_a_byte_and_with_news_between_them() {
    let slowly = Duration::from_micros(100);
    let script = Script::new()
        .drip(GREETING, slowly)
        .expect(format!("A1 AUTHENTICATE PLAIN {CREDENTIALS}\r\n"))
        .drip(
            "* OK still here\r\n* CAPABILITY IMAP4rev1\r\n* XNEWS of no standard\r\n",
            slowly,
        )
        .drip("A1 OK come in\r\n", slowly);
    assert_passes(script);
}

#[test]
fn a_server_that_closes_after_its_goodbye_is_forgiven() {
    let script = logged_in()
        .expect("A2 EXAMINE INBOX\r\n")
        .send("* 3 EXISTS\r\nA2 OK done\r\n")
        .expect("A3 EXAMINE Archive\r\n")
        .send("* 1 EXISTS\r\nA3 OK done\r\n")
        .expect("A4 LOGOUT\r\n")
        .send("* BYE\r\n");
    let (report, _) = run_plain(script);
    assert_eq!(verdict(&report), "pass", "{report:#}");
}
