//! From a configuration to checks that can run: plugins found, settings held against their schemas,
//! TLS set up, secrets read. Everything that is wrong is found at once, and then nothing runs.

mod common;
mod needed;
mod sound;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) use self::common::Common;
pub(super) use self::needed::{
    concurrency, library_problem, memory, read_secrets, resolver, sandbox, sandbox_for_one_run, switched_off,
    wanted,
};
use super::faults;
use super::module::Modules;
use super::own_target::begins_with_tls;
use super::retry_budgets::{RetryBudgets, TargetBudget};
use crate::budget::Limits;
use crate::config::{Config, Problem, Problems};
use crate::connection::{Network, Trust};
use crate::fault::FaultPlan;
use crate::hostcalls::Access;
use crate::library::{Library, LibraryError};
use crate::open_files;
use crate::policy::{Retry, TargetKey, Thresholds};
use crate::redactor::Redactor;
use crate::sandbox::{Compiling, Sandbox, SharedPlugin};
use crate::secret::SecretStore;
use crate::switches::Switches;

/// A check with everything that a run of it needs.
#[derive(Debug, Clone)]
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
    /// The same for runs that count nowhere: without faults, whose number and chance are those of the runs that count.
    pub(super) fn beside(&self) -> Self {
        Self {
            faults: FaultPlan::default(),
            runs: Arc::default(),
            ..self.clone()
        }
    }

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

    /// The same for the only check of a configuration, which runs once, on a runtime with one thread: less is set up.
    ///
    /// # Errors
    ///
    /// Everything that keeps the check from running.
    pub async fn once(
        config: &Config,
        problems: Vec<Problem>,
        default_grant: DefaultGrant,
        compiling: Compiling,
    ) -> Result<Self, Problems> {
        let sandbox = sandbox_for_one_run(config, compiling)?;
        Self::within(sandbox, Arc::new(config.clone()), problems, default_grant).await
    }

    /// The same as [`Preparation::new`], where the configuration is kept.
    ///
    /// # Errors
    ///
    /// Everything that keeps any check from running.
    pub async fn of(
        config: Arc<Config>,
        problems: Vec<Problem>,
        default_grant: DefaultGrant,
        compiling: Compiling,
    ) -> Result<Self, Problems> {
        let sandbox = sandbox(&config, compiling)?;
        Self::within(sandbox, config, problems, default_grant).await
    }

    async fn within(
        sandbox: Sandbox,
        config: Arc<Config>,
        mut problems: Vec<Problem>,
        default_grant: DefaultGrant,
    ) -> Result<Self, Problems> {
        let sandbox = Arc::new(sandbox);
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
            faults: faults::plan(&config, &FaultPlan::default()),
            retry_budgets: Arc::new(RetryBudgets::new(config.retry_budget)),
            config,
        };
        ground.with_all_checks(problems, &broken)
    }

    /// How much there is, for people: `2 checks, 1 module`.
    pub fn size(&self) -> String {
        let counted = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            number => format!("{number} {what}s"),
        };
        let checks = counted(self.checks.len(), "check");
        match self.modules.len() {
            0 => checks,
            number => format!("{checks}, {}", counted(number, "module")),
        }
    }

    /// Whether anything is configured to trust whom the system trusts.
    pub fn trusts_system(&self) -> bool {
        let mut all = self.config.checks_and_templates();
        all.any(|check| check.tls.trust == Trust::System)
    }

    /// Whether a check is likely to need the authorities that the system trusts, from its first run on.
    pub fn expects_system_roots(&self) -> bool {
        let mut trusting = self
            .config
            .checks
            .iter()
            .filter(|check| check.tls.trust == Trust::System);
        trusting.any(|check| {
            let plugin = self.library.get(&check.plugin);
            plugin.is_some_and(|plugin| begins_with_tls(&plugin.description().target, check))
        })
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
        notices.extend(open_files::shortage(self.config.concurrency));
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
        common.keep();
        Problems::check(problems)?;
        (self.checks, self.modules, self.notices) = (checks, modules, notices);
        Ok(self)
    }
}
