//! A report for the terminal: how the check ended, its phases as bars on one time axis with the
//! deadline's mark, why it ended so, and what else is known. Pure.

use std::time::Duration;

use anstyle::Style;

use super::explain::{deadline_answer, injected, injected_count, not_tried_again, outcome, reason};
use super::facts::facts;
use super::look::{Charset, Look, paint};
use super::printable::columns;
use super::rows::rows;
use super::units;
use crate::outcome::{Outcome, Report};

/// Columns in front of everything below the head line.
const INDENT: usize = 2;
/// The most lines of a reason: a message of 1 KiB fits a wide terminal.
const MOST_REASON_LINES: usize = 8;
/// The most injected faults that are told one by one: the rest is in the JSON form.
const MOST_FAULTS: usize = 5;
/// The most lines of one of them.
const MOST_FAULT_LINES: usize = 3;
/// A shorter wait for a free slot is not worth telling.
const LAG_WORTH_TELLING: Duration = Duration::from_millis(10);

/// The text of a report, of several lines, none longer than the look's width.
///
/// All attempts are there: the last one with its phases, the ones before with a bar and the reason
/// they failed. Phases that were never reached have no bar. The phase because of which the run ended
/// as it did is marked and bold; those that only met a deadline already passed are dimmed.
pub fn waterfall(report: &Report, look: &Look) -> String {
    let mut lines = vec![head(report, look)];
    lines.extend(rows(report, look));
    lines.extend(why(report, look));
    lines.extend(warnings(report, look));
    lines.extend(faults(report, look));
    lines.extend(lag(report, look));
    lines.extend(facts(report, look, INDENT));
    lines.join("\n")
}

/// `✗ mail-login (imap 0.1.0): fail in 38 ms, deadline 5 s`
fn head(report: &Report, look: &Look) -> String {
    let symbol = match (report.outcome, look.charset()) {
        (Outcome::Pass, Charset::Unicode) => "✓",
        (Outcome::Pass, Charset::Ascii) => "+",
        (Outcome::Fail, Charset::Unicode) => "✗",
        (Outcome::Fail, Charset::Ascii) => "x",
        (Outcome::Error, _) => "?",
        (Outcome::Skipped, _) => "-",
    };
    let style = style(report, look);
    let outcome = outcome(report);
    let timing = match report.outcome {
        Outcome::Skipped => String::new(),
        _ => format!(
            " in {}, deadline {}{}",
            units::duration(report.duration),
            units::duration(report.deadline),
            injected_count(report)
        ),
    };
    // The name comes first; the plugin is there when it fits beside it.
    let room = look
        .width()
        .saturating_sub(columns(": ") + 2 + columns(&outcome) + columns(&timing));
    let check = look.text(&report.check);
    let check = look.fit(&check, room);
    let plugin = format!(" ({} {})", report.plugin.name, report.plugin.version);
    let plugin = look.text(&plugin);
    let plugin = if columns(&check) + columns(&plugin) <= room {
        &*plugin
    } else {
        ""
    };
    let palette = look.palette();
    format!(
        "{} {}{}: {}{timing}",
        paint(style, symbol),
        paint(palette.strong, &check),
        paint(palette.dim, plugin),
        paint(style | palette.strong.get_effects(), &outcome),
    )
}

fn style(report: &Report, look: &Look) -> Style {
    let palette = look.palette();
    match report.outcome {
        Outcome::Pass if report.is_warning() => palette.warning,
        Outcome::Pass => palette.pass,
        Outcome::Fail => palette.fail,
        Outcome::Error => palette.error,
        Outcome::Skipped => palette.warning,
    }
}

/// The reason with its blame, and the answer to where the deadline was hit.
fn why(report: &Report, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(error) = &report.error {
        let style = style(report, look);
        lines.extend(look.paragraph(&look.text(&reason(error)), INDENT, MOST_REASON_LINES, style));
    }
    if let Some(blame) = report.blame {
        let text = format!("blames: {blame}");
        // Beside the reason where there is room, so that most reasons are one line.
        match lines
            .last_mut()
            .filter(|line| plain_columns(line) + text.len() + 3 <= look.width())
        {
            Some(line) => line.push_str(&format!(" ({text})")),
            None => lines.extend(look.paragraph(&text, INDENT, 1, Style::new())),
        }
    }
    if let Some(hit) = &report.deadline_hit {
        let answer = deadline_answer(hit, units::duration);
        lines.extend(look.paragraph(
            &look.text(&answer),
            INDENT,
            MOST_REASON_LINES,
            look.palette().strong,
        ));
    }
    lines
}

/// What is not well with a run that passed, and why there was no other attempt at one that did not.
fn warnings(report: &Report, look: &Look) -> Vec<String> {
    let denied = report.retry_denied.as_deref().map(not_tried_again);
    let warnings = report.warnings.iter().cloned().chain(denied);
    warnings
        .flat_map(|text| {
            look.paragraph(
                &look.text(&text),
                INDENT,
                MOST_REASON_LINES,
                look.palette().warning,
            )
        })
        .collect()
}

/// What was injected: the first ones, and how many more there were.
fn faults(report: &Report, look: &Look) -> Vec<String> {
    let style = look.palette().warning;
    let mut lines = Vec::new();
    for fault in report.faults.iter().take(MOST_FAULTS) {
        let text = injected(fault, units::duration);
        lines.extend(look.paragraph(&look.text(&text), INDENT, MOST_FAULT_LINES, style));
    }
    let hidden = report.faults.len().saturating_sub(MOST_FAULTS);
    if hidden > 0 {
        let text = format!("and {hidden} more injected faults");
        lines.extend(look.paragraph(&text, INDENT, 1, style));
    }
    lines
}

/// How long the run waited before it began, if that was long.
fn lag(report: &Report, look: &Look) -> Vec<String> {
    if report.lag < LAG_WORTH_TELLING {
        return Vec::new();
    }
    let text = format!(
        "waited {} for a free slot before it began",
        units::duration(report.lag)
    );
    look.paragraph(&text, INDENT, 1, look.palette().dim)
}

fn plain_columns(line: &str) -> usize {
    columns(&anstream::adapter::strip_str(line).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::look::Palette;
    use super::super::samples;
    use super::*;
    use crate::text::is_dangerous;

    fn look(width: usize, charset: Charset) -> Look {
        Look::new(Some(width), charset, Palette::plain())
    }

    fn samples() -> Vec<Report> {
        vec![
            samples::pass(),
            samples::hang_after_banner(),
            samples::wrong_password(),
            samples::mailbox_missing(),
            samples::retry(),
            samples::injected(),
            samples::trap(),
            samples::skipped(),
            samples::cancelled(),
            samples::slow(),
            samples::too_slow(),
            samples::hostile(),
        ]
    }

    /// Each file holds the whole text, so that it can be judged by looking at it.
    #[track_caller]
    fn assert_golden(report: &Report, look: &Look, golden: &str) {
        let text = waterfall(report, look);
        assert_eq!(text.trim_end(), golden.trim_end(), "\n{text}\n");
    }

    #[test]
    fn a_report_looks_as_it_should() {
        let look = look(100, Charset::Unicode);
        assert_golden(&samples::pass(), &look, include_str!("golden/pass.txt"));
        assert_golden(
            &samples::hang_after_banner(),
            &look,
            include_str!("golden/hang_after_banner.txt"),
        );
        assert_golden(
            &samples::wrong_password(),
            &look,
            include_str!("golden/wrong_password.txt"),
        );
        assert_golden(
            &samples::mailbox_missing(),
            &look,
            include_str!("golden/mailbox_missing.txt"),
        );
        assert_golden(&samples::retry(), &look, include_str!("golden/retry.txt"));
        assert_golden(&samples::injected(), &look, include_str!("golden/injected.txt"));
        assert_golden(&samples::trap(), &look, include_str!("golden/trap.txt"));
        assert_golden(&samples::skipped(), &look, include_str!("golden/skipped.txt"));
        assert_golden(&samples::cancelled(), &look, include_str!("golden/cancelled.txt"));
        assert_golden(&samples::slow(), &look, include_str!("golden/slow.txt"));
        assert_golden(&samples::too_slow(), &look, include_str!("golden/too_slow.txt"));
    }

    #[test]
    fn a_narrow_ascii_terminal_gets_the_same_report() {
        let look = look(60, Charset::Ascii);
        assert_golden(
            &samples::hang_after_banner(),
            &look,
            include_str!("golden/narrow_ascii.txt"),
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [60, 61, 80, 100, 133, 160] {
            for charset in [Charset::Unicode, Charset::Ascii] {
                for report in samples() {
                    let text = waterfall(&report, &look(width, charset));
                    for line in text.lines() {
                        assert!(
                            columns(line) <= width,
                            "{width}: {} columns\n{line}",
                            columns(line)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_from_outside_reaches_the_terminal_as_it_is() {
        let text = waterfall(&samples::hostile(), &look(100, Charset::Unicode));
        assert!(
            !text
                .chars()
                .any(|character| character != '\n' && is_dangerous(character)),
            "{text}"
        );
        assert!(text.contains(r"\u{1b}[2J"), "{text}");
        assert!(waterfall(&samples::hostile(), &look(100, Charset::Ascii)).is_ascii());
    }

    #[test]
    fn colours_change_nothing_but_the_colours() {
        for report in samples() {
            let coloured = waterfall(
                &report,
                &Look::new(Some(100), Charset::Unicode, Palette::coloured()),
            );
            let plain = waterfall(&report, &look(100, Charset::Unicode));
            assert_ne!(coloured, plain);
            assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
        }
    }

    #[test]
    fn the_failing_phase_is_the_only_bold_row() {
        let coloured = Look::new(Some(100), Charset::Unicode, Palette::coloured());
        let text = waterfall(&samples::hang_after_banner(), &coloured);
        let bold_red: Vec<&str> = text
            .lines()
            .skip(1)
            .filter(|line| line.starts_with("\u{1b}[1m\u{1b}[31m"))
            .collect();
        assert_eq!(bold_red.len(), 1, "{text}");
        assert!(bold_red[0].contains("capability"), "{text}");
    }

    #[test]
    fn a_wait_for_a_free_slot_is_told_when_it_mattered() {
        let mut report = samples::pass();
        report.lag = Duration::from_millis(9);
        let text = |report: &Report| waterfall(report, &look(100, Charset::Unicode));
        assert!(!text(&report).contains("waited"));
        report.lag = Duration::from_millis(1200);
        assert!(text(&report).contains("\n  waited 1.2 s for a free slot before it began\n"));
    }

    #[test]
    fn only_the_first_of_many_injected_faults_are_told() {
        let mut report = samples::injected();
        let text = |report: &Report| waterfall(report, &look(100, Charset::Unicode));
        assert!(!text(&report).contains("more injected"));
        report.faults = vec![report.faults[0].clone(); 9];
        let text = text(&report);
        assert!(text.contains("deadline 5 s, 9 injected faults\n"), "{text}");
        assert_eq!(text.matches("  injected phase:select").count(), 5, "{text}");
        assert!(text.contains("\n  and 4 more injected faults\n"), "{text}");
    }

    #[test]
    fn the_plugin_gives_way_to_the_name_of_the_check() {
        let mut report = samples::retry();
        report.check = "a-rather-long-name".to_owned();
        let head = |width| head(&report, &look(width, Charset::Unicode));
        assert_eq!(
            head(80),
            "✓ a-rather-long-name (imap 0.1.0): passed on attempt 2 in 256 ms, deadline 2 s"
        );
        assert_eq!(
            head(60),
            "✓ a-rather-lon…: passed on attempt 2 in 256 ms, deadline 2 s"
        );
    }
}
