//! How one generation takes over from another: what differs is found aside, so that the daemon's loop has only that
//! to take up, and what nobody needs any more is put away aside.

use std::sync::Arc;

use super::board::{Board, CheckFacts};
use super::generation::Generation;
use crate::runner::Switching;
use crate::schedule::PlanChange;
use crate::telemetry::{CheckLabels, Meters};

/// A generation that is to serve, and what changes with it.
pub(super) struct Takeover {
    pub(super) generation: Arc<Generation>,
    /// What changes in the schedule.
    pub(super) plan: PlanChange,
    /// The names of the checks that are gone.
    pub(super) gone: Vec<Arc<str>>,
    /// What is shown of the checks that are new or other than before.
    pub(super) different: Vec<Arc<CheckFacts>>,
    /// What is shown of the checks that begin with a new state.
    pub(super) begun_anew: Vec<Arc<CheckFacts>>,
    pub(super) switching: Switching,
}

impl Takeover {
    fn new(generation: Generation, before: Option<&Generation>) -> Self {
        let nothing = Arc::default();
        let plan = generation
            .plan
            .after(before.map_or(&nothing, |before| &before.plan));
        let is_gone = |name: &&Arc<str>| !generation.checks.contains_key(*name);
        let gone = before.map_or_else(Vec::new, |before| {
            before.checks.keys().filter(is_gone).cloned().collect()
        });
        let different = generation.checks.iter().filter(|(name, served)| {
            let last = before.and_then(|before| before.checks.get(*name));
            last.is_none_or(|last| !Arc::ptr_eq(&last.facts, &served.facts))
        });
        let begun_anew = generation.checks.iter().filter(|(name, served)| {
            let last = before.and_then(|before| before.checks.get(*name));
            last.is_some_and(|last| last.fingerprint != served.fingerprint)
        });
        Self {
            plan,
            gone,
            different: different.map(|(_, served)| Arc::clone(&served.facts)).collect(),
            begun_anew: begun_anew.map(|(_, served)| Arc::clone(&served.facts)).collect(),
            switching: before.map_or_else(Switching::default, |before| {
                generation.preparation.switching(&before.preparation)
            }),
            generation: Arc::new(generation),
        }
    }

    fn changes_checks(&self) -> bool {
        !(self.gone.is_empty() && self.different.is_empty())
    }
}

/// Who has to know which checks there are.
#[derive(Clone)]
pub(super) struct Register {
    pub(super) board: Arc<Board>,
    pub(super) meters: Meters,
}

/// What is left to do once a generation has taken over.
pub(super) struct Leftovers {
    before: Arc<Generation>,
    now: Arc<Generation>,
    changes_checks: bool,
}

impl Leftovers {
    /// After this takeover from that generation.
    pub(super) fn new(takeover: &Takeover, before: Arc<Generation>) -> Self {
        Self {
            before,
            now: Arc::clone(&takeover.generation),
            changes_checks: takeover.changes_checks(),
        }
    }
}

impl Register {
    /// How this generation takes over from the one before. Until it has, runs of the checks of both are counted; of a
    /// check that gets another plugin, those with the new one.
    pub(super) fn takeover(&self, generation: Generation, before: &Generation) -> Box<Takeover> {
        let takeover = Takeover::new(generation, Some(before));
        if takeover.changes_checks() {
            self.meters.add_checks(labels(&takeover.generation));
        }
        Box::new(takeover)
    }

    /// How the first generation begins.
    pub(super) fn first(&self, generation: Generation) -> Takeover {
        self.meters.set_checks(labels(&generation));
        Takeover::new(generation, None)
    }

    /// After it: what is only of the generation before is put away, and it itself. To drop many checks takes as long
    /// as to make them.
    pub(super) fn put_away(&self, leftovers: Leftovers) {
        if leftovers.changes_checks {
            self.meters.set_checks(labels(&leftovers.now));
            self.board.trim();
        }
        drop(leftovers.before);
    }
}

/// What the checks of a generation are called in metrics.
pub(super) fn labels(generation: &Generation) -> impl Iterator<Item = CheckLabels<'_>> {
    generation.checks.values().map(|served| CheckLabels {
        name: &served.facts.name,
        plugin: &served.facts.plugin.name,
    })
}
