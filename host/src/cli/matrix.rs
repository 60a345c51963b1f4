//! The result of a sweep, for people and for programs. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use super::rehearse::quoted;
use crate::sweep::Case;
use crate::text::{harmless_json, printable};

/// A row for each host call, a column for each kind of failure.
pub(super) fn matrix(cases: &[Case]) -> String {
    let mut kinds: Vec<String> = Vec::new();
    let mut rows: Vec<(String, BTreeMap<usize, bool>)> = Vec::new();
    for case in cases {
        let kind = case.trial.fault.kind.to_string();
        let column = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            kinds.push(kind);
            kinds.len() - 1
        });
        let name = row_name(case);
        if rows.last().is_none_or(|(last, _)| *last != name) {
            rows.push((name, BTreeMap::new()));
        }
        if let Some((_, cells)) = rows.last_mut() {
            cells.insert(column, case.problems.is_empty());
        }
    }
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = format!(
        "{:width$}  {}\n",
        "",
        (0..kinds.len()).map(letter).collect::<String>()
    );
    for (name, cells) in &rows {
        let cell = |column: usize| match cells.get(&column) {
            Some(true) => '.',
            Some(false) => 'X',
            None => ' ',
        };
        let line: String = (0..kinds.len()).map(cell).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:width$}  {}", line.trim_end());
    }
    text.push('\n');
    for (column, kind) in kinds.iter().enumerate() {
        let _ = writeln!(text, "{} {kind}", letter(column));
    }
    text.push('\n');
    text
}

/// What is wrong, each with the command that repeats it.
pub(super) fn problems(cases: &[Case], command: &str) -> String {
    let mut text = String::new();
    for case in cases.iter().filter(|case| !case.problems.is_empty()) {
        let fault = case.trial.fault.to_string();
        let _ = writeln!(text, "{fault}: {}", ending(case));
        for problem in &case.problems {
            let _ = writeln!(text, "  {}", printable(problem));
        }
        let _ = writeln!(text, "  repeat it: {command} --fault {} --once\n", quoted(&fault));
    }
    text
}

/// The last line.
pub(super) fn total(runs: usize, wrong: usize, took: Duration) -> String {
    let found = match wrong {
        0 => "nothing wrong".to_owned(),
        wrong => format!("{wrong} with something wrong"),
    };
    format!("{runs} runs in {:.1} s: {found}\n", took.as_secs_f64())
}

/// One JSON object for each run, and one with the totals.
pub(super) fn lines(cases: &[Case], wrong: usize) -> String {
    let mut text = String::new();
    for case in cases {
        let at = &case.trial.at;
        let line = json!({
            "call": at.call.as_str(),
            "nth": at.nth,
            "phase": at.phase.as_ref().map(|(name, _)| name),
            "detail": at.phase.as_ref().and_then(|(_, detail)| detail.as_ref()),
            "fault": case.trial.fault.to_string(),
            "outcome": case.report.outcome,
            "error_type": case.report.error.as_ref().map(|error| error.error_type.as_str()),
            "problems": case.problems,
        });
        let _ = writeln!(text, "{}", harmless_json(&line.to_string()));
    }
    let _ = writeln!(text, "{}", json!({ "runs": cases.len(), "failures": wrong }));
    text
}

fn row_name(case: &Case) -> String {
    let at = &case.trial.at;
    let phase = match &at.phase {
        Some((name, Some(detail))) => format!("{name} ({detail})"),
        Some((name, None)) => name.clone(),
        None => String::new(),
    };
    let call = format!("{}#{}", at.call, at.nth);
    printable(format!("{call:<22} {phase}").trim_end()).into_owned()
}

fn ending(case: &Case) -> String {
    match &case.report.error {
        Some(error) => format!("{}, {}", case.report.outcome.as_str(), error.error_type.as_str()),
        None => case.report.outcome.as_str().to_owned(),
    }
}

/// The name of a column.
fn letter(column: usize) -> char {
    let letters = ('a'..='z').chain('A'..='Z');
    letters.into_iter().nth(column).unwrap_or('?')
}
