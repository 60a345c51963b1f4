//! The host calls by name, as faults address them and reports tell them. Pure.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::words::{alternatives, nearest, quoted};

macro_rules! host_calls {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A thing that a guest can ask of the host, named `INTERFACE.FUNCTION` after the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum HostCall {
            $($(#[$doc])* $variant,)*
        }

        impl HostCall {
            /// Every host call, in the order of the contract's interfaces.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Its name in faults, reports and messages.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

host_calls! {
    /// To resolve a name and to connect.
    NetConnect = "net.connect";
    /// To negotiate TLS on a connection.
    NetStartTls = "net.start-tls";
    /// To wait for bytes.
    NetRead = "net.read";
    /// To write bytes, or bytes and secrets (`send`).
    NetWrite = "net.write";
    /// To close a connection.
    NetClose = "net.close";
    /// To resolve a name and to make a socket for datagrams.
    NetConnectDatagram = "net.connect-datagram";
    /// To send a datagram.
    NetSendDatagram = "net.send-datagram";
    /// To wait for a datagram.
    NetReceiveDatagram = "net.receive-datagram";
    /// To ask who the peer is.
    NetPeerAddress = "net.peer-address";
    /// To open a secret by its name.
    SecretsOpen = "secrets.open";
    /// To ask how long a secret is.
    SecretsLength = "secrets.length";
    /// To say which phases will come.
    PhasesPlan = "phases.plan";
    /// To begin a phase.
    PhasesBegin = "phases.begin";
    /// To end a phase well.
    PhasesSucceed = "phases.succeed";
    /// To end a phase with a failure.
    PhasesFail = "phases.fail";
    /// To keep a measurement.
    MeasurementsPut = "measurements.put";
    /// To add a line to the log.
    LogWrite = "log.write";
    /// To ask how much time is left.
    BudgetRemaining = "budget.remaining";
    /// To ask whether the deadline has passed.
    BudgetDeadlineExceeded = "budget.deadline-exceeded";
    /// To ask whether a capability is enabled.
    CapabilitiesEnabled = "capabilities.enabled";
    /// To ask for what a peer is to be told of the trace.
    TraceParent = "trace.parent";
    /// To say what a phase does.
    TraceDescribe = "trace.describe";
    /// To sleep, or to wait for what WASI offers to wait for.
    Poll = "poll";
}

impl HostCall {
    /// Whether the call reaches out to the network: these stop at the deadline, and these are meant by
    /// a fault that names a phase and no call.
    pub fn is_network(self) -> bool {
        matches!(
            self,
            Self::NetConnect | Self::NetStartTls | Self::NetRead | Self::NetWrite | Self::NetClose
        ) || self.is_datagram()
    }

    /// Whether it is one of the network calls that belong to datagrams.
    pub(super) fn is_datagram(self) -> bool {
        matches!(
            self,
            Self::NetConnectDatagram | Self::NetSendDatagram | Self::NetReceiveDatagram
        )
    }

    /// Whether it looks a name up and dials, in the phases `resolve` and `connect`.
    pub fn dials(self) -> bool {
        matches!(self, Self::NetConnect | Self::NetConnectDatagram)
    }

    /// Whether the call can answer an error of the contract at all.
    pub(super) fn can_fail(self) -> bool {
        self.is_network()
            || matches!(
                self,
                Self::SecretsOpen
                    | Self::PhasesPlan
                    | Self::PhasesBegin
                    | Self::PhasesSucceed
                    | Self::PhasesFail
                    | Self::MeasurementsPut
                    | Self::TraceDescribe
            )
    }
}

impl Display for HostCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A name that no host call has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownHostCall(String);

impl FromStr for HostCall {
    type Err = UnknownHostCall;

    fn from_str(name: &str) -> Result<Self, UnknownHostCall> {
        if let Some(call) = Self::ALL.into_iter().find(|call| call.as_str() == name) {
            return Ok(call);
        }
        let names = Self::ALL.map(Self::as_str);
        let found = quoted(name);
        Err(UnknownHostCall(match nearest(name, names) {
            Some(near) => format!("found {found}, did you mean the host call `{near}`?"),
            None => format!("found {found}, wanted a host call: {}", alternatives(names)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_call_is_found_by_its_name() {
        for call in HostCall::ALL {
            assert_eq!(call.as_str().parse(), Ok(call));
        }
    }

    #[test]
    fn who_errs_is_told_the_nearest_call_or_all_of_them() {
        let error = |name: &str| name.parse::<HostCall>().unwrap_err().to_string();
        assert_eq!(
            error("net.raed"),
            "found `net.raed`, did you mean the host call `net.read`?"
        );
        let far = error("filesystem.open");
        assert!(
            far.starts_with("found `filesystem.open`, wanted a host call: `net.connect`, "),
            "{far}"
        );
        assert!(far.ends_with(" or `poll`"), "{far}");
    }
}
