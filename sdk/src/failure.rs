//! What a plugin says when a check fails, and how errors of host calls become that.

use std::fmt;
use std::io;

use crate::bindings::bedcheck::plugin::types::{self, CallError, TlsFailure};

/// What went wrong, out of a closed list. The host derives `error.type`, outcome and blame from it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reason {
    /// A host call failed: the host knows which and why.
    Call(CallError),
    /// `protocol.unexpected_response`: the peer broke its protocol or refused a command.
    UnexpectedResponse,
    /// `protocol.too_large`: the peer sent more than the plugin accepts.
    TooLarge,
    /// `auth.rejected`: the credentials were refused.
    AuthRejected,
    /// `tls.not_offered`: TLS was asked for and the peer does not offer it.
    TlsNotOffered,
    /// `assertion_failed`: the peer answered, and not what the check expects.
    AssertionFailed,
    /// `settings_invalid`: the settings cannot be used. The target is not to blame.
    SettingsInvalid,
    /// A type of the plugin's own, in its own name: `imap.over_quota` for the plugin `imap`.
    Own(String),
}

/// A failure: a [`Reason`] for machines and a message for people. The host strikes secrets out of
/// messages and shortens them to 1 KiB.
#[derive(Debug, Clone)]
pub struct Failure {
    reason: Reason,
    message: String,
}

impl Failure {
    /// A failure with this reason and message.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// The peer broke its protocol or refused a command.
    pub fn unexpected_response(message: impl Into<String>) -> Self {
        Self::new(Reason::UnexpectedResponse, message)
    }

    /// The peer sent more than the plugin accepts.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(Reason::TooLarge, message)
    }

    /// The credentials were refused.
    pub fn auth_rejected(message: impl Into<String>) -> Self {
        Self::new(Reason::AuthRejected, message)
    }

    /// TLS was asked for and the peer does not offer it.
    pub fn tls_not_offered(message: impl Into<String>) -> Self {
        Self::new(Reason::TlsNotOffered, message)
    }

    /// The peer answered, and not what the check expects.
    pub fn assertion_failed(message: impl Into<String>) -> Self {
        Self::new(Reason::AssertionFailed, message)
    }

    /// The settings cannot be used.
    pub fn settings_invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::SettingsInvalid, message)
    }

    /// The peer closed the connection where more was expected.
    pub fn connection_closed(message: impl Into<String>) -> Self {
        Self::new(Reason::Call(CallError::ConnectionClosed), message)
    }

    /// What went wrong.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The words for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self {
            message: sentence(&error),
            reason: Reason::Call(error),
        }
    }
}

impl From<io::Error> for Failure {
    /// Finds the host's own error inside an I/O error of a [`crate::Connection`]. Another one is the peer's only if it is
    /// about data: whatever else std says is of what a plugin has not got, such as files and sockets.
    fn from(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<CallError>())
        {
            Some(call) => call.clone().into(),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof => CallError::ConnectionClosed.into(),
                // As where memory is asked for directly: the host tells by it that the limit was too low.
                io::ErrorKind::OutOfMemory => panic!("out of memory"),
                io::ErrorKind::InvalidData => Self::unexpected_response(error.to_string()),
                _ => CallError::Invalid(format!("an I/O error that is not a connection's: {error}")).into(),
            },
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let reason = match failure.reason {
            Reason::Call(error) => types::Reason::Call(error),
            Reason::UnexpectedResponse => types::Reason::UnexpectedResponse,
            Reason::TooLarge => types::Reason::TooLarge,
            Reason::AuthRejected => types::Reason::AuthRejected,
            Reason::TlsNotOffered => types::Reason::TlsNotOffered,
            Reason::AssertionFailed => types::Reason::AssertionFailed,
            Reason::SettingsInvalid => types::Reason::SettingsInvalid,
            Reason::Own(name) => types::Reason::Own(name),
        };
        Self {
            reason,
            message: failure.message,
        }
    }
}

fn sentence(error: &CallError) -> String {
    match error {
        CallError::DeadlineExceeded => "the deadline has passed".into(),
        CallError::OverQuota(which) => format!("the run is over its limit of {which}"),
        CallError::CapabilityDisabled(name) => format!("the capability `{name}` is disabled"),
        CallError::GrantDenied(text)
        | CallError::NameNotFound(text)
        | CallError::NameServerFailure(text)
        | CallError::NoAddress(text)
        | CallError::Invalid(text)
        | CallError::SecretMissing(text)
        | CallError::Other(text)
        | CallError::Tls(TlsFailure { message: text, .. }) => text.clone(),
        CallError::ConnectionRefused => "connection refused".into(),
        CallError::NetworkUnreachable => "network unreachable".into(),
        CallError::HostUnreachable => "host unreachable".into(),
        CallError::ConnectionReset => "the peer reset the connection".into(),
        CallError::ConnectionClosed => "the peer closed the connection".into(),
    }
}
