//! The endpoints that others watch and steer the daemon by: metrics, health, readiness, reload.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::{Endpoints, answer, page};
use crate::serve::accept;
use crate::serve::board::Readiness;

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
<li><a href=\"/api/v1/journal\">/api/v1/journal</a>
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
    let format = accept::exposition(&headers);
    let is_gzip = accept::takes_gzip(&headers);
    let meters = endpoints.0.meters.clone();
    let pages = &endpoints.0.pages;
    let Some(body) = page::begin(pages, is_gzip, move |writer| meters.write_text(format, writer)).await
    else {
        let said = "too many pages of metrics are being written or wait to be read; ask again later";
        return answer::later(answer::sentence(StatusCode::SERVICE_UNAVAILABLE, said));
    };
    let mut response = answer::with_type(StatusCode::OK, format.content_type(), body);
    let headers = response.headers_mut();
    if is_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let vary = HeaderValue::from_static("accept, accept-encoding");
    headers.insert(header::VARY, vary);
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
