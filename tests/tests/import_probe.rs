//! The promise: what `bedcheck import` makes of a configuration of blackbox_exporter serves the same probes. Each module
//! is asked about a server that it likes and about one that it does not, and says of the second what is wrong.

use bedcheck_tests::certificates::{Certificates, Identity};
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::datagrams::{Answers, DatagramPeer};
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use bedcheck_tests::{Finished, Program};

/// What every site that has a blackbox_exporter has somewhere in its file; `AUTHORITY` is a path.
const BLACKBOX: &str = r#"
modules:
  page:
    prober: http
    timeout: 5s
    http:
      valid_status_codes: []
      headers: {Accept-Language: en}
      fail_if_body_matches_regexp: ["out of service"]
      fail_if_header_not_matches:
      - {header: Content-Type, regexp: "^text/"}
  form:
    prober: http
    timeout: 5s
    http:
      method: POST
      body: '{"probe": true}'
      basic_auth: {username: ann, password: hunter2}
      valid_status_codes: [202]
  secure_page:
    prober: http
    timeout: 5s
    http:
      fail_if_not_ssl: true
      tls_config: {ca_file: "AUTHORITY"}
  markup:
    prober: http
    timeout: 5s
    http:
      fail_if_body_matches_regexp: ['\<error\>', 'a{1, 2}']
  fronted:
    prober: http
    timeout: 5s
    http:
      headers: {host: "other.invalid:8443"}
      tls_config: {ca_file: "AUTHORITY"}
  connect:
    prober: tcp
    timeout: 5s
  banner:
    prober: tcp
    timeout: 5s
    tcp:
      query_response:
      - expect: "^SSH-2.0-([^ -]+)"
        labels: [{name: software, value: "${1}"}]
      - send: "SSH-2.0-probe"
  over_tls:
    prober: tcp
    timeout: 5s
    tcp:
      tls: true
      tls_config: {ca_file: "AUTHORITY"}
      query_response:
      - expect: "^\\+OK"
  starttls:
    prober: tcp
    timeout: 5s
    tcp:
      tls_config: {ca_file: "AUTHORITY"}
      query_response:
      - expect: "^220 "
      - send: "STARTTLS\r"
      - expect: "^220 "
      - starttls: true
      - send: "EHLO prober\r"
      - expect: "^250 "
  chat:
    prober: tcp
    timeout: 2s
    tcp:
      query_response:
      - send: "NICK probe"
      - expect: "PING :([^ ]+)"
        send: "PONG ${1}"
      - expect: "^:[^ ]+ 001"
  names:
    prober: dns
    timeout: 2s
    dns:
      query_name: www.example.test
      query_type: A
      valid_rcodes: [NOERROR]
      validate_answer_rrs:
        fail_if_not_matches_regexp: ["192\\.0\\.2\\.1$"]
  names_over_tcp:
    prober: dns
    timeout: 2s
    dns:
      transport_protocol: tcp
      query_name: www.example.test
      query_type: A
"#;

/// The modules of [`BLACKBOX`], as they are told on standard error.
const MODULES: usize = 12;

/// What the import leaves to the operator: where to listen.
const LISTEN: &str = "[http]\nlisten = \"127.0.0.1:0\"\n";

/// The configuration as it is turned.
fn import(certificates: &Certificates) -> Finished {
    let authority = certificates.authority_file().display().to_string();
    Program::new(["import", "blackbox.yml", "--targets=127.0.0.1:1-65535"])
        .file("blackbox.yml", BLACKBOX.replace("AUTHORITY", &authority))
        .finish()
}

/// A daemon that serves what was turned.
fn serve(imported: &Finished) -> Daemon {
    Daemon::with(&format!("{}{LISTEN}", imported.stdout))
        .env("FORM_PASSWORD", "hunter2")
        .start()
}

/// A server of HTTP that answers each request so.
fn answering(head: &str, body: &str) -> Script {
    let length = body.len();
    Script::new().expect_through("\r\n\r\n").send(format!(
        "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
}

/// A module, a server that it likes, a server that it does not, and what it says of the second.
struct Case {
    module: &'static str,
    good: Peer,
    bad: Peer,
    phase: &'static str,
    reason: &'static str,
}

impl Case {
    fn new(
        module: &'static str,
        good: Script,
        bad: Script,
        phase: &'static str,
        reason: &'static str,
    ) -> Self {
        Self {
            module,
            good: good.serve(),
            bad: bad.serve(),
            phase,
            reason,
        }
    }
}

/// The modules of the probers `http` and `tcp` whose targets are a host and a port, but `connect`.
fn cases(certificates: &Certificates) -> Vec<Case> {
    let tls = || Script::new().start_tls(certificates.valid().server_config());
    let expired = || Script::new().start_tls(certificates.expired().server_config());
    let text = "200 OK\r\nContent-Type: text/plain";
    let login = Script::new().expect_through("{\"probe\": true}");
    let submission = Script::new().send("220 mail ready\r\n").expect("STARTTLS\r\n");
    vec![
        Case::new(
            "page",
            answering(text, "up"),
            answering(text, "we are out of service"),
            "",
            "assertion_failed",
        ),
        Case::new(
            "form",
            login
                .clone()
                .send("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
            login.send("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
            "",
            "assertion_failed",
        ),
        Case::new(
            "markup",
            answering(text, "an error aa"),
            answering(text, "an <error>"),
            "",
            "assertion_failed",
        ),
        Case::new(
            "banner",
            Script::new()
                .send("SSH-2.0-OpenSSH_9.2 Debian\r\n")
                .expect("SSH-2.0-probe\n"),
            Script::new().send("HTTP/1.1 400 Bad Request\r\n").hang_up(),
            "expect",
            "connection_closed",
        ),
        Case::new(
            "over_tls",
            tls().send("+OK ready\r\n").stall(),
            expired(),
            "tls",
            "tls.certificate_expired",
        ),
        Case::new(
            "starttls",
            submission
                .clone()
                .send("220 go ahead\r\n")
                .start_tls(certificates.valid().server_config())
                .expect("EHLO prober\r\n")
                .send("250 mail\r\n"),
            submission.send("454 not now\r\n").hang_up(),
            "expect",
            "connection_closed",
        ),
        Case::new(
            "chat",
            Script::new()
                .expect("NICK probe\n")
                .send("PING :1234\r\n")
                .expect("PONG 1234\n")
                .send(":irc 001 probe :welcome\r\n"),
            Script::new().expect("NICK probe\n").stall(),
            "expect",
            "deadline_exceeded",
        ),
    ]
}

/// What follows the header in a question for the address of `www.example.test`.
const QUESTION: &[u8] = b"\x03www\x07example\x04test\0\0\x01\0\x01";
/// The address 192.0.2.1, for 300 s.
const RECORD: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01";

/// The address, to whoever asks.
fn address(question: &[u8]) -> Vec<Vec<u8>> {
    vec![
        [
            &question[..2],
            &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0],
            QUESTION,
            RECORD,
        ]
        .concat(),
    ]
}

/// The name does not exist.
fn no_such_name(question: &[u8]) -> Vec<Vec<u8>> {
    vec![[&question[..2], &[0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0], QUESTION].concat()]
}

/// What the daemon says of a target.
fn probe(daemon: &Daemon, module: &str, target: &str) -> String {
    let answer = daemon.get(&format!("/probe?module={module}&target={target}"));
    assert_eq!(answer.status, 200, "{module}: {answer:#?}\n{:#?}", daemon.log());
    answer.body
}

#[track_caller]
fn assert_has(page: &str, line: &str) {
    assert!(page.lines().any(|found| found == line), "no `{line}` in\n{page}");
}

/// Asks about both servers of a module.
#[track_caller]
fn assert_judged(daemon: &Daemon, module: &str, (good, bad): (&str, &str), phase: &str, reason: &str) {
    let page = probe(daemon, module, good);
    assert_has(&page, "probe_success 1");
    let page = probe(daemon, module, bad);
    assert_has(&page, "probe_success 0");
    let info = format!("probe_failure_info{{phase=\"{phase}\",reason=\"{reason}\"}} 1");
    assert_has(&page, &info);
}

#[test]
fn an_imported_configuration_serves_its_modules() {
    let certificates = Certificates::new();
    let imported = import(&certificates);
    assert_eq!(imported.code, Some(0), "{imported:#?}");
    let told = format!("blackbox.yml: {MODULES} modules turned, 0 things left out\n");
    assert!(imported.stderr.ends_with(&told), "{imported:#?}");
    let daemon = serve(&imported);
    for case in cases(&certificates) {
        let target = |peer: &Peer| format!("127.0.0.1:{}", peer.port());
        let (good, bad) = (target(&case.good), target(&case.bad));
        assert_judged(&daemon, case.module, (&good, &bad), case.phase, case.reason);
        for transcript in case.good.finish() {
            assert_eq!(
                transcript.mismatch,
                None,
                "{}: {}",
                case.module,
                transcript.text()
            );
        }
    }
    let (open, closed) = (Script::new().serve(), ClosedPort::new());
    let targets = [open.port(), closed.port()].map(|port| format!("127.0.0.1:{port}"));
    assert_judged(
        &daemon,
        "connect",
        (&targets[0], &targets[1]),
        "connect",
        "connection_refused",
    );
    let banner = Script::new().send("SSH-2.0-OpenSSH_9.2\r\n").stall().serve();
    let page = probe(&daemon, "banner", &format!("127.0.0.1:{}", banner.port()));
    assert_has(&page, "probe_expect_info{software=\"OpenSSH_9.2\"} 1");
}

#[test]
fn an_imported_module_asks_about_pages_over_tls() {
    let certificates = Certificates::new();
    let daemon = serve(&import(&certificates));
    let good = secure_page(certificates.valid());
    let bad = secure_page(certificates.wrong_name());
    assert_judged(
        &daemon,
        "secure_page",
        (&url(&good), &url(&bad)),
        "tls",
        "tls.name_mismatch",
    );
}

#[test]
fn an_imported_module_verifies_the_name_that_it_asks_for() {
    let certificates = Certificates::new();
    let daemon = serve(&import(&certificates));
    let good = secure_page(certificates.wrong_name());
    let bad = secure_page(certificates.valid());
    assert_judged(
        &daemon,
        "fronted",
        (&url(&good), &url(&bad)),
        "tls",
        "tls.name_mismatch",
    );
    assert!(good.finish()[0].text().contains("other.invalid:8443"));
}

#[test]
fn an_imported_module_takes_pages_of_more_than_a_mebibyte() {
    let daemon = serve(&import(&Certificates::new()));
    let peer = answering("200 OK\r\nContent-Type: text/plain", &"a".repeat(3 << 20)).serve();
    let page = probe(&daemon, "page", &format!("127.0.0.1:{}", peer.port()));
    assert_has(&page, "probe_success 1");
}

/// A server of one page, which shows a certificate.
fn secure_page(identity: Identity) -> Peer {
    Script::new()
        .start_tls(identity.server_config())
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup")
        .serve()
}

fn url(peer: &Peer) -> String {
    format!("https://127.0.0.1:{}", peer.port())
}

#[test]
fn an_imported_module_asks_name_servers() {
    let daemon = serve(&import(&Certificates::new()));
    let (knows, knows_nothing): (Answers, Answers) = (address, no_such_name);
    for (module, good, bad) in [
        ("names", [knows, knows], [knows_nothing, knows]),
        ("names_over_tcp", [knows, knows], [knows, knows_nothing]),
    ] {
        let servers = [good, bad].map(|[over_udp, over_tcp]| DatagramPeer::start(over_udp, over_tcp));
        let [good, bad] = servers
            .each_ref()
            .map(|server| format!("127.0.0.1:{}", server.port()));
        assert_judged(&daemon, module, (&good, &bad), "validate", "assertion_failed");
    }
}
