//! The rows of a waterfall: which there are, and how their columns are laid out. Pure.

use std::time::Duration;

use anstyle::Style;

use super::axis::Axis;
use super::explain::{culprit, is_aftermath, is_deadline, named, reason, went_wrong};
use super::look::{Charset, Look, paint};
use super::printable::columns;
use super::units;
use crate::outcome::{Attempt, ErrorReport, Outcome, PhaseReport, Report};
use crate::phase::PhaseStatus;

/// Columns of the marker and the space behind it.
const MARGIN: usize = 2;
/// Columns of a duration: `<0.1 ms` is the longest.
const TIME: usize = 7;
/// Columns between label, bar, duration and status.
const GAPS: usize = 4;
/// The fewest columns of the status: the deadline's value on the scale reaches into them.
const MIN_STATUS: usize = 11;
/// The status is not cut below this many columns: `deadline-exceeded`.
const FULL_STATUS: usize = 17;
/// The most lines of a further error below its phase.
const MOST_NOTE_LINES: usize = 2;

/// A line of the waterfall.
struct Row {
    indent: usize,
    /// Name and detail, harmless.
    label: String,
    /// From when to when, if it ever began.
    bar: Option<(Duration, Duration)>,
    /// The status in words, harmless.
    status: String,
    tone: Tone,
    /// An error that is told nowhere else, harmless.
    note: Option<String>,
}

/// How much a row stands out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    /// A phase that ended well, or an attempt.
    Good,
    /// The phase because of which the run ended as it did.
    Culprit,
    /// Another one that went wrong.
    Wrong,
    /// Never reached, or reached after the deadline only.
    Quiet,
}

/// The rows of all attempts on one time axis, and the scale below. Empty without attempts.
pub(super) fn rows(report: &Report, look: &Look) -> Vec<String> {
    let rows = of_attempts(report, look);
    if rows.is_empty() {
        return Vec::new();
    }
    let layout = Layout::new(&rows, report, look);
    let mut lines: Vec<String> = rows.iter().flat_map(|row| layout.lines(row)).collect();
    lines.push(layout.scale());
    lines
}

/// The last attempt with all its phases, and a row for each one before it.
fn of_attempts(report: &Report, look: &Look) -> Vec<Row> {
    let Some((last, earlier)) = report.attempts.split_last() else {
        return Vec::new();
    };
    let mut rows: Vec<Row> = (1..)
        .zip(earlier)
        .map(|(number, attempt)| of_earlier(number, attempt, look))
        .collect();
    let indent = if earlier.is_empty() { 0 } else { 2 };
    if !earlier.is_empty() {
        rows.push(Row {
            note: None,
            ..of_earlier(report.attempts.len(), last, look)
        });
    }
    let culprit = culprit(report, &last.phases);
    let of_phase = |(at, phase): (usize, &PhaseReport)| Row {
        indent,
        tone: tone(report, phase, culprit == Some(at)),
        ..of_phase(phase, report.error.as_ref(), look)
    };
    rows.extend(last.phases.iter().enumerate().map(of_phase));
    rows
}

fn of_earlier(number: usize, attempt: &Attempt, look: &Look) -> Row {
    let (status, note) = match &attempt.error {
        Some(error) => {
            let place = error
                .phase
                .as_ref()
                .map(|phase| format!("in {phase}: "))
                .unwrap_or_default();
            (
                format!("{} {}", attempt.outcome, error.error_type),
                Some(format!("{place}{}", reason(error))),
            )
        }
        None => (attempt.outcome.to_string(), None),
    };
    Row {
        indent: 0,
        label: format!("attempt {number}"),
        bar: Some((attempt.start, attempt.start + attempt.duration)),
        status: look.text(&status).into_owned(),
        tone: match attempt.outcome {
            Outcome::Pass => Tone::Good,
            Outcome::Fail | Outcome::Error => Tone::Wrong,
            Outcome::Skipped => Tone::Quiet,
        },
        note: note.map(|note| look.text(&note).into_owned()),
    }
}

fn of_phase(phase: &PhaseReport, told: Option<&ErrorReport>, look: &Look) -> Row {
    // Before the error's type, which is the one to be cut where there is no room.
    let injected = if phase.injected { " (injected)" } else { "" };
    let status = match &phase.error {
        Some(error) if !is_deadline(&error.error_type) => {
            format!("{}{injected} {}", phase.status.as_str(), error.error_type)
        }
        _ => format!("{}{injected}", phase.status.as_str()),
    };
    let is_told = |error: &ErrorReport| {
        is_deadline(&error.error_type)
            || told
                .is_some_and(|told| (&told.error_type, &told.message) == (&error.error_type, &error.message))
    };
    let note = phase.error.as_ref().filter(|error| !is_told(error)).map(reason);
    Row {
        indent: 0,
        label: look
            .text(&named(&phase.name, phase.detail.as_deref()))
            .into_owned(),
        bar: phase
            .start
            .map(|start| (start, start + phase.duration.unwrap_or_default())),
        status: look.text(&status).into_owned(),
        tone: Tone::Good,
        note: note.map(|note| look.text(&note).into_owned()),
    }
}

fn tone(report: &Report, phase: &PhaseReport, is_culprit: bool) -> Tone {
    match phase.status {
        _ if is_culprit => Tone::Culprit,
        PhaseStatus::NotReached => Tone::Quiet,
        PhaseStatus::Interrupted if report.outcome == Outcome::Skipped => Tone::Quiet,
        _ if is_aftermath(phase, report.deadline_hit.as_ref()) => Tone::Quiet,
        status if went_wrong(status) => Tone::Wrong,
        _ => Tone::Good,
    }
}

/// The columns of a waterfall.
struct Layout<'look> {
    look: &'look Look,
    axis: Axis,
    /// Columns of indent and label.
    label: usize,
    status: usize,
    /// The colour of what went wrong.
    wrong: Style,
}

impl<'look> Layout<'look> {
    /// Labels take what they need, up to a quarter of the line, then statuses, as long as three eighths
    /// are left for the bars.
    fn new(rows: &[Row], report: &Report, look: &'look Look) -> Self {
        let quarter = look.width() / 4;
        let label = rows
            .iter()
            .map(|row| row.indent + columns(&row.label))
            .max()
            .unwrap_or(0)
            .min(quarter);
        let status = rows.iter().map(|row| columns(&row.status)).max().unwrap_or(0);
        let most = look
            .width()
            .saturating_sub(MARGIN + label + TIME + GAPS + look.width() * 3 / 8);
        let status = status.clamp(MIN_STATUS, FULL_STATUS.max(most));
        let bars = look.width().saturating_sub(MARGIN + label + TIME + GAPS + status);
        let palette = look.palette();
        let wrong = if report.outcome == Outcome::Error {
            palette.error
        } else {
            palette.fail
        };
        Self {
            look,
            axis: Axis::new(report.duration, report.deadline, bars, look.charset()),
            label,
            status,
            wrong,
        }
    }

    /// A row, and its note below.
    fn lines(&self, row: &Row) -> Vec<String> {
        let palette = self.look.palette();
        let (text, bar) = match row.tone {
            Tone::Good => (Style::new(), palette.pass),
            Tone::Culprit => (self.wrong | palette.strong.get_effects(), self.wrong),
            Tone::Wrong => (self.wrong, self.wrong),
            Tone::Quiet => (palette.dim, palette.dim),
        };
        let marker = match (row.tone, self.look.charset()) {
            (Tone::Good | Tone::Quiet, _) => " ",
            (_, Charset::Unicode) => "✗",
            (_, Charset::Ascii) => "x",
        };
        let label = self
            .look
            .column(&format!("{:1$}{2}", "", row.indent, row.label), self.label);
        let time = row
            .bar
            .map(|(start, end)| units::duration(end.saturating_sub(start)))
            .unwrap_or_default();
        let status = self.look.fit(&row.status, self.status);
        let line = format!(
            "{} {} {}",
            paint(text, &format!("{marker} {label}")),
            self.bar(row.bar, bar),
            paint(text, &format!("{time:>TIME$}  {status}"))
        );
        let note = row.note.as_deref().unwrap_or_default();
        let below = self
            .look
            .paragraph(note, MARGIN + row.indent + 2, MOST_NOTE_LINES, self.wrong);
        std::iter::once(line).chain(below).collect()
    }

    fn bar(&self, bar: Option<(Duration, Duration)>, style: Style) -> String {
        self.painted(&self.axis.row(bar), style)
    }

    fn scale(&self) -> String {
        let margin = " ".repeat(MARGIN + self.label + 1);
        format!(
            "{margin}{}",
            self.painted(&self.axis.scale(), self.look.palette().dim)
        )
    }

    /// A line of the axis: the mark in its own style, what is around it in another.
    fn painted(&self, line: &str, style: Style) -> String {
        match line
            .char_indices()
            .find(|(_, character)| self.axis.is_mark(*character))
        {
            Some((at, mark)) => {
                let (before, from_mark) = line.split_at(at);
                let (mark, after) = from_mark.split_at(mark.len_utf8());
                format!(
                    "{}{}{}",
                    paint(style, before),
                    paint(self.look.palette().deadline, mark),
                    paint(style, after)
                )
            }
            None => paint(style, line),
        }
    }
}
