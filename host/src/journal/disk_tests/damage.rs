//! Records that a crash cut or that were damaged, and segments that cannot be read.

use super::*;

#[tokio::test]
async fn wherever_a_crash_cut_the_last_record_everything_before_it_is_there_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = counted(settings(dir.path()));
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
async fn a_newest_segment_that_cannot_be_read_is_left_and_another_one_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    let small = of_small_segments(dir.path(), 10);
    let (journal, _) = open(small.clone());
    for _ in 0..3 {
        append(&journal, 10).await;
    }
    journal.close(BOUND).await.unwrap();
    drop(journal);
    let newest = segments_of(dir.path()).pop().unwrap();
    std::fs::remove_file(&newest).unwrap();
    std::fs::create_dir(&newest).unwrap();
    let (journal, opened) = open(small);
    assert!(
        opened
            .problems
            .iter()
            .any(|problem| problem.contains("another one is begun")),
        "{opened:?}"
    );
    append(&journal, 1).await;
    let status = journal.status();
    assert_eq!((status.write_errors, status.write_error), (0, None));
    let (numbers, damaged) = on_disk(dir.path());
    assert!(numbers.into_iter().eq((1..=20).chain([opened.last.0 + 1])));
    assert_eq!((opened.last >= Sequence(21), damaged), (true, 1));
}
