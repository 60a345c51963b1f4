//! Files that others write: whether they have changed since somebody looked, and opening one that may be no file. What is
//! in them is known to those who read them.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

/// What changes when a file does, or another one takes its place: seconds and nanoseconds since 1970 for both times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its length, in bytes.
    pub size: u64,
    /// When it was written to last.
    pub written: (i64, i64),
    /// When anything about it changed last, such as its name.
    pub changed: (i64, i64),
}

impl Stamp {
    /// That of a file, if it is there.
    pub fn of(path: &Path) -> Option<Self> {
        Some(Self::from(&std::fs::metadata(path).ok()?))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Files that belong together, as they were when somebody looked.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    seen: Mutex<Vec<Option<Stamp>>>,
}

impl Watched {
    /// These, as they are now.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let seen = Mutex::new(stamps(&paths));
        Self { paths, seen }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether they are others than when somebody looked last.
    pub fn have_changed(&self) -> bool {
        let now = stamps(&self.paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, now) != *seen
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| Stamp::of(path)).collect()
}

/// Opens what may be no file, without waiting for whoever is at the other end of a pipe; and what it is.
///
/// # Errors
///
/// When it cannot be opened.
pub fn open_at_once(path: &Path) -> io::Result<(File, FileType)> {
    // The flags are few bits.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    Ok((file, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_changed_once_each_time_that_one_is_written_replaced_or_gone() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["one", "other"].map(|name| folder.path().join(name));
        paths
            .iter()
            .for_each(|path| std::fs::write(path, "as it was").unwrap());
        let watched = Watched::new(paths.to_vec());
        let told = || [watched.have_changed(), watched.have_changed()];
        assert_eq!(told(), [false, false]);
        std::fs::write(&paths[0], "longer than before").unwrap();
        assert_eq!(told(), [true, false]);
        // As long as it, and written no later.
        let replacement = folder.path().join("replacement");
        std::fs::write(&replacement, "as it IS!").unwrap();
        std::fs::rename(&replacement, &paths[1]).unwrap();
        assert_eq!(told(), [true, false]);
        std::fs::remove_file(&paths[1]).unwrap();
        assert_eq!(told(), [true, false]);
    }
}
