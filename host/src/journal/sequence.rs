//! The number of a report in the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a report: strictly rising in the order in which reports were appended, and going on after a restart.
/// A number that is missing in the journal belongs to a report that was dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The one before the first report.
    pub const NONE: Self = Self(0);

    /// The number of the report after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
