//! Which failures are alike, and what a report shows of each. Pure.

use crate::fault::{FaultKind, HostCall, InjectedError};

/// Failures after which a plugin has no reason to go one way rather than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// There is no connection, or it is of no use any more.
    Broken,
    /// TLS could not be established.
    Tls,
    /// The host refuses a single call; a connection works as before.
    Refused,
}

impl Family {
    /// The one of an error; the deadline has none.
    pub(super) fn of(error: InjectedError) -> Option<Self> {
        match error {
            InjectedError::DeadlineExceeded => None,
            InjectedError::OverQuota
            | InjectedError::CapabilityDisabled
            | InjectedError::GrantDenied
            | InjectedError::Invalid
            | InjectedError::SecretMissing => Some(Self::Refused),
            InjectedError::TlsHandshake
            | InjectedError::CertificateInvalid
            | InjectedError::CertificateExpired
            | InjectedError::NameMismatch => Some(Self::Tls),
            InjectedError::NameNotFound
            | InjectedError::NameServerFailure
            | InjectedError::NoAddress
            | InjectedError::ConnectionRefused
            | InjectedError::NetworkUnreachable
            | InjectedError::HostUnreachable
            | InjectedError::ConnectionReset
            | InjectedError::ConnectionClosed
            | InjectedError::Other => Some(Self::Broken),
        }
    }

    /// In the words of a problem.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "break the connection",
            Self::Tls => "keep TLS from being established",
            Self::Refused => "refuse a single call",
        }
    }
}

/// Calls without which a check cannot have done what it is for.
pub(super) fn is_vital(call: HostCall) -> bool {
    matches!(
        call,
        HostCall::NetConnect
            | HostCall::NetStartTls
            | HostCall::NetRead
            | HostCall::NetWrite
            | HostCall::NetConnectDatagram
            | HostCall::NetSendDatagram
            | HostCall::NetReceiveDatagram
            | HostCall::SecretsOpen
    )
}

/// Whether nothing more can come over the connection, though there is time.
pub(super) fn is_broken(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Error(error) => {
            matches!(Family::of(*error), Some(Family::Broken | Family::Tls))
        }
        FaultKind::ResetAfter(_) => true,
        _ => false,
    }
}

/// Whether the connection is gone for good.
pub(super) fn is_lasting(kind: &FaultKind) -> bool {
    *kind == FaultKind::Error(InjectedError::DeadlineExceeded) || is_broken(kind)
}

/// The error types that a report may show for an injected error.
pub(super) fn types_of(error: InjectedError) -> &'static [&'static str] {
    match error {
        InjectedError::DeadlineExceeded => &["deadline_exceeded"],
        InjectedError::OverQuota => &["host_call_limit"],
        InjectedError::CapabilityDisabled => &["capability_disabled"],
        InjectedError::GrantDenied => &["grant_denied"],
        InjectedError::NameNotFound => &["dns.not_found"],
        InjectedError::NameServerFailure => &["dns.server_failure"],
        InjectedError::NoAddress => &["dns.no_address"],
        InjectedError::ConnectionRefused => &["connection_refused"],
        InjectedError::NetworkUnreachable => &["network_unreachable"],
        InjectedError::HostUnreachable => &["host_unreachable"],
        InjectedError::ConnectionReset => &["connection_reset"],
        InjectedError::ConnectionClosed => &["connection_closed"],
        InjectedError::TlsHandshake => &["tls.handshake"],
        InjectedError::CertificateInvalid => &["tls.certificate_invalid"],
        InjectedError::CertificateExpired => &["tls.certificate_expired"],
        InjectedError::NameMismatch => &["tls.name_mismatch"],
        InjectedError::Invalid => &["plugin_invalid"],
        InjectedError::SecretMissing => &["secret_missing"],
        InjectedError::Other => &["_OTHER"],
    }
}
