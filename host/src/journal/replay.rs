//! Bringing the observers to where they were: their checkpoint, and the reports that were recorded after it.

use std::path::Path;

use super::Observer;
use super::beside::Checkpoint;
use super::reader::{Next, Reader};
use super::record::Damage;

/// Restores the observers; how many reports were told to them again. Those that had no checkpoint begin anew.
pub(super) fn restore(
    observers: &mut [Box<dyn Observer>],
    checkpoint: Option<Checkpoint>,
    dir: Option<&Path>,
) -> u64 {
    let checkpoint = checkpoint.unwrap_or_default();
    let mut states = checkpoint.observers.into_iter();
    let mut going_on: Vec<&mut Box<dyn Observer>> = Vec::new();
    for observer in observers {
        let state = states.next().flatten();
        let goes_on = state.is_some();
        observer.restore(state);
        if goes_on {
            going_on.push(observer);
        }
    }
    let Some(dir) = dir.filter(|_| !going_on.is_empty()) else {
        return 0;
    };
    let mut reader = Reader::new(dir, checkpoint.sequence);
    let mut replayed = 0;
    loop {
        match reader.read_next() {
            Ok(Next::Record(sequence)) => {
                let Ok(report) = reader.report() else { continue };
                for observer in &mut going_on {
                    observer.recorded(sequence, &report);
                }
                replayed += 1;
            }
            Ok(Next::Damaged(place, damage @ Damage::Unreadable { .. })) => {
                tracing::error!("the counters lack reports of the journal, {place}: {damage}");
            }
            Ok(Next::Damaged(..)) => {}
            Ok(Next::End) => return replayed,
            Err(error) => {
                tracing::error!(
                    "the journal cannot be read from report {} on: {error}",
                    reader.position()
                );
                return replayed;
            }
        }
    }
}
