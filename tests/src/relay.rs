//! A real OpenTelemetry Collector with a configuration that a test gives: what stands between the program and the
//! [`Collector`](crate::collector::Collector) that writes down what arrives. It may be killed and started again.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to open its ports: far more than it needs on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked at until then.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running collector; it stops when this is dropped.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    directory: TempDir,
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Relay {
    /// Starts a collector with the configuration that `configuration` writes for its folder and for the addresses at
    /// which it is to take gRPC and HTTP.
    ///
    /// # Panics
    ///
    /// When it has not been built, does not take the configuration or does not start, with what it logged.
    #[must_use]
    pub fn start(configuration: impl FnOnce(&Path, SocketAddr, SocketAddr) -> String) -> Self {
        let directory = tempfile::tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder for a collector: {error}"));
        let (grpc, http) = free_addresses();
        crate::process::write(
            &directory.path().join("collector.yaml"),
            configuration(directory.path(), grpc, http),
        );
        let child = spawn(directory.path());
        let mut relay = Self {
            child,
            directory,
            grpc,
            http,
        };
        relay.wait();
        relay
    }

    /// Where gRPC is spoken.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Where HTTP is spoken, without the paths of the signals.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Kills it, so that it can save nothing.
    pub fn kill(&mut self) {
        // Neither can fail in a way that something could still be done about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after [`Relay::kill`], on the same ports and with the same folder.
    ///
    /// # Panics
    ///
    /// When it does not start, with what it logged.
    pub fn start_again(&mut self) {
        self.child = spawn(self.directory.path());
        self.wait();
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log"))
            .unwrap_or_else(|error| format!("no log: {error}"))
    }

    /// Waits until it listens.
    fn wait(&mut self) {
        let give_up = Instant::now() + READY_WITHIN;
        while ![self.grpc, self.http]
            .iter()
            .all(|address| TcpStream::connect(address).is_ok())
        {
            let runs = matches!(self.child.try_wait(), Ok(None));
            assert!(
                runs && Instant::now() < give_up,
                "the collector did not start; it logged:\n{}",
                self.log()
            );
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
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

fn spawn(directory: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap_or_else(|error| panic!("cannot create the collector's log: {error}"));
    let binary = binary();
    Command::new(&binary)
        .arg("--config")
        .arg(directory.join("collector.yaml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
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

/// Two free addresses. Both are taken at once, so that the ports differ.
fn free_addresses() -> (SocketAddr, SocketAddr) {
    let listen = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        listener.unwrap_or_else(|error| panic!("no free port on loopback: {error}"))
    };
    let (grpc, http) = (listen(), listen());
    let address = |listener: &TcpListener| {
        listener
            .local_addr()
            .unwrap_or_else(|error| panic!("a listener without an address: {error}"))
    };
    (address(&grpc), address(&http))
}
