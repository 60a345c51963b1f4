//! Spans that wait for an export, by runs: a run's spans leave together. Bounded; over the limit the
//! oldest run goes, and is counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::sync::Notify;

/// Runs whose spans may wait. At some 8 KiB a run this is 32 MiB.
pub(super) const MAX_WAITING: usize = 4096;
/// Spans of an export: OpenTelemetry's default batch.
const MAX_BATCH: usize = 512;
/// Runs that fill an export, at the usual 8 spans a run.
const ENOUGH: usize = MAX_BATCH / 8;
/// How often a run's spans may be refused while the collector takes others.
const MAX_REFUSALS: u32 = 3;

/// Spans that wait for an export, by runs.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

/// The runs, and what became of others.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Oldest first.
    pub(super) runs: VecDeque<Run>,
    /// Runs dropped because too many were waiting.
    pub(super) overflowed: usize,
    /// Runs dropped because the collector refused them.
    pub(super) refused: usize,
    /// Exports that succeeded.
    pub(super) exports: u64,
}

/// The spans of a run.
#[derive(Debug)]
pub(super) struct Run {
    /// The spans.
    pub(super) spans: Vec<ResourceSpans>,
    /// How many they are.
    count: usize,
    /// How often an export with this run failed after another had succeeded, and when it last failed.
    refusals: u32,
    failed_after: Option<u64>,
}

impl Queue {
    /// Adds the spans of a run. Over the limit, the oldest run's are dropped.
    pub(super) fn push(&self, spans: Vec<ResourceSpans>) {
        let of_scopes = spans.iter().flat_map(|of_resource| &of_resource.scope_spans);
        self.lock().push(Run {
            count: of_scopes.map(|of_scope| of_scope.spans.len()).sum(),
            spans,
            refusals: 0,
            failed_after: None,
        });
        self.filled.notify_one();
    }

    /// Until a run has been added since the last call.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Until there are enough runs for a full export.
    pub(super) async fn has_enough(&self) {
        while self.lock().runs.len() < ENOUGH {
            self.filled.notified().await;
        }
    }

    /// The runs that are waiting.
    pub(super) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, run: Run) {
        if self.runs.len() >= MAX_WAITING {
            self.runs.pop_front();
            self.overflowed += 1;
        }
        self.runs.push_back(run);
    }

    /// The oldest runs that fit an export, at least one if there is any.
    pub(super) fn take_batch(&mut self) -> Vec<Run> {
        let mut spans = 0;
        let fitting = self.runs.iter().take_while(|run| {
            let fits = spans == 0 || spans + run.count <= MAX_BATCH;
            spans += run.count;
            fits
        });
        let count = fitting.count();
        self.runs.drain(..count).collect()
    }

    /// Keeps what could not be exported, behind the rest, so that runs which the collector refuses hold
    /// up no others. Those it refuses again and again, while it takes others, are dropped.
    pub(super) fn put_back(&mut self, batch: Vec<Run>) {
        for mut run in batch {
            if run.failed_after.is_some_and(|then| then < self.exports) {
                run.refusals += 1;
            }
            run.failed_after = Some(self.exports);
            if run.refusals >= MAX_REFUSALS {
                self.refused += 1;
            } else {
                self.push(run);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::*;

    fn run(spans: usize) -> Vec<ResourceSpans> {
        let passing = crate::telemetry::specimen::passing();
        let mut of_resources = crate::telemetry::spans::resource_spans(&Resource::default(), [&passing]);
        let of_scope = &mut of_resources[0].scope_spans[0];
        of_scope.spans = vec![of_scope.spans[0].clone(); spans];
        of_resources
    }

    #[test]
    fn runs_leave_together_and_at_least_one() {
        let queue = Queue::default();
        for spans in [MAX_BATCH + 1, MAX_BATCH - 1, 1, 1] {
            queue.push(run(spans));
        }
        let sizes = || {
            queue
                .lock()
                .take_batch()
                .iter()
                .map(|run| run.count)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(), [MAX_BATCH + 1]);
        assert_eq!(sizes(), [MAX_BATCH - 1, 1]);
        assert_eq!(sizes(), [1]);
        assert!(sizes().is_empty());
    }

    #[test]
    fn over_the_limit_the_oldest_run_goes() {
        let queue = Queue::default();
        queue.push(run(2));
        for _ in 0..MAX_WAITING {
            queue.push(run(1));
        }
        let waiting = queue.lock();
        assert_eq!((waiting.runs.len(), waiting.overflowed), (MAX_WAITING, 1));
        assert_eq!(waiting.runs[0].count, 1);
    }

    #[test]
    fn an_outage_drops_nothing_and_a_refusal_does() {
        let queue = Queue::default();
        queue.push(run(1));
        let fail = || {
            let mut waiting = queue.lock();
            let batch = waiting.take_batch();
            waiting.put_back(batch);
            (waiting.runs.len(), waiting.refused)
        };
        for _ in 0..100 {
            assert_eq!(fail(), (1, 0));
        }
        let became: Vec<_> = (0..MAX_REFUSALS)
            .map(|_| {
                queue.lock().exports += 1;
                fail()
            })
            .collect();
        assert_eq!(became, [(1, 0), (1, 0), (0, 1)]);
    }
}
