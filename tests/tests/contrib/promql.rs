//! PromQL → the names in it: metrics, the labels that are asked of them, the labels that are grouped by. Only as much of
//! the grammar as that takes; whether an expression is right is what Prometheus is asked.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

/// Words that are no metrics where no bracket follows.
const WORDS: [&str; 8] = ["and", "or", "unless", "offset", "bool", "inf", "nan", "atan2"];
/// What a list of labels follows.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The names of an expression.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// The metrics.
    pub(crate) metrics: BTreeSet<String>,
    /// The labels that are asked of a metric to have a value: the metric, the label.
    pub(crate) labels: BTreeSet<(String, String)>,
    /// The labels of lists such as that of `by`.
    pub(crate) lists: BTreeSet<String>,
}

/// The names in this expression.
pub(crate) fn names(expression: &str) -> Names {
    let mut names = Names::default();
    let mut rest = expression.chars().peekable();
    let mut last = String::new();
    while let Some(&next) = rest.peek() {
        match next {
            '"' | '\'' => drop(text(&mut rest)),
            '[' => drop(rest.by_ref().find(|&end| end == ']')),
            '{' => matchers(&mut rest, &last, &mut names),
            '#' => drop(rest.by_ref().find(|&end| end == '\n')),
            start if is_start(start) => {
                last = word(&mut rest);
                let is_call = is_followed_by(&rest, '(') || is_aggregation(&rest);
                if BEFORE_LABELS.contains(&last.as_str()) {
                    list(&mut rest, &mut names);
                } else if !is_call && !WORDS.contains(&last.as_str()) {
                    names.metrics.insert(last.clone());
                }
            }
            // A number with its unit is no word.
            digit if digit.is_ascii_digit() => {
                word(&mut rest);
            }
            _ => {
                rest.next();
            }
        }
    }
    names
}

fn is_start(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, '_' | ':')
}

/// A word, or a number with its unit.
fn word(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(letter) = rest.next_if(|&letter| is_start(letter) || letter.is_ascii_digit()) {
        word.push(letter);
    }
    word
}

/// A text in quotes.
fn text(rest: &mut Peekable<Chars<'_>>) -> String {
    let quote = rest.next();
    let mut text = String::new();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => text.extend(rest.next()),
            end if Some(end) == quote => break,
            other => text.push(other),
        }
    }
    text
}

fn is_followed_by(rest: &Peekable<Chars<'_>>, wanted: char) -> bool {
    rest.clone().find(|letter| !letter.is_whitespace()) == Some(wanted)
}

/// Whether what comes next is `by` or `without`.
fn is_aggregation(rest: &Peekable<Chars<'_>>) -> bool {
    let mut rest = rest.clone();
    while rest.next_if(|letter| letter.is_whitespace()).is_some() {}
    matches!(word(&mut rest).as_str(), "by" | "without")
}

/// `{label="value", …}` of a metric. A label that has to be empty need not be there.
fn matchers(rest: &mut Peekable<Chars<'_>>, metric: &str, names: &mut Names) {
    rest.next();
    let mut label = String::new();
    while let Some(&next) = rest.peek() {
        match next {
            '}' => break,
            '"' | '\'' => {
                if !text(rest).is_empty() {
                    names.labels.insert((metric.to_owned(), label.clone()));
                }
            }
            start if is_start(start) => label = word(rest),
            _ => {
                rest.next();
            }
        }
    }
    rest.next();
}

/// `(label, …)`, if it is there.
fn list(rest: &mut Peekable<Chars<'_>>, names: &mut Names) {
    if !is_followed_by(rest, '(') {
        return;
    }
    while let Some(&next) = rest.peek() {
        if next == ')' {
            break;
        } else if is_start(next) {
            names.lists.insert(word(rest));
        } else {
            rest.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
        names.map(str::to_owned).into()
    }

    #[test]
    fn an_expression_is_taken_apart() {
        let found = names(
            "sum by (a, le) (rate(x_total{b=\"1}\", c=~'d', e=\"\"}[5m] offset 1d)) / on () group_left () y > bool 3e5 # z",
        );
        assert_eq!(found.metrics, set(["x_total", "y"]));
        assert_eq!(found.lists, set(["a", "le"]));
        let labels = ["b", "c"].map(|label| ("x_total".to_owned(), label.to_owned()));
        assert_eq!(found.labels, labels.into());
    }
}
