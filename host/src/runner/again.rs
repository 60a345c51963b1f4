//! From checks that run to checks that run from now on: a configuration read again, or a plugin exchanged. What
//! stays the same is shared, and nothing that is shared is changed before the new checks take over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::prepare::{self, Common, Orphan};
use super::{Modules, Preparation, Prepared, Runner, faults};
use crate::capability::Capability;
use crate::config::{Check, Config, Location, Problem, Problems};
use crate::connection::Network;
use crate::library::{Held, Library, LibraryError, Origin};
use crate::outcome::{ErrorReport, ErrorType, Report};
use crate::sandbox::{self, Compiling};
use crate::switches::Scope;

/// What one configuration switches and the one before did not.
#[derive(Debug, Default)]
pub struct Switching {
    on: Vec<(Scope, Capability)>,
    off: Vec<(Scope, Capability)>,
}

impl Preparation {
    /// Prepares the checks of a configuration that is to replace this one's. Plugins that are the same are not
    /// compiled again, and checks that are the same go on counting their runs.
    ///
    /// A plugin file that cannot be used is no problem here but a notice, if the plugin that was loaded from it
    /// before can still be used. Switches stay as they are until [`Self::take_over`].
    ///
    /// # Errors
    ///
    /// Everything that keeps any check from running; then this one goes on.
    pub async fn again(
        &self,
        config: Arc<Config>,
        mut problems: Vec<Problem>,
        compiling: Compiling,
    ) -> Result<Self, Problems> {
        let has_room = self
            .sandbox
            .has_room_for(prepare::concurrency(&config), prepare::memory(&config));
        let sandbox = match has_room {
            true => Arc::clone(&self.sandbox),
            false => {
                let sandbox = prepare::sandbox(&config, compiling)?;
                sandbox.expect_runs();
                Arc::new(sandbox)
            }
        };
        let wanted = prepare::wanted(&config);
        let folder = config.plugins_dir.as_deref();
        let loaded = has_room.then_some(&self.library);
        let (library, mut unloadable) = Library::load(&sandbox, folder, &wanted, loaded).await;
        let moved = match has_room {
            true => None,
            false => Some(self.library.moved(&sandbox, &library, &mut unloadable).await),
        };
        let previous = moved.as_ref().unwrap_or(&self.library);
        let secrets = prepare::read_secrets(&config, &mut problems).await;
        let network = match self.config.resolver == config.resolver {
            true => self.network.clone(),
            false => Network::Live(Arc::new(prepare::resolver(&config))),
        };
        let faults = faults::plan(&config, &self.faults);
        let ground = |library| Self {
            sandbox: Arc::clone(&sandbox),
            checks: Vec::new(),
            orphans: Vec::new(),
            modules: Modules::new(),
            switches: Arc::clone(&self.switches),
            notices: Vec::new(),
            library,
            secrets: secrets.clone(),
            network: network.clone(),
            default_grant: self.default_grant,
            faults: faults.clone(),
            retry_budgets: Arc::clone(&self.retry_budgets),
            config: Arc::clone(&config),
        };
        let is_shadowed = !config.plugin_changes.shadow.is_zero();
        let libraries = libraries(library, previous, is_shadowed);
        let (unusable, notices) = weighed(&unloadable, &libraries, &wanted);
        problems.extend(unusable);
        let broken = BTreeSet::new();
        let mut refused = None;
        for library in libraries {
            match ground(library).with_all_checks(problems.clone(), &broken) {
                Ok(mut prepared) => {
                    prepared.notices.extend(notices);
                    prepared.keep_counts(&self.checks, &self.config);
                    return Ok(prepared);
                }
                // What is wrong with the best of them is told.
                Err(problems) => refused = refused.or(Some(problems)),
            }
        }
        Err(refused.unwrap_or_else(|| {
            let nothing = Problem::new(Location::option("bedcheck"), "there are no plugins");
            Problems::from(nothing)
        }))
    }

    /// What this configuration switches off and on and the one before did not.
    pub fn switching(&self, before: &Self) -> Switching {
        if Arc::ptr_eq(&self.config, &before.config) {
            return Switching::default();
        }
        let (old, new) = (
            prepare::switched_off(&before.config),
            prepare::switched_off(&self.config),
        );
        Switching {
            on: old.difference(&new).cloned().collect(),
            off: new.difference(&old).cloned().collect(),
        }
    }

    /// Switches so, and sets the retry budgets as this configuration says. What was switched at run time stays as it
    /// is, and so does what was counted. To be called when these checks take over.
    pub fn take_over(&self, switching: &Switching) {
        self.retry_budgets.configure(self.config.retry_budget);
        for (scope, capability) in &switching.on {
            self.switches.enable(scope, *capability);
        }
        for (scope, capability) in &switching.off {
            self.switches.disable(scope, *capability);
        }
    }

    /// The same checks with another library, in which only plugins of these names are others. Checks of other
    /// plugins are the same as before; of a plugin that is not there any more, checks become orphans.
    ///
    /// # Errors
    ///
    /// What keeps any check of those plugins from running: the sentence names the check.
    pub async fn with_library(&self, library: Library, changed: &BTreeSet<&str>) -> Result<Self, String> {
        let known: BTreeMap<&str, &Arc<Prepared>> = self.by_name();
        let nothing = BTreeSet::new();
        let mut common = self.common(&library, &nothing);
        let (mut checks, mut orphans) = (Vec::with_capacity(self.checks.len()), Vec::new());
        let mut tried = BTreeSet::new();
        for check in &self.config.checks {
            let Some(&last) = known.get(check.name.as_str()) else {
                continue;
            };
            if !changed.contains(check.plugin.as_str()) {
                checks.push(Arc::clone(last));
                continue;
            }
            let Some(plugin) = library.get(&check.plugin) else {
                let last = Arc::clone(last);
                orphans.push(Arc::new(Orphan { last }));
                continue;
            };
            let mut problems = Vec::new();
            let prepared = common.prepare(check, &mut problems, &mut Vec::new());
            let Some(mut prepared) = prepared.filter(|_| problems.is_empty()) else {
                return Err(does_not_fit(check, &problems));
            };
            // Once for all checks with the same limits.
            let limits = check.limits;
            if tried.insert((&check.plugin, limits.memory, limits.fuel, limits.deadline)) {
                let tried = sandbox::try_out(&self.sandbox, plugin, limits).await;
                tried.map_err(|reason| format!("check `{}` cannot run it: {reason}", check.name))?;
            }
            prepared.runs = Arc::clone(&last.runs);
            checks.push(Arc::new(prepared));
        }
        let modules = self.modules_with(&mut common, &library, changed)?;
        if let Some(problem) = faults::unknown_phases(&self.config, &library).first() {
            return Err(problem.to_string());
        }
        // Those of plugins that did not change stay what they are.
        let still = self.orphans.iter();
        orphans.extend(
            still
                .filter(|orphan| !changed.contains(orphan.last.access.plugin.as_str()))
                .cloned(),
        );
        Ok(Self {
            sandbox: Arc::clone(&self.sandbox),
            checks,
            orphans,
            modules,
            switches: Arc::clone(&self.switches),
            notices: self.notices.clone(),
            library,
            config: Arc::clone(&self.config),
            secrets: self.secrets.clone(),
            network: self.network.clone(),
            default_grant: self.default_grant,
            faults: self.faults.clone(),
            retry_budgets: Arc::clone(&self.retry_budgets),
        })
    }

    /// The modules, those of changed plugins prepared anew. One whose plugin is gone cannot be probed.
    fn modules_with(
        &self,
        common: &mut Common<'_>,
        library: &Library,
        changed: &BTreeSet<&str>,
    ) -> Result<Modules, String> {
        let mut modules = Modules::new();
        for module in &self.config.modules {
            let (name, plugin) = (module.template.name.as_str(), module.template.plugin.as_str());
            if !changed.contains(plugin) {
                let same = self.modules.get(name);
                modules.extend(same.map(|same| (name.to_owned(), Arc::clone(same))));
                continue;
            }
            if library.get(plugin).is_none() {
                continue;
            }
            let mut problems = Vec::new();
            let prepared = common.prepare_module(module, &mut problems, &mut Vec::new());
            let Some(prepared) = prepared.filter(|_| problems.is_empty()) else {
                return Err(does_not_fit(&module.template, &problems));
            };
            modules.insert(name.to_owned(), Arc::new(prepared));
        }
        Ok(modules)
    }

    /// The checks by name, those without a plugin as they ran last.
    fn by_name(&self) -> BTreeMap<&str, &Arc<Prepared>> {
        let orphans = self.orphans.iter().map(|orphan| &orphan.last);
        let all = self.checks.iter().chain(orphans);
        all.map(|check| (check.name.as_str(), check)).collect()
    }

    /// Lets checks that have not changed go on counting.
    fn keep_counts(&mut self, before: &[Arc<Prepared>], config: &Config) {
        let prints = |config: &Config| -> BTreeMap<String, u64> {
            let checks = config.checks.iter();
            checks
                .map(|check| (check.name.to_string(), check.fingerprint()))
                .collect()
        };
        let (old, new) = (prints(config), prints(&self.config));
        let before: BTreeMap<&str, &Arc<Prepared>> =
            before.iter().map(|check| (check.name.as_str(), check)).collect();
        for check in &mut self.checks {
            let name = check.name.as_str();
            if let (Some(last), true) = (before.get(name), old.get(name) == new.get(name))
                && let Some(check) = Arc::get_mut(check)
            {
                check.runs = Arc::clone(&last.runs);
            }
        }
    }
}

impl Runner {
    /// The report of a run that cannot be, because the check has no plugin any more.
    pub fn report_orphan(orphan: &Orphan, lag: Duration) -> Report {
        let mut report = Self::report_crash(&orphan.last, "");
        let error = ErrorReport {
            error_type: ErrorType::PluginInvalid,
            message: format!(
                "the plugin `{}` was taken away: no file in the plugin folder has it any more",
                orphan.last.access.plugin
            ),
            phase: None,
            injected: false,
        };
        report.lag = lag;
        report.outcome = error.error_type.outcome();
        report.blame = Some(error.error_type.blame());
        report.attempts.clear();
        report.error = Some(error);
        report
    }
}

impl Orphan {
    /// The check as it ran last.
    pub fn last(&self) -> &Arc<Prepared> {
        &self.last
    }

    /// The check's name.
    pub fn name(&self) -> &str {
        &self.last.name
    }
}

/// The libraries that a reload can go on with, the best first: what is in the folder now, and what was in use
/// before for the files that are still there; the other way round when new versions are to be watched before they
/// are promoted.
fn libraries(library: Library, previous: &Library, is_shadowed: bool) -> Vec<Library> {
    let (mut with_new, mut with_old) = (library.clone(), library.clone());
    let mut differ = false;
    for (name, held) in previous.held() {
        let Origin::File(file) = &held.origin else {
            continue;
        };
        let now = library.find(name);
        let same = |now: &Held| now.plugin.identity().sha256 == held.plugin.identity().sha256;
        if now.is_some_and(same) || !file.exists() {
            continue;
        }
        with_old = with_old.with(held.clone());
        match now.map(|now| &now.origin) {
            Some(Origin::File(_)) => differ = true,
            // Its file cannot be used now, or calls itself otherwise.
            Some(Origin::BuiltIn) | None => with_new = with_new.with(held.clone()),
        }
    }
    match (differ, is_shadowed) {
        (false, _) => vec![with_new],
        (true, false) => vec![with_new, with_old],
        (true, true) => vec![with_old, with_new],
    }
}

/// What is wrong with files, as problems where a check needs what is in them, and else as notices.
fn weighed(
    unloadable: &[LibraryError],
    libraries: &[Library],
    wanted: &BTreeSet<&str>,
) -> (Vec<Problem>, Vec<String>) {
    let (mut problems, mut notices) = (Vec::new(), Vec::new());
    for error in unloadable {
        let is_needed = match error.plugin_name() {
            None => true,
            Some(name) => {
                let is_there = libraries.iter().any(|library| library.find(&name).is_some());
                wanted.contains(name.as_str()) && !is_there
            }
        };
        match is_needed {
            true => problems.push(prepare::library_problem(error)),
            false => notices.push(format!("{}: {error}", error.origin())),
        }
    }
    (problems, notices)
}

/// Why a plugin cannot be used, by the first check that it does not fit.
fn does_not_fit(check: &Check, problems: &[Problem]) -> String {
    let first = problems.first().map_or_else(String::new, ToString::to_string);
    match problems.len() {
        0 | 1 => format!("check `{}` cannot use it: {first}", check.name),
        more => format!(
            "check `{}` cannot use it: {first} (and {} more)",
            check.name,
            more - 1
        ),
    }
}
