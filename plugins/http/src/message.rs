//! A request as it goes over the wire (RFC 9112 sections 2 to 6). Pure.

use bedcheck_sdk::SecretName;
use http::{HeaderName, HeaderValue, Method, header};

use crate::request::{FieldValue, Request, TRACE_PARENT};

/// What a request has unless the settings have a field of that name.
const USUAL: [(HeaderName, &str); 4] = [
    (
        header::USER_AGENT,
        concat!("bedcheck/", env!("CARGO_PKG_VERSION")),
    ),
    (header::ACCEPT, "*/*"),
    (header::ACCEPT_ENCODING, "gzip, deflate"),
    (header::CONNECTION, "close"),
];

/// How long the head of most requests is at most, in bytes.
const USUAL_LENGTH: usize = 256;

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

/// Writes a request; `trace_parent` is a field that its settings do not know of.
pub(crate) fn write(request: &Request, trace_parent: Option<&HeaderValue>) -> Vec<Fragment> {
    let mut message = Message {
        fragments: Vec::with_capacity(1),
        bytes: Vec::with_capacity(USUAL_LENGTH),
    };
    let target = &request.target;
    message.write([
        request.method.as_str(),
        " ",
        target.origin_form(),
        " HTTP/1.1\r\n",
    ]);
    if !request.has_field(&header::HOST) {
        message.write(["host: ", target.authority(), "\r\n"]);
    }
    for (name, value) in &USUAL {
        if !request.has_field(name) {
            message.write([name.as_str(), ": ", value, "\r\n"]);
        }
    }
    if let Some(length) = content_length(request) {
        message.write(["content-length: ", &length.to_string(), "\r\n"]);
    }
    for (name, value) in &request.headers {
        message.write([name.as_str(), ": "]);
        message.write_value(value);
        message.write(["\r\n"]);
    }
    if let Some(value) = trace_parent {
        message.write([TRACE_PARENT.as_str(), ": "]);
        message.bytes.extend_from_slice(value.as_bytes());
        message.write(["\r\n"]);
    }
    message.write(["\r\n", request.body.as_deref().unwrap_or_default()]);
    message.finish()
}

/// What `Content-Length` says: the content's length; zero where there is none and the method usually has some (RFC
/// 9110 section 8.6).
fn content_length(request: &Request) -> Option<usize> {
    let has_content_usually = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
    request
        .body
        .as_ref()
        .map(String::len)
        .or(has_content_usually.then_some(0))
}

/// A message that is being written.
struct Message {
    fragments: Vec<Fragment>,
    /// What comes behind the last fragment.
    bytes: Vec<u8>,
}

impl Message {
    fn write<const N: usize>(&mut self, texts: [&str; N]) {
        for text in texts {
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }

    fn write_value(&mut self, value: &FieldValue) {
        let name = |secret: &SecretName| secret.as_str().to_owned();
        match value {
            FieldValue::Plain(value) => self.bytes.extend_from_slice(value.as_bytes()),
            FieldValue::Secret(secret) => self.push(Fragment::Secret(name(secret))),
            FieldValue::Bearer(secret) => {
                self.write(["Bearer "]);
                self.push(Fragment::Secret(name(secret)));
            }
            FieldValue::Basic { user, password } => {
                self.write(["Basic "]);
                self.push(Fragment::BasicCredentials {
                    user: user.clone(),
                    password: name(password),
                });
            }
        }
    }

    fn push(&mut self, fragment: Fragment) {
        self.fragments
            .push(Fragment::Bytes(std::mem::take(&mut self.bytes)));
        self.fragments.push(fragment);
    }

    fn finish(mut self) -> Vec<Fragment> {
        self.fragments.push(Fragment::Bytes(self.bytes));
        self.fragments
    }
}
