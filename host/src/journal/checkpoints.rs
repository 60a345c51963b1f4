//! What the observers know, kept on disk: when, and until when it is worth anything.

use std::time::{Duration, Instant};

use super::beside::{self, Checkpoint};
use super::store::Store;
use super::{Observer, Sequence};

/// How often the observers are asked for a checkpoint: what was recorded since is read again after a crash, which is
/// some seconds for a minute of a thousand runs a second.
const EVERY: Duration = Duration::from_secs(60);
/// What a checkpoint may take of the writer's time, at most one part in so many.
const SHARE: u32 = 20;

/// The checkpoints.
pub(super) struct Checkpoints {
    /// Whether this process has observers: if not, what those of another one knew stays.
    are_ours: bool,
    /// After which report the last one is that was kept here and is still worth something.
    kept: Option<Sequence>,
    /// When the last one was made, how long that took, and whether it could not be kept.
    at: Instant,
    took: Duration,
    has_failed: bool,
    /// Why they cannot be kept, as it was said.
    said: Option<String>,
}

impl Checkpoints {
    /// Of a process that has observers or not.
    pub(super) fn new(are_ours: bool) -> Self {
        Self {
            are_ours,
            kept: None,
            at: Instant::now(),
            took: Duration::ZERO,
            has_failed: false,
            said: None,
        }
    }

    /// Whether one after this report is to be kept; at the end whatever the time is. Where there is none to go on from,
    /// or reports after it were removed, only its share of the time is waited for; unless the last one could not be
    /// kept, as the next one cannot either.
    pub(super) fn is_due(&self, newest: Sequence, store: &Store, is_end: bool) -> bool {
        if !self.are_ours || self.kept == Some(newest) {
            return false;
        }
        let passed = self.at.elapsed();
        let is_short = |kept: Sequence| store.first().is_some_and(|first| first > kept.next());
        let is_urgent = !self.has_failed && self.kept.is_none_or(is_short);
        is_end || passed >= self.took * SHARE && (is_urgent || passed >= EVERY)
    }

    /// Keeps what the observers know after this report. Where that cannot be, reports are written all the same: the
    /// checkpoint of many checks is large, and a disk may have room for reports only.
    pub(super) fn keep(&mut self, newest: Sequence, observers: &[Box<dyn Observer>], store: &Store) {
        let begun = Instant::now();
        let states = observers.iter().map(|observer| observer.checkpoint());
        let checkpoint = beside::checkpoint(&Checkpoint {
            sequence: newest,
            observers: states.collect(),
        });
        let failed = store.replace(beside::CHECKPOINT, &checkpoint, true).err();
        (self.at, self.took, self.has_failed) = (Instant::now(), begun.elapsed(), failed.is_some());
        if failed.is_none() {
            self.kept = Some(newest);
        }
        self.say(failed.map(|error| error.to_string()));
    }

    /// The folder is given up for a while. What is counted from here on may never be on disk, which would not be seen: a
    /// new one is kept as soon as it is. To remove a file takes no room of a full disk.
    pub(super) fn forget(&mut self, store: &Store) {
        (self.kept, self.has_failed) = (None, false);
        if self.are_ours {
            store.remove(beside::CHECKPOINT);
        }
    }

    fn say(&mut self, trouble: Option<String>) {
        match &trouble {
            Some(sentence) if self.said.as_ref() != Some(sentence) => tracing::error!(
                "the counters cannot be kept: {sentence}; they go on, and after a restart from the last that were kept"
            ),
            None if self.said.is_some() => tracing::info!("the counters are kept again"),
            _ => {}
        }
        self.said = trouble;
    }
}
