//! The commands: what the program does for each, what it prints where, and how it exits.

mod args;
mod asked;
mod demo;

mod export;
mod import;
mod inspect;
mod journal;
mod journal_export;
mod keep;
mod matrix;
mod new;
mod output;
mod rehearse;
mod replay;
mod run;
mod serve;
mod trace;
mod validate;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;
use tokio::signal::unix::{SignalKind, signal};

pub use args::{Arguments, Command, Format, PluginCommand};

use args::CompileArguments;

use crate::config::{Config, Problem, Source};
use crate::open_files;
use crate::sandbox::{Cache, Compiler, Compiling, serve_compilation};

/// Bad configuration or command line: `EX_USAGE` of BSD's sysexits.
const EXIT_USAGE: u8 = 64;
/// Something of ours failed: nothing can be said about any target.
const EXIT_UNKNOWN: u8 = 3;

/// Does what the command line asks for.
pub fn execute(arguments: Arguments) -> ExitCode {
    // The daemon has a log of its own.
    if !matches!(arguments.command, Command::Serve { .. }) {
        trace::start();
    }
    open_files::raise();
    output::ending(obey(arguments.command))
}

fn obey(command: Command) -> ExitCode {
    match command {
        Command::Run(arguments) => run::run(*arguments),
        Command::Serve { file } => on_runtime(Threads::Several, serve::serve(file)),
        Command::Demo(arguments) => on_runtime(Threads::Several, demo::demo(arguments)),
        Command::Validate { file } => on_runtime(Threads::Several, validate::validate(file)),
        Command::Journal(arguments) => on_runtime(Threads::Several, journal::run(arguments)),
        Command::Import(arguments) => on_runtime(Threads::Several, import::run(arguments)),
        Command::Plugin {
            command: PluginCommand::Inspect { plugin },
        } => on_runtime(Threads::Several, inspect::inspect(plugin)),
        Command::Plugin {
            command: PluginCommand::New(arguments),
        } => new::new(&arguments),
        Command::Plugin {
            command: PluginCommand::Test(arguments),
        } => on_runtime(Threads::Several, rehearse::test(arguments)),
        Command::Plugin {
            command: PluginCommand::Compile(arguments),
        } => compile(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "bedcheck", &mut script);
            output::say(&String::from_utf8_lossy(&script));
            ExitCode::SUCCESS
        }
    }
}

/// Prints help, the version, or what is wrong with the command line.
pub fn answer(answer: &clap::Error) -> ExitCode {
    let printed = answer.print();
    match answer.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::is_taken(printed);
            output::ending(ExitCode::SUCCESS)
        }
        // There is nobody to tell that the standard error is gone.
        _ => ExitCode::from(EXIT_USAGE),
    }
}

/// How many threads a command has for what it does at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threads {
    /// The program's own.
    One,
    /// One for each processor.
    Several,
}

fn on_runtime(threads: Threads, command: impl Future<Output = ExitCode>) -> ExitCode {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Several => tokio::runtime::Builder::new_multi_thread(),
    };
    match builder.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(async {
                survive_full_files();
                command.await
            });
            // Whatever is still blocked, such as a secret's program, is not waited for.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            output::complain(&format!("bedcheck: the runtime cannot be started: {error}"));
            ExitCode::from(EXIT_UNKNOWN)
        }
    }
}

/// Has writing a file fail that is as large as this process may make one (`ulimit -f`, `LimitFSIZE=`), instead of the
/// process being ended for it.
fn survive_full_files() {
    let too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // It stays caught though nobody listens. Where it cannot be, the process is as others are.
    drop(signal(too_large));
}

/// Reads a configuration file and what is wrong with it; or says what is wrong, when it cannot be read.
fn read(file: &Path) -> Result<(Config, Vec<Problem>, Source), String> {
    let source = Source::read(file).map_err(|problems| problems.to_string())?;
    match Config::parse_partly(&source) {
        Ok((config, problems)) => Ok((config, problems, source)),
        Err(problems) => Err(source.render(&problems)),
    }
}

/// Says what is wrong with a configuration.
fn refuse(rendered: &str) -> ExitCode {
    output::complain(rendered.trim_end());
    ExitCode::from(EXIT_USAGE)
}

/// `bedcheck plugin compile`: the code, or what is wrong, goes to whoever started this.
fn compile(arguments: &CompileArguments) -> ExitCode {
    let mut output = std::io::stdout().lock();
    match serve_compilation(
        arguments.reservation,
        arguments.beside_runs,
        std::io::stdin().lock(),
        &mut output,
    ) {
        Ok(code) => code.into(),
        Err(error) => {
            output::complain(&format!("bedcheck plugin compile: {error}"));
            ExitCode::from(EXIT_UNKNOWN)
        }
    }
}

/// How a command compiles plugins: aside, where they cannot take memory without bound.
fn compiling() -> Compiling {
    Compiling {
        cache: cache(),
        compiler: Compiler::Aside,
    }
}

/// Where compiled plugins are kept. Without a place they are compiled anew, which takes some tenths of a second.
fn cache() -> Option<Cache> {
    let folder = cache_folder(|name| std::env::var_os(name).map(PathBuf::from))?;
    match Cache::new(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            output::complain(&format!("note: {error}"));
            None
        }
    }
}

/// `BEDCHECK_CACHE`, or `bedcheck` in the user's cache folder, which is the same wherever it is asked from. An empty
/// `BEDCHECK_CACHE` switches the cache off.
fn cache_folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    variable("BEDCHECK_CACHE")
        .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("bedcheck")))
        .or_else(|| Some(absolute("HOME")?.join(".cache").join("bedcheck")))
        .filter(|folder| !folder.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_never_in_the_current_folder_unless_it_is_told_so() {
        let folder = |variables: &[(&str, &str)]| {
            let given = |name: &str| {
                let found = variables.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| PathBuf::from(value))
            };
            cache_folder(given).map(|folder| folder.display().to_string())
        };
        let home = ("HOME", "/home/a");
        for (variables, wanted) in [
            (&[home][..], Some("/home/a/.cache/bedcheck")),
            (&[home, ("XDG_CACHE_HOME", "/c")], Some("/c/bedcheck")),
            (&[home, ("XDG_CACHE_HOME", "c")], Some("/home/a/.cache/bedcheck")),
            (&[home, ("BEDCHECK_CACHE", "c")], Some("c")),
            (&[home, ("BEDCHECK_CACHE", "")], None),
            (&[("HOME", "")], None),
            (&[("HOME", "a")], None),
            (&[], None),
        ] {
            assert_eq!(folder(variables).as_deref(), wanted, "{variables:?}");
        }
    }
}
