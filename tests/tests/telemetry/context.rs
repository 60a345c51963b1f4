//! A peer is told which span asks it where a check allows that, and nothing where it does not.

use bedcheck_tests::Program;
use bedcheck_tests::collector::Collector;
use bedcheck_tests::script::{Peer, Script};

use crate::trace::Trace;

/// Closes the first connection after the request and serves the second.
fn second_try() -> Peer {
    let first = Script::new().expect_through("\r\n\r\n").reset();
    let second = Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    Peer::serve([127, 0, 0, 1].into(), vec![first, second])
}

/// A check of the peer with this key in its table.
fn check(peer: &Peer, endpoint: &str, key: &str) -> Program {
    let port = peer.port();
    Program::run(&format!(
        r#"
        otlp.endpoint = "{endpoint}"

        [[check]]
        name = "page"
        plugin = "http"
        {key}
        allow = ["127.0.0.1:{port}"]
        retry = {{ attempts = 2, backoff = "20ms" }}
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        "#
    ))
}

/// The values of the header in the requests that came.
fn told(peer: Peer) -> Vec<Option<String>> {
    let requests = peer.finish().into_iter().map(|connection| connection.text());
    let value = |request: String| {
        let mut fields = request.lines().filter_map(|line| line.split_once(": "));
        let field = fields.find(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
        field.map(|(_, value)| value.to_owned())
    };
    requests.map(value).collect()
}

#[test]
fn each_request_names_the_span_of_its_own_phase() {
    let (peer, collector) = (second_try(), Collector::start());
    let finished = check(&peer, &collector.http_endpoint(), "trace_context = true").finish();
    let report = finished.report();
    assert_eq!(report["outcome"], "pass", "{finished:#?}");
    let received = collector.received();
    let trace = Trace::of(&report, &received);
    trace.assert_tells_the_report();
    let mut spans: Vec<_> = received.spans_named("processing").collect();
    spans.sort_by_key(|span| span.start);
    let wanted: Vec<_> = spans
        .iter()
        .map(|span| Some(format!("00-{}-{}-01", span.trace_id, span.id)))
        .collect();
    assert_eq!(wanted.len(), 2);
    assert_eq!(told(peer), wanted);
}

#[test]
fn nothing_is_told_where_the_check_does_not_allow_it() {
    let collector = Collector::start();
    for key in ["", "trace_context = false"] {
        let peer = second_try();
        let finished = check(&peer, &collector.http_endpoint(), key).finish();
        assert_eq!(finished.report()["outcome"], "pass", "{finished:#?}");
        assert_eq!(told(peer), [None, None]);
    }
}
