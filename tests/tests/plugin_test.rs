//! The promise: `bedcheck plugin test` runs a plugin against a script, a recording or the real thing, with every
//! failure at every host call and without a network, in seconds; built-in plugins come through clean, and what is
//! wrong with others is found, told and repeated.
//!
//! Here are the command and its inputs; the planted bugs that it has to find are in `plugin_test/bugs.rs`.

#[path = "plugin_test/bugs.rs"]
mod bugs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::component::Component;
use bedcheck_tests::program::{faulty_plugin, guest_plugin};
use bedcheck_tests::script::{Script, Transcript};
use bedcheck_tests::{Finished, Program};
use serde_json::Value;

/// A script, its settings, and the plugin it is for.
struct Peers {
    plugin: String,
    script: PathBuf,
    settings: PathBuf,
}

impl Peers {
    fn test(&self) -> Program {
        test(&self.plugin, &self.settings)
            .argument("--server")
            .argument(&self.script)
    }
}

fn test(plugin: &str, settings: impl AsRef<Path>) -> Program {
    Program::new(["plugin", "test", plugin, "--settings"]).argument(settings.as_ref())
}

/// Every script in this tree that is for a built-in plugin.
fn built_in_peers() -> Vec<Peers> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let plugins = plugins
        .canonicalize()
        .expect("the built-in plugins are in the tree");
    let mut found = Vec::new();
    for plugin in files(&plugins) {
        let name = plugin.file_name().map(|name| name.to_string_lossy().into_owned());
        found.extend(peers_in(&plugin.join("peers"), &name.unwrap_or_default()));
    }
    found
}

fn peers_in(folder: &Path, plugin: &str) -> Vec<Peers> {
    let settings = |script: &Path| script.with_extension("settings.toml");
    let scripts = files(folder).into_iter().filter(|file| settings(file).exists());
    scripts
        .map(|script| Peers {
            plugin: plugin.to_owned(),
            settings: settings(&script),
            script,
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder is there").path())
        .collect();
    paths.sort();
    paths
}

fn login() -> Peers {
    let all = built_in_peers();
    let login = all.into_iter().find(|peers| peers.script.ends_with("login.toml"));
    login.expect("there is a script for the login")
}

/// The cases of a sweep and its last line, which is held against them.
#[track_caller]
fn cases(swept: &Finished) -> Vec<Value> {
    let mut lines = swept.reports();
    let totals = lines.pop().expect("there is a last line");
    let wrong = lines
        .iter()
        .filter(|case| case["problems"] != serde_json::json!([]));
    let counted = serde_json::json!({"runs": lines.len(), "failures": wrong.count()});
    assert_eq!(totals, counted, "{}", swept.stderr);
    lines
}

#[test]
fn built_in_plugins_come_through_every_failure_at_every_host_call() {
    let all = built_in_peers();
    assert!(all.len() >= 5, "found {} scripts", all.len());
    let (mut took, mut delayed) = (Duration::ZERO, 0);
    for peers in all {
        let swept = peers.test().argument("--format=json").finish();
        let name = peers.script.display();
        assert_eq!(swept.code, Some(0), "{name}: {swept:#?}");
        let cases = cases(&swept);
        // One datagram each way is the shortest dialogue there is.
        assert!(cases.len() >= 50, "{name}: {} runs", cases.len());
        took += swept.took;
        let is_delayed = |case: &&Value| {
            case["fault"]
                .as_str()
                .is_some_and(|fault| fault.contains("delay 1s"))
        };
        delayed += cases.iter().filter(is_delayed).count();
    }
    // In each of these runs more than a second passes, on its own clock.
    let passed = Duration::from_secs(delayed as u64);
    assert!(took < passed, "{passed:?} of virtual time took {took:?}");
}

#[test]
fn the_dialogue_of_the_documentation_is_one_that_a_mail_server_takes_part_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/configuration.md")).expect("the page is there");
    let settings = page
        .split("[check.settings]\n")
        .filter_map(|rest| rest.split("\n[secrets]").next())
        .find(|settings| settings.contains("EHLO"))
        .expect("there is an example with a mail server");
    let swept = test("tcp", "settings.toml")
        .file("settings.toml", settings)
        .argument("--server")
        .argument(root.join("plugins/tcp/peers/smtp.toml"))
        .finish();
    assert_eq!(swept.code, Some(0), "{swept:#?}");
}

#[test]
fn the_matrix_has_a_cell_for_every_run() {
    for peers in built_in_peers() {
        let swept = peers.test().finish();
        let name = peers.script.display();
        assert_eq!(
            (swept.code, swept.stderr.as_str()),
            (Some(0), ""),
            "{name}: {swept:#?}"
        );
        let last = swept.stdout.lines().last().unwrap_or_default();
        let runs = last.split(' ').next().and_then(|runs| runs.parse().ok());
        assert_eq!(runs, Some(cells(&swept.stdout)), "{name}: {}", swept.stdout);
        assert!(last.ends_with(": nothing wrong"), "{name}: {last}");
    }
}

/// The cells of a matrix, those that are wrong included.
fn cells(matrix: &str) -> usize {
    // The columns are where the letters of the first line are.
    let mut lines = matrix.lines();
    let letters = lines.next().unwrap_or_default();
    let from = letters.len() - letters.trim_start().len();
    let rows = lines.take_while(|line| !line.is_empty());
    rows.map(|row| row.get(from..).unwrap_or_default().matches(['.', 'X']).count())
        .sum()
}

#[test]
fn one_failure_is_shown_as_a_report() {
    let once = |format: &str| {
        login()
            .test()
            .argument("--fault=net.read#1=reset")
            .argument("--once")
            .argument(format)
            .finish()
    };
    let text = once("--format=text");
    assert_eq!(text.code, Some(2), "{text:#?}");
    for part in [
        "greeting",
        "failed (injected) connection_reset",
        "injected net.read#1=connection-reset at net.read in phase greeting",
    ] {
        assert!(
            text.stdout.contains(part),
            "wanted `{part}`, found\n{}",
            text.stdout
        );
    }

    let report = once("--format=json").report();
    assert_eq!(report["outcome"], "fail");
    assert_eq!(report["error"]["type"], "connection_reset");
    assert_eq!(report["error"]["phase"], "greeting");
    assert_eq!(report["faults"][0]["fault"], "net.read#1=connection-reset");
}

#[test]
fn without_a_failure_one_run_passes() {
    let once = login()
        .test()
        .argument("--once")
        .argument("--format=json")
        .finish();
    assert_eq!(once.code, Some(0), "{once:#?}");
    assert_eq!(once.report()["outcome"], "pass");
}

#[test]
fn a_sweep_can_be_narrowed_to_a_host_call_or_a_failure() {
    let narrowed = |fault: &str| {
        let swept = login()
            .test()
            .argument("--format=json")
            .argument("--fault")
            .argument(fault)
            .finish();
        let cases = cases(&swept);
        let faults = cases
            .iter()
            .filter_map(|case| case["fault"].as_str().map(str::to_owned));
        faults.collect::<Vec<_>>()
    };
    let first_read = narrowed("net.read#1");
    assert!(first_read.len() > 5, "{first_read:?}");
    assert!(
        first_read.iter().all(|fault| fault.starts_with("net.read#1=")),
        "{first_read:?}"
    );
    assert!(narrowed("net.read").len() > first_read.len());
    assert_eq!(narrowed("net.read#2=reset"), ["net.read#2=connection-reset"]);
}

/// A service of the protocol that `tests/faulty` speaks.
fn service(script: Script) -> Script {
    script
        .expect_through("\r\n")
        .send("230 welcome\r\n")
        .expect("QUIT\r\n")
        .hang_up()
}

fn live_settings(port: u16, more: &str) -> String {
    format!("host = \"127.0.0.1\"\nport = {port}\npassword = {{ secret = \"probe\" }}\n{more}")
}

/// The plugin against a live peer, and what came over each connection to that.
fn swept_live(script: Script, more: &str, ca_file: Option<PathBuf>) -> (Finished, Vec<Transcript>) {
    let peer = script.serve();
    let plugin = faulty_plugin();
    let program = Program::new(["plugin", "test", "--format=json", "--settings", "settings.toml"])
        .argument(plugin)
        .file("settings.toml", live_settings(peer.port(), more));
    let program = match ca_file {
        Some(file) => program.argument("--ca-file").argument(file),
        None => program,
    };
    let swept = program.finish();
    (swept, peer.finish())
}

#[test]
fn without_a_script_only_the_first_run_troubles_the_service() {
    let (swept, connections) = swept_live(service(Script::new().send("220 ready\r\n")), "", None);
    assert_eq!(swept.code, Some(0), "{swept:#?}");
    assert!(cases(&swept).len() >= 80, "{}", swept.stdout);
    assert_eq!((connections.len(), &connections[0].mismatch), (1, &None));
    assert_eq!(
        swept.stderr,
        "note: the first run goes to the target that the settings name; the others stay here\n"
    );
}

#[test]
fn a_first_run_over_tls_trusts_whom_it_is_told_to() {
    let certificates = Certificates::new();
    let identity = certificates.valid();
    let script = || {
        service(
            Script::new()
                .send("220 ready\r\n")
                .start_tls(identity.server_config()),
        )
    };
    let (swept, connections) = swept_live(script(), "tls = true\n", Some(certificates.authority_file()));
    assert_eq!((swept.code, connections.len()), (Some(0), 1), "{swept:#?}");
    assert_eq!(connections[0].mismatch, None);
    let has_tls = |case: &Value| case["call"] == "net.start-tls" && case["problems"] == serde_json::json!([]);
    assert!(cases(&swept).iter().any(has_tls), "{}", swept.stdout);

    let (refused, connections) = swept_live(script(), "tls = true\n", None);
    assert_eq!((refused.code, connections.len()), (Some(2), 1), "{refused:#?}");
    assert_eq!(refused.report()["error"]["type"], "tls.certificate_invalid");
    assert!(refused.stderr.contains("nothing was swept"), "{}", refused.stderr);
}

#[test]
fn a_recorded_run_takes_the_place_of_a_script() {
    let page = Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome")
        .hang_up()
        .serve();
    let url = format!("http://127.0.0.1:{}/", page.port());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let recording = folder.path().join("page.jsonl");
    let recorded = Program::new(["run", "--plugin=http", "--set"])
        .argument(format!("url={url}"))
        .argument("--record")
        .argument(&recording)
        .finish();
    assert_eq!(recorded.code, Some(0), "{recorded:#?}");
    assert_eq!(page.finish().len(), 1);

    let swept = Program::new([
        "plugin",
        "test",
        "http",
        "--format=json",
        "--settings",
        "settings.json",
    ])
    .file("settings.json", serde_json::json!({ "url": url }).to_string())
    .argument("--recording")
    .argument(&recording)
    .finish();
    assert_eq!((swept.code, swept.stderr.as_str()), (Some(0), ""), "{swept:#?}");
    assert!(cases(&swept).len() >= 50, "{}", swept.stdout);
}

#[test]
fn a_plugin_that_does_not_follow_the_script_is_told_and_nothing_is_swept() {
    let login = login();
    let settings = fs::read_to_string(&login.settings).expect("the settings are in the tree");
    let shown = test("imap", "settings.toml")
        .file("settings.toml", settings.replace("Archive", "Elsewhere"))
        .argument("--server")
        .argument(&login.script)
        .finish();
    assert_eq!(shown.code, Some(2), "{shown:#?}");
    assert!(
        shown.stderr.contains("EXAMINE Elsewhere") && shown.stderr.contains("wanted `{tag} EXAMINE Archive"),
        "{}",
        shown.stderr
    );
    assert!(shown.stderr.ends_with("nothing was swept\n"), "{}", shown.stderr);
    assert!(!shown.stdout.contains("runs in"), "{}", shown.stdout);
}

#[test]
fn a_plugin_that_closes_or_forgets_its_connection_is_held_to_the_script_all_the_same() {
    let script = "[[connection]]\nsteps = [{ expect = \"EHLO me\\r\\n\" }, { send = \"250 ok\\r\\n\" }, \
                  { expect = \"QUIT\\r\\n\" }, { send = \"221 goodbye\\r\\n\" }]\n";
    for behaviour in ["leave-and-close", "leave-and-forget"] {
        let settings = format!("behaviour = \"{behaviour}\"\nhost = \"192.0.2.1\"\nport = 25\n");
        let shown = test(&guest_plugin().to_string_lossy(), "settings.toml")
            .file("settings.toml", settings)
            .argument("--server")
            .argument("server.toml")
            .file("server.toml", script)
            .finish();
        assert_eq!(shown.code, Some(2), "{behaviour}: {shown:#?}");
        assert!(
            shown.stderr.contains(
                "off the script: step 1 of connection 1: found `QUIT\\r\\n`, wanted `EHLO me\\r\\n`"
            ),
            "{behaviour}: {}",
            shown.stderr
        );
    }
}

#[test]
fn a_secret_that_was_written_off_the_script_is_not_told() {
    let login = login();
    let script = fs::read_to_string(&login.script).expect("the script is in the tree");
    let shown = test("imap", &login.settings)
        .argument("--server")
        .argument("server.toml")
        .file("server.toml", script.replace("AUTHENTICATE PLAIN", "LOGIN probe"))
        .argument("--secret")
        .argument("mail-probe=env:PROBE")
        .env("PROBE", "hunter2hunter2")
        .finish();
    assert!(shown.mentions("AUTHENTICATE PLAIN [redacted]"), "{shown:#?}");
    // `hunter2hunter2` behind `\0probe\0`, as it was written, without what its neighbours have a part in.
    assert!(
        !shown.mentions("hunter2") && !shown.mentions("h1bnRlcjJodW50ZXIy"),
        "{shown:#?}"
    );
}

#[test]
fn a_plugin_that_waits_for_ever_after_the_deadline_is_to_blame_itself() {
    let finished = test("guest.wasm", "settings.toml")
        .file(
            "guest.wasm",
            fs::read(guest_plugin()).expect("the guest is built"),
        )
        .file(
            "settings.toml",
            "behaviour = \"sleep-for-ever\"\nhost = \"a.test\"\nport = 1\n",
        )
        .file(
            "server.toml",
            "[[connection]]\nport = 1\nsteps = [{ hang_up = true }]\n",
        )
        .argument("--server=server.toml")
        .argument("--format=json")
        .finish();
    let report = finished.report();
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    let judged = (&report["outcome"], &report["blame"], &report["error"]["type"]);
    let wanted = (&"error".into(), &"plugin".into(), &"deadline_exceeded".into());
    assert_eq!(judged, wanted, "{report:#}");
}

#[test]
fn a_plugin_that_asks_the_host_for_nothing_is_told_to_have_nothing_to_try() {
    let finished = test("odd.wasm", "settings.json")
        .file("odd.wasm", Component::new().build())
        .file("settings.json", "{}")
        .file("server.toml", "")
        .argument("--server=server.toml")
        .finish();
    assert_eq!(finished.code, Some(64), "{finished:#?}");
    assert!(finished.stderr.contains("found no host call"), "{finished:#?}");
    assert!(!finished.stderr.contains("--fault"), "{finished:#?}");
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let login = login();
    let with = |arguments: &[&str]| {
        let program = login.test();
        arguments.iter().fold(program, Program::argument).finish()
    };
    let script_of = |text: &str| {
        test("imap", &login.settings)
            .file("script.toml", text)
            .argument("--server=script.toml")
            .finish()
    };
    let settings_of = |name: &str, text: &str| {
        test("imap", name)
            .file(name, text)
            .argument("--server")
            .argument(&login.script)
            .finish()
    };
    for (refused, place) in [
        (
            script_of("[[connection]]\nport = 993\nstep = []\n"),
            "script.toml:3:1: ",
        ),
        (script_of("[[connection]\n"), "script.toml:1:"),
        (
            settings_of("settings.toml", "host = \"mail.example.org\"\nuser = 3\n"),
            "settings.toml:2:",
        ),
        (
            settings_of("settings.json", "{\"host\": }"),
            "settings.json: it is no JSON object: expected value at line 1 column 10",
        ),
        (
            with(&["--fault", "net.raed#1=reset"]),
            "--fault net.raed#1=reset: ",
        ),
        (with(&["--fault", "net.raed"]), "--fault net.raed: "),
        (
            with(&["--once", "--fault", "net.read#1=melt"]),
            "--fault net.read#1=melt: ",
        ),
        (with(&["--fault", "net.read#99"]), "--fault: "),
        (with(&["--deadline", "soon"]), "--deadline"),
        (test("nope", &login.settings).finish(), "nope: "),
        (test("imap", "/nowhere.toml").finish(), "/nowhere.toml: "),
    ] {
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (Some(64), ""),
            "{place}: {refused:#?}"
        );
        assert!(
            refused.stderr.contains(place),
            "wanted `{place}`, found {}",
            refused.stderr
        );
    }
}
