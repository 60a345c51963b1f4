//! What the operating system tells the daemon: TERM and INT ask it to end, HUP to load its configuration again.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals the daemon listens to, from when this was made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To end: TERM or INT.
    End,
    /// To load the configuration again: HUP.
    Reload,
}

impl Signals {
    /// Listens from now on, instead of the process being ended.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            Some(()) = self.terminate.recv() => Wish::End,
            Some(()) = self.interrupt.recv() => Wish::End,
            Some(()) = self.hang_up.recv() => Wish::Reload,
            else => std::future::pending().await,
        }
    }
}
