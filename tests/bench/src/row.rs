//! What a row is made of: sides that are measured, and lines that compare them. No measuring here.

use std::time::Duration;

/// A question that the benchmark answers.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// By which it is asked for on the command line.
    pub name: &'static str,
    /// What it compares, in a sentence.
    pub about: &'static str,
    /// How often it is measured.
    pub rounds: Rounds,
    /// Starts what it needs. What it starts must end when the stand is dropped.
    pub set_up: fn(&crate::bench::Bench) -> Result<Stand, Unmeasured>,
}

/// How many rounds a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounds {
    /// As many as were asked for.
    AsAsked,
    /// No more than this many, and none to warm up: a turn takes tens of seconds.
    AtMost(usize),
}

/// Why there is nothing to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmeasured {
    /// Something that need not be there is not: a sentence that says what, and how to get it.
    Missing(String),
    /// Something went wrong: a sentence that says what.
    Failed(String),
}

impl From<String> for Unmeasured {
    fn from(sentence: String) -> Self {
        Self::Failed(sentence)
    }
}

/// What is measured for a row, ready.
#[derive(Default)]
pub struct Stand {
    /// Who is measured, in the order of a round; the next round goes backwards.
    pub sides: Vec<Side>,
    /// What is made of it, in the order of the table.
    pub lines: Vec<Line>,
    /// What a reader should know, such as a peer that is missing: sentences.
    pub notes: Vec<String>,
}

impl Stand {
    /// A stand with nothing on it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a side, which is measured by this once a round.
    #[must_use]
    pub fn side(
        mut self,
        name: impl Into<String>,
        measure: impl FnMut(&Turn) -> Result<Sample, String> + 'static,
    ) -> Self {
        self.sides.push(Side {
            name: name.into(),
            measure: Box::new(measure),
        });
        self
    }

    /// Adds a line.
    #[must_use]
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, sentence: impl Into<String>) -> Self {
        self.notes.push(sentence.into());
        self
    }
}

/// One who is measured.
pub struct Side {
    /// How lines and samples call it.
    pub name: String,
    /// Measures it for a turn, or says in a sentence why that is not possible.
    pub measure: Measure,
}

/// Measures for a turn; the error is a sentence.
pub type Measure = Box<dyn FnMut(&Turn) -> Result<Sample, String>>;

/// One side's part in one round.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// How long to measure, where a side can choose: until so much time has passed.
    pub length: Duration,
    /// Whether the row is to make do with little, as `--quick` asks for.
    pub is_quick: bool,
}

/// Something that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// Its name, such as `rate`.
    pub name: &'static str,
    /// Its unit, such as `/s`.
    pub unit: &'static str,
}

/// How many a second, by the clock on the wall.
pub const RATE: Quantity = Quantity {
    name: "rate",
    unit: "/s",
};
/// CPU time for each, in microseconds, user and system.
pub const CPU: Quantity = Quantity {
    name: "cpu",
    unit: "us",
};
/// Time for each by the clock on the wall, in milliseconds.
pub const WALL: Quantity = Quantity {
    name: "wall",
    unit: "ms",
};

/// What a side cost in one turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample(pub Vec<(Quantity, f64)>);

impl Sample {
    /// A sample without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Rate and CPU time of so many things that took so long and so much.
    #[must_use]
    pub fn of_many(number: u64, took: Duration, cpu: Duration) -> Self {
        let number = number as f64;
        Self::new()
            .with(RATE, number / took.as_secs_f64())
            .with(CPU, cpu.as_secs_f64() * 1e6 / number)
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, quantity: Quantity, value: f64) -> Self {
        self.0.push((quantity, value));
        self
    }

    /// The value of a quantity, if it was measured.
    #[must_use]
    pub fn get(&self, quantity: Quantity) -> Option<f64> {
        let found = self.0.iter().find(|(known, _)| *known == quantity);
        found.map(|(_, value)| *value)
    }
}

/// A line of the table: one quantity of one side, beside that of another in the same round, or by itself.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it says, after the row's name.
    pub name: String,
    /// What is compared.
    pub quantity: Quantity,
    /// Whose it is.
    pub of: String,
    /// What it is divided by, round by round; without it, the line is an absolute figure.
    pub against: Option<String>,
    /// What is to be reached.
    pub goal: Goal,
}

impl Line {
    /// The ratio of two sides, of which nothing is asked.
    pub fn ratio(
        name: impl Into<String>,
        quantity: Quantity,
        of: impl Into<String>,
        against: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            quantity,
            of: of.into(),
            against: Some(against.into()),
            goal: Goal::None,
        }
    }

    /// The figure of one side, of which nothing is asked.
    pub fn absolute(name: impl Into<String>, quantity: Quantity, of: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            quantity,
            of: of.into(),
            against: None,
            goal: Goal::None,
        }
    }

    /// The same line, of which this is asked.
    #[must_use]
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }
}

/// What a line is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Nothing: side information.
    None,
}
