//! The conversation, and what the bugs do to it.

use std::io::{BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

use bedcheck_sdk::{CallError, Connection, Failure, Piece, Reason, TlsOptions, remaining};

use crate::bug::Bug;
use crate::{Settings, host_error};

/// The longest line, in bytes.
const MAX_LINE: usize = 512;

/// A peer that speaks lines with a code in front.
pub(crate) struct Peer<'s> {
    settings: &'s Settings,
    connection: Connection,
    bug: Bug,
    may_speak: bool,
    has_not_written: bool,
}

impl<'s> Peer<'s> {
    pub(crate) fn connect(settings: &'s Settings) -> Result<Self, Failure> {
        Ok(Self {
            settings,
            connection: Connection::open(&settings.host, settings.port)?,
            bug: settings.bug,
            may_speak: true,
            has_not_written: false,
        })
    }

    /// Whether TLS has not failed.
    pub(crate) fn may_speak(&self) -> bool {
        self.may_speak
    }

    /// Whether a command could not be written.
    pub(crate) fn has_not_written(&self) -> bool {
        self.has_not_written
    }

    pub(crate) fn greeting(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        match self.line() {
            Err(failure)
                if self.bug == Bug::EmptyGreeting
                    && matches!(host_error(&failure), Some(CallError::ConnectionClosed)) =>
            {
                Ok(())
            }
            Err(_) if self.bug == Bug::DialsAnew => {
                self.connection = Connection::open(&self.settings.host, self.settings.port)?;
                accepted(&self.line()?, self.bug)
            }
            Ok(_) if self.bug == Bug::OwnTimeout && begun.elapsed() > Duration::from_millis(500) => Err(
                Failure::new(Reason::Own("faulty.slow".into()), "no greeting in time"),
            ),
            greeting => greeting.and_then(|line| accepted(&line, self.bug)),
        }
    }

    pub(crate) fn start_tls(&mut self) -> Result<(), Failure> {
        self.may_speak = false;
        let options = TlsOptions {
            server_name: None,
            alpn: Vec::new(),
        };
        self.connection.start_tls(&options)?;
        self.may_speak = true;
        Ok(())
    }

    /// Sends a command and reads the line that answers it.
    pub(crate) fn command(&mut self, pieces: &[Piece<'_>]) -> Result<String, Failure> {
        let sent = self.connection.send(pieces);
        self.has_not_written = sent.is_err();
        match sent {
            Err(_) if self.bug == Bug::SwallowsWrite => {}
            sent => sent?,
        }
        let line = self.line()?;
        accepted(&line, self.bug)?;
        Ok(line)
    }

    /// Takes leave; the answer is not waited for.
    pub(crate) fn leave(&mut self) -> Result<(), Failure> {
        match self.connection.write_all(b"QUIT\r\n") {
            Err(_) if self.bug == Bug::SwallowsWrite => Ok(()),
            written => Ok(written?),
        }
    }

    /// Reads a line, or fails as the bug has it.
    fn line(&mut self) -> Result<String, Failure> {
        loop {
            let failure = match self.try_line() {
                Ok(line) => return Ok(line),
                Err(failure) => failure,
            };
            match host_error(&failure) {
                Some(CallError::ConnectionReset) if self.bug == Bug::RetriesReset => {}
                Some(CallError::OverQuota(_)) if self.bug == Bug::RetriesOverQuota => {}
                _ => return Err(distorted(failure, self.bug)),
            }
        }
    }

    fn try_line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let available = self.connection.fill_buf()?;
            if available.is_empty() {
                match self.bug {
                    Bug::ReadsOnAtEnd => continue,
                    Bug::PanicsOnShortLine => break,
                    _ => return Err(CallError::ConnectionClosed.into()),
                }
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            if end.is_none() && self.bug == Bug::OneReadIsOneLine {
                return Err(Failure::unexpected_response("half a line"));
            }
            let taken = end.map_or(available.len(), |at| at + 1);
            line.extend_from_slice(&available[..taken]);
            self.connection.consume(taken);
            if line.len() > MAX_LINE {
                return Err(Failure::too_large("a line of more than 512 bytes"));
            }
        }
        let line = String::from_utf8_lossy(&line);
        Ok(line.trim_end().to_owned())
    }
}

/// What the bugs make of a failure to read.
fn distorted(failure: Failure, bug: Bug) -> Failure {
    let Some(error) = host_error(&failure).cloned() else {
        return failure;
    };
    match (bug, error) {
        (Bug::UnexpectedForAll, _) => Failure::unexpected_response("no answer"),
        (Bug::OwnTypeForOther, CallError::Other(text)) => {
            Failure::new(Reason::Own("faulty.broken".into()), text)
        }
        (Bug::ClosedForReset, CallError::ConnectionReset) => CallError::ConnectionClosed.into(),
        (Bug::SettingsForUnreachable, CallError::HostUnreachable) => {
            Failure::settings_invalid("the host is wrong")
        }
        (Bug::PanicsOnClosed, CallError::ConnectionClosed) => panic!("the peer is always there"),
        (Bug::WaitsOnClosed, CallError::ConnectionClosed) => {
            thread::sleep(remaining());
            failure
        }
        (Bug::SpinsAfterDeadline, CallError::DeadlineExceeded) => loop {
            std::hint::black_box(());
        },
        _ => failure,
    }
}

/// That the code of a line is one of success.
fn accepted(line: &str, bug: Bug) -> Result<(), Failure> {
    let code = match bug {
        Bug::PanicsOnShortLine => &line[..3],
        _ => line.get(..3).unwrap_or_default(),
    };
    if code.starts_with('2') {
        return Ok(());
    }
    Err(Failure::unexpected_response("an answer without success"))
}
