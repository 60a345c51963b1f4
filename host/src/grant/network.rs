//! Ranges of addresses in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3).

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses: all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The range around an address: those that have its first `prefix` bits. `None` if an address has
    /// fewer.
    pub fn around(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= bits(address)).then(|| Self {
            address: masked(address, prefix),
            prefix,
        })
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits all its addresses have in common.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is one address only.
    pub fn is_single(&self) -> bool {
        self.prefix == bits(self.address)
    }

    /// Whether an address is in it. An IPv4 address is in no range of IPv6 addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

impl Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(formatter, "{address}/{}", self.prefix),
            IpAddr::V6(address) => write!(formatter, "[{address}]/{}", self.prefix),
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with everything after its first `prefix` bits set to zero.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let rest = u32::from(bits(address).saturating_sub(prefix));
    // Shifting out all the bits leaves none, which `checked_shl` does not do by itself.
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, prefix: u8) -> Network {
        Network::around(address.parse().unwrap(), prefix).unwrap()
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_alike_and_no_others() {
        for (range, address, inside) in [
            (network("192.0.2.0", 24), "192.0.2.0", true),
            (network("192.0.2.0", 24), "192.0.2.255", true),
            (network("192.0.2.0", 24), "192.0.3.0", false),
            (network("192.0.2.0", 24), "192.0.1.255", false),
            (network("192.0.2.8", 30), "192.0.2.11", true),
            (network("192.0.2.8", 30), "192.0.2.12", false),
            (network("192.0.2.1", 32), "192.0.2.1", true),
            (network("192.0.2.1", 32), "192.0.2.0", false),
            (network("0.0.0.0", 0), "255.255.255.255", true),
            (network("0.0.0.0", 0), "::", false),
            (network("2001:db8::", 32), "2001:db8:ffff::1", true),
            (network("2001:db8::", 32), "2001:db9::", false),
            (network("2001:db8::", 32), "192.0.2.1", false),
            (network("::", 0), "ffff::", true),
        ] {
            assert_eq!(
                range.contains(address.parse().unwrap()),
                inside,
                "{range} {address}"
            );
        }
    }

    #[test]
    fn a_range_begins_where_its_common_bits_end() {
        assert_eq!(network("192.0.2.77", 24), network("192.0.2.0", 24));
        assert_eq!(network("2001:db8::1", 32).to_string(), "[2001:db8::]/32");
        assert_eq!(Network::around("192.0.2.0".parse().unwrap(), 33), None);
        assert!(network("::1", 128).is_single() && !network("::", 127).is_single());
    }
}
