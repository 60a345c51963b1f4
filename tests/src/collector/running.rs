//! The process of an OpenTelemetry Collector (`tests/collector`): started with a configuration on free loopback ports,
//! killed, frozen, started again. What it is configured to do with what arrives is not known here.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long the collector may take to be ready: far more than it needs on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked at until then.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What it logs once all its parts run. Its ports are open before: what it takes until then may be lost, for the queues of
/// its exporters are set up last.
const READY: &str = "Everything is ready";
/// How often it is started anew because another process took its port between choosing and binding it.
const STARTS: usize = 5;

/// A running collector, with its folder; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// How often it was started, with one log.
    starts: usize,
    directory: TempDir,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Running {
    /// Starts a collector with the configuration that is written for its folder and for the addresses at which it is
    /// to take gRPC and HTTP.
    ///
    /// # Panics
    ///
    /// When it has not been built, does not take the configuration or does not start, with what it logged.
    pub(crate) fn start(configuration: impl Fn(&Path, SocketAddr, SocketAddr) -> String) -> Self {
        let mut log = String::new();
        for _ in 0..STARTS {
            let directory = tempfile::tempdir()
                .unwrap_or_else(|error| panic!("no temporary folder for the collector: {error}"));
            let (grpc, http) = free_addresses();
            let file = directory.path().join("collector.yaml");
            crate::process::write(&file, configuration(directory.path(), grpc, http));
            let child = spawn(directory.path());
            let mut running = Self {
                child,
                starts: 1,
                directory,
                grpc,
                http,
            };
            if running.is_ready_in_time() {
                return running;
            }
            log = running.log();
            if !log.contains("in use") {
                break;
            }
        }
        panic!("the collector did not start; it logged:\n{log}");
    }

    /// Its folder.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Kills it, so that it can save nothing.
    pub(crate) fn kill(&mut self) {
        // Neither can fail in a way that something could still be done about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after [`Running::kill`], on the same ports and with the same folder.
    ///
    /// # Panics
    ///
    /// When it does not start, with what it logged.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.directory.path());
        self.starts += 1;
        assert!(
            self.is_ready_in_time(),
            "the collector did not start again; it logged:\n{}",
            self.log()
        );
    }

    /// Stops it from doing anything, or lets it go on.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cannot send {signal} to the collector"
        );
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log"))
            .unwrap_or_else(|error| format!("no log: {error}"))
    }

    fn is_ready_in_time(&mut self) -> bool {
        let give_up = Instant::now() + READY_WITHIN;
        while Instant::now() < give_up {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            if self.log().matches(READY).count() >= self.starts {
                return true;
            }
            thread::sleep(LOOK_EVERY);
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program.
///
/// # Panics
///
/// When it has not been built.
pub(crate) fn binary() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/otelcol-test");
    assert!(
        path.is_file(),
        "`{}` is missing: run `./justw servers`",
        path.display()
    );
    path
}

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

/// Both listen at once, so that the ports differ.
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
    let (grpc, http) = (listen(), listen());
    (address(&grpc), address(&http))
}
