//! Why there is no TLS, in sentences for operators. The library's words where it is rare. Pure.

use std::net::IpAddr;

use rustls::{CertificateError, InvalidMessage};
use time::OffsetDateTime;
use x509_parser::asn1_rs::{FromDer, Oid};
use x509_parser::objects::{oid_registry, oid2sn};

use super::Certificate;

/// What the peer's bytes are that begin no record, or one of another protocol.
const NO_RECORD: &str = "what it sent is no TLS record";

/// Why a handshake failed in which the peer showed this certificate.
pub(super) fn of_handshake(error: &rustls::Error, shown: Option<&Certificate>) -> String {
    match (error, shown) {
        (rustls::Error::InvalidCertificate(refused), Some(shown)) => of_certificate(refused, shown),
        (error, None) if is_no_record(error) => format!("the peer does not speak TLS: {NO_RECORD}"),
        _ => of_session(error),
    }
}

/// Why a session failed.
pub(super) fn of_session(error: &rustls::Error) -> String {
    match is_no_record(error) {
        true => format!("the peer breaks TLS: {NO_RECORD}"),
        false => error.to_string(),
    }
}

fn is_no_record(error: &rustls::Error) -> bool {
    use InvalidMessage::{InvalidContentType, UnknownProtocolVersion};
    matches!(
        error,
        rustls::Error::InvalidMessage(InvalidContentType | UnknownProtocolVersion)
    )
}

fn of_certificate(refused: &CertificateError, shown: &Certificate) -> String {
    use CertificateError as Refused;
    match refused {
        Refused::ExpiredContext { not_after, .. } => {
            format!("the certificate expired at {}", moment(not_after.as_secs()))
        }
        Refused::NotValidYetContext { not_before, .. } => {
            let begin = moment(not_before.as_secs());
            format!("the certificate is not valid before {begin}")
        }
        Refused::NotValidForNameContext { expected, presented } => {
            let only_for = only_for(&shown.names, presented);
            format!(
                "the certificate is not valid for `{}`{only_for}",
                expected.to_str()
            )
        }
        Refused::UnknownIssuer => unknown_issuer(shown),
        Refused::Revoked => "the certificate has been revoked".to_owned(),
        Refused::InvalidPurpose | Refused::InvalidPurposeContext { .. } => {
            "the certificate is not meant for servers: its extended key usage has no `serverAuth`".to_owned()
        }
        Refused::BadEncoding => "the certificate is malformed".to_owned(),
        Refused::BadSignature => {
            "a signature of the certificate, of one that leads to it or of the handshake is \
                                  wrong, or by an RSA key of fewer than 2048 bits, which is not supported"
                .to_owned()
        }
        Refused::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id,
            ..
        } => {
            let algorithm = algorithm(signature_algorithm_id);
            format!(
                "the certificate, or one that leads to it, is signed by {algorithm}, which is not supported"
            )
        }
        Refused::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id,
            public_key_algorithm_id,
        } => format!(
            "the certificate, or one that leads to it, is signed by {} with a key of {}, which is not supported",
            algorithm(signature_algorithm_id),
            algorithm(public_key_algorithm_id)
        ),
        Refused::Other(inner) => of_other(&inner.0.to_string(), shown),
        other => format!("the certificate is not accepted: {other}"),
    }
}

/// What the library has no variant for, only a word of its verifier.
fn of_other(word: &str, shown: &Certificate) -> String {
    match word {
        "CaUsedAsEndEntity" if is_its_own_issuer(shown) => return unknown_issuer(shown),
        "CaUsedAsEndEntity" => "the certificate is one of an authority (CA:TRUE), wanted one of a server",
        "EndEntityUsedAsCa" => "the certificate is signed by one that is not of an authority",
        "NameConstraintViolation" => "the certificate has a name that its authority may not certify",
        "UnsupportedCertVersion" => "the certificate, or one that leads to it, is not of version 3",
        "UnsupportedCriticalExtension" => {
            "the certificate, or one that leads to it, has a critical extension that is not known here"
        }
        other => return format!("the certificate is not accepted: {other}"),
    }
    .to_owned()
}

fn unknown_issuer(shown: &Certificate) -> String {
    let own = match is_its_own_issuer(shown) {
        true => ": it names itself as its issuer",
        false => "",
    };
    format!("the certificate is not from an authority that is trusted{own}")
}

fn is_its_own_issuer(shown: &Certificate) -> bool {
    !shown.subject.is_empty() && shown.subject == shown.issuer
}

/// What a certificate is valid for: of the names that the library found in it, those that a server may have. An address
/// counts as an address only, so one that stands among the DNS names is told apart; of which kind a name is, the
/// library says by `DnsName("www.example.org")`.
fn only_for(names: &[String], presented: &[String]) -> String {
    let one = |name: &String| {
        let is_misplaced =
            name.parse::<IpAddr>().is_ok() && presented.contains(&format!("DnsName(\"{name}\")"));
        match is_misplaced {
            true => format!("`{name}` as a DNS name, which no address has"),
            false => format!("`{name}`"),
        }
    };
    match names {
        [] => ": it has no name of a server (subjectAltName), and its common name does not count".to_owned(),
        names => format!(
            ", only for {}",
            names.iter().map(one).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The name of an algorithm by its identifier (RFC 5280 section 4.1.1.2), or its number. Of a key on a curve the curve
/// is what matters, which is the parameter.
fn algorithm(identifier: &[u8]) -> String {
    let Some((parameters, algorithm)) = object(identifier) else {
        return "an unknown algorithm".to_owned();
    };
    let named = object(parameters).map_or(algorithm, |(_, curve)| curve);
    match oid2sn(&named, oid_registry()) {
        Ok(name) => format!("`{name}`"),
        Err(_) => format!("`{named}`"),
    }
}

/// Seconds since 1970 as RFC 3339.
fn moment(seconds: u64) -> String {
    let rfc3339 = &time::format_description::well_known::Rfc3339;
    let moment = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment
        .and_then(|moment| moment.format(rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// An object identifier and what follows it. The library takes other values for empty ones.
fn object(der: &[u8]) -> Option<(&[u8], Oid<'_>)> {
    const TAG: u8 = 6;
    let is_object = der.first() == Some(&TAG);
    is_object.then(|| Oid::from_der(der).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_among_the_dns_names_of_a_certificate_is_told_apart() {
        let presented = names(&[
            r#"DnsName("example.org")"#,
            "IpAddress(0::1)",
            r#"DnsName("127.0.0.1")"#,
            "Unsupported(0x01)",
        ]);
        assert_eq!(
            only_for(&names(&["example.org", "::1", "127.0.0.1"]), &presented),
            ", only for `example.org`, `::1`, `127.0.0.1` as a DNS name, which no address has"
        );
    }

    #[test]
    fn algorithms_go_by_their_names() {
        // 1.2.840.113549.1.1.5 with NULL, 1.2.840.10045.4.3.4, 1.2.840.10045.2.1 with 1.3.132.0.35, and 2.25.1.
        for (identifier, name) in [
            (
                b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\0".as_slice(),
                "`sha1WithRSAEncryption`",
            ),
            (b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", "`ecdsa-with-SHA512`"),
            (
                b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\0\x23",
                "`secp521r1`",
            ),
            (b"\x06\x02\x69\x01", "`2.25.1`"),
            (b"\x05\0", "an unknown algorithm"),
        ] {
            assert_eq!(algorithm(identifier), name);
        }
    }
}
