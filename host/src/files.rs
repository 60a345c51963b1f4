//! Files that others write: whether they have changed since something was made of them, and opening one that may be no
//! file. What is in them is known to those who read them.

use std::fmt::Display;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Files that belong together, which something was made of.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// As they were when something was made of them last.
    made_of: Vec<Option<Stamp>>,
    /// As they were when that failed last, and what was said of it.
    refused: Option<(Vec<Option<Stamp>>, String)>,
}

impl Watched {
    /// These, of which something is made as they are now.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let state = Mutex::new(State {
            made_of: stamps(&paths),
            refused: None,
        });
        Self { paths, state }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// What is made of the files, if they are others than those of which it was made last. What fails is tried again at
    /// each look, because not all that it may have failed for shows in the files; the error is handed out once.
    pub fn renewed<T, E: Display>(&self, make: impl FnOnce() -> Result<T, E>) -> Option<Result<T, E>> {
        let now = stamps(&self.paths);
        if self.state().made_of == now {
            return None;
        }
        let made = make();
        let mut state = self.state();
        let error = match &made {
            Ok(_) => {
                *state = State {
                    made_of: now,
                    refused: None,
                };
                return Some(made);
            }
            Err(error) => error.to_string(),
        };
        let refused = Some((now, error));
        let is_news = state.refused != refused;
        state.refused = refused;
        is_news.then_some(made)
    }

    /// Held for moments only.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stamps of files, of those that are there.
pub fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
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

    /// Two files, and where a third may be made.
    fn two() -> (tempfile::TempDir, [PathBuf; 2], PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["one", "other"].map(|name| folder.path().join(name));
        paths
            .iter()
            .for_each(|path| std::fs::write(path, "as it was").unwrap());
        let third = folder.path().join("third");
        (folder, paths, third)
    }

    #[test]
    fn files_are_taken_once_each_time_that_one_is_written_replaced_or_gone() {
        let (_folder, paths, third) = two();
        let watched = Watched::new(paths.to_vec());
        let taken = || [(); 2].map(|()| watched.renewed(|| Ok::<_, String>(())).is_some());
        assert_eq!(taken(), [false, false]);
        std::fs::write(&paths[0], "longer than before").unwrap();
        assert_eq!(taken(), [true, false]);
        // As long as the one before, whenever it was written.
        std::fs::write(&third, "as it IS!").unwrap();
        std::fs::rename(&third, &paths[1]).unwrap();
        assert_eq!(taken(), [true, false]);
        std::fs::remove_file(&paths[1]).unwrap();
        assert_eq!(taken(), [true, false]);
    }

    #[test]
    fn what_fails_is_tried_until_it_succeeds_and_told_once() {
        let (_folder, paths, _) = two();
        let watched = Watched::new(paths.to_vec());
        std::fs::write(&paths[0], "longer than before").unwrap();
        let look = |made: Result<(), &str>| watched.renewed(|| made.map_err(str::to_owned));
        assert_eq!(
            look(Err("too many open files")),
            Some(Err("too many open files".to_owned()))
        );
        assert_eq!(look(Err("too many open files")), None);
        assert_eq!(
            look(Err("no certificate")),
            Some(Err("no certificate".to_owned()))
        );
        std::fs::write(&paths[0], "longer than all before").unwrap();
        assert_eq!(
            look(Err("no certificate")),
            Some(Err("no certificate".to_owned()))
        );
        assert_eq!(look(Ok(())), Some(Ok(())));
        assert_eq!(look(Ok(())), None);
    }
}
