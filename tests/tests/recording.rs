//! The promise: a run that was recorded can be run again from the file alone, without its peers, its plugin file
//! and its secrets, to the same report bit for bit; the file gives no secret away; and a file that is not what it
//! was, or a plugin that takes another way, is told.

#[expect(dead_code, reason = "these tests do not ask for everything in a report")]
mod report;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::{ClosedPort, Peer, Script};
use bedcheck_tests::{Finished, Program};
use report::{phases, verdict};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A secret of lower case letters and digits, as what stands for it in a recording: alike to a plugin that looks
/// at what it is made of.
const SECRET: &str = "correct0horse1battery2staple";

/// A recording, and the run that it is of.
struct Recorded {
    folder: TempDir,
    finished: Finished,
}

impl Recorded {
    /// Records the checks of a configuration.
    fn of(configuration: &str, secret: &str, faults: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let configuration =
            format!("[plugins]\ndir = \".\"\n[secrets]\nprobe = {{ env = \"PROBE\" }}\n{configuration}");
        let guest = fs::read(guest_plugin()).expect("the guest is built");
        let program = Program::run(&configuration)
            .file("guest.wasm", guest)
            .env("PROBE", secret)
            .argument("--record")
            .argument(folder.path().join("recording"));
        let finished = faults
            .iter()
            .fold(program, |program, fault| {
                program.argument("--fault").argument(fault)
            })
            .finish();
        assert!(folder.path().join("recording").is_file(), "{finished:#?}");
        Self { folder, finished }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).expect("the recording can be read")
    }

    /// The lines of the file.
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.bytes()).expect("a recording is text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect()
    }

    /// Runs the recording again, and holds it against the first run.
    #[track_caller]
    fn assert_same(&self) {
        self.assert_same_in(&replay(&self.path()));
    }

    /// Holds a second run against the first.
    #[track_caller]
    fn assert_same_in(&self, again: &Finished) {
        let (first, second) = (self.finished.reports(), again.reports());
        assert_eq!(first.len(), second.len(), "{again:#?}");
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first, second, "{}: {:#}", first["check"], again.stderr);
        }
        assert_eq!(self.finished.stdout, again.stdout);
        assert_eq!(again.stderr, "");
        assert_eq!(self.finished.code, again.code);
    }
}

/// Runs a recording again, in an empty folder without the plugin's file, and without the secret.
fn replay(path: &Path) -> Finished {
    Program::new(["run", "--format", "json", "--replay"])
        .argument(path)
        .finish()
}

/// A check of the guest's, with a name of its own.
fn guest(name: &str, behaviour: &str, port: u16, more: &str) -> String {
    let allow = if more.contains("allow = ") {
        String::new()
    } else {
        format!("allow = [\"127.0.0.1:{port}\"]\n")
    };
    format!(
        "[[check]]\nname = \"{name}\"\nplugin = \"guest\"\n{allow}{more}\n\
         settings = {{ behaviour = \"{behaviour}\", host = \"127.0.0.1\", port = {port}, count = 300, \
         secret = {{ secret = \"probe\" }} }}\n"
    )
}

/// A peer that answers `read-thrice`.
fn answering() -> Script {
    ["?", "?", "?"]
        .into_iter()
        .fold(Script::new(), |script, question| {
            script.expect(question).send("!")
        })
}

/// A check of a mail server.
fn mail(port: u16, tls: &str, more: &str) -> String {
    format!(
        "[[check]]\nname = \"mail\"\nplugin = \"imap\"\nallow = [\"127.0.0.1:{port}\"]\n{more}\n[check.settings]\n\
         host = \"127.0.0.1\"\nport = {port}\ntls = \"{tls}\"\nuser = \"probe\"\n\
         password = {{ secret = \"probe\" }}\nmailboxes = [\"INBOX\", \"Archive\"]\n"
    )
}

fn mail_dialogue(script: Script) -> Script {
    script
        .send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n")
        .expect_through("\r\n")
        .send("A1 OK come in\r\n")
        .expect("A2 EXAMINE INBOX\r\n")
        .send("* 3 EXISTS\r\nA2 OK done\r\n")
        .expect("A3 EXAMINE Archive\r\n")
        .send("* 1 EXISTS\r\nA3 NO not today\r\n")
        .expect("A4 LOGOUT\r\n")
        .send("* BYE\r\nA4 OK bye\r\n")
}

#[test]
fn runs_that_pass_and_fail_and_misbehave_are_the_same_once_more() {
    let (answers, hangs, closed) = (
        answering().serve(),
        Script::new().stall().serve(),
        ClosedPort::new(),
    );
    let short = "budget = { deadline = \"200ms\", grace = \"50ms\", fuel = 1_000_000_000_000 }";
    let checks = [
        ("passes", "pass", answers.port(), "", "pass"),
        ("answers", "read-thrice", answers.port(), "", "pass"),
        ("reads", "ask", answers.port(), "", "pass"),
        ("clocks", "clocks-and-chance", answers.port(), "", "pass"),
        ("probes", "probe", answers.port(), "", "pass"),
        ("numbers", "odd-numbers", answers.port(), "", "pass"),
        (
            "noise",
            "noisy-message",
            answers.port(),
            "",
            "fail target assertion_failed first",
        ),
        (
            "refused",
            "dial",
            closed.port(),
            "",
            "fail target connection_refused connect",
        ),
        (
            "hangs",
            "read-thrice",
            hangs.port(),
            short,
            "fail target deadline_exceeded first",
        ),
        (
            "not-granted",
            "dial",
            answers.port(),
            "allow = [\"192.0.2.1:1\"]",
            "error config grant_denied connect",
        ),
        (
            "switched-off",
            "dial",
            answers.port(),
            "disable = [\"net.connect\"]",
            "error config capability_disabled connect",
        ),
        (
            "sleeps",
            "sleep",
            answers.port(),
            short,
            "error plugin deadline_exceeded first",
        ),
        (
            "oversleeps",
            "oversleep",
            answers.port(),
            short,
            "error plugin deadline_exceeded",
        ),
        (
            "sleeps-then-reads",
            "sleep-then-read",
            hangs.port(),
            short,
            "error plugin deadline_exceeded first",
        ),
        ("panics", "panic", answers.port(), "", "error plugin plugin_trap"),
        (
            "recurses",
            "recurse",
            answers.port(),
            "",
            "error plugin plugin_trap",
        ),
        ("exits", "exit", answers.port(), "", "error plugin plugin_trap"),
        (
            "hoards",
            "hoard",
            answers.port(),
            "budget.memory = \"8MiB\"",
            "error plugin memory_limit",
        ),
        (
            "burns",
            "spin",
            answers.port(),
            "budget.fuel = 10_000_000",
            "error plugin fuel_exhausted",
        ),
        (
            "asks-for-the-time",
            "hammer-clocks",
            answers.port(),
            "budget.fuel = 10_000_000",
            "error plugin fuel_exhausted",
        ),
        (
            "prints",
            "print-for-ever",
            answers.port(),
            "budget.fuel = 10_000_000",
            "error plugin fuel_exhausted",
        ),
        (
            "floods",
            "flood",
            answers.port(),
            "budget.host_calls = 100",
            "error plugin host_call_limit",
        ),
        ("chatters", "chatter", answers.port(), "", ""),
        (
            "lies",
            "lie-about-failure",
            answers.port(),
            "",
            "fail target assertion_failed first",
        ),
        ("holds", "hold-connections", hangs.port(), "", ""),
    ];
    let configuration: String = checks
        .iter()
        .map(|(name, behaviour, port, more, _)| guest(name, behaviour, *port, more))
        .collect();
    let recorded = Recorded::of(&configuration, SECRET, &[]);
    drop((answers, hangs));
    for (report, (name, .., wanted)) in recorded.finished.reports().iter().zip(checks) {
        assert!(
            wanted.is_empty()
                || verdict(report) == wanted
                || verdict(report).starts_with(&format!("{wanted} ")),
            "{name}: {report:#}"
        );
    }
    recorded.assert_same();

    // Somewhere else: with another home, secret, zone, language, and nobody to trust.
    let home = tempfile::tempdir().expect("there is a temporary folder");
    let again = Program::new(["run", "--format", "json", "--replay"])
        .argument(recorded.path())
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
        .env("PROBE", "another secret")
        .env("SSL_CERT_FILE", "/nonexistent")
        .env("TZ", "Asia/Tokyo")
        .env("LANG", "de_DE.UTF-8")
        .finish();
    recorded.assert_same_in(&again);
}

#[test]
fn runs_that_were_stopped_are_stopped_at_the_same_place() {
    let hangs = Script::new().stall().serve();
    let budget = "budget = { deadline = \"100ms\", grace = \"50ms\", fuel = 1_000_000_000_000 }";
    let configuration: String = ["spin", "spin-between-calls", "never-read"]
        .iter()
        .map(|behaviour| guest(behaviour, behaviour, hangs.port(), budget))
        .collect();
    let recorded = Recorded::of(&configuration, SECRET, &[]);
    for report in recorded.finished.reports() {
        assert_eq!(report["error"]["type"], "deadline_exceeded", "{report:#}");
    }
    recorded.assert_same();
}

#[test]
fn a_run_that_is_too_long_to_be_recorded_is_ended_and_told_before_it_fills_the_memory() {
    let endless = "budget = { deadline = \"50s\", fuel = 1_000_000_000_000 }";
    let configuration = guest("asks-for-the-time", "hammer-clocks", 1, endless);
    let recorded = Recorded::of(&configuration, SECRET, &[]);
    let report = recorded.finished.report();
    assert_eq!(verdict(&report), "error runner _OTHER", "{report:#}");
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("to record"), "{report:#}");
    // Nothing is left of what it was told, so that it could not be the same once more.
    let note = "note: the run of `asks-for-the-time` is not in the recording: found more than";
    let told = &recorded.finished.stderr;
    assert!(told.contains(note), "{told}");
    assert_eq!(recorded.lines().len(), 1);
    let again = replay(&recorded.path());
    assert!(again.stderr.contains("found no run in it"), "{again:#?}");
}

#[test]
fn clocks_and_chance_are_told_again() {
    let configuration = guest("clocks", "clocks-and-chance", 1, "");
    let (one, other) = (
        Recorded::of(&configuration, SECRET, &[]),
        Recorded::of(&configuration, SECRET, &[]),
    );
    // They do differ from run to run.
    let measured = |recorded: &Recorded| recorded.finished.report()["measurements"].clone();
    assert_ne!(measured(&one), measured(&other));
    one.assert_same();
    other.assert_same();
}

#[test]
fn attempts_and_injected_faults_are_the_same_once_more() {
    let retry = "retry = { attempts = 3, backoff = \"20ms\" }";
    let flaky = Peer::serve(
        std::net::Ipv4Addr::LOCALHOST.into(),
        vec![Script::new().expect("?").reset(), answering()],
    );
    let recorded = Recorded::of(&guest("flaky", "read-thrice", flaky.port(), retry), SECRET, &[]);
    assert_eq!(
        recorded.finished.report()["attempts"].as_array().map(Vec::len),
        Some(2)
    );
    recorded.assert_same();

    for faults in [
        &["net.read#1=connection-reset times 1"][..],
        &["phase:first=delay 30ms", "net.read#2=over-quota"],
        &["phase:second net.read=deadline-exceeded"],
        &["phases.begin#2=deadline-exceeded"],
        &["net.connect=not-found"],
        &["net.read=truncate 1B"],
        &["phase:second net.write=delay 1h"],
        &["budget.remaining=memory-pressure", "phases.succeed#2=invalid"],
    ] {
        let peer = answering().serve();
        let more = format!("{retry}\nbudget.deadline = \"500ms\"");
        let recorded = Recorded::of(&guest("a", "read-thrice", peer.port(), &more), SECRET, faults);
        drop(peer);
        recorded.assert_same();
    }
}

#[test]
fn several_faults_at_one_call_are_the_same_once_more() {
    let peer = answering().serve();
    let faults = ["net.read=drip 1ms", "net.read=delay 1ms", "net.read#2=over-quota"];
    let recorded = Recorded::of(&guest("a", "read-thrice", peer.port(), ""), SECRET, &faults);
    let report = recorded.finished.report();
    assert_eq!(
        verdict(&report),
        "error plugin host_call_limit second",
        "{report:#}"
    );
    recorded.assert_same();
}

#[test]
fn reads_that_waited_for_their_peer_do_not_count_once_more() {
    let peer = Script::new()
        .send(format!("* BYE {}\r\n", "x".repeat(200)))
        .serve();
    let configuration = mail(peer.port(), "none", "budget.host_calls = 60");
    let recorded = Recorded::of(&configuration, SECRET, &["net.read=drip 1ms"]);
    let report = recorded.finished.report();
    assert_eq!(
        verdict(&report),
        "fail target protocol.unexpected_response greeting",
        "{report:#}"
    );
    recorded.assert_same();
}

#[test]
fn encrypted_dialogues_are_the_same_once_more_without_any_certificate() {
    let certificates = Certificates::new();
    let trust = format!("tls.ca_file = '{}'", certificates.authority_file().display());
    for (identity, wanted) in [
        (
            certificates.valid(),
            "fail target protocol.unexpected_response select",
        ),
        (certificates.expired(), "fail target tls.certificate_expired tls"),
        (certificates.wrong_name(), "fail target tls.name_mismatch tls"),
        (
            Certificates::new().valid(),
            "fail target tls.certificate_invalid tls",
        ),
    ] {
        let peer = mail_dialogue(Script::new().start_tls(identity.server_config())).serve();
        let recorded = Recorded::of(&mail(peer.port(), "implicit", &trust), SECRET, &[]);
        drop(peer);
        let report = recorded.finished.report();
        assert_eq!(verdict(&report), wanted, "{report:#}");
        recorded.assert_same();
    }
}

#[test]
fn web_pages_are_the_same_once_more() {
    let page = "x".repeat(100_000);
    let peer = Script::new()
        .expect_through("\r\n\r\n")
        .send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            page.len()
        ))
        .send(page)
        .serve();
    let port = peer.port();
    let check = format!(
        "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"localhost:{port}\"]\n[check.settings]\n\
         url = \"http://localhost:{port}/\"\nbearer = {{ secret = \"probe\" }}\n"
    );
    let recorded = Recorded::of(&check, SECRET, &[]);
    drop(peer);
    assert_eq!(verdict(&recorded.finished.report()), "pass");
    recorded.assert_same();
}

/// In how many ways a secret may be found in something.
fn traces(secret: &str) -> Vec<Vec<u8>> {
    let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let json = Value::from(secret).to_string();
    let base64 = ["", "u", "us"].map(|before| {
        // What surrounds a secret is in the characters at both ends.
        let encoded = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
        encoded[4..encoded.len() - 4].to_owned()
    });
    [
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        hexadecimal.to_uppercase(),
        hexadecimal,
        percent,
    ]
    .into_iter()
    .chain(base64)
    .map(String::into_bytes)
    .collect()
}

#[track_caller]
fn assert_without(secret: &str, what: &str, bytes: &[u8]) {
    for trace in traces(secret) {
        let found = bytes.windows(trace.len()).any(|window| window == trace);
        assert!(!found, "{what} has `{}`", trace.escape_ascii());
    }
}

/// What went over the connections of a recording, one direction after the other, as it was on the wire.
fn streams(lines: &[Value]) -> [Vec<u8>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    for line in lines {
        for (data, stream) in [&line["sent"], &line["answer"]["received"]]
            .into_iter()
            .zip(&mut streams)
        {
            if let Some(text) = data["text"].as_str() {
                stream.extend_from_slice(text.as_bytes());
            }
            if let Some(text) = data["base64"].as_str() {
                stream.extend(STANDARD.decode(text).expect("it is base64"));
            }
        }
    }
    streams
}

/// Records a guest that sends a secret to a peer with this answer, and looks for the secret everywhere.
#[track_caller]
fn assert_keeps(secret: &str, answer: Script) -> Recorded {
    let peer = answer.stall().serve();
    let configuration = format!(
        "{}{}",
        guest("confesses", "confess", peer.port(), ""),
        guest("confesses-everywhere", "confess-everywhere", peer.port(), "")
    );
    let recorded = Recorded::of(&configuration, secret, &[]);
    assert!(peer.finish().iter().all(|seen| seen.text().contains(secret)));
    assert_without(secret, "the recording", &recorded.bytes());
    let streams = streams(&recorded.lines());
    for (stream, what) in streams.iter().zip(["what was sent", "what was received"]) {
        assert!(!stream.is_empty(), "nothing is recorded of {what}");
        assert_without(secret, what, stream);
    }
    recorded
}

/// What a peer may say to a secret.
fn repeated(secret: &str) -> String {
    let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{secret} {} {} {hexadecimal} {} end\n",
        STANDARD.encode(secret),
        STANDARD.encode(format!("user:{secret}")),
        hexadecimal.to_uppercase(),
    )
}

#[test]
fn a_recording_has_no_secret_however_it_came_back_and_is_the_same_once_more() {
    let answer = repeated(SECRET);
    let (head, tail) = answer.split_at(10);
    for script in [
        Script::new().expect_through("\n").send(&answer),
        // Cut in the middle of the secret.
        Script::new()
            .expect_through("\n")
            .send(head)
            .drip(&tail[..4], Duration::from_millis(5))
            .send(&tail[4..]),
        Script::new()
            .expect_through("\n")
            .drip(&answer, Duration::from_millis(1)),
    ] {
        assert_keeps(SECRET, script).assert_same();
    }
}

#[test]
fn a_secret_that_every_form_writes_differently_is_in_no_recording() {
    let secret = r#"s3same-gate/"öffne\dich"+?"#;
    let answer = repeated(secret);
    let beside_binary = [&[0xff, 0xfe, b' '][..], answer.as_bytes()].concat();
    let recorded = assert_keeps(secret, Script::new().expect_through("\n").send(beside_binary));
    // Forms of another length cannot be repeated to the bit, and that is known.
    let heads: Vec<Value> = recorded.lines();
    assert!(heads.iter().any(|line| line["run"]["exact"] == false));
}

#[test]
fn a_report_that_may_differ_is_told_and_ends_as_its_verdict_says() {
    // What stands for so short a secret, the beginning of a digest of its name, is told apart from no text of the peer's.
    let peer = Script::new()
        .expect_through("\n")
        .send("sesame ba9c73\n")
        .stall()
        .serve();
    let recorded = Recorded::of(&guest("confesses", "confess", peer.port(), ""), "sesame", &[]);
    assert_eq!(recorded.finished.code, Some(2), "{:#?}", recorded.finished);
    let again = replay(&recorded.path());
    assert!(
        again
            .stderr
            .contains("it may differ from the recorded one in what stands for secrets, and does"),
        "{again:#?}"
    );
    assert_eq!(again.code, recorded.finished.code, "{again:#?}");
}

#[test]
fn a_password_in_a_login_is_in_no_recording() {
    let peer = mail_dialogue(Script::new()).serve();
    let recorded = Recorded::of(&mail(peer.port(), "none", ""), SECRET, &[]);
    let credentials = STANDARD.encode(format!("\0probe\0{SECRET}"));
    assert!(peer.finish()[0].text().contains(&credentials));
    assert_without(SECRET, "the recording", &recorded.bytes());
    for stream in streams(&recorded.lines()) {
        assert_without(SECRET, "the dialogue", &stream);
    }
    recorded.assert_same();
}

#[test]
fn only_its_owner_can_read_a_recording() {
    let recorded = Recorded::of(&guest("a", "pass", 1, ""), SECRET, &[]);
    let mode = fs::metadata(recorded.path())
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_recording_goes_where_there_was_one_before() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path().join("recording");
    fs::write(&path, "something else").expect("it can be written");
    let finished = recorded_at(&path);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert_eq!(replay(&path).code, Some(2));
}

#[test]
fn a_recording_goes_where_a_link_leads() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "something else").expect("it can be written");
    symlink("file", &link).expect("it can be made");
    let finished = recorded_at(&link);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(link.is_symlink());
    assert_eq!(replay(&file).code, Some(2));
}

#[test]
fn a_recording_takes_the_place_of_nothing_but_a_file() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let [pipe, to_pipe, to_nothing] = ["pipe", "to-pipe", "to-nothing"].map(|name| folder.path().join(name));
    let made = Command::new("mkfifo").arg(&pipe).status().expect("coreutils");
    assert!(made.success());
    symlink("pipe", &to_pipe).expect("it can be made");
    symlink("nothing", &to_nothing).expect("it can be made");
    for (path, found) in [
        (folder.path(), "something that is no file"),
        (&pipe, "something that is no file"),
        (&to_pipe, "something that is no file"),
        (&to_nothing, "a link to nothing"),
    ] {
        let finished = recorded_at(path);
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(64), ""),
            "{finished:#?}"
        );
        assert_eq!(
            finished.stderr,
            format!(
                "--record: `{}`: found {found}, wanted a file, or nothing\n",
                path.display()
            )
        );
    }
    let is_pipe = fs::metadata(&to_pipe).is_ok_and(|metadata| metadata.file_type().is_fifo());
    assert!(is_pipe && to_pipe.is_symlink() && to_nothing.is_symlink());
}

fn recorded_at(path: &Path) -> Finished {
    Program::new([
        "run",
        "--plugin",
        "http",
        "--set",
        "url=http://127.0.0.1:1/",
        "--record",
    ])
    .argument(path)
    .finish()
}

#[test]
fn a_recording_that_cannot_be_written_is_told() {
    let finished = recorded_at(Path::new("/nonexistent/recording"));
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert!(
        finished
            .stderr
            .contains("`/nonexistent/recording` cannot be written: "),
        "{finished:#?}"
    );
}

/// Replays this text, and wants this sentence and nothing else.
#[track_caller]
fn assert_refused(text: impl AsRef<[u8]>, wanted: &str) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path().join("broken.jsonl");
    fs::write(&path, text).expect("it can be written");
    let finished = replay(&path);
    assert_eq!(finished.code, Some(64), "{finished:#?}");
    assert_eq!(finished.stdout, "", "{finished:#?}");
    let said = finished.stderr.trim_end();
    assert!(
        said.contains(&format!("broken.jsonl: {wanted}")) && said.lines().count() == 1,
        "wanted `{wanted}`: {finished:#?}"
    );
}

fn joined(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_file_that_is_no_recording_is_refused_with_the_line() {
    let recorded = Recorded::of(&guest("a", "ask", 1, ""), SECRET, &[]);
    let lines = recorded.lines();
    let last = lines.len();

    assert_refused("", "line 1: the file ends before");
    assert_refused("\n", "line 1: ");
    assert_refused("hello\n", "line 1: ");
    assert_refused("{}\n", "line 1: ");
    assert_refused(b"\xff\xfe\n", "");
    assert_refused(
        &joined(&lines)[..joined(&lines).len() - 30],
        &format!("line {last}: "),
    );
    assert_refused(
        joined(&lines[..last - 1]),
        &format!("line {last}: the file ends before"),
    );
    assert_refused(joined(&lines[..1]), "line 2: the file ends before");
    assert_refused(joined(&lines[1..]), "line 1: ");
    assert_refused(format!("{}what?\n", joined(&lines[..4])), "line 5: ");
    assert_refused(
        [joined(&lines), joined(&lines)].concat(),
        &format!("line {}: ", last + 1),
    );

    let mut later = lines.clone();
    later[0]["recording"]["version"] = json!(99);
    assert_refused(joined(&later), "line 1: found version 99 ");

    let plugin = lines.iter().position(|line| line["plugin"]["gzip"].is_string());
    let plugin = plugin.expect("the plugin is in the recording");
    let line = format!("line {}: the plugin ", plugin + 1);
    for (key, value) in [
        ("sha256", "0".repeat(64)),
        ("gzip", "no base64".to_owned()),
        ("gzip", STANDARD.encode("no gzip")),
    ] {
        let mut other = lines.clone();
        other[plugin]["plugin"][key] = value.into();
        assert_refused(joined(&other), &line);
    }
    let mut without = lines;
    without.remove(plugin);
    assert_refused(joined(&without), "");
}

#[test]
fn a_recording_that_is_cut_off_between_two_runs_is_refused() {
    let configuration = format!("{}{}", guest("a", "pass", 1, ""), guest("b", "pass", 1, ""));
    let lines = Recorded::of(&configuration, SECRET, &[]).lines();
    let first_end = lines.iter().position(|line| line["report"].is_object());
    let first_end = first_end.expect("there are reports");
    assert_refused(
        joined(&lines[..=first_end]),
        &format!("line {}: the file ends before", first_end + 2),
    );
}

#[test]
fn a_recording_with_impossible_numbers_harms_nobody() {
    let lines = Recorded::of(&guest("a", "clocks-and-chance", 1, ""), SECRET, &[]).lines();
    let head = lines
        .iter()
        .position(|line| line["run"].is_object())
        .expect("there is a run");
    for (key, values) in [
        (
            "budget",
            ["deadline_ns", "grace_ns", "fuel", "memory", "host_calls", "bytes"].as_slice(),
        ),
        ("", &["started_ns", "lag_ns"]),
    ] {
        for value in values {
            for number in [0, u64::MAX] {
                let mut other = lines.clone();
                let run = &mut other[head]["run"];
                let object = if key.is_empty() { run } else { &mut run[key] };
                object[*value] = number.into();
                let folder = tempfile::tempdir().expect("there is a temporary folder");
                let path = folder.path().join("odd");
                fs::write(&path, joined(&other)).expect("it can be written");
                let finished = replay(&path);
                assert!(
                    matches!(finished.code, Some(0 | 2 | 3 | 64)) && !finished.mentions("panicked"),
                    "{value} {number}: {finished:#?}"
                );
            }
        }
    }
}

/// Replays an edited recording, and wants to be told.
#[track_caller]
fn assert_told(lines: &[Value], wanted: &str) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path().join("edited");
    fs::write(&path, joined(lines)).expect("it can be written");
    let finished = replay(&path);
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert!(
        finished.stderr.contains("it is not the recorded one"),
        "{finished:#?}"
    );
    assert!(finished.mentions(wanted), "wanted `{wanted}`: {finished:#?}");
}

#[test]
fn a_plugin_that_takes_another_way_than_the_recorded_one_is_told() {
    let peer = answering().serve();
    let recorded = Recorded::of(&guest("a", "read-thrice", peer.port(), ""), SECRET, &[]);
    assert_eq!(verdict(&recorded.finished.report()), "pass");
    let lines = recorded.lines();
    let is_call = |line: &Value, name: &str| line["call"]["name"] == name;
    let first_read = lines
        .iter()
        .position(|line| is_call(line, "net.read"))
        .expect("it reads");
    let answer = (first_read..)
        .find(|at| lines[*at]["answer"].is_object())
        .expect("it is answered");

    let mut closed = lines.clone();
    closed[answer]["answer"] = json!({ "received": { "connection": 0, "text": "" } });
    assert_told(&closed, "connection_closed");

    let mut other_call = lines.clone();
    other_call[first_read]["call"]["name"] = json!("net.close");
    assert_told(&other_call, "this run is not the recorded one: ");

    let mut without_answer = lines.clone();
    without_answer.remove(answer);
    assert_told(&without_answer, "this run is not the recorded one: ");

    let mut of_another_kind = lines.clone();
    of_another_kind[answer]["answer"] = json!({ "ok": null });
    assert_told(&of_another_kind, "this run is not the recorded one: ");

    let mut other_settings = lines.clone();
    let head = lines
        .iter()
        .position(|line| line["run"].is_object())
        .expect("there is a run");
    other_settings[head]["run"]["settings"]["behaviour"] = json!("pass");
    assert_told(&other_settings, "this run is not the recorded one: ");

    let mut longer = lines.clone();
    let end = lines
        .iter()
        .position(|line| line["end"].is_object())
        .expect("it ends");
    longer.insert(end, json!({ "at": 1 }));
    assert_told(&longer, "this run is not the recorded one: ");

    let mut other_report = lines;
    let last = other_report.len() - 1;
    other_report[last]["report"]["outcome"] = json!("fail");
    assert_told(&other_report, "");
}

#[test]
fn a_run_that_was_recorded_is_shown_in_every_format() {
    let recorded = Recorded::of(&guest("a", "lie-about-failure", 1, ""), SECRET, &[]);
    assert_eq!(phases(&recorded.finished.report())[0], "first failed");
    for format in ["text", "nagios"] {
        let finished = Program::new(["run", "--format", format, "--replay"])
            .argument(recorded.path())
            .finish();
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.mentions("assertion_failed"), "{finished:#?}");
    }
}

#[test]
fn what_a_peer_was_told_of_the_trace_is_told_again() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let peer = Script::new().expect_through("\r\n\r\n").send(answer).serve();
    let port = peer.port();
    let recorded = Recorded::of(
        &format!(
            r#"
            [[check]]
            name = "page"
            plugin = "http"
            trace_context = true
            allow = ["127.0.0.1:{port}"]
            settings = {{ url = "http://127.0.0.1:{port}/" }}
            "#
        ),
        SECRET,
        &[],
    );
    let told = format!(
        "traceparent: 00-{}-",
        text(&recorded.finished.report()["trace_id"])
    );
    assert!(peer.finish()[0].text().contains(&told), "{told}");
    recorded.assert_same();
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
