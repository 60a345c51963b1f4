//! How the body of a response ends (RFC 9112 section 6.3). Pure.

use bedcheck_sdk::Failure;
use http::{Method, StatusCode, Version};

use crate::head::{Fields, Head};
use crate::quote::quote;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    NoBody,
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// How the body ends that follows this head.
///
/// # Errors
///
/// What keeps us from finding the end.
pub(crate) fn framing(request: &Method, head: &Head) -> Result<Framing, Failure> {
    if !may_have_body(request, head.status) {
        return Ok(Framing::NoBody);
    }
    if head.fields.get("transfer-encoding").is_some() {
        refuse_transfer_codings(head)?;
        return Ok(Framing::Chunked);
    }
    let length = announced_length(&head.fields)?;
    Ok(length.map_or(Framing::UntilClose, Framing::Length))
}

/// The length that a response says its body has; the same one several times is one (RFC 9110 section 8.6).
///
/// # Errors
///
/// That it says something else.
pub(crate) fn announced_length(fields: &Fields) -> Result<Option<u64>, Failure> {
    let values = || fields.get_all("content-length");
    let mut lengths = values()
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(length);
    match lengths.next() {
        None => Ok(None),
        Some(Some(first)) if lengths.all(|other| other == Some(first)) => Ok(Some(first)),
        Some(_) => Err(Failure::unexpected_response(format!(
            "the answer breaks HTTP/1.1: its `content-length` is {}, wanted one length",
            quote(&values().collect::<Vec<_>>().join(b", ".as_slice()))
        ))),
    }
}

/// A length: digits alone.
fn length(said: &[u8]) -> Option<u64> {
    let text = str::from_utf8(said.trim_ascii()).ok()?;
    let is_sound = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_sound)
}

/// Whether a response has a body unless its fields say otherwise (RFC 9112 section 6.3). They say nothing about one that
/// has none.
fn may_have_body(request: &Method, status: StatusCode) -> bool {
    let has_none = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    *request != Method::HEAD && !status.is_informational() && !has_none
}

/// What keeps us from finding the end of a body.
fn refuse_transfer_codings(head: &Head) -> Result<(), Failure> {
    if let Some(coding) = foreign_transfer_coding(&head.fields) {
        return Err(Failure::unexpected_response(format!(
            "the transfer coding is {}, wanted `chunked` or none",
            quote(coding)
        )));
    }
    if head.version == Version::HTTP_10 {
        return Err(Failure::unexpected_response(
            "the response is HTTP/1.0 and has a transfer coding, which HTTP/1.0 does not know: nobody can tell where \
             it ends",
        ));
    }
    Ok(())
}

/// A transfer coding that no client has to understand without having asked for it (RFC 9112 section 7).
fn foreign_transfer_coding(fields: &Fields) -> Option<&[u8]> {
    let mut values = fields.get_all("transfer-encoding");
    values.find(|value| !value.eq_ignore_ascii_case(b"chunked"))
}
