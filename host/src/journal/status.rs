//! How the journal is, as the API and the metrics show it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::Sequence;

/// How the journal is at the moment. Counts are since the program began unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The folder on disk; none when reports are kept in memory only.
    pub dir: Option<PathBuf>,
    /// How many segments there are on disk, as far as is known when it cannot be used.
    pub segments: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// The oldest report on disk may be this one, and is none before it.
    pub first: Option<Sequence>,
    /// The newest report that was appended.
    pub last: Sequence,
    /// The newest report that is on disk.
    pub written: Sequence,
    /// How many reports wait to be written; without a folder, to be recorded.
    pub unwritten: u64,
    /// For how long the oldest of these has waited, in seconds.
    #[serde(rename = "lag_s", serialize_with = "seconds")]
    pub lag: Duration,
    /// How many reports are held in memory.
    pub in_memory: u64,
    /// How many reports were written.
    pub records: u64,
    /// How many bytes were written.
    pub bytes_written: u64,
    /// How often writing failed.
    pub write_errors: u64,
    /// Why nothing can be written at the moment; none when all is well.
    pub write_error: Option<String>,
    /// How many reports are not on disk and never will be, as too many waited.
    pub lost: u64,
    /// How many segments were removed because of size or age.
    pub removed_segments: u64,
    /// How many pieces of the journal could not be read, as they were damaged.
    pub damaged: u64,
    /// How far each signal is, by its name.
    pub feeds: Vec<FeedStatus>,
}

/// How far the delivery of a signal is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeedStatus {
    /// The signal: `traces`, `logs`.
    pub signal: &'static str,
    /// The newest report that was delivered.
    pub delivered: Sequence,
    /// How many reports wait for it.
    pub waiting: u64,
    /// How old the oldest of these is, counted from the end of its run, in seconds; none when none waits, or when it
    /// has not been read from the disk since the program began.
    #[serde(rename = "oldest_s", serialize_with = "optional_seconds")]
    pub oldest: Option<Duration>,
    /// How many reports were gone before they could be delivered.
    pub dropped: u64,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde gives a reference")]
fn optional_seconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_some(&duration.as_secs_f64()),
        None => serializer.serialize_none(),
    }
}
