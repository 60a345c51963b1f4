//! The thread that records reports: on disk, in memory, to the observers, in this order.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::disk::Disk;
use super::observer::tell;
use super::shared::{Patience, Shared};
use super::state::Incoming;
use super::{Observer, Sequence};

/// How long the writer waits for something to do before it looks whether its files are there and what is too old.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Records reports.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) observers: Vec<Box<dyn Observer>>,
    pub(super) disk: Option<Disk>,
    /// The newest report that the observers know.
    pub(super) observed: Sequence,
}

/// Tells that the writer has ended, however that came.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl Writer {
    /// Records until the end is asked for. That it is over is told when the folder is free for another writer.
    pub(super) fn run(self) {
        let _ended = Ended(Arc::clone(&self.shared));
        self.record_all();
    }

    fn record_all(mut self) {
        let (mut flushed, mut looked) = (0, Instant::now());
        let mut taken = None;
        loop {
            self.shared.beat();
            let within = self.patience();
            let work = self.shared.work(Patience {
                within,
                flushed,
                taken,
            });
            if !work.incoming.is_empty() {
                taken = Some(Instant::now());
            }
            let must = work.end || work.flush != flushed;
            if let Some(disk) = &mut self.disk {
                disk.keep_cursors(work.cursors);
            }
            self.record(work.incoming);
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.shared.give_back();
                self.look();
            }
            self.catch_up(must);
            if let Some(disk) = &mut self.disk {
                disk.sync(must);
                disk.keep_checkpoint(self.observed, &self.observers, work.end);
            }
            self.tell();
            flushed = work.flush;
            self.shared.flushed(flushed);
            if work.end {
                return;
            }
        }
    }

    fn patience(&self) -> Duration {
        let due = self.disk.as_ref().and_then(Disk::due);
        let until = due.map_or(LOOK_EVERY, |due| due.saturating_duration_since(Instant::now()));
        until.min(LOOK_EVERY)
    }

    fn record(&mut self, incoming: Vec<Incoming>) {
        if let Some(disk) = &mut self.disk {
            // What waits in memory is older, and is written first.
            if disk.is_ready() && disk.written() >= self.observed {
                disk.write(&incoming, &self.shared);
            }
        }
        for Incoming { sequence, report, .. } in &incoming {
            self.observed = *sequence;
            for observer in &mut self.observers {
                tell(observer.as_mut(), *sequence, report);
            }
        }
        self.shared
            .recorded(incoming, self.disk.as_ref().map(Disk::written));
    }

    /// Looks after the files.
    fn look(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.verify_presence(&self.shared);
            disk.age(SystemTime::now(), &self.shared);
        }
    }

    /// Writes what waits in memory, if the disk is there again.
    fn catch_up(&mut self, must: bool) {
        let Some(disk) = &mut self.disk else { return };
        if disk.recover(must, &self.shared) {
            // The folder may be another one than before. The lock is not held while it is written.
            let delivered = self.shared.lock().delivered();
            disk.keep_cursors(delivered);
        }
        while disk.is_ready() && disk.written() < self.observed {
            let waiting = self.shared.unwritten(disk.written());
            if waiting.is_empty() {
                return;
            }
            disk.write(&waiting, &self.shared);
            self.shared.written(disk.written());
        }
    }

    fn tell(&self) {
        if let Some(disk) = &self.disk {
            self.shared.lock().disk = disk.facts();
        }
    }
}
