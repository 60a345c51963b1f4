//! The promise: whatever a name server does or leaves undone, the DNS check ends at its deadline with the truth: what
//! is lost, late, forged, cut off, broken or refused is told apart.

use std::net::UdpSocket;
use std::time::Duration;

use bedcheck_tests::Program;
use bedcheck_tests::datagrams::{Answers, DatagramPeer};
use serde_json::{Value, json};

/// What follows the header in a question for the address of `www.example.test`.
const QUESTION: &[u8] = b"\x03www\x07example\x04test\0\0\x01\0\x01";
/// The address 192.0.2.1, for 300 s.
const RECORD: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01";

/// A check of the server on that port.
fn check(port: u16) -> Program {
    Program::run(&format!(
        "[[check]]
name = \"names\"
plugin = \"dns\"
budget.deadline = \"500ms\"
allow = [\"self\"]
settings = {{ host = \"127.0.0.1\", port = {port}, query = {{ name = \"www.example.test\" }} }}
"
    ))
}

fn run(port: u16) -> Value {
    check(port).finish().report()
}

/// An answer with these flags and so many records, which are told and there.
fn answer(question: &[u8], flags: [u8; 2], records: u8) -> Vec<u8> {
    let counts = [0, 1, 0, records, 0, 0, 0, 0];
    let records = RECORD.repeat(usize::from(records));
    [&question[..2], &flags, &counts, QUESTION, &records].concat()
}

fn well(question: &[u8]) -> Vec<Vec<u8>> {
    vec![answer(question, [0x81, 0x80], 1)]
}

fn nothing(_: &[u8]) -> Vec<Vec<u8>> {
    Vec::new()
}

#[track_caller]
fn assert_failed(report: &Value, error_type: &str, phase: &str) {
    assert_eq!(report["outcome"], "fail", "{report:#}");
    let seen = (&report["error"]["type"], &report["error"]["phase"]);
    assert_eq!(seen, (&json!(error_type), &json!(phase)), "{report:#}");
}

#[test]
fn an_answer_that_never_comes_is_waited_for_until_the_deadline() {
    let server = DatagramPeer::start(nothing, nothing);
    let report = run(server.port());
    assert_failed(&report, "deadline_exceeded", "query");
    assert_eq!(report["blame"], "target");
    assert_eq!(report["deadline_exceeded"], true);
    // One question, however long there is no answer.
    assert_eq!(server.heard(), 1);
    let duration = Duration::from_secs_f64(report["duration_s"].as_f64().expect("a number"));
    // Waiting once more would take twice as long.
    let limits = Duration::from_millis(500)..Duration::from_secs(1);
    assert!(limits.contains(&duration), "{duration:?}");
}

#[test]
fn an_answer_that_is_late_still_counts_before_the_deadline() {
    let late: Answers = |question| {
        std::thread::sleep(Duration::from_millis(200));
        well(question)
    };
    let server = DatagramPeer::start(late, nothing);
    let report = run(server.port());
    assert_eq!(report["outcome"], "pass", "{report:#}");
    assert!(report["duration_s"].as_f64() >= Some(0.2));
}

#[test]
fn forged_answers_are_passed_over() {
    let forged: Answers = |question| {
        let mut other_number = answer(question, [0x81, 0x83], 0);
        other_number[1] ^= 0xff;
        let mut other_question = answer(question, [0x81, 0x83], 0);
        other_question[13] = b'x';
        let echo = question.to_vec();
        let right = answer(question, [0x81, 0x80], 1);
        vec![
            other_number,
            other_question,
            echo,
            Vec::new(),
            b"\xff".to_vec(),
            right,
        ]
    };
    let server = DatagramPeer::start(forged, nothing);
    let report = run(server.port());
    assert_eq!(report["outcome"], "pass", "{report:#}");
    // Without a right one in the end, there is no answer.
    let server = DatagramPeer::start(|question| vec![question.to_vec()], nothing);
    let report = run(server.port());
    assert_failed(&report, "deadline_exceeded", "query");
    assert_eq!(
        report["error"]["message"],
        "the deadline has passed after a datagram that does not answer the question: it is a question itself"
    );
}

#[test]
fn a_server_that_sends_without_end_is_at_fault() {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("the time is not zero");
    let port = socket.local_addr().expect("it is bound").port();
    let server = std::thread::spawn(move || {
        let (_, client) = socket.recv_from(&mut [0; 512]).expect("a question");
        socket.connect(client).expect("an address");
        // Until the client's socket is closed, which refuses them.
        while socket.send(b"").is_ok() {}
    });
    let report = Program::run(&format!(
        "[[check]]
name = \"names\"
plugin = \"dns\"
allow = [\"self\"]
settings = {{ host = \"127.0.0.1\", port = {port}, query = {{ name = \"www.example.test\" }} }}
"
    ))
    .finish()
    .report();
    server.join().expect("it stops");
    assert_failed(&report, "protocol.too_large", "query");
    assert_eq!(report["blame"], "target");
}

#[test]
fn a_cut_off_answer_leads_to_tcp_and_to_what_is_wrong_there() {
    let cut: Answers = |question| vec![answer(question, [0x83, 0x80], 0)];
    // Many servers cut where the datagram is full, and leave the counts of the whole.
    let within: Answers = |question| {
        let mut message = answer(question, [0x83, 0x80], 2);
        message.truncate(message.len() - 7);
        vec![message]
    };
    for cut in [cut, within] {
        let server = DatagramPeer::start(cut, well);
        let report = run(server.port());
        assert_eq!(report["outcome"], "pass", "{report:#}");
    }
    // It closes the connection without an answer.
    let server = DatagramPeer::start(cut, nothing);
    let report = run(server.port());
    assert_failed(&report, "connection_closed", "query");
    let phases = &report["attempts"][0]["phases"];
    let query = phases
        .as_array()
        .expect("phases")
        .iter()
        .rfind(|phase| phase["name"] == "query");
    assert_eq!(query.expect("a second one")["detail"], "over TCP");
}

#[test]
fn garbage_is_no_answer() {
    let loops: Answers =
        |question| vec![[&question[..2], b"\x81\x80\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"].concat()];
    let short: Answers = |question| vec![answer(question, [0x81, 0x80], 1)[..40].to_vec()];
    for garbage in [loops, short] {
        let server = DatagramPeer::start(garbage, nothing);
        assert_failed(&run(server.port()), "protocol.unexpected_response", "query");
    }
}

#[test]
fn the_largest_datagram_is_read() {
    let large: Answers = |question| {
        let count: u16 = 4000;
        let mut message = answer(question, [0x81, 0x80], 0);
        message[6..8].copy_from_slice(&count.to_be_bytes());
        message.extend(RECORD.repeat(usize::from(count)));
        vec![message]
    };
    let server = DatagramPeer::start(large, nothing);
    let report = run(server.port());
    assert_eq!(report["outcome"], "pass", "{report:#}");
    assert!(
        report["usage"]["bytes_read"].as_u64() > Some(64_000),
        "{report:#}"
    );
}

#[test]
fn a_port_where_nobody_listens_refuses_at_once() {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    let port = socket.local_addr().expect("it is bound").port();
    drop(socket);
    let report = run(port);
    assert_failed(&report, "connection_refused", "query");
    assert_eq!(report["deadline_exceeded"], false);
}

#[test]
fn datagrams_are_granted_like_connections() {
    let server = DatagramPeer::start(well, nothing);
    let port = server.port();
    let ask = |allow: &str, more: &str| {
        Program::run(&format!(
            "[[check]]
name = \"names\"
plugin = \"dns\"
allow = [\"{allow}\"]
settings = {{ host = \"127.0.0.1\", port = {port}, query = {{ name = \"www.example.test\" }} }}
{more}"
        ))
        .finish()
        .report()
    };
    let refused = ask("127.0.0.1:9", "");
    assert_eq!(refused["error"]["type"], "grant_denied", "{refused:#}");
    assert_eq!(refused["usage"]["denied_calls"], json!({ "grant": 1 }));
    let disabled = ask("self", "disable = [\"net.datagram\"]");
    assert_eq!(disabled["error"]["type"], "capability_disabled", "{disabled:#}");
    assert_eq!(disabled["usage"]["denied_calls"], json!({ "net.datagram": 1 }));
    assert_eq!(server.heard(), 0);
    assert_eq!(ask("self", "")["outcome"], "pass");
    // What comes is more than the run may read; half a datagram is none.
    let large: Answers = |question| vec![[answer(question, [0x81, 0x80], 1).as_slice(), &[0; 1100]].concat()];
    let server = DatagramPeer::start(large, nothing);
    let report = Program::run(&format!(
        "[[check]]
name = \"names\"
plugin = \"dns\"
allow = [\"self\"]
budget.bytes = \"1KiB\"
settings = {{ host = \"127.0.0.1\", port = {}, query = {{ name = \"www.example.test\" }} }}
",
        server.port()
    ))
    .finish()
    .report();
    assert_eq!(report["error"]["type"], "host_call_limit", "{report:#}");
}

#[test]
fn faults_happen_to_datagrams() {
    let server = DatagramPeer::start(well, nothing);
    for (fault, error_type, phase) in [
        ("net.connect-datagram=not-found", "dns.not_found", "resolve"),
        ("phase:resolve=server-failure", "dns.server_failure", "resolve"),
        (
            "phase:connect=network-unreachable",
            "network_unreachable",
            "connect",
        ),
        ("net.send-datagram=host-unreachable", "host_unreachable", "query"),
        ("net.receive-datagram=refused", "connection_refused", "query"),
        ("net.receive-datagram=delay 1h", "deadline_exceeded", "query"),
    ] {
        let report = check(server.port())
            .argument("--fault")
            .argument(fault)
            .finish()
            .report();
        let seen = (&report["error"]["type"], &report["error"]["phase"]);
        assert_eq!(seen, (&json!(error_type), &json!(phase)), "{fault}: {report:#}");
    }
}
