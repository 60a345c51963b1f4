//! The journal on disk: what it has after a restart, a crash, damage, at its bounds, and while the disk cannot be used.

mod bounds;
mod damage;
mod full;
mod observers;
mod restarts;
mod unusable;

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

/// A journal with an observer, and how many reports that knows of.
fn counted(settings: Settings) -> (Journal, Opened, impl Fn() -> u64) {
    let count = Arc::new(Mutex::new(0));
    let observer = Box::new(Counter(Arc::clone(&count)));
    let (journal, opened) = Journal::open(settings, vec![observer]).unwrap();
    (journal, opened, move || *count.lock().unwrap())
}

/// The folder as a kill at this moment leaves it.
fn as_a_kill_leaves(dir: &Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        // A small file may be put into its place, or be removed, meanwhile.
        match std::fs::copy(entry.path(), left.path().join(entry.file_name())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
    left
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
