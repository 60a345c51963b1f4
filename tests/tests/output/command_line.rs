//! What can be asked for on the command line, and what it says about itself.

use std::fs;

use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::Script;
use bedcheck_tests::{Finished, Program, bedcheck};

use super::{check, healthy};

#[test]
fn checks_can_be_selected_by_name() {
    let server = healthy().serve();
    let configuration: String = ["a", "b", "c"]
        .map(|name| check(name, server.port(), ""))
        .concat();
    let select = |names: &[&str]| {
        let program = Program::run(&configuration);
        let arguments = names.iter().flat_map(|name| ["--check", name]);
        arguments.fold(program, Program::argument).finish()
    };
    let ran = |finished: &Finished| -> Vec<String> {
        let reports = finished.reports();
        let names = reports.iter().filter_map(|report| report["check"].as_str());
        names.map(str::to_owned).collect()
    };
    assert_eq!(ran(&select(&[])), ["a", "b", "c"]);
    assert_eq!(ran(&select(&["b"])), ["b"]);
    assert_eq!(ran(&select(&["c", "a"])), ["a", "c"]);

    let unknown = select(&["a", "d"]);
    assert_eq!(
        (unknown.code, unknown.stdout.as_str()),
        (Some(64), ""),
        "{unknown:#?}"
    );
    assert_eq!(
        unknown.stderr,
        "--check: found no check called `d`, wanted one of `a`, `b`, `c`\n"
    );
}

#[test]
fn a_check_of_the_command_line_may_reach_its_target_and_says_so() {
    let server = healthy().serve();
    let url = format!("url=http://127.0.0.1:{}/", server.port());
    let finished = bedcheck([
        "run",
        "--plugin",
        "http",
        "--set",
        &url,
        "--deadline",
        "3s",
        "--format",
        "json",
    ]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(
        finished.stderr,
        format!("note: granted: 127.0.0.1:{}\n", server.port())
    );
    assert_eq!(finished.report()["deadline_s"], 3.0);
}

#[test]
fn a_whole_number_may_be_written_with_a_point_or_an_exponent() {
    let server = healthy().serve();
    let url = format!("url=http://127.0.0.1:{}/", server.port());
    let finished = bedcheck([
        "run",
        "--plugin=http",
        "--set",
        &url,
        "--set=max_body=1e3",
        "--set=redirects=3.0",
    ]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

#[test]
fn a_check_of_the_command_line_may_reach_nothing_else() {
    let elsewhere = healthy().serve();
    let location = format!("http://127.0.0.1:{}/", elsewhere.port());
    let redirects = Script::new()
        .expect_through("\r\n\r\n")
        .send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))
        .hang_up()
        .serve();
    let url = format!("url=http://127.0.0.1:{}/", redirects.port());
    let run = |more: &[&str]| {
        let arguments = ["run", "--plugin", "http", "--set", &url, "--format", "json"];
        bedcheck(arguments.iter().chain(more))
    };
    let refused = run(&[]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    assert_eq!(refused.report()["error"]["type"], "grant_denied");

    let allowed = run(&["--allow", &format!("127.0.0.1:{}", elsewhere.port())]);
    assert_eq!(allowed.code, Some(0), "{allowed:#?}");
    assert_eq!(elsewhere.finish().len(), 1);
}

#[test]
fn a_secret_of_the_command_line_reaches_the_target() {
    let server = healthy().serve();
    let url = format!("url=http://127.0.0.1:{}/", server.port());
    let program = Program::new([
        "run",
        "--plugin",
        "http",
        "--set",
        &url,
        "--secret",
        "bearer=env:PROBE_TOKEN",
    ]);
    let finished = program.env("PROBE_TOKEN", "open-sesame").finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(!finished.mentions("open-sesame"), "{finished:#?}");
    let request = server.finish()[0].text().to_ascii_lowercase();
    assert!(
        request.contains("authorization: bearer open-sesame\r\n"),
        "{request}"
    );
}

#[test]
fn every_example_of_the_help_is_a_command_line_that_works() {
    let mut examples = 0;
    for arguments in [vec!["--help"], vec!["run", "--help"], vec!["run", "-h"]] {
        let help = bedcheck(&arguments).stdout.replace("\\\n", " ");
        for line in help
            .lines()
            .filter(|line| line.trim_start().starts_with("bedcheck run --plugin"))
        {
            // As a shell reads it, with a target that refuses and a secret that is there.
            let words = line
                .replace("www.example.org", "127.0.0.1:1")
                .replace("mail.example.org", "127.0.0.1");
            let words: Vec<String> = words
                .split_whitespace()
                .skip(1)
                .map(|word| word.replace('\'', ""))
                .collect();
            let finished = Program::new(words).env("PROBE_PASSWORD", "sesame").finish();
            assert_eq!(finished.code, Some(2), "`{line}` {finished:#?}");
            examples += 1;
        }
    }
    assert!(examples >= 3, "{examples} examples");
}

#[test]
fn the_help_teaches() {
    let finished = bedcheck(["--help"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    for words in [
        "Examples:",
        "Exit codes",
        "64 bad configuration",
        "bedcheck demo",
        "validate",
        "plugin",
        "completions",
    ] {
        assert!(
            finished.stdout.contains(words),
            "`{words}` is missing in\n{}",
            finished.stdout
        );
    }
    for command in ["run", "validate", "demo", "completions", "plugin"] {
        let help = bedcheck([command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(
            help.stdout.contains(&format!("Usage: bedcheck {command}")),
            "{}",
            help.stdout
        );
    }
    let version = bedcheck(["--version"]).stdout;
    assert_eq!(version.trim(), format!("bedcheck {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let finished = bedcheck(["completions", shell]);
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{shell}"
        );
        for word in ["run", "validate", "demo", "inspect", "nagios"] {
            assert!(finished.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn a_plugin_shows_what_it_declares() {
    let imap = bedcheck(["plugin", "inspect", "imap"]);
    assert_eq!((imap.code, imap.stderr.as_str()), (Some(0), ""));
    for words in [
        "imap 0.1.0",
        "resolve, connect, tls, greeting, capability, login, select, logout",
        "net.connect, net.tls, secrets",
        "bedcheck:plugin/net@1.2.0",
        "\"mailboxes\": {",
    ] {
        assert!(
            imap.stdout.contains(words),
            "`{words}` is missing in\n{}",
            imap.stdout
        );
    }

    let guest = fs::read(guest_plugin()).expect("the guest is built");
    let inspected = Program::new(["plugin", "inspect", "./some.wasm"])
        .file("some.wasm", guest)
        .finish();
    assert_eq!((inspected.code, inspected.stderr.as_str()), (Some(0), ""));
    for words in [
        "guest 0.1.0",
        "resolve, connect, first, second, third",
        "\"behaviour\": {",
    ] {
        assert!(
            inspected.stdout.contains(words),
            "`{words}` is missing in\n{}",
            inspected.stdout
        );
    }

    let missing = bedcheck(["plugin", "inspect", "smtp"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(64), ""));
    assert!(missing.stderr.contains("`http` and `imap`"), "{missing:#?}");
}
