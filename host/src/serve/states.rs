//! The states of checks since the daemon began. They outlive generations: one begins anew when its check has
//! changed. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::generation::Served;
use crate::outcome::{Report, RunReference, StateChange};
use crate::policy::state::{CheckState, StateTracker, Transition};

/// The states by the names of their checks.
#[derive(Default)]
pub(super) struct States(HashMap<Arc<str>, State>);

struct State {
    /// Of the check that it is of.
    fingerprint: u64,
    /// Since when there is that check, or the one that it follows.
    tracker: StateTracker,
    /// The last run that took place.
    last_run: Option<RunReference>,
}

impl States {
    /// Takes in how a run ended, and whether that changed the state of the check, which the report then says too.
    pub(super) fn record(
        &mut self,
        name: &Arc<str>,
        served: &Served,
        report: &mut Report,
        now: Duration,
    ) -> Option<Transition> {
        let state = self.0.entry(Arc::clone(name)).or_insert_with(|| State {
            fingerprint: served.fingerprint,
            tracker: StateTracker::new(served.state, now),
            last_run: None,
        });
        if state.fingerprint != served.fingerprint {
            state.fingerprint = served.fingerprint;
            state.tracker = StateTracker::new(served.state, now);
        }
        state.tracker.configure(served.state);
        let previous = state.last_run.replace(report.reference());
        let change = state.tracker.record(report.outcome, report.is_warning(), now);
        report.relations.state_change = change.map(|change| StateChange {
            from: change.from.as_str().to_owned(),
            to: change.to.as_str().to_owned(),
            previous,
        });
        change
    }

    /// The state of a check.
    pub(super) fn of(&self, name: &str, served: &Served) -> CheckState {
        let known = self.0.get(name);
        let same = known.filter(|state| state.fingerprint == served.fingerprint);
        same.map_or(CheckState::Unknown, |state| state.tracker.state())
    }

    /// These checks are gone.
    pub(super) fn forget(&mut self, names: &[Arc<str>]) {
        for name in names {
            self.0.remove(name);
        }
    }
}
