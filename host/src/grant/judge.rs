//! Judging: may this host and port be dialled, may this name lead to this address, and if not, why.

use std::net::{IpAddr, SocketAddr};

use super::{Endpoint, Grant, Host};
use crate::address::{Class, canonical, embedded_ipv4};
use crate::text::told;

/// How much of what is no host is told, in bytes: as long as a name can be. A plugin chooses it.
const MAX_TOLD: usize = 253;

/// Everything a check may reach. Empty, the default, is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    dialled: Vec<Grant>,
    /// What, besides, names that are granted may lead to.
    behind_names: Vec<Grant>,
}

/// Why something may not be reached, in a sentence that says what would have to be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What was asked for is no host at all.
    #[error("`{}` is neither a host name nor an address", told(.0, MAX_TOLD))]
    NoHost(String),
    /// The check does not grant the host and port.
    #[error("`{endpoint}` is not granted; to allow it, add `\"{endpoint}\"` to `allow`")]
    NotGranted {
        /// What would have to be granted.
        endpoint: Box<Endpoint>,
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
        "`{host}` leads to `{}`, {}; to allow it, add `\"{endpoint}\"` to `allow` as well",
        .endpoint.host(), .class.describe()
    )]
    AddressNotGranted {
        /// The name.
        host: String,
        /// The address as it would have to be granted.
        endpoint: Box<Endpoint>,
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
        Self {
            dialled: grants,
            behind_names: Vec::new(),
        }
    }

    /// A part of these grants: only that is granted, but the names in it may lead to every address that is
    /// granted here.
    #[must_use]
    pub fn narrowed(&self, part: impl Iterator<Item = Grant>) -> Self {
        let behind_names = self.dialled.iter().chain(&self.behind_names);
        Self {
            dialled: part.collect(),
            behind_names: behind_names.cloned().collect(),
        }
    }

    /// The grants in the order in which they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Grant> {
        self.dialled.iter()
    }

    /// Whether nothing at all is granted.
    pub fn is_empty(&self) -> bool {
        self.dialled.is_empty()
    }

    /// Whether a host (a name, or an address without brackets) and port are granted.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.permit(host, port).is_ok()
    }

    /// The same, with the reason.
    ///
    /// # Errors
    ///
    /// When they are not granted, or can never be.
    pub fn permit(&self, host: &str, port: u16) -> Result<(), Refusal> {
        let wanted = Host::parse(host).ok_or_else(|| Refusal::NoHost(host.to_owned()))?;
        let endpoint = Endpoint::new(wanted, port).ok_or_else(|| Refusal::Undialled {
            host: host.to_owned(),
            port,
        })?;
        if has(&self.dialled, endpoint.host(), port) {
            return Ok(());
        }
        Err(Refusal::NotGranted {
            endpoint: Box::new(endpoint),
        })
    }

    /// Whether a host that is granted may lead to this address. An address that was dialled as such
    /// may. Behind a name, cloud metadata, link-local, multicast, broadcast and unspecified addresses
    /// are refused, and loopback and private ones unless they are granted themselves, each or in a range,
    /// or, for loopback, the name is `localhost`. An IPv6 address with an IPv4 address in it is judged as
    /// both.
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
                if self.may_be_behind_a_name(part, port) || self.may_be_behind_a_name(whole, port) =>
            {
                Ok(())
            }
            Class::Loopback | Class::Private => match Endpoint::new(Host::Address(part), port) {
                Some(endpoint) => Err(Refusal::AddressNotGranted {
                    host: name.to_string(),
                    endpoint: Box::new(endpoint),
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

    fn may_be_behind_a_name(&self, address: IpAddr, port: u16) -> bool {
        let address = Host::Address(address);
        has(&self.dialled, &address, port) || has(&self.behind_names, &address, port)
    }
}

fn has(grants: &[Grant], host: &Host, port: u16) -> bool {
    grants.iter().any(|grant| grant.names(host, port))
        || (grants.iter().any(|grant| grant.includes(host, port)) && is_meant(grants, host, port))
}

/// Whether a wildcard or a range that includes a host can be meant to grant it. Cloud metadata is
/// granted by its own address only: whoever grants a network hardly means the keys to it. An address
/// that packets leave as another one is granted if that one is.
fn is_meant(grants: &[Grant], host: &Host, port: u16) -> bool {
    let Host::Address(address) = host else { return true };
    Class::of(*address) != Class::CloudMetadata
        && embedded_ipv4(*address).is_none_or(|inner| match Class::of(inner) {
            Class::Public => true,
            Class::Loopback | Class::Private => has(grants, &Host::Address(inner), port),
            _ => false,
        })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
