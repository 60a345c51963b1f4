//! Phases: their names, how they end, and the timeline of an attempt. Pure: moments are given, as offsets
//! from the start of the run.

mod timeline;

use serde::{Deserialize, Serialize};

pub use timeline::{Refusal, Timeline};

use crate::outcome::ErrorType;

/// How many phases a plugin may declare.
pub const MAX_DECLARED: usize = 32;
/// How many phases a run may plan: enough for a long list of mailboxes.
pub const MAX_PLANNED: usize = 64;
/// How many phases a run may go through: enough for 20 redirects of 5 phases beside a full plan.
pub const MAX_PHASES: usize = 192;
/// The longest detail that is kept, in bytes.
pub const MAX_DETAIL: usize = 256;

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseStatus {
    /// Well.
    Ok,
    /// With an error of the target or the network.
    Failed,
    /// The run's deadline passed in it, or had passed before.
    DeadlineExceeded,
    /// A grant or a capability was missing.
    Denied,
    /// The run ended, or another phase began, while it was open.
    Interrupted,
    /// It was declared and never begun.
    NotReached,
}

impl PhaseStatus {
    /// The word used in reports, labels and attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Denied => "denied",
            Self::Interrupted => "interrupted",
            Self::NotReached => "not-reached",
        }
    }

    pub(in crate::phase) fn of_error(error: &ErrorType) -> Self {
        match error {
            ErrorType::DeadlineExceeded(_) => Self::DeadlineExceeded,
            ErrorType::GrantDenied | ErrorType::CapabilityDisabled => Self::Denied,
            _ => Self::Failed,
        }
    }
}

/// A phase that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// One of the declared names.
    pub name: String,
    /// Which one, where several have the name.
    pub detail: Option<String>,
}

/// The phases the host opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPhase {
    /// Name resolution.
    Resolve,
    /// Dialling.
    Connect,
    /// The TLS handshake.
    Tls,
}

impl HostPhase {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
        }
    }

    /// The phase of this name, if the host opens it.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Resolve, Self::Connect, Self::Tls]
            .into_iter()
            .find(|phase| phase.as_str() == name)
    }

    /// Whether the host opens phases of this name.
    pub fn is_name(name: &str) -> bool {
        Self::of_name(name).is_some()
    }
}
