//! Runs of every kind, made once for all tests that look at what of them arrives: each passes, fails or goes
//! wrong in a way of its own, and all of them are exported to one collector. What should arrive is told elsewhere.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use bedcheck_tests::Program;
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::collector::{Collector, Received};
use bedcheck_tests::dovecot::{self, Dovecot};
use bedcheck_tests::nginx::{self, Nginx};
use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use serde_json::Value;

/// A secret which the peer of the check `confesses` sends back.
pub(crate) const TOKEN: &str = "tok-7f3a9c51e2";

/// The base64 text of `user:` and that secret (RFC 4648), which the peer sends back too.
pub(crate) const ENCODED_TOKEN: &str = "dXNlcjp0b2stN2YzYTljNTFlMg==";

/// The runs; every test looks at the same ones.
pub(crate) static RUNS: LazyLock<Runs> = LazyLock::new(Runs::make);

/// What the program printed and what the collector received.
pub(crate) struct Runs {
    /// In the order of the configuration.
    pub(crate) reports: Vec<Value>,
    /// What the program printed to its standard error.
    pub(crate) stderr: String,
    /// Spans and metrics.
    pub(crate) received: Received,
    /// The same as text.
    pub(crate) text: String,
    /// Before and after the program ran, in nanoseconds since 1970.
    pub(crate) between: (u128, u128),
}

impl Runs {
    /// The report of this check.
    pub(crate) fn report(&self, check: &str) -> &Value {
        let report = self.reports.iter().find(|report| report["check"] == check);
        report.unwrap_or_else(|| panic!("no report of `{check}`"))
    }

    fn make() -> Self {
        let certificates = Certificates::new();
        let servers = Servers {
            dovecot: Dovecot::start(&certificates),
            nginx: Nginx::start(&certificates),
            closed: ClosedPort::new(),
            hangs: Script::new().send("* OK ready\r\n").stall().serve(),
            second_try: second_try(),
            echo: echo(),
        };
        let collector = Collector::start();
        let configuration = configuration(&servers, &collector.grpc_endpoint());
        let program = Program::run(&configuration)
            .file(
                "guest.wasm",
                fs::read(guest_plugin()).expect("the guest is built"),
            )
            .file(
                "authority.pem",
                fs::read(certificates.authority_file()).expect("the authority is there"),
            )
            .env("MAIL_PASSWORD", dovecot::PASSWORD)
            .env("PAGE_PASSWORD", nginx::PASSWORD)
            .env("TOKEN", TOKEN);
        let before = now();
        let finished = program.finish();
        Self {
            reports: finished.reports(),
            between: (before, now()),
            stderr: finished.stderr,
            received: collector.received(),
            text: collector.received_text(),
        }
    }
}

/// Who the checks talk to.
struct Servers {
    dovecot: Dovecot,
    nginx: Nginx,
    closed: ClosedPort,
    hangs: Peer,
    second_try: Peer,
    echo: Peer,
}

/// Closes the first connection in the middle of the request and serves the second.
fn second_try() -> Peer {
    let first = Script::new().expect("GET ").reset();
    let second = Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    Peer::serve([127, 0, 0, 1].into(), vec![first, second])
}

/// Sends back the secret and its base64 text, which are what it expects.
fn echo() -> Peer {
    let line = format!("{TOKEN} {ENCODED_TOKEN}\n");
    Script::new()
        .expect(&line)
        .send(format!("you said {line}"))
        .serve()
}

fn configuration(servers: &Servers, endpoint: &str) -> String {
    let Servers { dovecot, nginx, .. } = servers;
    let (mail_host, mail_port) = (dovecot.host(), dovecot.imaps_port());
    let (page_port, expired_port) = (nginx.https_port(), nginx.expired_port());
    let [closed, hangs, second_try, echo] = [
        servers.closed.port(),
        servers.hangs.port(),
        servers.second_try.port(),
        servers.echo.port(),
    ];
    let user = dovecot::USER;
    let page_user = nginx::USER;
    format!(
        r#"
        [otlp]
        endpoint = "{endpoint}"
        protocol = "grpc"

        [plugins]
        dir = "."

        [secrets]
        mail = {{ env = "MAIL_PASSWORD" }}
        page = {{ env = "PAGE_PASSWORD" }}
        token = {{ env = "TOKEN" }}

        [[check]]
        name = "page"
        plugin = "http"
        allow = ["127.0.0.1:{page_port}"]
        tls.ca_file = "authority.pem"
        [check.settings]
        url = "https://127.0.0.1:{page_port}/private"
        basic = {{ user = "{page_user}", password = {{ secret = "page" }} }}

        [[check]]
        name = "mail"
        plugin = "imap"
        allow = ["{mail_host}:{mail_port}"]
        tls.ca_file = "authority.pem"
        [check.settings]
        host = "{mail_host}"
        port = {mail_port}
        user = "{user}"
        password = {{ secret = "mail" }}
        mailboxes = ["INBOX", "Missing", "Archive"]

        [[check]]
        name = "hangs"
        plugin = "imap"
        budget.deadline = "300ms"
        allow = ["127.0.0.1:{hangs}"]
        settings = {{ host = "127.0.0.1", port = {hangs}, tls = "none", user = "{user}", password = {{ secret = "mail" }} }}

        [[check]]
        name = "refused"
        plugin = "http"
        allow = ["127.0.0.1:{closed}"]
        retry = {{ attempts = 2, backoff = "20ms" }}
        settings = {{ url = "http://127.0.0.1:{closed}/" }}

        [[check]]
        name = "second-try"
        plugin = "http"
        allow = ["127.0.0.1:{second_try}"]
        retry = {{ attempts = 2, backoff = "20ms" }}
        settings = {{ url = "http://127.0.0.1:{second_try}/" }}

        [[check]]
        name = "expired"
        plugin = "http"
        allow = ["127.0.0.1:{expired_port}"]
        tls.ca_file = "authority.pem"
        settings = {{ url = "https://127.0.0.1:{expired_port}/health" }}

        [[check]]
        name = "forbidden"
        plugin = "guest"
        allow = ["192.0.2.1:9"]
        settings = {{ behaviour = "dial", host = "127.0.0.1", port = {closed} }}

        [[check]]
        name = "panics"
        plugin = "guest"
        allow = ["192.0.2.1:9"]
        settings = {{ behaviour = "panic" }}

        [[check]]
        name = "spins"
        plugin = "guest"
        allow = ["192.0.2.1:9"]
        budget = {{ deadline = "200ms", grace = "50ms", fuel = 1_000_000_000_000 }}
        settings = {{ behaviour = "spin" }}

        [[check]]
        name = "leaves-open"
        plugin = "guest"
        allow = ["192.0.2.1:9"]
        settings = {{ behaviour = "leave-open" }}

        [[check]]
        name = "confesses"
        plugin = "guest"
        allow = ["127.0.0.1:{echo}"]
        settings = {{ behaviour = "confess", host = "127.0.0.1", port = {echo}, secret = {{ secret = "token" }} }}
        "#
    )
}

fn now() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos())
}
