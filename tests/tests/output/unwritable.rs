//! What cannot be written is told, and is no success; a reader that has gone away has had enough.

use std::fs::File;
use std::io;
use std::process::{Output, Stdio};

use bedcheck_tests::program::{executable, undisturbed};
use tempfile::TempDir;

const FULL: &str = "bedcheck: the standard output cannot be written: No space left on device (os error 28)\n";

/// A folder with a configuration whose only check is told at once that nobody listens, and with one of blackbox_exporter.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\nallow = [\"self\"]\nsettings.url = \"http://127.0.0.1:1/\"\n";
    for (name, text) in [
        (
            "bedcheck.toml",
            format!("[journal]\ndir = \"kept\"\n{check}").as_str(),
        ),
        ("blackbox.yml", "modules:\n  banner:\n    prober: tcp\n"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let kept = call(&folder, "run bedcheck.toml --record record", Stdio::piped());
    assert_eq!(kept.status.code(), Some(2), "{kept:?}");
    folder
}

fn call(folder: &TempDir, arguments: &str, stdout: Stdio) -> Output {
    let mut command = undisturbed(executable());
    command
        .args(arguments.split(' '))
        .current_dir(folder)
        .stdin(Stdio::null());
    let started = command.stdout(stdout).stderr(Stdio::piped()).spawn();
    started
        .and_then(|child| child.wait_with_output())
        .expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const COMMANDS: [(&str, i32); 15] = [
    ("run bedcheck.toml", 2),
    ("run bedcheck.toml --format json", 2),
    ("run bedcheck.toml --format nagios", 2),
    ("run --replay record", 2),
    ("validate bedcheck.toml", 0),
    ("journal bedcheck.toml", 0),
    ("journal bedcheck.toml --format json", 0),
    ("journal bedcheck.toml --verify", 0),
    ("import blackbox.yml", 0),
    ("plugin inspect tcp", 0),
    ("completions bash", 0),
    ("completions zsh", 0),
    ("--help", 0),
    ("run --help", 0),
    ("--version", 0),
];

#[test]
fn output_that_cannot_be_written_is_no_success() {
    let folder = folder();
    for (arguments, _) in COMMANDS {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        let ended = call(&folder, arguments, full.into());
        let told = said(&ended).matches(FULL).count();
        assert_eq!(
            (ended.status.code(), told),
            (Some(3), 1),
            "{arguments}: {}",
            said(&ended)
        );
    }
}

#[test]
fn a_reader_that_has_gone_away_changes_nothing() {
    let folder = folder();
    for (arguments, code) in COMMANDS {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let ended = call(&folder, arguments, writer.into());
        assert_eq!(ended.status.code(), Some(code), "{arguments}: {}", said(&ended));
        assert!(!said(&ended).contains("output"), "{arguments}: {}", said(&ended));
    }
}
