//! The promise: what the daemon told of is kept, whatever happens to it or to its disk: killed at any moment, it loses
//! no run but those under way; a disk that is full stops no check and is said; a burst is kept whole.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::program::{Program, bedcheck};
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// So many checks of a target, each at this interval, at most four of them at once.
fn configuration(port: u16, checks: usize, every: &str) -> String {
    let check = |number| {
        format!(
            r#"
            [[check]]
            name = "front-{number}"
            plugin = "http"
            every = "{every}"
            budget.deadline = "10s"
            allow = ["127.0.0.1:{port}"]
            settings = {{ url = "http://127.0.0.1:{port}/" }}
            "#
        )
    };
    let checks: String = (0..checks).map(check).collect();
    format!(
        "http.listen = \"127.0.0.1:0\"\nserve.drain = \"0s\"\nrunner = {{ concurrency = {AT_ONCE}, per_target = {AT_ONCE} }}\n{checks}"
    )
}

/// How many runs go on at once at most.
const AT_ONCE: usize = 4;

fn folder(daemon: &Daemon) -> PathBuf {
    daemon.path("state/bedcheck/journal")
}

/// The reports of a journal, as the program reads them.
fn kept(folder: &Path) -> Vec<Value> {
    let folder = folder.display().to_string();
    let shown = bedcheck(["journal", "--dir", &folder, "--format", "json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    shown.reports()
}

fn ids<'v>(reports: impl IntoIterator<Item = &'v Value>) -> BTreeSet<String> {
    let id = |report: &Value| report["run_id"].as_str().expect("an id").to_owned();
    reports.into_iter().map(id).collect()
}

/// The runs that the log tells of.
fn logged(daemon: &Daemon) -> Vec<Value> {
    let is_run = |event: &Value| event["target"] == "bedcheck::run";
    daemon.events().into_iter().filter(is_run).collect()
}

fn status(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/journal").json()
}

/// The numbers of the records in the files, in their order.
fn numbers(folder: &Path) -> Vec<u64> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort_unstable();
    let mut numbers = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("a segment");
        let records = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        numbers.extend(records.map(|record| record["sequence"].as_u64().expect("a number")));
    }
    numbers
}

#[test]
fn killed_at_any_moment_it_has_every_run_but_those_of_the_last_moment_and_goes_on() {
    let target = Target::start(Health::Up);
    let mut starting = Daemon::with(&configuration(target.port(), 20, "100ms"));
    let mut told = BTreeSet::new();
    for (round, wanted) in [23, 61, 107].into_iter().enumerate() {
        let mut daemon = starting.start();
        daemon.wait_until("runs are told", |daemon| {
            (logged(daemon).len() >= wanted).then_some(())
        });
        let folder = folder(&daemon);
        let events = logged(&daemon);
        starting = daemon.again_after("KILL");
        told.extend(ids(&events));
        let kept = kept(&folder);
        let kept_ids = ids(&kept);
        assert_eq!(kept_ids.len(), kept.len(), "each once");
        let missing = told.difference(&kept_ids).count();
        assert!(
            missing <= AT_ONCE * (round + 1),
            "{missing} of {} are missing",
            told.len()
        );
        let numbers = numbers(&folder);
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
}

#[test]
fn what_is_told_when_it_ends_in_order_is_kept_to_the_last_run() {
    let target = Target::start(Health::Up);
    let mut daemon = Daemon::with(&configuration(target.port(), 5, "100ms")).start();
    daemon.wait_until("runs are told", |daemon| {
        (logged(daemon).len() >= 30).then_some(())
    });
    let told = status(&daemon);
    assert_eq!((&told["write_error"], &told["lost"]), (&Value::Null, &0.into()));
    let (folder, _stays) = (folder(&daemon), daemon.starting());
    let ended = daemon.end("TERM");
    assert_eq!(ended.code, Some(0));
    let events = ended
        .log
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let runs: Vec<Value> = events
        .filter(|event| event["target"] == "bedcheck::run")
        .collect();
    let kept = kept(&folder);
    assert_eq!(ids(&kept), ids(&runs));
    let verified = bedcheck(["journal", "--verify", "--dir", &folder.display().to_string()]);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(
        verified
            .stdout
            .contains(&format!("{} reports, nothing wrong", kept.len())),
        "{}",
        verified.stdout
    );
}

#[test]
fn a_full_disk_is_said_stops_no_check_and_what_waited_is_written_when_there_is_room() {
    let target = Target::start(Health::Up);
    let mut daemon = Daemon::with(&configuration(target.port(), 20, "100ms")).start();
    daemon.wait_until("runs are told", |daemon| {
        (logged(daemon).len() >= 50).then_some(())
    });
    // In the middle of a record.
    let written = status(&daemon)["bytes"].as_u64().expect("a size");
    daemon.bound_files(&(written + 3000).to_string());
    daemon.wait_until("the journal cannot be written", |daemon| {
        status(daemon)["write_error"].is_string().then_some(())
    });
    let said = daemon.wait_until("it is said", |daemon| {
        let errors = daemon
            .events()
            .into_iter()
            .filter(|event| event["level"] == "ERROR");
        errors
            .into_iter()
            .find_map(|event| event["message"].as_str().map(str::to_owned))
    });
    assert!(said.starts_with("the journal cannot be written: "), "{said}");
    let before = logged(&daemon).len();
    daemon.wait_until("checks go on", |daemon| {
        (logged(daemon).len() > before + 50).then_some(())
    });
    assert!(
        status(&daemon)["unwritten"]
            .as_u64()
            .is_some_and(|waiting| waiting > 0)
    );
    daemon.wait_until("it is tried three times", |daemon| {
        (status(daemon)["write_errors"].as_u64()? >= 3).then_some(())
    });
    let about = |daemon: &Daemon, words: &str| {
        let events = daemon.events();
        let messages = events.iter().filter_map(|event| event["message"].as_str());
        messages.filter(|message| message.contains(words)).count()
    };
    assert_eq!(
        about(&daemon, "cannot be written"),
        1,
        "it is not said at every try"
    );
    assert_eq!(about(&daemon, "written to again"), 0, "it is not");
    let metric = daemon.metric("synthetic_check_runs_total", &["front-0"]);
    assert!(metric.is_some_and(|runs| runs > 0.0), "metrics go on");
    daemon.bound_files("unlimited");
    daemon.wait_until("what waited is written", |daemon| {
        let status = status(daemon);
        (status["write_error"].is_null() && status["unwritten"].as_u64()? < 5).then_some(())
    });
    assert_eq!(about(&daemon, "written to again"), 1);
    assert_eq!(status(&daemon)["lost"], 0);
    let (folder, _stays, events) = (folder(&daemon), daemon.starting(), logged(&daemon));
    assert_eq!(daemon.end("TERM").code, Some(0));
    let kept = ids(&kept(&folder));
    assert!(
        ids(&events).is_subset(&kept),
        "{} told, {} kept",
        events.len(),
        kept.len()
    );
}

#[test]
fn two_daemons_do_not_write_to_one_journal() {
    let target = Target::start(Health::Up);
    let configuration = configuration(target.port(), 1, "1s");
    let daemon = Daemon::with(&configuration).start();
    let state = daemon.path("state").display().to_string();
    let second = Program::new(["serve", "bedcheck.toml"])
        .file("bedcheck.toml", &configuration)
        .env("XDG_STATE_HOME", &state)
        .finish();
    // Who holds it may be a `bedcheck run`, which ends.
    assert_eq!(second.code, Some(70));
    assert!(
        second.stderr.contains("another process writes to the journal"),
        "{}",
        second.stderr
    );
    assert!(second.stderr.contains("set `journal.dir`"), "{}", second.stderr);
    drop(daemon);
}

#[test]
fn the_oldest_reports_make_room_and_the_size_is_kept() {
    const MOST: u64 = 1 << 20;
    let target = Target::start(Health::Up);
    let configuration = configuration(target.port(), 40, "100ms");
    let mut daemon = Daemon::with(&format!("journal.max_size = \"1MiB\"\n{configuration}")).start();
    daemon.wait_until("segments are removed", |daemon| {
        let status = status(daemon);
        assert!(status["bytes"].as_u64()? <= MOST, "{status}");
        (status["removed_segments"].as_u64()? >= 2).then_some(())
    });
    let (folder, _stays) = (folder(&daemon), daemon.starting());
    assert_eq!(daemon.end("TERM").code, Some(0));
    let size: u64 = std::fs::read_dir(&folder)
        .expect("the folder")
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|found| found.len())
        .sum();
    assert!(
        size <= MOST + (16 << 10),
        "{size} bytes, the small files beside included"
    );
    let numbers = numbers(&folder);
    assert!(numbers[0] > 1 && numbers.is_sorted(), "{:?}", numbers.first());
}
