//! A check as the runner sees it. How it is written is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::name::CheckName;
use super::problem::Location;
use super::settings::Settings;
use crate::budget::Limits;
use crate::capability::Capability;
use crate::connection::Tls;
use crate::grant::Grants;
use crate::policy::Retry;

/// A configured use of a plugin.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name; no other check has it.
    pub name: CheckName,
    /// The plugin's name.
    pub plugin: String,
    /// How often `serve` runs it, 100 ms to 7 days; without it, it runs only when asked for.
    pub every: Option<Duration>,
    /// What a run may spend.
    pub limits: Limits,
    /// What it may reach.
    pub grants: Grants,
    /// Whether it may reach what its settings name (`self`), whatever that is.
    pub grants_own_target: bool,
    /// The capabilities it grants; without them, all that the plugin needs.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// The capabilities that are switched off for it.
    pub disabled: BTreeSet<Capability>,
    /// How TLS is done.
    pub tls: Tls,
    /// Whether and how a failed attempt is repeated.
    pub retry: Option<Retry>,
    /// When to leave a sick target alone.
    pub breaker: Option<Breaker>,
    /// What the plugin is given.
    pub settings: Settings,
    pub(super) is_module: bool,
    pub(super) is_flawed: bool,
    pub(super) location: Location,
    pub(super) key_locations: BTreeMap<&'static str, Location>,
}

impl Check {
    /// Where the check stands.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// It, in a sentence: ``check `NAME` ``, or ``module `NAME` `` for what a module makes of a target.
    pub fn title(&self) -> String {
        let kind = if self.is_module { "module" } else { "check" };
        format!("{kind} `{}`", self.name)
    }

    /// Whether something in it could not be read, so that what is missing may have been meant.
    pub fn is_flawed(&self) -> bool {
        self.is_flawed
    }

    /// Where the value of one of its keys stands, such as `plugin` or `allow`; the check's own place for
    /// a key that is not given.
    pub fn key_location(&self, key: &str) -> &Location {
        self.key_locations.get(key).unwrap_or(&self.location)
    }
}

/// When a sick target is left alone (`breaker`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// After how many failed runs in a row, 1 to 1,000. By default 5.
    pub failures: u32,
    /// For how long, 100 ms to 24 h. By default 30 s.
    pub reset: Duration,
}
