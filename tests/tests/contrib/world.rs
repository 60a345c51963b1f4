//! A daemon with a collector, and with a check for everything that there is a metric for: targets that are up, down,
//! silent, flaky, not to be found, certificates, retries, breakers, faults, plugins that are to blame. And a Prometheus
//! that scrapes it as `contrib/prometheus` says.

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::collector::Collector;
use bedcheck_tests::component::Component;
use bedcheck_tests::daemon::{Daemon, replace};
use bedcheck_tests::names::{Answer, NameServer};
use bedcheck_tests::prometheus::Prometheus;
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use bedcheck_tests::target::{Health, Target};

use super::file;

/// The rules of `contrib/prometheus`.
pub(crate) const RULES: [&str; 4] = [
    "rules/recording.yml",
    "rules/alerts-checks.yml",
    "rules/alerts-runner.yml",
    "rules/alerts-telemetry.yml",
];

/// How long the certificate of the target with TLS is still valid, in days.
const CERTIFICATE_DAYS: i64 = 10;

/// The daemon with its targets, and the Prometheus that watches it.
pub(crate) struct World {
    /// Prometheus, with the rules.
    pub(crate) prometheus: Prometheus,
    _daemon: Daemon,
    _targets: Vec<Target>,
    _secure: Peer,
    _closed: ClosedPort,
    _certificates: Certificates,
    _names: NameServer,
    _collector: Collector,
}

impl World {
    /// Starts everything, and then spoils the plugin and the configuration.
    pub(crate) fn start() -> Self {
        let certificates = Certificates::new();
        let targets = [Health::Up, Health::Flaky, Health::Flaky, Health::Silent].map(Target::start);
        let closed = ClosedPort::new();
        let collector = Collector::start();
        let names = NameServer::start(Answer::NotFound, Answer::NotFound);
        let secure = Script::new()
            .start_tls(certificates.valid_for_days(CERTIFICATE_DAYS).server_config())
            .expect_through("\r\n\r\n")
            .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup")
            .hang_up()
            .serve();
        let ports = Ports {
            up: targets[0].port(),
            flaky: targets[1].port(),
            moody: targets[2].port(),
            silent: targets[3].port(),
            closed: closed.port(),
            secure: secure.port(),
        };
        let authority = certificates.authority_file();
        let head = format!(
            "http.listen = \"127.0.0.1:0\"\nplugins.dir = \"plugins\"\nresolver.servers = [\"{}\"]\notlp.endpoint = \"{}\"\n",
            names.address(),
            collector.http_endpoint()
        );
        let mut daemon = Daemon::with(&format!("{head}{}", checks(&ports, &authority.to_string_lossy())))
            .file("plugins/odd.wasm", Component::new().build())
            .start();
        let prometheus = watching(&daemon, &ports);
        // The first plugin has to be in use before another one can be refused in its place.
        daemon.wait_until("the plugin is in use", |daemon| {
            daemon.check("odd")["last"]["outcome"].as_str().map(drop)
        });
        replace(&daemon.path("plugins/odd.wasm"), b"this is no component");
        daemon.configure("this is no configuration");
        assert_ne!(daemon.post("/-/reload").status, 200, "{:#?}", daemon.log());
        Self {
            prometheus,
            _daemon: daemon,
            _targets: targets.into(),
            _secure: secure,
            _closed: closed,
            _certificates: certificates,
            _names: names,
            _collector: collector,
        }
    }
}

/// Where the targets are.
struct Ports {
    up: u16,
    flaky: u16,
    moody: u16,
    silent: u16,
    closed: u16,
    secure: u16,
}

/// The configuration without what is the daemon's own.
fn checks(ports: &Ports, authority: &str) -> String {
    let check = |name: &str, url: String, more: &str| {
        format!(
            "[[check]]\nname = \"{name}\"\nplugin = \"http\"\nevery = \"400ms\"\nsettings.url = \"{url}\"\n{more}\n"
        )
    };
    let plain = |port: u16| format!("http://127.0.0.1:{port}/");
    let allowed = "allow = [\"self\"]\nbudget.deadline = \"5s\"";
    let also = |more: &str| format!("{allowed}\n{more}");
    let trusting = format!("tls.ca_file = \"{authority}\"");
    let checks = [
        check("front-page", plain(ports.up), allowed),
        check(
            "flaky",
            plain(ports.flaky),
            &also("retry = { attempts = 2, backoff = \"10ms\" }"),
        ),
        check("moody", plain(ports.moody), allowed),
        check(
            "down",
            plain(ports.closed),
            &also("breaker = { failures = 2, reset = \"1s\" }"),
        ),
        // Longer than its interval, so that runs of it are skipped.
        check(
            "silent",
            plain(ports.silent),
            "allow = [\"self\"]\nbudget.deadline = \"1s\"",
        ),
        check(
            "secure",
            format!("https://127.0.0.1:{}/", ports.secure),
            &also(&trusting),
        ),
        check("nowhere", "http://nowhere.invalid/".to_owned(), allowed),
        check(
            "denied",
            plain(ports.up),
            "allow = [\"192.0.2.1:80\"]\nbudget.deadline = \"5s\"",
        ),
        check("starved", plain(ports.up), &also("budget.fuel = 10_000")),
        check("drill", plain(ports.up), allowed),
    ];
    format!(
        "{}
[[check]]
name = \"odd\"
plugin = \"odd\"
every = \"400ms\"
[[fault]]
check = \"drill\"
call = \"net.connect\"
kind = \"refused\"
[[module]]
name = \"http_2xx\"
plugin = \"http\"
targets = [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]
{trusting}
",
        checks.concat(),
        ports.secure,
        ports.closed
    )
}

/// A Prometheus with the configuration of `contrib/prometheus`, of which the addresses and intervals are these.
fn watching(daemon: &Daemon, ports: &Ports) -> Prometheus {
    let probed = format!(
        "https://127.0.0.1:{}\", \"http://127.0.0.1:{}",
        ports.secure, ports.closed
    );
    let configuration = replaced(
        &file("contrib/prometheus/prometheus.yml"),
        &[
            ("127.0.0.1:9315", &daemon.address().to_string()),
            ("https://www.example.org/health", &probed),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("scrape_interval: 60s", "scrape_interval: 1s"),
            ("scrape_timeout: 10s", "scrape_timeout: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ],
    );
    let rules = RULES.map(|rule| {
        let text = file(&format!("contrib/prometheus/{rule}"));
        (rule, text.replace("interval: 2m", "interval: 1s"))
    });
    let files: Vec<(&str, &str)> = rules.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Prometheus::with_files(&configuration, &files)
}

/// A text in which each of these is replaced, wherever it is; it has to be somewhere.
fn replaced(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no `{from}` in\n{text}");
        text.replace(from, to)
    })
}
