//! When each check is due, and whether its run starts. Pure: time is given, chance comes from a seed. Nothing
//! here runs a check or waits.
//!
//! ```text
//! agenda: due? -> still going? -> breaker open? -> wait for a free slot -> breaker? -> start
//!                      |               |                                      |
//!                      +---------------+----------> skip, with the reason <---+
//! ```
//!
//! Every due time of a check becomes a run or is counted as skipped, with the reason. The times are the caller's:
//! since the daemon began, by a clock that never goes back.

mod cadence;
mod circuits;
mod decision;
mod plan;
mod scheduler;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod simulation_tests;
mod slots;

use std::sync::Arc;
use std::time::Duration;

pub use cadence::TOLERANCE;
pub use circuits::{BreakerView, Circuit, Transition};
pub use decision::{Decision, SkipReason, Skipped};
pub use plan::{Plan, PlanChange};
pub use scheduler::Scheduler;

use crate::policy::{TargetKey, breaker};

/// How many runs go on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all, 1 to 10,000.
    pub concurrency: usize,
    /// At one target, 1 to 10,000.
    pub per_target: usize,
}

/// A check as the schedule sees it. Two that are equal are the same check, whatever else there is to it is in
/// the fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its name; no other check has it.
    pub name: Arc<str>,
    /// From one due time to the next; less than 1 ms counts as 1 ms.
    pub every: Duration,
    /// Each run is due up to so much later, at random; more than `every` counts as `every`.
    pub jitter: Duration,
    /// What it asks.
    pub target: TargetKey,
    /// The name of its plugin.
    pub plugin: String,
    /// When to leave the target alone; without it, never.
    pub breaker: Option<breaker::Settings>,
    /// Changes whenever anything about the check does that its runs depend on.
    pub fingerprint: u64,
}

/// What is to be told of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// When it is due next.
    pub next_due: Duration,
    /// Since when a run has been going.
    pub running_since: Option<Duration>,
    /// When the run was due that waits for a free slot.
    pub waiting_since: Option<Duration>,
    /// How many runs have been started.
    pub started: u64,
    /// How many were not, by reason.
    pub skipped: Skipped,
}
