//! What stands in the journal's folder when it is opened.

use std::path::Path;

use super::beside::{self, Beside};
use super::store::{self, Store, StoreError};
use super::{OpenError, Opened, Sequence, Settings};

/// What stands there.
#[derive(Default)]
pub(super) struct Found {
    pub(super) opened: Opened,
    /// The newest report on disk.
    pub(super) written: Sequence,
    /// The newest report that observers may have been told of.
    pub(super) told: Sequence,
    pub(super) beside: Beside,
    /// The folder, held; none where there is to be none.
    pub(super) store: Option<Result<Store, StoreError>>,
}

impl Found {
    /// Takes the folder; one that cannot be written is read all the same, so that numbers go on.
    pub(super) fn in_folder(dir: &Path, settings: &Settings) -> Result<Self, OpenError> {
        let (store, scan) = match Store::open(dir, settings) {
            Ok((store, scan)) => (Ok(store), scan),
            Err(StoreError::Locked(dir)) => return Err(OpenError::Locked(dir)),
            Err(error) => (Err(error), store::scan(dir).unwrap_or_default()),
        };
        let beside = beside::read(dir);
        // A signal may have been delivered beyond what is on disk, while it could not be written.
        let reached = beside.cursors.values().copied();
        let reached = reached.chain(beside.checkpoint.iter().map(|checkpoint| checkpoint.sequence));
        let last = reached.fold(scan.last, Sequence::max);
        let problems = scan.unreadable.iter().chain(&beside.problems);
        Ok(Self {
            opened: Opened {
                last,
                torn: scan.torn,
                replayed: 0,
                problems: problems.cloned().collect(),
            },
            written: scan.last,
            told: last.max(Sequence(scan.last.0.saturating_add(scan.damaged))),
            beside,
            store: Some(store),
        })
    }
}
