//! What the program, the writer and the feeds share, behind one lock that nobody holds while waiting for a disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ring::Ring;
use super::state::{DiskFacts, Incoming, State};
use super::{Sequence, Settings};
use crate::outcome::Report;

/// The most reports that the writer takes at once, so that each lock is held for microseconds.
const MOST_TAKEN: usize = 512;
/// How long the writer lets reports gather after it has taken some. To wake it for each costs several times what it
/// has to do for it; and a kill takes no more with it than what is under way in so short a time.
const PACE: Duration = Duration::from_millis(2);

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

/// When something is to be looked for, which is said by whoever looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// After this time in any case.
    pub(super) within: Duration,
    /// Which wish to flush was the last that was fulfilled.
    pub(super) flushed: u64,
    /// When reports were taken last.
    pub(super) taken: Option<Instant>,
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
                let_go: Vec::new(),
                feeds: BTreeMap::new(),
                flush_wanted: 0,
                end_wanted: false,
                lost: 0,
                damaged: 0,
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
        let mut state = self.lock();
        let sequence = state.append(report, Instant::now());
        let is_wanted = [1, plenty(&state)].contains(&state.incoming.len());
        let _gone = state.take_let_go();
        drop(state);
        // The others are found by the writer when it comes for the first one.
        if is_wanted {
            self.wake();
        }
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

    /// What there is to do; perhaps nothing.
    pub(super) fn work(&self, patience: Patience) -> Work {
        let flushed = patience.flushed;
        let is_asked = |state: &State| state.flush_wanted != flushed || state.end_wanted;
        let idle = |state: &mut State| {
            let has_moved = state.feeds.values().any(|feed| feed.has_moved);
            state.incoming.is_empty() && !is_asked(state) && !has_moved
        };
        let waited = self.wake.wait_timeout_while(self.lock(), patience.within, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let pace = patience.taken.map(|taken| PACE.saturating_sub(taken.elapsed()));
        if let Some(pace) = pace.filter(|pace| !pace.is_zero() && !state.incoming.is_empty()) {
            let gathers = |state: &mut State| state.incoming.len() < plenty(state) && !is_asked(state);
            let waited = self.wake.wait_timeout_while(state, pace, gathers);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
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
        let (recorded, flush_wanted) = (state.recorded, state.flush_wanted);
        let is_awaited = state.feeds.values().any(|feed| feed.awaited <= recorded);
        drop(state);
        self.progress.send_if_modified(|progress| {
            progress.recorded = recorded;
            is_awaited || flush_wanted > progress.flushed
        });
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

    /// Gives back the memory of reports that nobody else has, because none comes.
    pub(super) fn give_back(&self) {
        let gone = std::mem::take(&mut self.lock().let_go);
        drop(gone);
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

/// As many reports as the writer is woken for at once: not so many that there is no room for others.
fn plenty(state: &State) -> usize {
    (state.memory / 2).clamp(1, MOST_TAKEN)
}
