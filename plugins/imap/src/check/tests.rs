//! Whole runs against scripts. Every script is played byte by byte, in odd pieces and in one piece, and
//! must come to the same each time.

use bedcheck_sdk::{CallError, Reason};
use serde_json::json;

use super::*;
use crate::script::{Line, Record, Script};

const CHUNKS: [usize; 4] = [1, 3, 7, usize::MAX];

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

fn settings(tls: &str, mailboxes: &[&str]) -> Settings {
    serde_json::from_value(json!({
        "host": "mail.example.org", "tls": tls, "user": "ann", "password": {"secret": "s"},
        "mailboxes": mailboxes,
    }))
    .unwrap()
}

fn without_login(tls: &str) -> Settings {
    serde_json::from_value(json!({"host": "mail.example.org", "tls": tls})).unwrap()
}

fn play_once(settings: &Settings, script: Script) -> Came {
    let record = Record::default();
    let result = run(settings, &record, || Ok(script));
    let result = result.map_err(|failure| (format!("{:?}", failure.reason()), failure.message().to_owned()));
    Came { result, record }
}

fn play(settings: &Settings, script: &str) -> Came {
    let came = CHUNKS.map(|chunk| play_once(settings, Script::new(script, chunk)));
    for other in &came[1..] {
        assert_eq!(&came[0], other, "the cut of the stream matters");
    }
    let [first, ..] = came;
    first
}

#[test]
fn a_whole_run_with_implicit_tls() {
    let came = play(
        &settings("implicit", &["INBOX", "Entwürfe"]),
        r#"
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+] Dovecot ready.
        C: A1 AUTHENTICATE PLAIN AGFubgBzZXNhbWU=
        S: * CAPABILITY IMAP4rev1 IDLE
        S: A1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in
        C: A2 EXAMINE INBOX
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
        S: * OK [PERMANENTFLAGS ()] Read-only mailbox.
        S: * 3 EXISTS
        S: * 1 RECENT
        S: * OK [UNSEEN 2] First unseen.
        S: * OK [UIDVALIDITY 1] UIDs valid
        S: A2 OK [READ-ONLY] Examine completed.
        C: A3 EXAMINE Entw&APw-rfe
        S: * 99 EXISTS
        S: * OK [CLOSED] Previous mailbox closed.
        S: * 0 EXISTS
        S: A3 OK [READ-ONLY] Examine completed.
        C: A4 LOGOUT
        S: * BYE Logging out
        S: A4 OK Logout completed.
        "#,
    );
    assert_eq!(came.result, Ok(()));
    assert_eq!(
        *came.record.plan.borrow(),
        [
            "resolve",
            "connect",
            "tls",
            "greeting",
            "capability",
            "login",
            "select(INBOX)",
            "select(Entwürfe)",
            "logout"
        ]
    );
    assert_eq!(
        came.phases(),
        [
            "greeting: ok",
            "capability(from the greeting): ok",
            "login: ok",
            "select(INBOX): ok",
            "select(Entwürfe): ok",
            "logout: ok"
        ]
    );
    assert_eq!(
        *came.record.measurements.borrow(),
        [
            "imap.mailbox.messages{INBOX}=3",
            "imap.mailbox.recent{INBOX}=1",
            "imap.mailbox.messages{Entwürfe}=0"
        ]
    );
    assert_eq!(came.record.log.borrow().as_slice(), [""; 0]);
}

#[test]
fn starttls_asks_for_the_capabilities_again() {
    let came = play(
        &settings("starttls", &[]),
        "
        S: * OK ready
        C: A1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED SASL-IR
        S: A1 OK done
        C: A2 STARTTLS
        S: A2 OK begin
        TLS
        C: A3 CAPABILITY
        S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
        S: A3 OK done
        C: A4 AUTHENTICATE PLAIN
        S: + \u{20}
        C: AGFubgBzZXNhbWU=
        S: A4 OK in
        C: A5 LOGOUT
        S: * BYE out
        S: A5 OK done
        ",
    );
    assert_eq!(came.result, Ok(()));
    assert_eq!(
        *came.record.plan.borrow(),
        [
            "resolve",
            "connect",
            "greeting",
            "capability",
            "tls",
            "capability(after STARTTLS)",
            "login",
            "logout"
        ]
    );
    assert_eq!(
        came.phases(),
        [
            "greeting: ok",
            "capability: ok",
            "capability(after STARTTLS): ok",
            "login: ok",
            "logout: ok"
        ]
    );
}

#[test]
fn starttls_that_is_stripped_or_refused_or_not_possible() {
    for (script, wanted) in [
        (
            "S: * OK ready\nC: A1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\nS: A1 OK done\nC: A2 LOGOUT",
            "the server does not offer STARTTLS",
        ),
        (
            "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi\nC: A1 STARTTLS\nS: A1 NO not today\nC: A2 LOGOUT",
            "the server answered STARTTLS with `NO not today`",
        ),
        (
            "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi\nC: A1 STARTTLS\nS: A1 BAD what\nC: A2 LOGOUT",
            "the server answered STARTTLS with `BAD what`",
        ),
        (
            "S: * PREAUTH in already",
            "the server greets with `PREAUTH in already`, after which STARTTLS is not possible",
        ),
    ] {
        let came = play(&settings("starttls", &["INBOX"]), script);
        assert_eq!(came.failure(), ("TlsNotOffered", wanted));
        assert!(came.phases().last().unwrap().ends_with(wanted));
    }
}

#[test]
fn nothing_said_before_tls_is_used_after_it() {
    let script =
        "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi\nC: A1 STARTTLS\nS: A1 OK begin\nS: A2 OK injected";
    let came = play_once(&settings("starttls", &[]), Script::new(script, usize::MAX));
    let (reason, message) = came.failure();
    assert_eq!(reason, "UnexpectedResponse");
    assert_eq!(
        message,
        "the server sent `A2 OK injected` in the clear behind its answer to STARTTLS"
    );
    assert_eq!(came.phases().len(), 2);
    // What the host has not handed over before the handshake is the host's to refuse.
}

#[test]
fn a_rejected_login_is_told_at_once() {
    let came = play(
        &settings("implicit", &["INBOX", "Archive"]),
        "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi
        C: A1 AUTHENTICATE PLAIN AGFubgBzZXNhbWU=
        S: A1 NO [AUTHENTICATIONFAILED] Authentication failed.
        C: A2 LOGOUT
        ",
    );
    let wanted = "the server rejected the login: `[AUTHENTICATIONFAILED] Authentication failed.`";
    assert_eq!(came.failure(), ("AuthRejected", wanted));
    assert_eq!(
        came.phases(),
        [
            "greeting: ok".into(),
            "capability(from the greeting): ok".into(),
            format!("login: {wanted}")
        ]
    );
}

#[test]
fn logins_that_fail() {
    const AUTHENTICATE: &str = "C: A1 AUTHENTICATE PLAIN AGFubgBzZXNhbWU=\n";
    let refused = |capabilities: &str, dialogue: &str| {
        let script = format!("S: * OK [CAPABILITY IMAP4rev1 {capabilities}] hi\n{dialogue}\nC: A2 LOGOUT");
        let came = play(&settings("none", &["INBOX"]), &script);
        let (reason, message) = came.failure();
        assert_eq!(came.phases()[2..], [format!("login: {message}")]);
        (reason.to_owned(), message.to_owned())
    };
    let with = |answer: &str| refused("AUTH=PLAIN SASL-IR", &format!("{AUTHENTICATE}S: {answer}"));
    let failure = |reason: &str, message: &str| (reason.to_owned(), message.to_owned());

    assert_eq!(
        with("A1 NO no"),
        failure("AuthRejected", "the server rejected the login: `no`")
    );
    assert_eq!(
        with("A1 NO [unavailable] no directory"),
        failure(
            "UnexpectedResponse",
            "the server answered AUTHENTICATE with `NO [unavailable] no directory`"
        )
    );
    assert_eq!(
        with("A1 BAD [X] huh"),
        failure(
            "UnexpectedResponse",
            "the server answered AUTHENTICATE with `BAD [X] huh`"
        )
    );
    assert_eq!(
        refused("LOGINDISABLED", ""),
        failure(
            "UnexpectedResponse",
            "the server offers no way to log in: `LOGINDISABLED` without `AUTH=PLAIN`"
        )
    );
}

#[test]
fn login_by_literals() {
    for (capabilities, dialogue) in [
        (
            "IDLE",
            "C: A1 LOGIN {3}\nS: + user\nC: ann {6}\nS: + password\nC: sesame\n",
        ),
        ("LITERAL+", "C: A1 LOGIN {3+}⏎ann {6+}⏎sesame\n"),
        ("LITERAL-", "C: A1 LOGIN {3+}⏎ann {6+}⏎sesame\n"),
        (
            "AUTH=PLAIN LOGINDISABLED",
            "C: A1 AUTHENTICATE PLAIN\nS: +\nC: AGFubgBzZXNhbWU=\n",
        ),
    ] {
        let came = play(
            &settings("none", &[]),
            &format!(
                "S: * OK [CAPABILITY IMAP4rev1 {capabilities}] hi\n{dialogue}S: A1 OK in\n
                C: A2 LOGOUT\nS: * BYE\nS: A2 OK\n"
            ),
        );
        assert_eq!(came.result, Ok(()), "{capabilities}");
    }
}

#[test]
fn preauth_needs_no_login() {
    let came = play(
        &settings("none", &["INBOX"]),
        "
        S: * PREAUTH [CAPABILITY IMAP4rev1] ann is in
        C: A1 EXAMINE INBOX
        S: * 1 EXISTS
        S: A1 OK done
        C: A2 LOGOUT
        S: * BYE out
        S: A2 OK done
        ",
    );
    assert_eq!(came.result, Ok(()));
    assert_eq!(came.phases()[2], "login(PREAUTH): ok");
}

#[test]
fn without_credentials_the_capabilities_are_the_end() {
    let came = play(
        &without_login("starttls"),
        "
        S: * OK hi
        C: A1 CAPABILITY
        S: * CAPABILITY IMAP4rev1 STARTTLS
        S: A1 OK done
        C: A2 STARTTLS
        S: A2 OK begin
        TLS
        C: A3 CAPABILITY
        S: A3 OK [CAPABILITY IMAP4rev1] done
        C: A4 LOGOUT
        S: * BYE out
        END
        ",
    );
    assert_eq!(came.result, Ok(()));
    assert_eq!(came.record.plan.borrow().last().unwrap(), "logout");
    assert!(!came.record.plan.borrow().iter().any(|phase| phase == "login"));
    assert_eq!(
        came.phases(),
        [
            "greeting: ok",
            "capability: ok",
            "capability(after STARTTLS): ok",
            "logout: ok"
        ]
    );
}

const LOGGED_IN: &str =
    "S: * PREAUTH [CAPABILITY IMAP4rev1] in\nC: A1 EXAMINE a\nS: * 1 EXISTS\nS: A1 OK [READ-ONLY] done\n";

fn after_login(mailboxes: &[&str], rest: &str) -> Came {
    play(&settings("none", mailboxes), &format!("{LOGGED_IN}{rest}"))
}

#[test]
fn one_mailbox_failing_does_not_hide_the_next() {
    let came = after_login(
        &["a", "b", "c", "d"],
        r#"
        C: A2 EXAMINE b
        S: A2 NO [NONEXISTENT] Mailbox doesn't exist: "b" (\o/) %*
        C: A3 EXAMINE c
        S: A3 NO [NOPERM] no
        C: A4 EXAMINE d
        S: * 4 EXISTS
        S: A4 OK done
        C: A5 LOGOUT
        S: * BYE out
        S: A5 OK done
        "#,
    );
    let wanted = r#"the server answered EXAMINE with `NO [NONEXISTENT] Mailbox doesn't exist: "b" (\o/) %*`"#;
    assert_eq!(came.failure(), ("UnexpectedResponse", wanted));
    assert_eq!(
        came.phases()[3..],
        [
            "select(a): ok".to_owned(),
            format!("select(b): {wanted}"),
            "select(c): the server answered EXAMINE with `NO [NOPERM] no`".into(),
            "select(d): ok".into(),
            "logout: ok".into()
        ]
    );
    assert_eq!(
        *came.record.measurements.borrow(),
        ["imap.mailbox.messages{a}=1", "imap.mailbox.messages{d}=4"]
    );
}

#[test]
fn after_the_deadline_every_phase_says_so() {
    let came = after_login(&["a", "b", "c"], "C: A2 EXAMINE b\nS: * 2 EX");
    assert_eq!(
        came.failure(),
        ("Call(CallError::DeadlineExceeded)", "the deadline has passed")
    );
    assert_eq!(
        came.phases()[3..],
        [
            "select(a): ok",
            "select(b): the deadline has passed",
            "select(c): the deadline has passed",
            "logout: the deadline has passed"
        ]
    );
}

#[test]
fn what_nobody_asked_for_is_skipped() {
    let came = after_login(
        &["a", "b"],
        "
        C: A2 EXAMINE b
        S: * XVENDOR (strange]
        S: * 7 EXPUNGE
        S: * LIST () \"/\" {13}⏎A2 NO tricked
        S: * OK [ALERT] maintenance at noon
        S: * NO disk nearly full
        S: * XVENDOR [\u{1}]
        S: * 5 EXISTS
        S: * 6 EXISTS
        S: * OK text like a literal {40}
        S: A2 OK done
        C: A3 LOGOUT
        S: * BYE out
        S: A3 OK done
        ",
    );
    assert_eq!(came.result, Ok(()));
    assert_eq!(came.record.measurements.borrow()[1], "imap.mailbox.messages{b}=6");
    assert_eq!(
        *came.record.log.borrow(),
        [
            "debug: skipped an untagged response: `* XVENDOR (strange]`",
            "warning: the server says `OK [ALERT] maintenance at noon`",
            "warning: the server says `NO disk nearly full`",
            "debug: skipped an untagged response: `* XVENDOR [\\x01]`",
        ]
    );
}

#[test]
fn broken_answers_end_the_conversation() {
    for (answer, wanted) in [
        (
            "S: A9 OK done",
            "the server completed a command tagged `A9`: `A2` was wanted",
        ),
        (
            "S: a2 OK done",
            "the server completed a command tagged `a2`: `A2` was wanted",
        ),
        (
            "S: A2 MAYBE",
            "the server answers EXAMINE with `A2 MAYBE`, which is no IMAP response",
        ),
        (
            "S: contains A2 OK",
            "the server answers EXAMINE with `contains A2 OK`, which is no IMAP response",
        ),
        (
            "S: + more",
            "the server asks for more of EXAMINE, which was sent as a whole",
        ),
        ("S: * BYE restarting", "the server said `BYE restarting`"),
    ] {
        let came = after_login(&["a", "b", "c"], &format!("C: A2 EXAMINE b\n{answer}"));
        assert_eq!(came.failure(), ("UnexpectedResponse", wanted));
        assert_eq!(
            came.phases()[4..],
            [
                format!("select(b): {wanted}"),
                format!("select(c): {wanted}"),
                format!("logout: {wanted}")
            ]
        );
    }
}

#[test]
fn a_command_completed_too_early() {
    let came = play(
        &settings("none", &[]),
        "S: * OK [CAPABILITY IMAP4rev1] hi\nC: A1 LOGIN {3}\nS: A1 OK whoever you are",
    );
    assert_eq!(
        came.failure(),
        (
            "UnexpectedResponse",
            "the server completed LOGIN before it was sent as a whole"
        )
    );
}

#[test]
fn bye_at_each_step() {
    let hello = "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\n";
    for (script, phase) in [
        ("S: * BYE full".to_owned(), "greeting"),
        (
            "S: * OK hi\nC: A1 CAPABILITY\nS: * BYE full".to_owned(),
            "capability",
        ),
        (format!("{hello}C: A1 AUTHENTICATE PLAIN\nS: * BYE full"), "login"),
        (
            format!("{hello}C: A1 AUTHENTICATE PLAIN\nS: +\nC: AGFubgBzZXNhbWU=\nS: * BYE full\n"),
            "login",
        ),
        (
            LOGGED_IN.replace("S: * 1 EXISTS\nS: A1 OK [READ-ONLY] done", "S: * BYE full"),
            "select(a)",
        ),
    ] {
        let came = play(&settings("none", &["a"]), &script);
        assert_eq!(
            came.failure(),
            ("UnexpectedResponse", "the server said `BYE full`")
        );
        assert!(
            came.phases()
                .contains(&format!("{phase}: the server said `BYE full`")),
            "{came:?}"
        );
    }
}

#[test]
fn logout() {
    for rest in [
        "S: * BYE out\nS: A2 OK done",
        "S: * BYE out\nEND",
        "S: * BYE out\nRESET",
        // Without BYE the command is complete all the same.
        "S: A2 OK done",
    ] {
        let came = after_login(&["a"], &format!("C: A2 LOGOUT\n{rest}"));
        assert_eq!(came.result, Ok(()), "{rest}");
    }
    for (rest, wanted) in [
        ("END", "the server closed the connection during LOGOUT"),
        ("S: A2 BAD no", "the server answered LOGOUT with `BAD no`"),
        (
            "S: * BYE out\nS: A2 NO stay",
            "the server answered LOGOUT with `NO stay`",
        ),
        ("S: * BYE out", "the deadline has passed"),
    ] {
        let came = after_login(&["a"], &format!("C: A2 LOGOUT\n{rest}"));
        assert_eq!(came.failure().1, wanted);
        assert_eq!(came.phases().last().unwrap(), &format!("logout: {wanted}"));
    }
}

#[test]
fn servers_that_speak_something_else_or_nothing() {
    for (sent, wanted) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "it looks like an HTTP server",
        ),
        (
            b"220 mx.example.org ESMTP\r\n",
            "it looks like an SMTP or FTP server",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it looks like TLS"),
        (
            b"* CAPABILITY IMAP4rev1\r\n",
            "`* CAPABILITY IMAP4rev1`, which is no IMAP greeting",
        ),
        (b"* OK hi\n", "with LF alone"),
    ] {
        for chunk in CHUNKS {
            // The client may stop before it has read all that was sent.
            let lines = match chunk {
                usize::MAX => vec![Line::Server(sent.to_vec())],
                _ => sent
                    .chunks(chunk)
                    .map(|bytes| Line::Server(bytes.to_vec()))
                    .collect(),
            };
            let record = Record::default();
            let failure = run(&without_login("none"), &record, || Ok(Script::abandoned(lines))).unwrap_err();
            assert!(matches!(failure.reason(), Reason::UnexpectedResponse));
            assert!(failure.message().contains(wanted), "{}", failure.message());
        }
    }
    let came = play(&without_login("none"), "END");
    let closed = "Call(CallError::ConnectionClosed)";
    assert_eq!(
        came.failure(),
        (closed, "the server closed the connection before its greeting")
    );
    let came = play_once(
        &without_login("none"),
        Script::of([Line::Server(b"* OK h".to_vec()), Line::End], 2),
    );
    let wanted =
        "the server closed the connection before its greeting, in the middle of a response: `* OK h`";
    assert_eq!(came.failure(), (closed, wanted));
}

#[test]
fn floods_are_ended() {
    let flood = |lines: Vec<u8>| {
        let lines = [
            Line::Server(b"* OK hi\r\n".to_vec()),
            Line::Client("A1 CAPABILITY\r\n".into()),
            Line::Server(lines),
        ];
        let record = Record::default();
        run(&without_login("none"), &record, || Ok(Script::abandoned(lines))).unwrap_err()
    };
    for (lines, wanted) in [
        (
            [b"* OK ".as_slice(), &[b'x'; 1000], b"\r\n"]
                .concat()
                .repeat(1100),
            "the server sends responses of more than 1048576 bytes in all",
        ),
        (
            b"* 1 EXPUNGE\r\n".repeat(100_000),
            "the server sends more than 20000 responses in all",
        ),
        (
            b"* CAPABILITY IMAP4rev1".repeat(10_000),
            "the server sends a response of more than 65536 bytes",
        ),
    ] {
        let failure = flood(lines);
        assert!(matches!(failure.reason(), Reason::TooLarge), "{failure:?}");
        assert_eq!(failure.message(), wanted);
    }
}

#[test]
fn a_flood_over_several_commands_is_one() {
    let names = ["a", "b", "c"];
    let many = b"* 1 EXISTS\r\n".repeat(9_000);
    let mut lines = vec![Line::Server(b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n".to_vec())];
    for (index, name) in names.iter().enumerate() {
        let tag = index + 1;
        lines.push(Line::Client(format!("A{tag} EXAMINE {name}\r\n")));
        lines.push(Line::Server(
            [many.as_slice(), format!("A{tag} OK done\r\n").as_bytes()].concat(),
        ));
    }
    let record = Record::default();
    let failure = run(&settings("none", &names), &record, || {
        Ok(Script::abandoned(lines))
    })
    .unwrap_err();
    assert!(matches!(failure.reason(), Reason::TooLarge), "{failure:?}");
    let phases = record.phases.borrow();
    assert_eq!(phases[3..5], ["select(a): ok", "select(b): ok"]);
    assert_eq!(phases[5], format!("select(c): {}", failure.message()));
}

#[test]
fn so_much_is_told_for_each_command_and_no_more() {
    let said = "* NO disk nearly full\r\n* XVENDOR x\r\n".repeat(50);
    let lines = [
        Line::Server(b"* OK hi\r\n".to_vec()),
        Line::Client("A1 CAPABILITY\r\n".into()),
        Line::Server(format!("{said}* CAPABILITY IMAP4rev1\r\nA1 OK\r\n").into()),
        Line::Client("A2 LOGOUT\r\n".into()),
        Line::Server(format!("{said}* BYE\r\nA2 OK\r\n").into()),
    ];
    let came = play_once(&without_login("none"), Script::of(lines, usize::MAX));
    assert_eq!(came.result, Ok(()));
    let log = came.record.log.borrow();
    assert_eq!(log.len(), 2 * (20 + 1));
    assert_eq!(
        log[20],
        "warning: the server says 80 more of such lines, which are not told"
    );
    assert_eq!(log[20], log[41]);
}

#[test]
fn credentials_that_are_too_long_for_plain_go_with_login_where_that_is_allowed() {
    let user = "u".repeat(9209);
    let of = |user: &str| {
        let settings =
            json!({"host": "h", "tls": "none", "user": user, "password": {"secret": "s"}, "mailboxes": []});
        serde_json::from_value::<Settings>(settings).unwrap()
    };
    let login = format!("C: A1 LOGIN {{{}+}}⏎{user} {{6+}}⏎sesame", user.len());
    let script = format!(
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LITERAL+] hi\n{login}\nS: A1 OK\nC: A2 LOGOUT\nS: A2 OK"
    );
    assert_eq!(play(&of(&user), &script).result, Ok(()));
    let came = play(
        &of(&user),
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LOGINDISABLED] hi\nC: A2 LOGOUT",
    );
    let wanted = "`user` and `password` have 9215 bytes together: the server takes `AUTHENTICATE PLAIN` only, for which \
                  they have at most 9214";
    assert_eq!(came.failure(), ("SettingsInvalid", wanted));
}

#[test]
fn a_server_that_refuses_before_it_has_seen_credentials_does_not_reject_them() {
    for (capabilities, conversation, wanted) in [
        (
            "AUTH=PLAIN",
            "C: A1 AUTHENTICATE PLAIN\nS: A1 NO [CANNOT] no",
            "the server answered AUTHENTICATE with `NO [CANNOT] no`, before it was told who logs in",
        ),
        (
            "AUTH=PLAIN",
            "C: A1 AUTHENTICATE PLAIN\nS: A1 NO no",
            "the server answered AUTHENTICATE with `NO no`, before it was told who logs in",
        ),
        (
            "IDLE",
            "C: A1 LOGIN {3}\nS: A1 NO no",
            "the server answered LOGIN with `NO no`, before it was told who logs in",
        ),
        (
            "IDLE",
            "C: A1 LOGIN {3}\nS: + go on\nC: ann {6}\nS: A1 NO who?",
            "the server rejected the login: `who?`",
        ),
        (
            "LITERAL+",
            "C: A1 LOGIN {3+}⏎ann {6+}⏎sesame\nS: A1 NO no",
            "the server rejected the login: `no`",
        ),
    ] {
        let script =
            format!("S: * OK [CAPABILITY IMAP4rev1 {capabilities}] hi\n{conversation}\nC: A2 LOGOUT");
        let came = play(&settings("none", &[]), &script);
        let reason = match wanted.contains("rejected") {
            true => "AuthRejected",
            false => "UnexpectedResponse",
        };
        assert_eq!(came.failure(), (reason, wanted), "{conversation}");
    }
}

#[test]
fn errors_of_host_calls_are_passed_on() {
    let greeting = Line::Server(b"* OK hi\r\n".to_vec());
    for (lines, phases) in [
        (vec![Line::Fails(CallError::ConnectionReset)], 1),
        (vec![greeting.clone(), Line::Fails(CallError::ConnectionReset)], 2),
        (
            vec![
                greeting,
                Line::Client("A1 CAPABILITY\r\n".into()),
                Line::Fails(CallError::ConnectionReset),
            ],
            2,
        ),
    ] {
        let came = play_once(&settings("none", &["a"]), Script::of(lines, 1));
        assert_eq!(came.failure().0, "Call(CallError::ConnectionReset)");
        assert_eq!(came.phases().len(), phases);
    }
}

#[test]
fn a_connection_that_cannot_be_made_leaves_no_phase_begun() {
    let record = Record::default();
    let refused = || Err::<Script, _>(Failure::from(CallError::ConnectionRefused));
    let failure = run(&settings("implicit", &["a"]), &record, refused).unwrap_err();
    assert!(matches!(
        failure.reason(),
        Reason::Call(CallError::ConnectionRefused)
    ));
    assert_eq!(record.plan.borrow().len(), 8);
    assert_eq!(record.phases.borrow().as_slice(), [""; 0]);
}
