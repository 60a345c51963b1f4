//! Every server as a plain client sees it, and what the scenarios say beside each other.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::{CertificateError, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::raw::{Stream, Visit, read_until};
use super::*;

/// Nothing here takes long; a server that hangs where it should not must not hang the tests.
async fn soon<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("an answer in time")
}

async fn line(stream: &mut dyn Stream) -> String {
    read_until(stream, b"\r\n").await
}

/// Sends a command with the tag `a` and gives the lines of its answer.
async fn command(stream: &mut dyn Stream, command: &str) -> Vec<String> {
    stream
        .write_all(format!("a {command}\r\n").as_bytes())
        .await
        .unwrap();
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.starts_with("a ")) {
        lines.push(line(stream).await);
    }
    lines
}

fn authenticate() -> String {
    format!(
        "AUTHENTICATE PLAIN {}",
        BASE64_STANDARD.encode(format!("\0{USER}\0{PASSWORD}"))
    )
}

async fn check_mailboxes(stream: &mut dyn Stream) {
    let login = command(stream, &authenticate()).await;
    assert!(login[0].starts_with("a OK "), "{login:?}");
    for (mailbox, exists) in [("INBOX", "* 3 EXISTS\r\n"), ("Archive", "* 12 EXISTS\r\n")] {
        let opened = command(stream, &format!("EXAMINE {mailbox}")).await;
        assert!(opened.iter().any(|line| line == exists), "{opened:?}");
        assert!(opened.last().unwrap().starts_with("a OK "), "{opened:?}");
    }
    let left = command(stream, "LOGOUT").await;
    assert!(
        left[0].starts_with("* BYE") && left[1].starts_with("a OK"),
        "{left:?}"
    );
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

async fn get_health(stream: &mut dyn Stream) -> String {
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: demo\r\n\r\n")
        .await
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn healthy_mail_servers_open_their_mailboxes() {
    let servers = Servers::start().await.unwrap();
    soon(async {
        let visit = Visit::to(&servers, "imap-healthy");
        let mut stream = visit.tls(visit.plain().await).await.unwrap();
        assert!(
            line(&mut *stream)
                .await
                .starts_with("* OK [CAPABILITY IMAP4rev1 ")
        );
        check_mailboxes(&mut *stream).await;

        let visit = Visit::to(&servers, "imap-starttls");
        let mut stream = visit.plain().await;
        assert!(line(&mut stream).await.contains(" STARTTLS LOGINDISABLED]"));
        let refused = command(&mut stream, &authenticate()).await;
        assert!(refused[0].starts_with("a NO [PRIVACYREQUIRED]"), "{refused:?}");
        assert!(command(&mut stream, "STARTTLS").await[0].starts_with("a OK "));
        let mut stream = visit.tls(stream).await.unwrap();
        check_mailboxes(&mut *stream).await;
    })
    .await;
}

#[tokio::test]
async fn a_changed_password_is_refused() {
    let servers = Servers::start().await.unwrap();
    soon(async {
        let visit = Visit::to(&servers, "imap-wrong-password");
        let mut stream = visit.tls(visit.plain().await).await.unwrap();
        line(&mut *stream).await;
        let refused = command(&mut *stream, &authenticate()).await;
        assert!(
            refused[0].starts_with("a NO [AUTHENTICATIONFAILED]"),
            "{refused:?}"
        );
        let refused = command(&mut *stream, &format!("LOGIN {USER} {PASSWORD}")).await;
        assert!(
            refused[0].starts_with("a NO [AUTHENTICATIONFAILED]"),
            "{refused:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn stripped_starttls_is_neither_offered_nor_done() {
    let servers = Servers::start().await.unwrap();
    soon(async {
        let mut stream = Visit::to(&servers, "imap-starttls-stripped").plain().await;
        let greeting = line(&mut stream).await;
        assert!(
            greeting.starts_with("* OK ") && !greeting.contains("STARTTLS"),
            "{greeting}"
        );
        let capabilities = command(&mut stream, "CAPABILITY").await;
        assert!(!capabilities[0].contains("STARTTLS"), "{capabilities:?}");
        assert!(command(&mut stream, "STARTTLS").await[0].starts_with("a BAD "));
        check_mailboxes(&mut stream).await;
    })
    .await;
}

#[tokio::test]
async fn expired_certificates_are_refused_for_that() {
    let servers = Servers::start().await.unwrap();
    soon(async {
        for name in ["imap-expired-certificate", "http-expired-certificate"] {
            let visit = Visit::to(&servers, name);
            let error = visit.tls(visit.plain().await).await.map(drop).unwrap_err();
            let Error::InvalidCertificate(CertificateError::ExpiredContext { .. }) = error else {
                panic!("{name}: {error:?}");
            };
        }
    })
    .await;
}

#[tokio::test]
async fn hanging_servers_say_nothing_more_than_their_banner() {
    let servers = Servers::start().await.unwrap();
    soon(async {
        for (name, banner) in [
            ("imap-hangs-after-banner", "* OK bedcheck demo server ready\r\n"),
            ("imap-silent", ""),
            ("http-silent", ""),
        ] {
            let mut stream = Visit::to(&servers, name).plain().await;
            stream.write_all(b"a CAPABILITY\r\n\r\n").await.unwrap();
            // Only the client's end makes them close, so all that they will ever say has been said then.
            stream.shutdown().await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, banner, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn closed_ports_refuse() {
    let servers = Servers::start().await.unwrap();
    for name in ["imap-closed-port", "http-closed-port"] {
        let error = TcpStream::connect(Visit::to(&servers, name).address())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{name}");
    }
}

#[tokio::test]
async fn web_servers_answer_as_they_are() {
    let servers = Servers::start().await.unwrap();
    soon(async {
        let up = get_health(&mut Visit::to(&servers, "http-healthy").plain().await).await;
        assert!(
            up.starts_with("HTTP/1.1 200 OK\r\n") && up.ends_with(r#"{"status":"up"}"#),
            "{up}"
        );

        let visit = Visit::to(&servers, "http-tls");
        let over_tls = get_health(&mut *visit.tls(visit.plain().await).await.unwrap()).await;
        assert_eq!(over_tls, up);

        let down = get_health(&mut Visit::to(&servers, "http-error-503").plain().await).await;
        assert!(down.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{down}");
    })
    .await;
}

#[tokio::test]
async fn the_drip_begins_with_a_whole_head() {
    let servers = Servers::start().await.unwrap();
    soon(async {
        let mut stream = Visit::to(&servers, "http-drip").plain().await;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: demo\r\n\r\n")
            .await
            .unwrap();
        let head = read_until(&mut stream, b"\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let mut received = [0; 64];
        assert_eq!(
            stream.read(&mut received).await.unwrap(),
            1,
            "more than one byte at a time"
        );
        assert_eq!(received[0], b'{');
    })
    .await;
}

#[tokio::test]
async fn sick_servers_are_told_apart_by_what_their_reports_must_say() {
    let servers = Servers::start().await.unwrap();
    let sick: Vec<&Scenario> = servers
        .scenarios()
        .iter()
        .filter(|scenario| scenario.expected != Expected::PASS)
        .collect();
    let reports: HashSet<_> = sick
        .iter()
        .map(|scenario| {
            (
                scenario.plugin,
                scenario.expected.error_type,
                scenario.expected.phase,
            )
        })
        .collect();
    assert_eq!(reports.len(), sick.len());
    assert_eq!(servers.scenarios().len() - sick.len(), 4);
}

#[tokio::test]
async fn scenarios_lead_to_their_own_loopback_server_and_hold_no_password() {
    let servers = Servers::start().await.unwrap();
    let mut names = HashSet::new();
    let mut addresses = HashSet::new();
    for Scenario {
        name,
        address,
        plugin,
        settings,
        ..
    } in servers.scenarios()
    {
        assert!(names.insert(name) && addresses.insert(address), "{name} twice");
        assert!(
            name.starts_with(&format!("{plugin}-")),
            "{name} is not of {plugin}"
        );
        assert!(address.ip().is_loopback(), "{name}");
        let settings = settings.to_string();
        assert!(
            settings.contains(&address.port().to_string()),
            "{name}: {settings}"
        );
        assert!(
            !settings.contains(PASSWORD) && !settings.contains(CHANGED_PASSWORD),
            "{name}"
        );
    }
}

#[tokio::test]
async fn dropping_stops_every_server() {
    let servers = Servers::start().await.unwrap();
    let addresses: Vec<_> = servers
        .scenarios()
        .iter()
        .map(|scenario| scenario.address)
        .collect();
    let mut stream = Visit::to(&servers, "imap-silent").plain().await;
    drop(servers);
    // A reset is as good an end: the connection may not have been accepted yet.
    let ended = soon(stream.read(&mut [0])).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    for address in addresses {
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{address}");
    }
}
