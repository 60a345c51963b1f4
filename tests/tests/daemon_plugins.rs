//! The promise: a plugin that is dropped, replaced or removed takes effect while the daemon runs. Runs under way end
//! on the old one, a bad file is refused with a sentence and the old one stays, and nothing half-written is loaded.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use bedcheck_tests::component::Component;
use bedcheck_tests::daemon::{Daemon, Starting, replace};
use bedcheck_tests::program;
use bedcheck_tests::target::{Health, Target};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CONFIGURATION: &str = r#"
    http.listen = "127.0.0.1:0"
    plugins.dir = "plugins"

    [[check]]
    name = "odd"
    plugin = "odd"
    every = "100ms"
    budget.deadline = "5s"
"#;

fn component(summary: &str) -> Vec<u8> {
    Component::new().summary(summary).build()
}

fn starting() -> Starting {
    Daemon::with(CONFIGURATION).file("plugins/odd.wasm", component("the first"))
}

fn digest(daemon: &Daemon) -> Option<String> {
    let check = daemon.get("/api/v1/checks/odd").json();
    Some(check["report"]["plugin"]["sha256"].as_str()?.to_owned())
}

/// The digest of a component as it is shown.
fn sha256(component: &[u8]) -> String {
    let digest = Sha256::digest(component);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn outcomes(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/checks/odd").json()["runs"].clone()
}

#[test]
fn a_replaced_plugin_is_taken_up() {
    let mut daemon = starting().start();
    let first = daemon.wait_until("it runs", digest);
    replace(&daemon.path("plugins/odd.wasm"), &component("the second"));
    daemon.wait_until("the second one runs", |daemon| {
        (digest(daemon)? != first).then_some(())
    });
    assert_eq!(outcomes(&daemon)["error"].as_u64().unwrap_or(0), 0);
    assert_eq!(daemon.end("TERM").code, Some(0));
}

#[test]
fn a_bad_file_is_refused_with_a_sentence_and_the_old_one_stays() {
    let mut daemon = starting().start();
    let first = daemon.wait_until("it runs", digest);
    replace(&daemon.path("plugins/odd.wasm"), b"this is no component");
    let refusal = daemon.wait_until("it is refused", |daemon| {
        let plugins = daemon.get("/api/v1/plugins").body;
        plugins
            .contains("it is not a WebAssembly component")
            .then_some(plugins)
    });
    assert!(refusal.contains("odd.wasm"), "{refusal}");
    let before = outcomes(&daemon)["pass"].as_u64().unwrap_or(0);
    daemon.wait_until("the old one goes on", |daemon| {
        (outcomes(daemon)["pass"].as_u64()? > before + 2).then_some(())
    });
    assert_eq!(digest(&daemon).as_deref(), Some(first.as_str()));

    replace(&daemon.path("plugins/odd.wasm"), &component("mended"));
    daemon.wait_until("the mended one runs", |daemon| {
        (digest(daemon)? != first).then_some(())
    });
}

#[test]
fn a_plugin_that_its_checks_cannot_use_is_refused() {
    let mut daemon = starting().start();
    let first = daemon.wait_until("it runs", digest);
    let demanding = Component::new().schema(r#"{"required": ["wish"]}"#).build();
    replace(&daemon.path("plugins/odd.wasm"), &demanding);
    let refusal = daemon.wait_until("it is refused", |daemon| {
        let plugins = daemon.get("/api/v1/plugins").body;
        plugins.contains("wish").then_some(plugins)
    });
    assert!(refusal.contains("odd"), "{refusal}");
    assert_eq!(digest(&daemon), Some(first));
}

#[test]
fn a_file_is_not_loaded_before_it_is_whole() {
    let mut daemon = starting().start();
    let first = daemon.wait_until("it runs", digest);
    let second = component("written slowly");
    let path = daemon.path("plugins/odd.wasm");
    // In place, byte range by byte range, as `cp` over a slow network does it.
    let mut written = Vec::new();
    for part in second.chunks(second.len() / 20 + 1) {
        written.extend_from_slice(part);
        fs::write(&path, &written).expect("the file can be written");
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.wait_until("the whole one runs", |daemon| {
        (digest(daemon)? != first).then_some(())
    });
    let refused = daemon
        .log()
        .iter()
        .filter(|line| line.contains("refused"))
        .count();
    assert_eq!(refused, 0, "{:#?}", daemon.log());
}

#[test]
fn a_plugin_replaced_again_and_again_fails_no_run() {
    let mut daemon = starting().start();
    daemon.wait_until("it runs", digest);
    let begun = Instant::now();
    let mut seen = BTreeSet::new();
    for version in 0..8 {
        replace(
            &daemon.path("plugins/odd.wasm"),
            &component(&format!("number {version}")),
        );
        let next = begun + Duration::from_secs(version + 1);
        while Instant::now() < next {
            seen.extend(digest(&daemon));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // Each is looked at within its second; half of them may be missed on a machine that does much else.
    assert!(seen.len() >= 4, "{seen:?}: {:#?}", daemon.log());
    let last = component("the last");
    replace(&daemon.path("plugins/odd.wasm"), &last);
    let wanted = sha256(&last);
    daemon.wait_until("the last one runs", |daemon| {
        (digest(daemon)? == wanted).then_some(())
    });
    let plugins = daemon.get("/api/v1/plugins").json();
    let listed = plugins["plugins"].as_array().cloned().unwrap_or_default();
    let odd = listed.iter().find(|plugin| plugin["name"] == "odd");
    assert_eq!(odd.map(|odd| &odd["sha256"]), Some(&json!(wanted)), "{plugins:#}");
    let outcomes = outcomes(&daemon);
    assert!(outcomes["pass"].as_u64() > Some(20), "{outcomes}");
    assert_eq!(outcomes["error"].as_u64().unwrap_or(0), 0, "{outcomes}");
    assert_eq!(outcomes["fail"].as_u64().unwrap_or(0), 0, "{outcomes}");
    assert_eq!(daemon.end("TERM").code, Some(0));
}

#[test]
fn a_plugin_that_is_dropped_can_be_used_after_a_reload() {
    let mut daemon = starting().start();
    daemon.wait_until("it runs", digest);
    replace(
        &daemon.path("plugins/even.wasm"),
        &Component::new().name("even").build(),
    );
    daemon.wait_until("it is known", |daemon| {
        daemon
            .get("/api/v1/plugins")
            .body
            .contains("\"even\"")
            .then_some(())
    });
    let more =
        CONFIGURATION.to_owned() + "[[check]]\nname = \"even\"\nplugin = \"even\"\nevery = \"100ms\"\n";
    daemon.configure(&more);
    assert_eq!(daemon.post("/-/reload").status, 200);
    daemon.wait_until("it runs", |daemon| {
        let passed = daemon.get("/api/v1/checks/even").json()["runs"]["pass"].as_u64()?;
        (passed >= 1).then_some(())
    });
}

/// Waits until the plugin that runs is another one than this.
fn until_another_than(daemon: &mut Daemon, first: &str, what: &str) {
    daemon.wait_until(what, |daemon| (digest(daemon)? != first).then_some(()));
}

fn is_logged(daemon: &Daemon, part: &str) -> bool {
    daemon.log().iter().any(|line| line.contains(part))
}

#[test]
fn a_new_version_that_judges_alike_takes_over_after_it_ran_beside() {
    let configuration = format!("plugins.shadow = \"1s\"\n{CONFIGURATION}");
    let mut daemon = Daemon::with(&configuration)
        .file("plugins/odd.wasm", component("the first"))
        .start();
    let first = daemon.wait_until("it runs", digest);
    replace(&daemon.path("plugins/odd.wasm"), &component("the second"));
    daemon.wait_until("it runs beside", |daemon| {
        is_logged(daemon, "runs beside").then_some(())
    });
    assert_eq!(digest(&daemon).as_deref(), Some(first.as_str()));
    until_another_than(&mut daemon, &first, "it takes over");
    assert_eq!(outcomes(&daemon)["error"], 0);
    let swapped = daemon.metric("synthetic_runner_plugin_swapped_total{", &["odd"]);
    assert_eq!(swapped, Some(1.0));
}

#[test]
fn faults_neither_keep_a_new_version_back_nor_are_used_up_by_it() {
    const TIMES: u64 = 20;
    let target = Target::start(Health::Up);
    let port = target.port();
    let version = |number: u8| {
        let mut bytes = fs::read(program::built_in_plugin("http")).expect("it was built");
        // A section that means nothing (WebAssembly, 5.5.3 custom sections).
        bytes.extend([0, 6, 4, b'n', b'o', b't', b'e', number]);
        bytes
    };
    let configuration = format!(
        r#"
        http.listen = "127.0.0.1:0"
        plugins = {{ dir = "plugins", shadow = "1s" }}
        [[check]]
        name = "odd"
        plugin = "http"
        every = "100ms"
        allow = ["127.0.0.1:{port}"]
        settings.url = "http://127.0.0.1:{port}/"
        [[fault]]
        call = "net.connect"
        kind = "refused"
        probability = 0.5
        times = {TIMES}
        "#
    );
    let mut daemon = Daemon::with(&configuration)
        .file("plugins/http.wasm", version(1))
        .start();
    let first = daemon.wait_until("it runs", digest);
    replace(&daemon.path("plugins/http.wasm"), &version(2));
    until_another_than(&mut daemon, &first, "it takes over");
    assert!(!is_logged(&daemon, "judges differently"), "{:#?}", daemon.log());
    daemon.wait_until("all faults are counted", |daemon| {
        (outcomes(daemon)["fail"].as_u64()? >= TIMES).then_some(())
    });
    assert_eq!(outcomes(&daemon)["fail"], TIMES);
}

#[test]
fn a_new_version_that_judges_differently_waits_until_somebody_promotes_it() {
    let configuration = format!("plugins.shadow = \"1s\"\n{CONFIGURATION}");
    let mut daemon = Daemon::with(&configuration)
        .file("plugins/odd.wasm", component("the first"))
        .start();
    let first = daemon.wait_until("it runs", digest);
    let none = daemon.post("/api/v1/plugins/odd/promote");
    assert_eq!(none.status, 409, "{none:?}");
    assert!(
        none.body.contains("there is no new version of the plugin `odd`"),
        "{none:?}"
    );
    assert_eq!(daemon.post("/api/v1/plugins/even/promote").status, 404);

    let failing = Component::new().run("unreachable").build();
    replace(&daemon.path("plugins/odd.wasm"), &failing);
    daemon.wait_until("it is kept", |daemon| {
        is_logged(daemon, "judges differently").then_some(())
    });
    assert!(
        is_logged(&daemon, "outcome `pass` became `error`"),
        "{:#?}",
        daemon.log()
    );
    assert_eq!(digest(&daemon), Some(first.clone()));
    assert_eq!(outcomes(&daemon)["error"], 0, "what ran beside counts nowhere");

    let promoted = daemon.post("/api/v1/plugins/odd/promote");
    assert_eq!(promoted.status, 200, "{promoted:?}");
    until_another_than(&mut daemon, &first, "it takes over");
    daemon.wait_until("it judges as it does", |daemon| {
        (outcomes(daemon)["error"].as_u64()? >= 1).then_some(())
    });
}

#[test]
fn a_removed_plugin_leaves_its_checks_in_error_and_one_that_is_back_heals_them() {
    let mut daemon = starting().start();
    daemon.wait_until("it runs", digest);
    fs::remove_file(daemon.path("plugins/odd.wasm")).expect("the file is there");
    let last = daemon.wait_until("its check cannot run", |daemon| {
        let last = daemon.check("odd")["last"].clone();
        (last["outcome"] == "error").then_some(last)
    });
    assert_eq!(last["error_type"], "plugin_invalid");
    let plugins = daemon.get("/api/v1/plugins").json();
    assert_eq!(plugins["plugins"].as_array().map(Vec::len), Some(0), "{plugins}");
    replace(&daemon.path("plugins/odd.wasm"), &component("the first"));
    daemon.wait_until("it passes again", |daemon| {
        (daemon.check("odd")["last"]["outcome"] == "pass").then_some(())
    });
    assert_eq!(daemon.end("TERM").code, Some(0));
}

/// What the API says of files that are not used.
fn refused(daemon: &Daemon) -> Vec<Value> {
    let plugins = daemon.get("/api/v1/plugins").json();
    plugins["refused"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_file_that_is_no_plugin_is_shown_until_it_is_mended_or_gone() {
    let mut daemon = starting().start();
    assert_eq!(refused(&daemon), [Value::Null; 0]);
    replace(&daemon.path("plugins/even.wasm"), b"no component");
    let shown = daemon.wait_until("it is shown", |daemon| refused(daemon).pop());
    assert!(
        shown["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("plugins/even.wasm")),
        "{shown}"
    );
    assert_eq!(shown["plugin"], Value::Null);
    assert!(
        shown["message"]
            .as_str()
            .is_some_and(|message| message.contains("it is not a WebAssembly component")),
        "{shown}"
    );
    assert_eq!(daemon.post("/-/reload").status, 200);
    daemon.wait_until("it is shown after a reload", |daemon| refused(daemon).pop());
    fs::remove_file(daemon.path("plugins/even.wasm")).expect("it is there");
    daemon.wait_until("it is gone", |daemon| refused(daemon).is_empty().then_some(()));

    replace(&daemon.path("plugins/even.wasm"), b"still none");
    daemon.wait_until("it is shown", |daemon| refused(daemon).pop());
    replace(
        &daemon.path("plugins/even.wasm"),
        &Component::new().name("even").build(),
    );
    daemon.wait_until("it is mended", |daemon| refused(daemon).is_empty().then_some(()));
}

#[test]
fn what_runs_beside_a_plugin_is_shown() {
    let configuration = format!("plugins.shadow = \"1h\"\n{CONFIGURATION}");
    let mut daemon = Daemon::with(&configuration)
        .file("plugins/odd.wasm", component("the first"))
        .start();
    let first = daemon.wait_until("it runs", digest);
    let shadow = |daemon: &Daemon| daemon.get("/api/v1/plugins").json()["plugins"][0]["shadow"].clone();
    assert_eq!(shadow(&daemon), Value::Null);
    replace(
        &daemon.path("plugins/odd.wasm"),
        &Component::new().run("unreachable").build(),
    );
    let shown = daemon.wait_until("a difference is counted", |daemon| {
        let shadow = shadow(daemon);
        (shadow["differences"]["outcome"].as_u64()? >= 1).then_some(shadow)
    });
    assert_eq!(
        (&shown["over"], &shown["lasts_s"]),
        (&false.into(), &3600.0.into())
    );
    assert_ne!(shown["sha256"], first.as_str());
    assert!(shown["runs"].as_u64() >= Some(1), "{shown}");
    assert!(
        shown["examples"]
            .to_string()
            .contains("outcome `pass` became `error`"),
        "{shown}"
    );
    assert_eq!(daemon.post("/api/v1/plugins/odd/promote").status, 200);
    daemon.wait_until("nothing runs beside it", |daemon| {
        (shadow(daemon) == Value::Null).then_some(())
    });
}

/// A plugin that sleeps for ever.
fn sleeping() -> Vec<u8> {
    let imports = r#"
        (import "wasi:io/poll@0.2.0" (instance $poll
            (export "pollable" (type $pollable (sub resource)))
            (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (alias outer 1 $pollable (type $inner))
            (export "pollable" (type $shared (eq $inner)))
            (export "subscribe-duration" (func (param "when" u64) (result (own $shared))))))
        (core func $subscribe (canon lower (func $clock "subscribe-duration")))
        (core func $block (canon lower (func $poll "[method]pollable.block")))"#;
    let arguments = r#"(export "subscribe" (func $subscribe)) (export "block" (func $block))"#;
    let core_imports = r#"
        (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "host" "block" (func $block (param i32)))"#;
    let sleep = "(call $block (call $subscribe (i64.const 0x7fff_ffff_ffff_ffff)))";
    Component::new()
        .imports(imports, arguments, core_imports)
        .run(sleep)
        .build()
}

#[test]
fn a_new_version_that_hangs_leaves_the_checks_their_slots() {
    let more = CONFIGURATION.replace("\"5s\"", "\"1h\"");
    let check = more.split_once("[[check]]").map_or("", |(_, check)| check);
    let others: String = (0..3)
        .map(|number| {
            format!(
                "[[check]]{}",
                check.replace("name = \"odd\"", &format!("name = \"odd-{number}\""))
            )
        })
        .collect();
    let head = "plugins.shadow = \"1h\"\nrunner.concurrency = 2\nserve.drain = \"0s\"\n";
    let mut daemon = Daemon::with(&format!("{head}{more}{others}"))
        .file("plugins/odd.wasm", component("the first"))
        .start();
    daemon.wait_until("it runs", digest);
    replace(&daemon.path("plugins/odd.wasm"), &sleeping());
    daemon.wait_until("it runs beside", |daemon| {
        is_logged(daemon, "runs beside").then_some(())
    });
    let passes = |daemon: &Daemon, check: &str| daemon.check(check)["runs"]["pass"].as_u64().unwrap_or(0);
    for name in ["odd", "odd-0", "odd-1", "odd-2"] {
        let before = passes(&daemon, name);
        daemon.wait_until("the version in use goes on", |daemon| {
            (passes(daemon, name) >= before + 10).then_some(())
        });
    }
}

/// How many locals a function has, and how many times its paths meet again. What each local is may differ at each
/// meeting, and a compiler that keeps that has more than its memory to remember.
const LOCALS: usize = 24_000;
const MEETINGS: usize = 24_000;

/// A component of some hundred kilobytes that takes gigabytes to compile.
fn bomb() -> Vec<u8> {
    let locals = " i32".repeat(LOCALS);
    let meetings = "(block (br_if 0 (local.get 0)))".repeat(MEETINGS);
    let changes: String = (0..LOCALS)
        .map(|local| format!("(local.set {local} (i32.const 1))"))
        .collect();
    let function = format!("(func (param i32) (local {locals}) {meetings} {changes})");
    Component::new().core(function).build()
}

/// Beside runs, plugins are compiled with the least priority: where others keep every processor busy, it takes long.
const COMPILED_WITHIN: Duration = Duration::from_secs(300);

#[test]
fn a_file_that_takes_too_much_to_compile_is_refused_and_the_old_one_goes_on_meanwhile() {
    let bomb = bomb();
    let mut daemon = starting().start();
    let first = daemon.wait_until("it runs", digest);
    replace(&daemon.path("plugins/odd.wasm"), &bomb);
    let shown = daemon.wait_within(COMPILED_WITHIN, "it is refused", |daemon| refused(daemon).pop());
    let message = shown["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("it was not compiled within 2048 MiB of memory") && message.contains("stays in use"),
        "{shown}"
    );
    assert_eq!(digest(&daemon), Some(first));
    let outcomes = outcomes(&daemon);
    assert!(outcomes["pass"].as_u64() >= Some(1), "{outcomes}");
    assert_eq!(
        (&outcomes["error"], &outcomes["fail"]),
        (&0.into(), &0.into()),
        "{outcomes}"
    );
    assert_eq!(daemon.end("TERM").code, Some(0));
}
