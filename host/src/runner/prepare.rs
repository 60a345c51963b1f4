//! From a configuration to checks that can run: plugins found, settings held against their schemas,
//! TLS set up, secrets read. Everything that is wrong is found at once, and then nothing runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::faults;
use super::module::{Modules, PreparedModule, notice, rehearsal};
use super::needs::Needs;
use crate::budget::Limits;
use crate::config::{Check, Config, Location, Module, Problem, Problems, SecretName, SettingsSchema};
use crate::connection::{Network, Resolver, TlsClient, Trust};
use crate::fault::FaultPlan;
use crate::hostcalls::Access;
use crate::library::{Library, LibraryError};
use crate::policy::Retry;
use crate::redactor::Redactor;
use crate::sandbox::{EngineSettings, PrivateFolder, Sandbox, SharedPlugin};
use crate::secret::{Secret, SecretStore};
use crate::switches::{Scope, Switches};

/// A check with everything that a run of it needs.
#[derive(Debug)]
pub struct Prepared {
    /// The name.
    pub name: String,
    /// The plugin.
    pub plugin: SharedPlugin,
    /// What a run may spend.
    pub limits: Limits,
    /// Whether and how a failed attempt is tried again.
    pub retry: Option<Retry>,
    /// What its runs may do.
    pub access: Arc<Access>,
    /// The settings as JSON.
    pub settings: String,
    /// The faults that are injected into its runs.
    pub faults: FaultPlan,
    /// How many runs it has had.
    pub runs: AtomicU64,
}

impl Prepared {
    /// The number of its next run, from 0.
    pub(super) fn next_run(&self) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed)
    }
}

/// Checks that can run, and where.
pub struct Preparation {
    /// Where they run.
    pub sandbox: Arc<Sandbox>,
    /// The checks in the order of the configuration.
    pub checks: Vec<Prepared>,
    /// What can be aimed at targets.
    pub modules: Modules,
    /// What is switched off, to begin with as the configuration says.
    pub switches: Arc<Switches>,
    /// What an operator should know.
    pub notices: Vec<String>,
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
        mut problems: Vec<Problem>,
        default_grant: DefaultGrant,
        cache: Option<PrivateFolder>,
    ) -> Result<Self, Problems> {
        let sandbox = Arc::new(sandbox(config, cache)?);
        let wanted: BTreeSet<&str> = config
            .checks_and_templates()
            .map(|check| check.plugin.as_str())
            .collect();
        let (library, unloadable) = Library::load(&sandbox, config.plugins_dir.as_deref(), &wanted).await;
        let broken: BTreeSet<String> = unloadable.iter().filter_map(LibraryError::plugin_name).collect();
        problems.extend(unloadable.iter().map(library_problem));
        let misnamed = config.disabled.plugins.iter();
        let misnamed = misnamed.filter(|disabled| !broken.contains(&disabled.plugin));
        problems.extend(misnamed.filter_map(|disabled| disabled.problem(library.names())));
        let secrets = read_secrets(config, &mut problems).await;
        let switches = Arc::new(switches(config));
        let common = Common {
            library: &library,
            broken: &broken,
            secrets: &secrets,
            network: Network::Live(Arc::new(resolver(config))),
            switches: &switches,
            default_grant,
            faults: faults::plan(config),
        };
        let mut notices = library.notices().to_vec();
        notices.extend(faults::notices(&common.faults));
        problems.extend(faults::unknown_phases(config, &library));
        let mut checks = Vec::with_capacity(config.checks.len());
        for check in &config.checks {
            checks.extend(common.prepare(check, &mut problems, &mut notices));
        }
        let mut modules = Modules::new();
        for module in &config.modules {
            let prepared = common.prepare_module(module, &mut problems, &mut notices);
            modules.extend(prepared.map(|module| (module.name().to_owned(), Arc::new(module))));
        }
        Problems::check(problems)?;
        Ok(Self {
            sandbox,
            checks,
            modules,
            switches,
            notices,
        })
    }
}

/// What all checks of a configuration share.
struct Common<'c> {
    library: &'c Library,
    broken: &'c BTreeSet<String>,
    secrets: &'c SecretStore,
    network: Network,
    switches: &'c Switches,
    default_grant: DefaultGrant,
    faults: FaultPlan,
}

impl Common<'_> {
    fn prepare(
        &self,
        check: &Check,
        problems: &mut Vec<Problem>,
        notices: &mut Vec<String>,
    ) -> Option<Prepared> {
        let tls = TlsClient::new(&check.tls)
            .map_err(|sentence| problems.push(Problem::new(check.key_location("tls").clone(), sentence)));
        let plugin = self.plugin(check, problems)?;
        let before = problems.len();
        match SettingsSchema::parse(&plugin.description().schema) {
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
            network: self.network.clone(),
        };
        Some(Prepared {
            name: check.name.to_string(),
            plugin: Arc::clone(plugin),
            limits: check.limits,
            retry: check.retry,
            access: Arc::new(access),
            settings: check.settings.to_json(),
            faults: self.faults.for_check(check.name.as_str()),
            runs: AtomicU64::new(0),
        })
    }

    fn prepare_module(
        &self,
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

    fn plugin(&self, check: &Check, problems: &mut Vec<Problem>) -> Option<&SharedPlugin> {
        let found = self.library.get(&check.plugin);
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

fn sandbox(config: &Config, cache: Option<PrivateFolder>) -> Result<Sandbox, Problems> {
    let settings = EngineSettings {
        // One more, for asking plugins what they are.
        concurrency: u32::try_from(config.concurrency)
            .unwrap_or(u32::MAX)
            .saturating_add(1),
        memory: config
            .checks_and_templates()
            .map(|check| check.limits.memory)
            .max()
            .unwrap_or(0),
        cache,
    };
    Sandbox::new(&settings).map_err(|error| {
        let location = config
            .checks_and_templates()
            .next()
            .map_or_else(|| Location::option("bedcheck"), |check| check.location().clone());
        Problems::new(Problem::new(location, error.to_string()), Vec::new())
    })
}

/// The switches as the configuration sets them.
fn switches(config: &Config) -> Switches {
    let switches = Switches::default();
    for &capability in &config.disabled.everywhere {
        switches.disable(&Scope::Everywhere, capability);
    }
    for disabled in &config.disabled.plugins {
        let scope = Scope::Plugin(disabled.plugin.clone());
        for &capability in &disabled.capabilities {
            switches.disable(&scope, capability);
        }
    }
    for check in config.checks_and_templates() {
        let scope = Scope::Check(check.name.to_string());
        for &capability in &check.disabled {
            switches.disable(&scope, capability);
        }
    }
    switches
}

fn resolver(config: &Config) -> Resolver {
    match config.resolver.servers.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::with_servers(servers),
    }
}

fn library_problem(error: &LibraryError) -> Problem {
    Problem::new(Location::File(error.origin().into()), error.to_string())
}

/// The secrets that settings refer to. One that cannot be read is a problem of the check that first
/// refers to it.
async fn read_secrets(config: &Config, problems: &mut Vec<Problem>) -> SecretStore {
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
