//! The reports, kept: every one gets a number, is written to the disk before anything is derived from it, and is then
//! given to those who derive something, in order and from where they were left. What is derived does not live here.
//!
//! One thread, the writer, takes the reports in: disk, memory, [`Observer`]s. A [`Feed`] is how a delivery reads them:
//! from memory while they are there, else from the disk, so that an outage of a collector, a burst and a restart are
//! the same to it.

mod beside;
mod checkpoints;
mod disk;
#[cfg(test)]
mod disk_tests;
mod feed;
mod found;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod memory_tests;
mod observer;
mod part;
mod reader;
mod record;
mod replay;
mod retention;
mod ring;
mod segments;
mod selection;
mod sequence;
mod settings;
mod shared;
#[cfg(test)]
mod small_disk;
mod state;
mod status;
mod store;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use feed::{Batch, Feed};
pub use observer::Observer;
pub use reader::{Next, Place, Reader};
pub use record::Damage;
pub use selection::{Selection, parse_moment};
pub use sequence::Sequence;
pub use settings::{NoFolder, Settings};
pub use status::{FeedStatus, Status};
pub use store::StoreError;

use crate::outcome::Report;
use checkpoints::Checkpoints;
use disk::Disk;
use found::Found;
use replay::Kept;
use shared::{Progress, Shared};
use writer::Writer;

/// Whether a folder is that of a journal, empty or not.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn is_journal(dir: &Path) -> io::Result<bool> {
    segments::are_in(dir)
}

/// The journal. Clones are the same one; when the last one is gone, the writer ends as after [`Journal::close`].
#[derive(Debug, Clone)]
pub struct Journal(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.want_end();
    }
}

/// What was found when the journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The newest report that there was.
    pub last: Sequence,
    /// How many bytes at the end were no whole record, as left by a crash, and were cut off.
    pub torn: u64,
    /// How many reports were recorded after the observers' last checkpoint, and told to them again.
    pub replayed: u64,
    /// What is not well, in sentences.
    pub problems: Vec<String>,
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process writes to the folder.
    #[error(
        "another process writes to the journal in `{}`, expected a folder of its own for each: set `journal.dir`",
        .0.display()
    )]
    Locked(std::path::PathBuf),
    /// The writer's thread cannot be started.
    #[error("no thread can be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// What a bound left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{unwritten} reports were not written to the journal within {bound:?}")]
pub struct Unfinished {
    /// How many reports still waited.
    pub unwritten: u64,
    /// The bound.
    pub bound: Duration,
}

impl Journal {
    /// Opens the journal and starts its writer. Observers are restored before this returns. Reads the disk.
    ///
    /// A folder that cannot be read or written is no error: reports then wait in memory, [`Status::write_error`] says
    /// why, and it is tried again.
    ///
    /// # Errors
    ///
    /// When another process writes to the folder, or the writer cannot be started.
    pub fn open(
        settings: Settings,
        mut observers: Vec<Box<dyn Observer>>,
    ) -> Result<(Self, Opened), OpenError> {
        let mut found = Found::default();
        if let Some(dir) = &settings.dir {
            found = Found::in_folder(dir, &settings)?;
        }
        let mut opened = found.opened;
        let kept = Kept {
            checkpoint: found.beside.checkpoint,
            dir: settings.dir.as_deref(),
            told: found.told,
            trouble: found
                .store
                .as_ref()
                .and_then(|store| Some(store.as_ref().err()?.to_string())),
        };
        match replay::restore(&mut observers, kept) {
            Ok(replayed) => opened.replayed = replayed,
            Err(sentence) => opened.problems.push(sentence),
        }
        let shared = Shared::new(&settings, opened.last, found.written, found.beside.cursors);
        let shared = Arc::new(shared);
        let disk = settings.dir.clone().zip(found.store);
        let checkpoints = Checkpoints::new(!observers.is_empty());
        let disk = disk.map(|(dir, store)| Disk::new(dir, settings, found.written, store, checkpoints));
        let writer = Writer {
            shared: Arc::clone(&shared),
            observers,
            disk,
            observed: opened.last,
        };
        std::thread::Builder::new()
            .name("bedcheck-journal".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        Ok((Self(Arc::new(Handle(shared))), opened))
    }

    /// Takes a report in, which is then in the journal's order, and gives its number. Costs the caller a lock that
    /// is held for microseconds; everything else happens on the journal's own thread.
    ///
    /// A report that comes while [`Settings::memory`] others wait for the writer, or after [`Journal::close`], is
    /// counted in [`Status::lost`] and as dropped of every signal.
    pub fn append(&self, report: impl Into<Arc<Report>>) -> Sequence {
        self.shared().append(report.into())
    }

    /// The feed of a signal, from the report after the last one that was delivered, by this process or by one before;
    /// for a signal that has never been delivered, from the next report on. Of each signal, only the feed that was asked for last is to be used.
    pub fn feed(&self, signal: &'static str) -> Feed {
        Feed::new(Arc::clone(self.shared()), signal)
    }

    /// How often the writer has looked whether there is something to do: at least once a second while it gets on.
    pub fn beats(&self) -> u64 {
        self.shared().beats()
    }

    /// Whether the writer has ended.
    pub fn has_ended(&self) -> bool {
        self.shared().has_ended()
    }

    /// How the journal is.
    pub fn status(&self) -> Status {
        self.shared().lock().status()
    }

    /// Waits until everything that was appended so far is recorded: on disk, with the observers, for the feeds.
    ///
    /// # Errors
    ///
    /// When that takes longer than the bound, or cannot be done.
    pub async fn flush(&self, bound: Duration) -> Result<(), Unfinished> {
        let number = self.shared().want_flush();
        self.wait(bound, |progress| progress.ended || progress.flushed >= number)
            .await
    }

    /// Ends the writer when it is through with everything; reports that come later are lost. To be called when the
    /// deliveries have ended, as how far they are is kept by the writer.
    ///
    /// # Errors
    ///
    /// As those of [`Journal::flush`].
    pub async fn close(&self, bound: Duration) -> Result<(), Unfinished> {
        self.shared().want_end();
        self.wait(bound, |progress| progress.ended).await
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    async fn wait(&self, bound: Duration, is_done: impl FnMut(&Progress) -> bool) -> Result<(), Unfinished> {
        let mut progress = self.shared().progress();
        let is_over = tokio::time::timeout(bound, progress.wait_for(is_done))
            .await
            .is_ok();
        let done = self.status();
        match done.unwritten {
            0 if is_over => Ok(()),
            unwritten => Err(Unfinished { unwritten, bound }),
        }
    }
}
