//! The compiler as a process of its own: this program again, with bounds on memory, processor time and files, no
//! environment, and lower priority. The component comes in on standard input, and the code, or what is wrong with
//! the component, goes out on standard output. Whatever the component does to the compiler, the process ends, and
//! whoever started it lives.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime::Engine;

use super::compiled::MAX_CODE;
use super::configuration;
use super::load_error::{LoadError, MAX_SIZE, invalid};
use crate::text::told;

/// The words of the command line that begin the compiler.
const COMMAND: [&str; 2] = ["plugin", "compile"];
/// How long compiling may take: beside runs, with one thread and with what processor time they leave, an interpreter
/// takes minutes.
pub(super) const MAX_COMPILING: Duration = Duration::from_secs(600);
/// How much processor time it may take, all threads together: ten times what an interpreter of 18 MB takes.
pub(super) const MAX_PROCESSOR_TIME: Duration = Duration::from_secs(480);
/// The most memory that it may take, in bytes, as address space: thirty times what the built-in plugins take. A
/// single function of some megabytes, which no language's compiler makes, takes more.
pub(super) const MAX_MEMORY: u64 = 2 * 1024 * 1024 * 1024;
/// How many threads compile when nothing else is to be done.
const MOST_THREADS: usize = 4;
/// The priority, from -20 to 19, of a compiler beside runs: everything else goes first.
const LOWEST_PRIORITY: i32 = 19;
/// How the compiler ends when the component is no good; the sentence is on its standard output.
const EXIT_REFUSED: u8 = 65;
/// How the compiler ends when whoever wanted the code is gone. Nobody sees it.
const EXIT_UNWANTED: i32 = 1;
/// How much of what the compiler says is kept, in bytes.
const MAX_SAID: u64 = 4096;

/// Where plugins are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compiler {
    /// In this process, without a bound on memory: for tests, and where the component is known.
    #[default]
    Here,
    /// In a process of its own, as fast as it goes: nothing waits but for it.
    Aside,
    /// In a process of its own; as soon as there are runs, with one thread and the lowest priority.
    BesideRuns,
}

/// Compiles in a process of its own, for an engine whose memories have so much address space.
pub(super) async fn compile_aside(
    component: &[u8],
    reservation: u64,
    beside_runs: bool,
) -> Result<Vec<u8>, LoadError> {
    let threads = match beside_runs {
        true => 1,
        false => {
            std::thread::available_parallelism().map_or(1, |there_are| there_are.get().min(MOST_THREADS))
        }
    };
    let not_started = |error: std::io::Error| LoadError::NoCompiler(error.to_string());
    let mut command = tokio::process::Command::new(program().map_err(not_started)?);
    command
        .args(COMMAND)
        .args(["--reservation", &reservation.to_string()])
        .args(beside_runs.then_some("--beside-runs"))
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(not_started)?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = async {
        if let Some(mut input) = input {
            // One that ends early says why itself.
            let _ = input.write_all(component).await;
        }
    };
    let all = async {
        let (mut code, mut said) = (Vec::new(), Vec::new());
        let reading = async {
            if let Some(output) = output {
                let _ = output.take(MAX_CODE + 1).read_to_end(&mut code).await;
            }
        };
        let listening = async {
            if let Some(errors) = errors {
                let _ = errors.take(MAX_SAID).read_to_end(&mut said).await;
            }
        };
        tokio::join!(feeding, reading, listening);
        (child.wait().await, code, said)
    };
    // Dropping it ends the process.
    let Ok((status, code, said)) = tokio::time::timeout(MAX_COMPILING, all).await else {
        return Err(LoadError::CompilingTooLong);
    };
    judge(status.map_err(not_started)?, code, &said)
}

/// What became of a compiler.
fn judge(status: ExitStatus, output: Vec<u8>, said: &[u8]) -> Result<Vec<u8>, LoadError> {
    const OUT_OF_MEMORY: [&str; 2] = ["memory allocation of", "Cannot allocate memory"];
    let is_refused = status.code() == Some(i32::from(EXIT_REFUSED));
    let told_by = |bytes: &[u8]| told(&String::from_utf8_lossy(bytes), 1024);
    let short_of_memory = |text: &str| OUT_OF_MEMORY.iter().any(|words| text.contains(words));
    if status.success() && output.len() as u64 <= MAX_CODE {
        return Ok(output);
    }
    if output.len() as u64 > MAX_CODE {
        return Err(LoadError::TooMuchCode);
    }
    let sentence = told_by(if is_refused { &output } else { said });
    if short_of_memory(&sentence) {
        return Err(LoadError::CompilingTooLarge);
    }
    Err(match status.signal() {
        _ if is_refused => LoadError::Invalid(sentence),
        Some(SIGXCPU) => LoadError::CompilingTooLong,
        Some(signal) => LoadError::CompilerKilled(signal),
        None => LoadError::CompilerFailed,
    })
}

/// The signal of a process that has used its processor time (POSIX).
const SIGXCPU: i32 = 24;

/// This program, as it runs: also when its file was replaced since.
fn program() -> std::io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok("/proc/self/exe".into()),
        false => std::env::current_exe(),
    }
}

/// What the compiler itself does: compiles what comes in on `input` for an engine whose memories have so much address
/// space, and puts the code out. The exit code.
///
/// Before it looks at anything it bounds itself.
pub fn serve_compilation(
    reservation: u64,
    beside_runs: bool,
    input: impl Read,
    output: &mut impl Write,
) -> std::io::Result<u8> {
    bound(beside_runs)?;
    end_when_unwanted()?;
    let mut component = Vec::new();
    input.take(MAX_SIZE as u64 + 1).read_to_end(&mut component)?;
    let compiled = Engine::new(&configuration::compiling(reservation))
        .and_then(|engine| engine.precompile_component(&component));
    let code = match compiled {
        Ok(code) => {
            output.write_all(&code)?;
            0
        }
        Err(error) => {
            let sentence = match invalid(&error) {
                LoadError::Invalid(sentence) => sentence,
                other => other.to_string(),
            };
            output.write_all(sentence.as_bytes())?;
            EXIT_REFUSED
        }
    };
    output.flush()?;
    Ok(code)
}

/// Ends this process as soon as nobody reads its output any more: whoever started it was killed, and code for nobody
/// is not worth minutes of a processor.
fn end_when_unwanted() -> std::io::Result<()> {
    let wait = || {
        let output = std::io::stdout();
        // Without an event that is asked for, only the reader's end is told.
        let mut reader = [PollFd::new(&output, PollFlags::empty())];
        while poll(&mut reader, None) == Err(Errno::INTR) {}
        std::process::exit(EXIT_UNWANTED);
    };
    std::thread::Builder::new()
        .name("unwanted".into())
        .spawn(wait)
        .map(|_| ())
}

/// Takes from this process what compiling does not need.
fn bound(beside_runs: bool) -> std::io::Result<()> {
    let bound_to = |resource, number: u64| {
        // Whoever started us may have bounded us more.
        let most = getrlimit(resource)
            .maximum
            .map_or(number, |most| most.min(number));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)
    };
    bound_to(Resource::As, MAX_MEMORY)?;
    // The time on the clock is the parent's matter.
    bound_to(Resource::Cpu, MAX_PROCESSOR_TIME.as_secs())?;
    // No files, and no image of its memory when it crashes.
    bound_to(Resource::Fsize, 0)?;
    bound_to(Resource::Core, 0)?;
    if beside_runs {
        setpriority_process(None, LOWEST_PRIORITY)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a process that ended in this way (a wait status as the system encodes it).
    fn said(status: i32, output: &str, errors: &str) -> String {
        match judge(ExitStatus::from_raw(status), output.into(), errors.as_bytes()) {
            Ok(code) => format!("code: {}", String::from_utf8_lossy(&code)),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn however_the_compiler_ends_there_is_a_sentence() {
        let refused = i32::from(EXIT_REFUSED) << 8;
        let out_of_memory = "it was not compiled within 2048 MiB of memory, which no plugin needs";
        for (status, output, errors, expected) in [
            (0, "abc", "", "code: abc"),
            (
                refused,
                "odd \u{1b}[1m",
                "",
                "it is not a valid component: odd \\u{1b}[1m",
            ),
            (
                refused,
                "mmap: Cannot allocate memory (os error 12)",
                "",
                out_of_memory,
            ),
            (6, "", "memory allocation of 1024 bytes failed\n", out_of_memory),
            (
                9,
                "abc",
                "",
                "it cannot be compiled: the compiler was ended by signal 9",
            ),
            (
                11,
                "",
                "",
                "it cannot be compiled: the compiler was ended by signal 11",
            ),
            (
                SIGXCPU,
                "",
                "",
                "it was not compiled within 600 s, or 480 s of processor time, which no plugin needs",
            ),
            (
                101 << 8,
                "",
                "thread panicked",
                "it cannot be compiled: the compiler failed",
            ),
        ] {
            assert_eq!(said(status, output, errors), expected);
        }
    }
}
