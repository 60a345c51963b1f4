//! One request and its response over a connection. The bytes come and go through a [`Transport`], so
//! that whole conversations are tested as byte strings.

use bedcheck_sdk::{CallError, Fact, Failure, Reason};
use http::{HeaderValue, StatusCode, Version};

use crate::body::{self, Coding};
use crate::framing::{Framing, framing};
use crate::head::{self, Fault, Fields, Head, MAX_FIELDS};
use crate::message::{self, Fragment};
use crate::quote::{guess_protocol, quote};
use crate::request::Request;

/// The most bytes of a response's head, informational responses before it included: more than any
/// common server sends, little enough for a sandbox.
const MAX_HEAD: usize = 64 * 1024;

/// Where less than this was there before, an unfinished head is parsed after every read, so that a server that speaks
/// another protocol is told from a slow one; from there on only when a line of it may be the last, so
/// that a server that sends byte by byte does not make the parsing expensive.
const PARSED_EAGERLY: usize = 1024;

/// Where the bytes go to and come from.
pub(crate) trait Transport {
    /// Sends these fragments in one go.
    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure>;

    /// Appends bytes as soon as there are some, and says how many: none at the end of the stream.
    fn receive(&mut self, into: &mut Vec<u8>) -> Result<usize, Failure>;

    /// Whether the end of the stream that was received is the server's own word. Without TLS nobody can tell.
    fn is_end_sound(&mut self) -> Result<bool, Failure>;

    /// What the server may be told of the trace, if anything.
    fn trace_parent(&mut self) -> Option<String>;

    /// Tells whoever looks at the phase what it does.
    fn describe(&mut self, facts: &[(&str, Fact<'_>)]) -> Result<(), Failure>;
}

/// A response whose head has come in, and its body perhaps not.
pub(crate) struct Answer {
    pub(crate) head: Head,
    /// What was received after the head.
    rest: Vec<u8>,
    framing: Framing,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    /// The final status.
    pub(crate) status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    /// The header fields.
    pub(crate) fields: Fields,
    /// The content, decoded if it was gzip or deflate.
    pub(crate) body: Vec<u8>,
    /// The size of the content as it was sent, in bytes: without chunk framing, before decoding.
    pub(crate) received: usize,
}

/// Sends a request and receives the head of its response.
///
/// # Errors
///
/// Besides errors of the network: that the answer is no HTTP, or its head too large.
pub(crate) fn ask(transport: &mut impl Transport, request: &Request) -> Result<Answer, Failure> {
    describe(transport, request)?;
    let trace_parent = match request.may_be_traced() {
        true => transport.trace_parent(),
        false => None,
    };
    let trace_parent = trace_parent.and_then(|value| HeaderValue::try_from(value).ok());
    let message = message::write(request, trace_parent.as_ref());
    let (head, rest) = match transport.send(&message) {
        Ok(()) => receive_head(transport)?,
        // A server may refuse a request and close before it has read all of it (RFC 9112 section 9.5).
        Err(failure) if is_hung_up(&failure) => receive_head(transport).map_err(|_| failure)?,
        Err(failure) => return Err(failure),
    };
    let version = if head.version == Version::HTTP_10 {
        "1.0"
    } else {
        "1.1"
    };
    transport.describe(&[
        (
            "http.response.status_code",
            Fact::Integer(head.status.as_u16().into()),
        ),
        ("network.protocol.version", Fact::Text(version)),
    ])?;
    let framing = framing(&request.method, &head)?;
    Ok(Answer { head, rest, framing })
}

/// Whether the server has closed the connection, in whatever way.
fn is_hung_up(failure: &Failure) -> bool {
    use CallError::{ConnectionClosed, ConnectionReset};
    matches!(failure.reason(), Reason::Call(ConnectionClosed | ConnectionReset))
}

/// What a request is, by OpenTelemetry's names. That it is a test is for servers' owners who meet it in their traces.
/// The query is left out: it may hold tokens.
fn describe(transport: &mut impl Transport, request: &Request) -> Result<(), Failure> {
    let target = &request.target;
    transport.describe(&[
        ("http.request.method", Fact::Text(request.method.as_str())),
        ("url.full", Fact::Text(target.shown())),
        ("server.address", Fact::Text(target.host())),
        ("server.port", Fact::Integer(target.port().into())),
        ("network.protocol.name", Fact::Text("http")),
        ("user_agent.synthetic.type", Fact::Text("test")),
    ])
}

/// The head of the final response, and what was received after it.
fn receive_head(transport: &mut impl Transport) -> Result<(Head, Vec<u8>), Failure> {
    let mut received = Vec::new();
    let mut consumed = 0;
    loop {
        let arrived = transport.receive(&mut received)?;
        let before = received.len() - arrived;
        let (is_ended, is_too_long) = (arrived == 0, received.len() > MAX_HEAD);
        let end = received.len().min(MAX_HEAD);
        // What cannot grow any more is parsed once for what is wrong with it, however it came.
        let mut is_worth_parsing = is_ended
            || is_too_long
            || before <= PARSED_EAGERLY
            || end_of_head(&received[..end], before.min(end)).is_some();
        while is_worth_parsing {
            let parsed = head::parse(&received[consumed..end]).map_err(|fault| no_http(&fault, &received))?;
            // Behind an informational response, which is skipped, the final one may be there already.
            is_worth_parsing = parsed.is_some();
            if let Some((length, head)) = parsed {
                consumed += length;
                if !is_informational(head.status) {
                    received.drain(..consumed);
                    return Ok((head, received));
                }
            }
        }
        if is_ended {
            return Err(ended_in_head(&received[consumed..]));
        }
        if is_too_long {
            return Err(Failure::too_large(format!(
                "the response's head is longer than {MAX_HEAD} bytes"
            )));
        }
    }
}

/// Where the first empty line ends that ends at or after `from`.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let begins = |rest: &[u8]| rest.starts_with(b"\n\n") || rest.starts_with(b"\n\r\n");
    let line_end = (from..bytes.len()).find(|&at| begins(&bytes[at..]))?;
    let length = if bytes[line_end + 1] == b'\n' { 2 } else { 3 };
    Some(line_end + length)
}

/// Whether another response follows (RFC 9110 section 15.2): not after a switch of protocols.
fn is_informational(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

fn ended_in_head(received: &[u8]) -> Failure {
    if received.is_empty() {
        return Failure::connection_closed("the server closed the connection without an answer");
    }
    Failure::connection_closed(format!(
        "the server closed the connection in the head of its response, which begins {}",
        quote(received)
    ))
}

fn no_http(fault: &Fault, received: &[u8]) -> Failure {
    let error = match fault {
        Fault::TooManyFields => {
            return Failure::too_large(format!("the response has more than {MAX_FIELDS} header fields"));
        }
        Fault::Broken(error) => error,
    };
    let begins = quote(received);
    Failure::unexpected_response(match guess_protocol(received) {
        Some(protocol) => format!("the answer is not HTTP/1.1 but looks like {protocol}: it begins {begins}"),
        None if received.starts_with(b"HTTP/") => {
            format!("the answer breaks HTTP/1.1 ({error}): it begins {begins}")
        }
        None => format!("the answer is not HTTP/1.1: it begins {begins}"),
    })
}

impl Answer {
    /// Receives the body, and decodes it if it is gzip or deflate: neither form may exceed `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`body::receive`] and [`body::decode`].
    pub(crate) fn finish(self, transport: &mut impl Transport, limit: usize) -> Result<Response, Failure> {
        let encoded = body::receive(self.framing, transport, self.rest, limit)?;
        let received = encoded.len();
        let Head {
            status,
            version,
            fields,
        } = self.head;
        let body = body::decode(&Coding::of(&fields), encoded, limit)?;
        Ok(Response {
            status,
            version,
            fields,
            body,
            received,
        })
    }
}

#[cfg(test)]
mod tests;
