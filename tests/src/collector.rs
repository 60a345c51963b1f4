//! The real OpenTelemetry Collector (`tests/collector`): started on free loopback ports, read by what it
//! wrote down, stopped when dropped. What the program sends it does not live here.
//!
//! The collector answers an export only after its line is in the file, so that a test which has waited
//! for the export can read at once.

mod received;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

pub use received::{Attributes, Exemplar, Link, Log, Metric, Point, Received, Span};

use crate::certificates::Identity;

/// How long the collector may take to open its ports: far more than it needs on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked at until then.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often it is started anew because another process took its port between choosing and binding it.
const STARTS: usize = 5;

/// A running collector; it stops when this is dropped.
#[derive(Debug)]
pub struct Collector {
    child: Child,
    directory: TempDir,
    grpc: SocketAddr,
    http: SocketAddr,
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
        Self::start_with(Some(identity))
    }

    fn start_with(identity: Option<&Identity>) -> Self {
        let mut log = String::new();
        for _ in 0..STARTS {
            let directory = tempfile::tempdir()
                .unwrap_or_else(|error| panic!("no temporary folder for the collector: {error}"));
            let (grpc, http) = free_addresses();
            let configuration = configuration(directory.path(), grpc, http, identity);
            fs::write(directory.path().join("collector.yaml"), configuration)
                .unwrap_or_else(|error| panic!("cannot write the collector's configuration: {error}"));
            let child = spawn(directory.path());
            let scheme = if identity.is_some() { "https" } else { "http" };
            let mut collector = Self {
                child,
                directory,
                grpc,
                http,
                scheme,
            };
            if collector.is_ready_in_time() {
                return collector;
            }
            log = collector.log();
            if !log.contains("in use") {
                break;
            }
        }
        panic!("the collector did not start; it logged:\n{log}");
    }

    /// Where gRPC is spoken.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.grpc)
    }

    /// Where HTTP is spoken, without the paths of the signals.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.http)
    }

    /// Stops it. What it received stays readable.
    pub fn stop(&mut self) {
        // Neither can fail in a way that something could still be done about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after [`Collector::stop`], on the same ports.
    ///
    /// # Panics
    ///
    /// When it does not start, with what it logged.
    pub fn start_again(&mut self) {
        self.child = spawn(self.directory.path());
        assert!(
            self.is_ready_in_time(),
            "the collector did not start again; it logged:\n{}",
            self.log()
        );
    }

    /// Stops it from doing anything, or lets it go on: its connections stay, and nobody answers on them.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cannot send {signal} to the collector"
        );
    }

    /// Where HTTP is spoken.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where gRPC is spoken.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// Everything it received so far.
    ///
    /// # Panics
    ///
    /// When a line is not OTLP/JSON.
    #[must_use]
    pub fn received(&self) -> Received {
        let mut received = Received::default();
        // A line is there when its end is.
        for line in self
            .received_text()
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let request = serde_json::from_str(line);
            received.add(&request.unwrap_or_else(|error| panic!("the collector wrote `{line}`: {error}")));
        }
        received
    }

    /// The same as text, to look for what must not be in it.
    #[must_use]
    pub fn received_text(&self) -> String {
        // The file is there from the start on.
        fs::read_to_string(self.directory.path().join(RECEIVED)).unwrap_or_default()
    }

    /// What it logged, from warnings up.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log"))
            .unwrap_or_else(|error| format!("no log: {error}"))
    }

    fn is_ready_in_time(&mut self) -> bool {
        let give_up = Instant::now() + READY_WITHIN;
        while Instant::now() < give_up {
            let ready = [self.grpc, self.http]
                .iter()
                .all(|address| TcpStream::connect(address).is_ok());
            // A port may have been taken by a stranger who answers; ours has ended then.
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            if ready {
                return true;
            }
            thread::sleep(LOOK_EVERY);
        }
        false
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The file of OTLP/JSON lines, in the collector's folder.
const RECEIVED: &str = "received.jsonl";

fn spawn(directory: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"));
    let log = log.unwrap_or_else(|error| panic!("cannot create the collector's log: {error}"));
    let errors = log
        .try_clone()
        .unwrap_or_else(|error| panic!("cannot share the collector's log: {error}"));
    let binary = binary();
    Command::new(&binary)
        .arg("--config")
        .arg(directory.join("collector.yaml"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", binary.display()))
}

fn binary() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/otelcol-test");
    assert!(
        path.is_file(),
        "`{}` is missing: run `./justw servers`",
        path.display()
    );
    path
}

fn free_addresses() -> (SocketAddr, SocketAddr) {
    let listen = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        listener.unwrap_or_else(|error| panic!("no free port on loopback: {error}"))
    };
    let address = |listener: &TcpListener| {
        listener
            .local_addr()
            .unwrap_or_else(|error| panic!("a listener without an address: {error}"))
    };
    // Both listen at once, so that the ports differ.
    let (grpc, http) = (listen(), listen());
    (address(&grpc), address(&http))
}

/// JSON, which is YAML too, and quotes paths properly.
fn configuration(
    directory: &Path,
    grpc: SocketAddr,
    http: SocketAddr,
    identity: Option<&Identity>,
) -> String {
    let protocol = |address: SocketAddr| {
        let mut protocol = json!({ "endpoint": address.to_string() });
        if let Some(identity) = identity {
            protocol["tls"] =
                json!({ "cert_file": identity.certificate_file, "key_file": identity.key_file });
        }
        protocol
    };
    let pipeline = json!({ "receivers": ["otlp"], "exporters": ["lines"] });
    json!({
        "receivers": { "otlp": { "protocols": { "grpc": protocol(grpc), "http": protocol(http) } } },
        "exporters": { "lines": { "path": directory.join(RECEIVED) } },
        "service": {
            "pipelines": { "traces": pipeline, "metrics": pipeline, "logs": pipeline },
            "telemetry": { "logs": { "level": "warn" }, "metrics": { "level": "none" } },
        },
    })
    .to_string()
}
