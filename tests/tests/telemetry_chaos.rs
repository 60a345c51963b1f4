//! The promise: whatever happens to the collector, to the way there, or to the daemon, every run that was journalled is
//! found in the collector with the one identity that it has, the counters go on where they were, and memory stays
//! bounded meanwhile. What a collector rejected of requests that it took is named to the number, and is there after it
//! was exported by the command that the daemon names. While no answer is lost on the way, a run is there exactly once;
//! of one that is there twice, the daemon knows that it may be.
//!
//! Each of the two trials takes half a minute with a few hundred checks. `BEDCHECK_CHAOS_CHECKS` and
//! `BEDCHECK_CHAOS_SECONDS` make them larger, and `BEDCHECK_CHAOS_SEED` repeats what chance did.

#[path = "telemetry_chaos/found.rs"]
mod found;
#[path = "telemetry_chaos/sabotage.rs"]
mod sabotage;
#[path = "telemetry_chaos/trial.rs"]
mod trial;

use std::sync::{Mutex, PoisonError};

use sabotage::Trouble;
use trial::Trial;

/// One trial at a time: each is as much as the machine can do.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn a_collector_that_stops_freezes_refuses_and_takes_half_has_every_journalled_run_exactly_once() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let trial = Trial::run(&Trouble::OF_THE_COLLECTOR);
    let found = trial.assert_found_but_for_rejected();
    trial.assert_copies_need_a_kill_or_a_collector_that_ended(&found);
    trial.assert_held();
    trial.assert_all_found_after_the_export(found);
}

#[test]
fn whatever_happens_on_the_way_every_journalled_run_is_found_by_its_one_identity() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let trial = Trial::run(&Trouble::ALL);
    let found = trial.assert_found_but_for_rejected();
    trial.assert_copies_are_known_of(&found);
    trial.assert_held();
    trial.assert_all_found_after_the_export(found);
}
