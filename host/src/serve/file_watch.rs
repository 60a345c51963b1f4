//! Whether a file has changed since it was read, and lies still.

use std::path::{Path, PathBuf};

use crate::library::folder::{Stamp, stamp};

/// Watches one file. It is looked at again and again; a change counts when the file is as it was at the last look,
/// so that one which is being written is left alone.
#[derive(Debug)]
pub(super) struct FileWatch {
    path: PathBuf,
    /// As it was when it was last read, or taken for changed.
    known: Option<Stamp>,
    seen: Option<Stamp>,
}

impl FileWatch {
    /// Watches a file that is being read now.
    pub(super) fn new(path: &Path) -> Self {
        let now = stamp(path);
        Self {
            path: path.to_owned(),
            known: now,
            seen: now,
        }
    }

    /// Looks at the file; whether it has changed. A file that is gone has not: there is nothing to read.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = stamp(&self.path);
        let lies_still = now.is_some() && now == self.seen;
        let is_new = now != self.known;
        self.seen.clone_from(&now);
        if lies_still && is_new {
            self.known = now;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_and_when_the_file_lies_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let mut watch = FileWatch::new(&path);
        assert!(!watch.has_changed());
        std::fs::write(&path, "longer").unwrap();
        assert!(!watch.has_changed(), "it may be half written");
        std::fs::write(&path, "longer still").unwrap();
        assert!(!watch.has_changed());
        assert!(watch.has_changed());
        assert!(!watch.has_changed(), "it is known now");
        std::fs::remove_file(&path).unwrap();
        assert!(!watch.has_changed() && !watch.has_changed());
        std::fs::write(&path, "back").unwrap();
        assert!(!watch.has_changed());
        assert!(watch.has_changed());
    }
}
