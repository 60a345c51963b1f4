//! What the program, the writer and the feeds share, behind one lock that nobody holds while waiting for a disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
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
    /// When the oldest report that is recorded nowhere yet was appended.
    pub(super) waiting_since: Option<Instant>,
}

/// A report that is to be recorded.
#[derive(Debug)]
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
}

/// What the writer has to do.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) incoming: Vec<Incoming>,
    pub(super) flush: u64,
    pub(super) end: bool,
}

impl Shared {
    pub(super) fn new(settings: &Settings, last: Sequence) -> Self {
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
                waiting_since: None,
            }),
            wake: Condvar::new(),
            progress: watch::Sender::new(Progress {
                recorded: last,
                ..Progress::default()
            }),
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
            state.incoming.is_empty() && state.flush_wanted == flushed && !state.end_wanted
        };
        let waited = self.wake.wait_timeout_while(self.lock(), within, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let count = state.incoming.len().min(MOST_TAKEN);
        let incoming = state.incoming.drain(..count).collect();
        let is_all = state.incoming.is_empty();
        Work {
            incoming,
            flush: if is_all { state.flush_wanted } else { flushed },
            end: is_all && state.end_wanted,
        }
    }

    /// The reports are recorded: the feeds can have them.
    pub(super) fn recorded(&self, incoming: Vec<Incoming>) {
        if incoming.is_empty() {
            return;
        }
        let mut state = self.lock();
        for Incoming { sequence, report, .. } in incoming {
            state.recorded = sequence;
            state.ring.push(sequence, report);
        }
        state.evict();
        let recorded = state.recorded;
        drop(state);
        self.progress.send_modify(|progress| progress.recorded = recorded);
    }

    /// Everything up to this wish is done.
    pub(super) fn flushed(&self, flushed: u64) {
        self.progress.send_if_modified(|progress| {
            let before = std::mem::replace(&mut progress.flushed, flushed);
            before != flushed
        });
    }

    /// The writer has ended, however that came.
    pub(super) fn ended(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.progress.borrow().ended
    }
}

impl State {
    fn append(&mut self, report: Arc<Report>, since: Instant) -> Sequence {
        self.last = self.last.next();
        if self.end_wanted || self.incoming.len() >= self.memory {
            self.lost += 1;
            self.drop_for_feeds(self.last);
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
            if self.dir.is_none() {
                self.drop_for_feeds(gone);
            }
        }
    }

    fn kept(&self) -> Kept {
        let delivered = self.feeds.values().map(|feed| feed.delivered).min();
        Kept {
            delivered: delivered.unwrap_or(Sequence(u64::MAX)),
            written: None,
            memory: self.memory,
        }
    }

    /// Counts a report that is gone for every signal that it was not given to yet.
    fn drop_for_feeds(&mut self, sequence: Sequence) {
        for feed in self.feeds.values_mut().filter(|feed| feed.given < sequence) {
            feed.dropped += 1;
            feed.untold += 1;
        }
    }

    /// How many reports wait to be given to this feed.
    pub(super) fn ungiven(&self, signal: &str) -> usize {
        let given = self.feeds.get(signal).map_or(self.recorded, |feed| feed.given);
        self.ring.after(given).count()
    }

    /// How many reports wait for delivery of this signal, and when the oldest one's run ended.
    pub(super) fn undelivered(&self, signal: &str) -> (u64, Option<SystemTime>) {
        let Some(feed) = self.feeds.get(signal) else {
            return (0, None);
        };
        let waiting = feed.in_hand.len() + self.ungiven(signal);
        let oldest = feed.in_hand.front().map(|(_, end)| *end);
        let in_memory = || {
            self.ring
                .after(feed.given)
                .next()
                .map(|(_, report)| end_of(report))
        };
        (waiting as u64, oldest.or_else(in_memory))
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
        Status {
            dir: self.dir.clone(),
            segments: 0,
            bytes: 0,
            first: None,
            last: self.last,
            written: Sequence::NONE,
            unwritten: self.incoming.len() as u64,
            lag: self
                .waiting_since
                .or(self.incoming.front().map(|first| first.since))
                .map_or(Duration::ZERO, |since| since.elapsed()),
            in_memory: (self.ring.len() + self.incoming.len()) as u64,
            records: 0,
            bytes_written: 0,
            write_errors: 0,
            write_error: None,
            lost: self.lost,
            removed_segments: 0,
            damaged: 0,
            feeds: feeds.collect(),
        }
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
