//! Tests of a plugin from `cargo test`, in the author's own crate: the plugin is built as it will be used, and
//! rehearsed against a scripted server, with faults, under a deadline, in virtual time and without a network.
//!
//! ```no_run
//! use std::time::Duration;
//! use bedcheck_sdk::test::{Error, Plugin, Server, Settings, json};
//!
//! # fn example() -> Result<(), Error> {
//! let settings = json!({"host": "mail.example.org", "port": 25});
//! let server = Server::new("mail.example.org").on_connect(|peer| {
//!     peer.send("220 ready\r\n").expect("EHLO {name}\r\n").stall(Duration::from_secs(3)).send("250 hello {name}\r\n")
//! });
//! let rehearsal = Plugin::build()?.rehearse(settings).server(server);
//!
//! // It passes, and the three seconds took no time.
//! let run = rehearsal.run()?;
//! run.assert_pass();
//! run.phase("ehlo").assert_ok();
//!
//! // The deadline passes while the server stalls.
//! let run = rehearsal.clone().deadline(Duration::from_secs(2)).run()?;
//! run.assert_fail("deadline_exceeded");
//! run.phase("greeting").assert_ok();
//! run.phase("ehlo").assert_deadline_exceeded();
//!
//! // The connection is reset at the first read.
//! let run = rehearsal.clone().fault("net.read#1=connection-reset").run()?;
//! run.assert_fail("connection_reset");
//! run.phase("greeting").assert_failed();
//!
//! // Everything that can fail, at every host call of the good run.
//! rehearsal.sweep()?.assert_clean();
//! # Ok(())
//! # }
//! ```
//!
//! A [`Plugin`] is built once in a test process. Its [`Rehearsal`] is run by the program `bedcheck`
//! (`bedcheck plugin test`), which is looked for in `PATH`, or where the environment variable `BEDCHECK` says: what
//! a deadline, a phase and a fault are is decided in one place only, and there it is the same as for a check of a
//! real service. A failed assertion shows the timeline of the run and the command that repeats it.

mod plugin;
mod program;
mod rehearsal;
mod run;
mod scratch;
mod server;
mod sweep;
mod toml;

use std::fmt;

pub use plugin::Plugin;
pub use rehearsal::{Rehearsal, Settings};
pub use run::{ErrorReport, Injected, LogLine, Measurement, Outcome, Phase, PhaseOf, Run, Status};
pub use serde_json::{Value, json};
pub use server::{Peer, Server, Tls};
pub use sweep::{Case, Sweep};

/// Why a plugin could not be rehearsed at all, as a sentence. What a rehearsal finds is no error: see [`Run`] and
/// [`Sweep`].
///
/// Its `Debug` form is the sentence too, because that is what a test shows that returns it.
#[derive(Clone)]
pub struct Error(String);

impl Error {
    fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for Error {}
