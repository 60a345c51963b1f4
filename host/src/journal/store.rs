//! The journal's folder as its one writer sees it: the lock, the segment that is being written, the small files beside.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::reader::{Next, Reader, is_lasting};
use super::retention::{self, Age};
#[cfg(test)]
use super::small_disk::write_all;
use super::{Sequence, Settings, segments};

/// Only the user that runs bedcheck reads the journal: reports have addresses and messages of peers.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The folder, held by this process.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    settings: Settings,
    lock: File,
    /// Oldest first; the last one is being written if `current` is there.
    segments: Vec<Segment>,
    current: Option<Current>,
    is_synced: bool,
}

#[derive(Debug)]
struct Segment {
    first: Sequence,
    age: Age,
}

#[derive(Debug)]
struct Current {
    file: File,
    begun: SystemTime,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes to it.
    #[error("another process writes to `{}`", .0.display())]
    Locked(PathBuf),
    /// Something in it cannot be read or written.
    #[error("`{}`: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why lines were not written.
#[derive(Debug)]
pub(super) struct NotWritten {
    pub(super) error: StoreError,
    /// Whether less may have room.
    pub(super) is_full: bool,
    /// Whether nothing of them is left in the folder.
    pub(super) is_cut_off: bool,
}

impl From<StoreError> for NotWritten {
    fn from(error: StoreError) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let is_full = match &error {
            StoreError::Io { source, .. } => [StorageFull, QuotaExceeded].contains(&source.kind()),
            StoreError::Locked(_) => false,
        };
        Self {
            error,
            is_full,
            is_cut_off: true,
        }
    }
}

/// What stands in a folder.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The newest report.
    pub(super) last: Sequence,
    /// How many bytes at the end are no whole record, as left by a crash.
    pub(super) torn: u64,
    /// How many bytes of the newest segment are before them.
    whole: u64,
    /// How many whole lines at the end are damaged.
    pub(super) damaged: u64,
    /// What keeps the newest segment from being read, and what becomes of it, in a sentence.
    pub(super) unreadable: Option<String>,
}

/// Finds the newest report of a folder. Changes nothing.
pub(super) fn scan(dir: &Path) -> Result<Scan, StoreError> {
    let listed = segments::list(dir).map_err(at(dir))?;
    let mut scan = Scan::default();
    for (index, first) in listed.iter().enumerate().rev() {
        let file = segments::path(dir, *first);
        let size = std::fs::metadata(&file).map_err(at(&file))?.len();
        let is_newest = index + 1 == listed.len();
        match scan_segment(dir, *first) {
            Ok(segment) => {
                scan.last = segment.last;
                if is_newest {
                    (scan.torn, scan.whole) = (size.saturating_sub(segment.whole), segment.whole);
                    scan.damaged = segment.damaged;
                }
            }
            Err(error) if is_newest && is_lasting(&error) => {
                scan.unreadable = Some(format!(
                    "{}; its reports are passed over, and another one is begun after it",
                    at(&file)(error)
                ));
                // Which reports it has is not known, but of the first one.
                scan.last = *first;
            }
            Err(error) => return Err(at(&file)(error)),
        }
        if scan.last > Sequence::NONE {
            break;
        }
        // A segment without any report still says where it would begin.
        scan.last = Sequence(first.0.saturating_sub(1));
    }
    Ok(scan)
}

/// Finds the newest report of a segment.
fn scan_segment(dir: &Path, first: Sequence) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut reader = Reader::of_segment(dir, first)?;
    loop {
        match reader.read_next()? {
            Next::Record(sequence) => {
                scan.last = sequence;
                scan.whole = reader.offset();
                scan.damaged = 0;
            }
            Next::Damaged(..) => scan.damaged += 1,
            Next::End => return Ok(scan),
        }
    }
}

impl Store {
    /// Takes the folder, making it if it is not there, and cuts off what a crash left at its end.
    pub(super) fn open(dir: &Path, settings: &Settings) -> Result<(Self, Scan), StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(dir)
            .map_err(at(dir))?;
        let lock = locked(dir)?;
        let scan = scan(dir)?;
        let mut store = Self {
            dir: dir.to_owned(),
            settings: settings.clone(),
            lock,
            segments: Vec::new(),
            current: None,
            is_synced: true,
        };
        for first in segments::list(dir).map_err(at(dir))? {
            let file = segments::path(dir, first);
            let found = std::fs::metadata(&file).map_err(at(&file))?;
            let age = Age {
                bytes: found.len(),
                newest: found.modified().map_err(at(&file))?,
            };
            store.segments.push(Segment { first, age });
        }
        if let Some(newest) = store.segments.last_mut().filter(|_| scan.unreadable.is_none()) {
            let file = segments::path(dir, newest.first);
            let opened = OpenOptions::new().append(true).open(&file).map_err(at(&file))?;
            if scan.torn > 0 {
                opened.set_len(scan.whole).map_err(at(&file))?;
                newest.age.bytes = scan.whole;
            }
            // Not every file system knows it.
            let begun = opened.metadata().and_then(|found| found.created());
            store.current = Some(Current {
                begun: begun.unwrap_or(newest.age.newest),
                file: opened,
            });
        }
        Ok((store, scan))
    }

    /// Writes lines, of which the first one is of this report, whole or not at all. The segment is closed before if
    /// it is full. What is too much is to be removed before.
    pub(super) fn append(
        &mut self,
        first: Sequence,
        lines: &[u8],
        now: SystemTime,
    ) -> Result<(), NotWritten> {
        let to_come = lines.len() as u64;
        self.close_if_full(to_come, now)?;
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin(first, now)?,
        };
        let file = || segments::path(&self.dir, first);
        let Some(segment) = self.segments.last_mut() else {
            return Err(at(&file())(io::ErrorKind::NotFound.into()).into());
        };
        if segment.age.bytes == 0 {
            current.begun = now;
        }
        if let Err(error) = write_all(&self.dir, &mut current.file, lines) {
            // What was written of it is cut off; if that fails as well, what is no whole line is cut off when the folder
            // is opened again.
            let is_cut_off = current.file.set_len(segment.age.bytes).is_ok();
            self.current = Some(current).filter(|_| is_cut_off);
            let error = at(&segments::path(&self.dir, segment.first))(error);
            return Err(NotWritten {
                is_cut_off,
                ..error.into()
            });
        }
        segment.age = Age {
            bytes: segment.age.bytes + to_come,
            newest: now,
        };
        self.is_synced = false;
        self.current = Some(current);
        Ok(())
    }

    /// Closes the segment that is being written if it has no room for so much more, or is old.
    fn close_if_full(&mut self, to_come: u64, now: SystemTime) -> Result<(), StoreError> {
        if let (Some(current), Some(segment)) = (&self.current, self.segments.last())
            && retention::is_full(&self.settings, current.begun, segment.age.bytes, to_come, now)
        {
            self.sync()?;
            self.current = None;
        }
        Ok(())
    }

    /// Closes the segment that is being written if it is old, so that it can be removed though nothing is appended.
    /// The one after it is begun at once: its name says which report is next when nothing else does any more.
    pub(super) fn age(&mut self, next: Sequence, now: SystemTime) -> Result<(), StoreError> {
        if self.current.is_none() {
            return Ok(());
        }
        self.close_if_full(0, now)?;
        if self.current.is_none() {
            self.current = Some(self.begin(next, now)?);
        }
        Ok(())
    }

    fn begin(&mut self, first: Sequence, now: SystemTime) -> Result<Current, StoreError> {
        let path = segments::path(&self.dir, first);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(at(&path))?;
        let folder = File::open(&self.dir).and_then(|dir| dir.sync_all());
        folder.map_err(at(&self.dir))?;
        self.segments.push(Segment {
            first,
            age: Age {
                bytes: 0,
                newest: now,
            },
        });
        Ok(Current { file, begun: now })
    }

    /// Forces what was written to the disk, and finds out whether the files are still in their folder.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if let Some(current) = self.current.as_ref().filter(|_| !self.is_synced) {
            current.file.sync_data().map_err(at(&self.dir))?;
        }
        self.is_synced = true;
        Ok(())
    }

    /// Whether anything was written that is not forced to the disk yet.
    pub(super) fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Finds out whether the files are still in their folder, which may have been removed, renamed or covered by another
    /// one: what is written to them then is lost, or elsewhere.
    pub(super) fn verify_presence(&self) -> Result<(), StoreError> {
        let segment = self.current.as_ref().zip(self.segments.last());
        let segment =
            segment.map(|(current, segment)| (segments::path(&self.dir, segment.first), &current.file));
        for (path, file) in std::iter::once((lock_of(&self.dir), &self.lock)).chain(segment) {
            if !is_in_place(&path, file).map_err(at(&path))? {
                return Err(at(&self.dir)(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the folder or a file was removed, renamed or replaced",
                )));
            }
        }
        Ok(())
    }

    /// Up to which report the oldest segment has any, if it is to be removed because there is too much. The one that is
    /// being written stays.
    pub(super) fn excess(&self, to_come: u64, now: SystemTime) -> Option<Sequence> {
        let ages: Vec<Age> = self.segments.iter().map(|segment| segment.age).collect();
        let closed = self.segments.len() - usize::from(self.current.is_some());
        let is_too_much = retention::to_remove(&self.settings, &ages, to_come, now).min(closed) > 0;
        let up_to = || match self.segments.get(1) {
            Some(next) => Sequence(next.first.0.saturating_sub(1)),
            None => Sequence(u64::MAX),
        };
        is_too_much.then(up_to)
    }

    /// The numbers of the reports in the oldest segment, as runs; or its first one, and why the others are not known.
    pub(super) fn oldest_reports(&self) -> Result<Vec<RangeInclusive<u64>>, (Sequence, StoreError)> {
        let Some(oldest) = self.segments.first() else {
            return Ok(Vec::new());
        };
        let file = segments::path(&self.dir, oldest.first);
        self.reports_of(oldest.first)
            .map_err(|error| (oldest.first, at(&file)(error)))
    }

    fn reports_of(&self, segment: Sequence) -> io::Result<Vec<RangeInclusive<u64>>> {
        let mut runs: Vec<RangeInclusive<u64>> = Vec::new();
        let mut reader = Reader::of_segment(&self.dir, segment)?;
        loop {
            match reader.read_next()? {
                Next::Record(Sequence(number)) => match runs.last_mut() {
                    Some(run) if run.end().checked_add(1) == Some(number) => *run = *run.start()..=number,
                    _ => runs.push(number..=number),
                },
                Next::Damaged(..) => {}
                Next::End => return Ok(runs),
            }
        }
    }

    /// Removes the oldest segment, whether it can be read or not.
    pub(super) fn remove_oldest(&mut self) -> Result<(), StoreError> {
        let Some(oldest) = self.segments.first() else {
            return Ok(());
        };
        let file = segments::path(&self.dir, oldest.first);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&file)(error)),
            _ => {}
        }
        self.segments.remove(0);
        Ok(())
    }

    /// How many segments there are, and how many bytes these have.
    pub(super) fn size(&self) -> (u64, u64) {
        let bytes = self.segments.iter().map(|segment| segment.age.bytes).sum();
        (self.segments.len() as u64, bytes)
    }

    /// The first report of the oldest segment.
    pub(super) fn first(&self) -> Option<Sequence> {
        self.segments.first().map(|segment| segment.first)
    }

    /// Removes a small file, if the folder is still the one that is held.
    pub(super) fn remove(&self, name: &str) {
        let path = self.dir.join(name);
        let removed = match is_in_place(&lock_of(&self.dir), &self.lock) {
            Ok(true) => std::fs::remove_file(&path),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!("`{}` cannot be removed: {error}", path.display());
        }
    }

    /// Puts a small file in the place of the one of this name, whole or not at all as far as the process goes;
    /// `durably` so even when the machine crashes.
    pub(super) fn replace(&self, name: &str, content: &[u8], durably: bool) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let aside = self.dir.join(format!("{name}.new"));
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(FILE_MODE);
            let mut file = options.open(&aside)?;
            file.write_all(content)?;
            if durably {
                file.sync_data()?;
            }
            std::fs::rename(&aside, &path)
        };
        write().map_err(|error| {
            // On a full disk, half a file takes room from the reports.
            let _ = std::fs::remove_file(&aside);
            at(&path)(error)
        })
    }
}

#[cfg(not(test))]
fn write_all(_: &Path, file: &mut File, lines: &[u8]) -> io::Result<()> {
    file.write_all(lines)
}

fn lock_of(dir: &Path) -> PathBuf {
    dir.join(segments::LOCK)
}

/// Whether a file that is open is the one that stands there.
fn is_in_place(path: &Path, file: &File) -> io::Result<bool> {
    let open = file.metadata()?;
    let is_there = match std::fs::metadata(path) {
        Ok(found) => (found.dev(), found.ino()) == (open.dev(), open.ino()),
        Err(error) => ![io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()),
    };
    // What is removed is so even where it cannot be looked for.
    Ok(is_there && open.nlink() > 0)
}

fn locked(dir: &Path) -> Result<File, StoreError> {
    let path = lock_of(dir);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(FILE_MODE);
    let lock = options.open(&path).map_err(at(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(at(&path)(error)),
    }
}

fn at(file: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io {
        file: file.to_owned(),
        source,
    }
}
