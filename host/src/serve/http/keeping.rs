//! The endpoint that tells how the journal is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Endpoints, answer};

/// How the journal is: its size, what waits, what was dropped.
pub(super) async fn journal(State(endpoints): State<Endpoints>) -> Response {
    let Some(journal) = endpoints.0.journal.get() else {
        return answer::refusal(StatusCode::NOT_FOUND, "there is no journal");
    };
    match serde_json::to_value(journal.status()) {
        Ok(status) => answer::json(StatusCode::OK, &status),
        // Such as for a folder whose name is no text.
        Err(error) => answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
