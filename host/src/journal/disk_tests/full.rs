//! A disk that is full, or nearly.

use super::*;

#[tokio::test]
async fn a_nearly_full_disk_takes_what_fits_and_all_that_waited_once_there_is_room() {
    const REPORTS: u64 = 600;
    let dir = tempfile::tempdir().unwrap();
    let small = of_small_segments(dir.path(), 10);
    let (journal, _) = open(Settings {
        max_size: u64::MAX,
        ..small.clone()
    });
    small_disk::set_room(dir.path(), small.segment_size * 4);
    let report = Arc::new(samples::pass());
    for _ in 0..REPORTS {
        journal.append(Arc::clone(&report));
    }
    let unfinished = journal.flush(BOUND).await.unwrap_err();
    let status = journal.status();
    assert_eq!(status.written.0 + unfinished.unwritten, REPORTS);
    assert!(status.written.0 >= 40, "{status:?}");
    assert!(
        status
            .write_error
            .is_some_and(|error| error.contains("no storage space"))
    );
    assert!(on_disk(dir.path()).0.into_iter().eq(1..=status.written.0));
    small_disk::set_room(dir.path(), u64::MAX);
    journal.flush(BOUND).await.unwrap();
    let status = journal.status();
    assert_eq!(
        (status.written.0, status.write_error, status.lost),
        (REPORTS, None, 0)
    );
    assert!(on_disk(dir.path()).0.into_iter().eq(1..=REPORTS));
}

#[tokio::test]
async fn a_full_disk_costs_the_stored_reports_no_more_than_is_written() {
    const REPORTS: u64 = 600;
    let dir = tempfile::tempdir().unwrap();
    let small = of_small_segments(dir.path(), 10);
    let (journal, _) = open(small.clone());
    append(&journal, 60).await;
    // Less than the journal may have, and than waits.
    small_disk::set_room(dir.path(), small.max_size * 7 / 8);
    let report = Arc::new(samples::pass());
    for _ in 0..REPORTS {
        journal.append(Arc::clone(&report));
    }
    for _ in 0..3 {
        assert!(journal.flush(BOUND).await.is_err());
        let status = journal.status();
        assert_eq!(status.removed_segments, 0);
        let segments = segments_of(dir.path());
        let bytes = segments.iter().map(|segment| segment.metadata().unwrap().len());
        assert_eq!(
            (status.segments, status.bytes, status.first),
            (segments.len() as u64, bytes.sum(), Some(Sequence(1)))
        );
        assert!(on_disk(dir.path()).0.into_iter().eq(1..=status.written.0));
    }
    small_disk::set_room(dir.path(), u64::MAX);
    journal.flush(BOUND).await.unwrap();
    let status = journal.status();
    assert_eq!((status.written.0, &status.write_error), (60 + REPORTS, &None));
    assert!(status.bytes <= small.max_size, "{status:?}");
    assert!(
        on_disk(dir.path())
            .0
            .into_iter()
            .eq(status.first.unwrap().0..=60 + REPORTS)
    );
}

#[tokio::test]
async fn a_segment_that_was_begun_on_a_full_disk_is_not_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(Settings {
        memory: 4,
        ..settings(dir.path())
    });
    append(&journal, 2).await;
    std::fs::remove_dir_all(dir.path()).unwrap();
    small_disk::set_room(dir.path(), 0);
    for _ in 0..10 {
        journal.append(samples::pass());
        assert!(journal.flush(BOUND).await.is_err());
    }
    small_disk::set_room(dir.path(), u64::MAX);
    append(&journal, 1).await;
    let status = journal.status();
    assert_eq!((status.write_error, status.written), (None, Sequence(13)));
    let (on_disk, _) = on_disk(dir.path());
    assert_eq!(on_disk.len() as u64 + status.lost, 11);
}
