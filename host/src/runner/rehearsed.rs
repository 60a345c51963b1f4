//! Checks that are rehearsed: made from a plugin and settings alone, against peers that are there or scripted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::needs::Needs;
use super::own_target::target_key;
use super::{DefaultGrant, Prepared};
use crate::config::{Check, Problem, Problems, SettingsSchema};
use crate::connection::{Network, TlsClient};
use crate::fault::FaultPlan;
use crate::hostcalls::Access;
use crate::redactor::Redactor;
use crate::sandbox::SharedPlugin;
use crate::secret::Secret;
use crate::switches::CheckSwitches;

impl Prepared {
    /// A check against peers that are there or scripted, with these faults. Its own target is granted, and what
    /// it allows.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with its settings and its TLS.
    pub fn rehearsed(
        check: &Check,
        plugin: &SharedPlugin,
        secrets: &BTreeMap<String, Secret>,
        network: Network,
        faults: FaultPlan,
    ) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        match SettingsSchema::parse(&plugin.description().schema) {
            Ok(schema) => problems.extend(schema.problems(check)),
            Err(error) => problems.push(Problem::new(check.location().clone(), error.to_string())),
        }
        let needs = Needs {
            plugin: plugin.identity(),
            description: plugin.description(),
        };
        let settings_are_sound = problems.is_empty();
        let grants = needs.meet(
            check,
            DefaultGrant::OwnTarget,
            settings_are_sound,
            &mut problems,
            &mut Vec::new(),
        );
        let tls = TlsClient::new(&check.tls)
            .map_err(|sentence| problems.push(Problem::new(check.location().clone(), sentence)));
        Problems::check(problems)?;
        let access = Access {
            plugin: plugin.identity().name.clone(),
            phases: Arc::clone(&plugin.description().phases),
            capabilities: plugin.description().capabilities.clone(),
            switches: CheckSwitches::default(),
            grants,
            tls: tls.unwrap_or_else(|()| TlsClient::trusting_nobody()),
            redactor: Redactor::new(secrets.values().map(Secret::expose)),
            secrets: secrets.clone(),
            trace_context: check.trace_context,
            network,
        };
        Ok(Self {
            name: check.name.to_string(),
            plugin: Arc::clone(plugin),
            target: target_key(&plugin.description().target, check),
            limits: check.limits,
            retry: check.retry.clone(),
            // Virtual time and scripted peers: nobody is spared, and every rehearsal has to be the same.
            retry_budget: None,
            thresholds: check.thresholds,
            access: Arc::new(access),
            settings: check.settings.to_json(),
            faults,
            runs: Arc::default(),
        })
    }

    /// The same, without any run yet.
    pub fn again(&self) -> Self {
        Self {
            name: self.name.clone(),
            plugin: Arc::clone(&self.plugin),
            target: self.target.clone(),
            limits: self.limits,
            retry: self.retry.clone(),
            retry_budget: self.retry_budget.clone(),
            thresholds: self.thresholds,
            access: Arc::clone(&self.access),
            settings: self.settings.clone(),
            faults: self.faults.clone(),
            runs: Arc::default(),
        }
    }
}
