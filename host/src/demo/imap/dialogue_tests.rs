//! Conversations as transcripts: what the client sends, and the first words of every line it gets.

use super::*;

fn dialogue(protection: Protection) -> Dialogue {
    let account = Account::new("probe", r#"pass "word\"#)
        .mailbox("INBOX", 3)
        .mailbox("Archive", 12);
    let mut dialogue = Dialogue::new(Arc::new(account), protection);
    dialogue.take_output();
    dialogue
}

/// Sends `C:` lines and compares each line of output with the start of the `S:` lines after them.
fn converse(dialogue: &mut Dialogue, transcript: &str) -> Next {
    let mut next = Next::Receive;
    let mut got: Vec<String> = Vec::new();
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(sent) = line.strip_prefix("C: ") {
            assert!(got.is_empty(), "not expected before `{sent}`: {got:?}");
            next = dialogue.receive(format!("{sent}\r\n").as_bytes());
            let output = String::from_utf8(dialogue.take_output()).unwrap();
            assert!(output.is_empty() || output.ends_with("\r\n"), "{output:?}");
            got = output.split_terminator("\r\n").map(str::to_owned).collect();
        } else {
            let wanted = line.strip_prefix("S: ").unwrap();
            assert!(!got.is_empty(), "nothing came where `{wanted}` was expected");
            let line = got.remove(0);
            assert!(line.starts_with(wanted), "`{line}` where `{wanted}` was expected");
        }
    }
    assert!(got.is_empty(), "not expected: {got:?}");
    next
}

fn plain(user: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("\0{user}\0{password}"))
}

#[test]
fn the_greeting_says_what_the_server_can_do() {
    let account = Arc::new(Account::new("probe", "x"));
    for (protection, capabilities) in [
        (Protection::Tls, "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN"),
        (Protection::Never, "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN"),
        (Protection::Offered, "IMAP4rev1 LITERAL+ STARTTLS LOGINDISABLED"),
    ] {
        let mut dialogue = Dialogue::new(Arc::clone(&account), protection);
        let greeting = String::from_utf8(dialogue.take_output()).unwrap();
        assert!(
            greeting.starts_with(&format!("* OK [CAPABILITY {capabilities}] ")),
            "{greeting}"
        );
        assert!(greeting.ends_with("\r\n"), "{greeting}");
    }
}

#[test]
fn a_whole_session() {
    let transcript = r#"
        C: a1 capability
        S: * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN
        S: a1 OK
        C: a2 LOGIN probe "pass \"word\\"
        S: a2 OK [CAPABILITY IMAP4rev1
        C: a3 SELECT inbox
        S: * FLAGS (\Answered
        S: * 3 EXISTS
        S: * 0 RECENT
        S: * OK [PERMANENTFLAGS (\Answered
        S: * OK [UIDVALIDITY 1]
        S: * OK [UIDNEXT 4]
        S: a3 OK [READ-WRITE] SELECT completed
        C: a4 EXAMINE "Archive"
        S: * FLAGS
        S: * 12 EXISTS
        S: * 0 RECENT
        S: * OK [PERMANENTFLAGS ()]
        S: * OK [UIDVALIDITY 1]
        S: * OK [UIDNEXT 13]
        S: a4 OK [READ-ONLY] EXAMINE completed
        C: a5 CLOSE
        S: a5 OK
        C: a6 noop
        S: a6 OK
        C: a7 LOGOUT
        S: * BYE
        S: a7 OK
    "#;
    assert_eq!(converse(&mut dialogue(Protection::Tls), transcript), Next::Close);
}

#[test]
fn literals_are_invited_unless_the_client_does_not_wait() {
    let invited = r#"
        C: a LOGIN {5}
        S: + go on
        C: probe {11}
        S: + go on
        C: pass "word\
        S: a OK
    "#;
    converse(&mut dialogue(Protection::Tls), invited);
    let uninvited = r#"
        C: a LOGIN {5+}
        C: probe {11+}
        C: pass "word\
        S: a OK
    "#;
    converse(&mut dialogue(Protection::Tls), uninvited);
}

#[test]
fn plain_is_taken_with_and_without_an_initial_response() {
    let right = plain("probe", r#"pass "word\"#);
    let transcript = format!(
        "C: a AUTHENTICATE PLAIN
         S: +
         C: {right}
         S: a OK [CAPABILITY
         C: b AUTHENTICATE PLAIN {right}
         S: b BAD already"
    );
    converse(&mut dialogue(Protection::Tls), &transcript);
    converse(
        &mut dialogue(Protection::Tls),
        &format!("C: a authenticate plain {right}\nS: a OK"),
    );
}

#[test]
fn wrong_credentials_are_refused_and_right_ones_still_count() {
    let (other, nobody) = (plain("probe", "guess"), plain("nobody", r#"pass "word\"#));
    let acting = BASE64_STANDARD.encode("root\0probe\0pass \"word\\");
    let transcript = format!(
        r#"
        C: a LOGIN probe guess
        S: a NO [AUTHENTICATIONFAILED]
        C: b AUTHENTICATE PLAIN {other}
        S: b NO [AUTHENTICATIONFAILED]
        C: c AUTHENTICATE PLAIN {nobody}
        S: c NO [AUTHENTICATIONFAILED]
        C: d AUTHENTICATE PLAIN {acting}
        S: d NO [AUTHORIZATIONFAILED]
        C: e AUTHENTICATE PLAIN =
        S: e BAD
        C: f AUTHENTICATE PLAIN %%%
        S: f BAD
        C: g AUTHENTICATE CRAM-MD5
        S: g NO [CANNOT]
        C: h AUTHENTICATE PLAIN
        S: +
        C: *
        S: h BAD AUTHENTICATE cancelled
        C: i SELECT INBOX
        S: i BAD log in first
        C: j LOGIN probe "pass \"word\\"
        S: j OK
        "#
    );
    assert_eq!(
        converse(&mut dialogue(Protection::Tls), &transcript),
        Next::Receive
    );
}

#[test]
fn logins_wait_for_tls_where_it_is_offered() {
    let mut dialogue = dialogue(Protection::Offered);
    let before = format!(
        r#"
        C: a LOGIN probe "pass \"word\\"
        S: a NO [PRIVACYREQUIRED]
        C: b AUTHENTICATE PLAIN {}
        S: b NO [PRIVACYREQUIRED]
        C: c STARTTLS
        S: c OK
        "#,
        plain("probe", r#"pass "word\"#)
    );
    assert_eq!(converse(&mut dialogue, &before), Next::StartTls);
    dialogue.tls_started();
    assert!(dialogue.take_output().is_empty(), "a second greeting");
    let after = r#"
        C: d CAPABILITY
        S: * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN
        S: d OK
        C: e STARTTLS
        S: e BAD
        C: f LOGIN probe "pass \"word\\"
        S: f OK
    "#;
    converse(&mut dialogue, after);
}

#[test]
fn what_was_sent_before_tls_does_not_count_within_it() {
    let mut dialogue = dialogue(Protection::Offered);
    assert_eq!(dialogue.receive(b"a STARTTLS\r\nb NOOP\r\nc NO"), Next::StartTls);
    assert_eq!(dialogue.take_output(), b"a OK begin TLS negotiation now\r\n");
    dialogue.tls_started();
    assert_eq!(dialogue.receive(b"d NOOP\r\n"), Next::Receive);
    assert_eq!(dialogue.take_output(), b"d OK NOOP completed\r\n");
}

#[test]
fn without_tls_passwords_are_taken_and_starttls_is_not() {
    let transcript = r#"
        C: a STARTTLS
        S: a BAD STARTTLS
        C: b LOGIN probe "pass \"word\\"
        S: b OK
    "#;
    converse(&mut dialogue(Protection::Never), transcript);
}

#[test]
fn a_missing_mailbox_leaves_none_open_and_does_not_hide_the_next() {
    let mut dialogue = dialogue(Protection::Tls);
    let transcript = r#"
        C: a LOGIN probe "pass \"word\\"
        S: a OK
        C: b EXAMINE Archive
        S: *
        S: *
        S: *
        S: *
        S: *
        S: *
        S: b OK
        C: c EXAMINE archive
        S: c NO [NONEXISTENT]
        C: d CLOSE
        S: d BAD
        C: e EXAMINE Archive
        S: *
        S: * 12 EXISTS
        S: *
        S: *
        S: *
        S: *
        S: e OK
    "#;
    converse(&mut dialogue, transcript);
}

#[test]
fn nonsense_is_answered_and_does_not_end_the_conversation() {
    let transcript = r"
        C: GET / HTTP/1.1
        S: GET BAD
        C: * hello
        S: * BAD
        C: a LOGIN probe
        S: a BAD wrong number
        C: b FROB
        S: b BAD unknown
        C: c NOOP
        S: c OK
    ";
    assert_eq!(
        converse(&mut dialogue(Protection::Tls), transcript),
        Next::Receive
    );
}

#[test]
fn endless_commands_end_the_conversation() {
    let mut dialogue = dialogue(Protection::Tls);
    assert_eq!(dialogue.receive(&[b'x'; 64 * 1024]), Next::Close);
    assert!(dialogue.take_output().starts_with(b"* BYE"));
}
