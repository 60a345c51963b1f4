//! One run: the phases, the question and its answer, the way from UDP to TCP, what is measured.

use bedcheck_sdk::{CallError, Failure};

use crate::answer::{Answer, Received};
use crate::query::Query;
use crate::settings::{Settings, Transport};
use crate::strays::Strays;

/// All phases, in the order of a run over TLS.
pub(crate) const PHASES: [&str; 5] = ["resolve", "connect", "tls", "query", "validate"];

/// The detail of the second `query`, after an answer that did not fit into a datagram.
const OVER_TCP: &str = "over TCP";
/// The length in front of a message over TCP, in bytes (RFC 1035 section 4.2.2).
const LENGTH: usize = 2;

/// A name server: datagrams, or the bytes of a stream.
pub(crate) trait Peer {
    /// Sends a datagram, or these bytes.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// Waits for a datagram, or for bytes; none of these mean the end of the stream.
    fn receive(&mut self) -> Result<Vec<u8>, Failure>;
}

/// Where a run is recorded, and its chance comes from.
pub(crate) trait Recorder {
    /// Says which phases the run goes through.
    fn plan(&self, phases: &[&str]) -> Result<(), Failure>;

    /// Goes through a phase; it ends as `body` ends.
    fn phase<T>(
        &self,
        name: &str,
        detail: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure>;

    /// A number for a question, which nobody is to guess (RFC 5452 section 9.2).
    fn number(&self) -> u16;

    /// Keeps a number.
    fn measure(&self, name: &str, value: f64, unit: &str) -> Result<(), Failure>;

    /// Adds a line to the log, for whoever wants details.
    fn debug(&self, message: &str);
}

/// Runs the check with the name server that `open` reaches.
pub(crate) fn run<P: Peer, R: Recorder>(
    settings: &Settings,
    recorder: &R,
    mut open: impl FnMut(Transport) -> Result<P, Failure>,
) -> Result<(), Failure> {
    let planned = PHASES
        .into_iter()
        .filter(|phase| *phase != "tls" || settings.transport == Transport::Tls);
    recorder.plan(&planned.collect::<Vec<_>>())?;
    let mut peer = open(settings.transport)?;
    let answer = match settings.transport {
        Transport::Udp => {
            recorder.phase("query", None, || ask_in_datagrams(settings, &mut peer, recorder))?
        }
        Transport::Tcp | Transport::Tls => {
            Some(recorder.phase("query", None, || ask_over_stream(settings, &mut peer, recorder))?)
        }
    };
    let answer = match answer {
        Some(answer) => answer,
        None => {
            recorder.debug("the answer was cut off to fit into a datagram: it is asked for again over TCP");
            drop(peer);
            let mut peer = open(Transport::Tcp)?;
            recorder.phase("query", Some(OVER_TCP), || {
                ask_over_stream(settings, &mut peer, recorder)
            })?
        }
    };
    measure(&answer, recorder)?;
    recorder.phase("validate", None, || settings.expect.judge(&answer))
}

/// Asks the question and waits for its answer; for none that was cut off.
fn ask_in_datagrams<P: Peer, R: Recorder>(
    settings: &Settings,
    peer: &mut P,
    recorder: &R,
) -> Result<Option<Answer>, Failure> {
    let query = Query::new(&settings.question, recorder.number())?;
    peer.send(query.bytes())?;
    let mut strays = Strays::default();
    loop {
        let datagram = peer.receive().map_err(|failure| strays.reworded(failure))?;
        match Answer::read(&query, &datagram, true)? {
            Received::Answer(answer) => return Ok(Some(answer)),
            Received::CutOff => return Ok(None),
            Received::Stray(why) => strays.pass_over(why, datagram.len(), recorder)?,
        }
    }
}

/// Asks the question and waits for its answer.
fn ask_over_stream<P: Peer, R: Recorder>(
    settings: &Settings,
    peer: &mut P,
    recorder: &R,
) -> Result<Answer, Failure> {
    let query = Query::new(&settings.question, recorder.number())?;
    let length = u16::try_from(query.bytes().len())
        .map_err(|_| Failure::settings_invalid("the question is longer than a message can be"))?;
    peer.send(&[&length.to_be_bytes(), query.bytes()].concat())?;
    // There is one question in the stream, and nobody else in it.
    let something_else = |what: &str| {
        Failure::unexpected_response(format!("the server sent something else than the answer: {what}"))
    };
    match Answer::read(&query, &receive_message(peer)?, false)? {
        Received::Answer(answer) => Ok(answer),
        Received::Stray(why) => Err(something_else(&why)),
        Received::CutOff => Err(something_else("it is cut off")),
    }
}

/// One message out of the stream. What comes after it is not waited for.
fn receive_message<P: Peer>(peer: &mut P) -> Result<Vec<u8>, Failure> {
    let mut received = Vec::new();
    loop {
        if let Some((length, rest)) = received.split_first_chunk::<LENGTH>() {
            let length = usize::from(u16::from_be_bytes(*length));
            if let Some(message) = rest.get(..length) {
                return Ok(message.to_vec());
            }
        }
        let bytes = peer.receive()?;
        if bytes.is_empty() {
            return Err(match received.is_empty() {
                true => CallError::ConnectionClosed.into(),
                false => Failure::connection_closed("the server closed the connection within its answer"),
            });
        }
        received.extend_from_slice(&bytes);
    }
}

fn measure<R: Recorder>(answer: &Answer, recorder: &R) -> Result<(), Failure> {
    let count = |records: &[_]| u32::try_from(records.len()).map_or(f64::INFINITY, f64::from);
    for (name, value, unit) in [
        ("dns.response.code", Some(f64::from(answer.code())), "1"),
        ("dns.response.size", Some(f64::from(answer.size())), "By"),
        ("dns.answer.records", Some(count(answer.answers())), "{record}"),
        (
            "dns.authority.records",
            Some(count(answer.authorities())),
            "{record}",
        ),
        (
            "dns.additional.records",
            Some(count(answer.additionals())),
            "{record}",
        ),
        ("dns.answer.min_ttl", answer.min_ttl().map(f64::from), "s"),
        ("dns.soa.serial", answer.soa_serial().map(f64::from), "1"),
    ] {
        if let Some(value) = value {
            recorder.measure(name, value, unit)?;
        }
    }
    Ok(())
}
