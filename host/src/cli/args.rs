//! The command line: what can be asked for, and the words that teach it. Nothing is done here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

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

Exit codes of `run`: 0 all passed, 1 passed after a retry, 2 a target failed, 3 nothing can be said
about a target, 64 bad configuration or command line. `demo` ends with 0 when every report is true.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run checks once, now.
    Run(Box<RunArguments>),
    /// Say everything that is wrong with a configuration, and run nothing.
    Validate {
        /// The configuration file.
        file: PathBuf,
    },
    /// Look into plugins.
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

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show what a plugin declares: phases, settings, capabilities, imports.
    Inspect {
        /// A `.wasm` file, or the name of a built-in plugin.
        plugin: String,
    },
}

/// `bedcheck run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// The configuration file.
    #[arg(required_unless_present = "plugin", conflicts_with = "plugin")]
    pub file: Option<PathBuf>,
    /// Run this check only; can be given several times.
    #[arg(long, value_name = "NAME", requires = "file")]
    pub check: Vec<String>,
    /// Run one check of this plugin, without a file.
    #[arg(long, value_name = "PLUGIN")]
    pub plugin: Option<String>,
    /// A setting of that check, such as `url=https://www.example.org/`; dots go deeper, and a value
    /// that is JSON is taken as such.
    #[arg(long, value_name = "KEY=VALUE", requires = "plugin")]
    pub set: Vec<String>,
    /// A setting that is a secret, and where that is read from: `KEY=env:VARIABLE` or `KEY=file:PATH`.
    #[arg(long, value_name = "KEY=SOURCE", requires = "plugin")]
    pub secret: Vec<String>,
    /// The time the run has, such as `5s` or `300ms`.
    #[arg(long, value_name = "DURATION", requires = "plugin")]
    pub deadline: Option<String>,
    /// What that check may reach besides its own target, as `host:port`.
    #[arg(long, value_name = "HOST:PORT", requires = "plugin")]
    pub allow: Vec<String>,
    /// Trust the authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE", requires = "plugin")]
    pub ca_file: Option<PathBuf>,
    /// A folder of further plugins.
    #[arg(long, value_name = "FOLDER", requires = "plugin")]
    pub plugins_dir: Option<PathBuf>,
    /// A failure to inject, such as `net.read#3=reset` or `phase:select=delay 3s`; can be given several
    /// times.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
    /// How reports are shown.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

const RUN_EXAMPLES: &str = "\
Examples:
  bedcheck run checks.toml --check mail-login --check front-page
  bedcheck run checks.toml --fault 'check:mail-login phase:select=delay 3s'
  bedcheck run --plugin http --set url=https://www.example.org/ --set expect.certificate_days=14
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
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
