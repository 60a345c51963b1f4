//! Whole conversations as byte strings, in portions of every size that matters.

use std::io::Write;

use bedcheck_sdk::{CallError, Reason};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;
use crate::script::{Peer, request};

const LIMIT: usize = 100;

/// What comes of `bytes`: the same, all at once or in any portions.
fn receive_as(settings: &serde_json::Value, bytes: impl AsRef<[u8]>) -> Result<Response, Failure> {
    let results = [usize::MAX, 1, 2, 3, 16].map(|portion| {
        let mut peer = Peer::new(&bytes, portion);
        ask(&mut peer, &request(settings)).and_then(|answer| answer.finish(&mut peer, LIMIT))
    });
    let told: Vec<String> = results.iter().map(|result| format!("{result:?}")).collect();
    for other in &told[1..] {
        assert_eq!(other, &told[0]);
    }
    results.into_iter().next().expect("five results")
}

fn receive(bytes: impl AsRef<[u8]>) -> Result<Response, Failure> {
    receive_as(&json!({ "url": "http://example.org/" }), bytes)
}

fn body(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8(receive(bytes).expect("a response").body).expect("text")
}

fn is_closed(failure: &Failure) -> bool {
    matches!(failure.reason(), Reason::Call(CallError::ConnectionClosed))
}

fn sent(settings: serde_json::Value) -> String {
    let mut peer = Peer::new("HTTP/1.1 204 No Content\r\n\r\n", usize::MAX);
    ask(&mut peer, &request(&settings)).expect("an answer");
    peer.heard
}

#[test]
fn a_plain_request_has_the_usual_fields() {
    let heard = sent(json!({ "url": "http://example.org:8080/a?b=c#d" }));
    let (line, fields) = heard.split_once("\r\n").expect("a line");
    assert_eq!(line, "GET /a?b=c HTTP/1.1");
    let (fields, content) = fields.split_once("\r\n\r\n").expect("an end of the head");
    let mut fields: Vec<_> = fields.split("\r\n").collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "accept-encoding: gzip, deflate",
            "accept: */*",
            "connection: close",
            "host: example.org:8080",
            concat!("user-agent: bedcheck/", env!("CARGO_PKG_VERSION")),
        ]
    );
    assert_eq!(content, "");
}

#[test]
fn a_request_carries_the_trace_where_it_may_be_told_and_the_settings_say_no_other() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = |trace_parent: Option<&str>, settings: serde_json::Value| {
        let mut peer = Peer::new("HTTP/1.1 204 No Content\r\n\r\n", usize::MAX);
        peer.trace_parent = trace_parent.map(str::to_owned);
        ask(&mut peer, &request(&settings)).expect("an answer");
        peer.heard
    };
    let plain = json!({ "url": "http://example.org/" });
    assert!(sent(Some(parent), plain.clone()).contains(&format!("traceparent: {parent}\r\n")));
    assert!(!sent(None, plain).contains("traceparent"));
    let own = json!({ "url": "http://example.org/", "headers": { "Traceparent": "mine" } });
    let heard = sent(Some(parent), own);
    assert!(
        heard.contains("traceparent: mine\r\n") && !heard.contains(parent),
        "{heard}"
    );
}

#[test]
fn a_request_and_its_response_are_described_without_the_query() {
    let mut peer = Peer::new("HTTP/1.0 404 Not Found\r\n\r\n", usize::MAX);
    ask(
        &mut peer,
        &request(&json!({ "url": "http://example.org:81/a?token=1", "method": "POST" })),
    )
    .expect("an answer");
    assert_eq!(
        peer.facts,
        [
            "http.request.method=POST",
            "url.full=http://example.org:81/a",
            "server.address=example.org",
            "server.port=81",
            "network.protocol.name=http",
            "user_agent.synthetic.type=test",
            "http.response.status_code=404",
            "network.protocol.version=1.0",
        ]
    );
}

#[test]
fn the_host_is_that_of_the_url_or_of_the_settings() {
    assert!(sent(json!({ "url": "https://example.org:443/" })).contains("host: example.org\r\n"));
    assert!(sent(json!({ "url": "http://[2001:db8::1]:81/" })).contains("host: [2001:db8::1]:81\r\n"));
    let own = sent(json!({ "url": "http://192.0.2.1/", "headers": { "Host": "front.example" } }));
    assert!(
        own.contains("host: front.example\r\n") && !own.contains("192.0.2.1"),
        "{own}"
    );
}

#[test]
fn fields_of_the_settings_replace_the_usual_ones() {
    let heard = sent(
        json!({ "url": "http://example.org/", "headers": { "User-Agent": "x", "ACCEPT": "text/html" } }),
    );
    assert!(
        heard.contains("user-agent: x\r\n") && heard.contains("accept: text/html\r\n"),
        "{heard}"
    );
    assert!(!heard.contains("bedcheck") && !heard.contains("*/*"), "{heard}");
}

#[test]
fn content_is_announced_and_follows_the_head() {
    let heard = sent(json!({ "url": "http://example.org/", "method": "POST", "body": "a=ä" }));
    assert!(
        heard.contains("content-length: 4\r\n") && heard.ends_with("\r\n\r\na=ä"),
        "{heard}"
    );
    let heard = sent(json!({ "url": "http://example.org/", "method": "PUT" }));
    assert!(
        heard.contains("content-length: 0\r\n") && heard.ends_with("\r\n\r\n"),
        "{heard}"
    );
    let heard = sent(json!({ "url": "http://example.org/", "body": "query" }));
    assert!(
        heard.starts_with("GET ") && heard.ends_with("\r\n\r\nquery"),
        "{heard}"
    );
    let heard = sent(json!({ "url": "http://example.org/", "method": "PROPFIND", "body": "<x/>" }));
    assert!(
        heard.starts_with("PROPFIND / ") && heard.ends_with("\r\n\r\n<x/>"),
        "{heard}"
    );
}

#[test]
fn secrets_are_put_in_before_the_end_of_the_head() {
    let heard = sent(json!({
        "url": "http://example.org/", "method": "POST", "body": "x\r\n\r\ny",
        "basic": { "user": "probe", "password": { "secret": "front" } },
        "headers": { "X-Key": { "secret": "key" }, "User-Agent": { "secret": "agent" } },
    }));
    let (head, content) = heard.split_once("\r\n\r\n").expect("an end of the head");
    assert_eq!(content, "x\r\n\r\ny");
    let fields: Vec<_> = head.split("\r\n").collect();
    for field in [
        "authorization: Basic base64(probe:<front>)",
        "x-key: <key>",
        "user-agent: <agent>",
    ] {
        assert_eq!(
            fields.iter().filter(|&&other| other == field).count(),
            1,
            "{head}"
        );
    }
    assert_eq!(
        fields
            .iter()
            .filter(|field| field.starts_with("user-agent:"))
            .count(),
        1,
        "{head}"
    );
    let heard = sent(json!({ "url": "http://example.org/", "bearer": { "secret": "token" } }));
    assert!(
        heard.ends_with("\r\nauthorization: Bearer <token>\r\n\r\n"),
        "{heard}"
    );
}

#[test]
fn long_lines_are_written_whole() {
    let long = "x".repeat(20_000);
    let heard = sent(json!({ "url": format!("http://example.org/{long}"), "headers": { "X-Long": long } }));
    assert!(heard.starts_with(&format!("GET /{long} HTTP/1.1\r\n")));
    assert!(heard.contains(&format!("x-long: {long}\r\n")) && heard.ends_with("\r\n\r\n"));
}

#[test]
fn bodies_end_as_the_head_says() {
    assert_eq!(
        body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more"),
        "hello"
    );
    assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "until the end");
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "");
    assert_eq!(
        body(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\nC: d\r\n\r\n"
        ),
        "hello"
    );
    assert_eq!(
        body("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
        "hello"
    );
    let signature = "a".repeat(64);
    assert_eq!(
        body(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;chunk-signature={signature}\r\nok\r\n0\r\n\r\n"
        )),
        "ok"
    );
    // Chunks go before a length, whatever it says; the same length twice is one.
    for length in ["5", "x", "", "4, 5"] {
        let fields = format!("Content-Length: {length}\r\nTransfer-Encoding: chunked");
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        assert_eq!(body(answer), "ok", "{length}");
    }
    for lengths in ["2, 2", "2\r\nContent-Length: 02"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\nok, and more");
        assert_eq!(body(answer), "ok", "{lengths}");
    }
    let head = json!({ "url": "http://example.org/", "method": "HEAD" });
    for fields in [
        "1 {} x\r\nContent-Length: 5",
        "1 {} x\r\nContent-Length: x",
        "1 {} x\r\nContent-Length:",
        "1 {} x\r\nContent-Length: 5\r\nContent-Length: 6",
        "1 {} x\r\nTransfer-Encoding: gzip, chunked",
        "0 {} x\r\nTransfer-Encoding: chunked",
    ] {
        let answer = |status| format!("HTTP/1.{}\r\n\r\n", fields.replace("{}", status));
        for status in ["204", "304"] {
            assert_eq!(body(answer(status)), "");
        }
        let response = receive_as(&head, answer("200")).expect("a response");
        assert_eq!(response.received, 0);
    }
}

#[test]
fn old_and_informational_responses_are_understood() {
    let response = receive("HTTP/1.0 200 OK\r\n\r\nold").expect("a response");
    assert_eq!(
        (response.version, response.body.as_slice()),
        (Version::HTTP_10, b"old".as_slice())
    );
    let response = receive(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 100 Continue\r\nServer: x\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nContent-Length: x\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .expect("a response");
    assert_eq!(
        (response.status.as_u16(), response.body.as_slice()),
        (200, b"ok".as_slice())
    );
    assert_eq!(response.fields.get("link"), None);
}

#[test]
fn a_refusal_that_comes_before_the_request_is_sent_whole_is_an_answer() {
    let asked = request(&json!({ "url": "http://example.org/", "method": "POST", "body": "a=1" }));
    for error in [CallError::ConnectionReset, CallError::ConnectionClosed] {
        let heard = |says: &str| {
            let mut peer = Peer::new(says, usize::MAX);
            peer.refuses = Some(error.clone());
            ask(&mut peer, &asked).map(|answer| answer.head.status.as_u16())
        };
        let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(heard(refusal).expect("a refusal"), 413);
        // What could not be sent is the failure where there is no answer.
        for nothing in ["", "HTTP/1.1 413 Cont"] {
            let failure = heard(nothing).expect_err("no answer");
            assert_eq!(
                format!("{:?}", failure.reason()),
                format!("{:?}", Reason::Call(error.clone()))
            );
        }
    }
    let mut peer = Peer::new("HTTP/1.1 200 OK\r\n\r\n", usize::MAX);
    peer.refuses = Some(CallError::DeadlineExceeded);
    assert!(ask(&mut peer, &asked).is_err(), "there is no time left to listen");
}

#[test]
fn a_long_head_that_comes_slowly_is_understood() {
    let long = "x".repeat(5000);
    let response = receive(format!(
        "HTTP/1.1 200 OK\r\nX-Long: {long}\r\nContent-Length: 2\r\n\r\nok"
    ))
    .expect("long");
    assert_eq!(response.fields.get("x-long"), Some(long.as_bytes()));
    assert_eq!(response.body, b"ok");
}

#[test]
fn gzip_is_decoded_and_measured_as_sent() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&[b'a'; LIMIT]).expect("writing to memory");
    let encoded = encoder.finish().expect("writing to memory");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        encoded.len()
    );
    let response = receive([head.as_bytes(), encoded.as_slice()].concat()).expect("a response");
    assert_eq!(
        (response.body.as_slice(), response.received),
        ([b'a'; LIMIT].as_slice(), encoded.len())
    );

    let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\n\x0b\x01\x80";
    assert_eq!(receive(head).expect("a response").body.len(), 3);
}

#[test]
fn too_much_is_too_large() {
    let endless = "x".repeat(70_000);
    for (bytes, message) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n".to_owned(),
            "the body has 101 bytes, `max_body` is 100 bytes",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n\r\n{endless}"),
            "the body is longer, `max_body` is 100 bytes",
        ),
        (
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n{endless}"),
            "the body is longer, `max_body` is 100 bytes",
        ),
        (
            format!("HTTP/1.1 200 OK\r\nX: {endless}"),
            "the response's head is longer than 65536 bytes",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(129)),
            "the response has more than 128 header fields",
        ),
    ] {
        let failure = receive(bytes).expect_err(message);
        assert!(matches!(failure.reason(), Reason::TooLarge), "{failure}");
        assert_eq!(failure.message(), message);
    }
}

#[test]
fn fields_in_former_spellings_are_read() {
    let response = receive(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>;\r\n rel=preload\r\n\r\n\
         HTTP/1.1 200 OK\r\nX-Folded: one \r\n\ttwo\r\n  \r\n three\r\nX-Empty:\n all\nX-Blank \t: four\r\n\
         Content-Length : 9\r\n\r\na\r\n b : c",
    )
    .expect("a response");
    let field = |name: &str| String::from_utf8_lossy(response.fields.get(name).expect(name)).into_owned();
    assert_eq!(field("x-folded"), "one two three");
    assert_eq!(field("x-empty"), "all");
    assert_eq!(field("x-blank"), "four");
    assert_eq!(response.body, b"a\r\n b : c");
    // There is nothing that it could continue.
    let failure = receive_head_of("HTTP/1.1 200 OK\r\n folded\r\n\r\n");
    assert!(failure.message().contains("invalid header name"), "{failure}");
}

fn receive_head_of(bytes: &str) -> Failure {
    let mut peer = Peer::new(bytes, usize::MAX);
    let asked = ask(&mut peer, &request(&json!({ "url": "http://example.org/" })));
    asked.err().expect("no answer")
}

#[test]
fn an_early_end_is_a_closed_connection() {
    for (bytes, message) in [
        ("", "the server closed the connection without an answer"),
        (
            "HTTP/1.1 200 OK\r\nContent-",
            r"the server closed the connection in the head of its response, which begins `HTTP/1.1 200 OK\r\nContent-`",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            "the server closed the connection after 5 of 10 bytes of the body",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "the server closed the connection after 5 bytes, before the last chunk",
        ),
    ] {
        let failure = receive(bytes).expect_err(message);
        assert!(is_closed(&failure), "{failure:?}");
        assert_eq!(failure.message(), message);
    }
}

#[test]
fn an_end_that_is_not_the_servers_own_ends_no_body_by_itself() {
    let receive = |bytes: &str| {
        let mut peer = Peer::new(bytes, usize::MAX);
        peer.is_cut = true;
        let answer = ask(&mut peer, &request(&json!({ "url": "https://example.org/" })));
        answer.and_then(|answer| answer.finish(&mut peer, LIMIT))
    };
    let failure = receive("HTTP/1.1 200 OK\r\n\r\nhalf a page").expect_err("half a page");
    assert!(is_closed(&failure), "{failure:?}");
    assert!(
        failure.message().contains("after 11 bytes of the body"),
        "{failure}"
    );
    for whole in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let response = receive(&format!("HTTP/1.1 200 OK\r\n{whole}"));
        assert_eq!(response.expect("a response").body, b"hello");
    }
}

#[test]
fn other_protocols_and_broken_http_are_unexpected() {
    for (bytes, message) in [
        (
            b"* OK ready\r\n".as_slice(),
            r"the answer is not HTTP/1.1 but looks like IMAP: it begins `* OK",
        ),
        (
            b"\x15\x03\x01\0\x02\x02\x16",
            r"the answer is not HTTP/1.1 but looks like TLS: it begins `\u{15}",
        ),
        (b"hello\r\n", "the answer is not HTTP/1.1: it begins `h"),
        (
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            "the answer breaks HTTP/1.1 (invalid response status)",
        ),
        (
            b"HTTP/1.1 099 OK\r\n\r\n",
            "the answer breaks HTTP/1.1 (invalid status code: 099)",
        ),
        (
            b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "the answer breaks HTTP/1.1 (invalid header name)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "the answer breaks HTTP/1.1: its `content-length` is `x`, wanted one length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
            "the answer breaks HTTP/1.1: its `content-length` is `+5`, wanted one length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
            "the answer breaks HTTP/1.1: its `content-length` is `5, 7`, wanted one length",
        ),
        (
            b"HTTP/2.0 200 OK\r\n\r\n",
            "the answer breaks HTTP/1.1 (invalid HTTP version)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "the transfer coding is `gzip, chunked`, wanted `chunked` or none",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "the body breaks HTTP: found `x` where the size of a chunk begins, wanted a hexadecimal digit",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
            "the body breaks HTTP: found `\\n` in the size of a chunk, wanted",
        ),
        (
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "the response is HTTP/1.0 and has a transfer coding",
        ),
        (
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
            "the response is HTTP/1.0 and has a transfer coding",
        ),
    ] {
        for portion in [1, usize::MAX] {
            let mut peer = Peer::new(bytes, portion);
            let failure = ask(&mut peer, &request(&json!({ "url": "http://example.org/" })))
                .and_then(|answer| answer.finish(&mut peer, LIMIT))
                .expect_err(message);
            assert!(
                matches!(failure.reason(), Reason::UnexpectedResponse),
                "{failure:?}"
            );
            // In small portions the fault is found before the rest of the greeting is in.
            let known = if portion == 1 {
                message.split('`').next().unwrap_or(message)
            } else {
                message
            };
            let told = failure.message();
            assert!(
                told.starts_with(known) || told.starts_with("the answer is not HTTP/1.1: it begins"),
                "{told}"
            );
        }
    }
}

#[test]
fn endless_framing_is_refused() {
    let chunk = |size: &str| format!("{size}\r\nx\r\n");
    for framing in [
        format!("0\r\nTrailer: {}", "x".repeat(70_000)),
        format!("0\r\n{}", "a: b\r\n".repeat(20_000)),
        chunk(&format!("1;{}", "x".repeat(1_000))).repeat(LIMIT),
        chunk(&format!("{}1", "0".repeat(1_000))).repeat(LIMIT),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{framing}");
        let failure = receive(bytes).expect_err("endless");
        assert!(matches!(failure.reason(), Reason::TooLarge), "{failure}");
        assert_eq!(
            failure.message(),
            "the chunked body has more framing than 65536 bytes and 8 for each byte of its content"
        );
    }
    // As small as chunks can be, there are as many as the body has bytes.
    let smallest = format!("{}0\r\n\r\n", chunk("1").repeat(LIMIT));
    let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{smallest}");
    assert_eq!(body(bytes).len(), LIMIT);
}
