//! Reading the reports in order, for the delivery of one signal, with a cursor that says how far it is.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::Sequence;
use super::reader::{Next, Reader};
use super::record::Damage;
use super::shared::{Progress, Shared};
use super::state::{FeedState, Source, age_of, end_of};
use crate::outcome::Report;

/// The pause after the disk could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The reports for one signal, in order and from where its delivery is.
#[derive(Debug)]
pub struct Feed {
    shared: Arc<Shared>,
    signal: &'static str,
    progress: watch::Receiver<Progress>,
    /// Reads the disk, from where it was left.
    reader: Option<Reader>,
}

/// Reports that are to be delivered.
#[derive(Debug, Clone)]
pub struct Batch {
    /// By rising sequence; never empty.
    pub reports: Vec<(Sequence, Arc<Report>)>,
    /// How many reports were gone before they could be delivered, since the batch before.
    pub skipped: u64,
}

impl Batch {
    /// The newest report of the batch, for [`Feed::delivered`].
    pub fn last(&self) -> Sequence {
        self.reports
            .last()
            .map_or(Sequence::NONE, |(sequence, _)| *sequence)
    }
}

impl Feed {
    /// The feed of a signal, from where it was left.
    pub(super) fn new(shared: Arc<Shared>, signal: &'static str) -> Self {
        let mut state = shared.lock();
        let from = state.cursors.get(signal).copied().unwrap_or(state.last);
        let feed = state.feeds.entry(signal).or_insert_with(|| FeedState {
            delivered: from,
            given: from,
            has_moved: true,
            ..FeedState::default()
        });
        // What was given to a feed before and is not delivered is given again.
        feed.given = feed.delivered;
        feed.in_hand.clear();
        drop(state);
        shared.wake();
        Self {
            progress: shared.progress(),
            shared,
            signal,
            reader: None,
        }
    }

    /// The signal.
    pub fn signal(&self) -> &'static str {
        self.signal
    }

    /// The reports after those that were given already, `at_most` so many. Waits until there is one, and then for
    /// `linger` at most until there are as many as may be given; while the journal is flushed it does not linger.
    /// Once the journal is closed and everything is given, it waits for ever.
    ///
    /// Dropping the future loses no report. Those that are given and not [delivered](Feed::delivered) come again
    /// from the next [`Journal::feed`](super::Journal::feed) of this signal, in this process or after a restart.
    pub async fn next(&mut self, at_most: usize, linger: Duration) -> Batch {
        let at_most = at_most.max(1);
        let mut until = None;
        loop {
            let progress = *self.progress.borrow_and_update();
            let (source, is_flushing) = {
                let mut state = self.shared.lock();
                let is_flushing = state.flush_wanted > progress.flushed || state.end_wanted;
                let source = state.source(self.signal);
                state.await_more(self.signal, source, at_most);
                (source, is_flushing)
            };
            let is_over = until.is_some_and(|until| Instant::now() >= until);
            match source {
                Source::Disk(after, up_to) => match self.read(after, up_to, at_most).await {
                    Some(batch) => return batch,
                    None => continue,
                },
                Source::Memory(count) if count >= at_most || is_over || is_flushing || linger.is_zero() => {
                    return self.take(at_most);
                }
                Source::Memory(_) => {
                    until.get_or_insert_with(|| Instant::now() + linger);
                }
                Source::Nowhere => {}
            }
            tokio::select! {
                changed = self.progress.changed() => if changed.is_err() {
                    // The journal is gone; `self.shared` holds its sender, so that this cannot be.
                    std::future::pending::<()>().await;
                },
                () = passed(until) => {}
            }
        }
    }

    /// Reads the disk, after the one report and up to the other. None when there is nothing, which is noted.
    async fn read(&mut self, after: Sequence, up_to: Sequence, at_most: usize) -> Option<Batch> {
        let reader = self.reader.take().filter(|reader| reader.position() == after);
        let (dir, is_removed) = {
            let state = self.shared.lock();
            (state.dir.clone()?, state.removed >= up_to)
        };
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = reader.unwrap_or_else(|| Reader::new(&dir, after));
            let read = read(&mut reader, up_to, at_most, is_removed);
            (reader, read)
        });
        match reading.await {
            Ok((reader, Ok(read))) => {
                self.reader = Some(reader);
                return self.give(read);
            }
            Ok((_, Err(error))) => {
                tracing::error!(signal = self.signal, "the journal cannot be read: {error}")
            }
            Err(error) => tracing::error!(signal = self.signal, "reading the journal ended early: {error}"),
        }
        sleep(READ_AGAIN).await;
        None
    }

    /// Notes what was read as given, without what was counted as dropped meanwhile.
    fn give(&self, read: Read) -> Option<Batch> {
        let mut state = self.shared.lock();
        state.damaged += read.damaged;
        let feed = state.feeds.get_mut(self.signal)?;
        feed.drop_reports(read.records + feed.lacking_of(&read.unreadable, Sequence(u64::MAX)));
        feed.given = read.up_to;
        let removed = feed.removed;
        let kept = read
            .reports
            .into_iter()
            .filter(|(sequence, _)| *sequence > removed);
        let reports: Vec<_> = kept.collect();
        if reports.is_empty() {
            return None;
        }
        let ends = reports
            .iter()
            .map(|(sequence, report)| (*sequence, end_of(report)));
        feed.in_hand.extend(ends);
        let skipped = std::mem::take(&mut feed.untold);
        Some(Batch { reports, skipped })
    }

    fn take(&self, at_most: usize) -> Batch {
        let mut state = self.shared.lock();
        let given = state
            .feeds
            .get(self.signal)
            .map_or(Sequence::NONE, |feed| feed.given);
        let reports: Vec<_> = state.ring.after(given).take(at_most).cloned().collect();
        let mut skipped = 0;
        if let Some(feed) = state.feeds.get_mut(self.signal) {
            feed.given = reports.last().map_or(given, |(sequence, _)| *sequence);
            let ends = reports
                .iter()
                .map(|(sequence, report)| (*sequence, end_of(report)));
            feed.in_hand.extend(ends);
            skipped = std::mem::take(&mut feed.untold);
        }
        Batch { reports, skipped }
    }

    /// Everything up to this report is delivered, or refused for good: it is never given again. Kept on disk within
    /// a moment; after a kill, what was delivered in that moment is given once more.
    pub fn delivered(&mut self, up_to: Sequence) {
        let mut state = self.shared.lock();
        if let Some(feed) = state.feeds.get_mut(self.signal) {
            feed.has_moved |= up_to > feed.delivered;
            feed.delivered = feed.delivered.max(up_to);
            feed.given = feed.given.max(up_to);
            while feed
                .in_hand
                .front()
                .is_some_and(|(sequence, _)| *sequence <= up_to)
            {
                feed.in_hand.pop_front();
            }
        }
        state.evict();
        drop(state);
        self.shared.wake();
    }

    /// How many reports were gone before they could be delivered, of those that no batch has told of: while what is given
    /// cannot be delivered, none is asked for.
    pub fn take_untold(&mut self) -> u64 {
        let mut state = self.shared.lock();
        let feed = state.feeds.get_mut(self.signal);
        feed.map_or(0, |feed| std::mem::take(&mut feed.untold))
    }

    /// How many reports wait to be delivered, those included that are given; and how old the oldest of them is,
    /// counted from the end of its run, if that is known.
    pub fn waiting(&self) -> (u64, Option<Duration>) {
        let (waiting, oldest) = self.shared.lock().undelivered(self.signal);
        (waiting, oldest.map(age_of))
    }
}

/// What was read from the disk.
struct Read {
    reports: Vec<(Sequence, Arc<Report>)>,
    /// How often something was damaged.
    damaged: u64,
    /// How many records were damaged.
    records: u64,
    /// The reports in segments that could not be read.
    unreadable: Vec<RangeInclusive<u64>>,
    /// Up to which report there is nothing more.
    up_to: Sequence,
}

/// Reads reports up to this one, `at_most` so many. What fails after some were read is told the next time. Unless it is
/// known that they are removed, a folder without any segment is one that is gone, and not one with nothing to read: what
/// it had is counted once the writer has found that out.
fn read(reader: &mut Reader, up_to: Sequence, at_most: usize, is_removed: bool) -> io::Result<Read> {
    let mut read = Read {
        reports: Vec::new(),
        damaged: 0,
        records: 0,
        unreadable: Vec::new(),
        up_to,
    };
    while read.reports.len() < at_most {
        let (place, damage) = match reader.read_next() {
            Err(error) if read.reports.is_empty() && read.damaged == 0 => return Err(error),
            Err(_) => break,
            Ok(Next::End) if is_removed || reader.has_segments()? => return Ok(read),
            Ok(Next::End) if read.reports.is_empty() && read.damaged == 0 => {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "its folder has no segment any more",
                ));
            }
            Ok(Next::End) => break,
            // It is in memory, and is taken from there.
            Ok(Next::Record(sequence)) if sequence > up_to => return Ok(read),
            Ok(Next::Record(sequence)) => match reader.report() {
                Ok(report) => {
                    read.reports.push((sequence, Arc::new(report)));
                    match sequence < up_to {
                        true => continue,
                        // The reader stays where the next reading begins.
                        false => return Ok(read),
                    }
                }
                Err(damage) => (format!("report {sequence}"), damage),
            },
            Ok(Next::Damaged(place, damage)) => (place.to_string(), damage),
        };
        tracing::error!("the journal is damaged, {place}: {damage}");
        read.damaged += 1;
        match damage {
            Damage::Unreadable { from, to, .. } => {
                let to = to.map_or(up_to, |to| to.min(up_to));
                read.unreadable.push(from.0..=to.0);
            }
            _ => read.records += 1,
        }
    }
    read.up_to = reader.position().min(up_to);
    Ok(read)
}

/// Until this moment; for ever when there is none.
async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
