//! The promise: a component dropped into `[plugins] dir` is a plugin like the built-in ones, goes before a
//! built-in one of its name with a notice, and one that is broken refuses the whole configuration.

use std::fs;
use std::path::PathBuf;

use bedcheck_tests::component::Component;
use bedcheck_tests::program::{built_in_plugin, guest_plugin};
use bedcheck_tests::script::Script;
use bedcheck_tests::{Program, bedcheck};
use serde_json::Value;

const CHECK_OF_GUEST: &str = "[[check]]\nname = \"a\"\nplugin = \"guest\"\nallow = [\"192.0.2.1:9\"]\n\
                              settings.behaviour = \"pass\"\n";

fn read(component: PathBuf) -> Vec<u8> {
    fs::read(component).expect("it was just found")
}

/// The built-in plugin `http`, with a custom section more: it does the same and has another digest.
fn other_http() -> Vec<u8> {
    let mut component = read(built_in_plugin("http"));
    // Section 0 of 6 bytes: a name of 5.
    component.extend(b"\0\x06\x05other");
    component
}

/// A check of a web server that answers every request, and the server's port in it.
fn check_of_http(port: u16) -> String {
    format!(
        "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"127.0.0.1:{port}\"]\n\
         settings.url = \"http://127.0.0.1:{port}/\"\n"
    )
}

fn web_server() -> Script {
    Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 204 No Content\r\n\r\n")
        .hang_up()
}

fn digest(report: &Value) -> &str {
    report["plugin"]["sha256"].as_str().unwrap_or_default()
}

#[test]
fn a_component_in_the_folder_is_a_plugin() {
    let finished = Program::run(&format!("plugins.dir = \"plugins\"\n{CHECK_OF_GUEST}"))
        .file("plugins/any-name.wasm", read(guest_plugin()))
        .file("plugins/README", "what is not called *.wasm is left alone")
        .finish();
    let report = finished.report();
    assert_eq!(
        (finished.code, &report["outcome"]),
        (Some(0), &"pass".into()),
        "{report:#}"
    );
    assert_eq!(report["plugin"]["name"], "guest");
    assert_eq!(finished.stderr, "");
}

#[test]
fn the_folder_is_found_from_where_the_configuration_is() {
    let finished = Program::new(["run", "etc/bedcheck.toml", "--format", "json"])
        .file(
            "etc/bedcheck.toml",
            format!("plugins.dir = \"plugins\"\n{CHECK_OF_GUEST}"),
        )
        .file("etc/plugins/guest.wasm", read(guest_plugin()))
        .finish();
    assert_eq!(finished.report()["outcome"], "pass");
}

#[test]
fn the_folder_can_be_given_on_the_command_line() {
    let finished = Program::new(["run", "--plugin", "guest", "--plugins-dir", "plugins"])
        .argument("--set")
        .argument("behaviour=pass")
        .argument("--format=json")
        .file("plugins/guest.wasm", read(guest_plugin()))
        .finish();
    assert_eq!(finished.report()["outcome"], "pass");
}

#[test]
fn a_component_goes_before_the_built_in_plugin_of_its_name_and_a_notice_says_so() {
    let server = web_server().serve();
    let check = check_of_http(server.port());
    let built_in = Program::run(&check).finish();
    assert_eq!(
        (built_in.code, built_in.stderr.as_str()),
        (Some(0), ""),
        "{built_in:#?}"
    );

    let taken = Program::run(&format!("plugins.dir = \"plugins\"\n{check}"))
        .file("plugins/mine.wasm", other_http())
        .finish();

    assert_eq!(taken.code, Some(0), "{taken:#?}");
    assert_eq!(
        taken.stderr,
        "note: the plugin `http` is taken from `plugins/mine.wasm` instead of the built-in one\n"
    );
    let (built_in, taken) = (built_in.report(), taken.report());
    assert_eq!((digest(&built_in).len(), digest(&taken).len()), (64, 64));
    assert_ne!(digest(&built_in), digest(&taken));
    let inspected = Program::new(["plugin", "inspect", "mine.wasm"])
        .file("mine.wasm", other_http())
        .finish();
    assert!(inspected.stdout.contains(digest(&taken)), "{}", inspected.stdout);
    let inspected = bedcheck(["plugin", "inspect", "http"]);
    assert!(
        inspected.stdout.contains(digest(&built_in)),
        "{}",
        inspected.stdout
    );
}

#[test]
fn validate_tells_what_goes_before_what() {
    let finished = Program::new(["validate", "bedcheck.toml"])
        .file(
            "bedcheck.toml",
            format!("plugins.dir = \"plugins\"\n{}", check_of_http(80)),
        )
        .file("plugins/mine.wasm", other_http())
        .finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(
        finished
            .stderr
            .contains("the plugin `http` is taken from `plugins/mine.wasm` instead of the built-in one"),
        "{finished:#?}"
    );
}

#[test]
fn a_broken_file_refuses_the_whole_configuration() {
    let server = web_server().serve();
    let configuration = format!("plugins.dir = \"plugins\"\n{}", check_of_http(server.port()));
    let finished = Program::run(&configuration)
        .file("plugins/guest.wasm", read(guest_plugin()))
        .file("plugins/broken.wasm", "not WebAssembly")
        .finish();
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(64), ""),
        "{finished:#?}"
    );
    assert_eq!(
        finished.stderr,
        "plugins/broken.wasm: the plugin cannot be loaded: it is not a WebAssembly component\n"
    );
    assert_eq!(server.finish(), []);
}

#[test]
fn two_files_cannot_be_the_same_plugin() {
    let finished = Program::run(&format!("plugins.dir = \"plugins\"\n{CHECK_OF_GUEST}"))
        .file("plugins/a.wasm", read(guest_plugin()))
        .file("plugins/b.wasm", read(guest_plugin()))
        .finish();
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(64), ""),
        "{finished:#?}"
    );
    assert_eq!(
        finished.stderr,
        "plugins/b.wasm: the plugin calls itself `guest`, and so does `plugins/a.wasm`\n"
    );
}

#[test]
fn what_a_check_may_spend_does_not_decide_what_is_a_plugin() {
    // Less memory than a component built by Rust begins with.
    let check = format!("plugins.dir = \"plugins\"\n{CHECK_OF_GUEST}budget.memory = \"64KiB\"\n");
    let finished = Program::run(&check)
        .file("plugins/guest.wasm", read(guest_plugin()))
        .finish();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert_eq!(finished.report()["error"]["type"], "memory_limit");
}

#[test]
fn a_plugin_made_for_an_earlier_version_of_the_contract_is_loaded() {
    // It exports the check of 1.0.0, and imports a connection as it was then, and as it is in a later version.
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        let import = format!(
            r#"(import "bedcheck:plugin/net@{version}" (instance $net
                   (export "connection" (type $connection (sub resource)))
                   (export "[method]connection.peer-address"
                       (func (param "self" (borrow $connection)) (result string)))))"#
        );
        let component = Component::new().imports(&import, "", "").build();
        let finished = Program::run("plugins.dir = \"plugins\"\n[[check]]\nname = \"a\"\nplugin = \"odd\"\n")
            .file("plugins/odd.wasm", component)
            .finish();
        assert_eq!(
            finished.report()["outcome"],
            "pass",
            "{version}: {}",
            finished.stderr
        );
    }
    // What the contract does not have yet is named by the version that has it.
    let import = r#"(import "bedcheck:plugin/net@1.9.0" (instance (export "teleport" (func))))"#;
    let finished = Program::run("plugins.dir = \"plugins\"\n[[check]]\nname = \"a\"\nplugin = \"odd\"\n")
        .file(
            "plugins/odd.wasm",
            Component::new().imports(import, "", "").build(),
        )
        .finish();
    assert_eq!(finished.code, Some(64));
    let versions = ["bedcheck:plugin/net@1.9.0", "this bedcheck provides version 1."];
    for version in versions {
        assert!(finished.stderr.contains(version), "{}", finished.stderr);
    }
}
