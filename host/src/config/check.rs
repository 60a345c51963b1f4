//! A check as the runner sees it. How it is written is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::name::CheckName;
use super::problem::Location;
use super::settings::Settings;
use crate::budget::Limits;
use crate::capability::Capability;
use crate::grant::Grants;

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
    /// The capabilities that are switched off.
    pub disabled: BTreeSet<Capability>,
    /// How TLS is done.
    pub tls: Tls,
    /// Whether and how a failed attempt is repeated.
    pub retry: Option<Retry>,
    /// When to leave a sick target alone.
    pub breaker: Option<Breaker>,
    /// What the plugin is given.
    pub settings: Settings,
    pub(super) location: Location,
    pub(super) key_locations: BTreeMap<&'static str, Location>,
}

impl Check {
    /// Where the check stands.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Where the value of one of its keys stands, such as `plugin` or `allow`; the check's own place for
    /// a key that is not given.
    pub fn key_location(&self, key: &str) -> &Location {
        self.key_locations.get(key).unwrap_or(&self.location)
    }
}

/// How a check does TLS (`[check.tls]`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whose word is taken for the peer's certificate.
    pub trust: Trust,
    /// What to show the peer when it asks for a certificate.
    pub client: Option<ClientIdentity>,
    /// The name to send and to verify, instead of the plugin's and of the host that is dialled.
    pub server_name: Option<String>,
}

/// Whose word is taken for a peer's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that the system trusts.
    #[default]
    System,
    /// Only the authorities in this file, PEM (`ca_file`).
    File(PathBuf),
    /// Nobody's: any certificate will do (`do_not_verify`). Everything that is sent, passwords too, may
    /// go to anyone.
    DoNotVerify,
}

/// A client certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// How a failed attempt is repeated (`retry`): with pauses that double from `backoff` up to `max_backoff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts a run has, the first one included, 1 to 10. By default 3.
    pub attempts: u32,
    /// The pause after the first attempt, 1 ms to 1 min. By default 200 ms.
    pub backoff: Duration,
    /// The longest pause, from `backoff` to 10 min. By default 2 s, or `backoff` if that is longer.
    pub max_backoff: Duration,
}

/// When a sick target is left alone (`breaker`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// After how many failed runs in a row, 1 to 1,000. By default 5.
    pub failures: u32,
    /// For how long, 100 ms to 24 h. By default 30 s.
    pub reset: Duration,
}
