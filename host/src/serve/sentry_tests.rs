//! Events that arrive, and those that must not be waited for.

use super::*;
use crate::serve::testing::Server;

const BOUND: Duration = Duration::from_secs(10);

fn dsn(server: &Server) -> String {
    format!("{}/prefix/42", server.url().replace("http://", "http://0a1b2c@"))
}

fn event() -> Event {
    Event {
        kind: "panic".to_owned(),
        message: "index out of bounds".to_owned(),
        location: Some("host/src/serve/daemon.rs:1:2".to_owned()),
        is_fatal: false,
        context: vec![("task", "agenda".to_owned()), ("doing", "sorting".to_owned())],
    }
}

#[test]
fn an_event_arrives_as_an_envelope_with_what_is_known() {
    let server = Server::start(&[]);
    let outbound = Outbound::start().unwrap();
    let sentry = Sentry::new(&dsn(&server), outbound.clone()).unwrap();
    sentry.send(&event());
    assert!(outbound.flush(BOUND));
    let heard = server.heard();
    assert_eq!(heard[0].target, "/prefix/api/42/envelope/");
    let authorization = heard[0].header("x-sentry-auth").unwrap();
    assert!(
        authorization.starts_with("Sentry sentry_version=7"),
        "{authorization}"
    );
    assert!(authorization.ends_with("sentry_key=0a1b2c"), "{authorization}");
    assert_eq!(
        heard[0].header("content-type"),
        Some("application/x-sentry-envelope")
    );
    let lines: Vec<&str> = heard[0].body.lines().collect();
    let [head, item, payload] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let (head, item, event) = (parsed(head), parsed(item), parsed(payload));
    assert_eq!(item["length"], payload.len());
    assert_eq!(head["event_id"], event["event_id"]);
    assert_eq!(event["event_id"].as_str().unwrap().len(), 32);
    assert_eq!(event["exception"]["values"][0]["type"], "panic");
    assert_eq!(event["exception"]["values"][0]["value"], "index out of bounds");
    assert_eq!(event["tags"], json!({"task": "agenda"}));
    assert_eq!(event["extra"]["doing"], "sorting");
    assert!(!heard[0].body.contains("0a1b2c"));
}

#[test]
fn a_refusal_closes_the_way_for_as_long_as_it_says() {
    let server = Server::start(&[429]);
    let outbound = Outbound::start().unwrap();
    let sentry = Sentry::new(&dsn(&server), outbound.clone()).unwrap();
    sentry.send(&event());
    assert!(outbound.flush(BOUND));
    sentry.send(&event());
    assert!(outbound.flush(BOUND));
    assert_eq!(server.heard().len(), 1);
    assert_eq!(sentry.dropped(), 2);
}

#[test]
fn no_refusal_closes_the_way_for_ever() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://key@{}/1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let answer = b"HTTP/1.1 429 Too Many\r\nretry-after: 99999999\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
        // Closed before all is read, it would be reset.
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    let outbound = Outbound::start().unwrap();
    let sentry = Sentry::new(&dsn, outbound.clone()).unwrap();
    sentry.send(&event());
    assert!(outbound.flush(BOUND));
    let soon = Instant::now() + LONGEST_PAUSE / 2;
    assert!(!sentry.0.admits(soon), "it is closed");
    assert!(sentry.0.admits(soon + LONGEST_PAUSE), "and open again");
}

#[test]
fn no_more_events_wait_than_fit() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let outbound = Outbound::start().unwrap();
    let dsn = format!("http://key@{}/1", silent.local_addr().unwrap());
    let sentry = Sentry::new(&dsn, outbound.clone()).unwrap();
    for _ in 0..100 {
        sentry.send(&event());
    }
    assert_eq!(sentry.dropped(), 100 - u64::from(MAX_A_MINUTE));
    assert!(!outbound.flush(Duration::from_millis(20)));
}

#[test]
fn what_is_no_dsn_is_refused_without_repeating_it() {
    let outbound = Outbound::start().unwrap();
    for text in [
        "",
        "https://host/1",
        "https://key@host",
        "https://key@host/",
        "key@host/1",
        "ftp://key@host/1",
    ] {
        let sentence = Sentry::new(text, outbound.clone()).err().expect(text);
        assert!(!sentence.contains("@host/"), "{sentence}");
    }
}
