//! The files of a journal: their names, in order.

use std::io;
use std::path::{Path, PathBuf};

use super::Sequence;

/// What the name of a segment ends with: JSON Lines, which many tools know.
const EXTENSION: &str = ".jsonl";
/// The file that its one writer holds locked.
pub(super) const LOCK: &str = "lock";
/// The digits of the largest number, so that names sort as numbers do.
const DIGITS: usize = 20;

/// The file of a segment that begins with this report.
pub(super) fn path(dir: &Path, first: Sequence) -> PathBuf {
    dir.join(format!("{first:0DIGITS$}{EXTENSION}", first = first.0))
}

/// The first report of the segment of this name; none if it is another file.
fn first(name: &str) -> Option<Sequence> {
    let digits = name.strip_suffix(EXTENSION)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(Sequence)).flatten()
}

/// The first reports of the segments of a folder, rising; none when there is no such folder.
///
/// # Errors
///
/// When the folder cannot be read.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Sequence>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        segments.extend(entry?.file_name().to_str().and_then(first));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Whether a folder is that of a journal, empty or not.
///
/// # Errors
///
/// When the folder cannot be read.
pub(super) fn are_in(dir: &Path) -> io::Result<bool> {
    Ok(dir.join(LOCK).is_file() || !list(dir)?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_stand_in_the_order_of_their_reports_and_other_files_are_none() {
        let dir = tempfile::tempdir().unwrap();
        for number in [10, 9, u64::MAX] {
            std::fs::write(path(dir.path(), Sequence(number)), "").unwrap();
        }
        for other in ["lock", "1.jsonl", "checkpoint.json", "+0000000000000000001.jsonl"] {
            std::fs::write(dir.path().join(other), "").unwrap();
        }
        assert!(are_in(dir.path()).unwrap());
        let listed = list(dir.path()).unwrap();
        assert_eq!(listed, [Sequence(9), Sequence(10), Sequence(u64::MAX)]);
        let none = dir.path().join("none");
        assert_eq!(list(&none).unwrap(), []);
        assert!(!are_in(&none).unwrap());
        std::fs::create_dir(&none).unwrap();
        std::fs::write(none.join("1.jsonl"), "").unwrap();
        assert!(!are_in(&none).unwrap());
        std::fs::write(none.join(LOCK), "").unwrap();
        assert!(are_in(&none).unwrap());
    }
}
