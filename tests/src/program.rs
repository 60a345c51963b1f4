//! Runs the program which this build made, within a bound, and reads what it printed. What should have been
//! printed is the business of the tests.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long one call of the program may take. The slowest thing a test waits for is a deadline of some seconds;
/// a program that takes longer than this has lost its own.
pub const CALL_WITHIN: Duration = Duration::from_secs(60);

/// How long to wait for the last output of a program that was killed. It is there at once, unless a process
/// which the program started holds it open.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// What is fetched or made once for this checkout.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools");

/// How often a program that has closed its output is looked at until it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Runs `bedcheck` with these arguments.
///
/// # Panics
///
/// When the program was not built, or takes longer than [`CALL_WITHIN`].
#[must_use]
pub fn bedcheck<I>(arguments: I) -> Finished
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    Program::new(arguments).finish()
}

/// A call of the program that is being put together, [`undisturbed`].
#[derive(Debug)]
pub struct Program {
    command: Command,
    folder: TempDir,
    within: Duration,
}

impl Program {
    /// A call with these arguments, in an empty folder.
    ///
    /// # Panics
    ///
    /// When the program was not built.
    #[must_use]
    pub fn new<I>(arguments: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Self::calling(&built("bedcheck", "./justw build"), arguments)
    }

    /// The same on a terminal of its own: what the program writes to it, both outputs mixed and lines ended as
    /// terminals do, is the standard output. `script` makes the terminal, of util-linux, which every Debian has.
    ///
    /// # Panics
    ///
    /// When the program was not built.
    #[must_use]
    pub fn on_terminal<I>(arguments: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let executable = built("bedcheck", "./justw build");
        let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
        let command = arguments
            .into_iter()
            .fold(quoted(&executable.to_string_lossy()), |command, argument| {
                format!("{command} {}", quoted(argument.as_ref()))
            });
        Self::calling(
            Path::new("script"),
            ["--quiet", "--return", "--command", &command, "/dev/null"],
        )
        .env("TERM", "xterm")
    }

    /// The call that a line for a shell makes, as the program itself prints it for whoever repeats something, without
    /// its first word.
    ///
    /// # Panics
    ///
    /// When the program was not built.
    #[must_use]
    pub fn line(arguments: &str) -> Self {
        let line = format!("exec \"$0\" {arguments}");
        let executable = executable();
        Self::calling(
            Path::new("sh"),
            ["-c".as_ref(), line.as_ref(), executable.as_os_str()],
        )
    }

    fn calling<I>(executable: &Path, arguments: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let mut command = undisturbed(executable);
        command.args(arguments).current_dir(&folder);
        Self {
            command,
            folder,
            within: CALL_WITHIN,
        }
    }

    /// A call of `bedcheck run` for every check of this configuration (TOML), with its reports as JSON.
    ///
    /// # Panics
    ///
    /// When the program was not built.
    #[must_use]
    pub fn run(configuration: &str) -> Self {
        Self::new(["run", "bedcheck.toml", "--format", "json"]).file("bedcheck.toml", configuration)
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets an environment variable, as a secret is often given.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets the call take so long, which compiles a large plugin.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Writes a file into the folder which the program starts in.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    #[must_use]
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        crate::process::write(&self.path(name), contents);
        self
    }

    /// The path of a file in the folder which the program starts in.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or takes longer than [`CALL_WITHIN`]: it is killed then, and the message has
    /// what it printed.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let started = Instant::now();
        let command = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", command.get_program()));
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));

        // Both outputs end with the program, which is how its end is seen at once.
        let give_up = started + self.within;
        let until = |output: &mpsc::Receiver<String>, end: Instant| {
            output
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .ok()
        };
        let printed = (until(&stdout, give_up), until(&stderr, give_up));
        let code = wait_until(&mut child, give_up);
        let took = started.elapsed();
        // After the program was killed, there is still what it had printed before.
        let last_words = Instant::now() + LAST_WORDS_WITHIN;
        let stdout = printed
            .0
            .or_else(|| until(&stdout, last_words))
            .unwrap_or_default();
        let stderr = printed
            .1
            .or_else(|| until(&stderr, last_words))
            .unwrap_or_default();
        let Some(code) = code else {
            let arguments: Vec<&OsStr> = self.command.get_args().collect();
            let within = self.within;
            panic!("{arguments:?} did not end within {within:?}; it printed `{stdout}` and `{stderr}`");
        };
        Finished {
            code,
            stdout,
            stderr,
            took,
        }
    }
}

/// What the program printed and how it ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; `None` when a signal ended the program.
    pub code: Option<i32>,
    /// What it printed to its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it printed to its standard error; bytes that are not UTF-8 are replaced.
    pub stderr: String,
    /// How long it took from the start of the process to its end.
    pub took: Duration,
}

impl Finished {
    /// The reports on the standard output: one JSON object per line.
    ///
    /// # Panics
    ///
    /// When a line is something else.
    #[must_use]
    pub fn reports(&self) -> Vec<Value> {
        let report = |line| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("not a report: {error}: `{line}`\n{}", self.stderr))
        };
        self.stdout.lines().map(report).collect()
    }

    /// The report of a run of one check.
    ///
    /// # Panics
    ///
    /// When there is not exactly one.
    #[must_use]
    pub fn report(&self) -> Value {
        let mut reports = self.reports();
        assert_eq!(reports.len(), 1, "wanted one report, found {self:#?}");
        reports.remove(0)
    }

    /// Whether a text is anywhere in what was printed. A secret must not be.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

/// A command without the caller's variables that the program would heed: `OTEL_*`, which would make it export
/// somewhere, `NO_COLOR` and its kin, and what a service manager tells.
#[must_use]
pub fn undisturbed(program: impl AsRef<OsStr>) -> Command {
    const HEEDED: [&str; 6] = [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "RUST_LOG",
        "NOTIFY_SOCKET",
        "STATE_DIRECTORY",
    ];
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("OTEL_") || HEEDED.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// The program itself, for a test that watches its process; it is to be called [`undisturbed`].
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn executable() -> PathBuf {
    built("bedcheck", "./justw build")
}

/// The plugin `tests/guest`, which misbehaves as its settings say.
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn guest_plugin() -> PathBuf {
    built("../wasm32-wasip2/guest/bedcheck_guest.wasm", "./justw guests")
}

/// The same plugin, compiled without a C library.
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn bare_guest_plugin() -> PathBuf {
    built(
        "../wasm32-unknown-unknown/guest/bedcheck_guest.wasm",
        "./justw guests",
    )
}

/// The plugin `tests/faulty`, which has the bug that its settings name.
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn faulty_plugin() -> PathBuf {
    built("../wasm32-wasip2/guest/bedcheck_faulty.wasm", "./justw guests")
}

/// The check in Python of `tests/python`, a component that componentize-py made.
///
/// # Panics
///
/// When it was not made.
#[must_use]
pub fn python_plugin() -> PathBuf {
    let path = Path::new(TOOLS).join("http-status.wasm");
    assert!(
        path.is_file(),
        "`{}` is missing: run `./justw python`",
        path.display()
    );
    path
}

/// A folder for compiled code that stays from one test run to the next, for what takes long to compile.
#[must_use]
pub fn kept_code() -> PathBuf {
    Path::new(TOOLS).join("compiled")
}

/// The component of a built-in plugin, as the build made it to put it into the program.
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn built_in_plugin(name: &str) -> PathBuf {
    let target = match name {
        "dns" => "wasm32-wasip2",
        _ => "wasm32-unknown-unknown",
    };
    let component = format!("guests/{target}/guest/bedcheck_{name}.wasm");
    built(&component, "./justw build")
}

/// A file which the build leaves in the folder of its profile: that of the running test's.
fn built(name: &str, how: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("where is this test? {error}"));
    // Tests are in `deps`, in the folder of the profile.
    let profile = test.ancestors().nth(2).unwrap_or(Path::new("."));
    let path = profile.join(name);
    fs::canonicalize(&path).unwrap_or_else(|_| panic!("`{}` is missing: run `{how}`", path.display()))
}

/// Reads to the end in a thread, so that a program which prints much to one output is not kept waiting.
fn collect(output: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut output) = output {
            // What was read before an error is all there is.
            let _ = output.read_to_end(&mut bytes);
        }
        // Nobody listens any more when the call has taken too long.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The exit code of a process, or `None` when it had to be killed because it was too late.
#[expect(
    clippy::option_option,
    reason = "no exit code means a signal, no end means too late"
)]
fn wait_until(child: &mut Child, give_up: Instant) -> Option<Option<i32>> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.code());
        }
        if Instant::now() >= give_up {
            // It may end at this very moment; either way it has ended.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn shell(script: &str) -> Program {
        Program::calling(Path::new("/bin/sh"), ["-c", script])
    }

    #[test]
    fn both_outputs_are_read_however_much_there_is() {
        // More than a pipe holds.
        let finished = shell("head -c 200000 /dev/zero >&2; head -c 200000 /dev/zero; exit 3").finish();
        assert_eq!(
            (finished.code, finished.stdout.len(), finished.stderr.len()),
            (Some(3), 200_000, 200_000)
        );
    }

    #[test]
    fn reports_are_lines_of_json() {
        let program = shell("cat reports; echo \"$SECRET\" >&2").file("reports", "{\"a\":1}\n{\"a\":2}\n");
        let finished = program.env("SECRET", "hush").finish();
        assert_eq!(
            finished.reports(),
            [serde_json::json!({"a": 1}), serde_json::json!({"a": 2})]
        );
        assert!(finished.mentions("hush") && !finished.mentions("hash"));
    }

    #[test]
    fn a_call_that_does_not_end_is_killed() {
        let mut program = shell("echo before; exec sleep 600");
        program.within = Duration::from_millis(50);
        let started = Instant::now();
        let panic = catch_unwind(AssertUnwindSafe(|| program.finish())).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(30));
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(
            message.contains("did not end within 50ms; it printed `before\n`"),
            "{message}"
        );
    }
}
