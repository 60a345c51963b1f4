//! Whole runs against scripts. Every script is played byte by byte, in odd pieces and in one piece, and must
//! come to the same each time.

use bedcheck_sdk::{CallError, Reason};
use serde_json::{Value, json};

use super::*;
use crate::receive::MAX_TOTAL;
use crate::script::{Line, Record, Script};

const CHUNKS: [usize; 3] = [1, 7, usize::MAX];

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    result: Result<(), (String, String)>,
    record: Record,
}

impl Came {
    fn phases(&self) -> Vec<String> {
        self.record.phases.borrow().clone()
    }

    fn failure(&self) -> (&str, &str) {
        match &self.result {
            Err((reason, message)) => (reason, message),
            Ok(()) => panic!("the run passed"),
        }
    }
}

fn settings(steps: Value) -> Settings {
    serde_json::from_value(json!({"host": "mail.example.org", "port": 143, "steps": steps})).unwrap()
}

fn play_once(settings: &Settings, script: Script) -> Came {
    let record = Record::default();
    let result = run(settings, &record, || 0, || Ok(script));
    let result = result.map_err(|failure| (format!("{:?}", failure.reason()), failure.message().to_owned()));
    Came { result, record }
}

fn play(steps: Value, script: &str) -> Came {
    let settings = settings(steps);
    let came = CHUNKS.map(|chunk| play_once(&settings, Script::new(script, chunk)));
    for other in &came[1..] {
        assert_eq!(&came[0], other, "the cut of the stream matters");
    }
    let [first, ..] = came;
    first
}

#[test]
fn a_dialogue_with_captures_tls_and_a_secret() {
    let came = play(
        json!([
            {"name": "banner", "expect": "^220 (?<host>\\S+) ESMTP( (?<software>.*))?$", "fail_if": "^[45]"},
            {"send": "EHLO ${host}\r\n"},
            {"expect": "^250[ -]STARTTLS"},
            {"send": "STARTTLS\r\n"},
            {"expect": "^220"},
            {"starttls": true},
            {"send": ["AUTH PLAIN ", {"base64": ["\u{0}ann\u{0}", {"secret": "s"}]}, "\r\n"]},
            {"name": "login", "expect": "^(\\d)35", "fail_if": "^5", "fail_as": "auth.rejected",
             "labels": {"class": "${1}xx", "of": "${host}"}},
        ]),
        "
        S: 220 mx.example.org ESMTP Postfix⏎
        C: EHLO mx.example.org⏎
        S: 250-mx.example.org⏎250-STARTTLS⏎250 HELP⏎
        C: STARTTLS⏎
        S: 220 go on⏎
        TLS
        C: AUTH PLAIN b64(\u{0}ann\u{0}<s>)⏎
        S: 235 welcome⏎
        ",
    );
    assert_eq!(came.result, Ok(()));
    assert_eq!(
        *came.record.plan.borrow(),
        [
            "resolve",
            "connect",
            "expect(banner)",
            "send(2)",
            "expect(3)",
            "send(4)",
            "expect(5)",
            "tls",
            "send(7)",
            "expect(login)"
        ]
    );
    assert!(came.phases().iter().all(|phase| phase.ends_with(": ok")));
    assert_eq!(
        *came.record.measurements.borrow(),
        [
            "tcp.capture{host=mx.example.org,software=Postfix}=1",
            "tls.server.certificate.time_left{}=0",
            "tcp.capture{class=2xx,of=mx.example.org}=1"
        ]
    );
}

#[test]
fn a_refusal_fails_at_once_in_the_servers_words() {
    let login = |fail_as: Option<&str>| {
        let mut step = json!({"expect": "^a OK", "fail_if": "^a (NO|BAD)"});
        if let Some(fail_as) = fail_as {
            step["fail_as"] = fail_as.into();
        }
        json!([step, {"send": "never\r\n"}])
    };
    let script = "S: * still here⏎a NO [AUTHENTICATIONFAILED] OK a OK⏎";
    let message = "the server answers `a NO [AUTHENTICATIONFAILED] OK a OK`, which matches `^a (NO|BAD)`; wanted a \
                   match of `^a OK`";
    for (fail_as, reason) in [
        (None, "AssertionFailed"),
        (Some("auth.rejected"), "AuthRejected"),
        (Some("tls.not_offered"), "TlsNotOffered"),
        (Some("protocol.unexpected_response"), "UnexpectedResponse"),
    ] {
        let came = play(login(fail_as), script);
        assert_eq!(came.failure(), (reason, message));
        assert_eq!(came.phases(), [format!("expect(1): {message}")]);
    }
}

#[test]
fn so_many_lines_and_no_more() {
    let step = |lines| json!([{"expect": "^220", "lines": lines}]);
    let came = play(step(1), "S: 554 go away⏎");
    assert_eq!(
        came.failure(),
        (
            "AssertionFailed",
            "the server answers `554 go away`, wanted a match of `^220`"
        )
    );
    let came = play(step(2), "S: 554-no⏎554 go away⏎");
    assert_eq!(
        came.failure(),
        (
            "AssertionFailed",
            "none of 2 lines matches `^220`; the last is `554 go away`"
        )
    );
    assert_eq!(play(step(2), "S: 554 no⏎220 or yes⏎").result, Ok(()));
}

#[test]
fn the_end_and_the_deadline_say_what_was_there() {
    let steps = json!([{"expect": "^220"}]);
    let closed = "Call(CallError::ConnectionClosed)";
    for (script, message) in [
        ("S: SSH-2.0-x⏎\nEND", "it said `SSH-2.0-x` last"),
        ("S: 22\nEND", "it said `22` last"),
        ("END", "it said nothing"),
    ] {
        let came = play(steps.clone(), script);
        let wanted =
            format!("the server closed the connection without a line that matches `^220`; {message}");
        assert_eq!(came.failure(), (closed, wanted.as_str()));
    }
    // Half a line is one where nothing more is wanted, and decides nothing else.
    assert_eq!(play(steps.clone(), "S: 220 no line end\nEND").result, Ok(()));
    for more in [
        json!([{"expect": "^220"}, {"send": "x"}]),
        json!([{"expect": "^22 ", "lines": 1}]),
    ] {
        let came = play(more, "S: 220 no line end\nEND");
        assert_eq!(came.failure().0, closed);
        assert!(
            came.failure().1.ends_with("it said `220 no line end` last"),
            "{came:?}"
        );
    }
    // That it must not come is judged all the same: the step has failed either way.
    for last in [json!([]), json!([{"send": "QUIT\r\n"}])] {
        let mut steps = vec![json!({"expect": "^2", "fail_if": "^5", "fail_as": "auth.rejected"})];
        steps.extend(last.as_array().cloned().unwrap_or_default());
        let came = play(steps.into(), "S: 535 no\nEND");
        let message = "the server answers `535 no`, which matches `^5`; wanted a match of `^2`";
        assert_eq!(came.failure(), ("AuthRejected", message));
    }
    for (script, message) in [
        ("S: 554 busy⏎", "it said `554 busy` last"),
        ("", "it said nothing"),
    ] {
        let came = play(steps.clone(), script);
        let wanted = format!("the deadline has passed without a line that matches `^220`; {message}");
        assert_eq!(
            came.failure(),
            ("Call(CallError::DeadlineExceeded)", wanted.as_str())
        );
    }
}

#[test]
fn bytes_are_compared_one_by_one() {
    let steps = json!([{"send": {"hex": "0000 0008 04 d2"}}, {"expect_bytes": "SN"}, {"expect": "rest"}]);
    let sent = "C: \u{0}\u{0}\u{0}\u{8}\u{4}\u{fffd}";
    assert_eq!(play(steps.clone(), &format!("{sent}\nS: SNrest⏎")).result, Ok(()));
    let came = play_once(
        &settings(steps.clone()),
        Script::new(&format!("{sent}\nS: SE no"), usize::MAX),
    );
    assert_eq!(
        came.failure(),
        (
            "AssertionFailed",
            "the server answers `SE no`, wanted the bytes `SN`"
        )
    );
    let came = play(steps.clone(), &format!("{sent}\nS: S"));
    let wanted = "the deadline has passed after `S`, wanted the bytes `SN`";
    assert_eq!(came.failure(), ("Call(CallError::DeadlineExceeded)", wanted));
    // The rest is not waited for: the script ends in the deadline.
    let came = play(steps.clone(), &format!("{sent}\nS: E"));
    assert_eq!(came.failure().0, "AssertionFailed");
    let came = play(steps, &format!("{sent}\nS: S\nEND"));
    assert_eq!(
        came.failure().1,
        "the server closed the connection after `S`, wanted the bytes `SN`"
    );
}

#[test]
fn what_is_injected_before_tls_is_refused() {
    let steps = json!([{"expect": "^a OK"}, {"starttls": true}]);
    let came = play_once(
        &settings(steps),
        Script::new("S: a OK go on⏎* injected⏎", usize::MAX),
    );
    let message = r"the server sends `* injected\r\n` in the clear ahead of the TLS handshake";
    assert_eq!(came.failure(), ("UnexpectedResponse", message));
    assert_eq!(came.phases(), [format!("expect(1): {message}")]);
}

#[test]
fn the_certificate_is_judged_after_the_steps() {
    let judged = |days: i64, answer: &str| {
        let settings: Settings = serde_json::from_value(json!({
            "host": "h", "port": 993, "tls": "implicit", "certificate_days": 14,
            "steps": [{"expect": "^ok", "lines": 1}],
        }))
        .unwrap();
        let lines = [Line::Tls(days * SECONDS_PER_DAY), Line::Server(answer.into())];
        play_once(&settings, Script::of(lines, usize::MAX))
    };
    assert_eq!(judged(14, "ok\n").result, Ok(()));
    let few = judged(13, "ok\n");
    assert_eq!(
        few.failure(),
        (
            "AssertionFailed",
            "the certificate of `CN=mail.example.org` has 13 whole days left, wanted 14"
        )
    );
    assert_eq!(few.phases(), ["expect(1): ok"]);
    assert!(
        judged(-1, "ok\n")
            .failure()
            .1
            .ends_with("has expired, wanted 14 days left")
    );
    assert!(judged(-1, "no\n").failure().1.starts_with("the server answers"));
}

#[test]
fn what_a_server_said_is_not_sent_back_without_bound() {
    let settings = settings(json!([
        {"expect": "^220 (.*)"},
        {"send": [{"base64": ["${1}", {"secret": "s"}]}, "\r\n"]},
    ]));
    let said = |length: usize| Line::Server(format!("220 {}\n", "x".repeat(length)).into());
    let came = play_once(&settings, Script::of([said(10_000)], usize::MAX));
    let message = "with what the server said, a `base64` with a secret in it comes to 13336 bytes: at most 12288 can be sent";
    assert_eq!(came.failure(), ("TooLarge", message));
}

#[test]
fn a_flood_is_cut() {
    let settings = settings(json!([{"expect": "never"}]));
    for flood in [b"\n".repeat(MAX_TOTAL), b"x".repeat(MAX_TOTAL)] {
        let came = play_once(&settings, Script::of([Line::Server(flood)], 16 * 1024));
        assert_eq!(came.failure().0, "TooLarge");
    }
}

#[test]
fn a_failure_to_connect_is_the_runs() {
    let record = Record::default();
    let refused = || Err::<Script, _>(Failure::from(CallError::ConnectionRefused));
    let failure = run(&settings(json!([])), &record, || 0, refused).unwrap_err();
    assert!(matches!(
        failure.reason(),
        Reason::Call(CallError::ConnectionRefused)
    ));
    assert_eq!(play(json!([]), "").result, Ok(()));
}
