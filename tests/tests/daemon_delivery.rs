//! The promise: every run that is in the daemon's journal reaches the collector, though that is away for a while and
//! the process is killed meanwhile; what is sent twice has the same identities and says the same. Nothing is sent twice to
//! a collector that only stood still.

use std::collections::{BTreeMap, BTreeSet};

use bedcheck_tests::Program;
use bedcheck_tests::collector::{Collector, Received, Span};
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::target::{Health, Target};

/// Runs of each period: before the outage, in it, after the kill.
const RUNS: u64 = 10;

fn configuration(target: &Target, endpoint: &str, protocol: &str) -> String {
    let port = target.port();
    format!(
        r#"
        http.listen = "127.0.0.1:0"
        otlp = {{ endpoint = "{endpoint}", protocol = "{protocol}", timeout = "2s" }}
        journal.dir = "journal"

        [[check]]
        name = "front"
        plugin = "http"
        every = "100ms"
        budget.deadline = "10s"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        "#
    )
}

fn wait_for_runs(daemon: &mut Daemon, count: u64) {
    daemon.wait_until("runs pass", |daemon| {
        (daemon.check("front")["runs"]["pass"].as_u64()? >= count).then_some(())
    });
}

/// The traces of the runs in the journal.
fn kept(daemon: &Daemon) -> BTreeSet<String> {
    let folder = daemon.path("journal");
    let folder = folder.to_str().expect("a path of text");
    let finished = Program::new(["journal", "--dir", folder, "--format", "json"]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let reports = finished.stdout.lines().map(|line| {
        let report: serde_json::Value = serde_json::from_str(line).expect("a report");
        report["trace_id"].as_str().expect("a trace").to_owned()
    });
    reports.collect()
}

/// The roots of the traces that arrived.
fn roots(received: &Received) -> BTreeMap<&str, Vec<&Span>> {
    let mut roots = BTreeMap::<&str, Vec<&Span>>::new();
    for root in received.spans_named("check http") {
        roots.entry(root.trace_id.as_str()).or_default().push(root);
    }
    roots
}

fn wait_for_traces(daemon: &mut Daemon, collector: &Collector, traces: &BTreeSet<String>) {
    daemon.wait_until("what was kept arrives", |_| {
        let received = collector.received();
        let roots = roots(&received);
        traces
            .iter()
            .all(|trace| roots.contains_key(trace.as_str()))
            .then_some(())
    });
}

fn every_run_arrives(protocol: &str) {
    let (target, mut collector) = (Target::start(Health::Up), Collector::start());
    let endpoint = match protocol {
        "grpc" => collector.grpc_endpoint(),
        _ => collector.http_endpoint(),
    };
    let mut daemon = Daemon::with(&configuration(&target, &endpoint, protocol)).start();
    wait_for_runs(&mut daemon, RUNS);
    daemon.wait_until("spans arrive", |_| {
        collector.received().spans_named("check http").next().map(|_| ())
    });
    collector.stop();
    wait_for_runs(&mut daemon, 2 * RUNS);

    let mut daemon = daemon.again_after("KILL").start();
    wait_for_runs(&mut daemon, RUNS);
    assert!(kept(&daemon).len() as u64 >= 3 * RUNS);
    collector.start_again();
    let before = kept(&daemon);
    wait_for_traces(&mut daemon, &collector, &before);
    assert_eq!(daemon.end("TERM").code, Some(0));

    let received = collector.received();
    let roots = roots(&received);
    for (trace, sent) in &roots {
        for again in sent {
            assert_eq!(
                (&again.id, again.start, again.end),
                (&sent[0].id, sent[0].start, sent[0].end),
                "{trace}"
            );
            assert_eq!(again.attributes, sent[0].attributes, "{trace}");
        }
    }
}

/// The collector stands still until the daemon has waited in vain for an answer, and then goes on.
fn a_pause_of_the_collector_makes_no_copies(protocol: &str) {
    let (target, collector) = (Target::start(Health::Up), Collector::start());
    let endpoint = match protocol {
        "grpc" => collector.grpc_endpoint(),
        _ => collector.http_endpoint(),
    };
    let mut daemon = Daemon::with(&configuration(&target, &endpoint, protocol)).start();
    let counted = |daemon: &Daemon, name: &str, outcome: &str| {
        let labels = ["\"traces\"", outcome];
        daemon.metric(&format!("synthetic_runner_telemetry_{name}_total"), &labels)
    };
    daemon.wait_until("a request is taken", |daemon| {
        counted(daemon, "exports", "\"success\"").filter(|taken| *taken >= 1.0)
    });
    collector.freeze(true);
    daemon.wait_until("an answer does not come in time", |daemon| {
        counted(daemon, "exports", "\"retry\"").filter(|retries| *retries >= 1.0)
    });
    let before = kept(&daemon);
    collector.freeze(false);
    wait_for_traces(&mut daemon, &collector, &before);
    assert_eq!(
        counted(&daemon, "unconfirmed", ""),
        Some(0.0),
        "sent again without an answer"
    );
    assert_eq!(daemon.end("TERM").code, Some(0));
    let received = collector.received();
    let twice: Vec<_> = roots(&received)
        .into_iter()
        .filter(|(_, roots)| roots.len() > 1)
        .collect();
    assert!(
        twice.is_empty(),
        "{protocol}: {} runs are there twice",
        twice.len()
    );
}

#[test]
fn over_grpc_a_pause_of_the_collector_makes_no_copies() {
    a_pause_of_the_collector_makes_no_copies("grpc");
}

#[test]
fn over_http_a_pause_of_the_collector_makes_no_copies() {
    a_pause_of_the_collector_makes_no_copies("http/protobuf");
}

#[test]
fn over_grpc_every_run_of_the_journal_arrives_after_an_outage_and_a_kill() {
    every_run_arrives("grpc");
}

#[test]
fn over_http_every_run_of_the_journal_arrives_after_an_outage_and_a_kill() {
    every_run_arrives("http/protobuf");
}
