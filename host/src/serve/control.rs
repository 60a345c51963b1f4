//! What the HTTP endpoints set off in the daemon.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use super::changes::{Answer, Wish};
use super::http::Actions;
use super::supervise::Supervisor;
use crate::switches::Switches;

/// How many wishes may wait for the daemon. Each waits for an answer, so that there are as many as connections.
pub(super) const MAX_WISHES: usize = 64;

/// Hands wishes to the daemon and waits for its answers.
pub(super) struct Control {
    pub(super) wishes: mpsc::Sender<Wish>,
    pub(super) supervisor: Supervisor,
    pub(super) switches: Arc<Switches>,
}

impl Control {
    async fn ask(&self, wish: impl FnOnce(Answer) -> Wish) -> Result<String, String> {
        let ending = || "the daemon is ending".to_owned();
        let (answer, answered) = oneshot::channel();
        self.wishes.send(wish(answer)).await.map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }
}

#[async_trait]
impl Actions for Control {
    async fn reload(&self) -> Result<String, String> {
        self.ask(|answer| Wish::Reload(Some(answer))).await
    }

    async fn promote(&self, plugin: &str) -> Result<String, String> {
        self.ask(|answer| Wish::Promote(plugin.to_owned(), answer)).await
    }

    fn health(&self) -> Result<(), String> {
        self.supervisor.health()
    }

    fn switches(&self) -> Arc<Switches> {
        Arc::clone(&self.switches)
    }
}
