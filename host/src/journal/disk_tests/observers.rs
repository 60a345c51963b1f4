//! Observers go on after a restart exactly from where they were; or begin anew, and that is said. Never do they go on with
//! less than they have told.

use super::*;

/// Whether it was said that observers begin anew.
fn is_said(opened: &Opened) -> bool {
    opened
        .problems
        .iter()
        .any(|problem| problem.contains("begin anew"))
}

/// What observers know after a kill at this moment: all that was recorded, or nothing.
fn after_a_kill(dir: &Path, recorded: u64) -> u64 {
    let left = as_a_kill_leaves(dir);
    let (_journal, opened, count) = counted(settings(left.path()));
    assert!([0, recorded].contains(&count()), "{opened:?}");
    count()
}

#[tokio::test]
async fn observers_go_on_exactly_from_the_checkpoint_and_what_was_recorded_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened, count) = counted(settings(dir.path()));
    append(&journal, 3).await;
    assert_eq!((opened.replayed, count()), (0, 3));
    let early = std::fs::read(dir.path().join(beside::CHECKPOINT)).unwrap();
    append(&journal, 4).await;
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let (journal, opened, count) = counted(settings(dir.path()));
    assert_eq!((opened.replayed, count()), (0, 7), "closed in order");
    journal.close(BOUND).await.unwrap();
    drop(journal);
    // As after a crash.
    std::fs::write(dir.path().join(beside::CHECKPOINT), early).unwrap();
    let (journal, opened, count) = counted(settings(dir.path()));
    assert!(opened.replayed >= 4 && opened.problems.is_empty(), "{opened:?}");
    append(&journal, 1).await;
    assert_eq!(count(), 8);
}

#[tokio::test]
async fn what_is_recorded_without_observers_is_told_to_those_that_come_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = counted(settings(dir.path()));
    append(&journal, 3).await;
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let (journal, _) = open(settings(dir.path()));
    append(&journal, 2).await;
    // It is full for this one only, which has told nobody anything.
    small_disk::set_room(dir.path(), 0);
    journal.append(samples::pass());
    journal.close(BOUND).await.unwrap_err();
    drop(journal);
    small_disk::set_room(dir.path(), u64::MAX);
    let (_journal, opened, count) = counted(settings(dir.path()));
    assert_eq!((opened.replayed, count()), (2, 5), "{opened:?}");
}

#[tokio::test]
async fn removed_before_a_checkpoint_is_due_reports_are_in_one_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let small = of_small_segments(dir.path(), 10);
    let (journal, _, live) = counted(small.clone());
    let mut recorded = 0;
    let is_whole = async {
        loop {
            append(&journal, 10).await;
            recorded += 10;
            // Twice what the journal can have, and nothing is missing.
            if after_a_kill(dir.path(), recorded) == recorded && recorded > 200 {
                return;
            }
        }
    };
    tokio::time::timeout(BOUND, is_whole).await.expect("a checkpoint");
    assert_eq!(live(), recorded);
}

#[tokio::test]
async fn where_the_journal_lacks_what_came_after_the_checkpoint_observers_begin_anew() {
    let ways: [fn(&Path); 4] = [
        // A record is damaged.
        |dir| {
            let segment = &segments_of(dir)[1];
            let mut bytes = std::fs::read(segment).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(segment, bytes).unwrap();
        },
        // A segment is gone,
        |dir| std::fs::remove_file(&segments_of(dir)[1]).unwrap(),
        // all but the newest, which is empty,
        |dir| {
            for segment in segments_of(dir) {
                std::fs::remove_file(segment).unwrap();
            }
            std::fs::write(segments::path(dir, Sequence(41)), "").unwrap();
        },
        // or one cannot be read.
        |dir| {
            let segment = &segments_of(dir)[1];
            std::fs::remove_file(segment).unwrap();
            std::fs::create_dir(segment).unwrap();
        },
    ];
    for way in ways {
        let dir = tempfile::tempdir().unwrap();
        let small = of_small_segments(dir.path(), 10);
        let (journal, ..) = counted(small.clone());
        append(&journal, 3).await;
        let early = std::fs::read(dir.path().join(beside::CHECKPOINT)).unwrap();
        for _ in 0..4 {
            append(&journal, 9).await;
        }
        journal.close(BOUND).await.unwrap();
        drop(journal);
        std::fs::write(dir.path().join(beside::CHECKPOINT), early).unwrap();
        way(dir.path());
        let (journal, opened, count) = counted(small.clone());
        assert_eq!(
            (opened.replayed, count(), is_said(&opened)),
            (0, 0, true),
            "{opened:?}"
        );
        append(&journal, 1).await;
        journal.close(BOUND).await.unwrap();
        drop(journal);
        let (_journal, opened, count) = counted(small);
        assert_eq!((count(), is_said(&opened)), (1, false), "{opened:?}");
    }
}

#[tokio::test]
async fn what_was_damaged_before_the_checkpoint_takes_nothing_from_observers() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = counted(settings(dir.path()));
    append(&journal, 3).await;
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let segment = segments_of(dir.path()).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (journal, _) = open(settings(dir.path()));
    append(&journal, 2).await;
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let (_journal, opened, count) = counted(settings(dir.path()));
    assert_eq!(
        (opened.replayed, count(), is_said(&opened)),
        (2, 5, false),
        "{opened:?}"
    );
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_not_missing_from_counters_that_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _, live) = counted(settings(dir.path()));
    append(&journal, 3).await;
    small_disk::set_room(dir.path(), 0);
    for _ in 0..5 {
        journal.append(samples::pass());
    }
    journal.flush(BOUND).await.unwrap_err();
    assert_eq!((live(), after_a_kill(dir.path(), 8)), (8, 0));
    small_disk::set_room(dir.path(), u64::MAX);
    let is_whole = async {
        append(&journal, 1).await;
        // A checkpoint has its share of the time only, and the last one was a moment ago.
        while after_a_kill(dir.path(), 9) < 9 {
            journal.flush(BOUND).await.unwrap();
        }
    };
    tokio::time::timeout(BOUND, is_whole).await.expect("a checkpoint");
    assert_eq!(live(), 9);
    small_disk::set_room(dir.path(), 0);
    journal.append(samples::pass());
    journal.close(BOUND).await.unwrap_err();
    drop(journal);
    small_disk::set_room(dir.path(), u64::MAX);
    let (_journal, _, count) = counted(settings(dir.path()));
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn observers_begin_anew_where_the_folder_cannot_be_held() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = counted(settings(dir.path()));
    append(&journal, 3).await;
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let lock = dir.path().join(segments::LOCK);
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let (_journal, opened, count) = counted(settings(dir.path()));
    assert_eq!((count(), is_said(&opened)), (0, true), "{opened:?}");
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_kept_keeps_no_report_from_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let aside = dir.path().join(format!("{}.new", beside::CHECKPOINT));
    std::fs::create_dir(&aside).unwrap();
    let (journal, _, live) = counted(settings(dir.path()));
    for written in 1..=20 {
        append(&journal, 1).await;
        let status = journal.status();
        assert_eq!(
            (status.written, status.write_errors, status.write_error),
            (Sequence(written), 0, None)
        );
    }
    std::fs::remove_dir(&aside).unwrap();
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let (_journal, _, count) = counted(settings(dir.path()));
    assert_eq!((live(), count()), (20, 20), "at the end it is tried again");
}

/// Panics at the second report, each time.
struct Fragile(Counter);

impl Observer for Fragile {
    fn recorded(&mut self, sequence: Sequence, report: &crate::outcome::Report) {
        assert_ne!(sequence, Sequence(2), "a defect of this observer");
        self.0.recorded(sequence, report);
    }

    fn checkpoint(&self) -> Option<serde_json::Value> {
        self.0.checkpoint()
    }

    fn restore(&mut self, checkpoint: Option<serde_json::Value>) {
        self.0.restore(checkpoint);
    }
}

#[tokio::test]
async fn a_report_that_an_observer_panics_at_keeps_the_journal_from_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fragile = || {
        let count = Arc::new(Mutex::new(0));
        let observer = Box::new(Fragile(Counter(Arc::clone(&count))));
        let (journal, opened) = Journal::open(settings(dir.path()), vec![observer]).unwrap();
        (journal, opened, count)
    };
    let (journal, _, count) = fragile();
    append(&journal, 1).await;
    let early = std::fs::read(dir.path().join(beside::CHECKPOINT)).unwrap();
    append(&journal, 3).await;
    assert_eq!(*count.lock().unwrap(), 3);
    journal.close(BOUND).await.unwrap();
    drop(journal);
    std::fs::write(dir.path().join(beside::CHECKPOINT), early).unwrap();
    let (_journal, opened, count) = fragile();
    assert!(opened.replayed >= 3, "{opened:?}");
    assert_eq!(*count.lock().unwrap(), 3);
}
