//! Hosts, and hosts with a port: what settings name and what plugins dial.

use std::fmt::{self, Display};
use std::net::IpAddr;

use crate::address::{Class, canonical};

/// A host as a grant or a plugin names it: a DNS name or an address. Names are compared in lower case
/// and without the dot at their end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// An address; an IPv4-mapped IPv6 address is its IPv4 address.
    Address(IpAddr),
    /// A name (RFC 1123 section 2.1, with underscores), in lower case.
    Name(String),
}

/// The longest name, in characters, without the dot at its end (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
/// The longest part of a name between two dots (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

impl Host {
    /// Reads a host: a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Some(Self::Address(canonical(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels_fit = name.split('.').all(is_label);
        let last = name.rsplit('.').next().unwrap_or(&name);
        // `127.1` and `0x7f000001` are addresses to some resolvers, so they are no names to us.
        let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        (name.len() <= MAX_NAME && labels_fit && !numeric).then_some(Self::Name(name))
    }

    /// Whether this is `localhost` or below it (RFC 6761 section 6.3): names that mean loopback.
    pub(super) fn is_localhost(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(_) => false,
        }
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(formatter, "{address}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

/// A host and a port that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

impl Endpoint {
    /// A port of a host. `None` if nothing can be dialled there: port 0, or a multicast, broadcast or
    /// unspecified address.
    pub fn new(host: Host, port: u16) -> Option<Self> {
        let dialled = match &host {
            Host::Address(address) => !Class::of(*address).is_undialled(),
            Host::Name(_) => true,
        };
        (dialled && port != 0).then_some(Self { host, port })
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]:{}", self.port),
            host => write!(formatter, "{host}:{}", self.port),
        }
    }
}
