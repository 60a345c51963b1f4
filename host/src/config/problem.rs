//! What is wrong with a configuration, and where. Pure.

use std::fmt::{self, Display};
use std::sync::Arc;

use crate::text::told;

/// The longest message, in bytes: a plugin's words may be in it.
const MAX_MESSAGE: usize = 4096;

/// A place in a text: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Where something of a configuration stands. Files come before options, and places in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A file as a whole, by the name it was given.
    File(Arc<str>),
    /// A place in a file.
    Text(Arc<str>, Position),
    /// An option of the command line, such as `--set url`.
    Option(Arc<str>),
}

impl Location {
    /// An option of the command line, as it was written.
    pub fn option(option: impl Into<Arc<str>>) -> Self {
        Self::Option(option.into())
    }

    /// Line and column, for a place in a file.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Text(_, position) => Some(*position),
            Self::File(_) | Self::Option(_) => None,
        }
    }
}

impl Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) | Self::Option(name) => formatter.write_str(name),
            Self::Text(name, Position { line, column }) => write!(formatter, "{name}:{line}:{column}"),
        }
    }
}

/// One thing that is wrong. Shown as `FILE:LINE:COLUMN: what was found and what was wanted`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub location: Location,
    /// What was found and what was wanted; never shows a secret.
    pub message: String,
    /// Whether the line may hold a secret and must not be shown.
    pub(super) concealed: bool,
    /// Whether it may be over later though nobody mends anything.
    pub(super) may_pass: bool,
}

impl Problem {
    /// A problem at a place.
    pub fn new(location: Location, message: impl Into<String>) -> Self {
        Self {
            location,
            message: told(&message.into(), MAX_MESSAGE),
            concealed: false,
            may_pass: false,
        }
    }

    /// A problem in a line that may hold a secret: the line is never shown.
    pub fn concealed(location: Location, message: impl Into<String>) -> Self {
        Self {
            location,
            message: told(&message.into(), MAX_MESSAGE),
            concealed: true,
            may_pass: false,
        }
    }

    /// The same, of what may be over later though nobody mends anything.
    pub(crate) fn that_may_pass(mut self, may_pass: bool) -> Self {
        self.may_pass = may_pass;
        self
    }
}

impl Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.location, self.message)
    }
}

/// Everything that is wrong, in the order of the file; at least one problem. Shown one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok` if the list is empty, else the problems in order and each once.
    ///
    /// # Errors
    ///
    /// When there are problems.
    pub fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        match problems.pop() {
            Some(problem) => Err(Self::new(problem, problems)),
            None => Ok(()),
        }
    }

    /// A problem and any others, in order and each once.
    pub fn new(first: Problem, mut others: Vec<Problem>) -> Self {
        others.push(first);
        others.sort();
        others.dedup();
        Self(others)
    }

    /// The problems in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.0.iter()
    }

    /// Whether all of them may be over later though nobody mends anything.
    pub(crate) fn may_pass(&self) -> bool {
        self.0.iter().all(|problem| problem.may_pass)
    }

    /// The problems, to be joined with others.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Location {
        Location::Text("checks.toml".into(), Position { line, column })
    }

    #[test]
    fn problems_are_in_the_order_of_the_file_and_each_once() {
        let problems = Problems::check(vec![
            Problem::new(Location::option("--set url"), "later"),
            Problem::new(at(10, 2), "c"),
            Problem::new(at(9, 30), "b"),
            Problem::new(at(9, 4), "a"),
            Problem::new(at(9, 4), "a"),
        ]);
        assert_eq!(
            problems.unwrap_err().to_string(),
            "checks.toml:9:4: a\nchecks.toml:9:30: b\nchecks.toml:10:2: c\n--set url: later"
        );
        assert_eq!(Problems::check(Vec::new()), Ok(()));
    }
}
