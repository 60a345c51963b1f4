//! The newest reports in memory: those that wait to be written or delivered, and, in front of a disk, some more. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Sequence;
use crate::outcome::Report;

/// How many reports that can be read from the disk stay in memory: a delivery that keeps up never reads the disk.
const CACHED: usize = 1024;

/// Reports by rising sequence.
#[derive(Debug, Default)]
pub(super) struct Ring(VecDeque<(Sequence, Arc<Report>)>);

/// What is known of the reports elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// Reports up to this one are done with: they were delivered of every signal.
    pub(super) delivered: Sequence,
    /// If there is a disk to write to: after which report it has those that could be written, and up to which.
    pub(super) on_disk: Option<(Sequence, Sequence)>,
    /// The most reports that may wait.
    pub(super) memory: usize,
}

impl Ring {
    pub(super) fn push(&mut self, sequence: Sequence, report: Arc<Report>) {
        self.0.push_back((sequence, report));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The reports after this one, oldest first.
    pub(super) fn after(&self, sequence: Sequence) -> impl Iterator<Item = &(Sequence, Arc<Report>)> {
        self.0.range(self.place_after(sequence)..)
    }

    /// How many these are.
    pub(super) fn count_after(&self, sequence: Sequence) -> usize {
        self.0.len() - self.place_after(sequence)
    }

    fn place_after(&self, sequence: Sequence) -> usize {
        self.0.partition_point(|(held, _)| *held <= sequence)
    }

    /// Removes a report that need not, or can no longer, be held; none when all can stay.
    pub(super) fn evict(&mut self, kept: Kept) -> Option<(Sequence, Arc<Report>)> {
        let (first, _) = self.0.front()?;
        let is_wanted = *first > kept.delivered;
        let goes = match kept.on_disk {
            Some((_, written)) if *first > written => false,
            Some((removed, _)) if *first > removed => self.0.len() > CACHED || !is_wanted,
            _ => !is_wanted,
        };
        (goes || self.0.len() > kept.memory)
            .then(|| self.0.pop_front())
            .flatten()
    }
}
