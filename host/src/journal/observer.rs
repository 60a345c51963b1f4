//! Who is told of every report that the journal holds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Sequence;
use crate::outcome::Report;

/// Is told of every report, in order, on the journal's own thread and after the report is on disk.
pub trait Observer: Send {
    /// A report was recorded.
    fn recorded(&mut self, sequence: Sequence, report: &Report);

    /// What is to be kept of what it knows, so that it can go on from there after a restart; none when there is
    /// nothing. Asked for about once a minute, oftener where the journal is so small that it has no minute of reports,
    /// and when the journal is closed.
    fn checkpoint(&self) -> Option<serde_json::Value>;

    /// Called once, before anything else: what [`Observer::checkpoint`] gave last, if it is there, and so is every report
    /// that was recorded after it; these follow through [`Observer::recorded`]. Else it is to begin anew.
    fn restore(&mut self, checkpoint: Option<serde_json::Value>);
}

/// Tells an observer of a report. One that panics is a defect of its own, and ends nothing else.
pub(super) fn tell(observer: &mut dyn Observer, sequence: Sequence, report: &Report) {
    let told = catch_unwind(AssertUnwindSafe(|| observer.recorded(sequence, report)));
    if told.is_err() {
        tracing::error!(sequence = sequence.0, "an observer of the journal panicked");
    }
}
