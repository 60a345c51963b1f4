//! The promise: what the daemon finds out reaches a collector while it runs: a trace for each run, the metrics that
//! `/metrics` shows, and each change of a breaker as an event of the run that brought it about.

use bedcheck_tests::collector::{Collector, Received};
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::target::{Health, Target};

fn configuration(target: &Target, collector: &Collector) -> String {
    let (port, endpoint) = (target.port(), collector.http_endpoint());
    format!(
        r#"
        http.listen = "127.0.0.1:0"
        otlp.endpoint = "{endpoint}"

        [[check]]
        name = "front"
        plugin = "http"
        every = "100ms"
        budget.deadline = "10s"
        allow = ["127.0.0.1:{port}"]
        breaker = {{ failures = 2, reset = "200ms", max_reset = "200ms" }}
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        "#
    )
}

/// The states before and after of each change of a breaker, in the order of their times.
fn changes(received: &Received) -> Vec<(String, String)> {
    let mut roots: Vec<_> = received.spans_named("check http").collect();
    roots.sort_by_key(|span| span.start);
    let events = roots.iter().flat_map(|span| &span.events);
    events
        .filter(|(name, _)| name.starts_with("circuit."))
        .map(|(_, attributes)| {
            let text = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
            (
                text("synthetic.check.circuit.state.before"),
                text("synthetic.check.circuit.state"),
            )
        })
        .collect()
}

#[test]
fn runs_and_changes_of_breakers_reach_the_collector() {
    let (target, collector) = (Target::start(Health::Down), Collector::start());
    let mut daemon = Daemon::with(&configuration(&target, &collector)).start();
    daemon.wait_until("a run was left out", |daemon| {
        (daemon.check("front")["skipped"]["circuit_open"].as_u64()? >= 1).then_some(())
    });
    target.turn(Health::Up);
    daemon.wait_until("it passes", |daemon| {
        (daemon.check("front")["runs"]["pass"].as_u64()? >= 2).then_some(())
    });
    // While it serves, not only at its end.
    daemon.wait_until("spans arrive", |_| {
        collector.received().spans_named("check http").next().map(|_| ())
    });
    let last = daemon.run_lines("front").pop().expect("a line of a run");
    assert_eq!(daemon.end("TERM").code, Some(0));

    let received = collector.received();
    let roots: Vec<_> = received.spans_named("check http").collect();
    let of_last = roots
        .iter()
        .find(|span| last["trace_id"] == span.trace_id.as_str());
    let of_last = of_last.expect("the trace that the log names");
    assert_eq!(of_last.parent, "");
    assert_eq!(last["run_id"], of_last.id.as_str());
    let outcome = |word: &str| {
        let is_so = |span: &&&_| span_outcome(span) == word;
        roots.iter().filter(is_so).count()
    };
    assert!(outcome("pass") >= 2 && outcome("fail") >= 2 && outcome("skipped") >= 1);
    let changes = changes(&received);
    let changes: Vec<_> = changes
        .iter()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    assert_eq!(changes.first(), Some(&("closed", "open")), "{changes:?}");
    assert!(changes.contains(&("open", "half_open")), "{changes:?}");
    assert_eq!(changes.last(), Some(&("half_open", "closed")), "{changes:?}");
    assert_linked_with_who_opened_it(&received);
    for name in [
        "synthetic.check.circuit.transitions",
        "synthetic.check.state",
        "synthetic.check.runs",
    ] {
        assert!(received.metric(name).is_some(), "{name}");
    }
}

/// Runs that were skipped, and the one that found the target well, link to the run that opened the breaker last; a run
/// that changed the state of the check links to the one before it.
fn assert_linked_with_who_opened_it(received: &Received) {
    let mut roots: Vec<_> = received.spans_named("check http").collect();
    roots.sort_by_key(|span| span.start);
    let mut opened_by = None;
    let (mut skipped, mut probed, mut changed) = (0, 0, 0);
    for root in roots {
        let link = |why: &str| {
            let is_it =
                |link: &&bedcheck_tests::collector::Link| link.attributes["synthetic.check.link"] == why;
            root.linked.iter().find(is_it)
        };
        let happened = |event: &str| root.events.iter().any(|(name, _)| name == event);
        let wanted = match span_outcome(root) {
            "skipped" => {
                skipped += 1;
                opened_by
            }
            _ if happened("circuit.half_opened") => {
                probed += 1;
                opened_by
            }
            _ => None,
        };
        let found = link("opened_circuit").map(|link| (link.trace_id.as_str(), link.span_id.as_str()));
        assert_eq!(found, wanted, "{root:#?}");
        if root.attributes.contains_key("synthetic.check.state.before") {
            let is_first = root.attributes["synthetic.check.state.before"] == "unknown";
            assert_eq!(link("previous_state").is_none(), is_first, "{root:#?}");
            changed += 1;
        }
        if happened("circuit.opened") {
            opened_by = Some((root.trace_id.as_str(), root.id.as_str()));
        }
    }
    assert!(
        skipped >= 1 && probed >= 1 && changed >= 2,
        "{skipped} {probed} {changed}"
    );
}

fn span_outcome(span: &bedcheck_tests::collector::Span) -> &str {
    span.attributes["synthetic.check.outcome"]
        .as_str()
        .unwrap_or_default()
}
