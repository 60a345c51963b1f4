//! For tests: a transport that plays a script, and a recorder that keeps what is recorded.

use std::cell::RefCell;
use std::collections::VecDeque;

use bedcheck_sdk::{CallError, Certificate, Failure, TlsInfo};

use crate::host::{Fragment, Phase, Recorder, Transport};

/// A line of a script.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// The client must send exactly this in one go, secrets as `<name>`, base64 as `b64(…)`.
    Client(String),
    /// The server sends this.
    Server(Vec<u8>),
    /// The client must start TLS; the certificate ends at this second.
    Tls(i64),
    /// The server ends the stream.
    End,
}

/// Plays a script; at its end the deadline has passed.
#[derive(Debug)]
pub(crate) struct Script {
    lines: VecDeque<Line>,
    /// What the server has sent and the client not received when it sent something itself.
    unread: Vec<u8>,
    /// The most bytes the client receives at once.
    chunk: usize,
}

impl Script {
    /// A script from lines that begin with `C: ` or `S: `, where `⏎` is CRLF, or are `TLS` or `END`.
    pub(crate) fn new(text: &str, chunk: usize) -> Self {
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
        let lines = lines.map(|line| match line.split_at_checked(3) {
            Some(("C: ", rest)) => Line::Client(rest.replace('⏎', "\r\n")),
            Some(("S: ", rest)) => Line::Server(rest.replace('⏎', "\r\n").into_bytes()),
            _ if line == "TLS" => Line::Tls(0),
            _ if line == "END" => Line::End,
            _ => panic!("no line of a script: {line}"),
        });
        Self::of(lines, chunk)
    }

    /// A script from finished lines.
    pub(crate) fn of(lines: impl IntoIterator<Item = Line>, chunk: usize) -> Self {
        Self {
            lines: lines.into_iter().collect(),
            unread: Vec::new(),
            chunk,
        }
    }
}

impl Transport for Script {
    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        if !self.unread.is_empty() {
            let received = self.unread.drain(..self.chunk.min(self.unread.len()));
            return Ok(received.collect());
        }
        match self.lines.pop_front() {
            None => Err(CallError::DeadlineExceeded.into()),
            Some(Line::End) => Ok(Vec::new()),
            Some(Line::Server(mut bytes)) => {
                let rest = bytes.split_off(self.chunk.min(bytes.len()));
                if !rest.is_empty() {
                    self.lines.push_front(Line::Server(rest));
                }
                Ok(bytes)
            }
            Some(other) => panic!("the client reads where the script has {other:?}"),
        }
    }

    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure> {
        let sent = shown(message);
        while let Some(Line::Server(bytes)) = self.lines.front() {
            self.unread.extend(bytes);
            self.lines.pop_front();
        }
        match self.lines.pop_front() {
            None => Err(CallError::DeadlineExceeded.into()),
            Some(Line::Client(wanted)) => {
                assert_eq!(sent, wanted);
                Ok(())
            }
            Some(other) => panic!("the client sends {sent:?} where the script has {other:?}"),
        }
    }

    fn secret_length(&self, name: &str) -> usize {
        name.len()
    }

    fn start_tls(&mut self) -> Result<TlsInfo, Failure> {
        match self.lines.pop_front() {
            Some(Line::Tls(not_after)) => Ok(tls_info(not_after)),
            other => panic!("the client starts TLS where the script has {other:?}"),
        }
    }
}

/// What is sent, in words.
pub(crate) fn shown(message: &[Fragment]) -> String {
    message
        .iter()
        .map(|fragment| match fragment {
            Fragment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Fragment::Secret(name) => format!("<{name}>"),
            Fragment::Base64(inner) => format!("b64({})", shown(inner)),
        })
        .collect()
}

/// A TLS session with a certificate that ends at this second.
pub(crate) fn tls_info(not_after: i64) -> TlsInfo {
    TlsInfo {
        version: "1.3".into(),
        cipher: "TLS13_AES_128_GCM_SHA256".into(),
        alpn: None,
        certificate: Certificate {
            subject: "CN=mail.example.org".into(),
            issuer: "CN=authority".into(),
            names: vec!["mail.example.org".into()],
            not_before: 0,
            not_after,
            sha256: String::new(),
        },
    }
}

/// Keeps what is recorded, in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// `name` or `name(detail)` of what was planned.
    pub(crate) plan: RefCell<Vec<String>>,
    /// `name: ok`, or the failure's message in the place of `ok`.
    pub(crate) phases: RefCell<Vec<String>>,
    /// `name{attribute=value}=value`.
    pub(crate) measurements: RefCell<Vec<String>>,
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

    fn measure(
        &self,
        name: &str,
        value: f64,
        _unit: &str,
        attributes: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let attributes: Vec<String> = attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.measurements
            .borrow_mut()
            .push(format!("{name}{{{}}}={value}", attributes.join(",")));
        Ok(())
    }

    fn debug(&self, _message: &str) {}
}
