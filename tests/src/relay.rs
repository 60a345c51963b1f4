//! A real OpenTelemetry Collector with a configuration that a test gives: what stands between the program and the
//! [`Collector`](crate::collector::Collector) that writes down what arrives. It may be killed and started again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::collector::running::{Running, binary};

/// A running collector; it stops when this is dropped.
#[derive(Debug)]
pub struct Relay(Running);

impl Relay {
    /// Starts a collector with the configuration that `configuration` writes for its folder and for the addresses at
    /// which it is to take gRPC and HTTP.
    ///
    /// # Panics
    ///
    /// When it has not been built, does not take the configuration or does not start, with what it logged.
    #[must_use]
    pub fn start(configuration: impl Fn(&Path, SocketAddr, SocketAddr) -> String) -> Self {
        Self(Running::start(configuration))
    }

    /// Where gRPC is spoken.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.0.grpc)
    }

    /// Where HTTP is spoken, without the paths of the signals.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.0.http)
    }

    /// Kills it, so that it can save nothing.
    pub fn kill(&mut self) {
        self.0.kill();
    }

    /// Starts it again after [`Relay::kill`], on the same ports and with the same folder.
    ///
    /// # Panics
    ///
    /// When it does not start, with what it logged.
    pub fn start_again(&mut self) {
        self.0.start_again();
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.log()
    }
}

/// Lets the collector look at a configuration without starting it.
///
/// # Errors
///
/// When it does not take it: what it printed.
///
/// # Panics
///
/// When it has not been built.
pub fn validate(configuration: &Path) -> Result<(), String> {
    let binary = binary();
    let output = Command::new(&binary)
        .args(["validate", "--config"])
        .arg(configuration)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", binary.display()));
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
