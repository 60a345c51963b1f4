//! The things a plugin may be allowed to do. Pure.

use std::fmt::{self, Display};
use std::str::FromStr;

/// A thing a plugin may be allowed to do. A plugin declares what it needs, a check grants it, and an
/// operator can switch it off: the host calls behind it then fail with `capability-disabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// To resolve names and to connect to what the check grants.
    NetConnect,
    /// To resolve names and to exchange datagrams with what the check grants.
    NetDatagram,
    /// To negotiate TLS on a connection.
    NetTls,
    /// To have the secrets sent that the check's settings refer to.
    Secrets,
}

impl Capability {
    /// Every capability there is.
    pub const ALL: [Self; 4] = [Self::NetConnect, Self::NetDatagram, Self::NetTls, Self::Secrets];

    /// Its name in configurations, plugins and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NetConnect => "net.connect",
            Self::NetDatagram => "net.datagram",
            Self::NetTls => "net.tls",
            Self::Secrets => "secrets",
        }
    }
}

impl Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A name that no capability has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found `{}`, wanted a capability: `net.connect`, `net.datagram`, `net.tls` or `secrets`", .0.escape_debug())]
pub struct UnknownCapability(String);

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(name: &str) -> Result<Self, UnknownCapability> {
        let found = Self::ALL
            .into_iter()
            .find(|capability| capability.as_str() == name);
        found.ok_or_else(|| UnknownCapability(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_found_by_its_name_and_named_to_who_errs() {
        let error = "net.udp".parse::<Capability>().unwrap_err().to_string();
        for capability in Capability::ALL {
            assert_eq!(capability.as_str().parse(), Ok(capability));
            assert!(error.contains(&format!("`{capability}`")), "{error}");
        }
        assert!(error.starts_with("found `net.udp`"));
    }
}
