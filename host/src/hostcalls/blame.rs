//! Where the deadline was hit first, and whose time it was.

use super::RunState;
use crate::fault::HostCall;
use crate::outcome::{DeadlineHit, DeadlineWhile};
use crate::phase::HostPhase;

impl RunState {
    /// The deadline passed while this call was waiting: for the name servers, or for the target. A guest that
    /// slept longer in this attempt than it waited has itself to blame.
    pub(super) fn cut_by_deadline(&mut self, call: HostCall) {
        if self.slept > self.waited {
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

    /// The deadline had passed when this call was made. Whoever took most of the attempt's time until then is
    /// to blame for it.
    pub(super) fn refused_by_deadline(&mut self, call: HostCall) {
        let took = self.deadline.limit().saturating_sub(self.begun);
        let mostly_waited = !self.waited.is_zero() && self.waited >= took / 2;
        self.record_hit(
            call,
            if mostly_waited {
                DeadlineWhile::Waiting
            } else {
                DeadlineWhile::Computing
            },
        );
    }

    pub(super) fn record_hit(&mut self, call: HostCall, doing: DeadlineWhile) {
        if self.hit.is_some() {
            return;
        }
        let current = self.timeline.current();
        let hit = DeadlineHit {
            phase: current.map(|(name, _)| name.to_owned()),
            detail: current.and_then(|(_, detail)| detail.map(str::to_owned)),
            host_call: Some(call.as_str()),
            at: self.deadline.moment(),
        };
        self.hit = Some((hit, doing));
    }
}
