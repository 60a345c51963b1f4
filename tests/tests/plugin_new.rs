//! The promise: `bedcheck plugin new` makes a project that builds, is clean, passes its own tests and its sweep,
//! and finds the real service; or it says in a sentence why not, and leaves nothing behind.
//!
//! Cargo runs offline here: a project has the dependencies of the SDK, in the versions that this tree has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use bedcheck_tests::program::executable;
use bedcheck_tests::script::Script;
use bedcheck_tests::{Finished, Program, bedcheck};
use tempfile::TempDir;

const NAME: &str = "greeter";
const COMPONENT: &str = "wasm32-wasip2/release/greeter.wasm";

/// Where the project and what cargo makes of it are kept from one run of the tests to the next, so that its
/// dependencies are compiled once.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-new")
}

fn target() -> PathBuf {
    folder().join("target")
}

/// The project, made once and built as its author builds it.
fn project() -> &'static Path {
    static PROJECT: OnceLock<PathBuf> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let project = folder().join(NAME);
        if project.exists() {
            fs::remove_dir_all(&project).expect("the project of the last time can be removed");
        }
        fs::create_dir_all(folder()).expect("the folder for the project can be made");
        // Else the format of the tree in which the build's folder may lie would hold for the project.
        fs::write(folder().join("rustfmt.toml"), "").expect("a file can be made beside the project");
        let made = Program::new(["plugin", "new", NAME, "--path"])
            .argument(&project)
            .finish();
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:#?}");
        assert_steps(&made.stdout);
        succeed(cargo(
            &project,
            ["build", "--release", "--target", "wasm32-wasip2"],
        ));
        project
    })
}

#[track_caller]
fn assert_steps(printed: &str) {
    for step in ["\n  cd ", "\n  cargo test\n", "\n  bedcheck plugin test target/"] {
        assert!(printed.contains(step), "wanted `{step}`, found:\n{printed}");
    }
}

fn cargo<const N: usize>(project: &Path, arguments: [&str; N]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(project)
        .args(arguments)
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_NET_OFFLINE", "true")
        .env("BEDCHECK", executable())
        .output();
    output.expect("cargo can be started")
}

#[track_caller]
fn succeed(output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out
}

#[test]
fn a_new_project_builds_and_is_a_plugin_of_its_name() {
    project();
    let inspected = Program::new(["plugin", "inspect"])
        .argument(target().join(COMPONENT))
        .finish();
    assert_eq!(inspected.code, Some(0), "{inspected:#?}");
    for line in [
        "greeter 0.1.0",
        "resolve, connect, greeting, goodbye",
        "net.connect",
    ] {
        assert!(
            inspected.stdout.contains(line),
            "wanted `{line}`, found {inspected:#?}"
        );
    }
}

#[test]
fn a_new_project_finds_the_real_service() {
    project();
    let run = |script: Script| {
        let server = script.serve();
        let finished = Program::new([
            "run",
            "--plugin",
            NAME,
            "--format=json",
            "--set",
            "host=127.0.0.1",
        ])
        .argument("--set")
        .argument(format!("port={}", server.port()))
        .argument("--plugins-dir")
        .argument(target().join("wasm32-wasip2/release"))
        .finish();
        finished.report()
    };

    let well = run(Script::new()
        .send("220 ready\r\n")
        .expect("QUIT\r\n")
        .send("221 bye\r\n")
        .hang_up());
    assert_eq!(well["outcome"], "pass", "{well:#}");

    let busy = run(Script::new().send("421 too busy\r\n").hang_up());
    assert_eq!(
        (&busy["outcome"], &busy["error"]["type"], &busy["error"]["phase"]),
        (
            &"fail".into(),
            &"protocol.unexpected_response".into(),
            &"greeting".into()
        ),
        "{busy:#}"
    );
    assert_eq!(busy["error"]["message"], "421 too busy");
}

#[test]
fn the_check_of_a_new_project_is_valid() {
    let project = project();
    // The file names cargo's own target folder, which is elsewhere in these tests.
    let plugins = project.join("target/wasm32-wasip2/release");
    fs::create_dir_all(&plugins).expect("a folder can be made in the project");
    fs::copy(target().join(COMPONENT), plugins.join("greeter.wasm")).expect("the plugin was built");
    let validated = Program::new(["validate"])
        .argument(project.join("check.toml"))
        .finish();
    assert_eq!(validated.code, Some(0), "{validated:#?}");
}

#[test]
fn a_new_project_is_clean() {
    let project = project();
    succeed(cargo(project, ["fmt", "--all", "--check"]));
    succeed(cargo(
        project,
        ["clippy", "--release", "--all-targets", "--", "--deny", "warnings"],
    ));
}

#[test]
fn a_new_project_keeps_the_versions_it_was_made_with() {
    let project = project();
    let versions = |path: &Path| -> Vec<String> {
        let lock = fs::read_to_string(path).expect("there is a lock file");
        let packages = lock.split("[[package]]\n").skip(1);
        let named = packages.filter(|package| package.contains("source = "));
        named.map(|package| package.lines().take(2).collect()).collect()
    };
    let ours = versions(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")));
    let theirs = versions(&project.join("Cargo.lock"));
    assert!(
        theirs.iter().any(|package| package.contains("wit-bindgen")),
        "{theirs:?}"
    );
    for package in theirs {
        assert!(ours.contains(&package), "{package}");
    }
}

#[test]
fn a_new_project_passes_its_own_tests() {
    let told = succeed(cargo(project(), ["test", "--release"]));
    for test in [
        "a_service_that_is_well_passes",
        "a_service_that_falls_silent_is_caught_by_the_deadline",
        "every_failure_at_every_host_call_is_told_truthfully",
    ] {
        assert!(told.contains(&format!("test {test} ... ok")), "{told}");
    }
}

#[test]
fn a_new_project_passes_its_sweep_from_the_shell() {
    let rehearsal = project().join("rehearsal");
    let swept = Program::new(["plugin", "test"])
        .argument(target().join(COMPONENT))
        .argument("--settings")
        .argument(rehearsal.join("settings.toml"))
        .argument("--server")
        .argument(rehearsal.join("server.toml"))
        .finish();
    assert_eq!(swept.code, Some(0), "{swept:#?}");
}

/// A plugin that calls every failure of a read an unexpected response, which blames the wrong thing: the run fails
/// as it should, and only its error type is not true.
#[test]
fn a_planted_bug_is_found_by_its_sweep() {
    let place = Place::new();
    let sdk = project().join("bedcheck/sdk");
    let made = place.make("mumbler", &["--sdk", &sdk.to_string_lossy()]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    let code = place.project().join("src/lib.rs");
    let right = fs::read_to_string(&code).expect("the project was just made");
    let wrong = right.replace(
        "connection.read_line_limited(512)?",
        "connection.read_line_limited(512).map_err(|_| Failure::unexpected_response(\"no answer\"))?",
    );
    assert_ne!(right, wrong, "there is a read to plant a bug at");
    fs::write(&code, wrong).expect("the project can be written to");
    succeed(cargo(
        &place.project(),
        ["build", "--release", "--target", "wasm32-wasip2"],
    ));

    let swept = Program::new(["plugin", "test", "--format=json"])
        .argument(target().join("wasm32-wasip2/release/mumbler.wasm"))
        .argument("--settings")
        .argument(place.project().join("rehearsal/settings.toml"))
        .argument("--server")
        .argument(place.project().join("rehearsal/server.toml"))
        .finish();

    assert_eq!(swept.code, Some(2), "{swept:#?}");
    let cases = swept.reports();
    let has_problems = |fault: &str| {
        let case = cases.iter().find(|case| case["fault"] == fault);
        case.map(|case| case["problems"] != serde_json::json!([]))
    };
    assert_eq!(
        has_problems("net.read#1=connection-reset"),
        Some(true),
        "{swept:#?}"
    );
    assert_eq!(
        has_problems("net.connect#1=connection-refused"),
        Some(false),
        "{swept:#?}"
    );
}

/// A place for a project, and `bedcheck plugin new` making it there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    fn project(&self) -> PathBuf {
        self.0.path().join("project")
    }

    fn make(&self, name: &str, further: &[&str]) -> Finished {
        let program = Program::new(["plugin", "new", name, "--path"]).argument(self.project());
        further.iter().fold(program, Program::argument).finish()
    }

    /// That the program refuses to make it, with this sentence, and leaves nothing behind.
    #[track_caller]
    fn assert_refused(&self, name: &str, further: &[&str], wanted: &str) {
        let before = self.project().exists();
        let refused = self.make(name, further);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (Some(64), ""),
            "{refused:#?}"
        );
        assert_eq!(refused.stderr, format!("{wanted}\n"));
        assert_eq!(
            self.project().exists(),
            before,
            "what was there and what was not is left so"
        );
    }
}

#[test]
fn a_new_project_can_stand_on_a_checkout() {
    let place = Place::new();
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");
    let made = place.make("two-words", &["--sdk", sdk]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    assert!(!place.project().join("bedcheck").exists());
    // That cargo finds everything shows that the path is good; what becomes of it the other tests show.
    let packages = succeed(cargo(&place.project(), ["metadata", "--format-version", "1"]));
    assert!(
        packages.contains("two-words") && packages.contains("bedcheck-sdk"),
        "{packages}"
    );
}

#[test]
fn without_a_path_the_folder_has_the_name_of_the_plugin() {
    // The program starts in an empty folder.
    let made = bedcheck(["plugin", "new", NAME]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    assert!(
        made.stdout.starts_with("greeter: the plugin `greeter`"),
        "{made:#?}"
    );
    assert!(made.stdout.contains("\n  cd greeter\n"), "{made:#?}");
}

#[test]
fn what_cannot_be_made_is_refused_with_a_sentence() {
    let place = Place::new();
    let rule = "wanted a name of 1 to 64 lower case letters, digits and hyphens that begins with a letter";
    place.assert_refused(
        "Greeter",
        &[],
        &format!("the name of the plugin: found `Greeter`, {rule}"),
    );
    place.assert_refused(
        "../up",
        &[],
        &format!("the name of the plugin: found `../up`, {rule}"),
    );
    place.assert_refused(
        "match",
        &[],
        "the name of the plugin: found `match`, a word of Rust, wanted a name that a package can have",
    );
    place.assert_refused(
        NAME,
        &["--sdk", "/nowhere"],
        "/nowhere: found no package `bedcheck-sdk`, wanted the folder `sdk` of a checkout of bedcheck",
    );
}

#[test]
fn what_is_there_is_left_alone() {
    let place = Place::new();
    let project = place.project();
    let shown = project.display();
    fs::create_dir(&project).expect("the place is empty");
    fs::write(project.join("mine"), "mine").expect("the folder was just made");
    place.assert_refused(
        NAME,
        &[],
        &format!("{shown}: found something there, wanted a folder to make"),
    );
    assert_eq!(
        fs::read_to_string(project.join("mine")).expect("it is still there"),
        "mine"
    );
}

/// The folder is made, and then nothing can be written into it: files may have no bytes.
#[test]
fn nothing_half_written_is_left() {
    let place = Place::new();
    let script = format!(
        "ulimit -f 0; exec '{}' plugin new {NAME} --path '{}'",
        executable().display(),
        place.project().display()
    );
    // A file that would be too large is an error, once nobody dies of the signal.
    let output = Command::new("sh")
        .args(["-c", &format!("trap '' XFSZ; {script}")])
        .output()
        .expect("there is a shell");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(told.contains("cannot be written: "), "{told}");
    assert!(!place.project().exists());
}
