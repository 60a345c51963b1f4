//! What a check may reach: `host:port` patterns, asked before a name is resolved and again for every
//! address it leads to. Pure: nothing is resolved here. Everything is denied that is not granted.

use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::address::{Class, canonical, embedded_ipv4};

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
        let name = text.strip_suffix('.').unwrap_or(text);
        let labels_fit = name.split('.').all(is_label);
        let last = name.rsplit('.').next().unwrap_or(name);
        // `127.1` and `0x7f000001` are addresses to some resolvers, so they are no names to us.
        let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        (name.len() <= MAX_NAME && labels_fit && !numeric).then(|| Self::Name(name.to_ascii_lowercase()))
    }

    /// Whether this is `localhost` or below it (RFC 6761 section 6.3): names that mean loopback.
    fn is_localhost(&self) -> bool {
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

/// One pattern of `allow`: a host and a port or a range of ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    host: Host,
    ports: RangeInclusive<u16>,
}

impl Grant {
    /// A grant of one port of a host. `None` if nothing can be dialled there: port 0, or a multicast,
    /// broadcast or unspecified address.
    pub fn new(host: Host, port: u16) -> Option<Self> {
        let dialled = match &host {
            Host::Address(address) => !Class::of(*address).is_undialled(),
            Host::Name(_) => true,
        };
        (dialled && port != 0).then_some(Self {
            host,
            ports: port..=port,
        })
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The ports.
    pub fn ports(&self) -> RangeInclusive<u16> {
        self.ports.clone()
    }
}

impl Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]")?,
            host => write!(formatter, "{host}")?,
        }
        let (first, last) = (self.ports.start(), self.ports.end());
        if first == last {
            write!(formatter, ":{first}")
        } else {
            write!(formatter, ":{first}-{last}")
        }
    }
}

/// Why a text is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found `{}`, wanted {wanted}", found.escape_debug())]
pub struct GrantError {
    found: String,
    wanted: &'static str,
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        parse(text).map_err(|wanted| GrantError {
            found: text.to_owned(),
            wanted,
        })
    }
}

fn parse(text: &str) -> Result<Grant, &'static str> {
    if text.contains('/') {
        return Err("`host:port` without a scheme or path, such as `www.example.org:443`");
    }
    if text.contains('*') {
        return Err("each host and port by itself, such as `www.example.org:443`: there are no wildcards");
    }
    let (host, ports) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, ports) = rest
                .split_once("]:")
                .ok_or("`[address]:port`, such as `[2001:db8::1]:443`")?;
            let address = address
                .parse()
                .map_err(|_| "an IPv6 address between the brackets")?;
            (Host::Address(canonical(IpAddr::V6(address))), ports)
        }
        None => {
            let (host, ports) = text
                .rsplit_once(':')
                .ok_or("a port as well, such as `www.example.org:443`")?;
            if host.contains(':') {
                return Err("an IPv6 address in brackets and a port, such as `[2001:db8::1]:443`");
            }
            let host = Host::parse(host).ok_or("a host name or address before the port")?;
            (host, ports)
        }
    };
    let ports = parse_ports(ports).ok_or("a port from 1 to 65535, or a range such as `8000-8099`")?;
    let grant = Grant::new(host, *ports.start()).ok_or("an address that can be dialled")?;
    Ok(Grant { ports, ..grant })
}

fn parse_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| *port != 0 && digits)
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    (first <= last).then_some(first..=last)
}

/// Everything a check may reach. Empty, the default, is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

/// Why something may not be reached, in a sentence that says what would have to be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What was asked for is no host at all.
    #[error("`{}` is neither a host name nor an address", .0.escape_debug())]
    NoHost(String),
    /// The check does not grant the host and port.
    #[error("`{grant}` is not granted; to allow it, add `\"{grant}\"` to `allow`")]
    NotGranted {
        /// What would have to be granted.
        grant: Box<Grant>,
    },
    /// Nothing can be dialled there, whatever is granted.
    #[error("`{}` port {port} can never be dialled", .host.escape_debug())]
    Undialled {
        /// The host that was asked for.
        host: String,
        /// The port that was asked for.
        port: u16,
    },
    /// A granted name leads to an address that must be granted by itself.
    #[error(
        "`{host}` leads to `{}`, {}; to allow it, add `\"{grant}\"` to `allow` as well",
        .grant.host(), .class.describe()
    )]
    AddressNotGranted {
        /// The name.
        host: String,
        /// The address as it would have to be granted.
        grant: Box<Grant>,
        /// What kind of address it is.
        class: Class,
    },
    /// A granted name leads to an address that no name may lead to.
    #[error("`{host}` leads to `{address}`, {}; no name may lead there", .class.describe())]
    ForbiddenAddress {
        /// The name.
        host: String,
        /// The address.
        address: IpAddr,
        /// What kind of address it is.
        class: Class,
    },
}

impl Grants {
    /// These grants and no others.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// The grants in the order in which they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Grant> {
        self.0.iter()
    }

    /// Whether nothing at all is granted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a host (a name, or an address without brackets) and port are granted.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.permit(host, port).is_ok()
    }

    /// The same, with the reason.
    ///
    /// # Errors
    ///
    /// When they are not granted.
    pub fn permit(&self, host: &str, port: u16) -> Result<(), Refusal> {
        let wanted = Host::parse(host).ok_or_else(|| Refusal::NoHost(host.to_owned()))?;
        if self.has(&wanted, port) {
            return Ok(());
        }
        match Grant::new(wanted, port) {
            Some(grant) => Err(Refusal::NotGranted {
                grant: Box::new(grant),
            }),
            None => Err(Refusal::Undialled {
                host: host.to_owned(),
                port,
            }),
        }
    }

    /// Whether a host that is granted may lead to this address. An address that was dialled as such
    /// may. Behind a name, cloud metadata, link-local, multicast, broadcast and unspecified addresses
    /// are refused, and loopback and private ones unless they are granted themselves or, for loopback,
    /// the name is `localhost`. An IPv6 address with an IPv4 address in it is judged as both.
    ///
    /// # Errors
    ///
    /// When it may not.
    pub fn allows_address(&self, host: &str, address: SocketAddr) -> Result<(), Refusal> {
        let name = Host::parse(host).ok_or_else(|| Refusal::NoHost(host.to_owned()))?;
        let ip = canonical(address.ip());
        if name == Host::Address(ip) {
            return Ok(());
        }
        let judged = std::iter::once(ip).chain(embedded_ipv4(ip));
        judged
            .into_iter()
            .try_for_each(|part| self.allows_part(&name, ip, part, address.port()))
    }

    fn allows_part(&self, name: &Host, whole: IpAddr, part: IpAddr, port: u16) -> Result<(), Refusal> {
        let class = Class::of(part);
        match class {
            Class::Public => Ok(()),
            Class::Loopback if name.is_localhost() => Ok(()),
            Class::Loopback | Class::Private
                if self.has(&Host::Address(part), port) || self.has(&Host::Address(whole), port) =>
            {
                Ok(())
            }
            Class::Loopback | Class::Private => match Grant::new(Host::Address(part), port) {
                Some(grant) => Err(Refusal::AddressNotGranted {
                    host: name.to_string(),
                    grant: Box::new(grant),
                    class,
                }),
                None => Err(Refusal::Undialled {
                    host: name.to_string(),
                    port,
                }),
            },
            _ => Err(Refusal::ForbiddenAddress {
                host: name.to_string(),
                address: whole,
                class,
            }),
        }
    }

    fn has(&self, host: &Host, port: u16) -> bool {
        self.0
            .iter()
            .any(|grant| grant.host == *host && grant.ports.contains(&port))
    }
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
