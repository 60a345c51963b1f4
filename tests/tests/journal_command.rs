//! The promise: `bedcheck journal` shows what was kept, by check, outcome and time, follows what is written meanwhile
//! across segments, finds damage, and sends reports again with the same identities.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use bedcheck_tests::collector::Collector;
use bedcheck_tests::daemon::Daemon;
use bedcheck_tests::guarded::Guarded;
use bedcheck_tests::program::{Finished, Program, bedcheck, executable, undisturbed};
use bedcheck_tests::target::{Health, Target};
use serde_json::Value;

/// A check that passes and one that fails, kept in the folder `kept`.
fn configuration(port: u16) -> String {
    format!(
        r#"
        journal.dir = "kept"
        [[check]]
        name = "sound"
        plugin = "http"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/" }}
        [[check]]
        name = "sick"
        plugin = "http"
        allow = ["127.0.0.1:{port}"]
        settings = {{ url = "http://127.0.0.1:{port}/", expect.status = [418] }}
        "#
    )
}

/// A folder in which every check ran once, with the reports.
fn ran() -> (tempfile::TempDir, Vec<Value>) {
    let target = Target::start(Health::Up);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bedcheck.toml");
    let configuration =
        configuration(target.port()).replace("\"kept\"", &format!("{:?}", folder.path().join("kept")));
    std::fs::write(&file, configuration).expect("written");
    let ran = bedcheck(["run", &file.display().to_string(), "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), ""));
    let reports = ran.reports();
    (folder, reports)
}

fn journal(folder: &tempfile::TempDir, arguments: &[&str]) -> Finished {
    let file = folder.path().join("bedcheck.toml").display().to_string();
    bedcheck(
        ["journal", &file]
            .iter()
            .copied()
            .chain(arguments.iter().copied()),
    )
}

#[test]
fn what_a_run_showed_is_what_the_journal_shows() {
    let (folder, reports) = ran();
    let shown = journal(&folder, &["--format", "json"]);
    assert_eq!((shown.code, shown.reports()), (Some(0), reports));
    let text = journal(&folder, &[]).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("  pass     sound  "), "{text}");
    assert!(
        lines[1].contains("  fail     sick  ") && lines[1].contains("  assertion_failed"),
        "{text}"
    );
    let waterfall = journal(&folder, &["--format", "waterfall", "--check", "sick"]).stdout;
    assert!(
        waterfall.contains("sick") && waterfall.contains("processing"),
        "{waterfall}"
    );
}

#[test]
fn a_mistake_in_where_reports_are_kept_or_sent_is_refused() {
    let (folder, _) = ran();
    let file = folder.path().join("bedcheck.toml");
    let sound = std::fs::read_to_string(&file).expect("the configuration");
    let wrongs = [
        ("`journal.dirr`", sound.replace("journal.dir ", "journal.dirr ")),
        ("`jurnal`", sound.replace("journal.dir ", "jurnal.dir ")),
        (
            "`otlp.headers",
            format!(
                "otlp = {{ endpoint = \"http://127.0.0.1:9\", headers = {{ authorization = 5 }} }}\n{sound}"
            ),
        ),
        (
            "`otlp.protocl`",
            format!("otlp = {{ endpoint = \"http://127.0.0.1:9\", protocl = \"grpc\" }}\n{sound}"),
        ),
    ];
    let export = || bedcheck(["journal", "export", &file.display().to_string()]);
    for (place, wrong) in wrongs {
        std::fs::write(&file, wrong).expect("written");
        for refused in [journal(&folder, &[]), journal(&folder, &["--verify"]), export()] {
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(64), ""), "{place}");
            assert!(refused.stderr.contains(place), "{place}: {}", refused.stderr);
        }
    }
    let elsewhere = sound.replace("name = \"sick\"", "name = \"sick\"\nplugn = 1");
    std::fs::write(&file, elsewhere).expect("written");
    let shown = journal(&folder, &[]);
    assert_eq!(
        (shown.code, shown.stdout.lines().count()),
        (Some(0), 2),
        "{}",
        shown.stderr
    );
}

#[test]
fn reports_are_found_by_check_outcome_and_time() {
    let (folder, reports) = ran();
    let started = reports[1]["started"].as_str().expect("a time");
    let found = |arguments: &[&str]| {
        let shown = journal(&folder, &[arguments, &["--format", "json"]].concat());
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        let checks = shown.reports().into_iter();
        checks
            .map(|report| report["check"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&["--check", "sick"]), ["sick"]);
    assert_eq!(found(&["--outcome", "pass,error"]), ["sound"]);
    assert_eq!(found(&["--since", "1h"]), ["sound", "sick"]);
    assert_eq!(found(&["--until", "1h"]), Vec::<String>::new());
    assert!(found(&["--since", started]).contains(&"sick".to_owned()));
    let refused = journal(&folder, &["--since", "yesterday"]);
    assert_eq!(refused.code, Some(64));
    assert!(
        refused
            .stderr
            .starts_with("--since: found `yesterday`, wanted a time"),
        "{}",
        refused.stderr
    );
}

#[test]
fn damage_is_found_and_what_is_sound_is_shown_all_the_same() {
    let (folder, _) = ran();
    assert_eq!(journal(&folder, &["--verify"]).code, Some(0));
    let segment = folder.path().join("kept/00000000000000000001.jsonl");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    bytes[100] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let verified = journal(&folder, &["--verify"]);
    assert_eq!(verified.code, Some(2));
    assert!(
        verified.stdout.contains("1 reports, 1 damaged"),
        "{}",
        verified.stdout
    );
    assert!(
        verified.stderr.contains("at byte 0: its checksum is"),
        "{}",
        verified.stderr
    );
    let shown = journal(&folder, &["--format", "json"]);
    assert_eq!((shown.code, shown.reports().len()), (Some(2), 1));
}

#[test]
fn an_end_that_is_torn_is_cut_off_by_the_next_run_which_says_so() {
    let (folder, _) = ran();
    let segment = folder.path().join("kept/00000000000000000001.jsonl");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    bytes.extend(b"half a record");
    std::fs::write(&segment, bytes).expect("written");
    let file = folder.path().join("bedcheck.toml").display().to_string();
    let note = "note: the journal ended in 13 bytes of a record that was not whole, which are cut off\n";
    assert_eq!(bedcheck(["run", &file]).stderr, note);
    let verified = journal(&folder, &["--verify"]);
    assert!(
        verified.stdout.ends_with("4 reports, nothing wrong\n"),
        "{verified:#?}"
    );
}

#[test]
fn a_journal_that_is_not_there_is_said() {
    let none = Program::new(["journal"])
        .env("XDG_STATE_HOME", "/nonexistent")
        .finish();
    assert_eq!(none.code, Some(64));
    assert_eq!(
        none.stderr,
        "found no folder `/nonexistent/bedcheck/journal`, wanted one with a journal\n"
    );
}

#[test]
fn a_folder_without_a_journal_is_said_with_the_journal_below_it() {
    let (folder, _) = ran();
    let state = tempfile::tempdir().expect("a folder");
    let shown = state.path().display().to_string();
    let refused = |arguments: &[&str]| {
        let finished = bedcheck(["journal"].iter().chain(arguments).copied());
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(64), ""),
            "{finished:#?}"
        );
        finished.stderr
    };
    let wanted = format!("found a folder `{shown}` without a journal, wanted one with a journal");
    for arguments in [
        &["--dir", &shown][..],
        &["--dir", &shown, "--verify"],
        &["export", "--dir", &shown],
    ] {
        assert_eq!(refused(arguments), format!("{wanted}\n"));
    }
    std::fs::rename(folder.path().join("kept"), state.path().join("journal")).expect("moved");
    assert_eq!(
        refused(&["--dir", &shown]),
        format!("{wanted}: there is one in `{shown}/journal`\n")
    );
}

#[test]
fn options_that_would_not_be_applied_are_refused() {
    for arguments in [
        &["checks.toml", "--dir", "/tmp"][..],
        &["export", "checks.toml", "--dir", "/tmp"],
        &["--verify", "--format", "json"],
        &["--follow", "--until", "1s"],
    ] {
        let finished = bedcheck(["journal"].iter().chain(arguments).copied());
        assert_eq!(finished.code, Some(64), "{arguments:?}: {finished:#?}");
        assert!(finished.stderr.contains("cannot be used with"), "{finished:#?}");
    }
}

#[test]
fn reports_are_sent_again_with_the_same_identities() {
    let (folder, reports) = ran();
    let collector = Collector::start();
    let file = folder.path().join("bedcheck.toml").display().to_string();
    let export = |arguments: &[&str]| {
        let command = ["journal", "export", &file];
        Program::new(command.iter().chain(arguments))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_endpoint())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .finish()
    };
    let sent = export(&["--outcome", "fail"]);
    assert_eq!(
        (sent.code, sent.stdout.as_str()),
        (Some(0), "1 reports were taken\n"),
        "{}",
        sent.stderr
    );
    let sent = export(&[]);
    assert_eq!(
        (sent.code, sent.stdout.as_str()),
        (Some(0), "2 reports were taken\n"),
        "{}",
        sent.stderr
    );
    let received = collector.received();
    let mut roots: Vec<(&str, &str)> = received
        .spans_named("check http")
        .map(|root| (root.trace_id.as_str(), root.id.as_str()))
        .collect();
    roots.sort_unstable();
    roots.dedup();
    let mut wanted: Vec<(&str, &str)> = reports
        .iter()
        .map(|report| {
            let text = |key: &str| report[key].as_str().expect("an id");
            (text("trace_id"), text("run_id"))
        })
        .collect();
    wanted.sort_unstable();
    assert_eq!(roots, wanted);
    let nowhere = bedcheck(["journal", "export", &file]);
    assert_eq!(nowhere.code, Some(64), "{}", nowhere.stdout);
    assert!(
        nowhere.stderr.contains("nothing says where"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn following_goes_on_across_segments_without_a_gap() {
    let target = Target::start(Health::Up);
    let port = target.port();
    let check = |number: usize| {
        format!(
            "[[check]]\nname = \"front-{number}\"\nplugin = \"http\"\nevery = \"100ms\"\nallow = [\"127.0.0.1:{port}\"]\n\
             settings = {{ url = \"http://127.0.0.1:{port}/\" }}\n"
        )
    };
    let checks: String = (0..40).map(check).collect();
    let configuration = format!("http.listen = \"127.0.0.1:0\"\njournal.max_size = \"1MiB\"\n{checks}");
    let mut daemon = Daemon::with(&configuration).start();
    let dir = daemon.path("state/bedcheck/journal");
    let mut following = undisturbed(executable());
    following.args(["journal", "--follow", "--format", "json", "--dir"]);
    let mut following = Guarded::start(following.arg(&dir).stdout(Stdio::piped()));
    let output = following.stdout.take().expect("an output");
    let mut shown = BufReader::new(output).lines().map(|line| {
        let report: Value = serde_json::from_str(&line.expect("a line")).expect("a report");
        report["run_id"].as_str().expect("an id").to_owned()
    });
    let segments = |daemon: &Daemon| daemon.get("/api/v1/journal").json()["segments"].as_u64();
    daemon.wait_until("there are several segments", |daemon| {
        (segments(daemon)? >= 3).then_some(())
    });
    let told: Vec<String> = daemon
        .events()
        .iter()
        .filter(|event| event["target"] == "bedcheck::run")
        .filter_map(|event| event["run_id"].as_str().map(str::to_owned))
        .collect();
    let followed: Vec<String> = shown.by_ref().take(told.len()).collect();
    let mut missing: Vec<&String> = told.iter().filter(|id| !followed.contains(id)).collect();
    // Several runs end at once, and the log may tell of them in another order than the journal.
    missing.truncate(20);
    let late: Vec<String> = shown.take(20).collect();
    assert!(missing.iter().all(|id| late.contains(id)), "{missing:?}");
}
