//! The HTTP endpoints: metrics, health, and what is known of the checks. Connections are bounded in
//! `listener`, who may ask in `guard`; what is answered is read from the [`Board`]
//! and the [`Meters`]. Nothing is decided here: what an endpoint sets off is behind [`Actions`].
//!
//! ```text
//! listener (TCP, TLS, bounds) -> direct -> guard (token, origin) -> monitoring, api -> board, meters, Actions
//! ```

mod actions;
mod answer;
mod api;
mod direct;
mod guard;
mod keeping;
mod listener;
mod monitoring;
mod name;
mod page;
mod patience;
mod promoting;
#[cfg(test)]
pub(crate) mod samples;
mod share;
mod switching;
mod tls;
mod views;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub use actions::Actions;
pub use direct::{Answer, Answers};
pub use listener::{Bounds, Listener, Peer, StartError, Stop};
pub use tls::TlsError;

use self::share::Share;
use super::board::Board;
use crate::journal::Journal;
use crate::secret::Secret;
use crate::telemetry::Meters;

/// The largest body of a request, in bytes: a switch takes less than a hundred.
const MAX_BODY: usize = 16 * 1024;
/// How many pages of metrics are written at once: each takes a processor. Memory is that of a part of the checks.
const PAGES_AT_ONCE: usize = 2;
/// How many answers about checks, breakers and plugins are written at once: the longest take a processor for a tenth of a
/// second, which runs want as well.
const ANSWERS_AT_ONCE: usize = 1;

/// What the endpoints show and set off. Clones are the same.
#[derive(Clone)]
pub struct Endpoints(Arc<Inner>);

struct Inner {
    board: Arc<Board>,
    meters: Meters,
    actions: Arc<dyn Actions>,
    token: RwLock<Option<Secret>>,
    pages: Share,
    answers: Share,
    journal: OnceLock<Journal>,
}

impl Endpoints {
    /// Endpoints that ask for this token, if for any.
    pub fn new(board: Arc<Board>, meters: Meters, actions: Arc<dyn Actions>, token: Option<Secret>) -> Self {
        Self(Arc::new(Inner {
            board,
            meters,
            actions,
            token: RwLock::new(token),
            pages: Share::new(PAGES_AT_ONCE),
            answers: Share::new(ANSWERS_AT_ONCE),
            journal: OnceLock::new(),
        }))
    }

    /// Shows this journal, once and for good.
    pub fn show_journal(&self, journal: Journal) {
        // A second one is of no interest.
        let _ = self.0.journal.set(journal);
    }

    /// Asks for another token from the next request on.
    pub fn set_token(&self, token: Option<Secret>) {
        *self.0.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn token(&self) -> Option<Secret> {
        self.0
            .token
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// All endpoints. `more` are routes of others, such as `/probe`, which the token is asked for as well.
pub fn router(endpoints: Endpoints, more: Router) -> Router {
    let guarded = axum::middleware::from_fn_with_state(endpoints.clone(), guard::guard);
    Router::new()
        .route("/", get(monitoring::index))
        .route("/metrics", get(monitoring::metrics))
        .route("/-/healthy", get(monitoring::healthy))
        .route("/-/ready", get(monitoring::ready))
        .route("/-/reload", post(monitoring::reload).put(monitoring::reload))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/checks", get(api::checks))
        .route("/api/v1/checks/{name}", get(api::check))
        .route("/api/v1/checks/{name}/reports", get(api::reports))
        .route("/api/v1/breakers", get(api::breakers))
        .route("/api/v1/journal", get(keeping::journal))
        .route("/api/v1/plugins", get(api::plugins))
        .route("/api/v1/plugins/{name}/promote", post(promoting::promote))
        .route("/api/v1/switches", get(switching::list).post(switching::switch))
        .route("/api/v1/openapi.json", get(api::openapi))
        .with_state(endpoints)
        .merge(more)
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(guarded)
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod listener_tests;
#[cfg(test)]
#[path = "tests.rs"]
pub(crate) mod tests;
