//! Whether a file has changed since it was read, and lies still, or is gone.

use std::path::{Path, PathBuf};

use crate::files::Stamp;

/// Watches one file. It is looked at again and again; a change counts when the file is as it was at the last look,
/// so that one which is being written is left alone.
#[derive(Debug)]
pub(super) struct FileWatch {
    path: PathBuf,
    /// As it was when it was last read, or taken for changed.
    known: Option<Stamp>,
    seen: Option<Stamp>,
}

/// What a look at a file finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing to do.
    Same,
    /// Something to read.
    Changed,
    /// No file, since the last look but one.
    Gone,
}

impl FileWatch {
    /// Watches a file that is being read now.
    pub(super) fn new(path: &Path) -> Self {
        let now = Stamp::of(path);
        Self {
            path: path.to_owned(),
            known: now,
            seen: now,
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the file. What is found twice counts: one that is replaced is not there for a moment.
    pub(super) fn look(&mut self) -> Seen {
        let now = Stamp::of(&self.path);
        let lies_still = now == self.seen;
        self.seen.clone_from(&now);
        if !lies_still || now == self.known {
            return Seen::Same;
        }
        self.known = now;
        match self.known {
            Some(_) => Seen::Changed,
            None => Seen::Gone,
        }
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
        assert_eq!(watch.look(), Seen::Same);
        std::fs::write(&path, "longer").unwrap();
        assert_eq!(watch.look(), Seen::Same, "it may be half written");
        std::fs::write(&path, "longer still").unwrap();
        assert_eq!(watch.look(), Seen::Same);
        assert_eq!(watch.look(), Seen::Changed);
        assert_eq!(watch.look(), Seen::Same, "it is known now");
    }

    #[test]
    fn a_file_that_goes_and_comes_is_told_once_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let mut watch = FileWatch::new(&path);
        let mut looks = |number: usize| -> Vec<Seen> {
            let seen = (0..number).map(|_| watch.look());
            seen.filter(|seen| *seen != Seen::Same).collect()
        };
        let away = folder.path().join("away");
        std::fs::rename(&path, &away).unwrap();
        assert_eq!(looks(1), [], "it may be replaced");
        assert_eq!(looks(3), [Seen::Gone]);
        std::fs::rename(&away, &path).unwrap();
        assert_eq!(looks(4), [Seen::Changed]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(looks(4), [Seen::Gone]);
        std::fs::write(&path, "another").unwrap();
        assert_eq!(looks(4), [Seen::Changed]);
    }
}
