//! What the endpoints set off, without knowing how it is done.

use std::sync::Arc;

use async_trait::async_trait;

use crate::switches::Switches;

/// The daemon, as far as it does what whoever asks wants done.
#[async_trait]
pub trait Actions: Send + Sync {
    /// Loads the configuration again, and says what came of it, for people.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, whole; then the one before is still in force.
    async fn reload(&self) -> Result<String, String>;

    /// Lets the new version of a plugin take over from the one it runs beside, and says what came of it.
    ///
    /// # Errors
    ///
    /// A sentence, when there is none or it does not fit the checks.
    async fn promote(&self, plugin: &str) -> Result<String, String>;

    /// Whether every task is alive.
    ///
    /// # Errors
    ///
    /// A sentence about the one that is not.
    fn health(&self) -> Result<(), String>;

    /// The switches that are in force.
    fn switches(&self) -> Arc<Switches>;
}
