//! Secrets: reading them from where the configuration says, and keeping them from being shown. Striking
//! them out of texts is the `redactor`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::Child;
use zeroize::Zeroizing;

use crate::name::SecretName;
use crate::redactor::Redactor;
use crate::units::show_duration;

/// The largest secret, in bytes: enough for a private key with its chain.
pub const MAX_SECRET: usize = 64 * 1024;
/// How long reading one secret may take: a password manager asks a person or a server, not both.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a secret, which clones share. They are overwritten when the last is dropped, and `Debug` does
/// not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// A secret of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes, for sending them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret([redacted])")
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; line breaks at its end are left out.
    File(PathBuf),
    /// What a program prints; line breaks at its end are left out.
    Command(Command),
}

/// A program and its arguments, run without a shell.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, looked for in `PATH`.
    pub program: String,
    /// Its arguments; `Debug` does not show them.
    pub arguments: Vec<String>,
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Command")
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// The secrets that could not be read: a sentence for each, which shows no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", sentences.join("\n"))]
pub struct Unread {
    sentences: Vec<String>,
    /// Whether all of them may be there later though nobody mends anything: a program, or what it asks, did not do its
    /// work this time.
    pub may_pass: bool,
}

/// Why one could not be read.
struct Failure {
    reason: String,
    may_pass: bool,
}

impl Failure {
    fn lasting(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_pass: false,
        }
    }

    fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_pass: true,
        }
    }
}

/// The secrets that were read, by name.
#[derive(Debug, Clone, Default)]
pub struct SecretStore(BTreeMap<SecretName, Secret>);

impl SecretStore {
    /// Reads the secrets that are needed, all at once. An empty one counts as missing: it is what a
    /// variable or file leaves behind that was forgotten to be filled.
    ///
    /// # Errors
    ///
    /// A sentence for each that could not be read, in the order of their names.
    pub async fn read(
        sources: &BTreeMap<SecretName, SecretSource>,
        needed: &BTreeSet<SecretName>,
    ) -> Result<Self, Unread> {
        Self::read_within(READ_TIMEOUT, sources, needed).await
    }

    async fn read_within(
        limit: Duration,
        sources: &BTreeMap<SecretName, SecretSource>,
        needed: &BTreeSet<SecretName>,
    ) -> Result<Self, Unread> {
        let read = needed.iter().map(async |name| {
            let value = match sources.get(name) {
                Some(source) => read_source(source, limit).await,
                None => Err(Failure::lasting("it is not in `[secrets]`")),
            };
            (name, value)
        });
        let mut secrets = BTreeMap::new();
        let mut unread = Unread {
            sentences: Vec::new(),
            may_pass: true,
        };
        for (name, value) in futures_util::future::join_all(read).await {
            match value {
                Ok(secret) => drop(secrets.insert(name.clone(), secret)),
                Err(failure) => {
                    let reason = failure.reason;
                    unread.may_pass &= failure.may_pass;
                    unread
                        .sentences
                        .push(format!("the secret `{name}` could not be read: {reason}"));
                }
            }
        }
        if unread.sentences.is_empty() {
            Ok(Self(secrets))
        } else {
            Err(unread)
        }
    }

    /// Secrets by name.
    pub fn new(secrets: impl IntoIterator<Item = (SecretName, Secret)>) -> Self {
        Self(secrets.into_iter().collect())
    }

    /// A secret by its name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// What strikes all of them out of texts.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.0.values().map(Secret::expose))
    }
}

async fn read_source(source: &SecretSource, limit: Duration) -> Result<Secret, Failure> {
    let (bytes, place) = match source {
        SecretSource::Env(variable) => (
            read_variable(variable)?,
            format!("the environment variable `{variable}`"),
        ),
        SecretSource::File(path) => (
            read_file_within(limit, path).await?,
            format!("the file `{}`", path.display()),
        ),
        SecretSource::Command(command) => (
            read_command_within(limit, command).await?,
            format!("what `{}` prints", command.program),
        ),
    };
    match bytes.len() {
        0 => Err(Failure {
            reason: format!("{place} is empty"),
            may_pass: matches!(source, SecretSource::Command(_)),
        }),
        length if length > MAX_SECRET => Err(Failure::lasting(format!("{place} is longer than 64 KiB"))),
        _ => Ok(Secret(Arc::new(bytes))),
    }
}

fn read_variable(variable: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match std::env::var_os(variable) {
        Some(value) => Ok(Zeroizing::new(value.into_vec())),
        None => Err(Failure::lasting(format!(
            "the environment variable `{variable}` is not set"
        ))),
    }
}

/// On a thread that may block, as a file may be a pipe that nobody writes to.
async fn read_file_within(limit: Duration, path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = path.display().to_string();
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_file(&path));
    match tokio::time::timeout(limit, read).await {
        Ok(Ok(Ok(bytes))) => Ok(without_line_breaks(bytes)),
        Ok(Ok(Err(error))) => Err(Failure::lasting(format!(
            "the file `{shown}` cannot be read: {error}"
        ))),
        Ok(Err(_)) => Err(Failure::passing(format!("the file `{shown}` cannot be read"))),
        Err(_) => Err(Failure::passing(format!(
            "the file `{shown}` took longer than {} to read",
            show_duration(limit)
        ))),
    }
}

fn read_file(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = buffer();
    File::open(path)?
        .take(READ_LIMIT as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs a program without a shell, with no input; what it says on standard error is not shown, since it
/// may repeat the secret.
async fn read_command_within(limit: Duration, command: &Command) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let program = &command.program;
    let mut starting = tokio::process::Command::new(program);
    starting
        .args(&command.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let is_alone = !has_terminal();
    if is_alone {
        starting.process_group(0);
    }
    let mut running = starting
        .spawn()
        .map(|child| Running { child, is_alone })
        .map_err(|error| Failure {
            reason: format!("`{program}` cannot be started: {error}"),
            // Otherwise the system is short of something.
            may_pass: ![ErrorKind::NotFound, ErrorKind::PermissionDenied].contains(&error.kind()),
        })?;
    match tokio::time::timeout(limit, printed(&mut running.child)).await {
        Ok(Ok((_, Some(status)))) if !status.success() => {
            Err(Failure::passing(format!("`{program}` ended with {status}")))
        }
        Ok(Ok((bytes, _))) => Ok(without_line_breaks(bytes)),
        Ok(Err(error)) => Err(Failure::passing(format!("`{program}` cannot be read: {error}"))),
        Err(_) => Err(Failure::passing(format!(
            "`{program}` took longer than {} and was stopped",
            show_duration(limit)
        ))),
    }
}

/// Whether there is a terminal on which a program may ask a person. It may not from a process group of its own, and an
/// interrupt from there would not reach it.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// A program that is stopped if it has not ended when this is dropped; with all that it has started, if it is alone in its
/// process group.
struct Running {
    child: Child,
    is_alone: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has ended its number may be another's.
        let id = self.child.id().filter(|_| self.is_alone);
        let group = id.and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What a program prints until it has ended, and how it ends; that is not known of one that prints more than it may, and
/// would wait for a reader.
async fn printed(child: &mut Child) -> std::io::Result<(Zeroizing<Vec<u8>>, Option<ExitStatus>)> {
    let mut bytes = buffer();
    let Some(mut pipe) = child.stdout.take() else {
        return Ok((bytes, Some(child.wait().await?)));
    };
    let status = loop {
        if bytes.len() >= READ_LIMIT {
            return Ok((bytes, None));
        }
        tokio::select! {
            read = pipe.read_buf(&mut *bytes) => if read? == 0 {
                break child.wait().await?;
            },
            status = child.wait() => break status?,
        }
    };
    // All that it printed is in the pipe, which whoever it has left behind may hold open.
    let rest = rustix::io::ioctl_fionread(&pipe)?.min((READ_LIMIT - bytes.len()) as u64);
    pipe.take(rest).read_to_end(&mut bytes).await?;
    Ok((bytes, Some(status)))
}

/// A secret of the largest size, some line breaks, and one byte by which more is noticed.
const READ_LIMIT: usize = MAX_SECRET + 16;

/// Room for all that is read, so that growing leaves no copies behind.
fn buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(READ_LIMIT + 64))
}

/// Leaves out the line breaks at the end, which editors and `echo` put there; of what may go on behind them, none.
fn without_line_breaks(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.len() < READ_LIMIT {
        let content = bytes.iter().rposition(|byte| !b"\r\n".contains(byte));
        bytes.truncate(content.map_or(0, |last| last + 1));
    }
    bytes
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
