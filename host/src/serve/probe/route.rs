//! The way to probes from HTTP. The only file here that knows the server.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;

use super::Probes;
use crate::serve::http::Answer;

/// Where probes are asked for.
pub const PATH: &str = "/probe";

/// `GET /probe`, and `HEAD`, which runs a probe as well and leaves its metrics out. Who may ask is for a layer
/// around it.
pub fn routes(probes: Arc<Probes>) -> Router {
    Router::new().route(PATH, get(answer)).with_state(probes)
}

/// The same for a `GET` that needs no router.
pub fn direct(probes: Arc<Probes>) -> Box<Answer> {
    Box::new(move |parts| {
        let probes = Arc::clone(&probes);
        Box::pin(async move { probes.answer(&parts).await.map(Body::from) })
    })
}

/// The future is dropped when the client hangs up, and the run with it.
async fn answer(State(probes): State<Arc<Probes>>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    probes.answer(&parts).await.map(Body::from)
}
