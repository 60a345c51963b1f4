//! What is wrong with a text that is no TOML, in our words.

use super::super::problem::Problem;
use super::super::source::Source;
use super::super::words::quoted;
use super::line_of;

/// The first error of each line: the others follow from it.
pub(super) fn syntax_problems(source: &Source, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = errors.iter().map(|error| syntax_problem(source, error)).collect();
    problems.sort_by(|left, right| left.location.cmp(&right.location));
    problems.dedup_by_key(|problem| line_of(problem));
    problems
}

fn syntax_problem(source: &Source, error: &toml::de::Error) -> Problem {
    const NO_VALUE: [&str; 5] = [
        "string values must be quoted",
        "invalid float",
        "invalid boolean",
        "invalid integer",
        "invalid number",
    ];
    let span = error.span().unwrap_or_default();
    let message = match error.message() {
        "duplicate key" => format!("{}: the key is given twice", quoted(source.slice(span.clone()))),
        message if NO_VALUE.iter().any(|start| message.starts_with(start)) => {
            let word = source.word_at(span.start);
            let found = if source.may_hold_a_secret(span.start) {
                String::new()
            } else {
                format!("found {}, ", quoted(word))
            };
            format!("syntax error: {found}wanted a value; a text needs quotes, such as `\"text\"`")
        }
        message => format!("syntax error: {}", message.replace(", expected ", ", wanted ")),
    };
    Problem::new(source.location(span.start), message)
}
