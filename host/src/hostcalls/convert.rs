//! The words of the contract, the network and the report turned into one another. Pure.

use super::Access;
use crate::bindings::bedcheck::plugin::types::{CallError, Failure, Reason, TlsFailure, TlsProblem};
use crate::connection;
use crate::outcome::{DeadlineWhile, ErrorReport, ErrorType, MAX_OWN_TYPE, Outcome};
use crate::phase::Timeline;
use crate::redactor::{REDACTED_NAME, Redactor};
use crate::text::told;

/// How much of a plugin's word a message repeats, in bytes.
const MAX_QUOTED: usize = 80;

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

/// What the guest was refused in words that its operator is to blame for: it may say the same of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refused {
    grant: bool,
    capability: bool,
    secret: bool,
}

impl Refused {
    /// Notes what the guest is told.
    pub(super) fn note(&mut self, error: &CallError) {
        match error {
            CallError::GrantDenied(_) => self.grant = true,
            CallError::CapabilityDisabled(_) => self.capability = true,
            CallError::SecretMissing(_) => self.secret = true,
            _ => {}
        }
    }

    /// Whether nothing was refused so.
    fn lacks(self, error: &CallError) -> bool {
        match error {
            CallError::GrantDenied(_) => !self.grant,
            CallError::CapabilityDisabled(_) => !self.capability,
            CallError::SecretMissing(_) => !self.secret,
            _ => false,
        }
    }
}

/// What the host knows of an attempt, against which a plugin's words are held.
pub struct Known<'k> {
    /// What the check may do.
    pub access: &'k Access,
    /// Strikes out the secrets of the run.
    pub redactor: &'k Redactor,
    /// The phases so far.
    pub timeline: &'k Timeline,
    /// What was refused to the plugin.
    pub refused: Refused,
    /// What the run was doing when its deadline passed, if it has.
    pub hit: Option<DeadlineWhile>,
}

impl Known<'_> {
    /// What a plugin says went wrong, as the report shows it. Once the deadline was hit, nothing that the plugin learns
    /// is held against the target any more. A plugin that says what it cannot know is at fault.
    pub fn error_of(&self, failure: &Failure) -> ErrorReport {
        let said = self.error_type_of(&failure.reason);
        let is_of_deadline = matches!(said, ErrorType::DeadlineExceeded(_));
        let (error_type, why) = match (self.hit, self.broken_rule(&failure.reason)) {
            (Some(doing), _) if !is_of_deadline && said.outcome() == Outcome::Fail => {
                let why = "the deadline had passed when the plugin said so".to_owned();
                (ErrorType::DeadlineExceeded(doing), Some(why))
            }
            (_, Some(rule)) => (ErrorType::PluginInvalid, Some(rule)),
            (_, None) => (said, None),
        };
        let message = match why {
            Some(why) if failure.message.is_empty() => why,
            Some(why) => format!("{why}: {}", failure.message),
            None => failure.message.clone(),
        };
        ErrorReport {
            error_type,
            message,
            phase: None,
            injected: false,
        }
    }

    fn error_type_of(&self, reason: &Reason) -> ErrorType {
        match reason {
            Reason::Call(error) => error_type_of_call(error, self.hit.unwrap_or(DeadlineWhile::Computing)),
            Reason::Own(name) => {
                // One that is longer is none, and no more of it is shown.
                let name = &name[..name.floor_char_boundary(MAX_OWN_TYPE.max(MAX_QUOTED) + 1)];
                ErrorType::Own(match self.redactor.finds_in_name(name) {
                    true => format!("{}.{REDACTED_NAME}", self.access.plugin),
                    false => name.to_owned(),
                })
            }
            Reason::UnexpectedResponse => ErrorType::ProtocolUnexpectedResponse,
            Reason::TooLarge => ErrorType::ProtocolTooLarge,
            Reason::AuthRejected => ErrorType::AuthRejected,
            Reason::TlsNotOffered => ErrorType::TlsNotOffered,
            Reason::AssertionFailed => ErrorType::AssertionFailed,
            Reason::SettingsInvalid => ErrorType::SettingsInvalid,
        }
    }

    /// The rule of the contract that a plugin breaks which says so.
    fn broken_rule(&self, reason: &Reason) -> Option<String> {
        let said = self.error_type_of(reason);
        match reason {
            Reason::Call(CallError::DeadlineExceeded) if self.hit.is_none() => {
                Some("the plugin says that the deadline has passed, and it has not".into())
            }
            Reason::Own(name) if !ErrorType::is_own(&self.access.plugin, name) => Some(format!(
                "the plugin has no error type `{}`; its own begin with `{}.` and have up to {MAX_OWN_TYPE} lower case \
                 letters, digits, `.` and `_` in all",
                told(said.as_str(), MAX_QUOTED),
                self.access.plugin
            )),
            Reason::Call(error) if self.refused.lacks(error) => Some(format!(
                "the plugin says `{}`, and no call of it was refused for that",
                said.as_str()
            )),
            reason if is_of_network(reason) && !self.timeline.has_reached_out() => Some(format!(
                "the plugin says `{}`, and has not used the network",
                said.as_str()
            )),
            _ => None,
        }
    }
}

/// Whether it takes a peer, or the way to one, to learn so.
fn is_of_network(reason: &Reason) -> bool {
    match reason {
        Reason::Call(error) => is_call_of_network(error),
        Reason::UnexpectedResponse | Reason::TooLarge | Reason::AuthRejected | Reason::TlsNotOffered => true,
        Reason::Own(_) | Reason::AssertionFailed | Reason::SettingsInvalid => false,
    }
}

fn is_call_of_network(error: &CallError) -> bool {
    match error {
        CallError::NameNotFound(_)
        | CallError::NameServerFailure(_)
        | CallError::NoAddress(_)
        | CallError::ConnectionRefused
        | CallError::NetworkUnreachable
        | CallError::HostUnreachable
        | CallError::ConnectionReset
        | CallError::ConnectionClosed
        | CallError::Tls(_)
        | CallError::Other(_) => true,
        CallError::DeadlineExceeded
        | CallError::OverQuota(_)
        | CallError::CapabilityDisabled(_)
        | CallError::GrantDenied(_)
        | CallError::Invalid(_)
        | CallError::SecretMissing(_) => false,
    }
}
