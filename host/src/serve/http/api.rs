//! The endpoints under `/api/v1` that tell what is known. Their schema is `openapi.json`.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::name::Name;
use super::views::{self, rfc3339};
use super::{Endpoints, answer};
use crate::serve::board::Board;

/// How many checks an answer has unless `limit` says otherwise, and at most: about 1 and 10 MB.
const CHECKS: (usize, usize) = (1_000, 10_000);
/// The same of breakers.
const BREAKERS: (usize, usize) = CHECKS;
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
    written(endpoints, move |board| {
        // One more than is shown, to know whether there are more.
        let checks = board.checks(parameters.get("after").map(String::as_str), limit + 1);
        let (shown, more) = checks.split_at(limit.min(checks.len()));
        let last = shown.last().filter(|_| !more.is_empty());
        Ok(answer::json_text(&views::Checks {
            total: board.check_count(),
            checks: shown.iter().map(views::check).collect(),
            next: last.map(|check| &*check.facts.name),
        })?)
    })
    .await
}

/// A check, with its latest report.
pub(super) async fn check(State(endpoints): State<Endpoints>, Name(name): Name) -> Response {
    written(endpoints, move |board| {
        let check = board.check(&name).ok_or_else(|| no_such_check(&name))?;
        Ok(answer::json_text(&views::CheckWithReport {
            check: views::check(&check),
            report: check.report.as_deref(),
        })?)
    })
    .await
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
    written(endpoints, move |board| {
        let reports = board.reports(&name).ok_or_else(|| no_such_check(&name))?;
        let reports = reports.iter().take(limit).map(|report| &**report).collect();
        Ok(answer::json_text(&views::Reports { reports })?)
    })
    .await
}

/// The breakers in the order of their targets, a page at a time.
pub(super) async fn breakers(State(endpoints): State<Endpoints>, Query(parameters): Parameters) -> Response {
    let limit = match limit(&parameters, BREAKERS) {
        Ok(limit) => limit,
        Err(message) => return answer::refusal(StatusCode::BAD_REQUEST, &message),
    };
    written(endpoints, move |board| {
        // A target and a plugin: neither has a space.
        let after = parameters.get("after");
        let after = after.map(|after| after.rsplit_once(' ').unwrap_or((after, "")));
        let (breakers, total) = board.breakers(after, limit + 1);
        let (shown, more) = breakers.split_at(limit.min(breakers.len()));
        let last = shown.last().filter(|_| !more.is_empty());
        Ok(answer::json_text(&views::Breakers {
            total,
            breakers: shown.iter().map(views::breaker).collect(),
            next: last.map(|breaker| format!("{} {}", breaker.target, breaker.plugin)),
        })?)
    })
    .await
}

/// The plugins, and the files that are none.
pub(super) async fn plugins(State(endpoints): State<Endpoints>) -> Response {
    written(endpoints, |board| {
        let (plugins, refused) = (board.plugins(), board.refused_files());
        let plugins: Vec<_> = plugins.iter().map(views::plugin).collect();
        let refused: Vec<_> = refused.iter().map(views::refused_file).collect();
        let page = json!({ "plugins": plugins, "refused": refused });
        Ok(answer::json_text(&page)?)
    })
    .await
}

/// The schema of all of this.
pub(super) async fn openapi() -> Response {
    answer::with_type(StatusCode::OK, answer::JSON, include_str!("openapi.json"))
}

/// Has an answer that may be long written from what is known, in its turn.
async fn written(
    endpoints: Endpoints,
    write: impl FnOnce(&Board) -> Result<Vec<u8>, Refused> + Send + 'static,
) -> Response {
    let answers = endpoints.0.answers.clone();
    match answers.write(move || write(&endpoints.0.board)).await {
        Some(Ok(text)) => answer::with_type(StatusCode::OK, answer::JSON, text),
        Some(Err(refused)) => answer::refusal(refused.status, &refused.message),
        None => {
            let message = "too many answers are being written or wait to be read; ask again later";
            answer::later(answer::refusal(StatusCode::SERVICE_UNAVAILABLE, message))
        }
    }
}

/// Why there is no answer.
struct Refused {
    status: StatusCode,
    message: String,
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: error.to_string(),
        }
    }
}

fn no_such_check(name: &str) -> Refused {
    let name = name.escape_debug();
    Refused {
        status: StatusCode::NOT_FOUND,
        message: format!("no check is called `{name}`"),
    }
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
