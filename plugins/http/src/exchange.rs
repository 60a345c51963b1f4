//! One request and its response over a connection. The bytes come and go through a [`Transport`], so
//! that whole conversations are tested as byte strings.

use bedcheck_sdk::{CallError, Fact, Failure, Reason};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use ureq_proto::BodyMode;
use ureq_proto::client::{Call, MAX_RESPONSE_HEADERS};
use ureq_proto::parser::try_parse_response;

use crate::body::{self, Coding};
use crate::framing;
use crate::head;
use crate::quote::{guess_protocol, quote};
use crate::request::{FieldValue, Request};

/// The most bytes of a response's head, informational responses before it included: more than any
/// common server sends, little enough for a sandbox.
const MAX_HEAD: usize = 64 * 1024;

/// Where less than this was there before, an unfinished head is parsed after every read, so that a server that speaks
/// another protocol is told from a slow one; from there on only when a line of it may be the last, so
/// that a server that sends byte by byte does not make the parsing expensive.
const PARSED_EAGERLY: usize = 1024;

/// How much of a request's head is written at once, in bytes: all of most, and little for a sandbox to clear.
const WRITTEN_AT_ONCE: usize = 1024;

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("bedcheck/", env!("CARGO_PKG_VERSION")));

/// A piece of what is sent, secrets by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// A secret as it is.
    Secret(String),
    /// The base64 form of `user:password` (RFC 7617 section 2), the password a secret.
    BasicCredentials {
        /// The user.
        user: String,
        /// The name of the password's secret.
        password: String,
    },
}

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
    /// The final status.
    pub(crate) status: StatusCode,
    version: Version,
    /// The header fields.
    pub(crate) headers: HeaderMap,
    /// What was received after the head.
    rest: Vec<u8>,
    /// How the body ends, if there is one.
    body: BodyMode,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    /// The final status.
    pub(crate) status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    /// The header fields.
    pub(crate) headers: HeaderMap,
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
    let request = &*request.traced(|| transport.trace_parent());
    let message = encode(request).map_err(|error| {
        Failure::settings_invalid(format!(
            "the request for `{}` cannot be written: {error}",
            request.target
        ))
    })?;
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
    let body = framing::body_mode(&request.method, &head)?;
    Ok(Answer {
        status: head.status,
        version: head.version,
        headers: head.headers,
        rest,
        body,
    })
}

/// Whether the server has closed the connection, in whatever way.
fn is_hung_up(failure: &Failure) -> bool {
    use CallError::{ConnectionClosed, ConnectionReset};
    matches!(failure.reason(), Reason::Call(ConnectionClosed | ConnectionReset))
}

/// What a request is, by OpenTelemetry's names. That it is a test is for servers' owners who meet it in their traces.
/// The query is left out: it may hold tokens.
fn describe(transport: &mut impl Transport, request: &Request) -> Result<(), Failure> {
    let (url, host) = (request.target.to_string(), request.target.host());
    transport.describe(&[
        ("http.request.method", Fact::Text(request.method.as_str())),
        ("url.full", Fact::Text(&url)),
        ("server.address", Fact::Text(&host)),
        ("server.port", Fact::Integer(request.target.port().into())),
        ("network.protocol.name", Fact::Text("http")),
        ("user_agent.synthetic.type", Fact::Text("test")),
    ])
}

/// The request as bytes.
///
/// The library writes the head as if there were no secrets in it. The fields that hold them are put in
/// before the empty line that ends the head.
fn encode(request: &Request) -> Result<Vec<Fragment>, ureq_proto::Error> {
    let mut call = Call::new(plain_request(request)?)?;
    call.allow_non_standard_methods(true);
    let mut call = call.proceed();
    let mut head = write_head(&mut call)?;
    let end = head.len().saturating_sub(2);
    head.truncate(end);
    let mut message = vec![Fragment::Bytes(head)];
    for (name, value) in &request.headers {
        write_secret_field(&mut message, name, value);
    }
    let content = request.body.as_deref().unwrap_or_default();
    message.push(Fragment::Bytes([b"\r\n", content.as_bytes()].concat()));
    Ok(message)
}

/// The request without the fields that hold secrets, with those that every request has.
fn plain_request(request: &Request) -> Result<http::Request<()>, ureq_proto::Error> {
    let mut plain = http::Request::new(());
    *plain.method_mut() = request.method.clone();
    *plain.uri_mut() = request.target.uri().clone();
    let headers = plain.headers_mut();
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(length) = content_length(request) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    for (name, value) in &request.headers {
        match value {
            FieldValue::Plain(value) => headers.insert(name, value.clone()),
            FieldValue::Secret(_) | FieldValue::Basic { .. } | FieldValue::Bearer(_) => headers.remove(name),
        };
    }
    Ok(plain)
}

/// The length to announce: also none at all, for methods that usually have content (RFC 9110 section 8.6).
fn content_length(request: &Request) -> Option<usize> {
    let has_content_usually = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
    request
        .body
        .as_ref()
        .map(String::len)
        .or(has_content_usually.then_some(0))
}

fn write_head(call: &mut Call<ureq_proto::client::state::SendRequest>) -> Result<Vec<u8>, ureq_proto::Error> {
    let mut head = Vec::new();
    let mut buffer = vec![0; WRITTEN_AT_ONCE];
    while !call.can_proceed() {
        match call.write(&mut buffer) {
            Ok(written) => head.extend_from_slice(&buffer[..written]),
            // A line is longer than the buffer; all of them together are not longer than the settings.
            Err(ureq_proto::Error::OutputOverflow) => buffer.resize(buffer.len() * 2, 0),
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}

fn write_secret_field(message: &mut Vec<Fragment>, name: &HeaderName, value: &FieldValue) {
    let (prefix, secret) = match value {
        FieldValue::Plain(_) => return,
        FieldValue::Secret(secret) => ("", Fragment::Secret(secret.as_str().to_owned())),
        FieldValue::Bearer(secret) => ("Bearer ", Fragment::Secret(secret.as_str().to_owned())),
        FieldValue::Basic { user, password } => {
            let password = password.as_str().to_owned();
            (
                "Basic ",
                Fragment::BasicCredentials {
                    user: user.clone(),
                    password,
                },
            )
        }
    };
    message.push(Fragment::Bytes(format!("{name}: {prefix}").into_bytes()));
    message.push(secret);
    message.push(Fragment::Bytes(b"\r\n".to_vec()));
}

/// The head of the final response, and what was received after it.
fn receive_head(transport: &mut impl Transport) -> Result<(Parts, Vec<u8>), Failure> {
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
            let whole = consumed + head::straighten(&mut received[consumed..end]);
            let parsed = if is_ended || is_too_long { end } else { whole };
            let parsed = try_parse_response::<MAX_RESPONSE_HEADERS>(&received[consumed..parsed]);
            let parsed = parsed.map_err(|error| no_http(&error, &received))?;
            // Behind an informational response, which is skipped, the final one may be there already.
            is_worth_parsing = parsed.is_some();
            if let Some((used, response)) = parsed {
                consumed += used;
                if !is_informational(response.status()) {
                    received.drain(..consumed);
                    return Ok((response.into_parts().0, received));
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

fn no_http(error: &ureq_proto::Error, received: &[u8]) -> Failure {
    if *error == ureq_proto::Error::HttpParseTooManyHeaders {
        return Failure::too_large(format!(
            "the response has more than {MAX_RESPONSE_HEADERS} header fields"
        ));
    }
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
        let encoded = body::receive(self.body, transport, self.rest, limit)?;
        let received = encoded.len();
        let body = body::decode(&Coding::of(&self.headers), encoded, limit)?;
        Ok(Response {
            status: self.status,
            version: self.version,
            headers: self.headers,
            body,
            received,
        })
    }
}

#[cfg(test)]
mod tests;
