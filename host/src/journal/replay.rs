//! Bringing the observers to where they were: their checkpoint, and the reports that were recorded after it. Where any
//! of these are missing they begin anew: a counter that goes on with less than it told has fallen, and whoever takes it
//! for one that began anew adds the whole of it once more.

use std::path::Path;

use super::beside::Checkpoint;
use super::observer::{Observer, tell};
use super::reader::{Next, Reader};
use super::record::Damage;
use super::sequence::Sequence;

/// What there is to go on from.
pub(super) struct Kept<'d> {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) dir: Option<&'d Path>,
    /// The newest report that observers may have been told of.
    pub(super) told: Sequence,
    /// Why nothing can be kept from here on.
    pub(super) trouble: Option<String>,
}

/// Restores the observers; how many reports were told to them again. Those that had no checkpoint begin anew.
///
/// # Errors
///
/// Why all of them begin anew, in a sentence.
pub(super) fn restore(observers: &mut [Box<dyn Observer>], kept: Kept<'_>) -> Result<u64, String> {
    let checkpoint = kept.checkpoint.unwrap_or_default();
    let (after, mut states) = (checkpoint.sequence, checkpoint.observers);
    states.resize(observers.len(), None);
    let dir = kept.dir.filter(|_| states.iter().any(Option::is_some));
    let lacking = dir.and_then(|dir| kept.trouble.or_else(|| lacking(dir, after, kept.told)));
    if lacking.is_some() {
        states.fill(None);
    }
    let mut going_on: Vec<&mut Box<dyn Observer>> = Vec::new();
    for (observer, state) in observers.iter_mut().zip(states) {
        let goes_on = state.is_some();
        observer.restore(state);
        if goes_on {
            going_on.push(observer);
        }
    }
    match (lacking, dir) {
        (Some(reason), _) => Err(format!("counters begin anew: {reason}")),
        (None, Some(dir)) => Ok(replay(&mut going_on, dir, after)),
        (None, None) => Ok(0),
    }
}

/// Why the journal has not all reports after this one, up to the newest that anybody was told of; none if it has.
fn lacking(dir: &Path, after: Sequence, told: Sequence) -> Option<String> {
    let mut reader = Reader::new(dir, after);
    let mut known = after;
    loop {
        match reader.read_next() {
            Ok(Next::Record(sequence)) if sequence == known.next() => {
                if let Err(damage) = reader.report() {
                    return Some(format!("report {sequence}: {damage}"));
                }
                known = sequence;
            }
            Ok(Next::Record(found)) => {
                return Some(format!("the journal goes from report {known} to {found}"));
            }
            Ok(Next::Damaged(place, damage @ Damage::Unreadable { .. })) => {
                return Some(format!("the journal is damaged, {place}: {damage}"));
            }
            // Whether that was a report after the checkpoint is told by the number of the next one.
            Ok(Next::Damaged(..)) => {}
            Ok(Next::End) if known < told => {
                return Some(format!(
                    "the journal ends with report {known}, and there were {told}"
                ));
            }
            Ok(Next::End) => return None,
            Err(error) => {
                return Some(format!(
                    "the journal cannot be read from report {known} on: {error}"
                ));
            }
        }
    }
}

fn replay(observers: &mut [&mut Box<dyn Observer>], dir: &Path, after: Sequence) -> u64 {
    let mut reader = Reader::new(dir, after);
    let mut replayed = 0;
    loop {
        match reader.read_next() {
            Ok(Next::Record(sequence)) => {
                let Ok(report) = reader.report() else { continue };
                for observer in &mut *observers {
                    tell(observer.as_mut(), sequence, &report);
                }
                replayed += 1;
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
