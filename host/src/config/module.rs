//! A module as the runner sees it: a check without a target. How it is written is not known here.

use std::time::Duration;

use super::check::Check;
use crate::grant::Grants;
use crate::name::CheckName;

/// How long a probe may take whose module, defaults and scraper say nothing: what blackbox_exporter gives it.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(120);

/// What `/probe` can be asked for (`[[module]]`).
#[derive(Debug, Clone)]
pub struct Module {
    /// The check that becomes of it with a target: its settings lack the target, it grants nothing, and it has
    /// no interval.
    pub template: Check,
    /// The targets it may be asked to probe, and what a probe may reach from there. Empty, the default, is none.
    pub targets: Grants,
}

impl Module {
    /// Its name; no other module has it, and no check.
    pub fn name(&self) -> &CheckName {
        &self.template.name
    }
}
