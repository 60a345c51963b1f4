//! The promise that the README opens with: a wrong password, a server that hangs after its banner, one that
//! accepts and says nothing, and a closed port are four different reports, and a rejected password is told at
//! once, not when the time is up.

use bedcheck_tests::Program;
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::dovecot::{Dovecot, USER};
use bedcheck_tests::script::{ClosedPort, Script};
use serde_json::Value;

fn run(host: &str, port: u16) -> Value {
    let configuration = format!(
        r#"
        [[check]]
        name = "mail-login"
        plugin = "imap"
        budget.deadline = "2s"
        allow = ["{host}:{port}"]
        settings = {{ host = "{host}", port = {port}, tls = "none", user = "{USER}", password = {{ secret = "mail" }} }}

        [secrets]
        mail = {{ env = "MAIL_PASSWORD" }}
        "#
    );
    Program::run(&configuration)
        .env("MAIL_PASSWORD", "not the password")
        .finish()
        .report()
}

/// What an operator acts on.
fn gist(report: &Value) -> (String, String, bool) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let deadline = report["deadline_exceeded"].as_bool().unwrap_or_default();
    (
        text(&report["error"]["type"]),
        text(&report["error"]["phase"]),
        deadline,
    )
}

#[test]
fn four_failures_are_four_reports() {
    let dovecot = Dovecot::start(&Certificates::new());
    let hangs = Script::new().send("* OK ready\r\n").stall().serve();
    let silent = Script::new().stall().serve();
    let closed = ClosedPort::new();

    let reject = || run(dovecot.host(), dovecot.imap_port());
    // The first login waits for the server's own helpers to start.
    let _ = reject();
    let rejected = reject();
    assert_eq!(
        gist(&rejected),
        ("auth.rejected".into(), "login".into(), false),
        "{rejected:#}"
    );
    let message = rejected["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("AUTHENTICATIONFAILED"), "{message}");
    // A twentieth of the deadline, which a prober that waits for a match burns whole. A machine that is busy with other
    // tests keeps one of three waiting, and hardly all.
    let took = |report: &Value| report["duration_s"].as_f64().unwrap_or(f64::MAX);
    let soon = |report: &Value| took(report) < 0.1;
    assert!(
        soon(&rejected) || soon(&reject()) || soon(&reject()),
        "{rejected:#}"
    );

    let hung = run("127.0.0.1", hangs.port());
    assert_eq!(
        gist(&hung),
        ("deadline_exceeded".into(), "capability".into(), true),
        "{hung:#}"
    );
    let mute = run("127.0.0.1", silent.port());
    assert_eq!(
        gist(&mute),
        ("deadline_exceeded".into(), "greeting".into(), true),
        "{mute:#}"
    );
    let refused = run("127.0.0.1", closed.port());
    assert_eq!(
        gist(&refused),
        ("connection_refused".into(), "connect".into(), false),
        "{refused:#}"
    );

    for report in [rejected, hung, mute, refused] {
        assert_eq!(
            (&report["outcome"], &report["blame"]),
            (&"fail".into(), &"target".into()),
            "{report:#}"
        );
    }
}
