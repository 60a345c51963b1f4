//! Where the deadline was hit first, and whose time it was.

use std::time::Duration;

use super::RunState;
use crate::clock::Clock;
use crate::fault::HostCall;
use crate::outcome::{DeadlineHit, DeadlineWhile};
use crate::phase::HostPhase;

/// How an attempt came upon its deadline.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Where, as reports say it.
    pub place: DeadlineHit,
    /// Doing what.
    pub doing: DeadlineWhile,
    /// Whether no phase had failed before.
    pub is_first_error: bool,
}

impl RunState {
    /// The deadline passed while this call was waiting: for the name servers, or for the target. A guest that slept
    /// longer in this attempt than it waited, or spent most of it itself, has itself to blame.
    pub(super) fn cut_by_deadline(&mut self, call: HostCall) {
        if self.slept > self.waited || self.mostly_spent_itself() {
            self.record_hit(call, DeadlineWhile::Computing);
            return;
        }
        let is_resolving = self
            .timeline
            .current()
            .is_some_and(|(phase, _)| phase == HostPhase::Resolve.as_str());
        let doing = if is_resolving {
            DeadlineWhile::Resolving
        } else {
            DeadlineWhile::Waiting
        };
        self.record_hit(call, doing);
    }

    /// The deadline had passed when this call was made.
    pub(super) fn refused_by_deadline(&mut self, call: HostCall) {
        self.record_hit(call, self.mostly_did());
    }

    /// The guest comes upon the deadline outside of all calls that know it: it asks, and is told that it has passed, or
    /// it says how a phase failed, or returns, after it.
    pub(super) fn notice_deadline(&mut self, now: Duration) {
        if self.deadline.has_passed_by(now) {
            self.record_hit_at(None, self.mostly_did(), now);
        }
    }

    pub(super) fn record_hit(&mut self, call: HostCall, doing: DeadlineWhile) {
        if self.hit.is_none() {
            self.record_hit_at(Some(call), doing, self.deadline.moment());
        }
    }

    fn record_hit_at(&mut self, call: Option<HostCall>, doing: DeadlineWhile, at: Duration) {
        if self.hit.is_some() {
            return;
        }
        let (phase, detail) = self.open_phase();
        let host_call = call.map(HostCall::as_str);
        self.hit = Some(Box::new(Hit {
            place: DeadlineHit {
                phase,
                detail,
                host_call,
                at,
            },
            doing,
            is_first_error: self.timeline.first_error().is_none(),
        }));
    }

    /// Whether the guest slept and computed for more than half of the attempt's time until the deadline. What it did not
    /// wait may have been a wait for a turn at computing, so that its own computing is asked for.
    fn mostly_spent_itself(&self) -> bool {
        let took = self.deadline.limit().saturating_sub(self.begun);
        if self.waited >= took / 2 {
            return false;
        }
        let computed = self.deadline.tape().moment(|| match self.deadline.clock() {
            Clock::Live(_) => (self.computing)(),
            // Computing takes no virtual time.
            Clock::Virtual(_) => Duration::ZERO,
        });
        let rest = took.saturating_sub(self.waited + self.slept);
        self.slept + computed.min(rest) > took / 2
    }

    /// What took most of the attempt's time until the deadline passed, and is to blame for it.
    fn mostly_did(&self) -> DeadlineWhile {
        let took = self.deadline.passes_at().saturating_sub(self.begun);
        let mostly_waited = !self.waited.is_zero() && self.waited >= took / 2;
        if mostly_waited {
            DeadlineWhile::Waiting
        } else {
            DeadlineWhile::Computing
        }
    }
}
