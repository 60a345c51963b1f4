//! The promise: against a real IMAP server a check logs in over implicit TLS, STARTTLS or plaintext, counts the
//! messages of each mailbox, and says truthfully what went wrong: a rejected password at once and in the server's
//! words, a mailbox that is missing without hiding the next, and each thing that a certificate can have.

mod report;

use bedcheck_tests::certificates::{Certificates, OTHER_NAME};
use bedcheck_tests::dovecot::{ARCHIVE_MESSAGES, Dovecot, INBOX_MESSAGES, PASSWORD, Plaintext, USER};
use bedcheck_tests::{Finished, Program};
use report::{duration, measurements, message, phases, verdict};
use serde_json::Value;

/// The phases of a run with nothing wrong in it, over implicit TLS.
const IMPLICIT: [&str; 9] = [
    "resolve ok",
    "connect ok",
    "tls ok",
    "greeting ok",
    "capability(from the greeting) ok",
    "login ok",
    "select(INBOX) ok",
    "select(Archive) ok",
    "logout ok",
];

/// The phases of a run with nothing wrong in it, with STARTTLS.
const STARTTLS: [&str; 10] = [
    "resolve ok",
    "connect ok",
    "greeting ok",
    "capability(from the greeting) ok",
    "tls ok",
    "capability(after STARTTLS) ok",
    "login ok",
    "select(INBOX) ok",
    "select(Archive) ok",
    "logout ok",
];

/// A check of this server. `more` is put into the check, and `settings` into its settings.
struct Check<'a> {
    dovecot: &'a Dovecot,
    tls: &'a str,
    more: String,
    settings: &'a str,
    password: &'a str,
}

impl<'a> Check<'a> {
    fn new(dovecot: &'a Dovecot, tls: &'a str) -> Self {
        Self {
            dovecot,
            tls,
            more: String::new(),
            settings: r#"mailboxes = ["INBOX", "Archive"]"#,
            password: PASSWORD,
        }
    }

    fn trusting(dovecot: &'a Dovecot, tls: &'a str, certificates: &Certificates) -> Self {
        let ca_file = certificates.authority_file();
        let more = format!("tls.ca_file = '{}'", ca_file.display());
        Self {
            more,
            ..Self::new(dovecot, tls)
        }
    }

    fn finish(&self) -> Finished {
        let Self {
            dovecot,
            tls,
            more,
            settings,
            password,
        } = self;
        let host = dovecot.host();
        let port = match *tls {
            "implicit" => dovecot.imaps_port(),
            _ => dovecot.imap_port(),
        };
        let configuration = format!(
            r#"
            [[check]]
            name = "mail-login"
            plugin = "imap"
            budget.deadline = "10s"
            allow = ["{host}:{port}"]
            {more}

            [check.settings]
            host = "{host}"
            port = {port}
            tls = "{tls}"
            user = "{USER}"
            password = {{ secret = "mail" }}
            {settings}

            [secrets]
            mail = {{ env = "MAIL_PASSWORD" }}
            "#
        );
        Program::run(&configuration)
            .env("MAIL_PASSWORD", password)
            .finish()
    }

    fn report(&self) -> Value {
        self.finish().report()
    }
}

/// What measurements say about a mailbox of which every message is unseen.
fn counts(mailbox: &str, messages: u32) -> [String; 2] {
    [
        format!("imap.mailbox.messages{{mailbox={mailbox}}} {messages} {{message}}"),
        format!("imap.mailbox.recent{{mailbox={mailbox}}} {messages} {{message}}"),
    ]
}

fn attribute<'r>(report: &'r Value, phase: &str, name: &str) -> &'r Value {
    let phases = report["attempts"][0]["phases"].as_array();
    let phase = phases.into_iter().flatten().find(|found| found["name"] == phase);
    phase.map_or(&Value::Null, |phase| &phase["attributes"][name])
}

#[test]
fn implicit_tls_reaches_every_phase_and_counts_the_messages() {
    let certificates = Certificates::new();
    let dovecot = Dovecot::start(&certificates);
    let finished = Check::trusting(&dovecot, "implicit", &certificates).finish();
    let report = finished.report();
    assert_eq!(
        (verdict(&report).as_str(), finished.code),
        ("pass", Some(0)),
        "{report:#}"
    );
    assert_eq!(phases(&report), IMPLICIT);
    let wanted = [
        counts("INBOX", INBOX_MESSAGES),
        counts("Archive", ARCHIVE_MESSAGES),
    ];
    assert_eq!(measurements(&report), wanted.concat());
    assert_eq!(attribute(&report, "tls", "tls.protocol.version"), "1.3");
    assert_eq!(
        attribute(&report, "tls", "tls.server.subject"),
        "CN=bedcheck test server"
    );
    assert_eq!(
        attribute(&report, "tls", "tls.server.issuer"),
        "CN=bedcheck test authority"
    );

    // The first run looked without touching: its messages are as recent as before.
    dovecot.deliver(2);
    let report = Check::trusting(&dovecot, "implicit", &certificates).report();
    assert_eq!(measurements(&report)[..2], counts("INBOX", INBOX_MESSAGES + 2));
}

#[test]
fn opening_by_select_takes_the_mark_recent_from_messages() {
    let dovecot = Dovecot::start(&Certificates::new());
    let check = Check {
        settings: r#"open = "select""#,
        ..Check::new(&dovecot, "none")
    };
    assert_eq!(measurements(&check.report()), counts("INBOX", INBOX_MESSAGES));
    let [messages, _] = counts("INBOX", INBOX_MESSAGES);
    let [_, recent] = counts("INBOX", 0);
    assert_eq!(measurements(&check.report()), [messages, recent]);
}

#[test]
fn starttls_is_a_phase_after_the_capabilities_and_opens_the_login() {
    let certificates = Certificates::new();
    // This server takes no password before TLS is on.
    let dovecot = Dovecot::start_requiring_tls(&certificates);
    let report = Check::trusting(&dovecot, "starttls", &certificates).report();
    assert_eq!(verdict(&report), "pass", "{report:#}\n{}", dovecot.log());
    assert_eq!(phases(&report), STARTTLS);
    let wanted = [
        counts("INBOX", INBOX_MESSAGES),
        counts("Archive", ARCHIVE_MESSAGES),
    ];
    assert_eq!(measurements(&report), wanted.concat());
}

#[test]
fn plaintext_has_no_phase_tls() {
    let dovecot = Dovecot::start(&Certificates::new());
    let report = Check::new(&dovecot, "none").report();
    assert_eq!(verdict(&report), "pass", "{report:#}\n{}", dovecot.log());
    let wanted: Vec<&str> = IMPLICIT
        .into_iter()
        .filter(|phase| !phase.starts_with("tls"))
        .collect();
    assert_eq!(phases(&report), wanted);
}

#[test]
fn a_server_that_takes_no_password_in_the_clear_is_not_given_one() {
    let dovecot = Dovecot::start_requiring_tls(&Certificates::new());
    let report = Check::new(&dovecot, "none").report();
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response login",
        "{report:#}"
    );
    assert!(message(&report).contains("LOGINDISABLED"), "{report:#}");
    // Only the logout was sent.
    assert_eq!(
        report["usage"]["bytes_written"],
        "A1 LOGOUT\r\n".len(),
        "{report:#}"
    );
}

#[test]
fn without_credentials_the_check_ends_after_the_capabilities() {
    let certificates = Certificates::new();
    let dovecot = Dovecot::start(&certificates);
    let (host, port, ca_file) = (
        dovecot.host(),
        dovecot.imaps_port(),
        certificates.authority_file(),
    );
    let configuration = format!(
        r#"
        [[check]]
        name = "mail"
        plugin = "imap"
        allow = ["{host}:{port}"]
        tls.ca_file = '{}'
        settings = {{ host = "{host}", port = {port} }}
        "#,
        ca_file.display()
    );
    let report = Program::run(&configuration).finish().report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(phases(&report), [&IMPLICIT[..5], &["logout ok"]].concat());
}

#[test]
fn a_missing_mailbox_does_not_hide_the_next() {
    let dovecot = Dovecot::start(&Certificates::new());
    let check = Check {
        settings: r#"mailboxes = ["INBOX", "Missing", "Archive"]"#,
        ..Check::new(&dovecot, "none")
    };
    let finished = check.finish();
    let report = finished.report();
    assert_eq!(finished.code, Some(2), "{report:#}");
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response select",
        "{report:#}"
    );
    assert!(
        message(&report).contains("Mailbox doesn't exist: Missing"),
        "{report:#}"
    );
    let wanted = [
        "select(INBOX) ok",
        "select(Missing) failed",
        "select(Archive) ok",
        "logout ok",
    ];
    assert!(
        phases(&report).ends_with(&wanted.map(str::to_owned)),
        "{report:#}"
    );
    let wanted = [
        counts("INBOX", INBOX_MESSAGES),
        counts("Archive", ARCHIVE_MESSAGES),
    ];
    assert_eq!(measurements(&report), wanted.concat());
}

#[test]
fn a_wrong_password_is_told_at_once_in_the_servers_words() {
    let certificates = Certificates::new();
    let dovecot = Dovecot::start(&certificates);
    // The first login waits for the server's own helpers to start.
    let right = Check::trusting(&dovecot, "implicit", &certificates);
    assert_eq!(verdict(&right.report()), "pass");

    let wrong = Check {
        password: "not \"the\\password",
        ..right
    };
    let mut fastest = f64::INFINITY;
    // What other processes take of the machine is not the program's; what all three take is.
    for _ in 0..3 {
        let finished = wrong.finish();
        let report = finished.report();
        assert_eq!(finished.code, Some(2), "{report:#}");
        assert_eq!(verdict(&report), "fail target auth.rejected login", "{report:#}");
        assert!(
            message(&report).contains("[AUTHENTICATIONFAILED] Authentication failed."),
            "{report:#}"
        );
        assert_eq!(report["deadline_exceeded"], false);
        assert_eq!(
            phases(&report)[5..],
            [
                "login failed",
                "select(INBOX) not-reached",
                "select(Archive) not-reached",
                "logout not-reached"
            ]
        );
        fastest = fastest.min(duration(&report));
    }
    // A hundredth of the deadline, which a prober that waits for an answer it likes burns whole.
    assert!(fastest < 0.1, "{fastest} s");
}

#[test]
fn the_password_is_in_nothing_that_is_printed() {
    let dovecot = Dovecot::start(&Certificates::new());
    let wrong = "a \"wrong\\one";
    // As they are, as JSON has them, and as they were sent (user and password, RFC 4616).
    let forms = [
        (
            PASSWORD,
            [PASSWORD, r#"p@ss \"w\\ord"#, "AHByb2JlAHBAc3MgIndcb3Jk"],
        ),
        (
            wrong,
            [wrong, r#"a \"wrong\\one"#, "AHByb2JlAGEgIndyb25nXG9uZQ=="],
        ),
    ];
    for (password, forms) in forms {
        let check = Check {
            password,
            ..Check::new(&dovecot, "none")
        };
        let finished = check.finish();
        for form in forms {
            assert!(!finished.mentions(form), "{form} is in {finished:#?}");
        }
    }
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let dovecot = Dovecot::start(&Certificates::new());
    for tls in ["implicit", "starttls"] {
        // Once with another authority's file, once with the system's authorities.
        for check in [
            Check::trusting(&dovecot, tls, &Certificates::new()),
            Check::new(&dovecot, tls),
        ] {
            let report = check.report();
            assert_eq!(
                verdict(&report),
                "fail target tls.certificate_invalid tls",
                "{report:#}"
            );
            assert!(!phases(&report).contains(&"login ok".to_owned()), "{report:#}");
        }
    }
}

#[test]
fn a_certificate_for_another_name_is_told_from_one_that_expired() {
    let certificates = Certificates::new();
    for (identity, error) in [
        (certificates.wrong_name(), "tls.name_mismatch"),
        (certificates.expired(), "tls.certificate_expired"),
    ] {
        let dovecot = Dovecot::start_with(&identity, Plaintext::Allowed);
        for tls in ["implicit", "starttls"] {
            let report = Check::trusting(&dovecot, tls, &certificates).report();
            assert_eq!(verdict(&report), format!("fail target {error} tls"), "{report:#}");
        }
    }
}

#[test]
fn not_to_verify_must_be_said_and_is_enough() {
    // Wrong in every way: unknown authority and another name.
    let dovecot = Dovecot::start_with(&Certificates::new().wrong_name(), Plaintext::Allowed);
    for tls in ["implicit", "starttls"] {
        let mut check = Check::new(&dovecot, tls);
        check.more = "tls.do_not_verify = true".into();
        let report = check.report();
        assert_eq!(verdict(&report), "pass", "{report:#}");
        let not_after = attribute(&report, "tls", "tls.server.not_after");
        assert!(
            not_after.is_string(),
            "the certificate's facts are told: {report:#}"
        );
    }
}

#[test]
fn the_name_to_verify_can_be_given() {
    let certificates = Certificates::new();
    let server_name = |dovecot, name| {
        let mut check = Check::trusting(dovecot, "implicit", &certificates);
        check.more += &format!("\ntls.server_name = \"{name}\"");
        check.report()
    };
    let dovecot = Dovecot::start_with(&certificates.wrong_name(), Plaintext::Allowed);
    let report = server_name(&dovecot, OTHER_NAME);
    assert_eq!(verdict(&report), "pass", "{report:#}");

    let dovecot = Dovecot::start(&certificates);
    let report = server_name(&dovecot, OTHER_NAME);
    assert_eq!(
        verdict(&report),
        "fail target tls.name_mismatch tls",
        "{report:#}"
    );
    assert!(message(&report).contains(OTHER_NAME), "{report:#}");
}
