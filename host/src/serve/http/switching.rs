//! The endpoint that switches capabilities off and on (`/api/v1/switches`), in runs under way too.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Endpoints, Peer, answer, guard};
use crate::capability::Capability;
use crate::switches::{Scope, Switches};

/// How long a body of some hundred bytes may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A switch, as it is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    capability: String,
    check: Option<String>,
    plugin: Option<String>,
    #[serde(default)]
    everywhere: bool,
    enabled: bool,
}

/// What is switched off.
pub(super) async fn list(State(endpoints): State<Endpoints>) -> Response {
    answer::json(StatusCode::OK, &switched_off(&endpoints.0.actions.switches()))
}

/// Switches a capability off, or on again, and answers what is switched off then.
pub(super) async fn switch(
    State(endpoints): State<Endpoints>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    if let Some(refusal) = guard::refusal_from_afar(&endpoints, peer, "switch") {
        return refusal;
    }
    let media_type = request.headers().get(header::CONTENT_TYPE);
    if !media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json")) {
        let message = "wanted the header `Content-Type: application/json`";
        return answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    }
    let body = match tokio::time::timeout(BODY_TIME, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(refused)) => return answer::refusal(refused.status(), &refused.body_text()),
        Err(_) => return answer::refusal(StatusCode::REQUEST_TIMEOUT, "the body did not come in 10 s"),
    };
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return answer::refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match flip(&endpoints, &wanted) {
        Ok(switches) => answer::json(StatusCode::OK, &switches),
        Err((status, message)) => answer::refusal(status, &message),
    }
}

fn flip(endpoints: &Endpoints, wanted: &Wanted) -> Result<Value, (StatusCode, String)> {
    let capability: Capability = wanted.capability.parse().map_err(|error| {
        let message = format!("`capability`: {error}");
        (StatusCode::BAD_REQUEST, message)
    })?;
    let scope = scope(endpoints, wanted)?;
    let switches = endpoints.0.actions.switches();
    if wanted.enabled {
        switches.enable(&scope, capability);
    } else {
        switches.disable(&scope, capability);
    }
    let state = if wanted.enabled { "on" } else { "off" };
    tracing::warn!("`{capability}` was switched {state} {scope}");
    Ok(switched_off(&switches))
}

/// The scope, of a check or plugin that there is.
fn scope(endpoints: &Endpoints, wanted: &Wanted) -> Result<Scope, (StatusCode, String)> {
    let board = &endpoints.0.board;
    let unknown = |what: &str, name: &str| {
        let name = name.escape_debug();
        (StatusCode::NOT_FOUND, format!("no {what} is called `{name}`"))
    };
    match (&wanted.check, &wanted.plugin, wanted.everywhere) {
        (Some(check), None, false) if board.check(check).is_none() => Err(unknown("check", check)),
        (Some(check), None, false) => Ok(Scope::Check(check.clone())),
        (None, Some(plugin), false) => {
            let plugins = board.plugins();
            let is_there = plugins.iter().any(|known| known.identity.name == *plugin);
            is_there
                .then(|| Scope::Plugin(plugin.clone()))
                .ok_or_else(|| unknown("plugin", plugin))
        }
        (None, None, true) => Ok(Scope::Everywhere),
        _ => Err((
            StatusCode::BAD_REQUEST,
            "wanted one of `check`, `plugin` and `everywhere`".to_owned(),
        )),
    }
}

fn switched_off(switches: &Switches) -> Value {
    let disabled = switches.disabled().into_iter().map(|(scope, capability)| {
        let (check, plugin) = match &scope {
            Scope::Everywhere => (None, None),
            Scope::Plugin(name) => (None, Some(name)),
            Scope::Check(name) => (Some(name), None),
        };
        json!({
            "capability": capability.as_str(),
            "check": check,
            "plugin": plugin,
            "everywhere": scope == Scope::Everywhere,
        })
    });
    json!({ "disabled": disabled.collect::<Vec<_>>() })
}
