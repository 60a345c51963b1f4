//! The patterns of `allow`, and how they are written. What they come to for an address is judged
//! elsewhere.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{Endpoint, Host, Network};
use crate::address::{Class, canonical};

/// One element of `allow`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Allowance {
    /// `self`: the target that the check's own settings name.
    OwnTarget,
    /// A pattern.
    Grant(Grant),
}

/// A pattern of hosts, and a port or a range of ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    place: Place,
    ports: RangeInclusive<u16>,
}

/// The hosts of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    /// This one.
    Host(Host),
    /// The names that have one label or more before this suffix, which is in lower case.
    Below(String),
    /// The addresses in this range.
    Network(Network),
}

/// The fewest bits that the addresses of a range have in common: the largest networks that anybody has
/// for their own are 10.0.0.0/8 and fd00::/8, and wider ranges are other people's.
const SHORTEST_PREFIX: u8 = 8;

impl From<Endpoint> for Grant {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            ports: endpoint.port()..=endpoint.port(),
            place: Place::Host(endpoint.host().clone()),
        }
    }
}

impl Grant {
    /// Whether the pattern names this very host, and the port is one of its ports.
    pub(super) fn names(&self, host: &Host, port: u16) -> bool {
        self.ports.contains(&port) && matches!(&self.place, Place::Host(named) if named == host)
    }

    /// Whether the host is one of those that a wildcard or a range stands for, and the port is one of its
    /// ports.
    pub(super) fn includes(&self, host: &Host, port: u16) -> bool {
        self.ports.contains(&port)
            && match (&self.place, host) {
                (Place::Below(suffix), Host::Name(name)) => is_below(name, suffix),
                (Place::Network(network), Host::Address(address)) => network.contains(*address),
                _ => false,
            }
    }
}

/// Whether a name has at least one label before a suffix of whole labels.
fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
}

impl Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Host(Host::Address(IpAddr::V6(address))) => write!(formatter, "[{address}]")?,
            Place::Host(host) => write!(formatter, "{host}")?,
            Place::Below(suffix) => write!(formatter, "*.{suffix}")?,
            Place::Network(network) => write!(formatter, "{network}")?,
        }
        let (first, last) = (self.ports.start(), self.ports.end());
        if first == last {
            write!(formatter, ":{first}")
        } else {
            write!(formatter, ":{first}-{last}")
        }
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found `{}`, wanted {wanted}", found.escape_debug())]
pub struct GrantError {
    found: String,
    wanted: String,
}

impl FromStr for Allowance {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        if text == "self" {
            return Ok(Self::OwnTarget);
        }
        text.parse().map(Self::Grant)
    }
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

const PORT_MISSING: &str = "a port as well, such as `www.example.org:443`";
const BRACKETS: &str = "an IPv6 address in brackets and a port, such as `[2001:db8::1]:443`";
const BRACKETED_RANGE: &str =
    "an IPv6 range with its address in brackets and a port, such as `[2001:db8::]/32:443`";
const PORTS: &str = "a port from 1 to 65535, or a range such as `8000-8099`; every port is `1-65535`";
const UNDIALLED: &str = "an address that can be dialled";

fn parse(text: &str) -> Result<Grant, String> {
    let (place, ports) = match text.strip_prefix('[') {
        Some(rest) => parse_bracketed(rest)?,
        None => parse_unbracketed(text)?,
    };
    let ports = parse_ports(ports).ok_or(PORTS)?;
    Ok(Grant { place, ports })
}

/// `address]:ports` or `address]/length:ports`.
fn parse_bracketed(rest: &str) -> Result<(Place, &str), String> {
    let (address, rest) = rest
        .split_once(']')
        .ok_or("`[address]:port`, such as `[2001:db8::1]:443`")?;
    if address.contains('/') {
        return Err(BRACKETED_RANGE.into());
    }
    let address = address
        .parse()
        .map(IpAddr::V6)
        .map_err(|_| "an IPv6 address between the brackets")?;
    match rest.strip_prefix('/') {
        Some(range) => {
            let (length, ports) = range.split_once(':').ok_or(PORT_MISSING)?;
            Ok((parse_range(address, length, ports)?, ports))
        }
        None => {
            let ports = rest
                .strip_prefix(':')
                .ok_or("`[address]:port`, such as `[2001:db8::1]:443`")?;
            Ok((single(address)?, ports))
        }
    }
}

/// A name, a wildcard, an IPv4 address or a range of those, each with ports.
fn parse_unbracketed(text: &str) -> Result<(Place, &str), String> {
    if let Some((address, range)) = text.split_once('/') {
        return match address.parse() {
            Ok(address @ IpAddr::V4(_)) => {
                let (length, ports) = range.split_once(':').ok_or(PORT_MISSING)?;
                Ok((parse_range(address, length, ports)?, ports))
            }
            Ok(IpAddr::V6(_)) => Err(BRACKETED_RANGE.into()),
            Err(_) => Err(
                "`host:port` without a scheme or path, such as `www.example.org:443`, or a range of addresses, \
                 such as `192.0.2.0/24:443`"
                    .into(),
            ),
        };
    }
    let Some((host, ports)) = text.rsplit_once(':') else {
        return Err(if text.contains('*') {
            WILDCARD
        } else {
            PORT_MISSING
        }
        .into());
    };
    if host.contains(':') {
        return Err(BRACKETS.into());
    }
    // In whatever case: a name is shown in lower case.
    if host.eq_ignore_ascii_case("self") {
        return Err("`self` alone: its port is that of the settings".into());
    }
    if host.contains('*') {
        return Ok((parse_wildcard(host)?, ports));
    }
    match Host::parse(host).ok_or("a host name or address before the port")? {
        Host::Address(address) => Ok((single(address)?, ports)),
        name @ Host::Name(_) => Ok((Place::Host(name), ports)),
    }
}

const WILDCARD: &str = "a `*` only at the beginning of a name, for whole labels, such as `*.example.org:443`";

fn parse_wildcard(host: &str) -> Result<Place, String> {
    if host == "*" {
        return Err(
            "names, and not every host there is: a `*` stands before a name, such as `*.example.org:443`"
                .into(),
        );
    }
    let suffix = host.strip_prefix("*.").ok_or(WILDCARD)?;
    if suffix.contains('*') {
        return Err(WILDCARD.into());
    }
    match Host::parse(suffix) {
        Some(Host::Name(name)) if name.contains('.') => Ok(Place::Below(name)),
        Some(Host::Name(name)) => Err(format!(
            "at least two labels after the `*`, such as `*.example.{name}:443`: `*.{name}` is a whole top-level domain"
        )),
        Some(Host::Address(_)) => Err("a range of addresses as such, such as `192.0.2.0/24:443`".into()),
        None => Err("a host name after the `*.`".into()),
    }
}

/// The range of an address and the length of its prefix; `ports` is what to repeat in the advice.
fn parse_range(address: IpAddr, length: &str, ports: &str) -> Result<Place, String> {
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = length.parse().ok().filter(|_| digits);
    let network = prefix.and_then(|prefix| Network::around(address, prefix));
    let Some(network) = network else {
        let most = if address.is_ipv4() { 32 } else { 128 };
        return Err(format!(
            "a prefix of {SHORTEST_PREFIX} to {most} bits after the `/`, such as `/24`"
        ));
    };
    if address != canonical(address) {
        return Err("IPv4 addresses as such, such as `192.0.2.0/24:443`".into());
    }
    if network.address() != address {
        // The advice repeats them.
        parse_ports(ports).ok_or(PORTS)?;
        return Err(format!(
            "`{network}:{ports}`: the bits of its address after the prefix are zero"
        ));
    }
    if network.prefix() < SHORTEST_PREFIX {
        return Err(format!(
            "a prefix of at least {SHORTEST_PREFIX} bits: no wider range is anybody's own"
        ));
    }
    if network.is_single() {
        return single(address);
    }
    dialled(address).map(|()| Place::Network(network))
}

fn single(address: IpAddr) -> Result<Place, String> {
    let address = canonical(address);
    dialled(address).map(|()| Place::Host(Host::Address(address)))
}

fn dialled(address: IpAddr) -> Result<(), String> {
    if Class::of(address).is_undialled() {
        return Err(UNDIALLED.into());
    }
    Ok(())
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

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
