//! The results as a table for people: ratios and their goals. Pure.

use std::fmt::Write;

use crate::machine::Machine;
use crate::record::Finished;
use crate::row::Goal;
use crate::statistics::Summary;
use crate::verdict::{Judged, Verdict};

/// The columns of a line.
const HEADINGS: [&str; 6] = ["", "median", "interval", "goal", "", "side information"];

/// The table of all rows.
#[must_use]
pub fn table(machine: &Machine, rows: &[Finished]) -> String {
    let mut text = format!(
        "{}, {} processors ({}), Linux {}, load {}\n",
        machine.version,
        machine.processors,
        machine.processor,
        machine.kernel,
        machine
            .load
            .map_or_else(|| "unknown".into(), |load| load.to_string()),
    );
    let cells: Vec<Vec<[String; 6]>> = rows
        .iter()
        .map(|row| row.lines.iter().map(cells).collect())
        .collect();
    let all = || cells.iter().flatten();
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let widths = all().map(|line| line[column].chars().count());
        widths.chain([HEADINGS[column].len()]).max().unwrap_or(0)
    });
    push_line(&mut text, &HEADINGS.map(str::to_owned), &widths);
    for (row, lines) in rows.iter().zip(&cells) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", row.row.name, row.row.about);
        for line in lines {
            push_line(&mut text, line, &widths);
        }
        for note in row.notes.iter().chain(&row.failure) {
            let _ = writeln!(text, "  ! {note}");
        }
    }
    text
}

fn push_line(text: &mut String, cells: &[String; 6], widths: &[usize; 6]) {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Figures to the right, words to the left.
        let _ = match column {
            1..=3 => write!(line, "  {cell:>width$}"),
            _ => write!(line, "  {cell:<width$}"),
        };
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

fn cells(judged: &Judged) -> [String; 6] {
    let is_ratio = judged.line.against.is_some();
    let unit = if is_ratio { "x" } else { judged.line.quantity.unit };
    let median = judged
        .summary
        .map(|summary| with_unit(&number(summary.median), unit));
    let interval = judged
        .summary
        .map(|summary| format!("{}..{}", number(summary.low), number(summary.high)));
    let goal = match judged.line.goal {
        Goal::AtLeast(least) => format!(">= {}", with_unit(&least.to_string(), unit)),
        Goal::AtMost(most) => format!("<= {}", with_unit(&most.to_string(), unit)),
        Goal::None => String::new(),
    };
    let verdict = match judged.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::WithinTheNoise => "within the noise",
        Verdict::NoGoal => "",
        Verdict::NotMeasured => "not measured",
    };
    let figure = |summary: Option<Summary>| {
        summary.map(|summary| with_unit(&number(summary.median), judged.line.quantity.unit))
    };
    let information = match (is_ratio, figure(judged.own), figure(judged.peer)) {
        (true, Some(own), Some(peer)) => format!("{own} against {peer}"),
        _ => String::new(),
    };
    [
        judged.line.name.clone(),
        median.unwrap_or_default(),
        interval.unwrap_or_default(),
        goal,
        verdict.to_owned(),
        information,
    ]
}

/// A figure with its unit; signs such as `x` and `/s` follow at once.
fn with_unit(figure: &str, unit: &str) -> String {
    let space = if unit.starts_with('/') || unit == "x" || unit == "%" {
        ""
    } else {
        " "
    };
    format!("{figure}{space}{unit}")
}

/// Three digits that count; whole numbers from 100 on.
fn number(figure: f64) -> String {
    let digits = match figure.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{figure:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{CPU, Line, RATE, Rounds, Row, Sample, Unmeasured};
    use crate::verdict::{Measured, judge};

    #[test]
    fn a_table_has_ratios_goals_and_what_is_missing() {
        let sample = |rate, cpu| Sample::new().with(RATE, rate).with(CPU, cpu);
        let measured = [
            Measured {
                side: "ours".into(),
                samples: vec![sample(700.0, 20.25)],
            },
            Measured {
                side: "native".into(),
                samples: vec![sample(1000.0, 10.0)],
            },
        ];
        let lines = [
            Line::ratio("rate", RATE, "ours", "native").goal(Goal::AtLeast(0.9)),
            Line::absolute("CPU", CPU, "ours").goal(Goal::AtMost(30.0)),
            Line::ratio("other", CPU, "ours", "nobody"),
        ];
        let finished = Finished {
            row: Row {
                name: "sample",
                about: "ours against native",
                rounds: Rounds::AsAsked,
                set_up: |_| Err(Unmeasured::Missing(String::new())),
            },
            lines: lines.iter().map(|line| judge(line, &measured)).collect(),
            measured: measured.to_vec(),
            notes: vec!["`nobody` is missing".into()],
            failure: None,
        };
        let machine = Machine {
            date: String::new(),
            version: "bedcheck 1".into(),
            processors: 2,
            processor: "fast".into(),
            kernel: "6".into(),
            load: Some(0.5),
        };
        assert_eq!(
            table(&machine, &[finished]),
            "\
bedcheck 1, 2 processors (fast), Linux 6, load 0.5
          median      interval      goal                side information
sample: ours against native
  rate    0.700x  0.700..0.700   >= 0.9x  MISSED        700/s against 1000/s
  CPU    20.2 us    20.2..20.2  <= 30 us  met
  other                                   not measured
  ! `nobody` is missing
"
        );
    }
}
