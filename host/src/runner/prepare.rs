//! From a configuration to checks that can run: plugins found, settings held against their schemas,
//! TLS set up, secrets read. Everything that is wrong is found at once, and then nothing runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::faults;
use super::module::{Modules, PreparedModule, notice, rehearsal};
use super::needs::Needs;
use super::own_target::target_key;
use super::retry_budgets::{RetryBudgets, TargetBudget};
use crate::budget::Limits;
use crate::capability::Capability;
use crate::config::{
    Check, Config, Location, Module, Problem, Problems, SchemaError, SecretName, SettingsSchema,
};
use crate::connection::{Network, Resolver, Tls, TlsClient, Trust};
use crate::fault::FaultPlan;
use crate::hostcalls::Access;
use crate::library::{Library, LibraryError};
use crate::policy::{Retry, TargetKey, Thresholds};
use crate::redactor::Redactor;
use crate::sandbox::{Compiling, EngineSettings, Sandbox, SharedPlugin};
use crate::secret::{Secret, SecretStore};
use crate::switches::{Scope, Switches};
use crate::units::show_duration;

/// A check with everything that a run of it needs.
#[derive(Debug)]
pub struct Prepared {
    /// The name.
    pub name: String,
    /// The plugin.
    pub plugin: SharedPlugin,
    /// What it asks. Checks with the same target share limits, retry budget and breaker.
    pub target: TargetKey,
    /// What a run may spend.
    pub limits: Limits,
    /// Whether and how a failed attempt is tried again.
    pub retry: Option<Retry>,
    /// How many retries the target gets; without it, as many as `retry` says.
    pub retry_budget: Option<Arc<TargetBudget>>,
    /// When a run that passed took too long to be well.
    pub thresholds: Option<Thresholds>,
    /// What its runs may do.
    pub access: Arc<Access>,
    /// The settings as JSON.
    pub settings: String,
    /// The faults that are injected into its runs.
    pub faults: FaultPlan,
    /// How many runs it has had; the same after a new plugin or a reload that does not change the check.
    pub runs: Arc<AtomicU64>,
}

impl Prepared {
    /// The number of its next run, from 0.
    pub(super) fn next_run(&self) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed)
    }
}

/// Checks that can run, and where. It never changes: a reload ([`Preparation::again`]) and a change of plugins
/// ([`Preparation::with_library`]) make another one, which shares what stays the same. Runs that are under way
/// keep what they began with.
pub struct Preparation {
    /// Where they run.
    pub sandbox: Arc<Sandbox>,
    /// The checks in the order of the configuration.
    pub checks: Vec<Arc<Prepared>>,
    /// The checks whose plugin was taken away while they were in use; in no other case there are any.
    pub orphans: Vec<Arc<Orphan>>,
    /// What can be aimed at targets.
    pub modules: Modules,
    /// What is switched off, to begin with as the configuration says.
    pub switches: Arc<Switches>,
    /// What an operator should know.
    pub notices: Vec<String>,
    /// The plugins in use.
    pub library: Library,
    /// Where they come from.
    pub config: Arc<Config>,
    pub(super) secrets: SecretStore,
    pub(super) network: Network,
    pub(super) default_grant: DefaultGrant,
    pub(super) faults: FaultPlan,
    pub(super) retry_budgets: Arc<RetryBudgets>,
}

/// A check that cannot run, because there is no plugin for it any more.
#[derive(Debug)]
pub struct Orphan {
    /// The check as it ran last.
    pub(super) last: Arc<Prepared>,
}

/// What is granted to checks beside what the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultGrant {
    /// Nothing.
    Nothing,
    /// The target that the check's own settings name, if they grant nothing else.
    OwnTarget,
}

impl Preparation {
    /// Prepares all checks of a configuration; `problems` are those it is known to have already.
    ///
    /// # Errors
    ///
    /// Everything that keeps any of them from running.
    pub async fn new(
        config: &Config,
        problems: Vec<Problem>,
        default_grant: DefaultGrant,
        compiling: impl Into<Compiling>,
    ) -> Result<Self, Problems> {
        Self::of(
            Arc::new(config.clone()),
            problems,
            default_grant,
            compiling.into(),
        )
        .await
    }

    /// The same, where the configuration is kept.
    ///
    /// # Errors
    ///
    /// Everything that keeps any check from running.
    pub async fn of(
        config: Arc<Config>,
        mut problems: Vec<Problem>,
        default_grant: DefaultGrant,
        compiling: Compiling,
    ) -> Result<Self, Problems> {
        let sandbox = Arc::new(sandbox(&config, compiling)?);
        let wanted = wanted(&config);
        let (library, unloadable) =
            Library::load(&sandbox, config.plugins_dir.as_deref(), &wanted, None).await;
        let broken: BTreeSet<String> = unloadable.iter().filter_map(LibraryError::plugin_name).collect();
        problems.extend(unloadable.iter().map(library_problem));
        let secrets = read_secrets(&config, &mut problems).await;
        let switches = Arc::new(Switches::default());
        for (scope, capability) in switched_off(&config) {
            switches.disable(&scope, capability);
        }
        let ground = Self {
            sandbox,
            checks: Vec::new(),
            orphans: Vec::new(),
            modules: Modules::new(),
            switches,
            notices: Vec::new(),
            library,
            secrets,
            network: Network::Live(Arc::new(resolver(&config))),
            default_grant,
            faults: faults::plan(&config),
            retry_budgets: Arc::new(RetryBudgets::new(config.retry_budget)),
            config,
        };
        ground.with_all_checks(problems, &broken)
    }

    /// Strikes out the secrets of all checks.
    pub fn redactor(&self) -> Redactor {
        self.secrets.redactor()
    }

    /// Prepares all checks on this ground, which has none yet.
    pub(super) fn with_all_checks(
        mut self,
        mut problems: Vec<Problem>,
        broken: &BTreeSet<String>,
    ) -> Result<Self, Problems> {
        let misnamed = self.config.disabled.plugins.iter();
        let misnamed = misnamed.filter(|disabled| !broken.contains(&disabled.plugin));
        problems.extend(misnamed.filter_map(|disabled| disabled.problem(self.library.names())));
        let mut notices = self.library.notices().to_vec();
        notices.extend(faults::notices(&self.faults));
        problems.extend(faults::unknown_phases(&self.config, &self.library));
        let mut common = self.common(&self.library, broken);
        let mut checks = Vec::with_capacity(self.config.checks.len());
        for check in &self.config.checks {
            checks.extend(common.prepare(check, &mut problems, &mut notices).map(Arc::new));
        }
        let mut modules = Modules::new();
        for module in &self.config.modules {
            let prepared = common.prepare_module(module, &mut problems, &mut notices);
            modules.extend(prepared.map(|module| (module.name().to_owned(), Arc::new(module))));
        }
        Problems::check(problems)?;
        (self.checks, self.modules, self.notices) = (checks, modules, notices);
        Ok(self)
    }

    pub(super) fn common<'c>(&'c self, library: &'c Library, broken: &'c BTreeSet<String>) -> Common<'c> {
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
            tls: BTreeMap::new(),
        }
    }
}

/// What all checks of a configuration share.
pub(super) struct Common<'c> {
    library: &'c Library,
    broken: &'c BTreeSet<String>,
    secrets: &'c SecretStore,
    network: Network,
    switches: &'c Switches,
    default_grant: DefaultGrant,
    faults: &'c FaultPlan,
    retry_budgets: &'c RetryBudgets,
    /// The schemas of the plugins met so far, by the plugins' names: thousands of checks may share one.
    schemas: BTreeMap<String, Result<SettingsSchema, SchemaError>>,
    /// What the ways met so far to do TLS come to: certificates are read once, not for each check.
    tls: BTreeMap<Tls, Result<TlsClient, String>>,
}

impl Common<'_> {
    /// The check, ready to run, unless there is no saying what it would be.
    pub(super) fn prepare(
        &mut self,
        check: &Check,
        problems: &mut Vec<Problem>,
        notices: &mut Vec<String>,
    ) -> Option<Prepared> {
        let tls = self.tls(&check.tls);
        let tls =
            tls.map_err(|sentence| problems.push(Problem::new(check.key_location("tls").clone(), sentence)));
        let plugin = self.plugin(check, problems)?;
        let before = problems.len();
        let schema = self
            .schemas
            .entry(check.plugin.clone())
            .or_insert_with(|| SettingsSchema::parse(&plugin.description().schema));
        match schema {
            Ok(schema) => problems.extend(schema.problems(check)),
            Err(error) => {
                let message = format!("the plugin `{}` cannot be used: {error}", check.plugin);
                problems.push(Problem::new(check.key_location("plugin").clone(), message));
            }
        }
        let settings_are_sound = problems.len() == before;
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
            phases: plugin.description().phases.clone(),
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
            settings: check.settings.to_json(),
            faults: self.faults.for_check(check.name.as_str()),
            runs: Arc::default(),
        })
    }

    /// The module, ready to be aimed at targets, unless there is no saying what it would be.
    pub(super) fn prepare_module(
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

/// The plugins that checks name.
pub(super) fn wanted(config: &Config) -> BTreeSet<&str> {
    let checks = config.checks_and_templates();
    checks.map(|check| check.plugin.as_str()).collect()
}

/// How many runs there can be at once: one more than the slots, for asking plugins what they are.
pub(super) fn concurrency(config: &Config) -> u32 {
    u32::try_from(config.concurrency)
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

/// The most memory that any check may have.
pub(super) fn memory(config: &Config) -> u64 {
    let memories = config.checks_and_templates().map(|check| check.limits.memory);
    memories.max().unwrap_or(0)
}

pub(super) fn sandbox(config: &Config, compiling: Compiling) -> Result<Sandbox, Problems> {
    let settings = EngineSettings {
        concurrency: concurrency(config),
        memory: memory(config),
        compiling,
    };
    Sandbox::new(&settings).map_err(|error| {
        let location = config
            .checks_and_templates()
            .next()
            .map_or_else(|| Location::option("bedcheck"), |check| check.location().clone());
        Problems::new(Problem::new(location, error.to_string()), Vec::new())
    })
}

/// What the configuration switches off.
pub(super) fn switched_off(config: &Config) -> BTreeSet<(Scope, Capability)> {
    let everywhere = config.disabled.everywhere.iter();
    let everywhere = everywhere.map(|&capability| (Scope::Everywhere, capability));
    let plugins = config.disabled.plugins.iter().flat_map(|disabled| {
        let scope = Scope::Plugin(disabled.plugin.clone());
        let capabilities = disabled.capabilities.iter();
        capabilities.map(move |&capability| (scope.clone(), capability))
    });
    let checks = config.checks_and_templates().flat_map(|check| {
        let scope = Scope::Check(check.name.to_string());
        let capabilities = check.disabled.iter();
        capabilities.map(move |&capability| (scope.clone(), capability))
    });
    everywhere.chain(plugins).chain(checks).collect()
}

pub(super) fn resolver(config: &Config) -> Resolver {
    match config.resolver.servers.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::with_servers(servers),
    }
}

pub(super) fn library_problem(error: &LibraryError) -> Problem {
    Problem::new(Location::File(error.origin().into()), error.to_string())
}

/// The secrets that settings refer to. One that cannot be read is a problem of the check that first
/// refers to it.
pub(super) async fn read_secrets(config: &Config, problems: &mut Vec<Problem>) -> SecretStore {
    let mut needed: BTreeMap<&SecretName, &Location> = BTreeMap::new();
    for check in config.checks_and_templates() {
        // One that is not in `[secrets]` is a problem of the configuration, found before.
        for name in check
            .settings
            .secret_names()
            .iter()
            .filter(|name| config.secrets.contains_key(*name))
        {
            needed.entry(name).or_insert_with(|| check.location());
        }
    }
    let read = needed.into_iter().map(async |(name, location)| {
        let store = SecretStore::read(&config.secrets, &BTreeSet::from([name.clone()])).await;
        (name, location, store)
    });
    let mut secrets = Vec::new();
    for (name, location, store) in futures_util::future::join_all(read).await {
        match store {
            Ok(store) => secrets.extend(
                store
                    .get(name.as_str())
                    .map(|secret| (name.clone(), secret.clone())),
            ),
            Err(sentences) => {
                problems.extend(
                    sentences
                        .into_iter()
                        .map(|text| Problem::new(location.clone(), text)),
                );
            }
        }
    }
    SecretStore::new(secrets)
}
