//! What kind of place an address is: public, private, this machine, the cloud's metadata. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A kind of address, as far as it matters to whether a name may lead there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Anything that is none of the others.
    Public,
    /// This machine: 127.0.0.0/8, ::1.
    Loopback,
    /// A network of one's own: RFC 1918, unique local addresses (RFC 4193), site-local addresses
    /// (RFC 3879), addresses shared behind a carrier's NAT (RFC 6598), and those that a translator of one's
    /// own turns into IPv4 addresses of its choice (RFC 8215).
    Private,
    /// Where clouds tell their machines keys and tokens.
    CloudMetadata,
    /// Valid on one link only: 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291).
    LinkLocal,
    /// A group: 224.0.0.0/4, ff00::/8.
    Multicast,
    /// Everybody on the link: 255.255.255.255.
    Broadcast,
    /// No address: 0.0.0.0/8, which some systems take for this machine, and ::.
    Unspecified,
}

/// Where clouds tell their machines keys and tokens: the address that most share; Amazon over IPv6, and its
/// credentials for containers and pods; Google over IPv6; Alibaba; Oracle; Azure's host.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

impl Class {
    /// The kind of an address. An IPv4-mapped IPv6 address is of the kind of its IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        let address = canonical(address);
        if METADATA.contains(&address) {
            return Self::CloudMetadata;
        }
        match address {
            IpAddr::V4(address) => Self::of_ipv4(address),
            IpAddr::V6(address) => Self::of_ipv6(address),
        }
    }

    fn of_ipv4(address: Ipv4Addr) -> Self {
        let [first, second, ..] = address.octets();
        match address {
            _ if first == 0 => Self::Unspecified,
            _ if address.is_loopback() => Self::Loopback,
            _ if address.is_link_local() => Self::LinkLocal,
            _ if address.is_multicast() => Self::Multicast,
            _ if address.is_broadcast() => Self::Broadcast,
            _ if address.is_private() || (first == 100 && second & 0xc0 == 64) => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_ipv6(address: Ipv6Addr) -> Self {
        let site_local = address.segments()[0] & 0xffc0 == 0xfec0;
        let translated = address.segments()[..3] == [0x64, 0xff9b, 1];
        match address {
            _ if address.is_unspecified() => Self::Unspecified,
            _ if address.is_loopback() => Self::Loopback,
            _ if address.is_unicast_link_local() => Self::LinkLocal,
            _ if address.is_multicast() => Self::Multicast,
            _ if address.is_unique_local() || site_local || translated => Self::Private,
            _ => Self::Public,
        }
    }

    /// Whether a connection there makes no sense.
    pub fn is_undialled(self) -> bool {
        matches!(self, Self::Multicast | Self::Broadcast | Self::Unspecified)
    }

    /// What it is, with its article.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::CloudMetadata => "a cloud metadata address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Unspecified => "an unspecified address",
        }
    }
}

/// The IPv4 address of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), else the address itself.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The IPv4 address that packets to this IPv6 address end up at: translated (64:ff9b::/96, RFC 6052),
/// tunnelled (2002::/16, RFC 3056), or in the old compatible form (::/96, RFC 4291 section 2.5.5.1).
pub fn embedded_ipv4(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let joined = |high: u16, low: u16| {
        Some(IpAddr::V4(Ipv4Addr::from(
            (u32::from(high) << 16) | u32::from(low),
        )))
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => joined(high, low),
        [0x2002, high, low, ..] => joined(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => joined(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_kind_of_their_range() {
        for (address, class) in [
            ("192.0.2.1", Class::Public),
            ("172.15.255.255", Class::Public),
            ("172.32.0.0", Class::Public),
            ("100.63.255.255", Class::Public),
            ("100.128.0.0", Class::Public),
            ("2001:db8::1", Class::Public),
            ("127.0.0.1", Class::Loopback),
            ("127.255.255.254", Class::Loopback),
            ("::1", Class::Loopback),
            ("::ffff:127.0.0.1", Class::Loopback),
            ("10.0.0.1", Class::Private),
            ("172.16.0.1", Class::Private),
            ("172.31.255.255", Class::Private),
            ("192.168.1.1", Class::Private),
            ("100.64.0.1", Class::Private),
            ("100.127.255.255", Class::Private),
            ("fd12::1", Class::Private),
            ("fc00::1", Class::Private),
            ("fec0::1", Class::Private),
            ("64:ff9b:1::a00:1", Class::Private),
            ("64:ff9b::c000:201", Class::Public),
            ("::ffff:10.0.0.1", Class::Private),
            ("169.254.169.254", Class::CloudMetadata),
            ("::ffff:169.254.169.254", Class::CloudMetadata),
            ("fd00:ec2::254", Class::CloudMetadata),
            ("fd20:ce::254", Class::CloudMetadata),
            ("100.100.100.200", Class::CloudMetadata),
            ("169.254.170.2", Class::CloudMetadata),
            ("168.63.129.16", Class::CloudMetadata),
            ("169.254.1.1", Class::LinkLocal),
            ("fe80::1", Class::LinkLocal),
            ("febf::1", Class::LinkLocal),
            ("224.0.0.1", Class::Multicast),
            ("239.255.255.255", Class::Multicast),
            ("ff02::1", Class::Multicast),
            ("255.255.255.255", Class::Broadcast),
            ("0.0.0.0", Class::Unspecified),
            ("0.1.2.3", Class::Unspecified),
            ("::", Class::Unspecified),
        ] {
            assert_eq!(Class::of(address.parse().unwrap()), class, "{address}");
        }
    }

    #[test]
    fn ipv4_addresses_within_ipv6_addresses_are_found() {
        for (address, embedded) in [
            ("64:ff9b::a9fe:a9fe", Some("169.254.169.254")),
            ("2002:7f00:1::1", Some("127.0.0.1")),
            ("::10.1.2.3", Some("10.1.2.3")),
            ("::1", None),
            ("2001:db8::1", None),
            ("10.1.2.3", None),
        ] {
            let embedded = embedded.map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(embedded_ipv4(address.parse().unwrap()), embedded, "{address}");
        }
    }
}
