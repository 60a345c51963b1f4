//! The endpoint that lets a new version of a plugin take over from the one it runs beside
//! (`/api/v1/plugins/NAME/promote`).

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::name::Name;
use super::{Endpoints, Peer, answer, guard};

/// Lets the new version take over now, whatever was found out about it.
pub(super) async fn promote(
    State(endpoints): State<Endpoints>,
    Extension(peer): Extension<Peer>,
    Name(name): Name,
) -> Response {
    if let Some(refusal) = guard::refusal_from_afar(&endpoints, peer, "promote") {
        return refusal;
    }
    let plugins = endpoints.0.board.plugins();
    if !plugins.iter().any(|plugin| plugin.identity.name == name) {
        let message = format!("no plugin is called `{}`", name.escape_debug());
        return answer::refusal(StatusCode::NOT_FOUND, &message);
    }
    match endpoints.0.actions.promote(&name).await {
        Ok(message) => {
            tracing::warn!(plugin = name, "the new version of `{name}` was promoted by hand");
            answer::json(StatusCode::OK, &json!({ "message": message }))
        }
        Err(message) => answer::refusal(StatusCode::CONFLICT, &message),
    }
}
