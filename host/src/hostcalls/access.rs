//! What a check's runs may do: decided when the configuration is loaded, the same for every run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::capability::Capability;
use crate::connection::{Network, TlsClient};
use crate::grant::Grants;
use crate::redactor::Redactor;
use crate::secret::Secret;
use crate::switches::CheckSwitches;

/// What the runs of a check may do.
#[derive(Debug, Clone)]
pub struct Access {
    /// The plugin's name, the prefix of its own error types.
    pub plugin: String,
    /// The phases the plugin declares.
    pub phases: Arc<[String]>,
    /// The capabilities that the plugin needs and the check grants.
    pub capabilities: BTreeSet<Capability>,
    /// Those that are switched off at the moment.
    pub switches: CheckSwitches,
    /// What may be dialled.
    pub grants: Grants,
    /// Whom TLS trusts.
    pub tls: TlsClient,
    /// The secrets that the settings mention.
    pub secrets: BTreeMap<String, Secret>,
    /// Strikes those secrets out.
    pub redactor: Redactor,
    /// Whether peers may be told which trace a run is exported as.
    pub trace_context: bool,
    /// Where names and connections lead.
    pub network: Network,
}

impl Access {
    /// Whether a capability is granted and not switched off at the moment.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability) && self.switches.disabled(capability).is_none()
    }

    /// What a plugin may do that is only asked what it is: nothing.
    pub fn nothing() -> Self {
        Self {
            plugin: String::new(),
            phases: Arc::default(),
            capabilities: BTreeSet::new(),
            switches: CheckSwitches::default(),
            grants: Grants::default(),
            tls: TlsClient::trusting_nobody(),
            secrets: BTreeMap::new(),
            redactor: Redactor::default(),
            trace_context: false,
            network: Network::Nowhere,
        }
    }
}
