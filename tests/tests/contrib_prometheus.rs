//! The promise: what `contrib/prometheus` has can be taken as it is. Prometheus takes the configuration and the rules,
//! every alert is shown to fire and not to fire, and says what it found, how bad it is and where to read on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bedcheck_tests::prometheus::promtool;

/// The folder of this repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a folder below `contrib/prometheus`, in the order of their names.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = root().join("contrib/prometheus").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values of the lines `key: value` in a text.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let value = |line: &'a str| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix(key)?.strip_prefix(": ").map(str::trim)
    };
    text.lines().filter_map(value).collect()
}

/// The alerts of all rules: the name, and the text of each.
fn alerts() -> Vec<(String, String)> {
    let mut alerts = Vec::new();
    for file in files("rules") {
        for alert in read(file).split("- alert: ").skip(1) {
            let (name, text) = alert.split_once('\n').expect("an alert has more than a name");
            let end = text.find("\n  - name: ").unwrap_or(text.len());
            alerts.push((name.trim().to_owned(), text[..end].to_owned()));
        }
    }
    alerts
}

#[test]
fn prometheus_takes_configuration_and_rules() {
    let configuration = root().join("contrib/prometheus/prometheus.yml");
    let checked = promtool(["check".as_ref(), "config".as_ref(), configuration.as_os_str()]);
    let printed = checked.unwrap_or_else(|printed| panic!("{printed}"));
    // The rules of every file are among what it checks.
    assert_eq!(
        printed.matches("rules found").count(),
        files("rules").len(),
        "{printed}"
    );
}

#[test]
fn every_rule_does_what_it_is_tested_for() {
    let mut arguments = vec!["test".into(), "rules".into()];
    arguments.extend(files("tests"));
    let tested = promtool(arguments);
    let printed = tested.unwrap_or_else(|printed| panic!("{printed}"));
    assert_eq!(
        printed.matches("SUCCESS").count(),
        files("tests").len(),
        "{printed}"
    );
}

#[test]
fn every_alert_is_seen_firing_and_not_firing() {
    let tests: String = files("tests").iter().map(read).collect();
    let cases: Vec<&str> = tests.split("- eval_time: ").skip(1).collect();
    for (alert, _) in alerts() {
        let is_of = |case: &&&str| values(case, "alertname").first() == Some(&alert.as_str());
        let quiet = |case: &&str| case.contains("exp_alerts: []");
        let of_it: Vec<&&str> = cases.iter().filter(is_of).collect();
        assert!(
            of_it.iter().any(|case| !quiet(case)),
            "{alert} is never seen firing"
        );
        assert!(
            of_it.iter().any(|case| quiet(case)),
            "{alert} is never seen not firing"
        );
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_where_to_read_on() {
    let page = read(root().join("docs/alerts.md"));
    let headings: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let alerts = alerts();
    for (name, text) in &alerts {
        let severities = values(text, "severity");
        assert!(
            matches!(severities[..], ["critical" | "warning"]),
            "{name}: {severities:?}"
        );
        for key in ["summary", "description"] {
            assert_eq!(values(text, key).len(), 1, "{name} has no {key}");
        }
        let place = format!("docs/alerts.md#{}", name.to_lowercase());
        assert_eq!(values(text, "runbook"), [place], "{name}");
        assert!(
            headings.contains(name.as_str()),
            "docs/alerts.md has no heading `### {name}`"
        );
    }
    let known: BTreeSet<&str> = alerts.iter().map(|(name, _)| name.as_str()).collect();
    let strangers: Vec<&&str> = headings.difference(&known).collect();
    assert!(strangers.is_empty(), "docs/alerts.md tells of {strangers:?}");
}

/// What the tests of the rules show to count each run once is what is handed out.
#[test]
fn the_query_for_blame_is_the_tested_one() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = read(root().join("docs/queries.md"));
    let (_, section) = page.split_once("## Whose fault").expect("a section about blame");
    let (_, query) = section.split_once("```promql\n").expect("a query");
    let (query, _) = query.split_once("```").expect("the end of the query");
    let tests = words(&read(root().join("contrib/prometheus/tests/recording.test.yml")));
    assert!(tests.contains(&words(query)), "{query}");
    let count = "sum_over_time(check_blame:synthetic_check_runs:rate5m[12h:15s]) * 15";
    assert!(query.contains(count), "{query}");
    let of_panel = count
        .replace("rate5m", r#"rate5m{job=~\"$job\"}"#)
        .replace("12h", "$__range");
    let dashboard = read(root().join("contrib/grafana/bedcheck.json"));
    assert!(dashboard.contains(&of_panel), "no {of_panel}");
}

/// The regular expressions of the rules that tell whose fault it was are those of the table.
#[test]
fn every_error_type_has_the_blame_of_the_documentation() {
    let tests = read(root().join("contrib/prometheus/tests/recording.test.yml"));
    let reports = read(root().join("docs/reports.md"));
    let mut seen = 0;
    for row in reports.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, error_type, blame, outcome, again, ..] = cells[..] else {
            continue;
        };
        // That the name servers were waited for cannot be told from the counter of runs.
        let is_name_server = error_type == "`deadline_exceeded`" && blame == "network";
        if !matches!(again, "yes" | "no") || is_name_server {
            continue;
        }
        let error_type = error_type
            .trim_matches('`')
            .replace("PLUGIN.word", "imap.over_quota");
        let series = format!("synthetic_check_outcome=\"{outcome}\", error_type=\"{error_type}\"");
        assert!(tests.contains(&series), "no series with {series}");
        let sample = format!("{{error_type=\"{error_type}\", synthetic_check_blame=\"{blame}\"}}");
        assert!(tests.contains(&sample), "no sample {sample}");
        seen += 1;
    }
    assert!(seen > 30, "only {seen} error types in docs/reports.md");
}
