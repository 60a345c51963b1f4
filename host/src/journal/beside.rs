//! The small files beside the segments: how far each signal is, and what the observers know.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Sequence;

/// The file of the checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint.json";
const CURSOR_BEGIN: &str = "cursor-";
const CURSOR_END: &str = ".json";

/// How far a signal is.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    delivered: Sequence,
}

/// What the observers know, after this report.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) sequence: Sequence,
    pub(super) observers: Vec<Option<Value>>,
}

/// What stands in the files.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The last report that was delivered, by signal.
    pub(super) cursors: BTreeMap<String, Sequence>,
    pub(super) checkpoint: Option<Checkpoint>,
    /// A sentence for each file that cannot be used.
    pub(super) problems: Vec<String>,
}

/// The file of a signal's cursor.
pub(super) fn cursor_file(signal: &str) -> String {
    format!("{CURSOR_BEGIN}{signal}{CURSOR_END}")
}

/// What is written there.
pub(super) fn cursor(delivered: Sequence) -> Vec<u8> {
    json(&Cursor { delivered })
}

/// What is written of a checkpoint.
pub(super) fn checkpoint(checkpoint: &Checkpoint) -> Vec<u8> {
    json(checkpoint)
}

/// A value as a line. Both values here can be written as JSON: numbers, and what is JSON already.
fn json(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Reads the files of a folder. What cannot be used is left out and told: without its cursor a signal begins with the
/// oldest report, so that it is sent again rather than lost.
pub(super) fn read(dir: &Path) -> Beside {
    let mut beside = Beside::default();
    let Ok(entries) = std::fs::read_dir(dir) else {
        return beside;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let signal = name
            .strip_prefix(CURSOR_BEGIN)
            .and_then(|rest| rest.strip_suffix(CURSOR_END));
        if let Some(signal) = signal {
            let delivered = parsed::<Cursor>(&entry.path()).map(|cursor| cursor.delivered);
            let delivered = delivered.unwrap_or_else(|sentence| {
                beside
                    .problems
                    .push(format!("{sentence}: all `{signal}` are sent again"));
                Sequence::NONE
            });
            beside.cursors.insert(signal.to_owned(), delivered);
        } else if name == CHECKPOINT {
            match parsed(&entry.path()) {
                Ok(checkpoint) => beside.checkpoint = Some(checkpoint),
                Err(sentence) => beside.problems.push(format!("{sentence}: counters begin anew")),
            }
        }
    }
    beside
}

fn parsed<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<T, String> {
    let read = std::fs::read(file).and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from));
    read.map_err(|error| format!("`{}` cannot be used: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let written = Checkpoint {
            sequence: Sequence(9),
            observers: vec![None, Some(serde_json::json!({"a": 1}))],
        };
        std::fs::write(dir.path().join(CHECKPOINT), checkpoint(&written)).unwrap();
        std::fs::write(dir.path().join(cursor_file("traces")), cursor(Sequence(7))).unwrap();
        std::fs::write(dir.path().join("cursor-traces.json.new"), "").unwrap();
        let read = read(dir.path());
        assert_eq!(read.cursors, BTreeMap::from([("traces".to_owned(), Sequence(7))]));
        let checkpoint = read.checkpoint.unwrap();
        assert_eq!(
            (checkpoint.sequence, checkpoint.observers),
            (Sequence(9), written.observers)
        );
        assert!(read.problems.is_empty());
    }

    #[test]
    fn what_is_damaged_is_told_and_its_signal_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        for file in [CHECKPOINT, "cursor-logs.json"] {
            std::fs::write(dir.path().join(file), "{\"del").unwrap();
        }
        let read = read(dir.path());
        assert_eq!(
            read.cursors,
            BTreeMap::from([("logs".to_owned(), Sequence::NONE)])
        );
        assert!(read.checkpoint.is_none());
        assert_eq!(read.problems.len(), 2, "{:?}", read.problems);
    }
}
