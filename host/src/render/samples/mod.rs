//! Reports for the tests of this module.

mod script;

use std::collections::BTreeMap;

use script::{at, attempt, cut_off, error, finished, played};

use crate::outcome::{
    Blame, DeadlineHit, DeadlineWhile, ErrorType, InjectedFault, LogLevel, LogLine, Measurement, Outcome,
    Report, ReportedThresholds,
};

/// A login that went well, far from its deadline.
pub(crate) fn pass() -> Report {
    let phases = played(
        0,
        at(5_000_000),
        &[
            ("resolve", None, 400, None),
            ("connect", None, 1_100, None),
            ("tls", None, 9_300, None),
            ("greeting", None, 14_000, None),
            ("capability", None, 15_200, None),
            ("login", None, 38_000, None),
            ("select", Some("INBOX"), 40_500, None),
            ("select", Some("Archive"), 41_200, None),
            ("logout", None, 42_000, None),
        ],
    );
    let mut report = finished(
        "mail-login",
        at(5_000_000),
        vec![attempt(0, 42_100, None, phases)],
    );
    let messages = |mailbox: &str, value| Measurement {
        name: "imap.mailbox.messages".to_owned(),
        value,
        unit: "{message}".to_owned(),
        attributes: BTreeMap::from([("mailbox".to_owned(), mailbox.to_owned())]),
    };
    report.measurements = vec![messages("INBOX", 3.0), messages("Archive", 1204.0)];
    report
}

/// A server that greets and then says nothing more.
pub(crate) fn hang_after_banner() -> Report {
    let deadline = at(300_000);
    let late = || {
        Some(error(
            ErrorType::DeadlineExceeded(DeadlineWhile::Waiting),
            "the deadline has passed",
        ))
    };
    let phases = played(
        0,
        deadline,
        &[
            ("resolve", None, 300, None),
            ("connect", None, 800, None),
            ("tls", None, 6_100, None),
            ("greeting", None, 6_900, None),
            ("capability", None, 300_100, late()),
            ("login", None, 300_150, late()),
            ("select", Some("INBOX"), 300_160, late()),
            ("select", Some("Archive"), 300_170, late()),
        ],
    );
    let mut report = finished("mail-hangs", deadline, vec![attempt(0, 300_400, late(), phases)]);
    report.deadline_exceeded = true;
    report.deadline_hit = Some(DeadlineHit {
        phase: Some("capability".to_owned()),
        detail: None,
        host_call: Some("net.read"),
        at: deadline,
    });
    report
}

/// A server that refuses the password; the plugin saw something odd, too.
pub(crate) fn wrong_password() -> Report {
    let refused = || {
        Some(error(
            ErrorType::AuthRejected,
            "NO [AUTHENTICATIONFAILED] Authentication failed.",
        ))
    };
    let steps = [
        ("resolve", None, 300, None),
        ("connect", None, 900, None),
        ("tls", None, 7_000, None),
        ("greeting", None, 8_000, None),
        ("capability", None, 8_400, None),
        ("login", None, 31_000, refused()),
    ];
    let phases = played(0, at(5_000_000), &steps);
    let mut report = finished(
        "mail-login",
        at(5_000_000),
        vec![attempt(0, 31_400, refused(), phases)],
    );
    report.log = vec![
        LogLine {
            at: at(8_000),
            phase: None,
            detail: None,
            level: LogLevel::Info,
            message: "greeting read".to_owned(),
        },
        LogLine {
            at: at(8_100),
            phase: None,
            detail: None,
            level: LogLevel::Warning,
            message: "no SASL-IR: one more round trip".to_owned(),
        },
    ];
    report
}

/// One mailbox of two is missing; the plugin goes on.
pub(crate) fn mailbox_missing() -> Report {
    let missing = || {
        Some(error(
            ErrorType::ProtocolUnexpectedResponse,
            "NO Mailbox doesn't exist: INBOX",
        ))
    };
    let other = || {
        Some(error(
            ErrorType::ProtocolUnexpectedResponse,
            "NO Mailbox doesn't exist: Archive",
        ))
    };
    let steps = [
        ("resolve", None, 300, None),
        ("connect", None, 900, None),
        ("tls", None, 2_700, None),
        ("greeting", None, 3_000, None),
        ("capability", None, 3_200, None),
        ("login", None, 5_000, None),
        ("select", Some("INBOX"), 6_000, missing()),
        ("select", Some("Archive"), 7_000, other()),
        ("logout", None, 9_000, None),
    ];
    let phases = played(0, at(1_000_000), &steps);
    finished(
        "mail-boxes",
        at(1_000_000),
        vec![attempt(0, 9_100, missing(), phases)],
    )
}

/// Nobody listened at first; the second attempt passed.
pub(crate) fn retry() -> Report {
    let refused = || {
        Some(error(
            ErrorType::ConnectionRefused,
            "192.0.2.1:993 refused the connection",
        ))
    };
    let first = played(
        0,
        at(2_000_000),
        &[("resolve", None, 300, None), ("connect", None, 900, refused())],
    );
    let second = played(
        210_000,
        at(2_000_000),
        &[
            ("resolve", None, 210_300, None),
            ("connect", None, 211_000, None),
            ("tls", None, 219_000, None),
            ("greeting", None, 224_000, None),
            ("capability", None, 226_000, None),
            ("login", None, 250_000, None),
            ("select", Some("INBOX"), 253_000, None),
            ("select", Some("Archive"), 254_000, None),
            ("logout", None, 256_000, None),
        ],
    );
    let attempts = vec![
        attempt(0, 1_000, refused(), first),
        attempt(210_000, 256_100, None, second),
    ];
    finished("mail-flaky", at(2_000_000), attempts)
}

/// One mailbox was slow and the next one reset, both on purpose.
pub(crate) fn injected() -> Report {
    let reset = || {
        let mut reset = error(ErrorType::ConnectionReset, "the peer reset the connection");
        reset.injected = true;
        Some(reset)
    };
    let steps = [
        ("resolve", None, 300, None),
        ("connect", None, 900, None),
        ("tls", None, 2_700, None),
        ("greeting", None, 3_000, None),
        ("capability", None, 3_200, None),
        ("login", None, 5_000, None),
        ("select", Some("INBOX"), 1_006_000, None),
        ("select", Some("Archive"), 1_006_200, reset()),
    ];
    let mut phases = played(0, at(5_000_000), &steps);
    phases[6].injected = true;
    let mut report = finished(
        "mail-drill",
        at(5_000_000),
        vec![attempt(0, 1_006_300, reset(), phases)],
    );
    let fault = |fault: &str, detail: &str, after| InjectedFault {
        fault: fault.to_owned(),
        call: "net.read",
        phase: Some("select".to_owned()),
        detail: Some(detail.to_owned()),
        at: at(after),
    };
    report.faults = vec![
        fault("phase:select[INBOX] net.read=delay 1s times 1", "INBOX", 5_100),
        fault("phase:select[Archive]=connection-reset", "Archive", 1_006_150),
    ];
    report
}

/// A plugin that panicked.
pub(crate) fn trap() -> Report {
    let trapped = error(ErrorType::PluginTrap, "unreachable executed in `dialogue::take`");
    let steps = [
        ("resolve", None, 300, None),
        ("connect", None, 900, None),
        ("tls", None, 2_700, None),
        ("greeting", None, 3_000, None),
    ];
    let phases = cut_off(0, at(5_000_000), &steps, "capability", at(3_100));
    finished(
        "mail-broken",
        at(5_000_000),
        vec![attempt(0, 3_100, Some(trapped), phases)],
    )
}

/// A check whose breaker is open.
pub(crate) fn skipped() -> Report {
    let open = error(ErrorType::CircuitOpen, "5 runs failed in a row, next try in 25 s");
    let mut report = finished("mail-sick", at(5_000_000), Vec::new());
    report.outcome = open.error_type.outcome();
    report.blame = Some(open.error_type.blame());
    report.error = Some(open);
    report
}

/// A run whose second attempt was under way when the runner was told to stop.
pub(crate) fn cancelled() -> Report {
    let mut report = retry();
    let cancelled = |message| error(ErrorType::Cancelled, message);
    let phases = cut_off(
        210_000,
        report.deadline,
        &[("resolve", None, 210_300, None), ("connect", None, 211_000, None)],
        "greeting",
        at(256_100),
    );
    let during = cancelled("the run was cancelled during this attempt");
    report.attempts[1] = attempt(210_000, 256_100, Some(during), phases);
    report.outcome = Outcome::Skipped;
    report.blame = Some(Blame::Runner);
    report.error = Some(cancelled("the run was cancelled before it came to its end"));
    report
}

/// A run that passed, more slowly than it should.
pub(crate) fn slow() -> Report {
    let mut report = pass();
    report.check = "mail-slow".to_owned();
    report.thresholds = Some(ReportedThresholds {
        warn: Some(at(40_000)),
        fail: Some(at(500_000)),
    });
    report.warnings =
        vec!["the run took 0.043 s, over the threshold of 0.04 s (`thresholds.warn`)".to_owned()];
    report
}

/// A run whose attempt passed, too slowly.
pub(super) fn too_slow() -> Report {
    let mut report = slow();
    report.thresholds = Some(ReportedThresholds {
        warn: None,
        fail: Some(at(42_000)),
    });
    report.warnings.clear();
    report.outcome = Outcome::Fail;
    report.blame = Some(Blame::Target);
    report.error = Some(error(
        ErrorType::AssertionFailed,
        "the run took 0.043 s, over the threshold of 0.042 s (`thresholds.fail`)",
    ));
    report
}

/// Everything from outside tries to break the terminal, and every text is long.
pub(crate) fn hostile() -> Report {
    let evil = "\x1b[2J\u{9b}31m\r\n| 'evil'=\"1\"; \u{202e}日本語 ".repeat(12);
    let refused = || Some(error(ErrorType::Own("imap.\nover_quota".repeat(5)), &evil));
    let mut report = wrong_password();
    report.check = format!("check {evil}");
    report.plugin.name = evil.clone();
    let steps = [
        ("login", Some(evil.as_str()), 400_000, refused()),
        ("select", Some("\x07"), 500_000, None),
    ];
    report.attempts = vec![
        attempt(0, 31_400, refused(), played(0, at(700_000), &steps)),
        attempt(40_000, 500_000, refused(), played(40_000, at(700_000), &steps)),
    ];
    report.error = refused();
    report.duration = at(500_000);
    report.deadline = at(700_000);
    report.log.push(LogLine {
        at: at(1),
        phase: None,
        detail: None,
        level: LogLevel::Error,
        message: evil.clone(),
    });
    report.measurements.push(Measurement {
        name: evil.clone(),
        value: 1e9,
        unit: evil.clone(),
        attributes: BTreeMap::from([("mailbox".to_owned(), evil)]),
    });
    report
}
