//! The faults of a configuration made into a plan, held against the plugins, and told to who runs them.

use std::collections::BTreeSet;

use crate::config::{Config, ConfiguredFault, Problem};
use crate::fault::FaultPlan;
use crate::library::Library;
use crate::phase::HostPhase;
use crate::words::{alternatives, nearest};

/// All faults, for all checks, in place of those of before.
pub(super) fn plan(config: &Config, before: &FaultPlan) -> FaultPlan {
    let faults = config.faults.iter();
    before.again(faults.map(|configured| configured.fault.clone()).collect())
}

/// A note for each fault: nobody shall look for the reason of a failure that was asked for.
pub(super) fn notices(plan: &FaultPlan) -> impl Iterator<Item = String> {
    plan.faults()
        .map(|fault| format!("failures are injected: {fault}"))
}

/// Faults in phases that none of the plugins has whose checks they are for.
pub(super) fn unknown_phases(config: &Config, library: &Library) -> Vec<Problem> {
    config
        .faults
        .iter()
        .filter_map(|configured| {
            let message = unknown_phase(configured, config, library)?;
            Some(Problem::new(configured.location().clone(), message))
        })
        .collect()
}

fn unknown_phase(configured: &ConfiguredFault, config: &Config, library: &Library) -> Option<String> {
    let selector = &configured.fault.selector;
    let phase = selector.phase.as_ref()?.name.as_str();
    let is_meant = |check: &str| selector.check.as_deref().is_none_or(|name| name == check);
    let plugins: BTreeSet<&str> = config
        .checks_and_templates()
        .filter(|check| is_meant(check.name.as_str()))
        .map(|check| check.plugin.as_str())
        .collect();
    if HostPhase::is_name(phase) || (selector.check.is_none() && configured.may_mean_others) {
        return None;
    }
    // A plugin that is not there is a problem of its own, and what it declares is not known.
    let found: Option<Vec<_>> = plugins.iter().map(|name| library.get(name)).collect();
    let mut known: Vec<&str> = Vec::new();
    for declared in found?
        .iter()
        .flat_map(|plugin| plugin.description().phases.iter())
    {
        if !known.contains(&declared.as_str()) {
            known.push(declared);
        }
    }
    if plugins.is_empty() || known.contains(&phase) {
        return None;
    }
    let names = alternatives(plugins.iter().copied());
    Some(match nearest(phase, known.iter().copied()) {
        Some(near) => format!("found no phase `{phase}` in the plugin {names}, did you mean `{near}`?"),
        None => format!(
            "found no phase `{phase}` in the plugin {names}, wanted {}",
            alternatives(known)
        ),
    })
}
