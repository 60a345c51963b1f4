//! Faults: failures that are injected where an operator or an author wants them. Their grammar, where
//! each kind can happen, and which of them fire at a host call. Pure: what a fault does to a connection
//! or a guest is the host calls' business, and what a report shows of it the report's.
//!
//! ```text
//! [check:NAME] [phase:NAME[DETAIL]] [CALL[#N]] = KIND [times N] [for DURATION] [probability P] [seed N]
//! ```
//!
//! A rule that names a call fires at every call of that name, in the phase and check it names, or with
//! `#N` at the Nth of these in an attempt. A rule that names a phase and no call means the network calls
//! in it that the kind applies to, or where it applies to none of them, any call it applies to.
//!
//! Some kinds do not happen at every call: `delay` in a rule without a call waits once each time the
//! phase begins, and what lasts (`reset-after`, `truncate`, `memory-pressure`) begins once, each time the
//! phase begins or in a rule without a phase once in an attempt.
//!
//! `net.connect` and `net.connect-datagram` have two steps, looking a name up and dialling, which are the
//! phases `resolve` and `connect`. Errors of names fire in the first; everything else in the second, unless the rule says
//! `phase:resolve`.

mod call;
mod kind;
mod parse;
mod place;
mod plan;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::time::Duration;

pub use call::{HostCall, UnknownHostCall};
pub use kind::{FaultKind, InjectedError, kinds_for};
pub use plan::{FaultPlan, Injector, Site};

use crate::phase::HostPhase;
use crate::units::show_duration;
use crate::words::{alternatives, quoted};

/// A failure to inject: where, what, and how often. As text it is what `--fault` takes, and the text
/// it is displayed as reads back to the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Where.
    pub selector: Selector,
    /// What.
    pub kind: FaultKind,
    /// How often, and for how long.
    pub limits: Limits,
}

/// Where a fault happens: everything that is named must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// The check; without it, all of them.
    pub check: Option<String>,
    /// The phase that is open, the host's or the guest's; without it, any or none.
    pub phase: Option<PhaseSelector>,
    /// The host call; without it, those of the phase that the kind applies to.
    pub call: Option<CallSelector>,
}

/// A phase in a selector: `select`, or `select[Archive]` for the one with that detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseSelector {
    /// Its name.
    pub name: String,
    /// Its detail; without it, any or none.
    pub detail: Option<String>,
}

/// A host call in a selector: `net.read`, or `net.read#3` for the third that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSelector {
    /// Which call.
    pub call: HostCall,
    /// Which of the calls of an attempt that match the rest of the selector, from 1; without it, all.
    pub nth: Option<NonZeroU64>,
}

/// How often a fault happens, and for how long. By default always.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// `times 3`: how many times, all checks and runs together.
    pub times: Option<NonZeroU64>,
    /// `for 30s`: how long after the start of bedcheck attempts still meet it.
    pub window: Option<Duration>,
    /// `probability 0.5`, `seed 7`: whether it happens at a call that matches.
    pub chance: Option<Chance>,
}

impl Limits {
    /// How long `for` can be.
    pub const WINDOWS: RangeInclusive<Duration> =
        Duration::from_millis(1)..=Duration::from_secs(7 * 24 * 3600);
}

/// A probability, decided by numbers that repeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chance {
    /// Above 0 and at most 1.
    pub probability: f64,
    /// Tells one sequence of decisions from another. By default 0. Rules with the same seed decide
    /// alike.
    pub seed: u64,
}

/// What is wrong with a fault, as a sentence: what was found and what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFault(String);

impl Fault {
    /// A fault that can happen where it is to happen.
    ///
    /// # Errors
    ///
    /// When the place is none ([`Selector::validate`]), or the kind does not apply there; then with the
    /// kinds that do.
    pub fn new(selector: Selector, kind: FaultKind, limits: Limits) -> Result<Self, InvalidFault> {
        selector.validate()?;
        let step = selector.host_phase();
        let call = selector
            .call
            .map(|selected| selected.call)
            .or_else(|| calls_of_step(step?).first().copied());
        let possible = |kind: &FaultKind| {
            call.is_none_or(|call| kind.applies_to(call)) && step.is_none_or(|step| kind.fits_step(step))
        };
        if let Some(call) = call
            && !possible(&kind)
        {
            let place = step.map_or_else(
                || format!("for `{call}`"),
                |step| format!("in the phase `{}`", step.as_str()),
            );
            let kinds = kinds_for(call).into_iter().filter(possible);
            let mut words: Vec<&str> = kinds.map(|kind| kind.word()).collect();
            words.dedup();
            return Err(InvalidFault(format!(
                "found `{}` {place}, wanted what can happen there: {}",
                kind.word(),
                alternatives(words)
            )));
        }
        Ok(Self {
            selector,
            kind,
            limits,
        })
    }
}

/// The host calls that a phase of the host's is part of; whatever can happen at any of them can at the first.
fn calls_of_step(step: HostPhase) -> &'static [HostCall] {
    match step {
        HostPhase::Resolve | HostPhase::Connect => &[HostCall::NetConnect, HostCall::NetConnectDatagram],
        HostPhase::Tls => &[HostCall::NetStartTls],
    }
}

impl Selector {
    /// Whether it names a place where calls are made.
    ///
    /// # Errors
    ///
    /// When it names neither a call nor a phase, or a phase of the host's with a detail or with a call
    /// that it does not have.
    pub fn validate(&self) -> Result<(), InvalidFault> {
        if self.phase.is_none() && self.call.is_none() {
            return Err(InvalidFault(
                "found no place for the fault, wanted a host call, such as `net.read`, or a phase, such as \
                 `select`"
                    .into(),
            ));
        }
        let (Some(step), Some(phase)) = (self.host_phase(), &self.phase) else {
            return Ok(());
        };
        let (name, calls) = (step.as_str(), calls_of_step(step));
        if phase.detail.is_some() {
            return Err(InvalidFault(format!(
                "found {}, wanted `{name}`: the host's phases have no details",
                quoted(&phase.to_string())
            )));
        }
        match self.call {
            Some(selected) if !calls.contains(&selected.call) => Err(InvalidFault(format!(
                "found `{}` in the phase `{name}`, wanted a host call that is made in it: {}",
                selected.call,
                alternatives(calls.iter().map(|call| call.as_str()))
            ))),
            _ => Ok(()),
        }
    }

    /// The phase it names, if that is one of the host's.
    fn host_phase(&self) -> Option<HostPhase> {
        HostPhase::of_name(&self.phase.as_ref()?.name)
    }
}

impl FaultKind {
    /// The word it begins with.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Error(error) => error.as_str(),
            Self::Delay(_) => "delay",
            Self::Drip(_) => "drip",
            Self::ResetAfter(_) => "reset-after",
            Self::Truncate(_) => "truncate",
            Self::MemoryPressure => "memory-pressure",
        }
    }
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}{}", self.selector, self.kind, self.limits)
    }
}

impl Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.check.as_ref().map(|check| format!("check:{check}")),
            self.phase.as_ref().map(|phase| format!("phase:{phase}")),
            self.call.map(|call| call.to_string()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        formatter.write_str(&parts.join(" "))
    }
}

impl Display for PhaseSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match &self.detail {
            Some(detail) => write!(formatter, "[{}]", place::bracketed(detail)),
            None => Ok(()),
        }
    }
}

impl Display for CallSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.call)?;
        match self.nth {
            Some(nth) => write!(formatter, "#{nth}"),
            None => Ok(()),
        }
    }
}

impl Display for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(times) = self.times {
            write!(formatter, " times {times}")?;
        }
        if let Some(window) = self.window {
            write!(formatter, " for {}", show_duration(window))?;
        }
        if let Some(chance) = self.chance {
            write!(formatter, " probability {}", chance.probability)?;
            if chance.seed != 0 {
                write!(formatter, " seed {}", chance.seed)?;
            }
        }
        Ok(())
    }
}
