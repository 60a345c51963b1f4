//! The output of a Nagios plugin: a status, a sentence, performance data
//! (<https://www.monitoring-plugins.org/doc/guidelines.html>). Pure.

use std::cmp::Reverse;

use super::exit::{ExitStatus, exit_code};
use super::explain::{deadline_answer, injected_count, not_tried_again, outcome, reason};
use super::look::Palette;
use super::performance::performance;
use super::printable::fit;
use super::summary::counts;
use super::units;
use crate::outcome::{Outcome, Report};
use crate::text::printable;

/// The most columns of a reason: the guidelines want a first line that fits a pager, and `error.type`
/// comes first.
const MOST_REASON_COLUMNS: usize = 300;
/// The most checks that the first line names.
const MOST_NAMES: usize = 5;

/// The output for these reports.
///
/// One report is one line, `OK - mail-login: pass in 0.042 s | time=0.042s;;;0;5 ...`. Several are
/// a line that sums them up and names those that are not well, then a line for each, the worst first,
/// and, after a `|` on the last of these, their performance data, a line for each check with labels
/// `CHECK::LABEL`.
///
/// Performance data are the run's `time` (with its thresholds, and the deadline as its maximum), every phase that was reached
/// and every measurement. A `|` in a message becomes `/`, since it would begin performance data.
pub fn nagios(reports: &[Report]) -> String {
    if let [report] = reports {
        return with_data(&line(report), &performance(report, ""));
    }
    let mut sorted: Vec<&Report> = reports.iter().collect();
    sorted.sort_by_key(|report| Reverse(ExitStatus::of(report).severity()));
    let first = format!(
        "{} - {}{}",
        exit_code(reports).as_str(),
        counts(reports, &Palette::plain()),
        not_well(&sorted)
    );
    let totals = [Outcome::Pass, Outcome::Fail, Outcome::Error, Outcome::Skipped].map(|outcome| {
        let number = reports.iter().filter(|report| report.outcome == outcome).count();
        format!("{outcome}={number};;;0;{}", reports.len())
    });
    let lines: Vec<String> = sorted.iter().map(|report| line(report)).collect();
    let data: Vec<String> = sorted
        .iter()
        .map(|report| performance(report, &format!("{}::", report.check)))
        .filter(|data| !data.is_empty())
        .map(|data| data.join(" "))
        .collect();
    let details = with_data(&lines.join("\n"), &[data.join("\n")]);
    format!("{}\n{details}", with_data(&first, &totals))
        .trim_end()
        .to_owned()
}

/// The names of the checks that are not OK.
fn not_well(sorted: &[&Report]) -> String {
    let names: Vec<_> = sorted
        .iter()
        .filter(|report| ExitStatus::of(report) != ExitStatus::Ok)
        .map(|report| harmless(&report.check))
        .collect();
    let named = names
        .iter()
        .take(MOST_NAMES)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        _ if names.is_empty() => String::new(),
        0 => format!("; look at {named}"),
        more => format!("; look at {named} and {more} more"),
    }
}

fn line(report: &Report) -> String {
    let mut text = format!(
        "{} - {}: {}",
        ExitStatus::of(report).as_str(),
        harmless(&report.check),
        outcome(report)
    );
    if report.outcome != Outcome::Skipped {
        text.push_str(&format!(" in {} s", units::seconds(report.duration)));
    }
    text.push_str(&injected_count(report));
    if let Some(hit) = &report.deadline_hit {
        let answer = deadline_answer(hit, |at| format!("{} s", units::seconds(at)));
        text.push_str(&format!(", {}", harmless(&answer)));
    }
    if let Some(error) = &report.error {
        let reason = harmless(&reason(error));
        text.push_str(&format!(", {}", fit(&reason, MOST_REASON_COLUMNS, "...")));
    }
    if let Some(blame) = report.blame {
        text.push_str(&format!(" (blames: {blame})"));
    }
    let denied = report.retry_denied.as_deref().map(not_tried_again);
    for sentence in report.warnings.iter().cloned().chain(denied) {
        text.push_str(&format!(
            ", {}",
            fit(&harmless(&sentence), MOST_REASON_COLUMNS, "...")
        ));
    }
    text
}

fn with_data(text: &str, data: &[String]) -> String {
    if data.iter().all(String::is_empty) {
        text.to_owned()
    } else {
        format!("{text} | {}", data.join(" "))
    }
}

/// Text from outside in one line, without what begins performance data.
pub(super) fn harmless(text: &str) -> String {
    printable(text).replace('|', "/")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::text::is_dangerous;

    #[test]
    fn what_was_injected_is_told_in_the_first_line() {
        let text = nagios(&[samples::injected()]);
        assert!(
            text.starts_with(
                "CRITICAL - mail-drill: fail in 1.006 s, 2 injected faults, connection_reset (injected): \
                 the peer reset the connection (blames: target) | "
            ),
            "{text}"
        );
    }

    #[test]
    fn a_check_that_passed_is_one_line_with_its_phases() {
        assert_eq!(
            nagios(&[samples::pass()]),
            "OK - mail-login: pass in 0.042 s | time=0.0421s;;;0;5 resolve=0.0004s connect=0.0007s tls=0.0082s \
             greeting=0.0047s capability=0.0012s login=0.0228s 'select INBOX'=0.0025s 'select Archive'=0.0007s \
             logout=0.0008s 'imap.mailbox.messages INBOX'=3 'imap.mailbox.messages Archive'=1204"
        );
    }

    #[test]
    fn a_check_that_did_not_says_why_and_leaves_out_what_was_not_reached() {
        assert_eq!(
            nagios(&[samples::wrong_password()]),
            "CRITICAL - mail-login: fail in 0.031 s, auth.rejected: NO [AUTHENTICATIONFAILED] Authentication \
             failed. (blames: target) | time=0.0314s;;;0;5 resolve=0.0003s connect=0.0006s tls=0.0061s \
             greeting=0.001s capability=0.0004s login=0.0226s"
        );
        assert!(nagios(&[samples::hang_after_banner()]).starts_with(
            "CRITICAL - mail-hangs: fail in 0.300 s, deadline hit in phase capability (net.read), after 0.300 s, "
        ));
        assert!(
            nagios(&[samples::retry()])
                .starts_with("WARNING - mail-flaky: passed on attempt 2 in 0.256 s | ")
        );
    }

    #[test]
    fn a_check_that_was_skipped_has_no_numbers() {
        assert_eq!(
            nagios(&[samples::skipped()]),
            "UNKNOWN - mail-sick: skipped, circuit_open: 5 runs failed in a row, next try in 25 s (blames: runner)"
        );
    }

    #[test]
    fn thresholds_are_in_the_performance_data_and_a_warning_in_the_line() {
        let slow = nagios(&[samples::slow()]);
        assert!(
            slow.starts_with(
                "WARNING - mail-slow: pass in 0.042 s, the run took 0.043 s, over the threshold of 0.04 s \
                 (`thresholds.warn`) | time=0.0421s;0.04;0.5;0;5 resolve="
            ),
            "{slow}"
        );
        let too_slow = nagios(&[samples::too_slow()]);
        assert!(
            too_slow.starts_with(
                "CRITICAL - mail-slow: fail in 0.042 s, assertion_failed: the run took 0.043 s, over the threshold \
                 of 0.042 s (`thresholds.fail`) (blames: target) | time=0.0421s;;0.042;0;5 resolve="
            ),
            "{too_slow}"
        );
    }

    #[test]
    fn a_retry_that_was_left_out_is_told_and_a_cancelled_run_has_no_numbers() {
        let mut report = samples::wrong_password();
        report.retry_denied = Some("the retry budget of `mail|1` is used up".to_owned());
        assert!(
            nagios(&[report]).contains(
                " (blames: target), not tried again: the retry budget of `mail/1` is used up | time="
            )
        );
        assert_eq!(
            nagios(&[samples::cancelled()]),
            "UNKNOWN - mail-flaky: skipped after 2 attempts, cancelled: the run was cancelled before it came to its \
             end (blames: runner)"
        );
    }

    #[test]
    fn several_checks_are_summed_up_and_the_worst_comes_first() {
        let output = nagios(&[
            samples::pass(),
            samples::skipped(),
            samples::retry(),
            samples::wrong_password(),
        ]);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(
            lines[0],
            "CRITICAL - 4 checks: 2 passed (1 after a retry), 1 failed, 1 skipped; look at mail-login, mail-sick, \
             mail-flaky | pass=2;;;0;4 fail=1;;;0;4 error=0;;;0;4 skipped=1;;;0;4"
        );
        assert!(lines[1].starts_with("CRITICAL - mail-login: fail"), "{output}");
        assert!(lines[2].starts_with("UNKNOWN - mail-sick"), "{output}");
        assert!(lines[3].starts_with("WARNING - mail-flaky"), "{output}");
        assert!(
            lines[4].starts_with("OK - mail-login: pass in 0.042 s | mail-login::time=0.0314s;;;0;5 "),
            "{output}"
        );
        assert!(
            lines[5].starts_with("mail-flaky::time=0.2561s;;;0;2 "),
            "{output}"
        );
        assert!(
            lines[6].contains(" 'mail-login::select INBOX'=0.0025s "),
            "{output}"
        );
        assert_eq!(output.matches('|').count(), 2, "{output}");
    }

    #[test]
    fn more_checks_than_fit_are_counted() {
        let names = not_well(&[&samples::trap(); 7]);
        assert_eq!(
            names,
            format!("; look at {} and 2 more", ["mail-broken"; 5].join(", "))
        );
    }

    #[test]
    fn nothing_from_outside_breaks_the_format() {
        let output = nagios(&[samples::hostile()]);
        assert_eq!(output.lines().count(), 1);
        assert_eq!(output.matches('|').count(), 1);
        assert!(!output.chars().any(is_dangerous));
    }
}
