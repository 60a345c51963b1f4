//! The targets of a module that were asked for last, ready to run again. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Prepared, Request};

/// How many targets of a module are kept ready: as many as a large installation probes, some KiB each.
pub(super) const MAX_KEPT: usize = 4096;

/// The targets that are ready, the one asked for longest ago in front.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) ready: BTreeMap<Request, Arc<Prepared>>,
    pub(super) order: VecDeque<Request>,
}

impl Kept {
    /// What is ready for a request, which is then the one asked for last.
    pub(super) fn take(&mut self, request: &Request) -> Option<Arc<Prepared>> {
        let ready = Arc::clone(self.ready.get(request)?);
        // The same few targets come round in the same order, so this is found near the front.
        if let Some(place) = self.order.iter().position(|kept| kept == request) {
            self.order.remove(place);
        }
        self.order.push_back(request.clone());
        Some(ready)
    }

    /// Keeps what is ready for a request; what was asked for longest ago makes room.
    pub(super) fn put(&mut self, request: Request, prepared: Arc<Prepared>) {
        while self.ready.len() >= MAX_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ready.remove(&oldest);
        }
        self.order.push_back(request.clone());
        self.ready.insert(request, prepared);
    }
}
