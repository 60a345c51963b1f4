//! What can be injected, and where: the closed table of kinds and host calls. Pure.

use std::fmt::{self, Display};
use std::time::Duration;

use super::HostCall;
use crate::phase::HostPhase;
use crate::units::{show_duration, show_size};

/// What happens at a host call instead of, or before, what would have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The call fails with an error of the contract; nothing is sent.
    Error(InjectedError),
    /// `delay 3s`: the call waits, no longer than to the deadline, and then goes on.
    Delay(Duration),
    /// `drip 10ms`: a read waits that long, and then gives one byte.
    Drip(Duration),
    /// `reset-after 100B`: from this call on, the connection carries that many bytes more in the
    /// direction of the call, and is then reset. At least 1 byte.
    ResetAfter(u64),
    /// `truncate 100B`: from this read on, the peer sends that many bytes more and then ends the stream.
    Truncate(u64),
    /// `memory-pressure`: from this call on, the guest gets no more memory.
    MemoryPressure,
}

macro_rules! injected_errors {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(or $short:literal)?;)*) => {
        /// An error of the contract (`call-error` in `wit/types.wit`) that can be injected.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum InjectedError {
            $($(#[$doc])* $variant,)*
        }

        impl InjectedError {
            /// Every error, in the order of the contract.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Its name in the contract; those of TLS are its problems.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The shorter or more common word, if there is one.
            pub fn short(self) -> Option<&'static str> {
                match self {
                    $($(Self::$variant => Some($short),)?)*
                    _ => None,
                }
            }
        }
    };
}

injected_errors! {
    /// The deadline passes exactly there: this call, if it is one that stops at the deadline, and every
    /// later one of those fails with `deadline-exceeded`. A call that only reports or asks still works.
    DeadlineExceeded = "deadline-exceeded";
    /// A limit of the run is used up.
    OverQuota = "over-quota";
    /// The capability is switched off; `capabilities.enabled` answers that it is.
    CapabilityDisabled = "capability-disabled";
    /// The check does not grant what is dialled.
    GrantDenied = "grant-denied";
    /// The name does not exist.
    NameNotFound = "name-not-found" or "not-found";
    /// The name servers fail.
    NameServerFailure = "name-server-failure" or "server-failure";
    /// The name has no address.
    NoAddress = "no-address";
    /// Nobody listens.
    ConnectionRefused = "connection-refused" or "refused";
    /// No route to the network.
    NetworkUnreachable = "network-unreachable";
    /// No route to the host.
    HostUnreachable = "host-unreachable";
    /// The peer resets the connection.
    ConnectionReset = "connection-reset" or "reset";
    /// The peer closes the connection where more is expected.
    ConnectionClosed = "connection-closed" or "closed";
    /// The TLS handshake fails.
    TlsHandshake = "tls-handshake" or "handshake";
    /// The certificate is not to be trusted.
    CertificateInvalid = "certificate-invalid" or "wrong-certificate";
    /// The certificate has expired.
    CertificateExpired = "certificate-expired" or "expired-certificate";
    /// The certificate is for other names.
    NameMismatch = "name-mismatch";
    /// The host says that the plugin used the call wrongly.
    Invalid = "invalid";
    /// There is no such secret, or it cannot be read.
    SecretMissing = "secret-missing";
    /// Any other error of the network.
    Other = "other";
}

impl InjectedError {
    /// Whether name resolution fails with it.
    pub fn is_of_names(self) -> bool {
        matches!(
            self,
            Self::NameNotFound | Self::NameServerFailure | Self::NoAddress
        )
    }

    fn applies_to(self, call: HostCall) -> bool {
        use HostCall as Call;
        match self {
            Self::DeadlineExceeded => true,
            Self::OverQuota | Self::Invalid => call.can_fail(),
            Self::CapabilityDisabled => {
                call.is_network() || matches!(call, Call::SecretsOpen | Call::CapabilitiesEnabled)
            }
            Self::GrantDenied | Self::NameNotFound | Self::NameServerFailure | Self::NoAddress => {
                call.dials()
            }
            // A socket for datagrams is there before its peer is asked anything.
            Self::ConnectionRefused => matches!(
                call,
                Call::NetConnect | Call::NetSendDatagram | Call::NetReceiveDatagram
            ),
            Self::NetworkUnreachable | Self::HostUnreachable => call.is_network() && call != Call::NetClose,
            Self::Other => call.is_network(),
            Self::ConnectionReset => call.is_network() && !call.is_datagram(),
            Self::ConnectionClosed => call.is_network() && !call.is_datagram() && call != Call::NetConnect,
            Self::TlsHandshake | Self::CertificateInvalid | Self::CertificateExpired | Self::NameMismatch => {
                call == Call::NetStartTls
            }
            Self::SecretMissing => call == Call::SecretsOpen,
        }
    }
}

impl Display for InjectedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FaultKind {
    /// Whether the kind can happen at that call. The table is closed:
    ///
    /// | kind | host calls |
    /// | --- | --- |
    /// | `deadline-exceeded`, `memory-pressure` | all |
    /// | `over-quota`, `invalid` | all that can fail: `net.*` but `net.peer-address`, `secrets.open`, `phases.*`, `measurements.put` |
    /// | `capability-disabled` | the network calls, `secrets.open`, `capabilities.enabled` |
    /// | `grant-denied`, `name-not-found`, `name-server-failure`, `no-address` | `net.connect`, `net.connect-datagram` |
    /// | `connection-refused` | `net.connect`, `net.send-datagram`, `net.receive-datagram` |
    /// | `network-unreachable`, `host-unreachable` | the network calls but `net.close` |
    /// | `connection-reset` | the network calls of connections: `net.connect`, `net.start-tls`, `net.read`, `net.write`, `net.close` |
    /// | `connection-closed` | those but `net.connect` |
    /// | `other` | the network calls: those, `net.connect-datagram`, `net.send-datagram`, `net.receive-datagram` |
    /// | `tls-handshake`, `certificate-invalid`, `certificate-expired`, `name-mismatch` | `net.start-tls` |
    /// | `secret-missing` | `secrets.open` |
    /// | `delay` | the network calls, `poll` |
    /// | `drip`, `truncate` | `net.read` |
    /// | `reset-after` | `net.read`, `net.write` |
    pub fn applies_to(&self, call: HostCall) -> bool {
        match self {
            Self::Error(error) => error.applies_to(call),
            Self::Delay(_) => call.is_network() || call == HostCall::Poll,
            Self::Drip(_) | Self::Truncate(_) => call == HostCall::NetRead,
            Self::ResetAfter(_) => matches!(call, HostCall::NetRead | HostCall::NetWrite),
            Self::MemoryPressure => true,
        }
    }

    /// Whether the kind can happen at that step of a call. `net.connect` and `net.connect-datagram` have two,
    /// looking the name up and dialling; only errors of names belong to the first alone, and only what has nothing to do with a
    /// connection can happen in both. Every other call is one step.
    pub(super) fn fits_step(&self, step: HostPhase) -> bool {
        let of_names = matches!(self, Self::Error(error) if error.is_of_names());
        match step {
            HostPhase::Resolve => {
                let in_both = matches!(
                    self,
                    Self::Error(InjectedError::DeadlineExceeded | InjectedError::Other)
                        | Self::Delay(_)
                        | Self::MemoryPressure
                );
                of_names || in_both
            }
            HostPhase::Connect | HostPhase::Tls => !of_names,
        }
    }

    /// Whether it lasts from the call at which it begins: it begins once and not at every call.
    pub(super) fn lasts(&self) -> bool {
        matches!(
            self,
            Self::ResetAfter(_) | Self::Truncate(_) | Self::MemoryPressure
        )
    }
}

impl Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(formatter, "{error}"),
            Self::Delay(delay) => write!(formatter, "delay {}", show_duration(*delay)),
            Self::Drip(pause) => write!(formatter, "drip {}", show_duration(*pause)),
            Self::ResetAfter(bytes) => write!(formatter, "reset-after {}", show_size(*bytes)),
            Self::Truncate(bytes) => write!(formatter, "truncate {}", show_size(*bytes)),
            Self::MemoryPressure => formatter.write_str("memory-pressure"),
        }
    }
}

/// Everything that a sweep should try at a call: every kind that applies, with arguments that tell
/// something. The peer hangs up on the spot and in the middle of its first line; the pauses are such
/// that a run with the default deadline still passes.
pub fn kinds_for(call: HostCall) -> Vec<FaultKind> {
    let errors = InjectedError::ALL.into_iter().map(FaultKind::Error);
    let others = [
        FaultKind::Delay(Duration::from_secs(1)),
        FaultKind::Drip(Duration::from_millis(1)),
        FaultKind::ResetAfter(1),
        FaultKind::Truncate(0),
        FaultKind::Truncate(1),
        FaultKind::MemoryPressure,
    ];
    errors
        .chain(others)
        .filter(|kind| kind.applies_to(call))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation, written once more by call.
    #[test]
    fn every_call_has_the_kinds_of_the_table_and_no_others() {
        let shown = |call| {
            kinds_for(call)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let reporting = "deadline-exceeded, over-quota, invalid, memory-pressure";
        let asking = "deadline-exceeded, memory-pressure";
        for (call, kinds) in [
            (
                HostCall::NetConnect,
                "deadline-exceeded, over-quota, capability-disabled, grant-denied, name-not-found, \
                 name-server-failure, no-address, connection-refused, network-unreachable, \
                 host-unreachable, connection-reset, invalid, other, delay 1s, memory-pressure",
            ),
            (
                HostCall::NetStartTls,
                "deadline-exceeded, over-quota, capability-disabled, network-unreachable, \
                 host-unreachable, connection-reset, connection-closed, tls-handshake, \
                 certificate-invalid, certificate-expired, name-mismatch, invalid, other, delay 1s, \
                 memory-pressure",
            ),
            (
                HostCall::NetRead,
                "deadline-exceeded, over-quota, capability-disabled, network-unreachable, \
                 host-unreachable, connection-reset, connection-closed, invalid, other, delay 1s, drip 1ms, \
                 reset-after 1B, truncate 0B, truncate 1B, memory-pressure",
            ),
            (
                HostCall::NetWrite,
                "deadline-exceeded, over-quota, capability-disabled, network-unreachable, \
                 host-unreachable, connection-reset, connection-closed, invalid, other, delay 1s, \
                 reset-after 1B, memory-pressure",
            ),
            (
                HostCall::NetClose,
                "deadline-exceeded, over-quota, capability-disabled, connection-reset, connection-closed, \
                 invalid, other, delay 1s, memory-pressure",
            ),
            (
                HostCall::NetConnectDatagram,
                "deadline-exceeded, over-quota, capability-disabled, grant-denied, name-not-found, \
                 name-server-failure, no-address, network-unreachable, host-unreachable, invalid, other, \
                 delay 1s, memory-pressure",
            ),
            (
                HostCall::NetSendDatagram,
                "deadline-exceeded, over-quota, capability-disabled, connection-refused, \
                 network-unreachable, host-unreachable, invalid, other, delay 1s, memory-pressure",
            ),
            (
                HostCall::NetReceiveDatagram,
                "deadline-exceeded, over-quota, capability-disabled, connection-refused, \
                 network-unreachable, host-unreachable, invalid, other, delay 1s, memory-pressure",
            ),
            (HostCall::NetPeerAddress, asking),
            (
                HostCall::SecretsOpen,
                "deadline-exceeded, over-quota, capability-disabled, invalid, secret-missing, \
                 memory-pressure",
            ),
            (HostCall::SecretsLength, asking),
            (HostCall::PhasesPlan, reporting),
            (HostCall::PhasesBegin, reporting),
            (HostCall::PhasesSucceed, reporting),
            (HostCall::PhasesFail, reporting),
            (HostCall::MeasurementsPut, reporting),
            (HostCall::LogWrite, asking),
            (HostCall::BudgetRemaining, asking),
            (HostCall::BudgetDeadlineExceeded, asking),
            (
                HostCall::CapabilitiesEnabled,
                "deadline-exceeded, capability-disabled, memory-pressure",
            ),
            (HostCall::Poll, "deadline-exceeded, delay 1s, memory-pressure"),
        ] {
            assert_eq!(shown(call), kinds, "{call}");
        }
    }

    #[test]
    fn every_error_applies_somewhere() {
        for error in InjectedError::ALL {
            let applies = |call: &HostCall| FaultKind::Error(error).applies_to(*call);
            assert!(HostCall::ALL.iter().any(applies), "{error}");
        }
    }

    #[test]
    fn names_fail_while_they_are_looked_up_and_connections_while_they_are_dialled() {
        let refused = FaultKind::Error(InjectedError::ConnectionRefused);
        let not_found = FaultKind::Error(InjectedError::NameNotFound);
        let delay = FaultKind::Delay(Duration::from_secs(3));
        let steps = |kind: FaultKind| {
            (
                kind.fits_step(HostPhase::Resolve),
                kind.fits_step(HostPhase::Connect),
            )
        };
        assert_eq!(steps(refused), (false, true));
        assert_eq!(steps(not_found), (true, false));
        assert_eq!(steps(delay), (true, true));
    }
}
