//! Calls that were refused because of a grant or a capability: of what kind, and how many. Pure.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::capability::Capability;

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The check does not grant the host and port, or a granted name led to a refused address.
    Grant,
    /// The capability is switched off, or the plugin does not declare it.
    Capability(Capability),
}

impl Denial {
    /// Every kind of refusal there is.
    pub const ALL: [Self; 5] = [
        Self::Grant,
        Self::Capability(Capability::NetConnect),
        Self::Capability(Capability::NetDatagram),
        Self::Capability(Capability::NetTls),
        Self::Capability(Capability::Secrets),
    ];

    /// The word used in reports, labels and attributes: `grant`, or the name of the capability.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Capability(capability) => capability.as_str(),
        }
    }
}

/// How many calls of a run were refused, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeniedCalls([u64; Denial::ALL.len()]);

impl DeniedCalls {
    /// These counts, in the order of [`Denial::ALL`].
    pub(super) fn of(counts: [u64; Denial::ALL.len()]) -> Self {
        Self(counts)
    }

    /// Counts a refused call.
    pub fn add(&mut self, denial: Denial) {
        for (kind, count) in Denial::ALL.iter().zip(&mut self.0) {
            *count += u64::from(*kind == denial);
        }
    }

    /// The reasons for which calls were refused, each with how many.
    pub fn iter(&self) -> impl Iterator<Item = (Denial, u64)> {
        Denial::ALL
            .into_iter()
            .zip(self.0)
            .filter(|(_, count)| *count > 0)
    }

    /// How many calls were refused for whatever reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// A call that a missing grant or capability refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedCall {
    /// Why: `grant`, or the name of the capability.
    pub denial: Cow<'static, str>,
    /// The phase that was open, if one was.
    pub phase: Option<String>,
    /// Its detail.
    pub detail: Option<String>,
    /// When, from the start of the run.
    #[serde(
        rename = "at_s",
        serialize_with = "super::report::seconds",
        deserialize_with = "super::read::seconds"
    )]
    pub at: Duration,
}

impl Serialize for DeniedCalls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(denial, count)| (denial.as_str(), count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_their_reason_and_those_that_never_happened_are_not_shown() {
        let mut denied = DeniedCalls::default();
        assert_eq!(serde_json::to_string(&denied).unwrap(), "{}");
        denied.add(Denial::Capability(Capability::NetTls));
        denied.add(Denial::Grant);
        denied.add(Denial::Grant);
        assert_eq!(
            serde_json::to_string(&denied).unwrap(),
            r#"{"grant":2,"net.tls":1}"#
        );
        assert_eq!(denied.total(), 3);
    }

    #[test]
    fn there_is_a_kind_of_refusal_for_every_capability() {
        for capability in Capability::ALL {
            assert!(Denial::ALL.contains(&Denial::Capability(capability)));
        }
    }
}
