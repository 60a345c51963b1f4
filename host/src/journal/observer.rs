//! Who is told of every report that the journal holds.

use super::Sequence;
use crate::outcome::Report;

/// Is told of every report, in order, on the journal's own thread and after the report is on disk.
pub trait Observer: Send {
    /// A report was recorded.
    fn recorded(&mut self, sequence: Sequence, report: &Report);

    /// What is to be kept of what it knows, so that it can go on from there after a restart; none when there is
    /// nothing. Asked for once a minute at most, and when the journal is closed.
    fn checkpoint(&self) -> Option<serde_json::Value>;

    /// Called once, before anything else: what [`Observer::checkpoint`] gave last, if it is there. The reports that
    /// were recorded after that follow through [`Observer::recorded`].
    fn restore(&mut self, checkpoint: Option<serde_json::Value>);
}
