//! What can be set about the journal, and the defaults with their reasons.

use std::path::PathBuf;
use std::time::Duration;

/// How reports are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the journal on disk; without one, reports are kept in memory only.
    pub dir: Option<PathBuf>,
    /// How many bytes the journal may have on disk, 1 GiB by default: half a million reports of 2 KiB, and what
    /// nobody misses on a machine. Over it, the oldest segment is removed.
    pub max_size: u64,
    /// How long a report is kept, 7 days by default: an incident is looked into within the week. Older segments are removed.
    pub max_age: Duration,
    /// At how many bytes a segment is closed and the next one begun, 16 MiB by default: one sixty-fourth of the
    /// journal is what a removal takes away at once, and is read in a fraction of a second.
    pub segment_size: u64,
    /// How often what was written is forced to the disk, 1 s by default: a crash of the machine loses a second.
    /// What a crash of the process alone would lose is nothing, whatever is set. Zero: after every write.
    pub sync: Duration,
    /// How many reports may wait in memory, for the disk or, without one, for their delivery; 16,384 by default,
    /// more than a burst of 10,000 runs. At some 4 KiB a report this is 64 MiB. Over it, the oldest one goes.
    pub memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: None,
            max_size: 1 << 30,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            segment_size: 16 << 20,
            sync: Duration::from_secs(1),
            memory: 16 * 1024,
        }
    }
}
