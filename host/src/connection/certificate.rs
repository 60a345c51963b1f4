//! Facts about a peer's certificate. Reading only: whether it is trusted is decided in `tls`.

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::outcome::hexadecimal;

/// How much is kept of a name, in characters: longer than any real one (RFC 5280 appendix A.1 has 64 for a
/// common name), shorter than what a peer could fill a report with.
const MAX_NAME: usize = 256;

/// A certificate's facts. Names are the peer's to choose: they are shortened, and control characters in them
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The subject's distinguished name.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The DNS names and addresses it is valid for.
    pub names: Vec<String>,
    /// First moment of validity, seconds since 1970-01-01 UTC.
    pub not_before: i64,
    /// Last moment of validity, seconds since 1970-01-01 UTC.
    pub not_after: i64,
    /// SHA-256 of the DER form.
    pub sha256: String,
    /// The serial number, in hexadecimal digits without leading zero bytes.
    #[serde(default)]
    pub serial_number: String,
}

/// When the certificates expire that a peer showed, in seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainDates {
    /// The first of all of them, those that lead nowhere included.
    pub earliest_not_after: i64,
    /// The first of those that lead from the peer's own certificate upwards; of two that lead there, the one that
    /// lasts longer counts.
    pub not_after: i64,
}

impl ChainDates {
    /// Reads the certificates of a peer, its own first. `None` when none can be parsed.
    pub fn read(shown: &[CertificateDer<'_>]) -> Option<Self> {
        let parsed: Vec<_> = shown
            .iter()
            .filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1))
            .collect();
        let not_after = |certificate: &X509Certificate<'_>| certificate.validity().not_after.timestamp();
        let mut link = parsed.first()?;
        let mut chain = not_after(link);
        // A loop of certificates that signed each other ends with the number of them.
        for _ in 1..parsed.len() {
            if link.subject() == link.issuer() {
                break;
            }
            let issuers = parsed.iter().filter(|other| other.subject() == link.issuer());
            let Some(issuer) = issuers.max_by_key(|issuer| not_after(issuer)) else {
                break;
            };
            chain = chain.min(not_after(issuer));
            link = issuer;
        }
        Some(Self {
            earliest_not_after: parsed.iter().map(not_after).min()?,
            not_after: chain,
        })
    }
}

impl Certificate {
    /// Reads a certificate. One that cannot be parsed has its digest only: TLS has accepted it all
    /// the same.
    pub fn read(der: &CertificateDer<'_>) -> Self {
        let sha256 = hexadecimal(&Sha256::digest(der));
        let Ok((_, parsed)) = X509Certificate::from_der(der) else {
            return Self {
                subject: String::new(),
                issuer: String::new(),
                names: Vec::new(),
                not_before: 0,
                not_after: 0,
                sha256,
                serial_number: String::new(),
            };
        };
        Self {
            subject: shown(&parsed.subject().to_string()),
            issuer: shown(&parsed.issuer().to_string()),
            names: names(&parsed),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            sha256,
            serial_number: serial_number(parsed.raw_serial()),
        }
    }
}

/// At most 20 octets are allowed (RFC 5280 section 4.1.2.2), and some more are shown.
fn serial_number(octets: &[u8]) -> String {
    let significant = octets
        .iter()
        .position(|&octet| octet != 0)
        .unwrap_or(octets.len());
    hexadecimal(&octets[significant..octets.len().min(significant + 32)])
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets)
                .ok()
                .map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*octets)
                .ok()
                .map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn shown(name: &str) -> String {
    let clean = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    name.chars().take(MAX_NAME).map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_harmless() {
        assert_eq!(shown("CN=www.example.org"), "CN=www.example.org");
        assert_eq!(shown("CN=\u{1b}[31m"), "CN=\u{fffd}[31m");
        assert_eq!(shown(&"x".repeat(10_000)).len(), MAX_NAME);
    }
}
