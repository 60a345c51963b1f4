//! The thread that records reports: on disk, in memory, to the observers, in this order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::Observer;
use super::shared::{Incoming, Shared};

/// How long the writer waits for something to do before it looks at its clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Records reports.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) observers: Vec<Box<dyn Observer>>,
}

/// Tells that the writer has ended, however that came.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl Writer {
    /// Records until the end is asked for.
    pub(super) fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.shared));
        let mut flushed = 0;
        loop {
            let work = self.shared.work(LOOK_EVERY, flushed);
            self.record(work.incoming);
            flushed = work.flush;
            self.shared.flushed(flushed);
            if work.end {
                return;
            }
        }
    }

    fn record(&mut self, incoming: Vec<Incoming>) {
        for Incoming { sequence, report, .. } in &incoming {
            for observer in &mut self.observers {
                let observed = catch_unwind(AssertUnwindSafe(|| observer.recorded(*sequence, report)));
                if observed.is_err() {
                    tracing::error!(sequence = sequence.0, "an observer of the journal panicked");
                }
            }
        }
        self.shared.recorded(incoming);
    }
}
