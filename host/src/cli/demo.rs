//! `bedcheck demo`: the built-in plugins in the real sandbox against embedded servers, healthy and sick.
//! Every server's report is known beforehand, so that the demo is a self-test as well.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::args::DemoArguments;
use super::run::{Destinations, run_checks};
use super::{EXIT_UNKNOWN, Format, compiling, export, output, refuse};
use crate::config::{CommandLine, Config};
use crate::connection::Trust;
use crate::demo::{PASSWORD, Scenario, Servers};
use crate::outcome::Report;
use crate::runner::{DefaultGrant, Preparation};

/// Starts the servers, runs a check against each, and says whether the reports are true.
pub(super) async fn demo(arguments: DemoArguments) -> ExitCode {
    let exporter = match export::start(None, None) {
        Ok(exporter) => exporter,
        Err(sentence) => return refuse(&sentence),
    };
    let started = async { Ok::<_, io::Error>((Servers::start().await?, tempfile::tempdir()?)) };
    let (servers, folder) = match started.await {
        Ok(started) => started,
        Err(error) => {
            output::complain(&format!("demo: the embedded servers cannot be started: {error}"));
            return ExitCode::from(EXIT_UNKNOWN);
        }
    };
    let config = match config(&servers, folder.path(), &arguments.deadline) {
        Ok(config) => config,
        Err(sentence) => return refuse(&sentence),
    };
    let preparation = Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, compiling()).await;
    let preparation = match preparation {
        Ok(preparation) => preparation,
        Err(problems) => return refuse(&problems.to_string()),
    };
    let scenarios: BTreeMap<&str, &Scenario> = servers
        .scenarios()
        .iter()
        .map(|scenario| (scenario.name, scenario))
        .collect();
    let heading = |report: &Report| {
        scenarios
            .get(report.check.as_str())
            .map_or_else(String::new, |scenario| format!("{}\n", scenario.about))
    };
    let reports = run_checks(
        preparation,
        config.concurrency,
        Destinations {
            format: arguments.format,
            exporter,
            journal: None,
            recording: None,
        },
        heading,
    )
    .await
    .reports;
    let untrue: Vec<String> = reports
        .iter()
        .filter_map(|report| untruth(report, scenarios.get(report.check.as_str())?))
        .collect();
    if arguments.format == Format::Text && untrue.is_empty() {
        output::say("each of these reports is what the server's state makes it be\n");
    }
    for sentence in &untrue {
        output::complain(sentence);
    }
    if untrue.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_UNKNOWN)
    }
}

/// One check for each server. The password and the authority are in files, as an operator would have
/// them.
fn config(servers: &Servers, folder: &Path, deadline: &str) -> Result<Config, String> {
    let (authority, password) = (folder.join("authority.pem"), folder.join("password"));
    let written = std::fs::write(&authority, servers.authority_pem())
        .and_then(|()| std::fs::write(&password, PASSWORD));
    written.map_err(|error| format!("demo: `{}` cannot be written: {error}", folder.display()))?;
    let mut whole: Option<Config> = None;
    for scenario in servers.scenarios() {
        let mut one = one_check(scenario, deadline, &password)?;
        for check in &mut one.checks {
            check.name = scenario
                .name
                .parse()
                .map_err(|error| format!("demo: `{}`: {error}", scenario.name))?;
            check.tls.trust = Trust::File(authority.clone());
        }
        match &mut whole {
            Some(whole) => {
                whole.checks.append(&mut one.checks);
                whole.secrets.append(&mut one.secrets);
            }
            None => whole = Some(one),
        }
    }
    whole.ok_or_else(|| "demo: there are no servers".to_owned())
}

/// The check of one server, as it would be given on the command line.
fn one_check(scenario: &Scenario, deadline: &str, password: &Path) -> Result<Config, String> {
    let settings = scenario.settings.as_object().into_iter().flatten();
    let (secret, plain): (Vec<_>, Vec<_>) = settings.partition(|(_, value)| value.get("secret").is_some());
    let set: Vec<String> = plain
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let secret: Vec<String> = secret
        .into_iter()
        .map(|(key, _)| format!("{key}=file:{}", password.display()))
        .collect();
    let command_line = CommandLine {
        plugin: scenario.plugin,
        set: &set,
        secret: &secret,
        deadline: Some(deadline),
        allow: &[scenario.address.to_string()],
        disable: &[],
    };
    command_line.to_config().map_err(|problems| problems.to_string())
}

/// What is wrong about a report, going by the state of its server.
fn untruth(report: &Report, scenario: &Scenario) -> Option<String> {
    let expected = &scenario.expected;
    let error = report.error.as_ref();
    let (error_type, phase) = (
        error.map(|error| error.error_type.as_str()),
        error.and_then(|error| error.phase.as_deref()),
    );
    let is_true = report.outcome.as_str() == expected.outcome
        && error_type == expected.error_type
        && phase == expected.phase;
    (!is_true).then(|| {
        format!(
            "demo: {} should be {} {} in {}, and is {} {} in {}",
            scenario.name,
            expected.outcome,
            expected.error_type.unwrap_or("without error"),
            expected.phase.unwrap_or("no phase"),
            report.outcome,
            error_type.unwrap_or("without error"),
            phase.unwrap_or("no phase"),
        )
    })
}
