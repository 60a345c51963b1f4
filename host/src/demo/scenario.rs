//! What a scenario is: a server, the check to run against it, and what its report must say.

use std::net::SocketAddr;

use serde_json::Value;

/// A server of the demo and the check to run against it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name, lower case with hyphens, such as `imap-wrong-password`; fit for a check's name.
    pub name: &'static str,
    /// How the server is, or what is wrong with it: a sentence, without capital letter and full stop.
    pub about: &'static str,
    /// Where the server is: what the check must be granted.
    pub address: SocketAddr,
    /// The built-in plugin to use: `imap` or `http`.
    pub plugin: &'static str,
    /// The plugin's settings. The password is the secret [`SECRET`](super::SECRET).
    pub settings: Value,
    /// What a true report says.
    pub expected: Expected,
}

/// What a true report says about a scenario, in the report's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// `outcome`.
    pub outcome: &'static str,
    /// `error.type`; nothing when the run passes.
    pub error_type: Option<&'static str>,
    /// `error.phase`; nothing when every phase went well.
    pub phase: Option<&'static str>,
}

impl Expected {
    /// All is well.
    pub const PASS: Self = Self {
        outcome: "pass",
        error_type: None,
        phase: None,
    };

    pub(crate) const fn fail_in(phase: &'static str, error_type: &'static str) -> Self {
        Self {
            outcome: "fail",
            error_type: Some(error_type),
            phase: Some(phase),
        }
    }

    /// Every phase went well, and what came is not what was expected.
    pub(crate) const fn unmet() -> Self {
        Self {
            outcome: "fail",
            error_type: Some("assertion_failed"),
            phase: None,
        }
    }
}
