//! The promise: the metrics of the daemon are few and speak of checks, never of addresses or messages; Prometheus' own
//! tool takes the page; and what they count goes on after the daemon was killed.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::program::{Program, bedcheck};
use bedcheck_tests::target::{Health, Target};

fn configuration(port: u16, every: &str) -> String {
    format!(
        r#"
        http.listen = "127.0.0.1:0"
        serve.drain = "0s"
        [[check]]
        name = "front"
        plugin = "http"
        every = "{every}"
        budget.deadline = "10s"
        allow = ["127.0.0.1:{port}"]
        breaker = {{ failures = 2, reset = "100ms", max_reset = "100ms" }}
        retry = {{ attempts = 2, backoff = "1ms" }}
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        [[check]]
        name = "forbidden"
        plugin = "tcp"
        every = "{every}"
        budget.deadline = "10s"
        allow = ["127.0.0.1:1"]
        settings = {{ host = "127.0.0.1", port = 1 }}
        "#
    )
}

/// Every label that a metric of ours can have, but those of `target_info` and `le`.
const LABELS: [&str; 18] = [
    "cpu_mode",
    "error_type",
    "synthetic_check_circuit_state",
    "synthetic_check_denial",
    "synthetic_check_name",
    "synthetic_check_outcome",
    "synthetic_check_phase",
    "synthetic_check_retried",
    "synthetic_check_state",
    "synthetic_check_type",
    "synthetic_runner_cache",
    "synthetic_runner_metric",
    "synthetic_runner_task",
    "synthetic_runner_telemetry_outcome",
    "synthetic_runner_telemetry_signal",
    "otel_metric_overflow",
    "synthetic_check_fault_injected",
    "le",
];

/// The page as OpenMetrics, as Prometheus asks for it.
fn open_metrics(daemon: &Daemon) -> String {
    let accept =
        "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3\r\n";
    let answer = daemon.request("GET", "/metrics", accept, "").expect("an answer");
    assert!(
        answer.head.contains("application/openmetrics-text"),
        "{}",
        answer.head
    );
    answer.body
}

/// The labels of a line with a value, each with its value.
fn labels(line: &str) -> Vec<(&str, &str)> {
    let Some((_, rest)) = line.split_once('{') else {
        return Vec::new();
    };
    let rest = rest.split("} ").next().unwrap_or_default();
    let pairs = rest.split("\",").filter_map(|pair| pair.split_once("=\""));
    pairs
        .map(|(name, value)| (name, value.trim_end_matches('"')))
        .collect()
}

#[test]
fn labels_are_those_of_the_documentation_and_never_addresses_or_messages() {
    let target = Target::start(Health::Down);
    let mut daemon = Daemon::with(&configuration(target.port(), "100ms")).start();
    daemon.wait_until("a run was left out", |daemon| {
        (daemon.check("front")["skipped"]["circuit_open"].as_u64()? >= 1).then_some(())
    });
    target.turn(Health::Up);
    daemon.wait_until("it passes", |daemon| {
        (daemon.check("front")["runs"]["pass"].as_u64()? >= 1).then_some(())
    });
    let page = open_metrics(&daemon);
    let port = target.port().to_string();
    let mut seen = BTreeSet::new();
    for line in page
        .lines()
        .filter(|line| !line.starts_with(['#']) && !line.starts_with("target_info"))
    {
        for (name, value) in labels(line) {
            assert!(LABELS.contains(&name), "{name} in {line}");
            let is_told = ["127.0.0.1", &port, "http://", " "]
                .iter()
                .any(|word| value.contains(word));
            assert!(!is_told || name == "le", "{value} in {line}");
            seen.insert(name.to_owned());
        }
    }
    for expected in [
        "error_type",
        "synthetic_check_circuit_state",
        "synthetic_check_phase",
    ] {
        assert!(seen.contains(expected), "{expected} in {seen:?}");
    }
    let failed = page.lines().find(|line| {
        line.starts_with("synthetic_check_runs_total{error_type=\"connection_closed\"")
            || line.starts_with("synthetic_check_runs_total{error_type=\"connection_refused\"")
    });
    assert!(
        failed.is_some_and(|line| line.contains(" # {trace_id=\"")),
        "{page}"
    );
}

#[test]
fn the_tool_of_prometheus_takes_the_page() {
    let target = Target::start(Health::Up);
    let mut daemon = Daemon::with(&configuration(target.port(), "100ms")).start();
    daemon.wait_until("it passes", |daemon| {
        (daemon.check("front")["runs"]["pass"].as_u64()? >= 1).then_some(())
    });
    let page = daemon.get("/metrics").body;
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = tool.stdin.take().expect("its input");
    input.write_all(page.as_bytes()).expect("it reads");
    drop(input);
    let output = tool.wait_with_output().expect("it ends");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    // OpenTelemetry's name, for which there is a rule of Prometheus against.
    let other = said
        .lines()
        .filter(|line| !line.starts_with("process_open_file_descriptor_count "));
    assert_eq!(other.collect::<Vec<_>>(), [""; 0], "{page}");
}

/// How many runs the metrics count.
fn counted(daemon: &Daemon) -> u64 {
    let page = daemon.get("/metrics").body;
    let lines = page
        .lines()
        .filter(|line| line.starts_with("synthetic_check_runs_total{"));
    let values = lines.map(|line| {
        line.rsplit(' ')
            .next()
            .and_then(|value| value.parse::<u64>().ok())
    });
    values.map(|value| value.expect("a count")).sum()
}

/// How many reports the journal holds.
fn kept(folder: &Path) -> u64 {
    let folder = folder.display().to_string();
    let shown = bedcheck(["journal", "--dir", &folder, "--format", "json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    shown.reports().len() as u64
}

#[test]
fn counters_go_on_where_they_were_after_the_daemon_is_killed() {
    let target = Target::start(Health::Up);
    let mut daemon = Daemon::with(&configuration(target.port(), "100ms")).start();
    for round in 1..=2 {
        let wanted = round * 30;
        daemon.wait_until("it has run", |daemon| (counted(daemon) >= wanted).then_some(()));
        let folder = daemon.path("state/bedcheck/journal");
        let before = counted(&daemon);
        let starting = daemon.again_after("KILL");
        let on_disk = kept(&folder);
        assert!(before <= on_disk, "{before} were counted, {on_disk} are kept");
        daemon = starting.start();
        let now = counted(&daemon);
        let on_disk_now = kept(&folder);
        assert!(
            (on_disk..=on_disk_now).contains(&now),
            "{now} are counted, {on_disk} and then {on_disk_now} are kept"
        );
    }
}

#[test]
fn a_run_by_hand_between_two_daemons_is_counted_and_takes_nothing_from_the_counters() {
    let target = Target::start(Health::Up);
    let configuration = configuration(target.port(), "100ms");
    let mut daemon = Daemon::with(&format!("journal.enabled = true\n{configuration}")).start();
    daemon.wait_until("it has run", |daemon| (counted(daemon) >= 30).then_some(()));
    let starting = daemon.again_after("TERM");
    let folder = starting.path("state/bedcheck/journal");
    let before = kept(&folder);
    let file = starting.path("bedcheck.toml").display().to_string();
    let ran = Program::new(["run", &file, "--check", "front"]).env("XDG_STATE_HOME", starting.path("state"));
    let ran = ran.finish();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let on_disk = kept(&folder);
    assert_eq!(on_disk, before + 1);
    let daemon = starting.start();
    let now = counted(&daemon);
    let on_disk_now = kept(&folder);
    assert!(
        (on_disk..=on_disk_now).contains(&now),
        "{now} are counted, {on_disk} and then {on_disk_now} are kept"
    );
}

#[test]
fn a_check_that_gets_another_plugin_leaves_no_series_of_the_one_before() {
    let target = Target::start(Health::Up);
    let port = target.port();
    let configuration = |plugin: &str, settings: &str| {
        format!(
            r#"
            http.listen = "127.0.0.1:0"
            [[check]]
            name = "front"
            plugin = "{plugin}"
            every = "100ms"
            budget.deadline = "10s"
            allow = ["127.0.0.1:{port}"]
            settings = {{ {settings} }}
            "#
        )
    };
    let series = |daemon: &Daemon, plugin: &str| -> Vec<String> {
        let (check, kind) = (
            "synthetic_check_name=\"front\"",
            format!("synthetic_check_type=\"{plugin}\""),
        );
        let page = daemon.get("/metrics").body;
        let lines = page
            .lines()
            .filter(|line| line.contains(check) && line.contains(&kind));
        lines.map(str::to_owned).collect()
    };
    let has_run = |daemon: &Daemon, plugin: &str| {
        let runs = |line: &String| line.starts_with("synthetic_check_runs_total{");
        series(daemon, plugin).iter().any(runs).then_some(())
    };
    let url = format!("url = \"http://127.0.0.1:{port}/\"");
    let mut daemon = Daemon::with(&configuration("http", &url)).start();
    daemon.wait_until("it has run", |daemon| has_run(daemon, "http"));
    let measured = |line: &String| line.starts_with("synthetic_check_measurement_");
    assert!(series(&daemon, "http").iter().any(measured));
    daemon.configure(&configuration(
        "tcp",
        &format!("host = \"127.0.0.1\", port = {port}"),
    ));
    assert_eq!(daemon.post("/-/reload").status, 200);
    daemon.wait_until("it has run", |daemon| has_run(daemon, "tcp"));
    assert_eq!(series(&daemon, "http"), [""; 0]);
}
