//! The words of the contract, the network and the report turned into one another. Pure.

use super::Access;
use crate::bindings::bedcheck::plugin::types::{CallError, Failure, Reason, TlsFailure, TlsProblem};
use crate::connection;
use crate::outcome::{DeadlineWhile, ErrorReport, ErrorType};

/// The longest word of a plugin's own error type.
const MAX_OWN_TYPE: usize = 64;

impl From<connection::Error> for CallError {
    fn from(error: connection::Error) -> Self {
        use connection::Error;
        let message = error.to_string();
        match error {
            Error::NameNotFound(_) => Self::NameNotFound(message),
            Error::NameServerFailure(_) => Self::NameServerFailure(message),
            Error::NoAddress(_) => Self::NoAddress(message),
            Error::Refused(_) => Self::ConnectionRefused,
            Error::NetworkUnreachable(_) => Self::NetworkUnreachable,
            Error::HostUnreachable(_) => Self::HostUnreachable,
            Error::Reset => Self::ConnectionReset,
            Error::Closed => Self::ConnectionClosed,
            Error::Tls(problem, message) => Self::Tls(TlsFailure {
                problem: problem.into(),
                message,
            }),
            Error::InvalidUse(_) => Self::Invalid(message),
            Error::Other(_) => Self::Other(message),
        }
    }
}

impl From<connection::TlsProblem> for TlsProblem {
    fn from(problem: connection::TlsProblem) -> Self {
        match problem {
            connection::TlsProblem::Handshake => Self::Handshake,
            connection::TlsProblem::CertificateInvalid => Self::CertificateInvalid,
            connection::TlsProblem::CertificateExpired => Self::CertificateExpired,
            connection::TlsProblem::NameMismatch => Self::NameMismatch,
        }
    }
}

/// The error type of a failed call. `doing` is what the run was doing when its deadline passed.
pub(super) fn error_type_of_call(error: &CallError, doing: DeadlineWhile) -> ErrorType {
    match error {
        CallError::DeadlineExceeded => ErrorType::DeadlineExceeded(doing),
        CallError::OverQuota(_) => ErrorType::HostCallLimit,
        CallError::CapabilityDisabled(_) => ErrorType::CapabilityDisabled,
        CallError::GrantDenied(_) => ErrorType::GrantDenied,
        CallError::NameNotFound(_) => ErrorType::DnsNotFound,
        CallError::NameServerFailure(_) => ErrorType::DnsServerFailure,
        CallError::NoAddress(_) => ErrorType::DnsNoAddress,
        CallError::ConnectionRefused => ErrorType::ConnectionRefused,
        CallError::NetworkUnreachable => ErrorType::NetworkUnreachable,
        CallError::HostUnreachable => ErrorType::HostUnreachable,
        CallError::ConnectionReset => ErrorType::ConnectionReset,
        CallError::ConnectionClosed => ErrorType::ConnectionClosed,
        CallError::Tls(failure) => match failure.problem {
            TlsProblem::Handshake => ErrorType::TlsHandshake,
            TlsProblem::CertificateInvalid => ErrorType::TlsCertificateInvalid,
            TlsProblem::CertificateExpired => ErrorType::TlsCertificateExpired,
            TlsProblem::NameMismatch => ErrorType::TlsNameMismatch,
        },
        CallError::Invalid(_) => ErrorType::PluginInvalid,
        CallError::SecretMissing(_) => ErrorType::SecretMissing,
        CallError::Other(_) => ErrorType::Other,
    }
}

/// What a plugin says went wrong, as the report shows it. `hit` is what the run was doing when its
/// deadline passed, if it has: a plugin that claims a deadline before there was one is at fault.
pub fn error_of_failure(access: &Access, failure: &Failure, hit: Option<DeadlineWhile>) -> ErrorReport {
    let error_type = match &failure.reason {
        Reason::Call(CallError::DeadlineExceeded) => match hit {
            Some(doing) => ErrorType::DeadlineExceeded(doing),
            None => ErrorType::PluginInvalid,
        },
        Reason::Call(error) => error_type_of_call(error, DeadlineWhile::Waiting),
        Reason::UnexpectedResponse => ErrorType::ProtocolUnexpectedResponse,
        Reason::TooLarge => ErrorType::ProtocolTooLarge,
        Reason::AuthRejected => ErrorType::AuthRejected,
        Reason::TlsNotOffered => ErrorType::TlsNotOffered,
        Reason::AssertionFailed => ErrorType::AssertionFailed,
        Reason::SettingsInvalid => ErrorType::SettingsInvalid,
        // A word that a peer had a hand in may be a secret: it is no type of the plugin's then.
        Reason::Own(name) if is_own_type(&access.plugin, name) && !access.redactor.is_in_name(name) => {
            ErrorType::Own(name.clone())
        }
        Reason::Own(_) => ErrorType::PluginInvalid,
    };
    ErrorReport {
        error_type,
        message: failure.message.clone(),
        phase: None,
    }
}

/// Whether `name` is `PLUGIN.word`, in lower case letters, digits, dots and underscores.
fn is_own_type(plugin: &str, name: &str) -> bool {
    let word = name.strip_prefix(plugin).and_then(|rest| rest.strip_prefix('.'));
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
    name.len() <= MAX_OWN_TYPE && word.is_some_and(|word| !word.is_empty() && word.chars().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_has_error_types_of_its_own_name_only() {
        assert!(is_own_type("imap", "imap.over_quota"));
        for foreign in [
            "imap",
            "imap.",
            "http.over_quota",
            "imapx.over",
            "imap.Over Quota",
        ] {
            assert!(!is_own_type("imap", foreign), "{foreign}");
        }
    }
}
