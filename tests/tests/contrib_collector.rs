//! The promise: the configurations of `contrib/collector` can be taken as they are. The collector takes them, what
//! bedcheck sends arrives in the store behind it, and nothing that was answered is lost when the store is away or the
//! collector is killed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bedcheck_tests::collector::Collector;
use bedcheck_tests::relay::{Relay, validate};
use bedcheck_tests::target::{Health, Target};
use bedcheck_tests::{Finished, Program};

/// How long the queue may take to be delivered once the store is back: its longest pause, and some more.
const WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn configuration(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../contrib/collector")
        .join(name)
}

/// A collector with this configuration, of which only the addresses and the folder are others.
fn relay(name: &str, store: &Collector) -> Relay {
    Relay::start(|directory, grpc, http| {
        let file = configuration(name);
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let queue = directory.join("queue");
        [
            ("127.0.0.1:4317", grpc.to_string()),
            ("127.0.0.1:4318", http.to_string()),
            (
                "store.example.org:4317",
                store.grpc_endpoint().replace("http://", ""),
            ),
            ("insecure: false", "insecure: true".to_owned()),
            ("/var/lib/otelcol/bedcheck", queue.display().to_string()),
        ]
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
    })
}

/// Runs a check that exports there, and lets nothing wait.
fn run(endpoint: &str) -> Finished {
    let target = Target::start(Health::Up);
    let url = format!("http://127.0.0.1:{}/", target.port());
    let check = format!(
        "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"self\"]\nsettings.url = \"{url}\"\n"
    );
    let finished = Program::run(&check)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    finished
}

/// The trace of the run.
fn trace(finished: &Finished) -> String {
    finished.report()["trace_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{finished:#?}"))
        .to_owned()
}

fn has_trace(store: &Collector, trace: &str) -> bool {
    store
        .received()
        .spans
        .iter()
        .any(|span| span.trace_id == trace && span.name == "check http")
}

#[test]
fn the_collector_takes_both() {
    for name in ["collector.yaml", "collector-persistent.yaml"] {
        let validated = validate(&configuration(name));
        assert_eq!(validated, Ok(()), "{name}");
    }
}

#[test]
fn what_is_answered_has_been_delivered() {
    let mut store = Collector::start();
    let relay = relay("collector.yaml", &store);
    // The default protocol of HTTP's port is HTTP, of all others but 4317.
    let over_http = run(&relay.http_endpoint());
    assert_eq!(over_http.stderr, "", "{over_http:#?}");
    // Nothing is waited for: the program ended after the answer, and the answer came after the store's.
    assert!(has_trace(&store, &trace(&over_http)), "{}", relay.log());
    assert!(store.received().metric("synthetic.check.runs").is_some());

    store.stop();
    let without_store = run(&relay.http_endpoint());
    assert!(without_store.stderr.contains("telemetry:"), "{without_store:#?}");
}

#[test]
fn what_was_answered_survives_a_kill() {
    let mut store = Collector::start();
    let mut relay = relay("collector-persistent.yaml", &store);
    store.stop();
    let run = run(&relay.http_endpoint());
    assert_eq!(run.stderr, "", "{run:#?}\n{}", relay.log());
    relay.kill();
    store.start_again();
    relay.start_again();

    let give_up = Instant::now() + WITHIN;
    while !has_trace(&store, &trace(&run)) {
        assert!(Instant::now() < give_up, "{}", relay.log());
        std::thread::sleep(LOOK_EVERY);
    }
}
