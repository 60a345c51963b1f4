//! A recorded run as a script: its peers answer as they did, whatever the plugin does this time. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::RecordedRun;
use crate::connection::script::{Script, Step, TlsAnswer, Transport};
use crate::connection::{Certificate, Error, TlsInfo};
use crate::fault::{Fault, FaultKind, HostCall};
use crate::tape::{Answer, Entry};

impl RecordedRun {
    /// The peers of the run's last attempt.
    pub fn to_script(&self) -> Script {
        let ends: Vec<usize> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| matches!(entry, Entry::End { .. }))
            .map(|(at, _)| at)
            .collect();
        // The last attempt begins behind the end of the one before.
        let from = ends.iter().rev().nth(1).map_or(0, |end| end + 1);
        let mut reader = Reader::default();
        self.entries[from..].iter().for_each(|entry| reader.read(entry));
        Script::from_exchanges(reader.names, reader.connections)
    }
}

#[derive(Default)]
struct Reader {
    names: BTreeMap<String, Result<Vec<IpAddr>, Error>>,
    connections: Vec<(Transport, Result<Vec<Step>, Error>)>,
    /// What the next answer is to.
    asked: Asked,
    /// How many answers come before it that are the ends of pauses, which faults made.
    pauses: usize,
}

#[derive(Default)]
enum Asked {
    #[default]
    Nothing,
    Addresses(String, Transport),
    Connection(Transport),
    Tls(usize),
    /// Bytes of that connection's.
    Bytes(u32),
    /// That bytes are sent to that connection.
    Sending(u32),
}

impl Reader {
    fn read(&mut self, entry: &Entry) {
        match entry {
            Entry::Call { name, arguments } => {
                self.asked = asked(name, arguments);
                self.pauses = 0;
            }
            Entry::Fault(fault) => self.pauses += usize::from(is_delay(fault)),
            Entry::Answer(_) if self.pauses > 0 => self.pauses -= 1,
            Entry::Sent(data) => {
                self.push(data.connection, Step::Heard(data.bytes.len().max(1)));
                self.asked = Asked::Sending(data.connection);
            }
            Entry::Answer(Answer::Received(data))
                if data.bytes.is_empty() && self.transport(data.connection) == Some(Transport::Tcp) =>
            {
                self.push(data.connection, Step::HangUp);
            }
            Entry::Answer(Answer::Received(data)) => {
                self.push(data.connection, Step::Send(data.bytes.clone()));
            }
            Entry::Answer(answer) => self.answer(answer),
            Entry::At(_) | Entry::Awaited | Entry::RetryDenied(_) | Entry::End { .. } => {}
        }
    }

    fn answer(&mut self, answer: &Answer) {
        match std::mem::take(&mut self.asked) {
            Asked::Nothing => {}
            Asked::Addresses(name, transport) => {
                let found: Option<Result<Vec<IpAddr>, Error>> = value_or_error(answer);
                if matches!(found, Some(Ok(_))) {
                    self.asked = Asked::Connection(transport);
                }
                self.names.extend(found.map(|found| (name, found)));
            }
            Asked::Connection(transport) => {
                let peer: Option<Result<String, Error>> = value_or_error(answer);
                let peer = peer.map(|peer| (transport, peer.map(|_| Vec::new())));
                self.connections.extend(peer);
            }
            Asked::Tls(connection) => {
                type Shaken = (Result<TlsInfo, Error>, Option<Certificate>);
                if let Some(Ok((result, certificate))) = value_or_error::<Shaken>(answer) {
                    let answer = TlsAnswer { result, certificate };
                    let number = u32::try_from(connection).unwrap_or(u32::MAX);
                    self.push(number, Step::StartTls(Box::new(answer)));
                }
            }
            Asked::Bytes(connection) => {
                if let Some(end) = end(answer) {
                    self.push(connection, end);
                }
            }
            Asked::Sending(connection) => {
                if let Some(end) = end(answer) {
                    let heard = |step: &mut Step| matches!(step, Step::Heard(_));
                    self.steps(connection).and_then(|steps| steps.pop_if(heard));
                    self.push(connection, end);
                }
            }
        }
    }

    /// Over what a connection was.
    fn transport(&self, connection: u32) -> Option<Transport> {
        let connection = self.connections.get(usize::try_from(connection).ok()?);
        connection.map(|(transport, _)| *transport)
    }

    fn push(&mut self, connection: u32, step: Step) {
        if let Some(steps) = self.steps(connection)
            && !matches!(steps.last(), Some(Step::HangUp | Step::Reset))
        {
            steps.push(step);
        }
    }

    fn steps(&mut self, connection: u32) -> Option<&mut Vec<Step>> {
        let connection = usize::try_from(connection).ok()?;
        self.connections.get_mut(connection)?.1.as_mut().ok()
    }
}

fn asked(call: &str, arguments: &Value) -> Asked {
    match call.parse() {
        Ok(call) if call.dials() => {
            let transport = match call {
                HostCall::NetConnectDatagram => Transport::Udp,
                _ => Transport::Tcp,
            };
            let host = arguments.get("host").and_then(Value::as_str);
            host.map_or(Asked::Nothing, |host| {
                Asked::Addresses(host.to_owned(), transport)
            })
        }
        Ok(HostCall::NetStartTls) => {
            let number = arguments.get("connection").and_then(Value::as_u64);
            let number = number.and_then(|number| usize::try_from(number).ok());
            number.map_or(Asked::Nothing, Asked::Tls)
        }
        Ok(HostCall::NetRead | HostCall::NetReceiveDatagram) => {
            let number = arguments.get("connection").and_then(Value::as_u64);
            let number = number.and_then(|number| u32::try_from(number).ok());
            number.map_or(Asked::Nothing, Asked::Bytes)
        }
        _ => Asked::Nothing,
    }
}

/// Whether a fault, as it is recorded, makes a pause, whose end is recorded as an answer.
fn is_delay(fault: &str) -> bool {
    fault
        .parse()
        .is_ok_and(|fault: Fault| matches!(fault.kind, FaultKind::Delay(_)))
}

/// How a peer has ended its connection, if that was the answer.
fn end(answer: &Answer) -> Option<Step> {
    match value_or_error::<Value>(answer)? {
        Err(Error::Reset) => Some(Step::Reset),
        Err(Error::Closed) => Some(Step::HangUp),
        _ => None,
    }
}

fn value_or_error<T: serde::de::DeserializeOwned>(answer: &Answer) -> Option<Result<T, Error>> {
    match answer {
        Answer::Ok(value) => serde_json::from_value(value.clone()).ok().map(Ok),
        Answer::Err(error) => serde_json::from_value(error.clone()).ok().map(Err),
        _ => None,
    }
}
