//! One check or module, prepared with what all of a configuration share: its plugin found, its settings held against the
//! schema, its grants against the needs, TLS set up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::sound::{self, SchemaDigest, Sound};
use super::{DefaultGrant, Preparation, Prepared};
use crate::config::{Check, Module, Problem, SchemaError, SettingsSchema};
use crate::connection::{Network, Tls, TlsClient, Trust};
use crate::fault::FaultPlan;
use crate::hostcalls::Access;
use crate::library::Library;
use crate::redactor::Redactor;
use crate::runner::module::{PreparedModule, notice, rehearsal};
use crate::runner::needs::Needs;
use crate::runner::own_target::target_key;
use crate::runner::retry_budgets::RetryBudgets;
use crate::sandbox::SharedPlugin;
use crate::secret::{Secret, SecretStore};
use crate::switches::Switches;
use crate::units::show_duration;

/// The schema of a plugin's settings, set up when the first settings are held against it.
struct Schema {
    digest: SchemaDigest,
    set_up: Option<Result<SettingsSchema, SchemaError>>,
}

/// What all checks of a configuration share.
pub(in crate::runner) struct Common<'c> {
    library: &'c Library,
    broken: &'c BTreeSet<String>,
    secrets: &'c SecretStore,
    network: Network,
    switches: &'c Switches,
    default_grant: DefaultGrant,
    faults: &'c FaultPlan,
    retry_budgets: &'c RetryBudgets,
    /// The schemas of the plugins met so far, by the plugins' names: thousands of checks may share one.
    schemas: BTreeMap<String, Schema>,
    /// Settings that need no schema, because they were held against it before.
    sound: Sound,
    /// What the ways met so far to do TLS come to: certificates are read once, not for each check.
    tls: BTreeMap<Tls, Result<TlsClient, String>>,
}

impl Preparation {
    pub(in crate::runner) fn common<'c>(
        &'c self,
        library: &'c Library,
        broken: &'c BTreeSet<String>,
    ) -> Common<'c> {
        Common {
            library,
            broken,
            secrets: &self.secrets,
            network: self.network.clone(),
            switches: &self.switches,
            default_grant: self.default_grant,
            faults: &self.faults,
            retry_budgets: &self.retry_budgets,
            schemas: BTreeMap::new(),
            sound: match self.sandbox.cache() {
                Some(cache) if self.config.checks_and_templates().count() <= sound::MAX_KEPT => {
                    Sound::within(cache)
                }
                _ => Sound::default(),
            },
            tls: BTreeMap::new(),
        }
    }
}

impl Common<'_> {
    /// The check, ready to run, unless there is no saying what it would be.
    pub(in crate::runner) fn prepare(
        &mut self,
        check: &Check,
        problems: &mut Vec<Problem>,
        notices: &mut Vec<String>,
    ) -> Option<Prepared> {
        let tls = self.tls(&check.tls);
        let tls =
            tls.map_err(|sentence| problems.push(Problem::new(check.key_location("tls").clone(), sentence)));
        let plugin = self.plugin(check, problems)?;
        let settings = check.settings.to_json();
        let found = self.problems_of(check, &plugin, &settings);
        let settings_are_sound = found.is_empty();
        problems.extend(found);
        if check.tls.trust == Trust::DoNotVerify {
            notices.push(format!(
                "{} verifies no certificate (`do_not_verify`): what it sends, passwords too, may go to anyone",
                check.title()
            ));
        }
        let needs = Needs {
            plugin: plugin.identity(),
            description: plugin.description(),
        };
        let grants = needs.meet(check, self.default_grant, settings_are_sound, problems, notices);
        let secrets: BTreeMap<_, _> = check
            .settings
            .secret_names()
            .iter()
            .filter_map(|name| Some((name.as_str().to_owned(), self.secrets.get(name.as_str())?.clone())))
            .collect();
        let access = Access {
            plugin: plugin.identity().name.clone(),
            phases: Arc::clone(&plugin.description().phases),
            capabilities: plugin.description().capabilities.clone(),
            switches: self.switches.of(&check.plugin, check.name.as_str()),
            grants,
            tls: tls.ok()?,
            redactor: Redactor::new(secrets.values().map(Secret::expose)),
            secrets,
            trace_context: check.trace_context,
            network: self.network.clone(),
        };
        let target = target_key(&plugin.description().target, check);
        notices.extend(unreachable_threshold(check));
        Some(Prepared {
            name: check.name.to_string(),
            plugin,
            limits: check.limits,
            retry: check.retry.clone(),
            retry_budget: Some(self.retry_budgets.of(&target)),
            thresholds: check.thresholds,
            target,
            access: Arc::new(access),
            settings,
            faults: self.faults.for_check(check.name.as_str()),
            runs: Arc::default(),
        })
    }

    /// Keeps what was found about settings for the next start.
    pub(super) fn keep(self) {
        self.sound.keep();
    }

    /// What is wrong with settings, which are the same as JSON, by the plugin's schema.
    fn problems_of(&mut self, check: &Check, plugin: &SharedPlugin, settings: &str) -> Vec<Problem> {
        let text = &plugin.description().schema;
        let schema = self.schemas.entry(check.plugin.clone());
        let schema = schema.or_insert_with(|| Schema {
            digest: sound::digest(text),
            set_up: None,
        });
        let fit = self.sound.is_kept().then(|| sound::fit(&schema.digest, settings));
        if fit.is_some_and(|fit| self.sound.knows(&fit)) {
            return Vec::new();
        }
        match schema.set_up.get_or_insert_with(|| SettingsSchema::parse(text)) {
            Ok(schema) => {
                let problems = schema.problems(check);
                if let Some(fit) = fit.filter(|_| problems.is_empty()) {
                    self.sound.add(fit);
                }
                problems
            }
            Err(error) => {
                let message = format!("the plugin `{}` cannot be used: {error}", check.plugin);
                vec![Problem::new(check.key_location("plugin").clone(), message)]
            }
        }
    }

    /// The module, ready to be aimed at targets, unless there is no saying what it would be.
    pub(in crate::runner) fn prepare_module(
        &mut self,
        module: &Module,
        problems: &mut Vec<Problem>,
        notices: &mut Vec<String>,
    ) -> Option<PreparedModule> {
        let plugin = self.plugin(&module.template, problems)?;
        notices.extend(notice(module));
        let rehearsal = rehearsal(module, &plugin.description().target, problems);
        let base = self.prepare(&rehearsal, problems, notices)?;
        PreparedModule::new(module, base)
    }

    fn tls(&mut self, settings: &Tls) -> Result<TlsClient, String> {
        if let Some(known) = self.tls.get(settings) {
            return known.clone();
        }
        let new = TlsClient::new(settings);
        self.tls.insert(settings.clone(), new.clone());
        new
    }

    fn plugin(&self, check: &Check, problems: &mut Vec<Problem>) -> Option<SharedPlugin> {
        let found = self.library.get(&check.plugin).cloned();
        if found.is_none() && !self.broken.contains(&check.plugin) {
            let known: Vec<_> = self.library.names().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "found no plugin called `{}`, wanted one of {}",
                check.plugin,
                known.join(", ")
            );
            problems.push(Problem::new(check.key_location("plugin").clone(), message));
        }
        found
    }
}

/// A threshold for failing that the deadline comes before.
fn unreachable_threshold(check: &Check) -> Option<String> {
    let fail = check.thresholds?.fail?;
    let deadline = check.limits.deadline;
    (fail > deadline).then(|| {
        format!(
            "check `{}` has a threshold (`thresholds.fail`, {}) after its deadline ({}): no run gets there",
            check.name,
            show_duration(fail),
            show_duration(deadline)
        )
    })
}
