//! Conversations with scripted peers: what a plugin that keeps to the script meets, and what one that does
//! not.

use super::pattern::{Pattern, Template};
use super::step::TlsAnswer;
use super::*;
use crate::connection::{Certificate, TlsInfo, TlsProblem};

fn expect(text: &str) -> Step {
    Step::Expect(Pattern::parse(text).unwrap())
}

fn send(text: &str) -> Step {
    Step::SendText(Template::parse(text).unwrap())
}

fn with(steps: impl Into<Vec<Step>>) -> Dialogue {
    let script = Script::from_dialogues([], [Ok(steps.into())]);
    script.dial(0, "192.0.2.1:993".parse().unwrap()).unwrap()
}

fn bytes(text: &str) -> Next {
    Next::Bytes(text.as_bytes().to_vec())
}

fn info() -> TlsInfo {
    TlsInfo {
        version: "1.3".into(),
        cipher: "TLS13_AES_128_GCM_SHA256".into(),
        alpn: None,
        chain: None,
        is_verified: true,
        certificate: Certificate {
            subject: "CN=mail.example.org".into(),
            issuer: String::new(),
            names: Vec::new(),
            not_before: 0,
            not_after: 1,
            sha256: String::new(),
            serial_number: "01".into(),
        },
    }
}

fn start_tls(result: Result<TlsInfo, Error>) -> Step {
    Step::StartTls(Box::new(TlsAnswer {
        result,
        certificate: Some(info().certificate),
    }))
}

fn mail() -> Vec<Step> {
    vec![
        send("* OK ready\r\n"),
        expect("{tag} CAPABILITY\r\n"),
        send("{tag} OK capable\r\n"),
        expect("{tag} SELECT {mailbox}\r\n"),
        Step::Stall(Duration::from_secs(3)),
        send("* 3 EXISTS\r\n{tag} OK {mailbox} selected\r\n"),
        expect("{tag} LOGOUT\r\n"),
        send("* BYE\r\n{tag} OK\r\n"),
        Step::HangUp,
    ]
}

fn problem(result: Result<TlsInfo, Error>) -> String {
    match result {
        Err(Error::Tls(TlsProblem::Handshake, message)) => message,
        other => panic!("{other:?}"),
    }
}

/// Whatever the pieces in which the plugin writes and reads, the same is said.
#[test]
fn a_plugin_that_keeps_to_the_script_is_answered_to_the_end() {
    for written in [1, 2, 3, 7, 100] {
        for read in [1, 2, 5, 100] {
            let mut dialogue = with(mail());
            let mut waits = 0;
            let mut heard = Vec::new();
            for line in ["", "A1 CAPABILITY\r\n", "A2 SELECT INBOX\r\n", "A3 LOGOUT\r\n"] {
                for piece in line.as_bytes().chunks(written) {
                    dialogue.written(piece).unwrap();
                }
                let ends = if line.contains("LOGOUT") || line.contains("SELECT") {
                    2
                } else {
                    1
                };
                let wanted = heard.iter().filter(|byte| **byte == b'\n').count() + ends;
                while heard.iter().filter(|byte| **byte == b'\n').count() < wanted {
                    match dialogue.next(read) {
                        Next::Bytes(more) => {
                            assert!((1..=read).contains(&more.len()));
                            heard.extend(more);
                        }
                        Next::Wait(time) => {
                            assert_eq!(time, Duration::from_secs(3));
                            waits += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!(
                String::from_utf8(heard).unwrap(),
                "* OK ready\r\nA1 OK capable\r\n* 3 EXISTS\r\nA2 OK INBOX selected\r\n* BYE\r\nA3 OK\r\n"
            );
            assert_eq!(waits, 1);
            assert_eq!(dialogue.next(read), Next::End);
            dialogue.close();
            assert_eq!(dialogue.complaint(), None);
        }
    }
}

#[test]
fn what_two_steps_send_is_never_read_together() {
    let mut dialogue = with([Step::Send(b"abc".to_vec()), send("d"), Step::Send(Vec::new())]);
    assert_eq!(dialogue.next(2), bytes("ab"));
    assert_eq!(dialogue.next(100), bytes("c"));
    assert_eq!(dialogue.next(100), bytes("d"));
    assert_eq!(dialogue.next(100), Next::Never);
    assert_eq!(dialogue.complaint(), None);
}

#[test]
fn a_plugin_may_write_ahead() {
    let mut dialogue = with(mail());
    dialogue
        .written(b"A1 CAPABILITY\r\nA2 SELECT INBOX\r\nA3 LOG")
        .unwrap();
    dialogue.written(b"OUT\r\n").unwrap();
    let mut heard = Vec::new();
    loop {
        match dialogue.next(100) {
            Next::Bytes(more) => heard.extend(more),
            Next::Wait(_) => {}
            Next::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(heard.ends_with(b"A2 OK INBOX selected\r\n* BYE\r\nA3 OK\r\n"));
    assert_eq!(dialogue.complaint(), None);
}

#[test]
fn lengths_and_ends_are_waited_for() {
    let mut dialogue = with([
        Step::ExpectUntil(b"\r\n\r\n".to_vec()),
        Step::ExpectBytes(3),
        send("ok"),
    ]);
    for piece in [b"GET /\r\n\r".as_slice(), b"\n1", b"2"] {
        dialogue.written(piece).unwrap();
    }
    assert_eq!(dialogue.next(9), Next::Never);
    assert_eq!(
        dialogue.complaint(),
        Some("step 2 of connection 1: found a read after `12`, wanted 3 bytes")
    );
    dialogue.written(b"3").unwrap();
    assert_eq!(dialogue.next(9), bytes("ok"));
}

#[test]
fn a_plugin_that_waits_for_a_waiting_peer_gets_no_answer() {
    let mut dialogue = with(mail());
    assert_eq!(dialogue.next(100), bytes("* OK ready\r\n"));
    assert_eq!(dialogue.next(100), Next::Never);
    assert_eq!(
        dialogue.complaint(),
        Some("step 2 of connection 1: found a read, wanted `{tag} CAPABILITY\\r\\n`")
    );
    dialogue.written(b"A1 CAPABILITY\r\n").unwrap();
    assert_eq!(dialogue.next(100), bytes("A1 OK capable\r\n"));
}

#[test]
fn a_plugin_that_leaves_something_out_is_answered_where_it_goes_on() {
    for pieces in [vec!["A2 LOGOUT\r\n"], vec!["A", "2 ", "L", "OGOUT\r", "\n"]] {
        let mut dialogue = with(mail());
        dialogue.written(b"A1 CAPABILITY\r\n").unwrap();
        assert_eq!(dialogue.next(100), bytes("* OK ready\r\n"));
        assert_eq!(dialogue.next(100), bytes("A1 OK capable\r\n"));
        for piece in pieces {
            dialogue.written(piece.as_bytes()).unwrap();
        }
        assert_eq!(dialogue.next(100), bytes("* BYE\r\nA2 OK\r\n"));
        assert_eq!(dialogue.next(100), Next::End);
        assert_eq!(
            dialogue.complaint(),
            Some("step 4 of connection 1: found `A2 LOGOUT\\r\\n`, wanted `{tag} SELECT {mailbox}\\r\\n`")
        );
    }
}

#[test]
fn tls_cannot_be_left_out() {
    let mut dialogue = with([
        expect("STARTTLS\r\n"),
        start_tls(Ok(info())),
        expect("LOGOUT\r\n"),
        send("bye"),
    ]);
    dialogue.written(b"LOGOUT\r\n").unwrap();
    assert_eq!(dialogue.next(100), Next::End);
    let mut dialogue = with([start_tls(Ok(info())), expect("LOGOUT\r\n"), send("bye")]);
    assert_eq!(dialogue.next(100), Next::Never);
    assert_eq!(
        dialogue.complaint(),
        Some("step 1 of connection 1: found a read, wanted a TLS handshake")
    );
    dialogue.written(b"LOGOUT\r\n").unwrap();
    assert_eq!(dialogue.next(100), Next::Never);
}

#[test]
fn who_leaves_the_script_is_hung_up_on() {
    let mut dialogue = with(mail());
    dialogue.written(b"A1 CAPABILITY\r\n").unwrap();
    assert_eq!(dialogue.next(100), bytes("* OK ready\r\n"));
    assert_eq!(dialogue.next(100), bytes("A1 OK capable\r\n"));
    dialogue.written(b"A2 \x1bNOOP\r\n").unwrap();
    assert_eq!(dialogue.next(100), Next::End);
    assert_eq!(
        dialogue.complaint(),
        Some("step 4 of connection 1: found `A2 \\x1bNOOP\\r\\n`, wanted `{tag} SELECT {mailbox}\\r\\n`")
    );
    // As over TCP, where the first write is what makes the other side answer with a reset.
    assert_eq!(dialogue.written(b"A3 LOGOUT\r\n"), Ok(()));
    assert_eq!(dialogue.written(b"A4 LOGOUT\r\n"), Err(Error::Closed));
    assert_eq!(dialogue.next(100), Next::End);
}

#[test]
fn the_first_complaint_is_kept_and_short() {
    let mut dialogue = with([expect("a\n")]);
    dialogue.written(&[b'x'; 1000]).unwrap();
    dialogue.close();
    let complaint = dialogue.complaint().unwrap();
    assert!(
        complaint.len() < 200 && complaint.ends_with("xxx...`, wanted `a\\n`"),
        "{complaint}"
    );
}

#[test]
fn after_the_last_step_the_peer_is_silent_unless_it_is_spoken_to() {
    let mut dialogue = with([expect("a\n")]);
    dialogue.written(b"a\n").unwrap();
    assert_eq!(dialogue.next(1), Next::Never);
    assert_eq!(dialogue.complaint(), None);
    dialogue.written(b"b\n").unwrap();
    assert_eq!(dialogue.next(1), Next::End);
    assert_eq!(
        dialogue.complaint(),
        Some("step 2 of connection 1: found `b\\n`, wanted nothing more")
    );
}

#[test]
fn text_that_refers_to_what_was_left_out_is_not_sent() {
    let mut dialogue = with([expect("HELLO {name}\n"), expect("QUIT\n"), send("bye {name}\n")]);
    dialogue.written(b"QUIT\n").unwrap();
    assert_eq!(dialogue.next(1), Next::End);
}

#[test]
fn the_ways_to_end_differ() {
    let ended = |step: Step| {
        let mut dialogue = with([send("hi"), step]);
        assert_eq!(dialogue.written(b"early"), Ok(()));
        assert_eq!(dialogue.next(9), bytes("hi"));
        let next = dialogue.next(9);
        assert_eq!(dialogue.next(9), next);
        (next, dialogue.written(b"a"), dialogue.written(b"b"))
    };
    assert_eq!(ended(Step::HangUp), (Next::End, Ok(()), Err(Error::Closed)));
    assert_eq!(
        ended(Step::Reset),
        (Next::Reset, Err(Error::Reset), Err(Error::Reset))
    );
    assert_eq!(ended(Step::Silence), (Next::Never, Ok(()), Ok(())));
}

#[test]
fn a_closed_connection_is_of_no_use() {
    let mut dialogue = with([send("hi"), start_tls(Ok(info()))]);
    dialogue.close();
    assert!(matches!(dialogue.written(b"a"), Err(Error::InvalidUse(_))));
    assert!(matches!(dialogue.start_tls(), Err(Error::InvalidUse(_))));
    assert_eq!(dialogue.next(1), Next::End);
    assert_eq!(dialogue.complaint(), None);
}

#[test]
fn closing_while_the_peer_waits_makes_a_complaint() {
    let mut dialogue = with([expect("a\n"), Step::HangUp]);
    dialogue.close();
    assert_eq!(
        dialogue.complaint(),
        Some("step 1 of connection 1: found the end of the connection, wanted `a\\n`")
    );
}

#[test]
fn a_handshake_gives_the_facts_once() {
    let mut dialogue = with([
        expect("STARTTLS\n"),
        send("go\n"),
        Step::Stall(Duration::from_secs(1)),
        start_tls(Ok(info())),
        expect("a\n"),
    ]);
    dialogue.written(b"STARTTLS\n").unwrap();
    assert_eq!(dialogue.next(9), bytes("go\n"));
    assert_eq!(dialogue.before_tls(), Some(Next::Wait(Duration::from_secs(1))));
    assert_eq!(dialogue.before_tls(), None);
    assert_eq!(dialogue.start_tls(), Ok(info()));
    assert_eq!(dialogue.certificate(), Some(&info().certificate));
    assert_eq!(
        dialogue.start_tls(),
        Err(Error::InvalidUse("the connection has TLS already".into()))
    );
    dialogue.written(b"a\n").unwrap();
    assert_eq!(dialogue.complaint(), None);
}

#[test]
fn plaintext_ahead_of_the_handshake_is_an_error() {
    let early = "the peer sent plaintext ahead of the TLS handshake";
    assert_eq!(
        problem(with([send("hi"), start_tls(Ok(info()))]).start_tls()),
        early
    );
    let mut dialogue = with([
        expect("STARTTLS\n"),
        send("go\nand more\n"),
        start_tls(Ok(info())),
    ]);
    dialogue.written(b"STARTTLS\n").unwrap();
    assert_eq!(dialogue.next(3), bytes("go\n"));
    assert_eq!(problem(dialogue.start_tls()), early);
    assert_eq!(
        dialogue.start_tls(),
        Err(Error::InvalidUse("the connection is closed".into()))
    );
}

#[test]
fn handshakes_fail_as_the_script_says() {
    let expired = Error::Tls(TlsProblem::CertificateExpired, "expired".into());
    let mut dialogue = with([start_tls(Err(expired.clone()))]);
    assert_eq!(dialogue.start_tls(), Err(expired));
    assert!(dialogue.certificate().is_some());
    assert!(matches!(dialogue.written(b"a"), Err(Error::InvalidUse(_))));

    assert_eq!(
        problem(with([Step::HangUp]).start_tls()),
        "the peer closed the connection before TLS"
    );
    assert_eq!(with([Step::Reset]).start_tls(), Err(Error::Reset));
    assert_eq!(with([Step::Silence]).before_tls(), Some(Next::Never));
    let mut plain = with([expect("a\n")]);
    assert_eq!(problem(plain.start_tls()), "the peer does not want TLS here");
    assert_eq!(
        plain.complaint(),
        Some("step 1 of connection 1: found a TLS handshake, wanted `a\\n`")
    );
    let mut early = with([start_tls(Ok(info()))]);
    early.written(b"hello").unwrap();
    assert_eq!(
        problem(early.start_tls()),
        "the peer was sent plaintext ahead of the TLS handshake"
    );
}

fn recorded() -> Dialogue {
    with([
        Step::Send(b"ready".to_vec()),
        Step::Heard(10),
        Step::Send(b"first".to_vec()),
        Step::Heard(20),
        Step::Send(b"second".to_vec()),
        Step::HangUp,
    ])
}

#[test]
fn a_recorded_peer_counts_what_it_hears() {
    let mut dialogue = recorded();
    assert_eq!(dialogue.next(9), bytes("ready"));
    dialogue.written(&[b'x'; 4]).unwrap();
    dialogue.written(&[b'x'; 6]).unwrap();
    assert_eq!(dialogue.next(9), bytes("first"));
    dialogue.written(&[b'x'; 20]).unwrap();
    assert_eq!(dialogue.next(9), bytes("second"));
    assert_eq!(dialogue.next(9), Next::End);
    assert_eq!(dialogue.complaint(), None);
}

#[test]
fn a_recorded_peer_answers_whatever_it_hears_but_not_nothing() {
    let mut dialogue = recorded();
    assert_eq!(dialogue.next(9), bytes("ready"));
    assert_eq!(dialogue.next(9), Next::Never);
    dialogue.written(b"short").unwrap();
    assert_eq!(dialogue.next(9), bytes("first"));
    assert_eq!(dialogue.next(9), Next::Never);
    dialogue.written(&[b'x'; 30]).unwrap();
    assert_eq!(dialogue.next(9), bytes("second"));
    assert_eq!(dialogue.next(9), Next::End);
    assert_eq!(
        dialogue.complaint(),
        Some("step 2 of connection 1: found a read, wanted 10 bytes")
    );
}

/// Whatever a plugin does, each call returns, nothing is sent twice, and an end stays an end.
#[test]
fn no_order_of_calls_confuses_a_peer() {
    let mut steps = mail();
    steps.splice(3..3, [Step::Heard(2), start_tls(Ok(info()))]);
    let mut most = 0;
    for seed in 0..20_000_u64 {
        let mut dialogue = with(steps.clone());
        let mut lines = 0;
        let mut ended = None;
        let mut state = seed;
        for _ in 0..40 {
            // The constants are those of Knuth's linear congruential generator.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match (state >> 60) % 8 {
                0 => drop(dialogue.written(b"A1 CAPABILITY\r\n")),
                1 => drop(dialogue.written(b"A2 SELECT INBOX\r\n")),
                2 => drop(dialogue.written(b"A3 LOGOUT\r\n")),
                3 => drop(dialogue.written(b"A")),
                4 => drop(dialogue.before_tls()),
                5 => drop(dialogue.start_tls()),
                _ => match dialogue.next(16) {
                    Next::Bytes(more) => {
                        assert_eq!(ended, None, "{seed}");
                        assert!((1..=16).contains(&more.len()), "{seed}");
                        lines += more.iter().filter(|byte| **byte == b'\n').count();
                    }
                    end @ (Next::End | Next::Reset) => {
                        assert!(ended.is_none_or(|ended| ended == end), "{seed}");
                        ended = Some(end);
                    }
                    Next::Wait(_) | Next::Never => {}
                },
            }
        }
        most = most.max(lines);
    }
    assert_eq!(most, 6, "one of them comes to the end, and none hears more");
}
