//! Modules that can be aimed at targets: each target becomes a check of its own, which is kept for the next
//! probe of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Prepared;
use super::aim::{Aim, aim, stand_in, target_key};
use super::hostname::{name_target, own_name};
use super::kept::Kept;
use crate::config::{Check, Module, Problem, SettingsSchema};
use crate::grant::{Endpoint, Grant, Grants};
use crate::hostcalls::Access;
use crate::policy::TargetKey;
use crate::sandbox::Target;

/// Modules by name.
pub type Modules = BTreeMap<String, Arc<PreparedModule>>;

/// A module with everything that a probe needs but the target.
#[derive(Debug)]
pub struct PreparedModule {
    pub(super) template: Check,
    pub(super) targets: Grants,
    schema: SettingsSchema,
    target: Target,
    /// A run against the target that the settings were tried with.
    base: Prepared,
    kept: Mutex<Kept>,
}

/// What is asked of a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// The target, as its plugin understands it: a URL, or a host and port.
    pub target: String,
    /// The name the target is to be asked for, where it is dialled under another one.
    pub hostname: Option<String>,
}

/// Why a module cannot be aimed at a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAimed {
    /// The target or the hostname is none that the module can be given.
    #[error("{0}")]
    Unusable(String),
    /// The module may not be asked for it.
    #[error("the module does not allow the target {0}; to allow it, add it to `targets`")]
    NotAllowed(String),
}

/// The check that a module comes to with a target that does not exist, to be prepared as any other. A module that
/// names a target itself is a problem.
pub(super) fn rehearsal(module: &Module, target: &Target, problems: &mut Vec<Problem>) -> Check {
    let mut check = module.template.clone();
    let values = check.settings.values();
    match target_key(target) {
        None => {
            let message = format!(
                "the plugin `{}` does not say which of its settings name a target, so it cannot be probed",
                check.plugin
            );
            problems.push(Problem::new(check.key_location("plugin").clone(), message));
        }
        Some(key) if values.contains_key(key) => {
            let message =
                format!("`settings.{key}`: a module does not name its target, which is what `target=` says");
            let location = check.settings.key_location(&format!("/{key}")).clone();
            problems.push(Problem::new(location, message));
        }
        Some(_) => {}
    }
    check.settings = check.settings.with(stand_in(target, values));
    check.grants_own_target = target_key(target).is_some();
    check.grants = module.targets.clone();
    check
}

/// That nothing can be probed by a module is hardly meant.
pub(super) fn notice(module: &Module) -> Option<String> {
    let title = module.template.title();
    (module.targets.is_empty() && !module.template.is_flawed())
        .then(|| format!("{title} accepts no target: it has no `targets`"))
}

impl PreparedModule {
    /// A module whose rehearsal could be prepared. `None` if the schema, which was read for that, cannot be read.
    pub(super) fn new(module: &Module, base: Prepared) -> Option<Self> {
        let description = base.plugin.description();
        Some(Self {
            template: module.template.clone(),
            targets: module.targets.clone(),
            schema: SettingsSchema::parse(&description.schema).ok()?,
            target: description.target.clone(),
            base,
            kept: Mutex::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.base.name
    }

    /// It, aimed at a target that does not exist.
    pub(super) fn base(&self) -> &Prepared {
        &self.base
    }

    /// The most time that a probe may take.
    pub fn deadline(&self) -> Duration {
        self.base.limits.deadline
    }

    /// How long a probe may go on after its deadline, to report.
    pub fn grace(&self) -> Duration {
        self.base.limits.grace
    }

    /// The check that it comes to with a target. What it may reach is the target, and, where the plugin follows
    /// references (a URL), whatever else the module's targets allow.
    ///
    /// # Errors
    ///
    /// When the target makes no sense to the plugin, or the module does not allow it.
    pub fn aim(&self, request: &Request) -> Result<Arc<Prepared>, NotAimed> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = kept.take(request) {
            return Ok(ready);
        }
        let prepared = Arc::new(self.prepare(request)?);
        kept.put(request.clone(), Arc::clone(&prepared));
        Ok(prepared)
    }

    fn prepare(&self, request: &Request) -> Result<Prepared, NotAimed> {
        let shown = request.target.escape_debug();
        let unusable =
            |reason: String| NotAimed::Unusable(format!("the target `{shown}` cannot be used: {reason}"));
        let Aim { settings, endpoints } =
            aim(&self.target, self.template.settings.values(), &request.target).map_err(unusable)?;
        let allowed: Vec<Endpoint> = endpoints
            .iter()
            .filter(|endpoint| self.targets.allows(&endpoint.host().to_string(), endpoint.port()))
            .cloned()
            .collect();
        let Some(target) = allowed.first().map(TargetKey::endpoint) else {
            let shown: Vec<_> = endpoints.iter().map(|endpoint| format!("`{endpoint}`")).collect();
            return Err(NotAimed::NotAllowed(shown.join(" or ")));
        };
        let mut check = self.template.clone();
        check.settings = check.settings.with(settings);
        let named = match &request.hostname {
            Some(hostname) => name_target(&mut check, hostname)?,
            None => own_name(&check),
        };
        if let Some(problem) = self.schema.problems(&check).first() {
            return Err(unusable(problem.message.clone()));
        }
        let of_base = &self.base.access;
        let grants = match self.target {
            Target::Url(_) => self.targets.clone(),
            Target::HostAndPort { .. } | Target::None => {
                self.targets.narrowed(allowed.into_iter().map(Grant::from))
            }
        };
        let tls = match named {
            Some(name) => of_base.tls.naming(
                name,
                endpoints.first().map(|endpoint| endpoint.host().to_string()),
            ),
            None => of_base.tls.clone(),
        };
        let access = Access {
            grants,
            tls,
            ..Access::clone(of_base)
        };
        Ok(Prepared {
            target,
            // Whoever asks decides how often.
            retry_budget: None,
            access: Arc::new(access),
            settings: check.settings.to_json(),
            ..self.base.again()
        })
    }
}

#[cfg(test)]
#[path = "module_tests.rs"]
mod tests;
