//! Standard output and standard error. A reader of the output that has gone away wants no more of it, which is no failure;
//! that it cannot be written for another reason is told once, and is the end of the command.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};

use crate::outcome::Report;
use crate::render::{Charset, Look, Palette, json, nagios, waterfall};

use super::{EXIT_UNKNOWN, Format};

/// Whether something that was said is lost.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes to standard output; colours are taken out where they are not wanted.
pub(super) fn say(text: &str) {
    is_heard(text);
}

/// The same, and whether more can be said.
pub(super) fn is_heard(text: &str) -> bool {
    let mut out = AutoStream::auto(io::stdout().lock());
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // What waits for standard error may hold the output.
    drop(out);
    is_taken(written)
}

/// Whether what was written to standard output is there.
pub(super) fn is_taken(written: io::Result<()>) -> bool {
    let Err(error) = written else {
        return true;
    };
    // A closed pipe is the reader's wish.
    if error.kind() != ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) {
        complain(&format!(
            "bedcheck: the standard output cannot be written: {error}"
        ));
    }
    false
}

/// How a command ends that would have ended so: not well, if what it said is lost.
pub(super) fn ending(code: ExitCode) -> ExitCode {
    if LOST.load(Ordering::Relaxed) {
        EXIT_UNKNOWN.into()
    } else {
        code
    }
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
