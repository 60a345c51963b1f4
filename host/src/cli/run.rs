//! `bedcheck run`: checks of a file, or one of the command line, once.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use super::args::RunArguments;
use super::asked::Asked;
use super::{EXIT_UNKNOWN, Format, Threads, export, keep, on_runtime, output, refuse, replay};
use crate::journal::Journal;
use crate::outcome::Report;
use crate::recording::Recording;
use crate::render::{Progress, exit_code, summary};
use crate::runner::{Course, Preparation, Prepared, Runner};
use crate::tape::Tape;
use crate::telemetry::Exporter;

/// Runs what the arguments ask for.
pub(super) fn run(arguments: RunArguments) -> ExitCode {
    if let Some(file) = &arguments.replay {
        return on_runtime(Threads::Several, replay::replay(file, arguments.format));
    }
    if let Some(file) = &arguments.record
        && let Err(error) = Recording::destination(file)
    {
        return refuse(&format!("--record: `{}`: {error}", file.display()));
    }
    match Asked::of(&arguments) {
        Ok(asked) => on_runtime(asked.threads(), run_asked(&arguments, asked)),
        Err(rendered) => refuse(&rendered),
    }
}

async fn run_asked(arguments: &RunArguments, asked: Asked) -> ExitCode {
    let loaded = match asked.load().await {
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
    let runner = Arc::new(Runner::new(Arc::clone(&preparation.sandbox), slots));
    let running: Vec<_> = preparation
        .checks
        .iter()
        .map(|prepared| {
            let tape = match recording {
                Some(_) => Tape::recording(),
                None => Tape::none(),
            };
            spawn(Arc::clone(&runner), Arc::clone(prepared), tape, progress.clone())
        })
        .collect();
    let mut reports = Vec::with_capacity(running.len());
    for run in running {
        let prepared = Arc::clone(&run.prepared);
        let (report, course) = run.report().await;
        if let (Some(recording), Some(course)) = (&mut recording, course)
            && let Some(reason) = recording.add(&prepared, &course, &report)
        {
            let note = format!(
                "note: the run of `{}` is not in the recording: {reason}",
                report.check
            );
            progress.suspend(|| output::complain(&note));
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
    // The process ends, and with it everything at once: to take the sandbox and the plugins apart first is in vain.
    std::mem::forget(preparation);
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
