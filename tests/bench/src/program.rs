//! Programs that are measured as processes of their own: started, waited for until they listen, ended.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cpu;

/// How long a program may take until it listens: compiling a plugin for the first time takes seconds on a busy
/// machine.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end once it is asked to.
const END: Duration = Duration::from_secs(15);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A program that is running. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts a program, with what it says in this file, and waits until it listens there.
    ///
    /// # Errors
    ///
    /// A sentence when it cannot be started, ends, or does not listen in time.
    pub fn start(command: &mut Command, output: &Path, listens: SocketAddr) -> Result<Self, String> {
        let mut running = Self::spawn(command, output)?;
        let begun = Instant::now();
        while TcpStream::connect(listens).is_err() {
            running.still_runs(output)?;
            if begun.elapsed() > START {
                return Err(format!("`{}` does not listen at {listens}", running.name));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(running)
    }

    /// Starts a program that listens nowhere.
    ///
    /// # Errors
    ///
    /// A sentence when it cannot be started.
    pub fn spawn(command: &mut Command, output: &Path) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let unwritable = |error| format!("`{}` cannot be written: {error}", output.display());
        let file = File::create(output).map_err(unwritable)?;
        let other = file.try_clone().map_err(unwritable)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(other)
            .spawn()
            .map_err(|error| format!("`{name}` cannot be started: {error}"))?;
        Ok(Self { child, name })
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time it has used, in hundredths of a second.
    ///
    /// # Errors
    ///
    /// A sentence when it has ended.
    pub fn cpu(&self) -> Result<Duration, String> {
        cpu::of(self.id())
    }

    /// The memory it holds, in bytes.
    ///
    /// # Errors
    ///
    /// A sentence when it has ended.
    pub fn memory(&self) -> Result<u64, String> {
        let file = format!("/proc/{}/status", self.id());
        let status =
            std::fs::read_to_string(&file).map_err(|error| format!("`{file}` cannot be read: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| format!("`{file}` does not tell the memory"))
    }

    /// Whether it is still there.
    ///
    /// # Errors
    ///
    /// A sentence with the end of what it said when it is not.
    pub fn still_runs(&mut self, output: &Path) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let said = std::fs::read_to_string(output).unwrap_or_default();
                let last = said.lines().last().unwrap_or_default();
                Err(format!("`{}` ended ({status}): {last}", self.name))
            }
            Err(error) => Err(format!("`{}`: {error}", self.name)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(process, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < END {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK_EVERY),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on loopback that nobody listens at.
///
/// # Errors
///
/// A sentence when there is none.
pub fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no port is free on loopback: {error}"))
}
