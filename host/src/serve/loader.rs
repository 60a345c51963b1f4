//! Loads configurations aside, one at a time, while the daemon goes on with the one it has. Whoever asks while one is
//! being loaded gets the answer of the next: the file may have changed since that one was read.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::generation::{Generation, Lasting};

/// Where it is answered how a loading went: the number of the generation that serves now, or the whole text of
/// what is wrong.
pub(super) type Answer = oneshot::Sender<Result<u64, String>>;

/// Loads configurations.
pub(super) struct Loader {
    lasting: Arc<Lasting>,
    under_way: Option<JoinHandle<Result<Generation, String>>>,
    /// Who is answered when the loading under way is over.
    asked: Vec<Answer>,
    /// Who asked since it began, if anybody did; not everybody wants an answer.
    asked_again: Option<Vec<Answer>>,
}

impl Loader {
    pub(super) fn new(lasting: Arc<Lasting>) -> Self {
        Self {
            lasting,
            under_way: None,
            asked: Vec::new(),
            asked_again: None,
        }
    }

    /// Begins to load what is to come after this generation, or remembers to.
    pub(super) fn load(&mut self, before: &Arc<Generation>, answer: Option<Answer>) {
        if self.under_way.is_some() {
            self.asked_again.get_or_insert_default().extend(answer);
            return;
        }
        self.asked.extend(answer);
        let (lasting, before) = (Arc::clone(&self.lasting), Arc::clone(before));
        let load = async move { Generation::load(&lasting, Some(&before)).await };
        self.under_way = Some(tokio::spawn(load));
    }

    /// Waits for the loading under way, for ever if there is none. Dropping the future loses nothing.
    pub(super) async fn loaded(&mut self) -> Result<Generation, String> {
        let Some(under_way) = &mut self.under_way else {
            return std::future::pending().await;
        };
        let loaded = under_way.await;
        self.under_way = None;
        loaded.unwrap_or_else(|error| Err(format!("loading the configuration crashed: {error}")))
    }

    /// Tells those who asked how it went, and loads once more if somebody has asked since it began.
    pub(super) fn answer(&mut self, result: &Result<u64, String>, now: &Arc<Generation>) {
        for asked in self.asked.drain(..) {
            // Whoever asked may have gone away.
            let _ = asked.send(result.clone());
        }
        if let Some(again) = self.asked_again.take() {
            self.asked = again;
            self.load(now, None);
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        if let Some(under_way) = &self.under_way {
            under_way.abort();
        }
    }
}
