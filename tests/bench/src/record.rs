//! The results as JSON: every sample of every round, so that others can do their own sums.

use serde_json::{Map, Value, json};

use crate::machine::Machine;
use crate::row::{Goal, Row, Sample};
use crate::verdict::{Judged, Measured};

/// What became of a row.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The row.
    pub row: Row,
    /// Its samples.
    pub measured: Vec<Measured>,
    /// Its lines.
    pub lines: Vec<Judged>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Why it is not whole: a sentence.
    pub failure: Option<String>,
}

/// The record of a run; its form is described in the README beside this package.
#[must_use]
pub fn record(machine: &Machine, rows: &[Finished]) -> Value {
    json!({
        "machine": machine,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn row(finished: &Finished) -> Value {
    json!({
        "row": finished.row.name,
        "about": finished.row.about,
        "lines": finished.lines.iter().map(line).collect::<Vec<_>>(),
        "sides": finished.measured.iter().map(side).collect::<Vec<_>>(),
        "notes": finished.notes,
        "failure": finished.failure,
    })
}

fn line(judged: &Judged) -> Value {
    let line = &judged.line;
    let goal = match line.goal {
        Goal::AtLeast(least) => json!({ "at_least": least }),
        Goal::AtMost(most) => json!({ "at_most": most }),
        Goal::None => Value::Null,
    };
    json!({
        "line": line.name,
        "quantity": line.quantity.name,
        "unit": if line.against.is_some() { "1" } else { line.quantity.unit },
        "of": line.of,
        "against": line.against,
        "summary": judged.summary,
        "goal": goal,
        "verdict": judged.verdict,
    })
}

fn side(measured: &Measured) -> Value {
    json!({
        "side": measured.side,
        "rounds": measured.samples.iter().map(sample).collect::<Vec<_>>(),
    })
}

fn sample(sample: &Sample) -> Value {
    let name = |name: &str, unit: &str| format!("{name} ({unit})");
    let values = sample.0.iter();
    let values = values.map(|(quantity, value)| (name(quantity.name, quantity.unit), json!(value)));
    Value::Object(values.collect::<Map<_, _>>())
}
