//! What a file says about the journal.

use std::path::PathBuf;
use std::time::Duration;

/// How reports are kept (`[journal]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Whether they are kept on disk. By default they are.
    pub enabled: bool,
    /// The folder; without it, `journal` in the folder that systemd gives (`STATE_DIRECTORY`), or `bedcheck/journal`
    /// in the user's folder of state.
    pub dir: Option<PathBuf>,
    /// The most bytes on disk, 1 MiB to 1 TiB. By default 1 GiB: half a million reports of 2 KiB.
    pub max_size: u64,
    /// How long reports are kept, 1 min to 10 years. By default 7 days: an incident is looked into within the week.
    pub max_age: Duration,
    /// How often what was written is forced to the disk, up to 1 min; 0 is after every write. By default 1 s: a crash
    /// of the machine loses a second.
    pub sync: Duration,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            enabled: true,
            dir: None,
            max_size: 1024 * 1024 * 1024,
            max_age: Duration::from_secs(7 * 24 * 3600),
            sync: Duration::from_secs(1),
        }
    }
}
