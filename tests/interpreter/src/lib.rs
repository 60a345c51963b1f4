//! A plugin without a will of its own: its settings are a program, a list of host calls with their arguments, and
//! it makes them in that order whatever they answer. For fuzzing the host's side of the contract.
//!
//! In every text `@read` stands for what was read last, so that what a peer says can be put anywhere.

use std::io::Write;
use std::time::Duration;

use bedcheck_sdk::bindings::bedcheck::plugin::log::Level;
use bedcheck_sdk::bindings::bedcheck::plugin::net::{Connection, DatagramSocket};
use bedcheck_sdk::bindings::bedcheck::plugin::secrets::{Part, Secret, Sendable};
use bedcheck_sdk::bindings::bedcheck::plugin::{
    budget, capabilities, log, measurements, net, phases, trace, types,
};
use bedcheck_sdk::{CallError, Check, Description, Failure, Reason, TlsOptions};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    program: Vec<Step>,
    end: End,
}

/// One host call; connections, sockets for datagrams and secrets by the order in which they were opened.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Plan(Vec<(String, Option<String>)>),
    Begin(String, Option<String>),
    Succeed,
    Fail(Why, String),
    Connect(String, u16),
    StartTls(usize, Option<String>, Vec<String>),
    Read(usize, u32),
    /// A text, so many times over.
    Write(usize, String, usize),
    Send(usize, Vec<Piece>),
    Close(usize),
    PeerAddress(usize),
    Drop(usize),
    ConnectDatagram(String, u16),
    /// A text, so many times over.
    SendDatagram(usize, String, usize),
    ReceiveDatagram(usize),
    DatagramPeerAddress(usize),
    DropDatagram(usize),
    OpenSecret(String),
    Length(usize),
    DropSecret(usize),
    /// The value as a text, so that it can be no number.
    Put(String, String, String, Vec<(String, String)>),
    /// Facts of the open phase.
    Describe(Vec<(String, Fact)>),
    TraceParent,
    Log(u8, String),
    Remaining,
    DeadlineExceeded,
    Enabled(String),
    /// Milliseconds.
    Sleep(u64),
    /// A line to standard output, or to standard error.
    Print(bool, String),
    /// A step, so many times.
    Repeat(u32, Box<Step>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fact {
    Text(String),
    Integer(i64),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Piece {
    Bytes(String),
    Secret(usize),
    Base64(Vec<Piece>),
}

/// How it ends.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    Pass,
    Fail(Why, String),
    Panic(String),
    Exit,
    Spin,
}

/// A reason.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Why {
    /// The last error of a host call; `deadline-exceeded` if there was none.
    Last,
    UnexpectedResponse,
    TooLarge,
    AuthRejected,
    TlsNotOffered,
    AssertionFailed,
    SettingsInvalid,
    Own(String),
    /// An error of a host call that there was not, with this text.
    Invented(u8, String),
}

/// What the program has by now.
#[derive(Default)]
struct Machine {
    connections: Vec<Option<Connection>>,
    sockets: Vec<Option<DatagramSocket>>,
    secrets: Vec<Option<Secret>>,
    read: String,
    last: Option<CallError>,
}

struct Interpreter;

impl Check for Interpreter {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new("interpreter", "0.1.0", "makes the host calls of its settings")
            .phases(["resolve", "connect", "tls", "first", "second", "third"])
            .capabilities(["net.connect", "net.datagram", "net.tls", "secrets"])
            .settings_schema("{}")
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        let mut machine = Machine::default();
        for step in &settings.program {
            machine.step(step);
        }
        match &settings.end {
            End::Pass => Ok(()),
            End::Fail(why, words) => Err(Failure::new(sdk_reason(machine.reason(why)), machine.text(words))),
            End::Panic(words) => panic!("{}", machine.text(words)),
            End::Exit => std::process::exit(3),
            End::Spin => loop {
                std::hint::black_box(());
            },
        }
    }
}

bedcheck_sdk::register!(Interpreter);

impl Machine {
    fn step(&mut self, step: &Step) {
        if let Err(error) = self.call(step) {
            self.last = Some(error);
        }
    }

    fn call(&mut self, step: &Step) -> Result<(), CallError> {
        match step {
            Step::Plan(planned) => {
                let planned: Vec<_> = planned
                    .iter()
                    .map(|(name, detail)| phases::Planned {
                        name: self.text(name),
                        detail: self.optional(detail.as_deref()),
                    })
                    .collect();
                phases::plan(&planned)
            }
            Step::Begin(name, detail) => {
                phases::begin(&self.text(name), self.optional(detail.as_deref()).as_deref())
            }
            Step::Succeed => phases::succeed(),
            Step::Fail(why, words) => phases::fail(&types::Failure {
                reason: self.reason(why),
                message: self.text(words),
            }),
            Step::OpenSecret(name) => {
                self.secrets.push(Some(Secret::open(&self.text(name))?));
                Ok(())
            }
            Step::Length(index) => {
                if let Some(secret) = chosen(&self.secrets, *index) {
                    std::hint::black_box(secret.length());
                }
                Ok(())
            }
            Step::DropSecret(index) => {
                take(&mut self.secrets, *index);
                Ok(())
            }
            Step::Put(name, value, unit, attributes) => {
                let attributes: Vec<_> = attributes
                    .iter()
                    .map(|(key, value)| (self.text(key), self.text(value)))
                    .collect();
                let value = value.parse().unwrap_or(f64::NAN);
                measurements::put(&self.text(name), value, &self.text(unit), &attributes)
            }
            Step::Describe(facts) => {
                let facts: Vec<_> = facts
                    .iter()
                    .map(|(name, fact)| (self.text(name), self.fact(fact)))
                    .collect();
                trace::describe(&facts)
            }
            Step::Repeat(times, step) => {
                (0..*times).for_each(|_| self.step(step));
                Ok(())
            }
            Step::Connect(..)
            | Step::StartTls(..)
            | Step::Read(..)
            | Step::Write(..)
            | Step::Send(..)
            | Step::Close(_)
            | Step::PeerAddress(_)
            | Step::Drop(_) => self.network(step),
            Step::ConnectDatagram(..)
            | Step::SendDatagram(..)
            | Step::ReceiveDatagram(_)
            | Step::DatagramPeerAddress(_)
            | Step::DropDatagram(_) => self.datagrams(step),
            _ => {
                self.ask(step);
                Ok(())
            }
        }
    }

    fn network(&mut self, step: &Step) -> Result<(), CallError> {
        match step {
            Step::Connect(host, port) => {
                let connection = Connection::connect(&self.text(host), *port)?;
                self.connections.push(Some(connection));
            }
            Step::StartTls(index, server_name, alpn) => {
                let options = TlsOptions {
                    server_name: self.optional(server_name.as_deref()),
                    alpn: alpn.iter().map(|protocol| self.text(protocol)).collect(),
                };
                if let Some(connection) = chosen(&self.connections, *index) {
                    let info: net::TlsInfo = connection.start_tls(&options)?;
                    self.read = format!("{info:?}");
                }
            }
            Step::Read(index, maximum) => {
                if let Some(connection) = chosen(&self.connections, *index) {
                    let read = connection.read(*maximum)?;
                    self.read = String::from_utf8_lossy(&read).into_owned();
                }
            }
            Step::Write(index, text, times) => {
                if let Some(connection) = chosen(&self.connections, *index) {
                    connection.write(self.text(text).repeat(*times).as_bytes())?;
                }
            }
            Step::Send(index, pieces) => {
                if let Some(connection) = chosen(&self.connections, *index) {
                    let pieces: Vec<_> = pieces.iter().filter_map(|piece| self.sendable(piece)).collect();
                    connection.send(&pieces)?;
                }
            }
            Step::Close(index) => {
                if let Some(connection) = chosen(&self.connections, *index) {
                    connection.close()?;
                }
            }
            Step::PeerAddress(index) => {
                if let Some(connection) = chosen(&self.connections, *index) {
                    self.read = connection.peer_address();
                }
            }
            Step::Drop(index) => take(&mut self.connections, *index),
            _ => {}
        }
        Ok(())
    }

    fn datagrams(&mut self, step: &Step) -> Result<(), CallError> {
        match step {
            Step::ConnectDatagram(host, port) => {
                let socket = DatagramSocket::connect(&self.text(host), *port)?;
                self.sockets.push(Some(socket));
            }
            Step::SendDatagram(index, text, times) => {
                if let Some(socket) = chosen(&self.sockets, *index) {
                    socket.send(self.text(text).repeat(*times).as_bytes())?;
                }
            }
            Step::ReceiveDatagram(index) => {
                if let Some(socket) = chosen(&self.sockets, *index) {
                    let received = socket.receive()?;
                    self.read = String::from_utf8_lossy(&received).into_owned();
                }
            }
            Step::DatagramPeerAddress(index) => {
                if let Some(socket) = chosen(&self.sockets, *index) {
                    self.read = socket.peer_address();
                }
            }
            Step::DropDatagram(index) => take(&mut self.sockets, *index),
            _ => {}
        }
        Ok(())
    }

    fn ask(&mut self, step: &Step) {
        match step {
            Step::Log(level, words) => {
                let level = match level % 4 {
                    0 => Level::Debug,
                    1 => Level::Info,
                    2 => Level::Warning,
                    _ => Level::Error,
                };
                log::write(level, &self.text(words));
            }
            Step::TraceParent => self.read = trace::parent().unwrap_or_default(),
            Step::Remaining => {
                std::hint::black_box(budget::remaining());
            }
            Step::DeadlineExceeded => {
                std::hint::black_box(budget::deadline_exceeded());
            }
            Step::Enabled(name) => {
                std::hint::black_box(capabilities::enabled(&self.text(name)));
            }
            Step::Sleep(milliseconds) => std::thread::sleep(Duration::from_millis(*milliseconds)),
            Step::Print(is_error, words) => {
                let words = self.text(words);
                // That nobody reads it is the host's matter.
                let _ = if *is_error {
                    writeln!(std::io::stderr(), "{words}")
                } else {
                    writeln!(std::io::stdout(), "{words}")
                };
            }
            _ => {}
        }
    }

    fn sendable(&self, piece: &Piece) -> Option<Sendable<'_>> {
        match piece {
            Piece::Base64(pieces) => {
                let parts = pieces.iter().filter_map(|piece| self.part(piece));
                Some(Sendable::Base64(parts.collect()))
            }
            other => self.part(other).map(Sendable::Plain),
        }
    }

    fn part(&self, piece: &Piece) -> Option<Part<'_>> {
        match piece {
            Piece::Bytes(text) => Some(Part::Bytes(self.text(text).into_bytes())),
            Piece::Secret(index) => chosen(&self.secrets, *index).map(Part::Secret),
            Piece::Base64(_) => None,
        }
    }

    fn fact(&self, fact: &Fact) -> trace::Fact {
        match fact {
            Fact::Text(text) => trace::Fact::Text(self.text(text)),
            Fact::Integer(number) => trace::Fact::Integer(*number),
        }
    }

    fn reason(&self, why: &Why) -> types::Reason {
        match why {
            Why::Last => types::Reason::Call(self.last.clone().unwrap_or(CallError::DeadlineExceeded)),
            Why::UnexpectedResponse => types::Reason::UnexpectedResponse,
            Why::TooLarge => types::Reason::TooLarge,
            Why::AuthRejected => types::Reason::AuthRejected,
            Why::TlsNotOffered => types::Reason::TlsNotOffered,
            Why::AssertionFailed => types::Reason::AssertionFailed,
            Why::SettingsInvalid => types::Reason::SettingsInvalid,
            Why::Own(name) => types::Reason::Own(self.text(name)),
            Why::Invented(which, words) => types::Reason::Call(invented(*which, self.text(words))),
        }
    }

    fn text(&self, text: &str) -> String {
        text.replace("@read", &self.read)
    }

    fn optional(&self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.text(text))
    }
}

/// The handle of this index, counted around; none if there are none, or it was given back.
fn chosen<H>(handles: &[Option<H>], index: usize) -> Option<&H> {
    handles.get(index % handles.len().max(1))?.as_ref()
}

fn take<H>(handles: &mut [Option<H>], index: usize) {
    let length = handles.len().max(1);
    if let Some(handle) = handles.get_mut(index % length) {
        *handle = None;
    }
}

fn invented(which: u8, words: String) -> CallError {
    match which % 16 {
        0 => CallError::DeadlineExceeded,
        1 => CallError::OverQuota(words),
        2 => CallError::CapabilityDisabled(words),
        3 => CallError::GrantDenied(words),
        4 => CallError::NameNotFound(words),
        5 => CallError::NameServerFailure(words),
        6 => CallError::NoAddress(words),
        7 => CallError::ConnectionRefused,
        8 => CallError::ConnectionReset,
        9 => CallError::Invalid(words),
        10 => CallError::SecretMissing(words),
        11 => CallError::NetworkUnreachable,
        12 => CallError::HostUnreachable,
        13 => CallError::ConnectionClosed,
        14 => CallError::Tls(types::TlsFailure {
            problem: types::TlsProblem::Handshake,
            message: words,
        }),
        _ => CallError::Other(words),
    }
}

fn sdk_reason(reason: types::Reason) -> Reason {
    match reason {
        types::Reason::Call(error) => Reason::Call(error),
        types::Reason::UnexpectedResponse => Reason::UnexpectedResponse,
        types::Reason::TooLarge => Reason::TooLarge,
        types::Reason::AuthRejected => Reason::AuthRejected,
        types::Reason::TlsNotOffered => Reason::TlsNotOffered,
        types::Reason::AssertionFailed => Reason::AssertionFailed,
        types::Reason::SettingsInvalid => Reason::SettingsInvalid,
        types::Reason::Own(name) => Reason::Own(name),
    }
}
