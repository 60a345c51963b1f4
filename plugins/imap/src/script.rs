//! For tests: a transport that plays a script, knowing nothing of IMAP, and a recorder that keeps what
//! is recorded.

use std::cell::RefCell;
use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bedcheck_sdk::{CallError, Failure};

use crate::host::{Part, Phase, Recorder, Transport};

/// The password that scripts see in the place of the secret.
pub(crate) const PASSWORD: &str = "sesame";

/// A line of a script.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// The client must send exactly this in one go.
    Client(String),
    /// The server sends this.
    Server(Vec<u8>),
    /// The client must start TLS.
    Tls,
    /// The server ends the stream.
    End,
    /// The host call fails, a read or a write.
    Fails(CallError),
}

/// Plays a script; at its end the deadline has passed.
#[derive(Debug)]
pub(crate) struct Script {
    lines: VecDeque<Line>,
    /// The most bytes the client receives at once.
    chunk: usize,
    /// Whether the client must come to the script's end.
    whole: bool,
}

impl Script {
    /// A script from lines that begin with `C: ` (the client sends it, with CRLF), `S: ` (the server
    /// does), or are `TLS`, `END` or `RESET`. A `⏎` is a CRLF within what is sent at once.
    pub(crate) fn new(text: &str, chunk: usize) -> Self {
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
        let sent = |line: &str| line.replace('⏎', "\r\n") + "\r\n";
        let lines = lines.map(|line| match line.split_at_checked(3) {
            Some(("C: ", rest)) => Line::Client(sent(rest)),
            Some(("S: ", rest)) => Line::Server(sent(rest).into_bytes()),
            _ if line == "TLS" => Line::Tls,
            _ if line == "END" => Line::End,
            _ if line == "RESET" => Line::Fails(CallError::ConnectionReset),
            _ => panic!("no line of a script: {line}"),
        });
        Self {
            lines: lines.collect(),
            chunk,
            whole: true,
        }
    }

    /// A script from finished lines.
    pub(crate) fn of(lines: impl IntoIterator<Item = Line>, chunk: usize) -> Self {
        Self {
            lines: lines.into_iter().collect(),
            chunk,
            whole: true,
        }
    }

    /// A script that the client is free to leave before its end. What the server sends arrives line by
    /// line, 16 KiB at most at once.
    pub(crate) fn abandoned(lines: impl IntoIterator<Item = Line>) -> Self {
        Self {
            lines: lines.into_iter().collect(),
            chunk: 16 * 1024,
            whole: false,
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.whole && !std::thread::panicking() {
            assert!(self.lines.is_empty(), "the script was left at {:?}", self.lines);
        }
    }
}

impl Transport for Script {
    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        match self.lines.pop_front() {
            None => Err(CallError::DeadlineExceeded.into()),
            Some(Line::End) => Ok(Vec::new()),
            Some(Line::Fails(error)) => Err(error.into()),
            Some(Line::Server(mut bytes)) => {
                // One read returns whatever has arrived: several lines of the script as well.
                while let Some(Line::Server(_)) = self.lines.front() {
                    let Some(Line::Server(more)) = self.lines.pop_front() else {
                        break;
                    };
                    bytes.extend(more);
                }
                let rest = bytes.split_off(self.chunk.min(bytes.len()));
                if !rest.is_empty() {
                    self.lines.push_front(Line::Server(rest));
                }
                Ok(bytes)
            }
            Some(other) => panic!("the client reads where the script has {other:?}"),
        }
    }

    fn send(&mut self, parts: &[Part]) -> Result<(), Failure> {
        let sent: Vec<u8> = parts.iter().flat_map(on_the_wire).collect();
        let sent = String::from_utf8(sent).unwrap();
        match self.lines.pop_front() {
            None => Err(CallError::DeadlineExceeded.into()),
            Some(Line::Fails(error)) => Err(error.into()),
            Some(Line::Client(wanted)) => {
                assert_eq!(sent, wanted);
                Ok(())
            }
            Some(other) => panic!("the client sends {sent:?} where the script has {other:?}"),
        }
    }

    fn start_tls(&mut self) -> Result<(), Failure> {
        match self.lines.pop_front() {
            Some(Line::Tls) => Ok(()),
            other => panic!("the client starts TLS where the script has {other:?}"),
        }
    }

    fn password_length(&self) -> usize {
        PASSWORD.len()
    }
}

fn on_the_wire(part: &Part) -> Vec<u8> {
    match part {
        Part::Bytes(bytes) => bytes.clone(),
        Part::Password => PASSWORD.into(),
        Part::Base64WithPassword(before) => STANDARD
            .encode([before.as_slice(), PASSWORD.as_bytes()].concat())
            .into_bytes(),
    }
}

/// Keeps what is recorded, in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// `name` or `name(detail)` of what was planned.
    pub(crate) plan: RefCell<Vec<String>>,
    /// `name: ok`, or the failure's message in the place of `ok`.
    pub(crate) phases: RefCell<Vec<String>>,
    /// `name{mailbox}=value`.
    pub(crate) measurements: RefCell<Vec<String>>,
    /// The lines of the log.
    pub(crate) log: RefCell<Vec<String>>,
}

fn label(phase: Phase<'_>) -> String {
    phase.detail.map_or_else(
        || phase.name.to_owned(),
        |detail| format!("{}({detail})", phase.name),
    )
}

impl Recorder for Record {
    fn plan(&self, phases: &[Phase<'_>]) -> Result<(), Failure> {
        self.plan.borrow_mut().extend(phases.iter().copied().map(label));
        Ok(())
    }

    fn phase<T>(&self, phase: Phase<'_>, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let result = body();
        let end = result
            .as_ref()
            .map_or_else(|failure| failure.message().to_owned(), |_| "ok".to_owned());
        self.phases.borrow_mut().push(format!("{}: {end}", label(phase)));
        result
    }

    fn measure(&self, name: &str, messages: u32, mailbox: &str) -> Result<(), Failure> {
        self.measurements
            .borrow_mut()
            .push(format!("{name}{{{mailbox}}}={messages}"));
        Ok(())
    }

    fn debug(&self, message: &str) {
        self.log.borrow_mut().push(format!("debug: {message}"));
    }

    fn warning(&self, message: &str) {
        self.log.borrow_mut().push(format!("warning: {message}"));
    }
}
