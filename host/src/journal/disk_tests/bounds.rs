//! The bounds of size and age, and what is counted when they are kept.

use super::*;

#[tokio::test]
async fn the_size_is_kept_and_what_was_not_delivered_is_counted_for_each_signal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(of_small_segments(dir.path(), 10));
    let (mut traces, mut logs) = (journal.feed("traces"), journal.feed("logs"));
    for _ in 0..10 {
        append(&journal, 10).await;
        let status = journal.status();
        assert!(
            status.bytes <= of_small_segments(dir.path(), 10).max_size,
            "{status:?}"
        );
        assert_eq!(status.segments, segments_of(dir.path()).len() as u64);
        while logs.waiting().0 > 5 {
            let batch = logs.next(1, Duration::ZERO).await;
            logs.delivered(batch.last());
        }
    }
    let status = journal.status();
    let kept = status.first.unwrap().0 - 1;
    assert!(kept >= 10, "{status:?}");
    assert_eq!(
        (status.removed_segments, on_disk(dir.path()).0[0]),
        (kept / 10, kept + 1)
    );
    // All that is in memory is not lost, although it is on disk no more.
    let batch = traces.next(200, Duration::ZERO).await;
    let dropped: Vec<_> = status
        .feeds
        .iter()
        .map(|feed| (feed.signal, feed.dropped))
        .collect();
    assert_eq!(dropped, [("logs", 0), ("traces", batch.skipped)]);
    assert_eq!(batch.skipped + batch.reports.len() as u64, 100);
}

#[tokio::test]
async fn what_is_removed_before_a_restart_reads_it_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = reopened_with_eighty(dir.path()).await;
    let mut feed = journal.feed("traces");
    assert_eq!(feed.waiting().0, 80);
    for _ in 0..2 {
        append(&journal, 10).await;
    }
    let mut numbers = Vec::new();
    let mut skipped = 0;
    while numbers.last() != Some(&100) {
        let batch = feed.next(7, Duration::ZERO).await;
        numbers.extend(given(&batch));
        skipped += batch.skipped;
        feed.delivered(batch.last());
    }
    let dropped = journal.status().feeds[0].dropped;
    assert!(dropped >= 20, "{dropped}");
    assert_eq!(skipped, dropped);
    assert!(numbers.into_iter().eq(dropped + 1..=100));
    assert_eq!(feed.waiting().0, 0);
}

#[tokio::test]
async fn what_is_too_old_is_removed_when_the_journal_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let small = of_small_segments(dir.path(), 10);
    let (journal, _) = open(small.clone());
    for _ in 0..3 {
        append(&journal, 10).await;
    }
    journal.close(BOUND).await.unwrap();
    let old = std::fs::File::options()
        .append(true)
        .open(&segments_of(dir.path())[0])
        .unwrap();
    old.set_modified(std::time::SystemTime::now() - small.max_age * 2)
        .unwrap();
    let (journal, _) = open(small);
    append(&journal, 1).await;
    assert_eq!(on_disk(dir.path()).0.first(), Some(&11));
}

#[tokio::test]
async fn what_gets_too_old_is_removed_though_nothing_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let brief = Settings {
        max_age: Duration::from_millis(160),
        ..settings(dir.path())
    };
    let (journal, _) = open(brief.clone());
    append(&journal, 3).await;
    let emptied = async {
        while segments::list(dir.path()).unwrap() != [Sequence(4)] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(BOUND, emptied).await.unwrap();
    assert_eq!(on_disk(dir.path()), (vec![], 0));
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let (journal, opened) = open(brief);
    assert_eq!(opened.last, Sequence(3), "the numbers go on");
    assert_eq!(journal.append(samples::pass()), Sequence(4));
    journal.close(BOUND).await.unwrap();
}

#[tokio::test]
async fn a_restart_makes_no_segment_younger() {
    let dir = tempfile::tempdir().unwrap();
    let brief = Settings {
        max_age: Duration::from_millis(160),
        ..settings(dir.path())
    };
    let (journal, _) = open(brief.clone());
    append(&journal, 1).await;
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let file = std::fs::File::options()
        .append(true)
        .open(&segments_of(dir.path())[0])
        .unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(3600))
        .unwrap();
    if file.metadata().and_then(|found| found.created()).is_err() {
        return;
    }
    let (_journal, _) = open(brief);
    let closed = async {
        while segments_of(dir.path()).len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(BOUND, closed).await.unwrap();
}
