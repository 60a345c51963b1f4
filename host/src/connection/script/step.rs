//! What a scripted peer does, step by step. Data only.

use std::time::Duration;

use super::counted;
use super::pattern::{Pattern, Template, quoted};
use crate::connection::{Certificate, Error, TlsInfo};

/// One step of a peer. Steps are taken in order; each waits until the one before is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Waits until what was written fits the pattern, and takes what fits. What can no longer come to fit is
    /// off the script.
    Expect(Pattern),
    /// Takes everything up to these bytes and including them. Not empty.
    ExpectUntil(Vec<u8>),
    /// Takes that many bytes, at least 1.
    ExpectBytes(usize),
    /// Takes that many bytes; or whatever was written by the time the plugin reads, if that is less, but not
    /// nothing. For recorded dialogues, of which only the lengths are known.
    Heard(usize),
    /// Sends these bytes. They are never read together with those of another step.
    Send(Vec<u8>),
    /// Sends a text with captures in it.
    SendText(Template),
    /// Lets that much time pass.
    Stall(Duration),
    /// Answers a TLS handshake; there is no cryptography in it.
    StartTls(Box<TlsAnswer>),
    /// Ends the stream. The last step.
    HangUp,
    /// Resets the connection. The last step.
    Reset,
    /// Neither sends nor closes, whatever is written. The last step.
    Silence,
}

/// What becomes of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsAnswer {
    /// The session, or why there is none.
    pub result: Result<TlsInfo, Error>,
    /// The certificate that the peer shows, also in a handshake that fails.
    pub certificate: Option<Certificate>,
}

impl Step {
    /// Whether the peer waits for the plugin to write.
    pub(super) fn listens(&self) -> bool {
        matches!(
            self,
            Self::Expect(_) | Self::ExpectUntil(_) | Self::ExpectBytes(_) | Self::Heard(_)
        )
    }

    /// Whether what comes after it can be reached by leaving it out.
    pub(super) fn can_be_left_out(&self) -> bool {
        !matches!(
            self,
            Self::StartTls(_) | Self::HangUp | Self::Reset | Self::Silence
        )
    }

    /// What the peer wants at this step, in a message.
    pub(super) fn wanted(&self) -> String {
        match self {
            Self::Expect(pattern) => quoted(pattern.as_str().as_bytes()),
            Self::ExpectUntil(end) => format!("anything up to {}", quoted(end)),
            Self::ExpectBytes(count) | Self::Heard(count) => counted(*count, "byte"),
            Self::Send(_) | Self::SendText(_) | Self::Stall(_) => "to be read".to_owned(),
            Self::StartTls(_) => "a TLS handshake".to_owned(),
            Self::HangUp | Self::Reset | Self::Silence => "nothing more".to_owned(),
        }
    }
}
