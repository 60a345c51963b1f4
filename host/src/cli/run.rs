//! `bedcheck run`: checks of a file, or one of the command line, once.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use super::args::RunArguments;
use super::{EXIT_UNKNOWN, Format, compiling, output, read, refuse, replay};
use crate::config::{CommandLine, Config, Source};
use crate::connection::Trust;
use crate::journal::Journal;
use crate::outcome::Report;
use crate::recording::Recording;
use crate::render::{Progress, exit_code, summary};
use crate::runner::{Course, DefaultGrant, Preparation, Prepared, Runner};
use crate::tape::Tape;
use crate::telemetry::Exporter;

use super::{export, keep};

/// Runs what the arguments ask for.
pub(super) async fn run(arguments: RunArguments) -> ExitCode {
    if let Some(file) = &arguments.replay {
        return replay::replay(file, arguments.format).await;
    }
    let loaded = match load(&arguments).await {
        Ok(loaded) => loaded,
        Err(rendered) => return refuse(&rendered),
    };
    let journal = keep::open(loaded.config.journal.as_ref());
    let exporter = match export::start(loaded.config.otlp.as_ref(), journal.as_ref()) {
        Ok(exporter) => exporter,
        Err(sentence) => return refuse(&sentence),
    };
    for notice in &loaded.preparation.notices {
        output::complain(&format!("note: {notice}"));
    }
    let plain = |_: &Report| String::new();
    let ran = run_checks(
        loaded.preparation,
        loaded.config.concurrency,
        Destinations {
            format: arguments.format,
            exporter,
            journal,
            recording: arguments.record.is_some().then(Recording::default),
        },
        plain,
    )
    .await;
    if let (Some(file), Some(recording)) = (&arguments.record, &ran.recording)
        && let Err(error) = recording.write(file)
    {
        output::complain(&format!(
            "bedcheck: `{}` cannot be written: {error}",
            file.display()
        ));
        return ExitCode::from(EXIT_UNKNOWN);
    }
    exit_code(&ran.reports).into()
}

/// Checks that are ready, and the configuration they come from.
struct Loaded {
    config: Config,
    preparation: Preparation,
}

/// Reads and prepares everything, or says everything that is wrong.
async fn load(arguments: &RunArguments) -> Result<Loaded, String> {
    let (mut config, mut problems, source, default_grant) = match (&arguments.file, &arguments.plugin) {
        (Some(file), _) => {
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
            (config, problems, Some(source), DefaultGrant::Nothing)
        }
        (None, plugin) => {
            let config = from_options(arguments, plugin.as_deref().unwrap_or_default())?;
            (config, Vec::new(), None, DefaultGrant::OwnTarget)
        }
    };
    problems.extend(config.add_faults(&arguments.fault, problems.is_empty()));
    match Preparation::new(&config, problems, default_grant, compiling()).await {
        Ok(preparation) => Ok(Loaded { config, preparation }),
        Err(problems) => {
            Err(source.map_or_else(|| problems.to_string(), |source: Source| source.render(&problems)))
        }
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

/// Runs checks, shows each report as soon as those before it are shown, and sends them all on. In text,
/// `heading` comes before a report.
pub(super) async fn run_checks(
    preparation: Preparation,
    slots: usize,
    destinations: Destinations,
    heading: impl Fn(&Report) -> String,
) -> Ran {
    let Destinations {
        format,
        exporter,
        journal,
        mut recording,
    } = destinations;
    let begun = Instant::now();
    let look = output::look();
    let progress = Progress::new(format == Format::Text);
    let runner = Arc::new(Runner::new(preparation.sandbox, slots));
    let running: Vec<_> = preparation
        .checks
        .into_iter()
        .map(|prepared| {
            let tape = match recording {
                Some(_) => Tape::recording(),
                None => Tape::none(),
            };
            spawn(Arc::clone(&runner), prepared, tape, progress.clone())
        })
        .collect();
    let mut reports = Vec::with_capacity(running.len());
    for run in running {
        let prepared = Arc::clone(&run.prepared);
        let (report, course) = run.report().await;
        if let (Some(recording), Some(course)) = (&mut recording, course) {
            recording.add(&prepared, &course, &report);
        }
        let heading = if format == Format::Text {
            heading(&report)
        } else {
            String::new()
        };
        let shown = output::report(&report, format, &look);
        progress.suspend(|| output::say(&format!("{heading}{shown}")));
        if let Some(journal) = &journal {
            journal.append(report.clone());
        }
        if let Some(exporter) = &exporter {
            exporter.record(&report);
        }
        reports.push(report);
    }
    progress.close();
    match format {
        Format::Text => output::say(&format!(
            "{}\n",
            summary(&reports, begun.elapsed(), &output::palette())
        )),
        Format::Nagios => output::say(&output::nagios_output(&reports)),
        Format::Json => {}
    }
    if let Some(exporter) = exporter {
        export::finish(exporter).await;
    }
    if let Some(journal) = journal {
        keep::close(journal).await;
    }
    Ran { reports, recording }
}

/// Where reports go.
pub(super) struct Destinations {
    /// How they are shown.
    pub(super) format: Format,
    /// Who else gets them.
    pub(super) exporter: Option<Exporter>,
    /// Where they are kept.
    pub(super) journal: Option<Journal>,
    /// What the runs are added to, if they are to be recorded.
    pub(super) recording: Option<Recording>,
}

/// What came of the runs.
pub(super) struct Ran {
    /// The reports in the order of the checks.
    pub(super) reports: Vec<Report>,
    /// What was recorded.
    recording: Option<Recording>,
}

/// A run under way.
struct Running {
    prepared: Arc<Prepared>,
    task: tokio::task::JoinHandle<(Report, Course)>,
}

fn spawn(runner: Arc<Runner>, prepared: Arc<Prepared>, tape: Tape, progress: Progress) -> Running {
    let check = Arc::clone(&prepared);
    let task = tokio::spawn(async move {
        progress.started(&check.name, check.limits.deadline);
        let ran = runner.run_on(&check, tape).await;
        progress.finished(&check.name);
        ran
    });
    Running { prepared, task }
}

impl Running {
    /// Waits for the report, and the course that the run took. A run that crashed is reported as such: it is
    /// our fault, and other checks go on.
    async fn report(self) -> (Report, Option<Course>) {
        match self.task.await {
            Ok((report, course)) => (report, Some(course)),
            Err(error) => (Runner::report_crash(&self.prepared, &error.to_string()), None),
        }
    }
}
