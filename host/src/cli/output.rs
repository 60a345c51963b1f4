//! Standard output and standard error. A reader that has gone away is no failure of a check.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};

use crate::outcome::Report;
use crate::render::{Charset, Look, Palette, json, nagios, waterfall};

use super::Format;

/// Writes to standard output; colours are taken out where they are not wanted.
pub(super) fn say(text: &str) {
    let mut out = AutoStream::auto(io::stdout().lock());
    // A closed pipe is the reader's wish.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub(super) fn complain(line: &str) {
    let mut err = AutoStream::auto(io::stderr().lock());
    let _ = writeln!(err, "{line}");
}

/// How reports look on standard output.
pub(super) fn look() -> Look {
    let variable = |name: &str| std::env::var(name).ok();
    let (all, characters, language) = (variable("LC_ALL"), variable("LC_CTYPE"), variable("LANG"));
    let charset = Charset::of_locale(all.as_deref(), characters.as_deref(), language.as_deref());
    Look::new(width(), charset, palette())
}

/// Colours on a terminal, unless `NO_COLOR` or `CLICOLOR` say otherwise.
pub(super) fn palette() -> Palette {
    Palette::for_choice(choice())
}

fn choice() -> ColorChoice {
    AutoStream::choice(&io::stdout())
}

/// One report as `run` prints it while others are still under way.
pub(super) fn report(report: &Report, format: Format, look: &Look) -> String {
    match format {
        Format::Text => format!("{}\n\n", waterfall(report, look)),
        Format::Json => match json(report) {
            Ok(line) => format!("{line}\n"),
            // Reports consist of texts and finite numbers, all of which have a JSON form.
            Err(error) => format!(
                "{{\"check\":{:?},\"error\":{:?}}}\n",
                report.check,
                error.to_string()
            ),
        },
        Format::Nagios => String::new(),
    }
}

/// All reports as a Nagios plugin's output.
pub(super) fn nagios_output(reports: &[Report]) -> String {
    format!("{}\n", nagios(reports))
}

/// The columns of the terminal, if standard output is one.
fn width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| usize::from(columns.0))
}
