//! The promise: whatever a web server does instead of its job, the report names the phase it happened in and what
//! it was, no run outlives its deadline and grace or fills its memory, what is sent is what was configured, and a
//! redirect takes no credentials to another origin.

mod report;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use bedcheck_tests::{Finished, Program};
use report::{duration, measurements, message, phases, verdict};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// The deadline and the grace of checks of servers that hang, in seconds.
const DEADLINE: f64 = 0.3;
const GRACE: f64 = 0.1;
/// How much later a run may end: the ticker's 5 ms, and the scheduling of a busy machine.
const LATE: f64 = 0.02;
/// The same budget for the configuration.
const SHORT: &str = "budget = { deadline = \"300ms\", grace = \"100ms\" }";

/// A token as servers issue them.
const TOKEN: &str = "eyJhbGciOi.J9eyJzdWIi";

/// Runs a check of this URL. `more` are keys of the check, and `settings` of its settings.
fn finish(url: &str, allow: &[u16], more: &str, settings: &str) -> Finished {
    let allow: Vec<String> = allow.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let configuration = format!(
        r#"
        [[check]]
        name = "front-page"
        plugin = "http"
        allow = [{}]
        {more}

        [check.settings]
        url = "{url}"
        {settings}

        [secrets]
        token = {{ env = "WEB_TOKEN" }}
        "#,
        allow.join(", ")
    );
    Program::run(&configuration).env("WEB_TOKEN", TOKEN).finish()
}

/// Runs a check of a peer without TLS.
fn run(script: Script, more: &str, settings: &str) -> Value {
    let peer = script.serve();
    let url = format!("http://127.0.0.1:{}/", peer.port());
    finish(&url, &[peer.port()], more, settings).report()
}

/// The beginning of every conversation: the peer has read the request.
fn asked() -> Script {
    Script::new().expect_through("\r\n\r\n")
}

/// A server that answers with these bytes, and hangs up.
fn answers(answer: impl AsRef<[u8]>) -> Value {
    run(asked().send(answer), "", "")
}

#[track_caller]
fn assert_hangs(script: Script, wanted: [&str; 2]) {
    let report = run(script, SHORT, "");
    assert_eq!(
        phases(&report),
        [&["resolve ok", "connect ok"], &wanted[..]].concat(),
        "{report:#}"
    );
    let hung = wanted
        .iter()
        .find_map(|phase| phase.strip_suffix(" deadline-exceeded"));
    let hung = hung.unwrap_or_default();
    assert_eq!(
        verdict(&report),
        format!("fail target deadline_exceeded {hung}"),
        "{report:#}"
    );
    assert_eq!(report["deadline_exceeded"], true, "{report:#}");
    assert_eq!(report["deadline_hit"]["phase"], hung, "{report:#}");
    assert_eq!(report["deadline_hit"]["host_call"], "net.read", "{report:#}");
    let duration = duration(&report);
    assert!(
        (DEADLINE..=DEADLINE + GRACE + LATE).contains(&duration),
        "{report:#}"
    );
}

#[test]
fn a_server_that_hangs_is_cut_in_the_phase_it_hangs_in() {
    let head = ["processing deadline-exceeded", "transfer not-reached"];
    assert_hangs(Script::new().stall(), head);
    assert_hangs(asked().stall(), head);
    assert_hangs(asked().send("HTTP/1.1 200 OK\r\nContent-Le").stall(), head);
    assert_hangs(asked().send("HTTP/1.1 103 Early Hints\r\n\r\n").stall(), head);
    let body = ["processing ok", "transfer deadline-exceeded"];
    assert_hangs(
        asked()
            .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell")
            .stall(),
        body,
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_hangs(asked().send(format!("{chunked}5\r\nhello\r\n")).stall(), body);
    // Without a length only the end of the connection ends the body.
    assert_hangs(asked().send("HTTP/1.1 200 OK\r\n\r\nhello").stall(), body);
}

#[test]
fn a_server_that_drips_is_cut_in_the_phase_it_drips_in() {
    let slowly = Duration::from_millis(20);
    let page = "x".repeat(1000);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let dripped = format!("{head}{page}");
    assert_hangs(
        asked().drip(dripped, slowly),
        ["processing deadline-exceeded", "transfer not-reached"],
    );
    assert_hangs(
        asked().send(head).drip(page, slowly),
        ["processing ok", "transfer deadline-exceeded"],
    );
}

#[test]
fn a_server_that_hangs_in_the_handshake_is_cut_there() {
    let peer = Script::new().stall().serve();
    let url = format!("https://127.0.0.1:{}/", peer.port());
    let report = finish(&url, &[peer.port()], SHORT, "").report();
    assert_eq!(
        verdict(&report),
        "fail target deadline_exceeded tls",
        "{report:#}"
    );
    assert_eq!(report["deadline_hit"]["host_call"], "net.start-tls", "{report:#}");
    assert!(duration(&report) <= DEADLINE + GRACE + LATE, "{report:#}");
}

#[test]
fn a_closed_port_is_refused_at_once() {
    let closed = ClosedPort::new();
    let url = format!("http://127.0.0.1:{}/", closed.port());
    let report = finish(&url, &[closed.port()], SHORT, "").report();
    assert_eq!(
        verdict(&report),
        "fail target connection_refused connect",
        "{report:#}"
    );
    assert_eq!(report["deadline_exceeded"], false, "{report:#}");
}

#[test]
fn a_response_that_ends_too_early_says_where() {
    for (answer, phase, words) in [
        ("", "processing", "without an answer"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "processing", "in the head"),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\n",
            "processing",
            "closed the connection",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            "transfer",
            "after 5 of 10 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "transfer",
            "before the last chunk",
        ),
    ] {
        let report = answers(answer);
        assert_eq!(
            verdict(&report),
            format!("fail target connection_closed {phase}"),
            "{report:#}"
        );
        assert!(message(&report).contains(words), "{report:#}");
    }
}

#[test]
fn a_page_that_ends_with_its_connection_is_whole_if_tls_says_so() {
    let certificates = Certificates::new();
    let trust = format!("tls.ca_file = '{}'", certificates.authority_file().display());
    let answers = |head: &str| {
        let tls = Script::new().start_tls(certificates.valid().server_config());
        tls.expect_through("\r\n\r\n")
            .send(format!("HTTP/1.1 200 OK\r\n{head}\r\nhalf a page"))
    };
    let visited = |script: Script| {
        let peer = script.serve();
        let url = format!("https://127.0.0.1:{}/", peer.port());
        finish(&url, &[peer.port()], &trust, "").report()
    };
    let report = visited(answers("").cut());
    assert_eq!(
        verdict(&report),
        "fail target connection_closed transfer",
        "{report:#}"
    );
    assert_eq!(
        message(&report),
        "the server closed the connection after 11 bytes of the body without the closing alert of TLS, and nothing else \
         says that the body is whole"
    );
    let report = visited(answers("").hang_up());
    assert_eq!(verdict(&report), "pass", "{report:#}");
    // Many servers close so, and where the body says itself where it ends, nothing is missing.
    let report = visited(answers("Content-Length: 11\r\n").cut());
    assert_eq!(verdict(&report), "pass", "{report:#}");
}

#[test]
fn a_reset_is_told_from_an_end() {
    let report = run(asked().reset(), "", "");
    assert_eq!(
        verdict(&report),
        "fail target connection_reset processing",
        "{report:#}"
    );
    // The read of the body finds the reset after the head was taken, or the head is lost with it: both are resets.
    let half = asked()
        .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        .reset();
    let report = run(half, "", "");
    assert_eq!(report["error"]["type"], "connection_reset", "{report:#}");
}

#[test]
fn a_server_that_speaks_something_else_is_told_so() {
    for (answer, words) in [
        ("SSH-2.0-OpenSSH_9.9\r\n", "SSH"),
        ("* OK [CAPABILITY IMAP4rev1] ready\r\n", "IMAP"),
        ("220 mx.example.org ESMTP\r\n", "SMTP"),
        ("\u{1}\u{2} rubbish\r\n", "not HTTP/1.1"),
        ("HTTP/1.1 twohundred OK\r\n\r\n", "breaks HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "breaks HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "breaks HTTP/1.1"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n",
            "breaks HTTP/1.1",
        ),
    ] {
        let report = run(asked().send(answer).stall(), "", "");
        assert_eq!(
            verdict(&report),
            "fail target protocol.unexpected_response processing",
            "{report:#}"
        );
        assert!(message(&report).contains(words), "{report:#}");
        assert_eq!(
            report["deadline_exceeded"], false,
            "the end was not waited for: {report:#}"
        );
    }
    for body in [
        "5\r\nhello!\r\n0\r\n\r\n",
        "five\r\nhello\r\n0\r\n\r\n",
        "-1\r\n",
        "5\nhello\n0\n\n",
    ] {
        let report = answers(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ));
        assert_eq!(
            verdict(&report),
            "fail target protocol.unexpected_response transfer",
            "{body}: {report:#}"
        );
    }
}

#[test]
fn chunks_in_a_response_of_http_1_0_are_no_body() {
    let report = answers("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response processing",
        "{report:#}"
    );
    assert!(message(&report).contains("HTTP/1.0"), "{report:#}");
}

#[test]
fn a_refusal_that_comes_before_the_request_is_sent_whole_is_what_the_server_said() {
    // The little that it holds of what it has not read keeps the client writing.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("an option of sockets");
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .expect("a free port");
    socket.listen(1).expect("listening");
    let listener = TcpListener::from(socket);
    let port = listener.local_addr().expect("it is bound").port();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        client.read_exact(&mut [0; 1000]).expect("part of a request");
        let refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
        // The rest is never read, so that the connection is reset.
        client.write_all(refusal).expect("the client is there");
    });
    let settings = format!("method = \"POST\"\nbody = \"{}\"", "x".repeat(3 * 1024 * 1024));
    let report = finish(&format!("http://127.0.0.1:{port}/"), &[port], "", &settings).report();
    assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    assert_eq!(message(&report), "status 413, expected 2xx");
    server.join().expect("the server does as it is told");
}

#[test]
fn what_has_no_end_is_cut_by_its_size() {
    let megabytes = "x".repeat(3 << 20);
    let lines = "x-line: of a head without an end\r\n".repeat(1 << 16);
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1 << 16);
    let extensions = format!("1;{}\r\nx\r\n", "x".repeat(10_000)).repeat(300);
    let ok = "HTTP/1.1 200 OK\r\n";
    for (answer, phase) in [
        (format!("{ok}x-line: {megabytes}"), "processing"),
        (format!("{ok}{lines}"), "processing"),
        (hints, "processing"),
        (format!("{ok}Content-Length: 99999999999\r\n\r\n"), "transfer"),
        (format!("{ok}\r\n{megabytes}"), "transfer"),
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n300000\r\n{megabytes}\r\n"),
            "transfer",
        ),
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n0\r\n{lines}"),
            "transfer",
        ),
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n{extensions}"),
            "transfer",
        ),
    ] {
        let report = run(asked().send(answer).stall(), "", "");
        assert_eq!(
            verdict(&report),
            format!("fail target protocol.too_large {phase}"),
            "{report:#}"
        );
        // The default of `max_body` is 1 MiB; what is kept of it must not be many times that.
        let memory = report["usage"]["memory_bytes"].as_u64().unwrap_or(u64::MAX);
        assert!(memory < 8 << 20, "{memory} bytes: {report:#}");
    }
}

#[test]
fn a_small_body_that_unpacks_to_a_large_one_is_cut_by_its_size() {
    let encoded = |body: &[u8]| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
    };
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(
        bomb.len() < 1 << 20,
        "it is the decoded size that is over the bound"
    );
    let report = answers([encoded(&bomb).as_bytes(), &bomb].concat());
    assert_eq!(
        verdict(&report),
        "fail target protocol.too_large transfer",
        "{report:#}"
    );
    assert!(message(&report).contains("decoded"), "{report:#}");
    let members = gzip(b"").repeat(50_000);
    let answer = [encoded(&members).as_bytes(), &members].concat();
    let many = answers(answer);
    assert_eq!(
        verdict(&many),
        "fail target protocol.too_large transfer",
        "{many:#}"
    );
    let memory = report["usage"]["memory_bytes"].as_u64().unwrap_or(u64::MAX);
    assert!(memory < 8 << 20, "{memory} bytes: {report:#}");
}

#[test]
fn only_a_body_that_was_decoded_has_a_decoded_size() {
    let size = |answer: &[u8], settings: &str| {
        let report = run(asked().send(answer), "", settings);
        assert_eq!(verdict(&report), "pass", "{report:#}");
        let decoded = "http.response.body.uncompressed_size";
        let mut sizes = measurements(&report).into_iter();
        sizes.find(|measured| measured.starts_with(decoded))
    };
    let body = gzip(b"hello");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let decoded = size(&[head.as_bytes(), &body].concat(), "");
    assert_eq!(
        decoded.as_deref(),
        Some("http.response.body.uncompressed_size{} 5 By")
    );
    assert_eq!(size(head.as_bytes(), r#"method = "HEAD""#), None);
    let foreign = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\n\x0b\x01\x80";
    assert_eq!(size(foreign, "expect = { max_size = 3 }"), None);
}

#[test]
fn credentials_that_are_too_long_are_the_configurations_fault() {
    // Nobody is dialled, or it would be refused.
    let closed = ClosedPort::new();
    let run = |user: &str| {
        let url = format!("http://127.0.0.1:{}/", closed.port());
        let settings = format!("basic = {{ user = \"{user}\", password = {{ secret = \"token\" }} }}");
        finish(&url, &[closed.port()], "", &settings).report()
    };
    let most = 9_215 - TOKEN.len();
    let report = run(&"u".repeat(most + 1));
    assert_eq!(verdict(&report), "error config settings_invalid", "{report:#}");
    assert!(message(&report).contains("`basic.password`"), "{report:#}");
    let report = run(&"u".repeat(most));
    assert_eq!(
        verdict(&report),
        "fail target connection_refused connect",
        "{report:#}"
    );
}

#[test]
fn gzip_that_is_none_is_told_so() {
    let report = answers("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response transfer",
        "{report:#}"
    );
    let whole = gzip(b"hello");
    let half = &whole[..whole.len() - 9];
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        half.len()
    );
    let report = answers([head.as_bytes(), half].concat());
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response transfer",
        "{report:#}"
    );
}

/// By the system's program, so that the bytes are not made by what has to read them.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is essential in Debian");
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        // It writes before it has read all.
        scope.spawn(move || stdin.write_all(content).expect("gzip reads to the end"));
        child.wait_with_output().expect("gzip ends").stdout
    })
}

#[test]
fn informational_responses_are_skipped() {
    let report = answers(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let wanted = [
        "http.response.status_code{} 200 {status_code}",
        "http.response.body.size{} 5 By",
    ];
    assert_eq!(measurements(&report)[..2], wanted);
    // A protocol that nobody asked for is not followed.
    let switched = answers("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(switched["outcome"], "fail", "{switched:#}");
    assert_eq!(switched["blame"], "target", "{switched:#}");
}

#[test]
fn responses_end_as_they_say() {
    for answer in [
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more than was announced",
        "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;chunk-signature=0123456789abcdef\r\nhello\r\n0\r\n\r\n",
    ] {
        let report = run(
            asked().send(answer),
            "",
            r#"expect = { body_matches = "^hello$" }"#,
        );
        assert_eq!(verdict(&report), "pass", "{answer}: {report:#}");
    }
    // These have no body whatever their fields say (RFC 9112, section 6.3), so that nothing is waited for.
    let report = run(
        asked()
            .send("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
            .stall(),
        "",
        "",
    );
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let head = asked()
        .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        .stall();
    let report = run(head, "", r#"method = "HEAD""#);
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let report = answers("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nContent-Length: 1234\r\n\r\n");
    assert_eq!(verdict(&report), "pass", "{report:#}");
    let version = "http.response.version{} 1 {version}";
    assert!(measurements(&answers("HTTP/1.0 200 OK\r\n\r\n")).contains(&version.to_owned()));
}

#[test]
fn the_request_is_what_the_settings_say() {
    let peer = Script::new()
        .expect_through("\r\n\r\n{\"probe\":true}")
        .send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        .serve();
    let url = format!("http://127.0.0.1:{}/a%20b?q=1#part", peer.port());
    let settings = r#"
        method = "POST"
        headers = { Accept = "text/html", X-Key = { secret = "token" } }
        bearer = { secret = "token" }
        body = '{"probe":true}'"#;
    let finished = finish(&url, &[peer.port()], "", settings);
    assert_eq!(verdict(&finished.report()), "pass", "{finished:#?}");
    assert!(!finished.mentions(TOKEN), "{finished:#?}");

    let port = peer.port();
    let request = peer.finish().remove(0).text();
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
    assert_eq!(body, "{\"probe\":true}");
    let mut lines = head.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("POST /a%20b?q=1 HTTP/1.1"));
    let fields: Vec<String> = lines.collect();
    for field in [
        format!("host: 127.0.0.1:{port}"),
        "accept: text/html".into(),
        "accept-encoding: gzip, deflate".into(),
        "connection: close".into(),
        "content-length: 14".into(),
        format!("x-key: {TOKEN}"),
        format!("authorization: Bearer {TOKEN}"),
    ] {
        let times = fields
            .iter()
            .filter(|found| found.eq_ignore_ascii_case(&field))
            .count();
        assert_eq!(times, 1, "{field} in {fields:?}");
    }
}

/// Where a check with a token was sent by a redirect from this peer.
fn redirects_to(location: &str, status: u16) -> Peer {
    asked()
        .send(format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))
        .serve()
}

#[test]
fn a_redirect_to_another_origin_carries_no_credentials() {
    let certificates = Certificates::new();
    let plain = || asked().send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let secured = || {
        let tls = Script::new().start_tls(certificates.valid().server_config());
        tls.expect_through("\r\n\r\n")
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    };
    for (scheme, script) in [("http", plain()), ("https", secured())] {
        for status in [301, 302, 303, 307, 308] {
            let second = script.clone().serve();
            let first = redirects_to(&format!("{scheme}://127.0.0.1:{}/there", second.port()), status);
            let url = format!("http://127.0.0.1:{}/", first.port());
            let trust = format!("tls.ca_file = '{}'", certificates.authority_file().display());
            let settings = r#"
                bearer = { secret = "token" }
                headers = { Cookie = "session=1", X-Key = { secret = "token" }, X-Plain = "goes along" }"#;
            let finished = finish(&url, &[first.port(), second.port()], &trust, settings);
            assert_eq!(verdict(&finished.report()), "pass", "{finished:#?}");

            let here = first.finish().remove(0).text();
            assert_eq!(here.matches(TOKEN).count(), 2, "{here}");
            let there = second.finish().remove(0).text();
            assert!(there.starts_with("GET /there HTTP/1.1\r\n"), "{there}");
            let lower = there.to_ascii_lowercase();
            assert!(lower.contains("x-plain: goes along\r\n"), "{there}");
            for kept_back in [&TOKEN.to_ascii_lowercase(), "authorization", "cookie", "x-key"] {
                assert!(!lower.contains(kept_back), "{kept_back} in {there}");
            }
        }
    }
}

#[test]
fn a_redirect_within_the_origin_carries_the_credentials() {
    let scripts = vec![
        asked().send("HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"),
        asked().send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    let peer = Peer::serve(std::net::Ipv4Addr::LOCALHOST.into(), scripts);
    let url = format!("http://127.0.0.1:{}/", peer.port());
    let finished = finish(&url, &[peer.port()], "", r#"bearer = { secret = "token" }"#);
    assert_eq!(verdict(&finished.report()), "pass", "{finished:#?}");
    for transcript in peer.finish() {
        assert_eq!(
            transcript.text().matches(TOKEN).count(),
            1,
            "{}",
            transcript.text()
        );
    }
}

#[test]
fn a_redirect_that_leads_nowhere_is_the_servers_fault() {
    for location in ["javascript:alert(1)", "http://[", "ftp://127.0.0.1/"] {
        let first = redirects_to(location, 302);
        let url = format!("http://127.0.0.1:{}/", first.port());
        let report = finish(&url, &[first.port()], "", "").report();
        assert_eq!(
            verdict(&report),
            "fail target protocol.unexpected_response",
            "{location}: {report:#}"
        );
    }
    // A redirect without a location, or with an empty one, is a response as any other.
    for location in ["", "Location:\r\n", "Location: \t\r\n"] {
        let report = answers(format!(
            "HTTP/1.1 302 Found\r\n{location}Content-Length: 0\r\n\r\n"
        ));
        assert_eq!(verdict(&report), "fail target assertion_failed", "{report:#}");
    }
}

#[test]
fn a_chain_of_slow_redirects_shares_one_deadline() {
    // Each hop is quick enough by itself, and there are more than the deadline holds.
    let hop = asked()
        .drip("HTTP/1.1 302 F", Duration::from_millis(5))
        .send("ound\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    let report = run(hop, SHORT, "redirects = 20");
    assert_eq!(report["error"]["type"], "deadline_exceeded", "{report:#}");
    assert_eq!(report["blame"], "target", "{report:#}");
    assert!(duration(&report) <= DEADLINE + GRACE + LATE, "{report:#}");
}

#[test]
fn a_token_that_the_server_echoes_is_struck_out() {
    let script = asked().send(format!(
        "HTTP/1.1 200 OK\r\nX-Echo: {TOKEN}\r\nContent-Length: 21\r\n\r\n{TOKEN}"
    ));
    let peer = script.serve();
    let url = format!("http://127.0.0.1:{}/", peer.port());
    let settings = r#"
        bearer = { secret = "token" }
        expect = { body_contains = "fine", headers = { x-echo = "^fine$" } }"#;
    let finished = finish(&url, &[peer.port()], "", settings);
    assert_eq!(
        verdict(&finished.report()),
        "fail target assertion_failed",
        "{finished:#?}"
    );
    assert!(!finished.mentions(TOKEN), "{finished:#?}");
}
