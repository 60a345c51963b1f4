//! Which faults fire at a host call: the plan of a check, and the injector of one attempt. Pure: moments
//! and numbers of runs are given, chance is a function of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Chance, Fault, FaultKind, HostCall, PhaseSelector};
use crate::phase::HostPhase;

/// The faults of a check, or of all of them. By default none. All clones count `times` together.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan(Arc<[Arc<Rule>]>);

/// A fault, and how often it may still happen.
#[derive(Debug)]
struct Rule {
    fault: Fault,
    left: Option<AtomicU64>,
}

impl FaultPlan {
    /// A plan of these faults, which happen in this order where several happen at one call.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self::default().again(faults)
    }

    /// A plan of these in place of this one: a fault that is the same goes on counting.
    pub fn again(&self, faults: Vec<Fault>) -> Self {
        let mut before: Vec<_> = self.0.iter().collect();
        let rule = |fault: Fault| match before.iter().position(|rule| rule.fault == fault) {
            Some(same) => Arc::clone(before.remove(same)),
            None => Arc::new(Rule::new(fault)),
        };
        Self(faults.into_iter().map(rule).collect())
    }

    /// The part of the plan that concerns one check. It counts together with the whole.
    pub fn for_check(&self, name: &str) -> Self {
        let concerns = |rule: &&Arc<Rule>| {
            let check = rule.fault.selector.check.as_deref();
            check.is_none_or(|check| check == name)
        };
        Self(self.0.iter().filter(concerns).cloned().collect())
    }

    /// Whether there is nothing to inject.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults in their order.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().map(|rule| &rule.fault)
    }

    /// What injects the plan into one attempt.
    ///
    /// `run` and `attempt` are numbers that differ from run to run and from attempt to attempt, such as
    /// how many there were before: chance depends on them. `since_start` is how long ago bedcheck
    /// began.
    pub fn injector(&self, run: u64, attempt: u64, since_start: Duration) -> Injector {
        let is_open = |rule: &&Arc<Rule>| rule.fault.limits.window.is_none_or(|window| since_start < window);
        let armed = self.0.iter().filter(is_open).map(|rule| Armed {
            rule: Arc::clone(rule),
            matched: 0,
            begun_in: None,
        });
        Injector {
            run,
            attempt,
            guest_phases: 0,
            sites: 0,
            rules: armed.collect(),
        }
    }
}

/// Injects a plan into one attempt: counts its calls and says what happens at each.
#[derive(Debug)]
pub struct Injector {
    run: u64,
    attempt: u64,
    /// How many phases the guest has begun: tells one from the next of the same name.
    guest_phases: u64,
    /// How many sites there were: tells one phase of the host's from the next, each being one site.
    sites: u64,
    rules: Vec<Armed>,
}

/// A rule in an attempt.
#[derive(Debug)]
struct Armed {
    rule: Arc<Rule>,
    /// How many calls matched.
    matched: u64,
    /// Where a fault that happens once has happened last.
    begun_in: Option<Extent>,
}

/// That in which some faults happen only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Attempt,
    HostPhase(u64),
    GuestPhase(u64),
}

/// A host call about to be made, or a step of it.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The call.
    pub call: HostCall,
    /// The phase that the host opens for it: of a call that dials first `Resolve`, then `Connect`, at one
    /// site each.
    pub host_phase: Option<HostPhase>,
    /// The phase of the guest's that is open, with its detail.
    pub guest_phase: Option<(&'a str, Option<&'a str>)>,
}

impl Injector {
    /// The faults that happen at this site, in the order of the plan, at most one [`FaultKind::Error`]
    /// among them and that last. To be asked once for every step of every call of the attempt, in order.
    #[inline]
    pub fn at(&mut self, site: &Site<'_>) -> Vec<Fault> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        self.fire(site)
    }

    fn fire(&mut self, site: &Site<'_>) -> Vec<Fault> {
        self.sites += 1;
        let (mut fired, mut error) = (Vec::new(), None);
        for armed in &mut self.rules {
            let fault = &armed.rule.fault;
            if !matches(fault, site) {
                continue;
            }
            armed.matched += 1;
            let is_error = matches!(fault.kind, FaultKind::Error(_));
            if is_error && error.is_some() {
                continue;
            }
            let extent = extent_at(fault, site, self.sites, self.guest_phases);
            if !armed.is_due(extent) || !armed.is_decided(self.run, self.attempt) || !armed.rule.take_one() {
                continue;
            }
            armed.begun_in = extent;
            if is_error {
                error = Some(fault.clone());
            } else {
                fired.push(fault.clone());
            }
        }
        if site.call == HostCall::PhasesBegin {
            self.guest_phases += 1;
        }
        fired.extend(error);
        fired
    }
}

impl Armed {
    /// Whether this is the call that is meant, and the fault has not happened where it happens once.
    fn is_due(&self, extent: Option<Extent>) -> bool {
        let nth = self.rule.fault.selector.call.and_then(|selected| selected.nth);
        nth.is_none_or(|nth| nth.get() == self.matched) && (extent.is_none() || self.begun_in != extent)
    }

    fn is_decided(&self, run: u64, attempt: u64) -> bool {
        let chance = self.rule.fault.limits.chance;
        chance.is_none_or(|chance| chance.decides(run, attempt, self.matched))
    }
}

impl Rule {
    fn new(fault: Fault) -> Self {
        let left = fault.limits.times.map(|times| AtomicU64::new(times.get()));
        Self { fault, left }
    }

    /// Takes one of the times that are left.
    fn take_one(&self) -> bool {
        let Some(left) = &self.left else {
            return true;
        };
        let take = |left: u64| left.checked_sub(1);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }
}

/// Whether a site is one that the fault names and can happen at.
fn matches(fault: &Fault, site: &Site<'_>) -> bool {
    let selector = &fault.selector;
    let named = match selector.call {
        Some(selected) => selected.call == site.call,
        None => is_meant_without_name(&fault.kind, site.call),
    };
    named
        && fault.kind.applies_to(site.call)
        && is_step(fault, site)
        && selector.phase.as_ref().is_none_or(|phase| is_in(phase, site))
}

/// Without a call, the network calls are meant, but for kinds that none of them has.
fn is_meant_without_name(kind: &FaultKind, call: HostCall) -> bool {
    let on_network = |call: HostCall| call.is_network() && kind.applies_to(call);
    on_network(call) || !HostCall::ALL.into_iter().any(on_network)
}

/// Whether the fault happens at this step of a call that dials. Other calls have one step.
fn is_step(fault: &Fault, site: &Site<'_>) -> bool {
    match site.host_phase.filter(|_| site.call.dials()) {
        Some(HostPhase::Resolve) => {
            fault.selector.host_phase() == Some(HostPhase::Resolve)
                || !fault.kind.fits_step(HostPhase::Connect)
        }
        Some(step) => fault.kind.fits_step(step),
        None => true,
    }
}

fn is_in(phase: &PhaseSelector, site: &Site<'_>) -> bool {
    let of_host = site.host_phase.is_some_and(|open| open.as_str() == phase.name);
    let of_guest = site.guest_phase.is_some_and(|(name, detail)| {
        name == phase.name && (phase.detail.is_none() || phase.detail.as_deref() == detail)
    });
    of_host || of_guest
}

/// In what the fault happens only once; none when it happens at every call that matches.
fn extent_at(fault: &Fault, site: &Site<'_>, sites: u64, guest_phases: u64) -> Option<Extent> {
    let selector = &fault.selector;
    let is_of_phase = matches!(fault.kind, FaultKind::Delay(_)) && selector.call.is_none();
    if !fault.kind.lasts() && !is_of_phase {
        return None;
    }
    Some(match (&selector.phase, site.host_phase) {
        (None, _) => Extent::Attempt,
        (Some(phase), Some(open)) if open.as_str() == phase.name => Extent::HostPhase(sites),
        (Some(_), _) => Extent::GuestPhase(guest_phases),
    })
}

impl Chance {
    /// Whether it happens at the `count`th call that matches in that attempt of that run.
    ///
    /// The four numbers are mixed one after the other with the finalizer of SplitMix64 (Steele, Lea and
    /// Flood, "Fast splittable pseudorandom number generators", 2014); the upper 53 bits, as a fraction
    /// between 0 and 1, are compared with the probability. The same numbers decide the same for ever.
    fn decides(self, run: u64, attempt: u64, count: u64) -> bool {
        let mixed = [self.seed, run, attempt, count]
            .into_iter()
            .fold(0, |state, number| mix(state ^ number));
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let fraction = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
        fraction < self.probability
    }
}

/// One step of SplitMix64.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
