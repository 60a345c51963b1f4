//! `bedcheck run --replay`: recorded runs once more.

use std::path::Path;
use std::process::ExitCode;

use super::{EXIT_UNKNOWN, Format, compiling, output, refuse};
use crate::outcome::Report;
use crate::recording::{Recording, Replayed, replay as run_again};
use crate::render::exit_code;

/// Runs everything that is recorded in a file again, and says where a report differs from the recorded one.
pub(super) async fn replay(file: &Path, format: Format) -> ExitCode {
    let recording = match Recording::read(file) {
        Ok(recording) => recording,
        Err(error) => return refuse(&format!("{}: {error}", file.display())),
    };
    let replayed = match run_again(&recording, compiling()).await {
        Ok(replayed) => replayed,
        Err(error) => return refuse(&format!("{}: {error}", file.display())),
    };
    let look = output::look();
    let mut is_as_it_has_to_be = true;
    for run in &replayed {
        output::say(&output::report(&run.report, format, &look));
        if let Some(difference) = difference(run) {
            output::complain(&difference);
            is_as_it_has_to_be &= !run.exact;
        }
    }
    let reports: Vec<Report> = replayed.into_iter().map(|run| run.report).collect();
    if format == Format::Nagios {
        output::say(&output::nagios_output(&reports));
    }
    if is_as_it_has_to_be {
        exit_code(&reports).into()
    } else {
        ExitCode::from(EXIT_UNKNOWN)
    }
}

fn difference(run: &Replayed) -> Option<String> {
    if run.same {
        return None;
    }
    let reason = if run.exact {
        "it is not the recorded one"
    } else {
        "it may differ from the recorded one in what stands for secrets, and does"
    };
    Some(format!(
        "bedcheck: the report of `{}`: {reason}",
        run.report.check
    ))
}
