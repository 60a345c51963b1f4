//! What zone files call the numbers of IANA's registries, as far as the codec does not say it. Pure.

use std::str::FromStr;

use hickory_proto::rr::RecordType;

/// The types of records that the codec has no name for (IANA, Domain Name System Parameters), but for those that are no
/// data: there is no question for them.
const TYPES: [(&str, u16); 54] = [
    ("MD", 3),
    ("MF", 4),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("WKS", 11),
    ("MINFO", 14),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAP-PTR", 23),
    ("PX", 26),
    ("GPOS", 27),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("ATMA", 34),
    ("KX", 36),
    ("A6", 38),
    ("SINK", 40),
    ("APL", 42),
    ("IPSECKEY", 45),
    ("DHCID", 49),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("ZONEMD", 63),
    ("DSYNC", 66),
    ("HHIT", 67),
    ("BRID", 68),
    ("SPF", 99),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("URI", 256),
    ("AVC", 258),
    ("DOA", 259),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("WALLET", 262),
    ("TA", 32_768),
    ("DLV", 32_769),
];

/// The algorithms of keys (IANA, DNS Security Algorithm Numbers).
const ALGORITHMS: [(&str, u16); 17] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("SM2SM3", 17),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// The types of certificates (RFC 4398 section 2.1).
const CERTIFICATES: [(&str, u16); 10] = [
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// The type of records that goes by this name, in upper case, or by a number as `TYPE65400` (RFC 3597 section 5).
pub(crate) fn record_type(name: &str) -> Option<RecordType> {
    let numbered = name.strip_prefix("TYPE").and_then(|number| number.parse().ok());
    numbered
        .or_else(|| number(&TYPES, name))
        .map(RecordType::from)
        .or_else(|| RecordType::from_str(name).ok())
}

/// The name of a type of records; of one that has none `TYPE65400`.
pub(crate) fn of_record_type(record_type: RecordType) -> String {
    match record_type {
        RecordType::Unknown(code) => name(&TYPES, code).map_or_else(|| format!("TYPE{code}"), str::to_owned),
        known => known.to_string(),
    }
}

/// The number of an algorithm, by its name in upper case.
pub(crate) fn algorithm(name: &str) -> Option<u16> {
    number(&ALGORITHMS, name)
}

/// The name of an algorithm; of one that has none its number.
pub(crate) fn of_algorithm(algorithm: u8) -> String {
    let number = algorithm.into();
    name(&ALGORITHMS, number).map_or_else(|| number.to_string(), str::to_owned)
}

/// The number of a type of certificates, by its name in upper case.
pub(crate) fn certificate(name: &str) -> Option<u16> {
    number(&CERTIFICATES, name)
}

/// The name of a type of certificates; of one that has none its number.
pub(crate) fn of_certificate(certificate: u16) -> String {
    name(&CERTIFICATES, certificate).map_or_else(|| certificate.to_string(), str::to_owned)
}

fn number(registry: &[(&str, u16)], name: &str) -> Option<u16> {
    let mut entries = registry.iter();
    entries
        .find(|(known, _)| *known == name)
        .map(|&(_, number)| number)
}

fn name(registry: &[(&'static str, u16)], number: u16) -> Option<&'static str> {
    let mut entries = registry.iter();
    entries
        .find(|&&(_, known)| known == number)
        .map(|&(name, _)| name)
}
