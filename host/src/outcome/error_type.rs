//! The closed list of error types, and whose fault each is. Pure.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The target does what the check expects.
    Pass,
    /// The target, or the way to it, does not. The only outcome to page the target's owners for.
    Fail,
    /// Nothing can be said about the target: plugin, configuration or runner are at fault.
    Error,
    /// Not run: the breaker is open, the previous run is still going, the runner is stopping.
    Skipped,
}

impl Outcome {
    /// The word used in reports, labels and attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose fault it is that a run did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The service that is checked.
    Target,
    /// Name resolution or routing on the way to it.
    Network,
    /// The plugin: a trap, a loop, hoarded memory.
    Plugin,
    /// The check's configuration: settings, grants, secrets.
    Config,
    /// bedcheck itself.
    Runner,
}

impl Blame {
    /// The word used in reports, labels and attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Network => "network",
            Self::Plugin => "plugin",
            Self::Config => "config",
            Self::Runner => "runner",
        }
    }

    /// The outcome of a run that ended with an error of this blame.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Target | Self::Network => Outcome::Fail,
            Self::Plugin | Self::Config | Self::Runner => Outcome::Error,
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the run was doing when its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadlineWhile {
    /// Waiting for the target, in a host call: the target is to blame.
    Waiting,
    /// Waiting for the name servers: the network is to blame, the target was not even asked.
    Resolving,
    /// Computing or sleeping: the plugin is to blame.
    Computing,
}

macro_rules! error_types {
    ($($(#[$doc:meta])* $variant:ident = $text:literal blames $blame:ident;)*) => {
        /// `error.type`: a closed list, with the blame each implies. Plugins can add types of their
        /// own under their own name only.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorType {
            /// `deadline_exceeded`: the run's one deadline passed.
            DeadlineExceeded(DeadlineWhile),
            $($(#[$doc])* $variant,)*
            /// A plugin's own type, `PLUGIN.WORD`; blames the target.
            Own(String),
        }

        impl ErrorType {
            /// Every type of the list but `deadline_exceeded`, whose blame depends on what was done.
            pub const NAMED: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in reports, labels and attributes.
            pub fn as_str(&self) -> &str {
                match self {
                    Self::DeadlineExceeded(_) => "deadline_exceeded",
                    $(Self::$variant => $text,)*
                    Self::Own(name) => name,
                }
            }

            /// Whose fault an error of this type is.
            pub fn blame(&self) -> Blame {
                match self {
                    Self::DeadlineExceeded(DeadlineWhile::Waiting) => Blame::Target,
                    Self::DeadlineExceeded(DeadlineWhile::Resolving) => Blame::Network,
                    Self::DeadlineExceeded(DeadlineWhile::Computing) => Blame::Plugin,
                    $(Self::$variant => Blame::$blame,)*
                    Self::Own(_) => Blame::Target,
                }
            }
        }
    };
}

error_types! {
    /// Nobody listens on the port.
    ConnectionRefused = "connection_refused" blames Target;
    /// The peer reset the connection.
    ConnectionReset = "connection_reset" blames Target;
    /// The peer closed the connection where more was expected.
    ConnectionClosed = "connection_closed" blames Target;
    /// The TLS handshake failed.
    TlsHandshake = "tls.handshake" blames Target;
    /// The certificate is not trusted, revoked, malformed or not meant for servers.
    TlsCertificateInvalid = "tls.certificate_invalid" blames Target;
    /// The certificate is past its last day, or not valid yet.
    TlsCertificateExpired = "tls.certificate_expired" blames Target;
    /// The certificate is for other names.
    TlsNameMismatch = "tls.name_mismatch" blames Target;
    /// TLS was asked for and the peer does not offer it.
    TlsNotOffered = "tls.not_offered" blames Target;
    /// The peer broke its protocol or refused a command.
    ProtocolUnexpectedResponse = "protocol.unexpected_response" blames Target;
    /// The peer sent more than is accepted.
    ProtocolTooLarge = "protocol.too_large" blames Target;
    /// The credentials were refused.
    AuthRejected = "auth.rejected" blames Target;
    /// The peer answered, and not what the check expects.
    AssertionFailed = "assertion_failed" blames Target;
    /// The name does not exist.
    DnsNotFound = "dns.not_found" blames Network;
    /// The name servers failed or refused to answer.
    DnsServerFailure = "dns.server_failure" blames Network;
    /// The name has no address.
    DnsNoAddress = "dns.no_address" blames Network;
    /// No route to the network.
    NetworkUnreachable = "network_unreachable" blames Network;
    /// No route to the host.
    HostUnreachable = "host_unreachable" blames Network;
    /// The check does not grant what the plugin dialled.
    GrantDenied = "grant_denied" blames Config;
    /// The capability is switched off.
    CapabilityDisabled = "capability_disabled" blames Config;
    /// The settings cannot be used.
    SettingsInvalid = "settings_invalid" blames Config;
    /// There is no such secret, or it could not be read.
    SecretMissing = "secret_missing" blames Config;
    /// The plugin used up its fuel.
    FuelExhausted = "fuel_exhausted" blames Plugin;
    /// The plugin asked for more memory than its budget has.
    MemoryLimit = "memory_limit" blames Plugin;
    /// The plugin made more host calls, or moved more bytes, than its budget has.
    HostCallLimit = "host_call_limit" blames Plugin;
    /// The plugin trapped: a panic, an access out of bounds, a stack overflow.
    PluginTrap = "plugin_trap" blames Plugin;
    /// The plugin broke the contract.
    PluginInvalid = "plugin_invalid" blames Plugin;
    /// The breaker is open; the check did not run.
    CircuitOpen = "circuit_open" blames Runner;
    /// The previous run of the check is still going.
    StillRunning = "still_running" blames Runner;
    /// The runner was told to stop.
    Cancelled = "cancelled" blames Runner;
    /// None of the others.
    Other = "_OTHER" blames Runner;
}

/// The longest word of a plugin's own error type.
pub const MAX_OWN_TYPE: usize = 64;

impl ErrorType {
    /// Whether `name` is one that a plugin may give to an error of its own: `PLUGIN.word`, in lower case letters,
    /// digits, dots and underscores, and none of the closed list, where a plugin `tls` would find names of its own.
    pub fn is_own(plugin: &str, name: &str) -> bool {
        let word = name.strip_prefix(plugin).and_then(|rest| rest.strip_prefix('.'));
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
        name.len() <= MAX_OWN_TYPE
            && word.is_some_and(|word| !word.is_empty() && word.chars().all(allowed))
            && !Self::NAMED.iter().any(|named| named.as_str() == name)
    }

    /// The outcome of a run that ended with this error.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::CircuitOpen | Self::StillRunning | Self::Cancelled => Outcome::Skipped,
            other => other.blame().outcome(),
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_blames_the_target_only_while_it_is_waited_for() {
        let waiting = ErrorType::DeadlineExceeded(DeadlineWhile::Waiting);
        let computing = ErrorType::DeadlineExceeded(DeadlineWhile::Computing);
        assert_eq!(
            (waiting.as_str(), waiting.outcome()),
            ("deadline_exceeded", Outcome::Fail)
        );
        assert_eq!(
            (computing.as_str(), computing.outcome()),
            ("deadline_exceeded", Outcome::Error)
        );
    }

    #[test]
    fn what_the_runner_decides_not_to_run_is_skipped() {
        for skipped in [
            ErrorType::CircuitOpen,
            ErrorType::StillRunning,
            ErrorType::Cancelled,
        ] {
            assert_eq!(skipped.outcome(), Outcome::Skipped);
        }
        assert_eq!(ErrorType::Other.outcome(), Outcome::Error);
    }

    #[test]
    fn a_plugin_has_error_types_of_its_own_name_only() {
        assert!(ErrorType::is_own("imap", "imap.over_quota"));
        for foreign in [
            "imap",
            "imap.",
            "http.over_quota",
            "imapx.over",
            "imap.Over Quota",
        ] {
            assert!(!ErrorType::is_own("imap", foreign), "{foreign}");
        }
        // A plugin may be called like what names of the closed list begin with.
        assert!(ErrorType::is_own("dns", "dns.lame_delegation"));
        for named in ErrorType::NAMED {
            let plugin = named.as_str().split('.').next().unwrap_or_default();
            assert!(!ErrorType::is_own(plugin, named.as_str()), "{named}");
        }
    }
}
