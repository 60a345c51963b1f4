//! Runs of new versions of plugins beside those in use. They count nowhere, and have only slots that are to spare.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use super::Daemon;
use super::runs::UnderWay;
use crate::outcome::Report;
use crate::policy::breaker::State;
use crate::runner;
use crate::serve::stage::Stage;

/// Those under way.
#[derive(Default)]
pub(super) struct RunsBeside {
    /// None where no slot was free after all.
    pub(super) tasks: JoinSet<Option<Report>>,
    /// Beside which run each is: the check's name, and the report of the version in use.
    of: HashMap<Id, (Arc<str>, Report)>,
}

impl Daemon {
    /// Runs the new version of a plugin once, after the one in use, if one is being watched, the target is not left
    /// alone, and there is a slot to spare; not after a run with an injected fault, which is no measure for one without.
    pub(super) fn run_beside(&mut self, under_way: &UnderWay, report: &Report) {
        let name = &under_way.name;
        let Some(new) = self.changes.shadow_of(name) else {
            return;
        };
        let breaker = self
            .scheduler
            .breaker(&new.target, &under_way.prepared.access.plugin);
        if *self.stage.borrow() != Stage::Serving
            || report.is_injected()
            || breaker.is_some_and(|breaker| breaker.state != State::Closed)
            || !self.scheduler.start_beside(name, &new.target)
        {
            return;
        }
        let runner = Arc::clone(&under_way.runner);
        let cancellation = self.cancellation.clone();
        let task = self.beside.tasks.spawn(async move {
            let mut report = runner.run_on_spare_slot(&new, &cancellation).await?;
            runner::mark(&mut report);
            tracing::debug!(
                check = report.check,
                outcome = report.outcome.as_str(),
                "check `{}` ran with the new version of its plugin beside the one in use",
                report.check
            );
            Some(report)
        });
        let beside = (Arc::clone(name), report.clone());
        self.beside.of.insert(task.id(), beside);
    }

    /// Such a run is over. One that crashed is told as any crash, and says nothing about the version.
    pub(super) fn ended_beside(&mut self, ended: Result<(Id, Option<Report>), JoinError>) {
        let (id, new) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), None),
        };
        let Some((name, old)) = self.beside.of.remove(&id) else {
            return;
        };
        self.scheduler.finished_beside(&name);
        if let Some(new) = new {
            self.changes.compared(&old, &new);
        }
    }
}
