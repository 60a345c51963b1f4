//! The journal in memory: order, bounds, feeds.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Journal, Observer, Sequence, Settings};
use crate::outcome::Report;
use crate::render::samples;

const BOUND: Duration = Duration::from_secs(20);

fn journal(memory: usize) -> Journal {
    let settings = Settings {
        memory,
        ..Settings::default()
    };
    Journal::open(settings, Vec::new()).unwrap().0
}

fn sequences(batch: &super::Batch) -> Vec<u64> {
    batch.reports.iter().map(|(sequence, _)| sequence.0).collect()
}

/// Writes down what it is told.
struct Notes(Arc<Mutex<Vec<(u64, String)>>>);

impl Observer for Notes {
    fn recorded(&mut self, sequence: Sequence, report: &Report) {
        assert_ne!(report.check, "panics");
        self.0.lock().unwrap().push((sequence.0, report.check.clone()));
    }

    fn checkpoint(&self) -> Option<serde_json::Value> {
        None
    }

    fn restore(&mut self, checkpoint: Option<serde_json::Value>) {
        assert_eq!(checkpoint, None);
        self.0.lock().unwrap().push((0, "restored".to_owned()));
    }
}

fn named(check: &str) -> Report {
    Report {
        check: check.to_owned(),
        ..samples::pass()
    }
}

#[tokio::test]
async fn observers_see_every_report_in_order_and_a_panic_of_theirs_ends_nothing() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let observer = Box::new(Notes(Arc::clone(&notes)));
    let (journal, opened) = Journal::open(Settings::default(), vec![observer]).unwrap();
    assert_eq!(opened.last, Sequence::NONE);
    for check in ["a", "panics", "b"] {
        journal.append(named(check));
    }
    journal.flush(BOUND).await.unwrap();
    let told = |sequence, check: &str| (sequence, check.to_owned());
    assert_eq!(
        *notes.lock().unwrap(),
        [told(0, "restored"), told(1, "a"), told(3, "b")]
    );
}

#[tokio::test]
async fn each_signal_gets_every_report_once_in_batches_and_may_be_behind() {
    let journal = journal(100);
    let (mut traces, mut logs) = (journal.feed("traces"), journal.feed("logs"));
    for _ in 0..5 {
        journal.append(samples::pass());
    }
    let first = traces.next(2, BOUND).await;
    assert_eq!((sequences(&first), first.skipped), (vec![1, 2], 0));
    assert_eq!(sequences(&traces.next(3, BOUND).await), [3, 4, 5]);
    assert_eq!(sequences(&logs.next(5, BOUND).await), [1, 2, 3, 4, 5]);
    assert_eq!(traces.waiting().0, 5);
    traces.delivered(Sequence(2));
    assert_eq!(traces.waiting().0, 3);
    assert_eq!(journal.status().in_memory, 5, "the logs are not delivered");
    logs.delivered(Sequence(5));
    assert_eq!(journal.status().in_memory, 3);
}

#[tokio::test]
async fn what_was_given_and_not_delivered_is_given_to_the_next_feed_of_the_signal() {
    let journal = journal(100);
    let mut feed = journal.feed("traces");
    for _ in 0..3 {
        journal.append(samples::pass());
    }
    assert_eq!(sequences(&feed.next(3, BOUND).await), [1, 2, 3]);
    feed.delivered(Sequence(1));
    drop(feed);
    assert_eq!(sequences(&journal.feed("traces").next(2, BOUND).await), [2, 3]);
}

#[tokio::test]
async fn a_feed_lingers_for_a_full_batch_and_not_longer_than_it_may() {
    const LINGER: Duration = Duration::from_millis(50);
    let journal = journal(100);
    let mut feed = journal.feed("traces");
    journal.append(samples::pass());
    journal.flush(BOUND).await.unwrap();
    let start = Instant::now();
    assert_eq!(feed.next(10, LINGER).await.reports.len(), 1);
    assert!(start.elapsed() >= LINGER);
    journal.append(samples::pass());
    journal.append(samples::pass());
    let full = feed.next(2, Duration::from_secs(3600));
    assert_eq!(full.await.reports.len(), 2);
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_no_report() {
    let journal = journal(100);
    let mut feed = journal.feed("traces");
    let dropped = tokio::time::timeout(Duration::from_millis(1), feed.next(1, BOUND)).await;
    assert!(dropped.is_err());
    journal.append(samples::pass());
    journal.flush(BOUND).await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(1), feed.next(2, BOUND)).await;
    assert!(dropped.is_err());
    assert_eq!(sequences(&feed.next(1, BOUND).await), [1]);
}

#[tokio::test]
async fn over_the_bound_the_oldest_reports_go_and_are_counted_for_each_signal_that_lacks_them() {
    let journal = journal(4);
    let (mut traces, mut logs) = (journal.feed("traces"), journal.feed("logs"));
    for _ in 0..4 {
        journal.append(samples::pass());
        journal.flush(BOUND).await.unwrap();
    }
    assert_eq!(sequences(&logs.next(1, BOUND).await), [1]);
    for _ in 0..2 {
        journal.append(samples::pass());
        journal.flush(BOUND).await.unwrap();
    }
    let batch = traces.next(10, Duration::ZERO).await;
    assert_eq!((sequences(&batch), batch.skipped), (vec![3, 4, 5, 6], 2));
    let batch = logs.next(10, Duration::ZERO).await;
    assert_eq!((sequences(&batch), batch.skipped), (vec![3, 4, 5, 6], 1));
    let dropped: Vec<_> = journal
        .status()
        .feeds
        .iter()
        .map(|feed| (feed.signal, feed.dropped))
        .collect();
    assert_eq!(dropped, [("logs", 1), ("traces", 2)]);
}

#[tokio::test]
async fn a_burst_reaches_a_delivery_that_reads_on_whole() {
    const BURST: u64 = 10_000;
    let journal = journal(Settings::default().memory);
    let mut feed = journal.feed("traces");
    let report = Arc::new(samples::pass());
    for _ in 0..BURST {
        journal.append(Arc::clone(&report));
    }
    let mut given = Vec::new();
    while given.len() < BURST as usize {
        let batch = feed.next(500, Duration::from_millis(1)).await;
        feed.delivered(batch.last());
        given.extend(sequences(&batch));
    }
    assert!(given.iter().copied().eq(1..=BURST));
    assert_eq!(feed.waiting(), (0, None));
    assert_eq!(journal.status().in_memory, 0);
}

#[tokio::test]
async fn what_comes_after_the_end_is_counted_as_lost() {
    let journal = journal(4);
    let mut feed = journal.feed("traces");
    journal.append(samples::pass());
    journal.close(BOUND).await.unwrap();
    journal.append(samples::pass());
    let status = journal.status();
    assert_eq!(
        (status.lost, status.feeds[0].dropped, status.unwritten),
        (1, 1, 0)
    );
    assert_eq!(sequences(&feed.next(9, BOUND).await), [1], "it can still be had");
    journal.close(BOUND).await.unwrap();
}

#[tokio::test]
async fn the_memory_of_reports_that_nobody_wants_is_given_back() {
    let journal = journal(10);
    let kept: Vec<_> = (0..3).map(|_| Arc::new(named("a"))).collect();
    let weak: Vec<_> = kept.iter().map(Arc::downgrade).collect();
    for report in kept {
        journal.append(report);
    }
    journal.flush(BOUND).await.unwrap();
    // With those that come, or when none comes for a while.
    let begun = Instant::now();
    while weak.iter().any(|report| report.strong_count() > 0) {
        assert!(begun.elapsed() < BOUND);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
