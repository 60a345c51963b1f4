//! The files of a destination: whether they are others than when they were read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::tls::is_https;
use crate::telemetry::settings::Destination;

/// Files, as they were when somebody looked.
#[derive(Debug)]
pub(super) struct Files {
    paths: Vec<PathBuf>,
    seen: Mutex<Vec<Option<Stamp>>>,
}

/// What becomes another with whatever is written to a file or put in its place: its device and number, when it was
/// changed last, to the nanosecond, and its length.
#[derive(Debug, PartialEq, Eq)]
struct Stamp(u64, u64, (i64, i64), u64);

impl Files {
    /// Those that this destination needs, as they are now.
    pub(super) fn of(destination: &Destination) -> Self {
        let client = destination.client.iter();
        let client = client.flat_map(|client| [&client.certificate, &client.key]);
        let paths = destination.ca_file.iter().chain(client);
        let paths: Vec<PathBuf> = paths.filter(|_| is_https(destination)).cloned().collect();
        let seen = Mutex::new(stamps(&paths));
        Self { paths, seen }
    }

    /// Whether there are none.
    pub(super) fn are_none(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether they are others than when somebody looked last.
    pub(super) fn have_changed(&self) -> bool {
        let now = stamps(&self.paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, now) != *seen
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| stamp(path)).collect()
}

/// None of a file that is not there.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    let changed = (file.ctime(), file.ctime_nsec());
    Some(Stamp(file.dev(), file.ino(), changed, file.len()))
}
