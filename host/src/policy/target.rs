//! What checks share when they share a target: limits of concurrency, retry budgets, breakers.

use std::fmt::{self, Display};

use crate::grant::Endpoint;

/// A target: checks with the same key ask the same service. Fit to be shown: hosts, ports and names of checks
/// have no characters that could do harm, and never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey(String);

impl TargetKey {
    /// The target at this host and port, as `host:port`.
    pub fn endpoint(endpoint: &Endpoint) -> Self {
        Self(endpoint.to_string())
    }

    /// The target of a check whose settings name none: the check itself, as `check:NAME`. No host and port looks
    /// like that, because what follows the colon is never only digits there.
    pub fn of_check(name: &str) -> Self {
        Self(format!("check:{name}"))
    }

    /// `host:port` or `check:NAME`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for TargetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}
