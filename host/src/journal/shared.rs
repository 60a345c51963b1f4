//! What the program, the writer and the feeds share, behind one lock that nobody holds while waiting for a disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::ring::{Kept, Ring};
use super::status::{FeedStatus, Status};
use super::{Sequence, Settings};
use crate::outcome::Report;

/// The most reports that the writer takes at once, so that each lock is held for microseconds.
const MOST_TAKEN: usize = 512;

/// What everybody shares.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Tells the writer that there is something to do.
    wake: Condvar,
    /// Tells the feeds and those who wait for the writer how far it is.
    progress: watch::Sender<Progress>,
    /// How often the writer has looked whether there is something to do.
    beats: AtomicU64,
}

/// How far the writer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The newest report that the feeds can have.
    pub(super) recorded: Sequence,
    /// Up to which wish to flush everything is done.
    pub(super) flushed: u64,
    /// Whether the writer has ended.
    pub(super) ended: bool,
}

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) memory: usize,
    pub(super) last: Sequence,
    pub(super) recorded: Sequence,
    pub(super) incoming: VecDeque<Incoming>,
    pub(super) ring: Ring,
    pub(super) feeds: BTreeMap<&'static str, FeedState>,
    pub(super) flush_wanted: u64,
    pub(super) end_wanted: bool,
    pub(super) lost: u64,
    pub(super) dir: Option<PathBuf>,
    /// Reports up to this one are on disk no more.
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
    pub(super) damaged: u64,
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
    /// Those that were given and are not delivered yet: when their runs ended.
    pub(super) in_hand: VecDeque<(Sequence, SystemTime)>,
    /// Reports that were gone before they could be given.
    pub(super) dropped: u64,
    /// How many of these the delivery has not been told of.
    pub(super) untold: u64,
    /// Those up to this one that are on disk no more are counted as dropped.
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

/// What the writer has to do.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) incoming: Vec<Incoming>,
    /// How far the signals are that have moved.
    pub(super) cursors: BTreeMap<&'static str, Sequence>,
    pub(super) flush: u64,
    pub(super) end: bool,
}

impl Shared {
    /// The state at the start: the newest report that there is, whether it is on disk or not, the newest on disk, and
    /// how far the signals are.
    pub(super) fn new(
        settings: &Settings,
        last: Sequence,
        written: Sequence,
        cursors: BTreeMap<String, Sequence>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                memory: settings.memory.max(1),
                last,
                recorded: last,
                incoming: VecDeque::new(),
                ring: Ring::default(),
                feeds: BTreeMap::new(),
                flush_wanted: 0,
                end_wanted: false,
                lost: 0,
                dir: settings.dir.clone(),
                removed: Sequence::NONE,
                cursors,
                disk: DiskFacts {
                    written,
                    ..DiskFacts::default()
                },
            }),
            wake: Condvar::new(),
            progress: watch::Sender::new(Progress {
                recorded: last,
                ..Progress::default()
            }),
            beats: AtomicU64::new(0),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Wakes the writer.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes a report in, or counts it as lost when too many wait or the writer has ended.
    pub(super) fn append(&self, report: Arc<Report>) -> Sequence {
        let sequence = self.lock().append(report, Instant::now());
        self.wake();
        sequence
    }

    /// Wishes that everything so far be recorded; the number of the wish.
    pub(super) fn want_flush(&self) -> u64 {
        let mut state = self.lock();
        state.flush_wanted += 1;
        let number = state.flush_wanted;
        drop(state);
        self.wake();
        number
    }

    /// Wishes that the writer end.
    pub(super) fn want_end(&self) {
        self.lock().end_wanted = true;
        self.wake();
    }

    /// What there is to do, at the latest after this time, when there may be nothing.
    pub(super) fn work(&self, within: Duration, flushed: u64) -> Work {
        let idle = |state: &mut State| {
            let has_moved = state.feeds.values().any(|feed| feed.has_moved);
            state.incoming.is_empty() && state.flush_wanted == flushed && !state.end_wanted && !has_moved
        };
        let waited = self.wake.wait_timeout_while(self.lock(), within, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let count = state.incoming.len().min(MOST_TAKEN);
        let incoming = state.incoming.drain(..count).collect();
        let is_all = state.incoming.is_empty();
        let moved = state.feeds.iter_mut();
        let moved = moved.filter_map(|(signal, feed)| {
            std::mem::take(&mut feed.has_moved).then_some((*signal, feed.delivered))
        });
        Work {
            cursors: moved.collect(),
            incoming,
            flush: if is_all { state.flush_wanted } else { flushed },
            end: is_all && state.end_wanted,
        }
    }

    /// The reports are recorded: the feeds can have them. If there is a disk, this is the newest report on it.
    pub(super) fn recorded(&self, incoming: Vec<Incoming>, written: Option<Sequence>) {
        if incoming.is_empty() {
            return;
        }
        let mut state = self.lock();
        for Incoming { sequence, report, .. } in incoming {
            state.recorded = sequence;
            state.ring.push(sequence, report);
        }
        state.disk.written = written.unwrap_or(state.disk.written);
        state.evict();
        let recorded = state.recorded;
        drop(state);
        self.progress.send_modify(|progress| progress.recorded = recorded);
    }

    /// The oldest reports in memory that are not on disk.
    pub(super) fn unwritten(&self, written: Sequence) -> Vec<Incoming> {
        let state = self.lock();
        let waiting = state.ring.after(written).take(MOST_TAKEN);
        let since = Instant::now();
        waiting
            .map(|(sequence, report)| Incoming {
                sequence: *sequence,
                report: Arc::clone(report),
                since,
            })
            .collect()
    }

    /// Reports that waited in memory are on disk up to this one.
    pub(super) fn written(&self, written: Sequence) {
        let mut state = self.lock();
        state.disk.written = written;
        state.evict();
    }

    /// Everything up to this wish is done.
    pub(super) fn flushed(&self, flushed: u64) {
        self.progress.send_if_modified(|progress| {
            let before = std::mem::replace(&mut progress.flushed, flushed);
            before != flushed
        });
    }

    /// The writer gets on.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.progress.borrow().ended
    }

    /// The writer has ended, however that came.
    pub(super) fn ended(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }
}

impl State {
    fn append(&mut self, report: Arc<Report>, since: Instant) -> Sequence {
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
        while let Some(gone) = self.ring.evict(self.kept()) {
            if self.dir.is_some() && gone > self.disk.written {
                self.lose(gone);
            } else if self.dir.is_none() || gone <= self.removed {
                self.drop_for_feeds(gone);
            }
        }
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

    /// What is on disk up to this report is about to be removed: what of it is in memory stays there. What each signal
    /// was given, and what is in memory from when on.
    pub(super) fn removing(&mut self, up_to: Sequence) -> (Vec<(&'static str, Sequence)>, Sequence) {
        self.removed = self.removed.max(up_to);
        let feeds = self.feeds.iter();
        let given = feeds.map(|(signal, feed)| (*signal, feed.given.max(feed.removed)));
        (
            given.collect(),
            self.first_in_memory().unwrap_or(Sequence(u64::MAX)),
        )
    }

    /// So many reports, all before this one, were removed from the disk that the signal had not been given; how many
    /// it does lack, as it may have been given them meanwhile.
    pub(super) fn removed(&mut self, signal: &str, before: Sequence, reports: u64) -> u64 {
        let up_to = self.removed.min(Sequence(before.0.saturating_sub(1)));
        match self.feeds.get_mut(signal) {
            Some(feed) if feed.given < up_to => {
                feed.removed = feed.removed.max(up_to);
                feed.drop_reports(reports);
                reports
            }
            _ => 0,
        }
    }

    fn first_in_memory(&self) -> Option<Sequence> {
        let mut in_memory = self.ring.after(Sequence::NONE);
        in_memory.next().map(|(first, _)| *first)
    }

    /// The disk has nothing any more up to this report; how many reports each signal lacks by that.
    pub(super) fn folder_is_gone(&mut self, written: Sequence) -> Vec<(&'static str, u64)> {
        self.removed = self.removed.max(written);
        let first = self.first_in_memory();
        let up_to = first.map_or(written, |first| written.min(Sequence(first.0.saturating_sub(1))));
        let mut lacking = Vec::new();
        for (signal, feed) in &mut self.feeds {
            let reports = up_to.0.saturating_sub(feed.given.max(feed.removed).0);
            feed.removed = feed.removed.max(up_to);
            feed.drop_reports(reports);
            lacking.push((*signal, reports));
        }
        lacking
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
        match self.ring.after(feed.given).count() {
            0 => Source::Nowhere,
            count => Source::Memory(count),
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
        let in_memory = self.ring.after(feed.given);
        let waiting = feed.in_hand.len() as u64 + on_disk + in_memory.count() as u64;
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
        let waiting = self.dir.as_ref().map(|_| self.ring.after(disk.written));
        let unwritten = waiting.map_or(0, Iterator::count) + self.incoming.len();
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
            damaged: disk.damaged,
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
