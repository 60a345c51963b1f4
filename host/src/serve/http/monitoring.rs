//! The endpoints that others watch and steer the daemon by: metrics, health, readiness, reload.

use std::io::Write;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Endpoints, accept, answer};
use crate::serve::board::Readiness;

/// From so many bytes on, compressing saves more than it costs.
const WORTH_COMPRESSING: usize = 4 * 1024;

const INDEX: &str = "<!doctype html>
<html lang=\"en\">
<title>bedcheck</title>
<h1>bedcheck</h1>
<ul>
<li><a href=\"/metrics\">/metrics</a>
<li><a href=\"/-/healthy\">/-/healthy</a>
<li><a href=\"/-/ready\">/-/ready</a>
<li>/-/reload (POST)
<li>/probe?target=&amp;module=
<li><a href=\"/api/v1/status\">/api/v1/status</a>
<li><a href=\"/api/v1/checks\">/api/v1/checks</a>
<li><a href=\"/api/v1/breakers\">/api/v1/breakers</a>
<li><a href=\"/api/v1/plugins\">/api/v1/plugins</a>
<li><a href=\"/api/v1/switches\">/api/v1/switches</a>
<li><a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>
</ul>
</html>
";

/// A page that lists the others.
pub(super) async fn index() -> Response {
    answer::with_type(StatusCode::OK, "text/html; charset=utf-8", INDEX)
}

/// All metrics, in the format that is asked for.
pub(super) async fn metrics(State(endpoints): State<Endpoints>, headers: HeaderMap) -> Response {
    // The semaphore is never closed.
    let _permit = endpoints.0.pages.acquire().await;
    let format = accept::exposition(&all_of(&headers, header::ACCEPT));
    let is_gzip = accept::takes_gzip(&all_of(&headers, header::ACCEPT_ENCODING));
    let meters = endpoints.0.meters.clone();
    let page = tokio::task::spawn_blocking(move || {
        let page = meters.text(format)?.into_bytes();
        let compressed = (is_gzip && page.len() >= WORTH_COMPRESSING).then(|| compressed(&page));
        Ok::<_, String>((page, compressed.and_then(Result::ok)))
    });
    let mut response = match page.await {
        Ok(Ok((_, Some(compressed)))) => {
            let mut response = answer::with_type(StatusCode::OK, format.content_type(), compressed);
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            response
        }
        Ok(Ok((page, None))) => answer::with_type(StatusCode::OK, format.content_type(), page),
        Ok(Err(error)) => answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(error) => answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let vary = HeaderValue::from_static("accept, accept-encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// Whether the process lives and all of its tasks do.
pub(super) async fn healthy(State(endpoints): State<Endpoints>) -> Response {
    match endpoints.0.actions.health() {
        Ok(()) => answer::sentence(StatusCode::OK, "healthy"),
        Err(complaint) => answer::sentence(StatusCode::SERVICE_UNAVAILABLE, &complaint),
    }
}

/// Whether checks are loaded and run.
pub(super) async fn ready(State(endpoints): State<Endpoints>) -> Response {
    let unavailable = |text| answer::sentence(StatusCode::SERVICE_UNAVAILABLE, text);
    match endpoints.0.board.readiness() {
        Readiness::Ready => answer::sentence(StatusCode::OK, "ready"),
        Readiness::Starting => unavailable("not ready: no configuration is loaded yet"),
        Readiness::Stopping => unavailable("not ready: shutting down"),
    }
}

/// Loads the configuration again.
pub(super) async fn reload(State(endpoints): State<Endpoints>) -> Response {
    // In a task of its own: a client that goes away does not leave it half done.
    let reload = tokio::spawn(async move { endpoints.0.actions.reload().await });
    match reload.await {
        Ok(Ok(said)) => answer::sentence(StatusCode::OK, &said),
        Ok(Err(complaint)) => answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, &complaint),
        Err(error) => answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// A header that may come several times, as one (RFC 9110 section 5.3).
fn all_of(headers: &HeaderMap, name: HeaderName) -> String {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn compressed(page: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(page)?;
    encoder.finish()
}
