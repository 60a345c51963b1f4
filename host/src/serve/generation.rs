//! What one reading of the configuration, or one change of plugins, comes to: checks that are prepared, and where
//! they run. A generation does not change; a change makes another one, which takes over what stayed the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::heartbeat::Heartbeats;
use super::watching::ConfiguredHeartbeats;
use crate::config::{Check, Config, Source};
use crate::outcome::Report;
use crate::policy::state::{StateTracker, Transition};
use crate::runner::{DefaultGrant, Preparation, Prepared, RetryBudgets, Runner};
use crate::sandbox::Compiling;
use crate::schedule::{Limits, Scheduled};
use crate::secret::SecretStore;

/// A configuration that can be served.
pub(super) struct Generation {
    /// From 1; one more with each reload. A change of plugins leaves it.
    pub(super) number: u64,
    pub(super) preparation: Arc<Preparation>,
    pub(super) runner: Arc<Runner>,
    /// The secrets of the daemon itself.
    pub(super) secrets: SecretStore,
    pub(super) heartbeats: ConfiguredHeartbeats,
}

/// What outlives generations.
pub(super) struct Lasting {
    /// The configuration file.
    pub(super) file: PathBuf,
    pub(super) compiling: Compiling,
    pub(super) retry_budgets: RetryBudgets,
    pub(super) heartbeats: Heartbeats,
}

impl Generation {
    /// Loads the configuration. With a generation before it, what did not change is taken from there.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, with its places, as `validate` would tell it.
    pub(super) async fn load(lasting: &Lasting, before: Option<&Self>) -> Result<Self, String> {
        let (config, problems, source) = Config::read(&lasting.file)?;
        let config = Arc::new(config);
        let prepared = match before {
            Some(before) => Preparation::again(Arc::clone(&config), problems, &before.preparation).await,
            None => {
                let compiling = lasting.compiling.clone();
                Preparation::of(Arc::clone(&config), problems, DefaultGrant::Nothing, compiling).await
            }
        };
        let mut preparation = prepared.map_err(|problems| source.render(&problems))?;
        lasting.retry_budgets.configure(config.retry_budget);
        preparation.share_retry_budgets(&lasting.retry_budgets);
        let secrets = SecretStore::read(&config.secrets, &config.daemon_secrets())
            .await
            .map_err(|sentences| sentences.join("\n"))?;
        let heartbeats = ConfiguredHeartbeats::new(&config, &secrets, &lasting.heartbeats)
            .map_err(|sentences| sentences.join("\n"))?;
        Ok(Self {
            number: before.map_or(1, |before| before.number + 1),
            runner: runner(&preparation, before),
            preparation: Arc::new(preparation),
            secrets,
            heartbeats,
        })
    }

    /// The same configuration with other plugins.
    pub(super) fn with_plugins(&self, preparation: Preparation) -> Self {
        Self {
            number: self.number,
            runner: runner(&preparation, Some(self)),
            preparation: Arc::new(preparation),
            secrets: self.secrets.clone(),
            heartbeats: self.heartbeats.clone(),
        }
    }

    /// The configuration.
    pub(super) fn config(&self) -> &Config {
        &self.preparation.config
    }
}
