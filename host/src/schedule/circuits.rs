//! The breakers, each shared by the checks that have the same target and the same plugin: two plugins ask
//! different services of a host, and a sick one says nothing about the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Scheduled;
use crate::outcome::{ErrorType, RunReference};
use crate::policy::TargetKey;
use crate::policy::breaker::{Admission, Breaker, Change, Settings, State, Verdict};

/// Which breaker: of a target and a plugin.
pub type Circuit = (TargetKey, String);

/// How checks share a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sharing {
    /// Of different settings the strictest.
    settings: Settings,
    /// By name.
    checks: Arc<[Arc<str>]>,
}

/// The breaker that a check shares; none if it has none.
pub(super) fn circuit_of(check: &Scheduled) -> Option<Circuit> {
    check
        .breaker
        .map(|_| (check.target.clone(), check.plugin.clone()))
}

/// A breaker has changed its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Its target.
    pub target: TargetKey,
    /// Its plugin.
    pub plugin: String,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// When a run may probe the target, where the breaker is open now.
    pub retry_at: Option<Duration>,
    /// The check whose run brought it about.
    pub check: Arc<str>,
    /// What that run ended with, where it did not pass; none where it has just begun.
    pub error: Option<ErrorType>,
}

/// A breaker as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerView {
    /// Its target.
    pub target: TargetKey,
    /// Its plugin.
    pub plugin: String,
    /// Where it stands.
    pub state: State,
    /// How many runs have failed in a row, probing ones included.
    pub failures: u32,
    /// When a run may probe the target, while it is open.
    pub retry_at: Option<Duration>,
    /// The run that opened it last; none while it is closed.
    pub opened_by: Option<RunReference>,
    /// The check whose run is probing the target, while it is half-open.
    pub probing: Option<Arc<str>>,
    /// The checks that share it, by name: a list of its own would cost each run as much as there are checks.
    pub checks: Arc<[Arc<str>]>,
}

#[derive(Debug, Default)]
pub(super) struct Circuits {
    all: BTreeMap<Circuit, Shared>,
}

#[derive(Debug)]
struct Shared {
    breaker: Breaker,
    checks: Arc<[Arc<str>]>,
}

/// The breakers that these checks share.
pub(super) fn shared<'c>(checks: impl Iterator<Item = &'c Scheduled>) -> BTreeMap<Circuit, Sharing> {
    let mut wanted = BTreeMap::new();
    for check in checks {
        let Some((circuit, settings)) = circuit_of(check).zip(check.breaker) else {
            continue;
        };
        let (strictest, names) = wanted.entry(circuit).or_insert((settings, Vec::new()));
        *strictest = strictest.strictest(settings);
        names.push(Arc::clone(&check.name));
    }
    let sharing = |(circuit, (settings, mut checks)): (Circuit, (Settings, Vec<Arc<str>>))| {
        checks.sort();
        let checks = checks.into();
        (circuit, Sharing { settings, checks })
    };
    wanted.into_iter().map(sharing).collect()
}

impl Circuits {
    /// A breaker is shared like this from now on. One that there is stays where it stands.
    pub(super) fn set(&mut self, circuit: &Circuit, sharing: &Sharing, now: Duration) {
        let checks = Arc::clone(&sharing.checks);
        match self.all.get_mut(circuit) {
            Some(shared) => {
                shared.breaker.set(sharing.settings, now);
                shared.checks = checks;
            }
            None => {
                let breaker = Breaker::new(sharing.settings);
                self.all.insert(circuit.clone(), Shared { breaker, checks });
            }
        }
    }

    /// Nobody shares a breaker any more.
    pub(super) fn remove(&mut self, circuit: &Circuit) {
        self.all.remove(circuit);
    }

    /// Until when a run would not go ahead; none if it would.
    pub(super) fn refusal(&self, circuit: &Circuit, now: Duration) -> Option<Option<Duration>> {
        self.all.get(circuit)?.breaker.refusal(now)
    }

    /// Asks whether a run goes ahead.
    pub(super) fn admit(&mut self, circuit: &Circuit, check: &Arc<str>, now: Duration) -> Admission {
        match self.all.get_mut(circuit) {
            Some(shared) => shared.breaker.admit(check, now),
            None => Admission::Run,
        }
    }

    /// Takes in how a run ended.
    pub(super) fn record(
        &mut self,
        circuit: &Circuit,
        check: &Arc<str>,
        verdict: &Verdict,
        now: Duration,
        chance: f64,
    ) -> Option<Transition> {
        let shared = self.all.get_mut(circuit)?;
        let change = shared.breaker.record(check, verdict, now, chance)?;
        Some(transition(circuit, change))
    }

    /// All of them, by target and plugin.
    pub(super) fn views(&self) -> impl Iterator<Item = BreakerView> {
        self.all.iter().map(|(circuit, shared)| view(circuit, shared))
    }

    /// One of them.
    pub(super) fn view(&self, circuit: &Circuit) -> Option<BreakerView> {
        let shared = self.all.get(circuit)?;
        Some(view(circuit, shared))
    }
}

/// A change, and whose it is.
pub(super) fn transition((target, plugin): &Circuit, change: Change) -> Transition {
    Transition {
        target: target.clone(),
        plugin: plugin.clone(),
        from: change.from,
        to: change.to,
        retry_at: change.retry_at,
        check: change.check,
        error: change.error,
    }
}

fn view((target, plugin): &Circuit, shared: &Shared) -> BreakerView {
    BreakerView {
        target: target.clone(),
        plugin: plugin.clone(),
        state: shared.breaker.state(),
        failures: shared.breaker.failures(),
        retry_at: shared.breaker.retry_at(),
        opened_by: shared.breaker.opened_by(),
        probing: shared.breaker.probing().cloned(),
        checks: Arc::clone(&shared.checks),
    }
}
