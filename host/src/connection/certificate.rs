//! Facts about a peer's certificate. Reading only: whether it is trusted is decided in `tls`.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::outcome::hexadecimal;

/// A certificate's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
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
            };
        };
        Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names(&parsed),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            sha256,
        }
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
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
