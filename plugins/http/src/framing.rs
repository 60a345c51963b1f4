//! How the body of a response ends (RFC 9112 section 6.3). Pure.

use bedcheck_sdk::Failure;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use ureq_proto::BodyMode;

use crate::quote::quote;

/// How the body ends that follows this head. The library has this too, and refuses a length that is none before it looks
/// whether it counts.
///
/// # Errors
///
/// What keeps us from finding the end.
pub(crate) fn body_mode(request: &Method, head: &Parts) -> Result<BodyMode, Failure> {
    if !may_have_body(request, head.status) {
        return Ok(BodyMode::NoBody);
    }
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        refuse_transfer_codings(head)?;
        return Ok(BodyMode::Chunked);
    }
    let length = announced_length(&head.headers)?;
    Ok(length.map_or(BodyMode::CloseDelimited, BodyMode::LengthDelimited))
}

/// The length that a response says its body has; the same one several times is one (RFC 9110 section 8.6).
///
/// # Errors
///
/// That it says something else.
pub(crate) fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let values = headers.get_all(header::CONTENT_LENGTH).iter();
    let values: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
    if values.is_empty() {
        return Ok(None);
    }
    let said = values.join(b", ".as_slice());
    let mut lengths = said.split(|&byte| byte == b',').map(length);
    match lengths.next().flatten() {
        Some(first) if lengths.all(|other| other == Some(first)) => Ok(Some(first)),
        _ => Err(Failure::unexpected_response(format!(
            "the answer breaks HTTP/1.1: its `content-length` is {}, wanted one length",
            quote(&said)
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
fn refuse_transfer_codings(head: &Parts) -> Result<(), Failure> {
    if let Some(coding) = foreign_transfer_coding(&head.headers) {
        return Err(Failure::unexpected_response(format!(
            "the transfer coding is {}, wanted `chunked` or none",
            quote(coding.as_bytes())
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
fn foreign_transfer_coding(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    values.find(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}
