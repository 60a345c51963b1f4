//! Folders with little room, for tests of a disk that is full.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::segments;

static ROOM: Mutex<BTreeMap<PathBuf, u64>> = Mutex::new(BTreeMap::new());

/// From now on the segments of this folder have room for so many bytes.
pub(super) fn set_room(dir: &Path, bytes: u64) {
    let mut rooms = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    rooms.insert(dir.to_owned(), bytes);
}

/// Writes as much as there is room for, as a file system does.
pub(super) fn write_all(dir: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let room = ROOM
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(dir)
        .copied();
    let Some(room) = room else {
        return file.write_all(bytes);
    };
    let used = segments::list(dir)?.into_iter();
    let used = used.map(|first| std::fs::metadata(segments::path(dir, first)).map(|found| found.len()));
    let used = used.sum::<io::Result<u64>>()?;
    let fits = usize::try_from(room.saturating_sub(used))
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    file.write_all(&bytes[..fits])?;
    match fits < bytes.len() {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    }
}
