//! The endpoints under `/api/v1` that tell what is known. Their schema is `openapi.json`.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::name::Name;
use super::views::{self, rfc3339};
use super::{Endpoints, answer};
use crate::render;

/// How many checks an answer has unless `limit` says otherwise, and at most: about 1 and 10 MB.
const CHECKS: (usize, usize) = (1_000, 10_000);
/// The same of reports: more than are kept by default.
const REPORTS: (usize, usize) = (100, 1_000);

type Parameters = Query<HashMap<String, String>>;

/// Version, start, generation, the last reload.
pub(super) async fn status(State(endpoints): State<Endpoints>) -> Response {
    let board = &endpoints.0.board;
    let (started, uptime) = board.uptime();
    let (generation, last_reload) = board.generation();
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": rfc3339(started),
        "uptime_s": uptime.as_secs_f64(),
        "ready": board.readiness() == crate::serve::board::Readiness::Ready,
        "generation": generation,
        "last_reload": last_reload.map(|reload| views::last_reload(&reload)),
        "checks": board.check_count(),
    });
    answer::json(StatusCode::OK, &status)
}

/// Checks in the order of their names, a page at a time.
pub(super) async fn checks(State(endpoints): State<Endpoints>, Query(parameters): Parameters) -> Response {
    let limit = match limit(&parameters, CHECKS) {
        Ok(limit) => limit,
        Err(message) => return answer::refusal(StatusCode::BAD_REQUEST, &message),
    };
    let board = &endpoints.0.board;
    let after = parameters.get("after").map(String::as_str);
    // One more than is shown, to know whether there are more.
    let mut checks = board.checks(after, limit + 1);
    let has_more = checks.len() > limit;
    checks.truncate(limit);
    let next = checks
        .last()
        .filter(|_| has_more)
        .map(|check| check.facts.name.clone());
    let checks: Vec<_> = checks.iter().map(views::check).collect();
    let page = json!({ "total": board.check_count(), "checks": checks, "next": next });
    answer::json(StatusCode::OK, &page)
}

/// A check, with its latest report.
pub(super) async fn check(State(endpoints): State<Endpoints>, Name(name): Name) -> Response {
    let Some(check) = endpoints.0.board.check(&name) else {
        return no_such_check(&name);
    };
    let view = views::check(&check).to_string();
    let report = check.report.map(|report| render::json(&report)).transpose();
    match report {
        Ok(report) => {
            // The report is text already, which stays as `--format json` writes it.
            let report = report.as_deref().unwrap_or("null");
            let view = view.strip_suffix('}').unwrap_or(&view);
            answer::json_text(StatusCode::OK, &format!("{view},\"report\":{report}}}"))
        }
        Err(error) => answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The kept reports of a check, the newest first.
pub(super) async fn reports(
    State(endpoints): State<Endpoints>,
    Name(name): Name,
    Query(parameters): Parameters,
) -> Response {
    let limit = match limit(&parameters, REPORTS) {
        Ok(limit) => limit,
        Err(message) => return answer::refusal(StatusCode::BAD_REQUEST, &message),
    };
    let Some(reports) = endpoints.0.board.reports(&name) else {
        return no_such_check(&name);
    };
    let texts: Result<Vec<_>, _> = reports
        .iter()
        .take(limit)
        .map(|report| render::json(report))
        .collect();
    match texts {
        Ok(texts) => {
            let texts = texts.join(",");
            answer::json_text(StatusCode::OK, &format!("{{\"reports\":[{texts}]}}"))
        }
        Err(error) => answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The breakers.
pub(super) async fn breakers(State(endpoints): State<Endpoints>) -> Response {
    let breakers = endpoints.0.board.breakers();
    let breakers: Vec<_> = breakers.iter().map(views::breaker).collect();
    answer::json(StatusCode::OK, &json!({ "breakers": breakers }))
}

/// The plugins, and the files that are none.
pub(super) async fn plugins(State(endpoints): State<Endpoints>) -> Response {
    let board = &endpoints.0.board;
    let (plugins, refused) = (board.plugins(), board.refused_files());
    let plugins: Vec<_> = plugins.iter().map(views::plugin).collect();
    let refused: Vec<_> = refused.iter().map(views::refused_file).collect();
    answer::json(StatusCode::OK, &json!({ "plugins": plugins, "refused": refused }))
}

/// The schema of all of this.
pub(super) async fn openapi() -> Response {
    answer::with_type(StatusCode::OK, "application/json", include_str!("openapi.json"))
}

fn no_such_check(name: &str) -> Response {
    let name = name.escape_debug();
    answer::refusal(StatusCode::NOT_FOUND, &format!("no check is called `{name}`"))
}

fn limit(parameters: &HashMap<String, String>, (default, most): (usize, usize)) -> Result<usize, String> {
    match parameters.get("limit") {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(format!(
                "`limit`: found `{}`, wanted 1 to {most}",
                text.escape_debug()
            )),
        },
    }
}
