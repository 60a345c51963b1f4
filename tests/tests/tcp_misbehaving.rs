//! The promise: whatever a peer does instead of its part of the dialogue, the plugin `tcp` names the step it happened
//! in and what the peer really said, ends within the deadline, and takes no more than its bounds.

mod report;

use bedcheck_tests::Program;
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::script::{Peer, Script};
use report::{duration, measurements, message, phases, verdict};
use serde_json::Value;

/// The deadline and the grace of the checks that run into it, in seconds.
const DEADLINE: f64 = 0.3;
const GRACE: f64 = 0.1;
/// How much later a run may end: the ticker's 5 ms, and the scheduling of a busy machine.
const LATE: f64 = 0.02;

/// Runs steps against a peer; its report and what came over its connection.
fn run(peer: Peer, deadline: &str, steps: &str, authority: Option<&Certificates>) -> (Value, String) {
    let port = peer.port();
    let trust = authority.map_or_else(String::new, |certificates| {
        format!("tls.ca_file = '{}'", certificates.authority_file().display())
    });
    let configuration = format!(
        r#"
        [[check]]
        name = "dialogue"
        plugin = "tcp"
        budget.deadline = "{deadline}"
        budget.grace = "100ms"
        allow = ["127.0.0.1:{port}"]
        {trust}

        [check.settings]
        host = "127.0.0.1"
        port = {port}
        steps = [{steps}]

        [secrets]
        word = {{ env = "WORD" }}
        "#
    );
    let finished = Program::run(&configuration)
        .env("WORD", "open-sesame-42")
        .finish();
    assert!(!finished.mentions("open-sesame-42"), "{finished:#?}");
    let mut transcripts = peer.finish();
    assert_eq!(transcripts.len(), 1, "{transcripts:?}");
    (finished.report(), transcripts.remove(0).text())
}

fn answers(said: impl AsRef<[u8]>, steps: &str) -> Value {
    run(Script::new().send(said).serve(), "10s", steps, None).0
}

#[test]
fn four_failures_look_like_four() {
    let steps = r#"{ name = "banner", expect = "^220" }, { send = "x\r\n" }, { name = "answer", expect = "^250", fail_if = "^5" }"#;
    let greeted = || Script::new().send("220 hi\r\n").expect("x\r\n");

    let (report, _) = run(
        greeted().send("550 go away\r\n").stall().serve(),
        "10s",
        steps,
        None,
    );
    assert_eq!(
        verdict(&report),
        "fail target assertion_failed expect",
        "{report:#}"
    );
    assert_eq!(
        message(&report),
        "the server answers `550 go away`, which matches `^5`; wanted a match of `^250`"
    );

    let (report, _) = run(greeted().stall().serve(), "300ms", steps, None);
    assert_eq!(
        verdict(&report),
        "fail target deadline_exceeded expect",
        "{report:#}"
    );
    assert_eq!(report["deadline_hit"]["host_call"], "net.read", "{report:#}");
    let told = [
        "expect(banner) ok",
        "send(2) ok",
        "expect(answer) deadline-exceeded",
    ];
    assert_eq!(phases(&report)[2..], told);
    assert!(
        (DEADLINE..=DEADLINE + GRACE + LATE).contains(&duration(&report)),
        "{report:#}"
    );

    let (report, _) = run(Script::new().stall().serve(), "300ms", steps, None);
    let told = [
        "expect(banner) deadline-exceeded",
        "send(2) not-reached",
        "expect(answer) not-reached",
    ];
    assert_eq!(phases(&report)[2..], told);

    let (report, _) = run(
        Script::new().send("554 busy\r\n").hang_up().serve(),
        "10s",
        steps,
        None,
    );
    assert_eq!(
        verdict(&report),
        "fail target connection_closed expect",
        "{report:#}"
    );
    assert!(
        message(&report).ends_with("it said `554 busy` last"),
        "{report:#}"
    );
}

#[test]
fn an_answer_that_does_not_match_is_told_when_the_deadline_passes() {
    let steps = r#"{ expect = "^220" }"#;
    let (report, _) = run(
        Script::new().send("SSH-2.0-x\r\n").stall().serve(),
        "300ms",
        steps,
        None,
    );
    assert_eq!(
        verdict(&report),
        "fail target deadline_exceeded expect",
        "{report:#}"
    );
    assert!(message(&report).contains("`SSH-2.0-x`"), "{report:#}");
    // With a bound of lines it is not waited for.
    let report = answers("SSH-2.0-x\r\n", r#"{ expect = "^220", lines = 1 }"#);
    assert_eq!(
        message(&report),
        "the server answers `SSH-2.0-x`, wanted a match of `^220`"
    );
}

#[test]
fn resets_are_told_from_ends() {
    let (report, _) = run(
        Script::new().expect("x\r\n").reset().serve(),
        "10s",
        r#"{ send = "x\r\n" }, { expect = "y" }"#,
        None,
    );
    assert_eq!(
        verdict(&report),
        "fail target connection_reset expect",
        "{report:#}"
    );
}

#[test]
fn floods_are_cut_by_their_size() {
    for flood in [
        "x".repeat(1 << 20),
        "no line to wait for\n".repeat(1 << 16),
        "\n".repeat(262_000),
    ] {
        let (report, _) = run(
            Script::new().send(flood).stall().serve(),
            "10s",
            r#"{ expect = "^220" }"#,
            None,
        );
        assert_eq!(
            verdict(&report),
            "fail target protocol.too_large expect",
            "{report:#}"
        );
    }
    // Lines that are dear to match do not use the fuel up.
    let dear = format!("{}\n", "a".repeat(60_000)).repeat(4);
    let (report, _) = run(
        Script::new().send(dear).hang_up().serve(),
        "10s",
        r#"{ expect = "(a*)*b|(a|aa)+$b" }"#,
        None,
    );
    assert_eq!(
        verdict(&report),
        "fail target connection_closed expect",
        "{report:#}"
    );
}

#[test]
fn what_is_injected_before_tls_is_refused() {
    let certificates = Certificates::new();
    let steps = r#"{ expect = "^a OK" }, { starttls = true }, { send = [{ secret = "word" }, "\r\n"] }"#;
    let (report, transcript) = run(
        Script::new().send("a OK go on\r\n* injected\r\n").stall().serve(),
        "10s",
        steps,
        Some(&certificates),
    );
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response expect",
        "{report:#}"
    );
    assert!(!transcript.contains("sesame"), "{transcript}");
}

#[test]
fn captures_are_sent_back_and_reported_and_cannot_make_a_second_command() {
    let steps = r#"
        { expect = "^PING :(?<token>.*)$", labels = { first = "${1}!" } },
        { send = "PONG ${token} $$1\r\n" },
        { expect_bytes = { hex = "4f 4b" } },
    "#;
    let script = Script::new()
        .send("PING :a\tb\u{7f}c\r\n")
        .expect("PONG a\tb\u{7f}c $1\r\n")
        .send("OK");
    let (report, transcript) = run(script.serve(), "10s", steps, None);
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(transcript.lines().count(), 1);
    // What could steer a terminal is replaced in what is reported.
    let told = "tcp.capture{first=a\u{fffd}b\u{fffd}c!,token=a\u{fffd}b\u{fffd}c} 1 1";
    assert_eq!(measurements(&report), [told]);
    let long = format!("PING :{}\r\n", "x".repeat(5_000));
    let (report, _) = run(
        Script::new().send(long).serve(),
        "10s",
        r#"{ expect = "^PING :(?<token>.*)$" }"#,
        None,
    );
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert!(measurements(&report)[0].len() < 200, "{report:#}");
}

#[test]
fn a_secret_that_comes_back_is_struck_out() {
    let steps = r#"{ send = ["AUTH ", { secret = "word" }, "\r\n"] }, { expect = "^OK", fail_if = "^NO" }"#;
    let script = Script::new()
        .expect("AUTH open-sesame-42\r\n")
        .send("NO open-sesame-42 is not it\r\n");
    let (report, _) = run(script.serve(), "10s", steps, None);
    assert!(
        message(&report).contains("`NO [redacted] is not it`"),
        "{report:#}"
    );
}

#[test]
fn what_was_not_ended_by_a_line_end_may_still_be_a_refusal() {
    let steps = r#"{ expect = "^2", fail_if = "^5", fail_as = "auth.rejected" }, { send = "QUIT\r\n" }"#;
    let (report, _) = run(Script::new().send("535 no").hang_up().serve(), "10s", steps, None);
    assert_eq!(verdict(&report), "fail target auth.rejected expect", "{report:#}");
}

#[test]
fn bytes_that_are_missing_at_the_deadline_are_told_with_those_that_came() {
    let steps = r#"{ expect_bytes = "SN" }"#;
    let (report, _) = run(Script::new().send("S").stall().serve(), "300ms", steps, None);
    assert_eq!(
        verdict(&report),
        "fail target deadline_exceeded expect",
        "{report:#}"
    );
    assert_eq!(
        message(&report),
        "the deadline has passed after `S`, wanted the bytes `SN`"
    );
}

#[test]
fn secrets_that_are_too_long_to_be_sent_are_not_the_plugins_fault() {
    let secret = r#"{ secret = "word" }"#;
    let encoded = format!("{{ base64 = [{secret}] }}");
    for (length, step, times, told) in [
        (
            10_000,
            &encoded,
            1,
            "step `1`: a `base64` with a secret in it comes to 13336 bytes",
        ),
        (
            65_536,
            &[secret; 17].join(","),
            1,
            "step `1`: a `send` comes to 1114112 bytes",
        ),
        (8, &encoded, 33, "`steps` have 33 `base64` with a secret in it"),
    ] {
        let steps = vec![format!("{{ send = [{step}] }}"); times].join(",");
        // Nobody listens there, which is not found out.
        let configuration = format!(
            r#"
            [[check]]
            name = "dialogue"
            plugin = "tcp"
            allow = ["self"]
            settings = {{ host = "127.0.0.1", port = 1, steps = [{steps}] }}

            [secrets]
            word = {{ env = "WORD" }}
            "#
        );
        let report = Program::run(&configuration)
            .env("WORD", "s".repeat(length))
            .finish()
            .report();
        assert_eq!(
            verdict(&report),
            "error config settings_invalid",
            "{told}: {report:#}"
        );
        assert!(message(&report).contains(told), "{report:#}");
    }
}

#[test]
fn settings_that_cannot_be_are_not_the_targets_fault() {
    for (steps, told) in [
        (
            r#"[{"expect": "("}]"#,
            "step 1: expect: `(` is not a regular expression",
        ),
        (
            r#"[{"send": "${who}"}]"#,
            "step 1: send: no `expect` up to here has a group `who`",
        ),
    ] {
        let finished = Program::new(["run", "--plugin", "tcp", "--format", "json"])
            .argument("--set=host=127.0.0.1")
            .argument("--set=port=1")
            .argument(format!("--set=steps={steps}"))
            .finish();
        let report = finished.report();
        assert_eq!(
            verdict(&report),
            "error config settings_invalid",
            "{steps}: {report:#}"
        );
        assert!(message(&report).contains(told), "{report:#}");
    }
    // Beside what the schema refuses when the file is loaded.
    let two_at_once = r#"
        [[check]]
        name = "dialogue"
        plugin = "tcp"
        allow = ["self"]
        settings = { host = "127.0.0.1", port = 1, steps = [{ expect = "x", send = "y" }] }
    "#;
    let finished = Program::run(two_at_once).finish();
    assert_eq!(finished.code, Some(64), "{finished:#?}");
    assert!(finished.stderr.contains("steps"), "{finished:#?}");
}
