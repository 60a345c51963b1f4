//! The servers that everything is measured against, in a process of their own, so that what they cost is not counted
//! for anybody. All of them are on loopback and answer at once, or never.

mod files;
mod http;
mod imap;
mod serve;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use files::allow_many_files;
pub use serve::serve;

use crate::cpu;

/// The user that the IMAP server lets in.
pub const USER: &str = "bench";
/// That user's password.
pub const PASSWORD: &str = "an-open-secret";
/// The subcommand that is the servers' process.
pub const SUBCOMMAND: &str = "serve-target";

/// Where the servers listen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Addresses {
    /// HTTP/1.1: `/` answers with three bytes, `/bytes/N` with so many (up to 16 MiB), everything else with 404.
    pub http: SocketAddr,
    /// The same over TLS; the certificate is for `127.0.0.1` and `localhost`.
    pub https: SocketAddr,
    /// IMAP4rev1: [`USER`] with [`PASSWORD`], by `AUTHENTICATE PLAIN`, and any mailbox, which has three messages.
    pub imap: SocketAddr,
    /// The same over TLS from the first byte.
    pub imaps: SocketAddr,
    /// Accepts connections and never says anything.
    pub silent: SocketAddr,
    /// The authority of the certificates, PEM.
    pub authority: PathBuf,
}

/// The running servers. Dropping this ends them.
#[derive(Debug)]
pub struct Target {
    child: Child,
    addresses: Addresses,
}

impl Target {
    /// Starts the servers and waits until they listen.
    ///
    /// # Errors
    ///
    /// A sentence when they cannot be started.
    pub fn start() -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
        let mut child = Command::new(own)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the servers of the benchmark cannot be started: {error}"))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            // Nothing else is ever written there.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match serde_json::from_str(&line) {
            Ok(addresses) => Ok(Self { child, addresses }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the servers of the benchmark did not start".into())
            }
        }
    }

    /// Where they listen.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The CPU time they have used, in hundredths of a second.
    ///
    /// # Errors
    ///
    /// A sentence when they have ended.
    pub fn cpu(&self) -> Result<Duration, String> {
        cpu::of(self.child.id())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // They end with their input, also when this process is killed.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
