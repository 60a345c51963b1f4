//! A check as the runner sees it. How it is written is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::problem::Location;
use super::settings::Settings;
use super::watching::Confidential;
use crate::budget::Limits;
use crate::capability::Capability;
use crate::connection::Tls;
use crate::grant::Grants;
use crate::name::CheckName;
use crate::policy::state::StateSettings;
use crate::policy::{Retry, Thresholds, breaker};

/// A configured use of a plugin.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name; no other check has it.
    pub name: CheckName,
    /// The plugin's name.
    pub plugin: String,
    /// How often `serve` runs it, 100 ms to 7 days; without it, it runs only when asked for.
    pub every: Option<Duration>,
    /// By how much later a run may be due, at random, up to 1 h; without it, as [`Config::jitter`] says.
    ///
    /// [`Config::jitter`]: super::Config::jitter
    pub jitter: Option<Duration>,
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
    /// When a run that passed took too long to be well.
    pub thresholds: Option<Thresholds>,
    /// How many runs have to fail until the check is failing.
    pub state: StateSettings,
    /// When to leave a sick target alone.
    pub breaker: Option<breaker::Settings>,
    /// Whether peers may be told which trace a run is exported as (W3C Trace Context). By default not: it tells
    /// whoever is asked that these requests belong together.
    pub trace_context: bool,
    /// Where `serve` tells that a run began and how it ended.
    pub heartbeat: Option<Confidential>,
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

    /// A number that is the same for checks whose runs are the same, wherever they stand in the file and however their state
    /// is judged by them. It means nothing outside of this process.
    pub fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};

        let without_places = Self {
            settings: Settings::empty(Location::option("")),
            state: StateSettings::default(),
            is_flawed: false,
            location: Location::option(""),
            key_locations: BTreeMap::new(),
            ..self.clone()
        };
        let mut hasher = DefaultHasher::new();
        format!("{without_places:?}").hash(&mut hasher);
        self.settings.to_json().hash(&mut hasher);
        hasher.finish()
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
