//! The promise: against a real server, the plugin `tcp` goes through a dialogue step by step, over plaintext,
//! STARTTLS and implicit TLS; each step is a phase of its own, what was captured is reported, and a password that is
//! refused fails at once and in the server's words.

mod report;

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::dovecot::{Dovecot, PASSWORD, USER};
use bedcheck_tests::{Finished, Program};
use report::{duration, measurements, message, phases, verdict};

/// A login of IMAP with literals, so that the password needs no quotes, after the banner and STARTTLS.
const STARTTLS: &str = r#"
    { name = "banner", expect = '^\* OK \[CAPABILITY (?<version>IMAP4rev\d).*\] (?<software>\S+)', lines = 1 },
    { send = "a STARTTLS\r\n" },
    { expect = "^a OK", fail_if = "^a (NO|BAD)", fail_as = "tls.not_offered" },
    { starttls = true },
"#;

const LOGIN: &str = r#"
    { name = "credentials", send = ["b AUTHENTICATE PLAIN ", { base64 = ["\u0000USER\u0000", { secret = "mail" }] }, "\r\n"] },
    { name = "login", expect = "^b OK", fail_if = "^b (NO|BAD)", fail_as = "auth.rejected" },
    { send = "c LOGOUT\r\n" },
    { expect = '^\* BYE' },
    { expect = "^c OK", lines = 5 },
"#;

fn run(dovecot: &Dovecot, certificates: &Certificates, tls: &str, steps: &str, password: &str) -> Finished {
    let host = dovecot.host();
    let port = match tls {
        "implicit" => dovecot.imaps_port(),
        _ => dovecot.imap_port(),
    };
    let ca_file = certificates.authority_file();
    let steps = steps.replace("USER", USER);
    let configuration = format!(
        r#"
        [[check]]
        name = "dialogue"
        plugin = "tcp"
        budget.deadline = "10s"
        allow = ["self"]
        tls.ca_file = '{}'

        [check.settings]
        host = "{host}"
        port = {port}
        tls = "{tls}"
        steps = [{steps}]

        [secrets]
        mail = {{ env = "MAIL_PASSWORD" }}
        "#,
        ca_file.display()
    );
    Program::run(&configuration)
        .env("MAIL_PASSWORD", password)
        .finish()
}

#[test]
fn starttls_by_steps_and_a_login() {
    let certificates = Certificates::new();
    // This server takes no password before TLS is on.
    let dovecot = Dovecot::start_requiring_tls(&certificates);
    let steps = format!("{STARTTLS}{LOGIN}");
    let finished = run(&dovecot, &certificates, "none", &steps, PASSWORD);
    let report = finished.report();
    assert_eq!(verdict(&report), "pass", "{report:#}\n{}", dovecot.log());
    assert_eq!(
        phases(&report),
        [
            "resolve ok",
            "connect ok",
            "expect(banner) ok",
            "send(2) ok",
            "expect(3) ok",
            "tls ok",
            "send(credentials) ok",
            "expect(login) ok",
            "send(7) ok",
            "expect(8) ok",
            "expect(9) ok",
        ]
    );
    let measured = measurements(&report);
    assert_eq!(measured[0], "tcp.capture{software=Dovecot,version=IMAP4rev1} 1 1");
    assert!(
        measured[1].starts_with("tls.server.certificate.time_left{}"),
        "{measured:?}"
    );
    assert!(!finished.mentions(PASSWORD), "{finished:#?}");
}

#[test]
fn a_wrong_password_fails_at_once_in_the_servers_words() {
    let certificates = Certificates::new();
    let dovecot = Dovecot::start(&certificates);
    let steps = format!("{{ expect = '^\\* OK' }},{LOGIN}");
    for tls in ["none", "implicit"] {
        // The first login waits for the server's own helpers to start.
        assert_eq!(run(&dovecot, &certificates, tls, &steps, PASSWORD).code, Some(0));
        let finished = run(&dovecot, &certificates, tls, &steps, "wrong-password");
        let report = finished.report();
        assert_eq!(verdict(&report), "fail target auth.rejected expect", "{report:#}");
        assert!(
            message(&report).contains("b NO [AUTHENTICATIONFAILED]"),
            "{report:#}"
        );
        let told = phases(&report);
        assert!(told.contains(&"expect(login) failed".to_owned()), "{told:?}");
        assert!(told.contains(&"send(4) not-reached".to_owned()), "{told:?}");
        // A tenth of the deadline that blackbox_exporter would wait for.
        assert!(duration(&report) < 1.0, "{report:#}");
        assert!(!finished.mentions("wrong-password"), "{finished:#?}");
    }
}

#[test]
fn starttls_that_is_not_offered_gets_no_credentials() {
    let certificates = Certificates::new();
    let dovecot = Dovecot::start(&certificates);
    // Over TLS already, where it is not offered again.
    let steps = format!("{STARTTLS}{LOGIN}");
    let asked: String = steps.lines().filter(|line| !line.contains("starttls")).collect();
    let report = run(&dovecot, &certificates, "implicit", &asked, PASSWORD).report();
    assert_eq!(
        verdict(&report),
        "fail target tls.not_offered expect",
        "{report:#}"
    );
    assert!(
        phases(&report).contains(&"send(credentials) not-reached".to_owned()),
        "{report:#}"
    );
}
