//! What can go wrong between here and a peer, in kinds that the contract and the reports keep apart.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// An error of the network or the peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    /// The name does not exist.
    #[error("the name `{0}` does not exist")]
    NameNotFound(String),
    /// The name servers failed.
    #[error("{0}")]
    NameServerFailure(String),
    /// The name exists and has no address.
    #[error("the name `{0}` has no address")]
    NoAddress(String),
    /// Nobody listens.
    #[error("connection refused by {0}")]
    Refused(String),
    /// No route to the network.
    #[error("network unreachable: {0}")]
    NetworkUnreachable(String),
    /// No route to the host.
    #[error("host unreachable: {0}")]
    HostUnreachable(String),
    /// The peer reset the connection.
    #[error("the peer reset the connection")]
    Reset,
    /// The peer closed the connection where more was expected.
    #[error("the peer closed the connection")]
    Closed,
    /// TLS failed.
    #[error("{1}")]
    Tls(TlsProblem, String),
    /// The connection cannot do that now.
    #[error("{0}")]
    InvalidUse(Cow<'static, str>),
    /// Anything else, in the operating system's words.
    #[error("{0}")]
    Other(String),
}

/// Why TLS could not be established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsProblem {
    /// The handshake failed.
    Handshake,
    /// The certificate is not trusted, malformed, or not meant for servers.
    CertificateInvalid,
    /// The certificate is past its last day, or not valid yet.
    CertificateExpired,
    /// The certificate is for other names.
    NameMismatch,
}

impl Error {
    /// The error of dialling `peer`.
    pub(super) fn of_dialling(error: &io::Error, peer: impl ToString) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused(peer.to_string()),
            io::ErrorKind::NetworkUnreachable => Self::NetworkUnreachable(peer.to_string()),
            io::ErrorKind::HostUnreachable => Self::HostUnreachable(peer.to_string()),
            _ => Self::from(error),
        }
    }
}

impl From<&io::Error> for Error {
    fn from(error: &io::Error) -> Self {
        if let Some(tls) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return Self::from(tls);
        }
        match error.kind() {
            io::ErrorKind::ConnectionReset => Self::Reset,
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::NetworkUnreachable => Self::NetworkUnreachable("no route".into()),
            io::ErrorKind::HostUnreachable => Self::HostUnreachable("no route".into()),
            // The kernel gave up on a peer that does not answer.
            io::ErrorKind::TimedOut => Self::HostUnreachable("it does not answer".into()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<&rustls::Error> for Error {
    fn from(error: &rustls::Error) -> Self {
        use rustls::CertificateError as Certificate;
        let problem = match error {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                Certificate::Expired
                | Certificate::ExpiredContext { .. }
                | Certificate::NotValidYet
                | Certificate::NotValidYetContext { .. } => TlsProblem::CertificateExpired,
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                    TlsProblem::NameMismatch
                }
                _ => TlsProblem::CertificateInvalid,
            },
            rustls::Error::NoCertificatesPresented => TlsProblem::CertificateInvalid,
            _ => TlsProblem::Handshake,
        };
        Self::Tls(problem, sentence(error))
    }
}

/// The library's words, but for what operators meet most.
fn sentence(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return error.to_string();
    };
    match certificate {
        Certificate::ExpiredContext { not_after, .. } => {
            format!("the certificate expired at {}", moment(not_after.as_secs()))
        }
        Certificate::NotValidYetContext { not_before, .. } => {
            format!(
                "the certificate is not valid before {}",
                moment(not_before.as_secs())
            )
        }
        Certificate::NotValidForNameContext { expected, presented } => {
            format!(
                "the certificate is not valid for `{}`, only for {}",
                expected.to_str(),
                names(presented)
            )
        }
        Certificate::UnknownIssuer => "the certificate is not from an authority that is trusted".to_owned(),
        Certificate::Revoked => "the certificate has been revoked".to_owned(),
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            "the certificate is not meant for servers".to_owned()
        }
        Certificate::BadEncoding => "the certificate is malformed".to_owned(),
        Certificate::BadSignature => "the certificate's signature is wrong".to_owned(),
        Certificate::Other(inner) => format!("the certificate is not accepted: {}", inner.0),
        other => format!("the certificate is not accepted: {other}"),
    }
}

/// The names in a certificate; the library gives them with their kind, as `DnsName("www.example.org")`. An address counts
/// as an address only, so one that stands among the DNS names is told apart.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let (kind, inner) = name.split_once('(').unwrap_or(("", name));
        let inner = inner.trim_end_matches(')').trim_matches('"');
        match kind == "DnsName" && inner.parse::<IpAddr>().is_ok() {
            true => format!("`{inner}` as a DNS name, which no address has"),
            false => format!("`{inner}`"),
        }
    };
    match presented {
        [] => "no name at all".to_owned(),
        names => names.iter().map(bare).collect::<Vec<_>>().join(", "),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_among_the_dns_names_of_a_certificate_is_told_apart() {
        let names =
            |presented: &[&str]| names(&presented.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&[]), "no name at all");
        assert_eq!(
            names(&[
                r#"DnsName("example.org")"#,
                "IpAddress(192.0.2.1)",
                r#"DnsName("127.0.0.1")"#
            ]),
            "`example.org`, `192.0.2.1`, `127.0.0.1` as a DNS name, which no address has"
        );
    }
}
