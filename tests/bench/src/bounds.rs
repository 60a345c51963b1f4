//! What counts may be: a figure that was measured, and how much more is let pass. Text to bounds and back, and counts
//! held against them; pure.
//!
//! A line has the row, the count, the figure and the margin, such as `http allocations 312 +10%` or `http page-faults 0 +2`;
//! what is empty or begins with `#` is for people, and stays when the figures are made anew.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// What was counted, by row and count.
pub type Counts = BTreeMap<(String, String), f64>;

/// The bounds of all counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq)]
enum Line {
    Text(String),
    Bound(Bound),
}

#[derive(Debug, Clone, PartialEq)]
struct Bound {
    row: String,
    count: String,
    measured: f64,
    margin: Margin,
}

/// How much more than measured is let pass.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Margin {
    Percent(f64),
    /// So many: of what there is hardly any, no percentage tells noise from growth.
    Count(f64),
}

impl Margin {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+')?;
        Some(match text.strip_suffix('%') {
            Some(percent) => Self::Percent(percent.parse().ok()?),
            None => Self::Count(text.parse().ok()?),
        })
    }
}

impl fmt::Display for Margin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(formatter, "+{percent}%"),
            Self::Count(count) => write!(formatter, "+{count}"),
        }
    }
}

impl Bound {
    fn most(&self) -> f64 {
        match self.margin {
            Margin::Percent(percent) => self.measured * (1.0 + percent / 100.0),
            Margin::Count(count) => self.measured + count,
        }
    }
}

impl Bounds {
    /// Reads bounds.
    ///
    /// # Errors
    ///
    /// A sentence about the first line that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let line = |(number, line): (usize, &str)| {
            if line.is_empty() || line.starts_with('#') {
                return Ok(Line::Text(line.to_owned()));
            }
            bound(line).map(Line::Bound).ok_or_else(|| {
                format!(
                    "line {}: found `{line}`, wanted `ROW COUNT FIGURE +MARGIN%` or `ROW COUNT FIGURE +MARGIN`",
                    number + 1
                )
            })
        };
        let lines = text.lines().enumerate().map(line).collect::<Result<_, _>>()?;
        Ok(Self { lines })
    }

    /// The same bounds around what was counted now; the margins stay.
    #[must_use]
    pub fn anew(&self, counts: &Counts) -> Self {
        let mut anew = self.clone();
        for line in &mut anew.lines {
            if let Line::Bound(bound) = line
                && let Some(counted) = counts.get(&(bound.row.clone(), bound.count.clone()))
            {
                bound.measured = (counted * 10.0).round() / 10.0;
            }
        }
        anew
    }

    /// Those of all counts but these.
    #[must_use]
    pub fn without(mut self, counts: &[&str]) -> Self {
        self.lines
            .retain(|line| !matches!(line, Line::Bound(bound) if counts.contains(&bound.count.as_str())));
        self
    }

    /// As they are read, in columns.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            // Writing to a string cannot fail.
            let _ = match line {
                Line::Text(line) => writeln!(text, "{line}"),
                Line::Bound(Bound {
                    row,
                    count,
                    measured,
                    margin,
                }) => {
                    writeln!(text, "{row:<10} {count:<14} {measured:>12} {margin}")
                }
            };
        }
        text
    }

    /// What is wrong with these counts, a sentence each: those over their bound, those without one, bounds of what was
    /// not counted.
    #[must_use]
    pub fn broken_by(&self, counts: &Counts) -> Vec<String> {
        let mut left = counts.clone();
        let mut sentences = Vec::new();
        for line in &self.lines {
            let Line::Bound(bound) = line else { continue };
            let Bound {
                row,
                count,
                measured,
                margin,
            } = bound;
            match left.remove(&(row.clone(), count.clone())) {
                Some(counted) if counted > bound.most() => {
                    let most = bound.most();
                    sentences.push(format!(
                        "{row}: {count} grew from {measured} to {counted:.1} a run; {most:.1} ({margin}) would pass"
                    ));
                }
                Some(_) => {}
                None => sentences.push(format!("{row}: {count} has a bound, and was not counted")),
            }
        }
        let unbounded = left
            .keys()
            .map(|(row, count)| format!("{row}: {count} was counted, and has no bound"));
        sentences.extend(unbounded);
        sentences
    }
}

fn bound(line: &str) -> Option<Bound> {
    let mut words = line.split_whitespace();
    let (row, count) = (words.next()?.to_owned(), words.next()?.to_owned());
    let measured = words.next()?.parse().ok()?;
    let margin = Margin::parse(words.next()?)?;
    words.next().is_none().then_some(Bound {
        row,
        count,
        measured,
        margin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# What it costs.\n\nhttp       allocations             100 +10%\nhttp       fuel                 2000.5 +5%\n";

    fn counts(allocations: f64, fuel: f64) -> Counts {
        let key = |count: &str| ("http".to_owned(), count.to_owned());
        Counts::from([(key("allocations"), allocations), (key("fuel"), fuel)])
    }

    fn bounds() -> Bounds {
        Bounds::parse(TEXT).expect("bounds")
    }

    #[test]
    fn what_is_within_the_margin_passes_and_what_is_over_it_is_told() {
        assert_eq!(bounds().broken_by(&counts(109.9, 1.0)), [""; 0]);
        assert_eq!(
            bounds().broken_by(&counts(110.1, 2000.5)),
            ["http: allocations grew from 100 to 110.1 a run; 110.0 (+10%) would pass"]
        );
    }

    #[test]
    fn of_what_there_is_hardly_any_a_few_more_pass() {
        let text = "http       page-faults               0 +2\n";
        let bounds = Bounds::parse(text).expect("bounds");
        let faults = |faults| Counts::from([(("http".to_owned(), "page-faults".to_owned()), faults)]);
        assert_eq!(bounds.text(), text);
        assert_eq!(bounds.broken_by(&faults(2.0)), [""; 0]);
        assert_eq!(
            bounds.broken_by(&faults(2.1)),
            ["http: page-faults grew from 0 to 2.1 a run; 2.0 (+2) would pass"]
        );
    }

    #[test]
    fn a_count_that_is_not_held_has_no_bound() {
        let fuel = Counts::from([(("http".to_owned(), "fuel".to_owned()), 1.0)]);
        assert_eq!(bounds().without(&["allocations"]).broken_by(&fuel), [""; 0]);
    }

    #[test]
    fn nothing_goes_uncounted_or_unbounded() {
        let other = Counts::from([(("imap".to_owned(), "fuel".to_owned()), 1.0)]);
        assert_eq!(
            bounds().broken_by(&other),
            [
                "http: allocations has a bound, and was not counted",
                "http: fuel has a bound, and was not counted",
                "imap: fuel was counted, and has no bound",
            ]
        );
    }

    #[test]
    fn figures_are_made_anew_and_all_else_stays() {
        assert_eq!(bounds().text(), TEXT);
        let anew = bounds().anew(&counts(80.04, 2000.5)).text();
        assert_eq!(anew, TEXT.replace("  100 ", "   80 "));
    }

    #[test]
    fn a_line_that_is_no_bound_is_refused_with_its_number() {
        for line in [
            "http fuel",
            "http fuel x +1%",
            "http fuel 1 10%",
            "http fuel 1 +1% more",
        ] {
            let error = Bounds::parse(&format!("# text\n{line}\n")).expect_err(line);
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }
}
