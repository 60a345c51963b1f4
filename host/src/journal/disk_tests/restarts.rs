//! What is there after a restart, and who may write and read.

use super::*;

#[tokio::test]
async fn numbers_go_on_after_a_restart_and_a_signal_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened) = open(settings(dir.path()));
    assert_eq!(opened, Opened::default());
    let mut feed = journal.feed("traces");
    append(&journal, 3).await;
    assert_eq!(given(&feed.next(2, BOUND).await), [1, 2]);
    feed.delivered(Sequence(2));
    journal.close(BOUND).await.unwrap();
    drop((journal, feed));

    let (journal, opened) = open(settings(dir.path()));
    assert_eq!((opened.last, opened.torn), (Sequence(3), 0));
    let mut feed = journal.feed("traces");
    assert_eq!(journal.append(samples::pass()), Sequence(4));
    journal.flush(BOUND).await.unwrap();
    assert_eq!(given(&feed.next(9, Duration::ZERO).await), [3], "from the disk");
    assert_eq!(given(&feed.next(9, Duration::ZERO).await), [4], "from memory");
    assert_eq!(on_disk(dir.path()), (vec![1, 2, 3, 4], 0));
    let mut new = journal.feed("logs");
    journal.append(samples::pass());
    assert_eq!(
        given(&new.next(1, BOUND).await),
        [5],
        "a new signal begins with what is new"
    );
}

#[tokio::test]
async fn only_the_user_reads_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state/journal");
    let (journal, ..) = counted(settings(&dir));
    let _feed = journal.feed("traces");
    append(&journal, 1).await;
    journal.close(BOUND).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    let wanted = [
        "00000000000000000001.jsonl",
        "checkpoint.json",
        "cursor-traces.json",
        "lock",
    ];
    assert_eq!(names, wanted);
}

#[tokio::test]
async fn a_second_writer_is_refused_until_the_first_one_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(settings(dir.path()));
    let refused = Journal::open(settings(dir.path()), Vec::new()).unwrap_err();
    assert!(
        matches!(&refused, OpenError::Locked(locked) if locked == dir.path()),
        "{refused}"
    );
    journal.close(BOUND).await.unwrap();
    open(settings(dir.path()));
}

#[tokio::test]
async fn a_burst_is_written_whole_and_a_reader_that_is_behind_memory_gets_all_of_it() {
    const BURST: u64 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(Settings {
        segment_size: 1 << 20,
        ..settings(dir.path())
    });
    let mut feed = journal.feed("traces");
    let report = Arc::new(samples::pass());
    for _ in 0..BURST {
        journal.append(Arc::clone(&report));
    }
    journal.flush(BOUND).await.unwrap();
    let status = journal.status();
    assert_eq!((status.written, status.lost), (Sequence(BURST), 0));
    assert!(status.in_memory < BURST / 2, "{status:?}");
    let mut numbers = Vec::new();
    while numbers.last() != Some(&BURST) {
        let batch = feed.next(512, Duration::ZERO).await;
        feed.delivered(batch.last());
        assert_eq!(batch.skipped, 0);
        numbers.extend(given(&batch));
    }
    assert!(numbers.into_iter().eq(1..=BURST));
    assert_eq!(journal.status().in_memory, 0);
}
