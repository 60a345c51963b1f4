//! `bedcheck plugin test`: a plugin against scripted or recorded peers, with one failure or with all of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Format, TestArguments, TestFormat};
use super::{compiling, inspect, matrix, output, refuse};
use crate::config::{Check, CommandLine, SecretName, Source, parse_script, read_settings_file};
use crate::connection::script::Script;
use crate::connection::{Network, Resolver, Trust};
use crate::fault::{Fault, FaultPlan, Selector};
use crate::outcome::{Outcome, hexadecimal};
use crate::recording::{RecordedRun, Recording};
use crate::runner::{Prepared, Runner};
use crate::sandbox::{EngineSettings, Purpose, Sandbox, SharedPlugin};
use crate::secret::{Secret, SecretStore};
use crate::sweep::{Case, NotGood, Rehearsal, Subject};
use crate::tape::Tape;

/// Something is wrong with the plugin.
const EXIT_WRONG: u8 = 2;

/// Does what the arguments ask for.
pub(super) async fn test(arguments: TestArguments) -> ExitCode {
    let begun = Instant::now();
    let wanted = match wanted(&arguments) {
        Ok(wanted) => wanted,
        Err(sentence) => return refuse(&sentence),
    };
    let (subject, faults) = match subject(&arguments).await {
        Ok(Made::Subject(subject, faults)) => (subject, faults),
        Ok(Made::NotGood(not_good)) => return tell_not_good(&not_good, arguments.format),
        Err(rendered) => return refuse(&rendered),
    };
    if arguments.once {
        let run = subject.rehearse(faults).await;
        return tell_once(&run, arguments.format);
    }
    let good = match subject.good_run().await {
        Ok(good) => good,
        Err(not_good) => return tell_not_good(&not_good, arguments.format),
    };
    let cases = sweep(&subject, &good, &wanted).await;
    if cases.is_empty() {
        return refuse(match wanted.is_empty() {
            true => {
                "plugin test: found no host call in the run at which anything can fail, wanted a run that uses \
                 the network: look at it with `--once`"
            }
            false => {
                "--fault: found no failure that can happen in this run, see the matrix without `--fault`"
            }
        });
    }
    let wrong = cases.iter().filter(|case| !case.problems.is_empty()).count();
    match arguments.format {
        TestFormat::Json => output::say(&matrix::lines(&cases, wrong)),
        TestFormat::Text => {
            let command = repeating(&arguments);
            output::say(&matrix::matrix(&cases));
            output::say(&matrix::problems(&cases, &command));
            output::say(&matrix::total(cases.len(), wrong, begun.elapsed()));
        }
    }
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_WRONG)
    }
}

/// A check that can be rehearsed, or the run from which it should have been made.
enum Made {
    Subject(Subject, Vec<Fault>),
    NotGood(Box<NotGood>),
}

async fn subject(arguments: &TestArguments) -> Result<Made, String> {
    let settings = EngineSettings {
        // One more, for asking the plugin what it is.
        concurrency: 65,
        memory: crate::budget::Limits::default().memory,
        compiling: compiling(),
        purpose: Purpose::Runs,
    };
    let sandbox = Arc::new(Sandbox::new(&settings).map_err(|error| error.to_string())?);
    let plugin: SharedPlugin = Arc::new(inspect::load(&sandbox, &arguments.plugin).await?);
    let (check, mut sources) = check(arguments, &plugin)?;
    let faults = if arguments.once {
        faults(&arguments.fault)?
    } else {
        Vec::new()
    };
    let recorded = arguments.recording.as_deref().map(read_recording).transpose()?;
    let mut secrets = stand_ins(&check, recorded.as_ref());
    secrets.append(&mut read_secrets(&mut sources).await?);
    let runner = Runner::new(Arc::clone(&sandbox), 64);
    let (script, started) = match (&arguments.server, &recorded) {
        (Some(file), _) => (read_script(file)?, SystemTime::now()),
        (None, Some(run)) => (run.to_script(), run.started()),
        (None, None) => match live(&runner, &check, &plugin, &secrets).await? {
            Ok(run) => (run.to_script(), run.started()),
            Err(not_good) => return Ok(Made::NotGood(not_good)),
        },
    };
    let script = Arc::new(script);
    let make = move |faults| {
        let network = Network::Scripted(Arc::clone(&script));
        Prepared::rehearsed(&check, &plugin, &secrets, network, faults)
    };
    // What can be wrong with a check does not depend on its faults.
    let first = make(FaultPlan::default()).map_err(|problems| problems.to_string())?;
    let make = move |faults| Prepared {
        faults,
        ..first.again()
    };
    Ok(Made::Subject(
        Subject {
            runner,
            check: Box::new(make),
            started,
        },
        faults,
    ))
}

/// The check that the options describe, and where its secrets come from.
fn check(arguments: &TestArguments, plugin: &SharedPlugin) -> Result<(Check, Sources), String> {
    let command_line = CommandLine {
        plugin: &plugin.identity().name,
        secret: &arguments.secret,
        deadline: arguments.deadline.as_deref(),
        allow: &arguments.allow,
        ..CommandLine::default()
    };
    let mut config = command_line
        .to_config()
        .map_err(|problems| problems.to_string())?;
    let mut check = config.checks.remove(0);
    check.settings = read_settings_file(&arguments.settings)?;
    if let Some(file) = &arguments.ca_file {
        check.tls.trust = Trust::File(file.clone());
    }
    Ok((check, config.secrets))
}

type Sources = BTreeMap<SecretName, crate::config::SecretSource>;

/// Something for each secret that the settings refer to: what stands for it in the recording, or else
/// something made up, the same every time.
fn stand_ins(check: &Check, recorded: Option<&RecordedRun>) -> BTreeMap<String, Secret> {
    let made_up = |name: &str| {
        use sha2::{Digest, Sha256};
        format!("made-up-{}", &hexadecimal(&Sha256::digest(name))[..12])
    };
    let names = check.settings.secret_names().iter().map(SecretName::as_str);
    names
        .map(|name| {
            let known = recorded.and_then(|run| run.head.secrets.get(name).cloned());
            let value = known.unwrap_or_else(|| made_up(name));
            (name.to_owned(), Secret::new(value.into_bytes()))
        })
        .collect()
}

async fn read_secrets(sources: &mut Sources) -> Result<BTreeMap<String, Secret>, String> {
    let needed = sources.keys().cloned().collect();
    let store = SecretStore::read(sources, &needed)
        .await
        .map_err(|unread| unread.to_string())?;
    let read = sources.keys().filter_map(|name| {
        let secret = store.get(name.as_str())?;
        Some((name.as_str().to_owned(), secret.clone()))
    });
    Ok(read.collect())
}

fn faults(texts: &[String]) -> Result<Vec<Fault>, String> {
    let parse = |text: &String| text.parse().map_err(|error| format!("--fault {text}: {error}"));
    texts.iter().map(parse).collect()
}

fn read_script(file: &Path) -> Result<Script, String> {
    let source = Source::read(file).map_err(|problems| problems.to_string())?;
    parse_script(&source).map_err(|problems| source.render(&problems))
}

fn read_recording(file: &Path) -> Result<RecordedRun, String> {
    let mut recording = Recording::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match recording.runs.len() {
        1 => Ok(recording.runs.remove(0)),
        number => Err(format!(
            "{}: found {number} runs, wanted one: record with `--check NAME`",
            file.display()
        )),
    }
}

/// Makes the first run against the target that the settings name.
async fn live(
    runner: &Runner,
    check: &Check,
    plugin: &SharedPlugin,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Result<RecordedRun, Box<NotGood>>, String> {
    output::complain("note: the first run goes to the target that the settings name; the others stay here");
    let network = Network::Live(Arc::new(Resolver::system()));
    let prepared = Prepared::rehearsed(check, plugin, secrets, network, FaultPlan::default())
        .map_err(|problems| problems.to_string())?;
    let (report, course) = runner.run_on(&prepared, Tape::recording()).await;
    if report.outcome != Outcome::Pass {
        return Ok(Err(Box::new(NotGood {
            report,
            complaints: Vec::new(),
        })));
    }
    let mut recording = Recording::default();
    let left_out = recording.add(&prepared, &course, &report);
    match recording.runs.pop() {
        Some(run) => Ok(Ok(run)),
        None => Err(left_out.unwrap_or_default()),
    }
}

async fn sweep(subject: &Subject, good: &Rehearsal, wanted: &[String]) -> Vec<Case> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let is_wanted = |fault: &Fault| {
        let fault = fault.to_string();
        wanted.is_empty() || wanted.iter().any(|text| begins_with(&fault, text))
    };
    let cases = subject
        .sweep(good, is_wanted, |done, number, case| {
            bar.set_length(number as u64);
            bar.set_position(done as u64);
            bar.set_message(case.trial.fault.to_string());
        })
        .await;
    bar.finish_and_clear();
    cases
}

/// The failures that are to be tried alone, as the matrix writes them: whole faults, or only where.
fn wanted(arguments: &TestArguments) -> Result<Vec<String>, String> {
    if arguments.once {
        return Ok(Vec::new());
    }
    let canonical = |text: &String| {
        let parsed = if text.contains('=') {
            text.parse::<Fault>().map(|fault| fault.to_string())
        } else {
            text.parse::<Selector>().map(|selector| selector.to_string())
        };
        parsed.map_err(|error| format!("--fault {text}: {error}"))
    };
    arguments.fault.iter().map(canonical).collect()
}

/// Whether a fault is the one that is wanted, or one at the host call that is: `net.read#1` is not
/// `net.read#10`.
fn begins_with(fault: &str, wanted: &str) -> bool {
    let rest = fault.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', '#']))
}

fn tell_once(run: &Rehearsal, format: TestFormat) -> ExitCode {
    show(&run.report, &run.complaints, format);
    if run.report.outcome == Outcome::Pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_WRONG)
    }
}

fn tell_not_good(not_good: &NotGood, format: TestFormat) -> ExitCode {
    show(&not_good.report, &not_good.complaints, format);
    output::complain(
        "bedcheck: without any failure the run must pass, and go by the script: nothing was swept",
    );
    ExitCode::from(EXIT_WRONG)
}

fn show(report: &crate::outcome::Report, complaints: &[String], format: TestFormat) {
    let format = match format {
        TestFormat::Text => Format::Text,
        TestFormat::Json => Format::Json,
    };
    output::say(&output::report(report, format, &output::look()));
    for complaint in complaints {
        output::complain(&format!("note: off the script: {complaint}"));
    }
}

/// The command line without what differs from run to run.
fn repeating(arguments: &TestArguments) -> String {
    let mut words = vec![
        "bedcheck plugin test".to_owned(),
        quoted(&arguments.plugin),
        format!("--settings {}", quoted_path(&arguments.settings)),
    ];
    let option = |name: &str, path: &Option<std::path::PathBuf>| {
        path.as_deref()
            .map(|path| format!("{name} {}", quoted_path(path)))
    };
    words.extend(option("--server", &arguments.server));
    words.extend(option("--recording", &arguments.recording));
    words.extend(option("--ca-file", &arguments.ca_file));
    let texts = [
        ("--deadline", arguments.deadline.as_slice()),
        ("--allow", arguments.allow.as_slice()),
        ("--secret", arguments.secret.as_slice()),
    ];
    for (name, values) in texts {
        words.extend(values.iter().map(|value| format!("{name} {}", quoted(value))));
    }
    words.join(" ")
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A word for a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
