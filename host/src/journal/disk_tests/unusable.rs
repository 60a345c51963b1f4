//! While the disk cannot be used: a folder that is not there, or not the same any more.

use super::*;

#[tokio::test]
async fn while_the_folder_cannot_be_made_reports_wait_in_memory_and_are_written_when_it_can() {
    let parent = tempfile::tempdir().unwrap();
    let blocked = parent.path().join("state");
    std::fs::write(&blocked, "a file where a folder is to be").unwrap();
    let dir = blocked.join("journal");
    let (journal, _) = open(settings(&dir));
    let mut feed = journal.feed("traces");
    for _ in 0..3 {
        journal.append(samples::pass());
    }
    let unfinished = journal.flush(BOUND).await.unwrap_err();
    assert_eq!(unfinished.unwritten, 3);
    let status = journal.status();
    assert!(
        status.write_errors > 0 && status.write_error.is_some(),
        "{status:?}"
    );
    assert!(status.lag > Duration::ZERO);
    assert_eq!(given(&feed.next(9, Duration::ZERO).await), [1, 2, 3]);
    feed.delivered(Sequence(1));
    std::fs::remove_file(&blocked).unwrap();
    append(&journal, 1).await;
    let status = journal.status();
    assert_eq!(
        (status.write_error, status.unwritten, status.written),
        (None, 0, Sequence(4))
    );
    journal.close(BOUND).await.unwrap();
    assert_eq!(on_disk(&dir), (vec![1, 2, 3, 4], 0));
    let (journal, _) = open(settings(&dir));
    assert_eq!(
        given(&journal.feed("traces").next(9, Duration::ZERO).await),
        [2, 3, 4]
    );
}

#[tokio::test]
async fn what_falls_out_of_memory_unwritten_is_counted_as_lost() {
    let parent = tempfile::tempdir().unwrap();
    let blocked = parent.path().join("state");
    std::fs::write(&blocked, "").unwrap();
    let dir = blocked.join("journal");
    let (journal, _) = open(Settings {
        memory: 4,
        ..settings(&dir)
    });
    let mut feed = journal.feed("traces");
    for _ in 0..6 {
        journal.append(samples::pass());
        assert!(journal.flush(BOUND).await.is_err());
    }
    let status = journal.status();
    assert_eq!(
        (status.lost, status.unwritten, status.feeds[0].dropped),
        (2, 4, 2)
    );
    let batch = feed.next(9, Duration::ZERO).await;
    assert_eq!((given(&batch), batch.skipped), (vec![3, 4, 5, 6], 2));
    std::fs::remove_file(&blocked).unwrap();
    journal.close(BOUND).await.unwrap();
    assert_eq!(on_disk(&dir), (vec![3, 4, 5, 6], 0));
}

/// A journal of two reports whose folder this does away with; it is noticed, and the third one is in a new folder.
async fn is_made_anew_after(away: impl FnOnce(&Path)) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    let (journal, _) = open(settings(&dir));
    let _feed = journal.feed("traces");
    append(&journal, 2).await;
    away(&dir);
    let is_there = async {
        while !dir.join(beside::cursor_file("traces")).exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, is_there)
        .await
        .expect("the folder is made anew");
    append(&journal, 1).await;
    assert_eq!(journal.status().write_errors, 1);
    assert_eq!(on_disk(&dir), (vec![3], 0));
}

#[tokio::test]
async fn a_folder_that_is_removed_is_noticed_and_made_anew() {
    is_made_anew_after(|dir| std::fs::remove_dir_all(dir).unwrap()).await;
}

#[tokio::test]
async fn a_folder_that_is_renamed_is_noticed_and_made_anew() {
    is_made_anew_after(|dir| std::fs::rename(dir, dir.with_extension("old")).unwrap()).await;
}

#[tokio::test]
async fn a_folder_in_whose_place_another_one_is_put_is_noticed_and_left() {
    is_made_anew_after(|dir| {
        let old = dir.with_extension("old");
        std::fs::rename(dir, &old).unwrap();
        std::fs::create_dir(dir).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_journal_that_is_put_in_the_place_of_a_folder_that_was_not_there_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let elsewhere = parent.path().join("elsewhere");
    let (journal, _) = open(settings(&elsewhere.join("journal")));
    append(&journal, 5).await;
    journal.close(BOUND).await.unwrap();
    let blocked = parent.path().join("state");
    std::fs::write(&blocked, "").unwrap();
    let (journal, _) = open(settings(&blocked.join("journal")));
    std::fs::remove_file(&blocked).unwrap();
    std::fs::rename(&elsewhere, &blocked).unwrap();
    journal.append(samples::pass());
    assert!(journal.flush(BOUND).await.is_err());
    let error = journal.status().write_error.unwrap();
    assert!(error.contains("from elsewhere, up to 5"), "{error}");
    assert_eq!(on_disk(&blocked.join("journal")), (vec![1, 2, 3, 4, 5], 0));
}

#[tokio::test]
async fn an_older_journal_that_turns_up_late_is_left_alone_and_nothing_is_taken_for_written() {
    let parent = tempfile::tempdir().unwrap();
    let elsewhere = parent.path().join("elsewhere");
    let (journal, _) = open(settings(&elsewhere.join("journal")));
    append(&journal, 5).await;
    journal.close(BOUND).await.unwrap();
    let blocked = parent.path().join("state");
    std::fs::write(&blocked, "").unwrap();
    let (journal, _) = open(settings(&blocked.join("journal")));
    for _ in 0..7 {
        journal.append(samples::pass());
    }
    assert!(journal.flush(BOUND).await.is_err());
    std::fs::remove_file(&blocked).unwrap();
    std::fs::rename(&elsewhere, &blocked).unwrap();
    assert_eq!(journal.flush(BOUND).await.unwrap_err().unwritten, 7);
    let error = journal.status().write_error.unwrap();
    assert!(error.contains("from elsewhere, up to 5"), "{error}");
    assert_eq!(on_disk(&blocked.join("journal")), (vec![1, 2, 3, 4, 5], 0));
}

/// Until the writer has not got on for longer than it waits for anything but a disk.
async fn hanging(journal: &Journal) {
    let mut beats = journal.beats();
    loop {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        match journal.beats() {
            same if same == beats => return,
            other => beats = other,
        }
    }
}

#[tokio::test]
async fn a_disk_that_hangs_when_it_is_there_again_holds_up_nobody_but_the_writer() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    let (journal, _) = open(settings(&dir));
    let _feed = journal.feed("traces");
    append(&journal, 2).await;
    std::fs::rename(&dir, dir.with_extension("old")).unwrap();
    std::fs::create_dir(&dir).unwrap();
    // Opening it waits until somebody reads from it.
    let hangs = dir.join(format!("{}.new", beside::cursor_file("traces")));
    mknodat(CWD, &hangs, FileType::Fifo, Mode::RWXU, 0).unwrap();
    tokio::time::timeout(BOUND, hanging(&journal)).await.unwrap();
    let appending = journal.clone();
    let (told, appended) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(appending.append(samples::pass())));
    assert_eq!(appended.recv_timeout(BOUND), Ok(Sequence(3)));
    assert_eq!(journal.status().last, Sequence(3));
    let _reads = std::fs::File::open(&hangs).unwrap();
    journal.flush(BOUND).await.unwrap();
}

const BACKLOG: u64 = 2_000;

/// A journal of which memory has a part only, and a feed that was given nothing of it.
async fn with_a_backlog(dir: &Path) -> (Journal, Feed) {
    let (journal, _) = open(settings(dir));
    let feed = journal.feed("traces");
    let report = Arc::new(samples::pass());
    for _ in 0..BACKLOG {
        journal.append(Arc::clone(&report));
    }
    journal.flush(BOUND).await.unwrap();
    assert!(journal.status().in_memory < BACKLOG);
    (journal, feed)
}

#[tokio::test]
async fn what_a_delivery_is_about_to_read_when_its_folder_is_removed_is_counted_as_dropped() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    let (journal, mut feed) = with_a_backlog(&dir).await;
    let in_memory = journal.status().in_memory;
    std::fs::remove_dir_all(&dir).unwrap();
    let next = tokio::time::timeout(BOUND, feed.next(10, Duration::ZERO));
    let batch = next.await.expect("what is in memory");
    let dropped = journal.status().feeds[0].dropped;
    assert_eq!(
        (batch.skipped, dropped),
        (BACKLOG - in_memory, BACKLOG - in_memory)
    );
    assert_eq!(given(&batch).first(), Some(&(dropped + 1)));
}

#[tokio::test]
async fn what_goes_with_a_folder_while_it_cannot_be_written_is_counted_as_dropped() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    let (journal, mut feed) = with_a_backlog(&dir).await;
    small_disk::set_room(&dir, 0);
    journal.append(samples::pass());
    journal.flush(BOUND).await.unwrap_err();
    let in_memory = journal.status().in_memory;
    std::fs::remove_dir_all(&dir).unwrap();
    small_disk::set_room(&dir, u64::MAX);
    let next = tokio::time::timeout(BOUND, feed.next(10, Duration::ZERO));
    let batch = next.await.expect("what is in memory");
    let gone = BACKLOG + 1 - in_memory;
    assert_eq!((batch.skipped, given(&batch).first()), (gone, Some(&(gone + 1))));
}
