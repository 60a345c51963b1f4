//! What `bedcheck run` is asked for: a file with checks, or one check of the command line, read and prepared.

use std::path::Path;

use super::args::RunArguments;
use super::{Threads, compiling, read};
use crate::config::{CommandLine, Config, Problem, Source};
use crate::connection::{Trust, read_system_roots};
use crate::runner::{DefaultGrant, Preparation};

/// What is asked for, read and not prepared yet.
pub(super) struct Asked {
    config: Config,
    problems: Vec<Problem>,
    source: Option<Source>,
    default_grant: DefaultGrant,
}

/// Checks that are ready, and the configuration they come from.
pub(super) struct Loaded {
    /// The configuration.
    pub(super) config: Config,
    /// The checks.
    pub(super) preparation: Preparation,
}

impl Asked {
    /// Reads the configuration, or says why it cannot be read.
    pub(super) fn of(arguments: &RunArguments) -> Result<Self, String> {
        let mut asked = match &arguments.file {
            Some(file) => Self::in_file(file, arguments)?,
            None => Self {
                config: from_options(arguments, arguments.plugin.as_deref().unwrap_or_default())?,
                problems: Vec::new(),
                source: None,
                default_grant: DefaultGrant::OwnTarget,
            },
        };
        let more = asked
            .config
            .add_faults(&arguments.fault, asked.problems.is_empty());
        asked.problems.extend(more);
        // Each check runs once: room for more of them at a time would only be set up and taken down.
        asked.config.concurrency = asked.config.concurrency.min(asked.config.checks.len().max(1));
        Ok(asked)
    }

    fn in_file(file: &Path, arguments: &RunArguments) -> Result<Self, String> {
        let (mut config, problems, source) = read(file)?;
        // A check that is missing may be one that could not be understood, which is told then.
        if problems.is_empty() {
            if config.checks.is_empty() {
                return Err(format!(
                    "{}: found modules and no check; modules run when `/probe` is asked for them",
                    file.display()
                ));
            }
            select(&mut config, &arguments.check)?;
            config
                .disable(&arguments.disable)
                .map_err(|problems| problems.to_string())?;
        }
        Ok(Self {
            config,
            problems,
            source: Some(source),
            default_grant: DefaultGrant::Nothing,
        })
    }

    /// A single check has nothing to share a processor with, and threads take a while to start.
    pub(super) fn threads(&self) -> Threads {
        if self.is_single() {
            Threads::One
        } else {
            Threads::Several
        }
    }

    fn is_single(&self) -> bool {
        self.config.checks.len() <= 1
    }

    /// Prepares everything, or says everything that is wrong.
    pub(super) async fn load(self) -> Result<Loaded, String> {
        let is_single = self.is_single();
        let Self {
            config,
            problems,
            source,
            default_grant,
        } = self;
        let preparation = if is_single {
            Preparation::once(&config, problems, default_grant, compiling()).await
        } else {
            Preparation::new(&config, problems, default_grant, compiling()).await
        };
        let preparation = preparation.map_err(|problems| match source {
            Some(source) => source.render(&problems),
            None => problems.to_string(),
        })?;
        if preparation.expects_system_roots() {
            read_system_roots().await;
        }
        Ok(Loaded { config, preparation })
    }
}

fn from_options(arguments: &RunArguments, plugin: &str) -> Result<Config, String> {
    let command_line = CommandLine {
        plugin,
        set: &arguments.set,
        secret: &arguments.secret,
        deadline: arguments.deadline.as_deref(),
        allow: &arguments.allow,
        disable: &arguments.disable,
    };
    let mut config = command_line
        .to_config()
        .map_err(|problems| problems.to_string())?;
    config.plugins_dir = arguments.plugins_dir.clone();
    if let (Some(file), Some(check)) = (&arguments.ca_file, config.checks.first_mut()) {
        check.tls.trust = Trust::File(file.clone());
    }
    Ok(config)
}

/// Keeps the checks that `--check` names.
fn select(config: &mut Config, names: &[String]) -> Result<(), String> {
    let known: Vec<_> = config
        .checks
        .iter()
        .map(|check| format!("`{}`", check.name))
        .collect();
    for name in names {
        if !config.checks.iter().any(|check| check.name.as_str() == name) {
            return Err(format!(
                "--check: found no check called `{}`, wanted one of {}",
                name.escape_debug(),
                known.join(", ")
            ));
        }
    }
    if !names.is_empty() {
        config.keep_checks(|check| names.iter().any(|name| name == check.name.as_str()));
    }
    Ok(())
}
