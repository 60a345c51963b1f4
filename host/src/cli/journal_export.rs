//! `bedcheck journal export`: kept reports, sent again.

use std::process::ExitCode;

use super::journal::{Wanted, configuration, found, reader};
use super::{EXIT_UNKNOWN, output, refuse};
use crate::journal::{Next, Reader, Selection};
use crate::outcome::Report;
use crate::telemetry::{self, AgainError};

/// Not everything was taken.
const EXIT_INCOMPLETE: u8 = 1;

/// Sends what is asked for, and says what became of it.
pub(super) async fn export(wanted: &Wanted) -> ExitCode {
    let asked = found(wanted).and_then(|found| Ok((found, settings(wanted)?)));
    let ((dir, selection), settings) = match asked {
        Ok(asked) => asked,
        Err(sentence) => return refuse(&sentence),
    };
    let reader = match reader(&dir, &selection) {
        Ok(reader) => reader,
        Err(error) => return refuse(&format!("`{}`: {error}", dir.display())),
    };
    let mut unread = 0_u64;
    let selected = Selected {
        reader,
        selection,
        unread: &mut unread,
    };
    let sent = telemetry::export_again(&settings, selected).await;
    match sent {
        Ok(sent) => {
            output::say(&format!("{sent}\n"));
            let is_complete = sent.refused == 0 && sent.rejected == 0 && unread == 0;
            ExitCode::from(if is_complete { 0 } else { EXIT_INCOMPLETE })
        }
        Err(error @ AgainError::Unreachable { .. }) => {
            output::complain(&format!("bedcheck: {error}"));
            ExitCode::from(EXIT_UNKNOWN)
        }
        Err(error) => refuse(&error.to_string()),
    }
}

/// Where reports are sent, as the configuration or the environment says.
fn settings(wanted: &Wanted) -> Result<telemetry::Settings, String> {
    let config = wanted.file.as_deref().map(configuration).transpose()?;
    let variable = |name: &str| std::env::var_os(name);
    let otlp = config.as_ref().and_then(|config| config.otlp.as_ref());
    let settings = telemetry::Settings::of(otlp, &variable)?;
    settings.ok_or_else(|| AgainError::NoDestination.to_string())
}

/// The reports that are asked for, in order. What cannot be read is told, counted and passed over.
struct Selected<'u> {
    reader: Reader,
    selection: Selection,
    unread: &'u mut u64,
}

impl Iterator for Selected<'_> {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        loop {
            let damage = match self.reader.read_next() {
                Ok(Next::End) => return None,
                Ok(Next::Record(sequence)) => match self.reader.report() {
                    Ok(report) if self.selection.matches(&report) => return Some(report),
                    Ok(_) => continue,
                    Err(damage) => format!("report {sequence}: {damage}"),
                },
                Ok(Next::Damaged(place, damage)) => format!("{place}: {damage}"),
                Err(error) => {
                    *self.unread += 1;
                    output::complain(&format!("bedcheck: the journal cannot be read on: {error}"));
                    return None;
                }
            };
            *self.unread += 1;
            output::complain(&format!("bedcheck: {damage}"));
        }
    }
}
