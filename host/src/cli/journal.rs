//! `bedcheck journal`: the kept reports, shown, followed and verified. The daemon may be writing meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use time::OffsetDateTime;
use time::macros::format_description;

use super::{Format, journal_export, output, refuse};
use crate::config::{Config, Source};
use crate::journal::{Next, Reader, Selection, Sequence, Settings, is_journal, parse_moment};
use crate::outcome::{Outcome, Report};
use crate::text::told;

/// Something is damaged.
const EXIT_DAMAGED: u8 = 2;
/// How often it is looked whether there is more.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// What the folder of a journal is called in the folder of state, if nobody says another name.
const BELOW: &str = "journal";
/// The longest message in a line of text: what is longer is in the other formats.
const MAX_MESSAGE: usize = 160;

/// `bedcheck journal`.
#[derive(Debug, Args)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true)]
pub struct JournalArguments {
    /// What to do with the reports but to show them.
    #[command(subcommand)]
    pub command: Option<JournalCommand>,
    /// Which reports.
    #[command(flatten)]
    pub wanted: Wanted,
    /// Go on with what is written from now on, until interrupted.
    #[arg(long, conflicts_with = "until")]
    pub follow: bool,
    /// How reports are shown.
    #[arg(long, value_enum, default_value_t = Shown::Text)]
    pub format: Shown,
    /// Show nothing, and hold every record against its checksum.
    #[arg(long, conflicts_with_all = ["follow", "check", "outcome", "since", "until", "format"])]
    pub verify: bool,
}

/// What can be done with kept reports.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Send reports again to where the configuration, or the environment, sends spans and log records: the same ones,
    /// with the same identities. What the daemon delivers is not touched.
    #[command(after_help = EXPORT_HELP)]
    Export(Wanted),
}

/// Which reports, of which journal.
#[derive(Debug, Args)]
pub struct Wanted {
    /// The configuration file whose journal is read; without it, the one in the user's folder of state.
    pub file: Option<PathBuf>,
    /// Read the journal in this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    pub dir: Option<PathBuf>,
    /// Only reports of this check; can be given several times.
    #[arg(long, value_name = "NAME")]
    pub check: Vec<String>,
    /// Only reports with one of these outcomes.
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',')]
    pub outcome: Vec<Word>,
    /// Only runs that began then or later: `1h` for an hour ago, or a time such as `2026-01-02T03:04:05Z`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only runs that began before then.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

const HELP: &str = "\
Examples:
  bedcheck journal --since 1h --outcome fail,error
      what went wrong in the last hour, a line for each run
  bedcheck journal checks.toml --check mail-login --since 10m --format waterfall
  bedcheck journal --follow --format json | jq -c '[.check, .outcome]'
  bedcheck journal export checks.toml --since 2h

Exit codes: 0 shown, or nothing is wrong; 2 something is damaged; 3 the standard output cannot be written; 64 bad \
command line or configuration, or no journal.";

const EXPORT_HELP: &str = "\
Exit codes: 0 the collector took all; 1 it refused or rejected something, or something is damaged; 3 it does not answer; \
64 bad command line or configuration, no journal, or nowhere to send to.";

/// How reports are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// A line for each run, for people.
    Text,
    /// One JSON object for each run, on a line of its own.
    Json,
    /// A waterfall for each run.
    Waterfall,
}

/// An outcome, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Word {
    /// `pass`.
    Pass,
    /// `fail`.
    Fail,
    /// `error`.
    Error,
    /// `skipped`.
    Skipped,
}

/// Shows or verifies.
pub(super) async fn run(arguments: JournalArguments) -> ExitCode {
    if let Some(JournalCommand::Export(wanted)) = &arguments.command {
        return journal_export::export(wanted).await;
    }
    let (dir, selection) = match found(&arguments.wanted) {
        Ok(found) => found,
        Err(sentence) => return refuse(&sentence),
    };
    let done = if arguments.verify {
        verify(&dir)
    } else {
        show(&dir, &selection, arguments.format, arguments.follow)
    };
    done.unwrap_or_else(|error| refuse(&format!("`{}`: {error}", dir.display())))
}

/// The folder that is asked for, which is there, and which reports.
///
/// # Errors
///
/// A sentence about what is wrong with what is asked for.
pub(super) fn found(wanted: &Wanted) -> Result<(PathBuf, Selection), String> {
    Ok((folder(wanted)?, selection(wanted)?))
}

fn folder(arguments: &Wanted) -> Result<PathBuf, String> {
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => {
            let config = arguments.file.as_deref().map(configuration).transpose()?;
            let table = config.and_then(|config| config.journal);
            let variable = |name: &str| std::env::var(name).ok();
            let settings = Settings::of(table.as_ref(), &variable).map_err(|error| error.to_string())?;
            settings
                .dir
                .ok_or("found `journal.enabled = false`, wanted a journal on disk")?
        }
    };
    held(dir)
}

/// A folder with a journal in it.
fn held(dir: PathBuf) -> Result<PathBuf, String> {
    let shown = dir.display();
    if !dir.is_dir() {
        return Err(format!("found no folder `{shown}`, wanted one with a journal"));
    }
    match is_journal(&dir) {
        Ok(true) => Ok(dir),
        Ok(false) => {
            let below = dir.join(BELOW);
            let advice = match is_journal(&below) {
                Ok(true) => format!(": there is one in `{}`", below.display()),
                _ => String::new(),
            };
            Err(format!(
                "found a folder `{shown}` without a journal, wanted one with a journal{advice}"
            ))
        }
        Err(error) => Err(format!("`{shown}`: {error}")),
    }
}

/// A configuration, as far as it says where reports are kept and sent: what is wrong with its checks is of no interest
/// here.
pub(super) fn configuration(file: &Path) -> Result<Config, String> {
    let source = Source::read(file).map_err(|problems| problems.to_string())?;
    Config::parse_kept(&source).map_err(|problems| source.render(&problems).trim_end().to_owned())
}

fn selection(arguments: &Wanted) -> Result<Selection, String> {
    let now = SystemTime::now();
    let moment = |option: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(|text| parse_moment(text, now));
        parsed
            .transpose()
            .map_err(|sentence| format!("{option}: {sentence}"))
    };
    Ok(Selection {
        checks: arguments.check.clone(),
        outcomes: arguments.outcome.iter().copied().map(Outcome::from).collect(),
        since: moment("--since", &arguments.since)?,
        until: moment("--until", &arguments.until)?,
    })
}

fn show(dir: &Path, selection: &Selection, format: Shown, follow: bool) -> io::Result<ExitCode> {
    let look = output::look();
    let mut reader = reader(dir, selection)?;
    let mut code = ExitCode::SUCCESS;
    loop {
        let damage = match reader.read_next()? {
            Next::End if follow => {
                std::thread::sleep(FOLLOW_EVERY);
                continue;
            }
            Next::End => return Ok(code),
            Next::Damaged(place, damage) => format!("{place}: {damage}"),
            Next::Record(sequence) => match reader.report() {
                Ok(report) if selection.matches(&report) => {
                    let text = match format {
                        Shown::Text => line(&report),
                        Shown::Json => output::report(&report, Format::Json, &look),
                        Shown::Waterfall => output::report(&report, Format::Text, &look),
                    };
                    if !output::is_heard(&text) {
                        return Ok(code);
                    }
                    continue;
                }
                Ok(_) => continue,
                Err(damage) => format!("report {sequence}: {damage}"),
            },
        };
        output::complain(&format!("bedcheck: {damage}"));
        code = EXIT_DAMAGED.into();
    }
}

/// Reads where the first report that is asked for may be.
pub(super) fn reader(dir: &Path, selection: &Selection) -> io::Result<Reader> {
    match selection.since {
        Some(since) => Reader::since(dir, since),
        None => Ok(Reader::new(dir, Sequence::NONE)),
    }
}

/// A run in one line.
fn line(report: &Report) -> String {
    let second = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let started = OffsetDateTime::from(report.started).format(second);
    let seconds = report.duration.as_secs_f64();
    let (outcome, check) = (report.outcome.as_str(), told(&report.check, MAX_MESSAGE));
    let error = report.error.as_ref().map(|error| {
        let phase = error
            .phase
            .as_deref()
            .map(|phase| format!(" in {}", told(phase, MAX_MESSAGE)));
        let message = told(&error.message, MAX_MESSAGE);
        format!("  {}{}: {message}", error.error_type, phase.unwrap_or_default())
    });
    let retried = if report.is_retried() {
        format!("  after {} attempts", report.attempts.len())
    } else {
        String::new()
    };
    let started = started.unwrap_or_default();
    format!(
        "{started}  {outcome:7}  {check}  {seconds:.3} s{retried}{}\n",
        error.unwrap_or_default()
    )
}

fn verify(dir: &Path) -> io::Result<ExitCode> {
    let mut reader = Reader::new(dir, Sequence::NONE);
    let (mut reports, mut damaged) = (0_u64, 0_u64);
    loop {
        let damage = match reader.read_next()? {
            Next::End => break,
            Next::Damaged(place, damage) => format!("{place}: {damage}"),
            Next::Record(sequence) => {
                reports += 1;
                match reader.report() {
                    Ok(_) => continue,
                    Err(damage) => format!("report {sequence}: {damage}"),
                }
            }
        };
        output::complain(&damage);
        damaged += 1;
    }
    let unfinished = match reader.unfinished() {
        0 => String::new(),
        bytes => format!("; it ends in {bytes} bytes of a record that is not whole"),
    };
    let dir = dir.display();
    if damaged > 0 {
        output::say(&format!(
            "{dir}: {reports} reports, {damaged} damaged{unfinished}\n"
        ));
        return Ok(EXIT_DAMAGED.into());
    }
    output::say(&format!("{dir}: {reports} reports, nothing wrong{unfinished}\n"));
    Ok(ExitCode::SUCCESS)
}

impl From<Word> for Outcome {
    fn from(word: Word) -> Self {
        match word {
            Word::Pass => Self::Pass,
            Word::Fail => Self::Fail,
            Word::Error => Self::Error,
            Word::Skipped => Self::Skipped,
        }
    }
}
