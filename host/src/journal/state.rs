//! How far everybody is with the reports: what came in, what is in memory and on disk, what each feed has had. It
//! knows no lock, no thread and no file.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Sequence;
use super::ring::{Kept, Ring};
use super::status::{FeedStatus, Status};
use crate::outcome::Report;

/// The most reports that wait to be given back: as many as fall out at once where many come.
const MOST_LET_GO: usize = 256;
/// How many of them go with one that comes: more than one, so that they become fewer.
const GO_WITH_ONE: usize = 2;

/// How far everybody is.
#[derive(Debug)]
pub(super) struct State {
    pub(super) memory: usize,
    pub(super) last: Sequence,
    pub(super) recorded: Sequence,
    pub(super) incoming: VecDeque<Incoming>,
    pub(super) ring: Ring,
    /// Reports that fell out of it and whose memory is not given back yet. Those who append do that, a few each: it is of
    /// their threads, which need as much again, and giving all of it back from another one has them wait for a lock.
    pub(super) let_go: Vec<Arc<Report>>,
    pub(super) feeds: BTreeMap<&'static str, FeedState>,
    pub(super) flush_wanted: u64,
    pub(super) end_wanted: bool,
    pub(super) lost: u64,
    /// How many pieces the feeds found damaged.
    pub(super) damaged: u64,
    pub(super) dir: Option<PathBuf>,
    /// Reports up to this one are on disk no more, or about to be.
    pub(super) removed: Sequence,
    /// How far the signals were when the journal was opened.
    pub(super) cursors: BTreeMap<String, Sequence>,
    pub(super) disk: DiskFacts,
}

/// How the disk is, as the writer tells it.
#[derive(Debug, Clone, Default)]
pub(super) struct DiskFacts {
    pub(super) segments: u64,
    pub(super) bytes: u64,
    pub(super) first: Option<Sequence>,
    /// The newest report on disk, and all before it that could be written.
    pub(super) written: Sequence,
    pub(super) records: u64,
    pub(super) bytes_written: u64,
    pub(super) write_errors: u64,
    pub(super) write_error: Option<String>,
    pub(super) removed_segments: u64,
}

/// A report that is to be recorded.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) sequence: Sequence,
    pub(super) report: Arc<Report>,
    pub(super) since: Instant,
}

/// How far a feed is.
#[derive(Debug, Default)]
pub(super) struct FeedState {
    /// The newest report that was delivered.
    pub(super) delivered: Sequence,
    /// The newest report that was given to the delivery.
    pub(super) given: Sequence,
    /// The report that the delivery waits for; those before it need not be told of.
    pub(super) awaited: Sequence,
    /// Those that were given and are not delivered yet: when their runs ended.
    pub(super) in_hand: VecDeque<(Sequence, SystemTime)>,
    /// Reports that were gone before they could be given.
    pub(super) dropped: u64,
    /// How many of these the delivery has not been told of.
    pub(super) untold: u64,
    /// Those up to this one that are on disk no more, or about to be, are counted as dropped.
    pub(super) removed: Sequence,
    /// Whether `delivered` is to be kept on disk.
    pub(super) has_moved: bool,
}

/// Where the next reports for a feed are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// There are none.
    Nowhere,
    /// In memory, so many.
    Memory(usize),
    /// On disk, after the first of these, up to the second.
    Disk(Sequence, Sequence),
}

impl State {
    /// Takes a report in, unless too many wait or the end is wanted.
    pub(super) fn append(&mut self, report: Arc<Report>, since: Instant) -> Sequence {
        self.last = self.last.next();
        if self.end_wanted || self.incoming.len() >= self.memory {
            self.lose(self.last);
        } else {
            self.incoming.push_back(Incoming {
                sequence: self.last,
                report,
                since,
            });
        }
        self.last
    }

    /// Removes from memory what need not, or can no longer, be held.
    pub(super) fn evict(&mut self) {
        while let Some((gone, report)) = self.ring.evict(self.kept()) {
            if self.let_go.len() < MOST_LET_GO {
                self.let_go.push(report);
            }
            if self.dir.is_some() && gone > self.disk.written {
                self.lose(gone);
            } else if self.dir.is_none() || gone <= self.removed {
                self.drop_for_feeds(gone);
            }
        }
    }

    /// Some of the reports that were let go, to be dropped when nobody waits for that.
    pub(super) fn take_let_go(&mut self) -> [Option<Arc<Report>>; GO_WITH_ONE] {
        std::array::from_fn(|_| self.let_go.pop())
    }

    fn kept(&self) -> Kept {
        let delivered = self.feeds.values().map(|feed| feed.delivered).min();
        Kept {
            delivered: delivered.unwrap_or(Sequence(u64::MAX)),
            on_disk: self.dir.as_ref().map(|_| (self.removed, self.disk.written)),
            memory: self.memory,
        }
    }

    /// Counts a report that is nowhere and never will be.
    pub(super) fn lose(&mut self, sequence: Sequence) {
        self.lost += 1;
        self.drop_for_feeds(sequence);
    }

    /// Counts a report that is gone for every signal that it was not given to yet.
    fn drop_for_feeds(&mut self, sequence: Sequence) {
        for feed in self.feeds.values_mut().filter(|feed| feed.given < sequence) {
            feed.drop_reports(1);
        }
    }

    /// How far each signal is.
    pub(super) fn delivered(&self) -> BTreeMap<&'static str, Sequence> {
        let feeds = self.feeds.iter();
        feeds.map(|(signal, feed)| (*signal, feed.delivered)).collect()
    }

    /// What is on disk up to this report is gone, or about to be: these reports. What of it is in memory stays there. How
    /// many each signal lacks by that, which are counted as dropped, and not given even by who has just read them.
    pub(super) fn removed(
        &mut self,
        up_to: Sequence,
        reports: &[RangeInclusive<u64>],
    ) -> Vec<(&'static str, u64)> {
        self.removed = self.removed.max(up_to);
        let first = self.first_in_memory();
        let up_to = first.map_or(up_to, |first| up_to.min(Sequence(first.0.saturating_sub(1))));
        let mut lacking = Vec::new();
        for (signal, feed) in &mut self.feeds {
            let reports = feed.lacking_of(reports, up_to);
            feed.removed = feed.removed.max(up_to);
            feed.drop_reports(reports);
            lacking.push((*signal, reports));
        }
        lacking
    }

    fn first_in_memory(&self) -> Option<Sequence> {
        let mut in_memory = self.ring.after(Sequence::NONE);
        in_memory.next().map(|(first, _)| *first)
    }

    /// Where the next reports for this feed are.
    pub(super) fn source(&self, signal: &str) -> Source {
        let Some(feed) = self.feeds.get(signal) else {
            return Source::Nowhere;
        };
        let first = self.first_in_memory();
        let on_disk = self.dir.as_ref().map_or(Sequence::NONE, |_| self.disk.written);
        let up_to = first.map_or(on_disk, |first| on_disk.min(Sequence(first.0.saturating_sub(1))));
        if feed.given < up_to {
            return Source::Disk(feed.given, up_to);
        }
        match self.ring.count_after(feed.given) {
            0 => Source::Nowhere,
            count => Source::Memory(count),
        }
    }

    /// Notes which report a delivery waits for that wants `at_most` so many: the next one if it has none, else the one
    /// that makes them as many, so that it is not woken for each while it lingers.
    pub(super) fn await_more(&mut self, signal: &str, source: Source, at_most: usize) {
        let lacking = match source {
            Source::Memory(count) => at_most.saturating_sub(count),
            Source::Nowhere | Source::Disk(..) => 1,
        };
        if let Some(feed) = self.feeds.get_mut(signal) {
            feed.awaited = Sequence(self.recorded.0.saturating_add(lacking as u64));
        }
    }

    /// How many reports wait for delivery of this signal, and when the oldest one's run ended.
    pub(super) fn undelivered(&self, signal: &str) -> (u64, Option<SystemTime>) {
        let Some(feed) = self.feeds.get(signal) else {
            return (0, None);
        };
        let on_disk = match self.source(signal) {
            Source::Disk(given, up_to) => up_to.0 - given.0,
            Source::Memory(_) | Source::Nowhere => 0,
        };
        let in_memory = self.ring.count_after(feed.given);
        let waiting = feed.in_hand.len() as u64 + on_disk + in_memory as u64;
        let oldest = feed.in_hand.front().map(|(_, end)| *end);
        let first = || {
            self.ring
                .after(feed.given)
                .next()
                .map(|(_, report)| end_of(report))
        };
        (waiting, oldest.or_else(|| (on_disk == 0).then(first).flatten()))
    }

    pub(super) fn status(&self) -> Status {
        let feeds = self.feeds.iter().map(|(signal, feed)| {
            let (waiting, oldest) = self.undelivered(signal);
            FeedStatus {
                signal,
                delivered: feed.delivered,
                waiting,
                oldest: oldest.map(age_of),
                dropped: feed.dropped,
            }
        });
        let disk = &self.disk;
        let waiting = self.dir.as_ref().map(|_| self.ring.count_after(disk.written));
        let unwritten = waiting.unwrap_or(0) + self.incoming.len();
        Status {
            dir: self.dir.clone(),
            segments: disk.segments,
            bytes: disk.bytes,
            first: disk.first,
            last: self.last,
            written: disk.written,
            unwritten: unwritten as u64,
            lag: self.lag(),
            in_memory: (self.ring.len() + self.incoming.len()) as u64,
            records: disk.records,
            bytes_written: disk.bytes_written,
            write_errors: disk.write_errors,
            write_error: disk.write_error.clone(),
            lost: self.lost,
            removed_segments: disk.removed_segments,
            damaged: self.damaged,
            feeds: feeds.collect(),
        }
    }

    /// For how long the oldest report that is to be written has waited.
    fn lag(&self) -> Duration {
        let mut waiting = self.ring.after(self.disk.written);
        let in_memory = self.dir.as_ref().and_then(|_| waiting.next());
        match in_memory {
            Some((_, report)) => age_of(end_of(report)),
            None => self
                .incoming
                .front()
                .map_or(Duration::ZERO, |first| first.since.elapsed()),
        }
    }
}

impl FeedState {
    /// How many of these reports, up to this one, were neither given nor counted as dropped when they were removed.
    pub(super) fn lacking_of(&self, reports: &[RangeInclusive<u64>], up_to: Sequence) -> u64 {
        let after = self.given.max(self.removed);
        let runs = reports.iter().map(|run| {
            let (first, last) = (after.next().0.max(*run.start()), up_to.0.min(*run.end()));
            last.saturating_add(1).saturating_sub(first)
        });
        runs.sum()
    }

    /// Counts reports that are gone before they could be given.
    pub(super) fn drop_reports(&mut self, reports: u64) {
        self.dropped += reports;
        self.untold += reports;
    }
}

/// When a run ended.
pub(super) fn end_of(report: &Report) -> SystemTime {
    report.started + report.duration
}

/// How long ago that was; nothing if the clock says that it is to come.
pub(super) fn age_of(moment: SystemTime) -> Duration {
    moment.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::shared::Shared;
    use super::*;

    #[test]
    fn what_was_given_is_not_dropped_and_what_was_dropped_is_not_given() {
        let settings = Settings {
            dir: Some("journal".into()),
            ..Settings::default()
        };
        let shared = Shared::new(&settings, Sequence(20), Sequence(20), BTreeMap::new());
        let mut state = shared.lock();
        state.feeds.insert("traces", FeedState::default());
        let reports = [1..=3, 6..=10];
        // They are counted without the lock, and given meanwhile.
        state.feeds.get_mut("traces").unwrap().given = Sequence(2);
        assert_eq!(state.removed(Sequence(10), &reports), [("traces", 6)]);
        let feed = &state.feeds["traces"];
        assert_eq!((feed.dropped, feed.removed), (6, Sequence(10)));
        // Whoever has read them before gives none, and nothing is counted twice.
        assert_eq!(feed.lacking_of(&[3..=12], Sequence(u64::MAX)), 2);
        assert_eq!(state.removed(Sequence(10), &reports), [("traces", 0)]);
    }
}
