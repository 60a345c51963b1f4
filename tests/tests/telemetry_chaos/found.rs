//! What has to be true when a trial is over.

use std::collections::{BTreeMap, HashMap, HashSet};

use bedcheck_tests::collector::{Point, Received, Span};
use serde_json::Value;

use super::trial::{MAX_REQUEST, Trial};

/// The trace of a run, and its root span.
pub(crate) type Identity = (String, String);

/// The runs that a collector has.
pub(crate) struct Found {
    identities: HashSet<Identity>,
    /// How often a process sent what it had sent before.
    by_one_process: usize,
    /// How often a process sent what another had sent before it was killed.
    by_two_processes: usize,
}

impl Trial {
    /// Each report has a root span with its identity, but for those of which the collector said that it rejected them,
    /// and no other run has one. What comes twice says the same.
    pub(crate) fn assert_found_but_for_rejected(&self) -> Found {
        let found = found(&self.received);
        let kept: HashSet<_> = self.journalled.iter().map(identity).collect();
        let rejected = self.sabotage.between.rejected();
        let missing: Vec<_> = kept.difference(&found.identities).collect();
        println!(
            "{} runs; {} found, {} rejected of {} spans rejected; {} copies by one process, {} by two, {} runs sent without \
             an answer, {} answers cut, {} requests left by a collector that ended",
            self.journalled.len(),
            found.identities.len(),
            missing.len(),
            rejected.spans,
            found.by_one_process,
            found.by_two_processes,
            self.told.unconfirmed,
            self.sabotage.between.answers_cut(),
            self.sabotage.between.unanswered(),
        );
        for (trace, _) in &missing {
            assert!(rejected.traces.contains(trace), "{trace} is not in the collector");
        }
        assert!(!missing.is_empty(), "nothing was rejected for good");
        let others: Vec<_> = found.identities.difference(&kept).collect();
        assert!(
            others.is_empty(),
            "the collector has runs that are not in the journal: {others:?}"
        );
        found
    }

    /// Nothing is sent twice by one process, but for what was in a request whose collector was killed with it; of a kill
    /// of the daemon, the request under way, and the one before if its answer was not noted yet.
    pub(crate) fn assert_copies_need_a_kill_or_a_collector_that_ended(&self, found: &Found) {
        let most = self.sabotage.between.unanswered() as usize * MAX_REQUEST;
        let copies = found.by_one_process;
        assert!(copies <= most, "{copies} copies, and {most} are explained");
        let most = self.told.kills * 2 * MAX_REQUEST;
        let copies = found.by_two_processes;
        assert!(copies <= most, "{copies} copies, and {most} are explained");
    }

    /// Where an answer was lost a collector gets the same twice, and the daemon knows how much that may be; but for kills.
    pub(crate) fn assert_copies_are_known_of(&self, found: &Found) {
        let copies = found.by_one_process + found.by_two_processes;
        let most = self.told.unconfirmed + self.told.kills * 2 * MAX_REQUEST;
        assert!(copies <= most, "{copies} copies, and {most} are explained");
    }

    /// Counters went on, and memory was bounded.
    pub(crate) fn assert_held(&self) {
        assert_counters_go_on(&self.journalled, &self.received);
        assert_memory_is_bounded(&self.memory);
    }

    /// After what the daemon named was exported, every run is there.
    pub(crate) fn assert_all_found_after_the_export(mut self, found: Found) {
        // As much again is about to be read.
        self.received = Received::default();
        let mut identities = found.identities;
        identities.extend(self::found(&self.export()).identities);
        let journalled: HashSet<_> = self.journalled.iter().map(identity).collect();
        assert_eq!(identities, journalled, "after the export every run is there");
    }
}

/// The root spans, each by its identity once, and how many copies of them there are.
fn found(received: &Received) -> Found {
    let mut latest = HashMap::<Identity, &Span>::new();
    let (mut by_one_process, mut by_two_processes) = (0, 0);
    for span in received.spans.iter().filter(|span| span.parent.is_empty()) {
        let Some(before) = latest.insert((span.trace_id.clone(), span.id.clone()), span) else {
            continue;
        };
        assert_eq!((before.start, before.end), (span.start, span.end), "{span:?}");
        assert_eq!(before.attributes, span.attributes, "{span:?}");
        let process = |span: &Span| span.resource["process.pid"].clone();
        if process(before) == process(span) {
            by_one_process += 1;
        } else {
            by_two_processes += 1;
        }
    }
    Found {
        identities: latest.into_keys().collect(),
        by_one_process,
        by_two_processes,
    }
}

/// The identity of a report's run.
fn identity(report: &Value) -> Identity {
    (
        text(report, "trace_id").to_owned(),
        text(report, "run_id").to_owned(),
    )
}

fn text<'v>(report: &'v Value, name: &str) -> &'v str {
    report[name].as_str().unwrap_or_default()
}

/// Every series of runs only ever rises, from one start, to what the journal holds.
fn assert_counters_go_on(journalled: &[Value], received: &Received) {
    let exports = received
        .metrics
        .iter()
        .filter(|metric| metric.name == "synthetic.check.runs");
    let mut series = BTreeMap::<String, &Point>::new();
    for point in exports.flat_map(|export| &export.points) {
        let key = serde_json::to_string(&point.attributes).expect("plain values");
        if let Some(before) = series.insert(key, point) {
            assert!(before.value <= point.value, "{before:?} and then {point:?}");
            assert_eq!(before.start, point.start, "{before:?} and then {point:?}");
        }
    }
    let counted: f64 = series.values().map(|point| point.value).sum();
    assert_eq!(counted as usize, journalled.len());
}

/// The second half of the trial, in which as much went wrong as in the first, takes no more memory than the first did,
/// but for a quarter, which is what an allocator keeps or does not.
fn assert_memory_is_bounded(memory: &[u64]) {
    let (first, second) = memory.split_at(memory.len() / 2);
    let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
    let (first, second) = (most(first), most(second));
    assert!(
        second <= first + first / 4 + 16,
        "{second} MiB, {first} MiB before"
    );
}
