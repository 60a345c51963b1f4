//! Writing to the disk whatever becomes of it: while it is full, read-only or gone, reports wait in memory, it is said,
//! and the folder is opened anew after a pause.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use super::beside;
use super::checkpoints::Checkpoints;
use super::part::Part;
use super::shared::Shared;
use super::state::{DiskFacts, Incoming};
use super::store::{Store, StoreError};
use super::{Observer, Sequence, Settings};

/// The pause after a failure, and the longest. A full disk is seldom free again in a second, and nobody wants to wait
/// for minutes once it is.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often it is said that the disk is still not to be used.
const SAY_EVERY: Duration = Duration::from_secs(300);

/// The disk, or what is wrong with it.
pub(super) struct Disk {
    dir: std::path::PathBuf,
    settings: Settings,
    store: Option<Store>,
    trouble: Option<Trouble>,
    /// The newest report that is written, and all before it that could be.
    written: Sequence,
    /// The newest report of which something may have been left when writing failed.
    left: Sequence,
    /// How far the signals are, as far as that is not kept yet.
    cursors: BTreeMap<&'static str, Sequence>,
    checkpoints: Checkpoints,
    facts: DiskFacts,
    synced: Instant,
}

struct Trouble {
    sentence: String,
    said: Instant,
    retry_at: Instant,
    pause: Duration,
}

impl Disk {
    /// The disk as it was found at the start.
    pub(super) fn new(
        dir: std::path::PathBuf,
        settings: Settings,
        written: Sequence,
        store: Result<Store, StoreError>,
        checkpoints: Checkpoints,
    ) -> Self {
        let mut disk = Self {
            dir,
            settings,
            store: None,
            trouble: None,
            written,
            left: Sequence::NONE,
            cursors: BTreeMap::new(),
            checkpoints,
            facts: DiskFacts::default(),
            synced: Instant::now(),
        };
        match store {
            Ok(store) => disk.store = Some(store),
            Err(error) => disk.fail(&error),
        }
        disk
    }

    /// Whether reports can be written.
    pub(super) fn is_ready(&self) -> bool {
        self.store.is_some()
    }

    /// The newest report that is written.
    pub(super) fn written(&self) -> Sequence {
        self.written
    }

    /// How things are.
    pub(super) fn facts(&self) -> DiskFacts {
        let mut facts = self.facts.clone();
        if let Some(store) = &self.store {
            facts.take_in(store);
        }
        facts.written = self.written;
        facts.write_error = self.trouble.as_ref().map(|trouble| trouble.sentence.clone());
        facts
    }

    /// Writes reports, part by part, as many as there is room for; those that cannot be put into words are left out and
    /// counted.
    pub(super) fn write(&mut self, reports: &[Incoming], shared: &Shared) {
        let (mut waiting, mut at_most) = (reports, Part::at_most(&self.settings));
        while !waiting.is_empty() {
            let part = Part::of(waiting, at_most);
            let now = SystemTime::now();
            self.remove_excess(part.lines.len() as u64, now, shared);
            let Some(store) = &mut self.store else { return };
            // Reports between fell out of memory. A new segment is named after the first one of the part.
            self.written = self.written.max(Sequence(part.first.0.saturating_sub(1)));
            match store.append(part.first, &part.lines, now) {
                Ok(()) => {
                    waiting = &waiting[part.reports..];
                    self.wrote(&part, shared);
                }
                Err(failed) if failed.is_full && part.reports > 1 => at_most = part.lines.len() / 2,
                Err(failed) => {
                    if !failed.is_cut_off {
                        self.left = part.last;
                    }
                    return self.fail(&failed.error);
                }
            }
        }
        // With less than all that there was, the disk is still full.
        if !reports.is_empty() && self.trouble.take().is_some() {
            tracing::info!("the journal in `{}` is written to again", self.dir.display());
        }
    }

    fn wrote(&mut self, part: &Part, shared: &Shared) {
        self.written = part.last;
        self.facts.records += part.reports as u64;
        self.facts.bytes_written += part.lines.len() as u64;
        for (check, error) in &part.unwritable {
            shared.lock().lost += 1;
            tracing::error!(
                check,
                "a report of the check `{check}` cannot be written to the journal: {error}"
            );
        }
    }

    /// Closes the segment that is being written if it is old, and removes what is too old, though nothing is written.
    pub(super) fn age(&mut self, now: SystemTime, shared: &Shared) {
        let next = self.written.next();
        if let Some(Err(error)) = self.store.as_mut().map(|store| store.age(next, now)) {
            return self.fail(&error);
        }
        self.remove_excess(0, now, shared);
    }

    /// Removes what is too much or too old, and counts for each signal what it lacks by that.
    pub(super) fn remove_excess(&mut self, to_come: u64, now: SystemTime, shared: &Shared) {
        while let Some(store) = &mut self.store
            && let Some(up_to) = store.excess(to_come, now)
        {
            let up_to = up_to.min(self.written);
            let reports = store.oldest_reports().unwrap_or_else(|(first, error)| {
                tracing::error!(
                    "the reports of a segment that is to be removed are counted by their numbers: {error}"
                );
                vec![first.0..=up_to.0]
            });
            let lacking = shared.lock().removed(up_to, &reports);
            if let Err(error) = store.remove_oldest() {
                return self.fail(&error);
            }
            self.facts.removed_segments += 1;
            for (signal, reports) in lacking.into_iter().filter(|(_, reports)| *reports > 0) {
                tracing::error!(
                    signal,
                    reports,
                    "the journal has come to its bound: {reports} reports were removed before they were delivered as {signal}"
                );
            }
        }
    }

    /// Takes over how far the signals are, and keeps it on disk.
    pub(super) fn keep_cursors(&mut self, moved: BTreeMap<&'static str, Sequence>) {
        self.cursors.extend(moved);
        while let (Some(store), Some((signal, delivered))) = (&self.store, self.cursors.pop_first()) {
            if let Err(error) = store.replace(&beside::cursor_file(signal), &beside::cursor(delivered), false)
            {
                self.cursors.entry(signal).or_insert(delivered);
                return self.fail(&error);
            }
        }
    }

    /// Keeps what the observers know after this report, if it is time to.
    pub(super) fn keep_checkpoint(
        &mut self,
        newest: Sequence,
        observers: &[Box<dyn Observer>],
        is_end: bool,
    ) {
        if let Some(store) = &self.store
            && self.checkpoints.is_due(newest, store, is_end)
        {
            self.checkpoints.keep(newest, observers, store);
        }
    }

    /// When something is to be done at the latest, though nothing was appended.
    pub(super) fn due(&self) -> Option<Instant> {
        let sync = self.store.as_ref().filter(|store| !store.is_synced());
        let sync = sync.map(|_| self.synced + self.settings.sync);
        let retry = self.trouble.as_ref().filter(|_| self.store.is_none());
        sync.or(retry.map(|trouble| trouble.retry_at))
    }

    /// Forces what was written to the disk, if it is time to or if it `must` be.
    pub(super) fn sync(&mut self, must: bool) {
        let Some(store) = &mut self.store else { return };
        if store.is_synced() || !(must || self.synced.elapsed() >= self.settings.sync) {
            return;
        }
        self.synced = Instant::now();
        if let Err(error) = store.sync() {
            self.fail(&error);
        }
    }

    /// Finds out whether the files are still in their folder.
    pub(super) fn verify_presence(&mut self, shared: &Shared) {
        let Some(Err(error)) = self.store.as_ref().map(Store::verify_presence) else {
            return;
        };
        self.fail(&error);
        self.count_gone(shared);
        // Trying at once: a folder that was removed can be made anew.
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_at = Instant::now();
        }
    }

    /// Counts for each signal what it lacks now that all that was written is gone.
    fn count_gone(&self, shared: &Shared) {
        let lost = shared.lock().removed(self.written, &[0..=self.written.0]);
        for (signal, reports) in lost.into_iter().filter(|(_, reports)| *reports > 0) {
            tracing::error!(
                signal,
                reports,
                "with the journal, reports went before they were delivered as {signal}"
            );
        }
    }

    /// Opens the folder anew if it is time to, or if it `must` be tried; whether it was.
    pub(super) fn recover(&mut self, must: bool, shared: &Shared) -> bool {
        let is_time = |trouble: &Trouble| must || Instant::now() >= trouble.retry_at;
        if self.store.is_some() || !self.trouble.as_ref().is_some_and(is_time) {
            return false;
        }
        match Store::open(&self.dir, &self.settings) {
            // All that is newer than what was written here would be taken for written.
            Ok((_, scan)) if scan.last > self.written.max(self.left) => {
                let sentence = format!(
                    "`{}` has reports from elsewhere, up to {}, and the newest that was written here is {}",
                    self.dir.display(),
                    scan.last,
                    self.written
                );
                self.trouble_with(sentence);
            }
            // Whether the trouble is over is known only when something was written: a full disk can be opened.
            Ok((store, scan)) => {
                if let Some(unreadable) = scan.unreadable {
                    tracing::error!("journal: {unreadable}");
                }
                if scan.last == Sequence::NONE {
                    // It was removed while it could not be written.
                    self.count_gone(shared);
                }
                self.store = Some(store);
                self.written = self.written.max(scan.last);
                self.left = Sequence::NONE;
            }
            Err(error) => self.fail(&error),
        }
        self.store.is_some()
    }

    /// Gives up the folder for a while.
    fn fail(&mut self, error: &StoreError) {
        if let Some(store) = self.store.take() {
            // Most of it is still there.
            self.facts.take_in(&store);
            self.checkpoints.forget(&store);
        }
        self.trouble_with(error.to_string());
    }

    fn trouble_with(&mut self, sentence: String) {
        self.facts.write_errors += 1;
        let (now, before) = (Instant::now(), self.trouble.take());
        let pause = before
            .as_ref()
            .map_or(PAUSES.0, |before| (before.pause * 2).min(PAUSES.1));
        let is_said = before
            .as_ref()
            .is_some_and(|before| before.sentence == sentence && now - before.said < SAY_EVERY);
        if !is_said {
            tracing::error!(
                "the journal cannot be written: {sentence}; checks go on, and reports wait in memory, up to {}",
                self.settings.memory
            );
        }
        let said = before.filter(|_| is_said).map_or(now, |before| before.said);
        self.trouble = Some(Trouble {
            sentence,
            said,
            retry_at: now + pause,
            pause,
        });
    }
}

impl DiskFacts {
    /// What there is on disk.
    fn take_in(&mut self, store: &Store) {
        (self.segments, self.bytes) = store.size();
        self.first = store.first();
    }
}
