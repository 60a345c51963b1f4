//! What was measured, and on what.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The circumstances of a run of the benchmark.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// When it began, RFC 3339, UTC.
    pub date: String,
    /// What `bedcheck --version` says.
    pub version: String,
    /// How many processors this process may use.
    pub processors: usize,
    /// What the processor calls itself.
    pub processor: String,
    /// The operating system's kernel and its release.
    pub kernel: String,
    /// How many processes wanted to run within the last minute, as the kernel tells: more than the processors while
    /// others use the machine as well.
    pub load: Option<f64>,
}

impl Machine {
    /// Looks at this machine and at the program.
    #[must_use]
    pub fn look(program: &Path) -> Self {
        let said = Command::new(program).arg("--version").output();
        let version = said.map_or_else(
            |_| String::new(),
            |said| String::from_utf8_lossy(&said.stdout).into(),
        );
        Self {
            date: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
            version: version.trim().to_owned(),
            processors: available_parallelism().map_or(1, usize::from),
            processor: processor().unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
            load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
        }
    }
}

fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn read(file: &str) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}
