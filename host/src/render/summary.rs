//! The last line after all checks: how many ended how. Pure.

use std::time::Duration;

use super::look::{Palette, paint};
use super::units;
use crate::outcome::{Outcome, Report};

/// `5 checks: 2 passed (1 after a retry), 2 failed, 1 error in 1.2 s`; `elapsed` is the time that all
/// of them together took.
pub fn summary(reports: &[Report], elapsed: Duration, palette: &Palette) -> String {
    format!("{} in {}", counts(reports, palette), units::duration(elapsed))
}

/// The same without the time.
pub(super) fn counts(reports: &[Report], palette: &Palette) -> String {
    let of = |outcome| reports.iter().filter(|report| report.outcome == outcome).count();
    let total = reports.len();
    let mut parts = Vec::new();
    let passed = of(Outcome::Pass);
    if passed > 0 {
        let (style, hints) = match hints(reports) {
            hints if hints.is_empty() => (palette.pass, hints),
            hints => (palette.warning, hints),
        };
        parts.push(paint(style, &format!("{passed} passed{hints}")));
    }
    let failed = of(Outcome::Fail);
    if failed > 0 {
        parts.push(paint(palette.fail, &format!("{failed} failed")));
    }
    let errors = of(Outcome::Error);
    if errors > 0 {
        parts.push(paint(palette.error, &format!("{errors} error{}", plural(errors))));
    }
    let skipped = of(Outcome::Skipped);
    if skipped > 0 {
        parts.push(paint(palette.warning, &format!("{skipped} skipped")));
    }
    let separator = if parts.is_empty() { "" } else { ": " };
    format!("{total} check{}{separator}{}", plural(total), parts.join(", "))
}

/// ` (1 after a retry, 2 with a warning)`; nothing when all is well.
fn hints(reports: &[Report]) -> String {
    let retried = reports.iter().filter(|report| report.is_retried()).count();
    let warned = |report: &&Report| report.outcome == Outcome::Pass && !report.warnings.is_empty();
    let warned = reports.iter().filter(warned).count();
    let hint = |number, words: &str| (number > 0).then(|| format!("{number} {words}"));
    let hints: Vec<String> = [hint(retried, "after a retry"), hint(warned, "with a warning")]
        .into_iter()
        .flatten()
        .collect();
    match hints.is_empty() {
        true => String::new(),
        false => format!(" ({})", hints.join(", ")),
    }
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn what_happened_is_counted_and_what_did_not_is_left_out() {
        let elapsed = Duration::from_millis(1200);
        let line = |reports: &[Report]| summary(reports, elapsed, &Palette::plain());
        let all = [
            samples::pass(),
            samples::retry(),
            samples::wrong_password(),
            samples::hang_after_banner(),
            samples::trap(),
            samples::skipped(),
        ];
        assert_eq!(
            line(&all),
            "6 checks: 2 passed (1 after a retry), 2 failed, 1 error, 1 skipped in 1.2 s"
        );
        assert_eq!(line(&all[..1]), "1 check: 1 passed in 1.2 s");
        assert_eq!(
            line(&[samples::pass(), samples::retry(), samples::slow()]),
            "3 checks: 3 passed (1 after a retry, 1 with a warning) in 1.2 s"
        );
        assert_eq!(line(&[]), "0 checks in 1.2 s");
    }

    #[test]
    fn colours_change_nothing_but_the_colours() {
        let all = [samples::retry(), samples::trap()];
        let coloured = counts(&all, &Palette::coloured());
        assert!(
            coloured.contains("\u{1b}[33m1 passed (1 after a retry)"),
            "{coloured:?}"
        );
        let plain = counts(&all, &Palette::plain());
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }
}
