//! The daemon `bedcheck serve`: it runs each check at its interval, takes up new plugins and a new configuration while
//! it runs, tells over HTTP, in its log and over OpenTelemetry what it found, and sees to it that it does so for
//! months. When and whether a run starts is decided in [`schedule`](crate::schedule), what a run is in
//! [`runner`](crate::runner).
//!
//! ```text
//! file, plugin folder -> changes -> generation
//!                                       |
//! signals, HTTP -----> wishes ----> daemon: schedule -> run -> publisher: journal, board, log, heartbeats
//!                                       ^
//! supervise: watches all tasks          stage: serving, draining, cancelling
//! ```

mod accept;
mod aside;
pub mod board;
mod changes;
mod control;
mod daemon;
mod file_watch;
mod generation;
pub mod heartbeat;
mod held_up;
pub mod http;
pub mod incidents;
mod keeping;
pub mod logs;
pub mod notify;
mod outbound;
pub mod probe;
mod publisher;
pub mod sentry;
mod shutdown;
mod signals;
mod stage;
mod start;
mod states;
pub mod supervise;
mod takeover;
#[cfg(test)]
mod testing;
pub mod watching;

pub use incidents::unexpected;
pub use outbound::{Outbound, OutboundError};
pub use start::{serve, verify};
pub use supervise::EXIT_FAILED;

/// How a daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to, by TERM or INT.
    Asked,
    /// It never began.
    Refused(Hindrance),
    /// Something of its own failed: what.
    Failed(String),
}

/// What keeps a daemon from beginning, or a configuration from being taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// Everything that is wrong.
    pub sentences: String,
    /// Whether it may be over later though nobody mends anything: that is no bad configuration.
    pub may_pass: bool,
}

impl Hindrance {
    fn passing(sentence: impl Into<String>) -> Self {
        Self {
            sentences: sentence.into(),
            may_pass: true,
        }
    }

    fn no_thread(error: std::io::Error) -> Self {
        Self::passing(format!("no thread can be started: {error}"))
    }
}

impl From<String> for Hindrance {
    /// What is wrong with the configuration, or with what it asks for.
    fn from(sentences: String) -> Self {
        Self {
            sentences,
            may_pass: false,
        }
    }
}
