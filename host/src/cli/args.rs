//! The command line: what can be asked for, and the words that teach it. Nothing is done here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::journal::JournalArguments;

/// Checks services from inside a sandbox: each run has one deadline, and is reported phase by phase.
#[derive(Debug, Parser)]
#[command(name = "bedcheck", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  bedcheck demo
      a complete run against healthy and sick servers of its own; needs nothing installed
  bedcheck run checks.toml
      every check of a file once, a waterfall for each
  bedcheck run --plugin http --set url=https://www.example.org/
      one check without a file; it may reach that host and port and nothing else
  bedcheck run checks.toml --check mail-login --format nagios
      one line with perfdata for a monitoring system

Exit codes of `run`: 0 all passed, 1 passed after a retry or with a warning, 2 a target failed, 3 nothing \
can be said about a target, 64 bad configuration or command line. `demo` ends with 0 when every report is \
true.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run checks once, now.
    Run(Box<RunArguments>),
    /// Run checks again and again, each at its interval, until told to end.
    #[command(after_help = SERVE_HELP)]
    Serve {
        /// The configuration file.
        file: PathBuf,
    },
    /// Say everything that is wrong with a configuration. No target is contacted.
    Validate {
        /// The configuration file.
        file: PathBuf,
    },
    /// Show the reports that were kept, or send them again.
    Journal(JournalArguments),
    /// Turn a configuration of blackbox_exporter into one of bedcheck, and say what could not be turned.
    Import(ImportArguments),
    /// Look into plugins, and make new ones.
    Plugin {
        /// What to do with a plugin.
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Run checks against embedded servers, healthy and sick, to see what reports look like.
    Demo(DemoArguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// `bedcheck import`.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct ImportArguments {
    /// The configuration of blackbox_exporter, such as `blackbox.yml`.
    pub file: PathBuf,
    /// Write to this file, which must not be there yet, instead of the standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What every module may be asked to probe, as in `allow`; can be given several times. blackbox_exporter has
    /// no such list: without it the modules refuse every target until one is written down.
    #[arg(long, value_name = "HOST:PORT")]
    pub targets: Vec<String>,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  bedcheck import blackbox.yml --output bedcheck.toml --targets '*.example.org:443'
  bedcheck validate bedcheck.toml

Passwords and tokens are not copied: they become names of secrets, and it is told what to put where.

Exit codes: 0 everything was turned, 1 something was left out (each is told on the standard error and in a \
comment), 3 the standard output cannot be written, 64 the file cannot be read, or that of `--output` not written.";

const SERVE_HELP: &str = "\
TERM and INT end it, after the runs under way or `serve.drain`; a second one at once. HUP loads the configuration \
again. The log is on standard error; `[http]` in the file adds metrics, health and an API.

Exit codes: 0 ended by TERM or INT, 64 bad configuration, 70 something of its own failed.";

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Run a plugin against scripted or recorded peers, then with every failure at every host call.
    Test(TestArguments),
    /// Show what a plugin declares: phases, settings, capabilities, imports.
    Inspect {
        /// A `.wasm` file, or the name of a built-in plugin.
        plugin: String,
    },
    /// Make a project for a new plugin, with tests, that builds as it is.
    New(NewArguments),
    /// Compile the component on standard input: what this program starts to compile plugins aside.
    #[command(hide = true)]
    Compile(CompileArguments),
}

/// `bedcheck plugin compile`.
#[derive(Debug, Args)]
pub struct CompileArguments {
    /// The address space of a linear memory in the engine, in bytes.
    #[arg(long)]
    pub reservation: u64,
    /// With the lowest priority.
    #[arg(long)]
    pub beside_runs: bool,
}

/// `bedcheck plugin new`.
#[derive(Debug, Args)]
pub struct NewArguments {
    /// The plugin's name: lower case letters, digits and hyphens, beginning with a letter.
    pub name: String,
    /// The folder to make; `./NAME` if not given.
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Use the SDK in this folder, the `sdk` of a checkout of bedcheck, instead of copying one into the
    /// project.
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
}

/// `bedcheck plugin test`.
#[derive(Debug, Args)]
#[command(after_help = TEST_EXAMPLES)]
pub struct TestArguments {
    /// A `.wasm` file, or the name of a built-in plugin.
    pub plugin: String,
    /// The settings, in a JSON or a TOML file.
    #[arg(long, value_name = "FILE")]
    pub settings: PathBuf,
    /// A script of the peers that the plugin meets.
    #[arg(long, value_name = "FILE", conflicts_with = "recording")]
    pub server: Option<PathBuf>,
    /// A recording of a run; its peers answer as they did then. Without it and a script, the first run is made
    /// against the target that the settings name, and recorded.
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// A failure to inject with `--once`, or the only ones to try: `net.read#3`, `net.read#3=reset`, `net.read`;
    /// can be given several times.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
    /// One run with the given failures, and its report.
    #[arg(long)]
    pub once: bool,
    /// The time a run has, such as `5s`; it costs none, for time is virtual.
    #[arg(long, value_name = "DURATION")]
    pub deadline: Option<String>,
    /// What the plugin may reach besides the target in the settings, as `host:port`.
    #[arg(long, value_name = "HOST:PORT")]
    pub allow: Vec<String>,
    /// A secret that the settings refer to, and where it is read from: `NAME=env:VARIABLE` or
    /// `NAME=file:PATH`. Others are made up.
    #[arg(long, value_name = "NAME=SOURCE")]
    pub secret: Vec<String>,
    /// For a live first run: trust the authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// How the result is shown.
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    pub format: TestFormat,
}

/// How the result of a test is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// A matrix, and what is wrong with the command that repeats it.
    Text,
    /// One JSON object for each run, on a line of its own, and one with the totals.
    Json,
}

const TEST_EXAMPLES: &str = "\
Examples:
  bedcheck plugin test greeter.wasm --settings settings.toml --server server.toml
  bedcheck plugin test greeter.wasm --settings settings.toml
      the first run goes to the target in the settings and is recorded; the others stay here
  bedcheck plugin test greeter.wasm --settings settings.toml --server server.toml \\
      --fault 'net.read#2=connection-reset' --once

Exit codes: 0 nothing is wrong, 2 something is wrong with the plugin (with --once: the run did not pass), \
64 bad settings, script or command line.";

/// What asks for one check without a file: it goes neither with a file, which says all of that itself, nor with a recording.
/// Where the argument that another one `requires` conflicts with one that is there, clap asks for nothing: so each of these
/// is told what it does not go with.
const ONE_CHECK: [&str; 7] = [
    "plugin",
    "set",
    "secret",
    "deadline",
    "allow",
    "ca_file",
    "plugins_dir",
];
/// What else goes with live runs only.
const LIVE: [&str; 5] = ["file", "check", "disable", "fault", "record"];

/// `bedcheck run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// The configuration file.
    #[arg(required_unless_present_any = ["plugin", "replay"], conflicts_with_all = ONE_CHECK)]
    pub file: Option<PathBuf>,
    /// Run this check only; can be given several times.
    #[arg(long, value_name = "NAME", conflicts_with_all = ONE_CHECK)]
    pub check: Vec<String>,
    /// Run one check of this plugin, without a file.
    #[arg(long, value_name = "PLUGIN")]
    pub plugin: Option<String>,
    /// A setting of that check, such as `url=https://www.example.org/`; dots go deeper, and a value
    /// that is JSON is taken as such.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A setting that is a secret, and where that is read from: `KEY=env:VARIABLE` or `KEY=file:PATH`.
    #[arg(long, value_name = "KEY=SOURCE")]
    pub secret: Vec<String>,
    /// The time the run has, such as `5s` or `300ms`.
    #[arg(long, value_name = "DURATION")]
    pub deadline: Option<String>,
    /// What that check may reach besides its own target, as in `allow` of a file.
    #[arg(long, value_name = "HOST:PORT")]
    pub allow: Vec<String>,
    /// Switch a capability off, to see what becomes of the checks: `net.connect`, `net.datagram`, `net.tls` or `secrets`,
    /// or only for some with `plugin:NAME=net.tls` or `check:NAME=net.tls`; can be given several times.
    #[arg(long, value_name = "CAPABILITY")]
    pub disable: Vec<String>,
    /// Trust the authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// A folder of further plugins.
    #[arg(long, value_name = "FOLDER")]
    pub plugins_dir: Option<PathBuf>,
    /// A failure to inject, such as `net.read#3=reset` or `phase:select=delay 3s`; can be given several
    /// times.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
    /// Record everything that the runs are told in this file, secrets left out, for `--replay`.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Run what is recorded in this file again: the same plugins, told the same, offline.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ONE_CHECK.into_iter().chain(LIVE)
    )]
    pub replay: Option<PathBuf>,
    /// How reports are shown.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

const RUN_EXAMPLES: &str = "\
Examples:
  bedcheck run checks.toml --check mail-login --check front-page
  bedcheck run checks.toml --fault 'check:mail-login phase:select=delay 3s'
  bedcheck run checks.toml --disable check:front-page=net.tls
  bedcheck run --plugin http --set url=https://www.example.org/ --set expect.certificate_days=14
  bedcheck run checks.toml --check mail-login --record bug.jsonl
  bedcheck run --replay bug.jsonl
  bedcheck run --plugin imap --set host=mail.example.org --set user=probe \\
      --secret password=env:PROBE_PASSWORD --deadline 5s";

/// `bedcheck demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// The time each run has; short, so that the sick servers do not keep you waiting.
    #[arg(long, value_name = "DURATION", default_value = "300ms")]
    pub deadline: String,
    /// How reports are shown.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How reports are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A waterfall for each run, for people.
    Text,
    /// One JSON object for each run, on a line of its own.
    Json,
    /// The output of a Nagios plugin, with perfdata.
    Nagios,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    /// What can be run, and which options go with it besides `--format`.
    const RUNS: [(&[&str], &[&str]); 3] = [
        (
            &["checks.toml"],
            &["--check=a", "--disable=secrets", "--fault=net.read", "--record=r"],
        ),
        (
            &["--plugin=http"],
            &[
                "--set=a=b",
                "--secret=a=env:B",
                "--deadline=5s",
                "--allow=a:1",
                "--ca-file=a.pem",
                "--plugins-dir=plugins",
                "--disable=secrets",
                "--fault=net.read",
                "--record=r",
            ],
        ),
        (&["--replay=r"], &[]),
    ];

    fn refused(arguments: &[&[&str]]) -> Option<ErrorKind> {
        let all = [&["bedcheck", "run", "--format=json"], &arguments.concat()[..]].concat();
        Arguments::try_parse_from(all).err().map(|error| error.kind())
    }

    #[test]
    fn an_option_that_would_not_be_applied_is_refused() {
        let options = RUNS.iter().flat_map(|(_, options)| *options);
        for (what, own) in RUNS {
            for option in options.clone() {
                let wanted = (!own.contains(option)).then_some(ErrorKind::ArgumentConflict);
                assert_eq!(refused(&[what, &[option]]), wanted, "{what:?} {option}");
            }
            assert_eq!(refused(&[what, own]), None, "{what:?}");
            for (other, _) in RUNS {
                let wanted = (other != what).then_some(ErrorKind::ArgumentConflict);
                let both = if other == what {
                    refused(&[what])
                } else {
                    refused(&[what, other])
                };
                assert_eq!(both, wanted, "{what:?} {other:?}");
            }
        }
        for option in options {
            let kind = refused(&[&[option]]);
            assert_eq!(kind, Some(ErrorKind::MissingRequiredArgument), "{option}");
        }
    }
}
