//! A second receiver of OTLP that shares nothing with the Collector: Rotel, written in another language by other
//! people. It hands on what it receives to a [`Collector`], which writes it down; so what can be read there was
//! understood and said again by Rotel.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::collector::{Collector, Received};
use crate::process::ServerProcess;

/// A running Rotel with the collector behind it; both stop when this is dropped.
#[derive(Debug)]
pub struct Rotel {
    process: ServerProcess,
    behind: Collector,
    grpc: u16,
    http: u16,
}

impl Rotel {
    /// Starts both.
    ///
    /// # Panics
    ///
    /// When Rotel has not been fetched or does not start, with what it logged.
    #[must_use]
    pub fn start() -> Self {
        let behind = Collector::start();
        let agent = agent();
        let (process, [grpc, http]) = ServerProcess::start(
            |directory, _, [grpc, http]| {
                let mut command = Command::new(installed(&agent, directory));
                command
                    .arg("start")
                    .arg(format!("--otlp-grpc-endpoint=127.0.0.1:{grpc}"))
                    .arg(format!("--otlp-http-endpoint=127.0.0.1:{http}"))
                    .arg(format!("--pid-file={}", directory.join("pid").display()))
                    .arg(format!("--log-file={}", directory.join("rotel.log").display()))
                    .args(["--exporter=otlp", "--otlp-exporter-protocol=grpc"])
                    .arg(format!("--otlp-exporter-endpoint={}", behind.grpc_endpoint()));
                command
            },
            |ports| {
                let mut ports = ports.into_iter();
                ports.all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok())
            },
        );
        Self {
            process,
            behind,
            grpc,
            http,
        }
    }

    /// Where gRPC is spoken.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// Where HTTP is spoken, without the paths of the signals.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// What it has received and handed on so far. It answers before it hands on.
    #[must_use]
    pub fn received(&self) -> Received {
        self.behind.received()
    }

    /// What it has logged, for the message of a failed assertion.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// A copy in the server's folder: its account may not be allowed into the folder of the tree. Another process makes
/// it, because a file cannot be run while a child that was just forked for something else has it open for writing.
fn installed(agent: &Path, directory: &Path) -> PathBuf {
    let copy = directory.join("rotel-agent");
    let status = Command::new("install")
        .args(["-m", "755"])
        .arg(agent)
        .arg(&copy)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cannot copy `{}` to `{}`",
        agent.display(),
        copy.display()
    );
    copy
}

fn agent() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/rotel-agent");
    assert!(
        path.is_file(),
        "`{}` is missing: run `./justw servers`",
        path.display()
    );
    path
}
