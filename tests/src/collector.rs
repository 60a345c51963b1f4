//! The real OpenTelemetry Collector (`tests/collector`): started on free loopback ports, read by what it
//! wrote down, stopped when dropped. What the program sends it does not live here.
//!
//! The collector answers an export only after its line is in the file, so that a test which has waited
//! for the export can read at once.

mod received;
pub(crate) mod running;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

pub use received::{Attributes, Exemplar, Link, Log, Metric, Point, Received, Span};

use crate::certificates::Identity;
use running::Running;

/// The file of OTLP/JSON lines, in the collector's folder.
const RECEIVED: &str = "received.jsonl";

/// A running collector; it stops when this is dropped.
#[derive(Debug)]
pub struct Collector {
    running: Running,
    scheme: &'static str,
}

impl Collector {
    /// Starts a collector that speaks without TLS.
    ///
    /// # Panics
    ///
    /// When it has not been built or does not start, with what it logged.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a collector that speaks TLS with this certificate.
    ///
    /// # Panics
    ///
    /// As [`Collector::start`].
    #[must_use]
    pub fn start_tls(identity: &Identity) -> Self {
        Self::start_with(Some(Tls {
            identity,
            clients: None,
        }))
    }

    /// The same, which takes only what comes with a certificate that leads to one of these.
    ///
    /// # Panics
    ///
    /// As [`Collector::start`].
    #[must_use]
    pub fn start_mutual_tls(identity: &Identity, clients: &Path) -> Self {
        Self::start_with(Some(Tls {
            identity,
            clients: Some(clients),
        }))
    }

    fn start_with(tls: Option<Tls<'_>>) -> Self {
        Self {
            running: Running::start(|directory, grpc, http| configuration(directory, grpc, http, tls)),
            scheme: if tls.is_some() { "https" } else { "http" },
        }
    }

    /// Where gRPC is spoken.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.running.grpc)
    }

    /// Where HTTP is spoken, without the paths of the signals.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.running.http)
    }

    /// The same as an address.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.running.http
    }

    /// Stops it. What it received stays readable.
    pub fn stop(&mut self) {
        self.running.kill();
    }

    /// Starts it again after [`Collector::stop`], on the same ports.
    ///
    /// # Panics
    ///
    /// When it does not start, with what it logged.
    pub fn start_again(&mut self) {
        self.running.start_again();
    }

    /// Stops it from doing anything, or lets it go on: its connections stay, and nobody answers on them.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn freeze(&self, is_frozen: bool) {
        self.running.freeze(is_frozen);
    }

    /// Everything it received so far.
    ///
    /// # Panics
    ///
    /// When a line is not OTLP/JSON.
    #[must_use]
    pub fn received(&self) -> Received {
        Received::of_lines(&self.received_text())
    }

    /// The same as text, to look for what must not be in it.
    #[must_use]
    pub fn received_text(&self) -> String {
        // The file is there from the start on.
        fs::read_to_string(self.running.directory().join(RECEIVED)).unwrap_or_default()
    }

    /// What it logged, from warnings up.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.log()
    }
}

/// How a collector speaks TLS.
#[derive(Debug, Clone, Copy)]
struct Tls<'a> {
    identity: &'a Identity,
    /// Whose certificates clients must have; without it, none.
    clients: Option<&'a Path>,
}

/// JSON, which is YAML too, and quotes paths properly.
fn configuration(directory: &Path, grpc: SocketAddr, http: SocketAddr, tls: Option<Tls<'_>>) -> String {
    let protocol = |address: SocketAddr| {
        let mut protocol = json!({ "endpoint": address.to_string() });
        if let Some(Tls { identity, clients }) = tls {
            protocol["tls"] =
                json!({ "cert_file": identity.certificate_file, "key_file": identity.key_file });
            if let Some(clients) = clients {
                protocol["tls"]["client_ca_file"] = json!(clients);
            }
        }
        protocol
    };
    let pipeline = json!({ "receivers": ["otlp"], "exporters": ["lines"] });
    json!({
        "receivers": { "otlp": { "protocols": { "grpc": protocol(grpc), "http": protocol(http) } } },
        "exporters": { "lines": { "path": directory.join(RECEIVED) } },
        "service": {
            "pipelines": { "traces": pipeline, "metrics": pipeline, "logs": pipeline },
            "telemetry": { "logs": { "level": "info" }, "metrics": { "level": "none" } },
        },
    })
    .to_string()
}
