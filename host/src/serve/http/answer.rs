//! Answers: JSON and sentences, with the headers that all of them have. What is in them is for others.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::text::push_harmless_json;

/// After how many seconds whoever was turned away may ask again.
const LATER: HeaderValue = HeaderValue::from_static("10");

/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

/// A sentence for people and for tests of health.
pub(super) fn sentence(status: StatusCode, text: &str) -> Response {
    with_type(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match json_text(value) {
        Ok(text) => with_type(status, JSON, text),
        Err(error) => with_type(
            StatusCode::INTERNAL_SERVER_ERROR,
            JSON,
            serde_json::json!({ "error": error.to_string() }).to_string(),
        ),
    }
}

/// The text of a value as JSON, but for what could steer a terminal.
pub(super) fn json_text(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    push_harmless_json(&mut text, value)?;
    text.push(b'\n');
    Ok(text)
}

/// What is wrong with a request: `{"error": "a sentence"}`.
pub(super) fn refusal(status: StatusCode, message: &str) -> Response {
    json(status, &serde_json::json!({ "error": message }))
}

/// An answer that says when to ask again.
pub(super) fn later(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, LATER);
    response
}

/// A body of this media type, not to be kept by anybody on the way, nor taken for another type.
pub(super) fn with_type(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<axum::body::Body>,
) -> Response {
    const NOSNIFF: (HeaderName, HeaderValue) = (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let mut response = (status, body.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(NOSNIFF.0, NOSNIFF.1);
    response
}

/// The answer where nothing is.
pub(super) async fn no_such_path() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "no such path; `/` lists those that there are",
    )
}

/// The answer to a method that a path does not take; `Allow` names those that it does.
pub(super) async fn wrong_method() -> Response {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path takes other methods, see the header `Allow`",
    )
}
