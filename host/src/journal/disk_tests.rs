//! The journal on disk: what it has after a restart, a crash, damage, at its bounds, and while the disk cannot be used.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::render::samples;

const BOUND: Duration = Duration::from_secs(20);

fn settings(dir: &Path) -> Settings {
    Settings {
        dir: Some(dir.to_owned()),
        ..Settings::default()
    }
}

fn open(settings: Settings) -> (Journal, Opened) {
    Journal::open(settings, Vec::new()).unwrap()
}

async fn append(journal: &Journal, count: usize) {
    for _ in 0..count {
        journal.append(samples::pass());
    }
    journal.flush(BOUND).await.unwrap();
}

/// The numbers of the reports on disk, and how often something was damaged.
fn on_disk(dir: &Path) -> (Vec<u64>, usize) {
    let (mut numbers, mut damaged) = (Vec::new(), 0);
    let mut reader = Reader::new(dir, Sequence::NONE);
    loop {
        match reader.read_next().unwrap() {
            Next::Record(sequence) => {
                assert_eq!(reader.report(), Ok(samples::pass()));
                numbers.push(sequence.0);
            }
            Next::Damaged(..) => damaged += 1,
            Next::End => return (numbers, damaged),
        }
    }
}

fn segments_of(dir: &Path) -> Vec<PathBuf> {
    let listed = segments::list(dir).unwrap();
    listed
        .into_iter()
        .map(|first| segments::path(dir, first))
        .collect()
}

fn given(batch: &Batch) -> Vec<u64> {
    batch.reports.iter().map(|(sequence, _)| sequence.0).collect()
}

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
    let (journal, _) = open(settings(&dir));
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
async fn wherever_a_crash_cut_the_last_record_everything_before_it_is_there_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(settings(dir.path()));
    append(&journal, 2).await;
    journal.close(BOUND).await.unwrap();
    let segment = segments_of(dir.path()).remove(0);
    let whole = std::fs::read(&segment).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for end in second..whole.len() {
        std::fs::write(&segment, &whole[..end]).unwrap();
        let scan = store::scan(dir.path()).unwrap();
        assert_eq!(
            (scan.last, scan.torn),
            (Sequence(1), (end - second) as u64),
            "cut at {end}"
        );
    }
    std::fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    let (journal, opened) = open(settings(dir.path()));
    assert_eq!(opened.torn, (whole.len() - 1 - second) as u64);
    assert_eq!(
        opened.last,
        Sequence(2),
        "the checkpoint knows it, and no number is given twice"
    );
    append(&journal, 1).await;
    assert_eq!(on_disk(dir.path()), (vec![1, 3], 0));
}

#[tokio::test]
async fn damage_anywhere_costs_no_record_but_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(settings(dir.path()));
    append(&journal, 3).await;
    journal.close(BOUND).await.unwrap();
    let segment = segments_of(dir.path()).remove(0);
    let whole = std::fs::read(&segment).unwrap();
    let length = whole.len() / 3;
    for at in (0..whole.len()).filter(|at| at % 7 == 0 || whole[*at] == b'\n') {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        std::fs::write(&segment, &damaged).unwrap();
        let (numbers, damages) = on_disk(dir.path());
        let of = (at / length) as u64 + 1;
        let is_break = whole[at] == b'\n';
        let lost = |number: u64| number == of || (is_break && number == of + 1);
        let wanted: Vec<u64> = (1..=3).filter(|number| !lost(*number)).collect();
        // The last line is not whole without its break: it may be about to be written.
        assert_eq!(
            (numbers, damages),
            (wanted, usize::from(!(is_break && of == 3))),
            "at {at}"
        );
    }
}

#[tokio::test]
async fn a_feed_tells_of_a_damaged_record_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(settings(dir.path()));
    drop(journal.feed("traces"));
    append(&journal, 3).await;
    journal.close(BOUND).await.unwrap();
    let segment = segments_of(dir.path()).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (journal, _) = open(settings(dir.path()));
    let batch = journal.feed("traces").next(9, Duration::ZERO).await;
    assert_eq!((given(&batch), batch.skipped), (vec![1, 3], 1));
    append(&journal, 1).await;
    let status = journal.status();
    assert_eq!((status.damaged, status.feeds[0].dropped), (1, 1));
}

/// Settings with so many reports in a segment, and eight times as many in the journal.
fn of_small_segments(dir: &Path, reports: u64) -> Settings {
    let mut line = Vec::new();
    record::encode(&mut line, Sequence(1), &samples::pass()).unwrap();
    let segment_size = reports * (line.len() as u64 + 4);
    Settings {
        segment_size,
        max_size: segment_size * 8,
        ..settings(dir)
    }
}

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

/// A journal of small segments that another process wrote eighty reports to, and gave none to its feed of traces.
async fn reopened_with_eighty(dir: &Path) -> Journal {
    let small = of_small_segments(dir, 10);
    let (journal, _) = open(small.clone());
    drop(journal.feed("traces"));
    for _ in 0..8 {
        append(&journal, 10).await;
    }
    journal.close(BOUND).await.unwrap();
    open(small).0
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

/// Puts something in the place of a segment that nobody can open, and anybody can remove.
fn make_unreadable(segment: &Path) {
    std::fs::remove_file(segment).unwrap();
    std::os::unix::fs::symlink(segment, segment).unwrap();
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_costs_a_feed_what_is_in_it_and_no_more() {
    // What can be opened and not read, what cannot be opened, and what leads nowhere.
    let ways: [fn(&Path); 3] = [
        |segment| {
            std::fs::remove_file(segment).unwrap();
            std::fs::create_dir(segment).unwrap();
        },
        make_unreadable,
        |segment| {
            std::fs::remove_file(segment).unwrap();
            std::os::unix::fs::symlink("nowhere", segment).unwrap();
        },
    ];
    for way in ways {
        let dir = tempfile::tempdir().unwrap();
        let small = of_small_segments(dir.path(), 10);
        let (journal, _) = open(small.clone());
        drop(journal.feed("traces"));
        for _ in 0..4 {
            append(&journal, 10).await;
        }
        journal.close(BOUND).await.unwrap();
        drop(journal);
        let (journal, _) = open(small);
        let unreadable = segments_of(dir.path());
        way(&unreadable[1]);
        let mut feed = journal.feed("traces");
        let mut numbers = Vec::new();
        let mut skipped = 0;
        while numbers.last() != Some(&40) {
            let next = tokio::time::timeout(BOUND, feed.next(7, Duration::ZERO));
            let batch = next.await.expect("it goes on behind the segment");
            numbers.extend(given(&batch));
            skipped += batch.skipped;
            feed.delivered(batch.last());
        }
        assert!(numbers.into_iter().eq((1..=10).chain(21..=40)));
        let status = journal.status();
        assert_eq!((skipped, status.damaged, status.feeds[0].dropped), (10, 1, 10));
        assert_eq!(feed.waiting().0, 0);
    }
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_is_removed_all_the_same_and_counted_by_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let journal = reopened_with_eighty(dir.path()).await;
    let mut feed = journal.feed("traces");
    make_unreadable(&segments_of(dir.path())[0]);
    for _ in 0..2 {
        append(&journal, 10).await;
    }
    let status = journal.status();
    assert_eq!(
        (status.write_errors, status.written),
        (0, Sequence(100)),
        "{status:?}"
    );
    let dropped = status.feeds[0].dropped;
    assert!(dropped >= 20, "{dropped}");
    let batch = feed.next(100, Duration::ZERO).await;
    assert_eq!(
        (batch.skipped, given(&batch).first()),
        (dropped, Some(&(dropped + 1)))
    );
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

/// Counts reports.
struct Counter(Arc<Mutex<u64>>);

impl Observer for Counter {
    fn recorded(&mut self, _: Sequence, _: &crate::outcome::Report) {
        *self.0.lock().unwrap() += 1;
    }

    fn checkpoint(&self) -> Option<serde_json::Value> {
        Some((*self.0.lock().unwrap()).into())
    }

    fn restore(&mut self, checkpoint: Option<serde_json::Value>) {
        let before = checkpoint.and_then(|value| value.as_u64());
        *self.0.lock().unwrap() = before.unwrap_or_default();
    }
}

#[tokio::test]
async fn observers_go_on_exactly_from_the_checkpoint_and_what_was_recorded_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let counted = || {
        let count = Arc::new(Mutex::new(0));
        let observer = Box::new(Counter(Arc::clone(&count)));
        let (journal, opened) = Journal::open(settings(dir.path()), vec![observer]).unwrap();
        (journal, opened.replayed, count)
    };
    let (journal, replayed, count) = counted();
    append(&journal, 3).await;
    assert_eq!((replayed, *count.lock().unwrap()), (0, 3));
    let early = std::fs::read(dir.path().join(beside::CHECKPOINT)).unwrap();
    append(&journal, 4).await;
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let (journal, replayed, count) = counted();
    assert_eq!((replayed, *count.lock().unwrap()), (0, 7), "closed in order");
    journal.close(BOUND).await.unwrap();
    drop(journal);
    // As after a crash.
    std::fs::write(dir.path().join(beside::CHECKPOINT), early).unwrap();
    let (journal, replayed, count) = counted();
    assert!(replayed >= 4, "{replayed}");
    append(&journal, 1).await;
    assert_eq!(*count.lock().unwrap(), 8);
    drop(journal);
}
