//! The promise: every query that is handed out, in the rules, the dashboard and `docs/queries.md`, names what the daemon
//! really tells, and finds something where there is something to be found: in a real Prometheus that scrapes a daemon
//! with a check for everything.

#[expect(dead_code, reason = "these tests need a part of what is shared")]
mod contrib;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use bedcheck_tests::prometheus::Prometheus;
use contrib::dashboard::{dashboard, list, panels, text};
use contrib::file;
use contrib::promql::{Names, names};
use contrib::world::World;

/// Metrics that the daemon of these tests has nothing to tell by: nothing of it hangs, no metric has too many series.
const NOT_HERE: [&str; 2] = [
    "synthetic_runner_task_restarts_total",
    "synthetic_runner_metrics_overflowed_total",
];
/// How long an exemplar may take to be there: some scrapes, on a busy machine too.
const EXEMPLARS_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The texts between lines of three backquotes, of this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let block = |rest: &str| rest.split("\n```").next().unwrap_or_default().to_owned();
    page.split(&opening).skip(1).map(block).collect()
}

/// Every metric is there, and has the labels that it is asked for; so are the labels that are grouped by.
fn assert_known(prometheus: &Prometheus, origin: &str, expression: &str) {
    let Names {
        metrics,
        labels,
        lists,
    } = names(expression);
    for metric in metrics.iter().filter(|metric| is_here(metric)) {
        assert!(
            !prometheus.wait_for(&format!("count({metric})")).is_empty(),
            "{origin}"
        );
    }
    for (metric, label) in labels.iter().filter(|(metric, _)| is_here(metric)) {
        let query = format!("count({metric}{{{label}!=\"\"}})");
        assert!(!prometheus.wait_for(&query).is_empty(), "{origin}");
    }
    let known: BTreeSet<String> = prometheus.label_names().into_iter().collect();
    // A label of what is not here can still not be known.
    let unknown: Vec<&String> = lists.difference(&known).collect();
    assert!(unknown.is_empty(), "{origin}: nothing has the labels {unknown:?}");
}

fn is_here(metric: &str) -> bool {
    !NOT_HERE.contains(&metric)
}

#[test]
fn what_is_asked_is_what_is_told() {
    let world = World::start();
    rules_can_be_evaluated(&world.prometheus);
    documented_queries_find_something(&world.prometheus);
    the_dashboard_shows_something(&world.prometheus);
    exemplars_lead_to_traces(&world.prometheus);
}

/// A rule that records has something to record, and one that alerts can be decided.
fn rules_can_be_evaluated(prometheus: &Prometheus) {
    let rules = prometheus.rules();
    assert!(rules.len() > 40, "{rules:#?}");
    for rule in &rules {
        let name = rule["name"].as_str().unwrap_or_default();
        assert_known(prometheus, name, rule["query"].as_str().unwrap_or_default());
        if rule["type"] == "recording" {
            assert!(!prometheus.wait_for(name).is_empty());
        }
    }
    // By now each has been evaluated, with all that there is.
    for rule in prometheus.rules() {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
}

fn documented_queries_find_something(prometheus: &Prometheus) {
    let page = file("docs/queries.md");
    let queries = blocks(&page, "promql");
    assert!(
        queries.len() > 20,
        "only {} queries in docs/queries.md",
        queries.len()
    );
    for query in queries {
        assert_known(prometheus, "docs/queries.md", &query);
        // The daemon is seconds old.
        let query = query.replace("offset 1d", "offset 1s");
        assert!(!prometheus.wait_for(&query).is_empty());
    }
}

fn the_dashboard_shows_something(prometheus: &Prometheus) {
    let dashboard = dashboard();
    for variable in list(&dashboard["templating"]["list"]).filter(|variable| variable["type"] == "query") {
        let definition = text(&variable["definition"]);
        let of = definition
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let (metric, label) = of
            .and_then(|of| of.rsplit_once(", "))
            .unwrap_or_else(|| panic!("{definition}"));
        let query = as_grafana_asks(&format!("count by ({label}) ({metric})"));
        assert_known(prometheus, definition, &query);
    }
    // There may be nothing to annotate.
    for annotation in list(&dashboard["annotations"]["list"]) {
        assert_known(
            prometheus,
            "an annotation",
            &as_grafana_asks(text(&annotation["expr"])),
        );
    }
    for panel in panels(&dashboard) {
        for target in list(&panel["targets"]).filter(|target| target["datasource"]["type"] == "prometheus") {
            let query = as_grafana_asks(text(&target["expr"]));
            assert_known(prometheus, text(&panel["title"]), &query);
            if names(&query).metrics.iter().all(|metric| is_here(metric)) {
                assert!(!prometheus.wait_for(&query).is_empty());
            }
        }
    }
}

/// The label by which the data source finds the trace is the one that exemplars have.
fn exemplars_lead_to_traces(prometheus: &Prometheus) {
    let label = "trace_id";
    let sources = file("contrib/grafana/datasources.yaml");
    assert!(sources.contains(&format!("- name: {label}\n")), "{sources}");
    let give_up = Instant::now() + EXEMPLARS_WITHIN;
    let found = loop {
        let found = prometheus.exemplars("synthetic_check_duration_seconds_bucket");
        if !found.is_empty() {
            break found;
        }
        assert!(Instant::now() < give_up, "no exemplars: {}", prometheus.log());
        thread::sleep(LOOK_EVERY);
    };
    let exemplar = &found[0]["exemplars"][0];
    let trace = text(&exemplar["labels"][label]);
    let is_trace = trace.len() == 32 && trace.bytes().all(|digit| digit.is_ascii_hexdigit());
    assert!(is_trace, "{exemplar:#}");
}

#[test]
fn what_is_not_here_is_documented() {
    let documented = file("docs/metrics.md").replace('.', "_");
    for metric in NOT_HERE {
        let name = metric.trim_end_matches("_total");
        assert!(
            documented.contains(&format!("| `{name}` |")),
            "docs/metrics.md has no {metric}"
        );
    }
}

/// A query with the values of variables that Grafana would put in, for everything there is and a short range.
fn as_grafana_asks(query: &str) -> String {
    [
        ("$job", ".*"),
        ("$check", ".*"),
        ("$instance", ".*"),
        ("$__rate_interval", "10s"),
        ("$__range", "10s"),
        ("offset 1d", "offset 1s"),
    ]
    .iter()
    .fold(query.to_owned(), |query, (from, to)| query.replace(from, to))
}

#[test]
fn queries_for_traces_ask_for_what_spans_have() {
    let telemetry = file("docs/telemetry.md");
    let mut queries = blocks(&file("docs/queries.md"), "traceql");
    let dashboard = dashboard();
    let targets = panels(&dashboard).flat_map(|panel| list(&panel["targets"]));
    let of_traces = targets.filter(|target| target["datasource"]["type"] == "tempo");
    queries.extend(of_traces.map(|target| text(&target["query"]).to_owned()));
    assert!(queries.len() > 5, "{queries:#?}");
    for query in queries {
        let attributes = query.split("span.").skip(1).map(|rest| {
            let end =
                rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_')));
            &rest[..end.unwrap_or(rest.len())]
        });
        for attribute in attributes {
            assert!(
                telemetry.contains(&format!("| `{attribute}`")),
                "docs/telemetry.md does not tell of `{attribute}`"
            );
        }
    }
}
