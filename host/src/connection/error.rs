//! What can go wrong between here and a peer, in kinds that the contract and the reports keep apart.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize};

use super::{Certificate, refusal};

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

    /// Takes its place where it tells more of the target than what came of other addresses before.
    pub(super) fn keep_if_telling(self, kept: &mut Option<Self>) {
        if kept.as_ref().is_none_or(|kept| self.telling() > kept.telling()) {
            *kept = Some(self);
        }
    }

    /// How much an error of dialling tells of the target: it answered; it was looked for; it was not even looked for.
    fn telling(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Reset | Self::Closed => 3,
            Self::HostUnreachable(_) => 2,
            Self::NetworkUnreachable(_) => 1,
            _ => 0,
        }
    }

    /// The error of a handshake in which the peer showed this certificate. That it ends without a word from the peer is
    /// a failed handshake, not a closed connection.
    pub(super) fn of_handshake(error: &io::Error, shown: Option<&Certificate>) -> Self {
        if let Some(tls) = said_by_tls(error) {
            return Self::Tls(TlsProblem::of(tls), refusal::of_handshake(tls, shown));
        }
        match Self::from(error) {
            Self::Closed => Self::Tls(
                TlsProblem::Handshake,
                "the peer closed the connection during the TLS handshake".into(),
            ),
            other => other,
        }
    }
}

impl From<&io::Error> for Error {
    fn from(error: &io::Error) -> Self {
        if let Some(tls) = said_by_tls(error) {
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
        Self::Tls(TlsProblem::of(error), refusal::of_session(error))
    }
}

/// What TLS has to say in an error of a stream.
fn said_by_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

impl TlsProblem {
    fn of(error: &rustls::Error) -> Self {
        use rustls::CertificateError as Certificate;
        match error {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                Certificate::Expired
                | Certificate::ExpiredContext { .. }
                | Certificate::NotValidYet
                | Certificate::NotValidYetContext { .. } => Self::CertificateExpired,
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                    Self::NameMismatch
                }
                _ => Self::CertificateInvalid,
            },
            rustls::Error::NoCertificatesPresented => Self::CertificateInvalid,
            _ => Self::Handshake,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_addresses_the_error_that_tells_most_is_kept_and_the_first_of_equals() {
        let ranked = [
            Error::Refused("a".into()),
            Error::HostUnreachable("a".into()),
            Error::NetworkUnreachable("a".into()),
            Error::Other("cannot assign the address".into()),
        ];
        let kept = |errors: [&Error; 2]| {
            let mut kept = None;
            for error in errors {
                error.clone().keep_if_telling(&mut kept);
            }
            kept.expect("there were errors")
        };
        for (at, more) in ranked.iter().enumerate() {
            for less in &ranked[at..] {
                assert_eq!(kept([more, less]), *more);
                assert_eq!(kept([less, more]), *more);
            }
        }
        assert_eq!(kept([&Error::Reset, &ranked[0]]), Error::Reset);
        assert_eq!(kept([&ranked[0], &Error::Reset]), ranked[0]);
    }
}
