//! What one reading of the configuration, or one change of plugins, comes to: checks that are prepared, and where
//! they run. A generation does not change; a change makes another one, which shares what stays the same.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::heartbeat::{Heartbeat, Heartbeats};
use super::watching::ConfiguredHeartbeats;
use crate::config::{Check, Config, Http, SecretName, Source};
use crate::outcome::{Report, RunReference, StateChange};
use crate::policy::state::{StateSettings, StateTracker, Transition};
use crate::runner::{DefaultGrant, Orphan, Preparation, Prepared, Runner};
use crate::sandbox::Compiling;
use crate::schedule::{Limits, Scheduled};
use crate::secret::SecretStore;

/// A configuration that can be served.
pub(super) struct Generation {
    /// From 1; one more with each reload. A change of plugins leaves it.
    pub(super) number: u64,
    pub(super) preparation: Arc<Preparation>,
    pub(super) runner: Arc<Runner>,
    /// The secrets of the daemon itself, not of checks.
    pub(super) secrets: SecretStore,
    pub(super) heartbeats: Arc<ConfiguredHeartbeats>,
}

/// What outlives generations.
pub(super) struct Lasting {
    /// The configuration file.
    pub(super) file: PathBuf,
    pub(super) compiling: Compiling,
    pub(super) heartbeats: Heartbeats,
}

/// A check that is served.
pub(super) struct Served {
    pub(super) runs: Runs,
    pub(super) runner: Arc<Runner>,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) state: StateTracker,
    /// Its last run that took place.
    last_run: Option<RunReference>,
    fingerprint: u64,
}

/// What becomes of a check that is due.
pub(super) enum Runs {
    /// It runs.
    Prepared(Arc<Prepared>),
    /// It cannot, because its plugin was taken away.
    Orphan(Arc<Orphan>),
}

impl Runs {
    /// The check as it runs, or as it ran last.
    pub(super) fn prepared(&self) -> &Arc<Prepared> {
        match self {
            Self::Prepared(prepared) => prepared,
            Self::Orphan(orphan) => orphan.last(),
        }
    }
}

impl Generation {
    /// Loads the configuration. What did not change is taken from the generation before, if there is one.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, with its places, as `validate` tells it.
    pub(super) async fn load(lasting: &Lasting, before: Option<&Self>) -> Result<Self, String> {
        let source = Source::read(&lasting.file).map_err(|problems| problems.to_string())?;
        let read = Config::parse_partly(&source);
        let (config, problems) = read.map_err(|problems| source.render(&problems))?;
        let config = Arc::new(config);
        let compiling = lasting.compiling.clone();
        let prepared = match before {
            Some(before) => {
                let before = &before.preparation;
                before.again(Arc::clone(&config), problems, compiling).await
            }
            None => Preparation::of(Arc::clone(&config), problems, DefaultGrant::Nothing, compiling).await,
        };
        let preparation = prepared.map_err(|problems| source.render(&problems))?;
        let secrets = SecretStore::read(&config.secrets, &own_secrets(&config)).await;
        let secrets = secrets.map_err(|sentences| sentences.join("\n"))?;
        let heartbeats = ConfiguredHeartbeats::new(&config, &secrets, &lasting.heartbeats);
        let heartbeats = heartbeats.map_err(|sentences| sentences.join("\n"))?;
        Ok(Self {
            number: before.map_or(1, |before| before.number + 1),
            runner: runner(&preparation, before),
            preparation: Arc::new(preparation),
            secrets,
            heartbeats: Arc::new(heartbeats),
        })
    }

    /// The same configuration with other plugins.
    pub(super) fn with_plugins(&self, preparation: Preparation) -> Self {
        Self {
            number: self.number,
            runner: runner(&preparation, Some(self)),
            preparation: Arc::new(preparation),
            secrets: self.secrets.clone(),
            heartbeats: Arc::clone(&self.heartbeats),
        }
    }

    /// The configuration.
    pub(super) fn config(&self) -> &Config {
        &self.preparation.config
    }

    /// What a probe leaves of its scraper's timeout.
    pub(super) fn timeout_offset(&self) -> Duration {
        let http = self.config().http.as_ref();
        http.map_or(Http::TIMEOUT_OFFSET, |http| http.timeout_offset)
    }

    /// How many runs go on at once.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            concurrency: self.config().concurrency,
            per_target: self.config().per_target,
        }
    }

    /// The checks that have an interval, as the schedule wants them.
    pub(super) fn scheduled(&self) -> Vec<Scheduled> {
        let jitter = self.config().jitter;
        let scheduled = |(check, runs): (&Check, Runs)| {
            let prepared = runs.prepared();
            Some(Scheduled {
                name: check.name.as_str().into(),
                every: check.every?,
                jitter: check.jitter.unwrap_or(jitter),
                target: prepared.target.clone(),
                plugin: check.plugin.clone(),
                breaker: check.breaker,
                fingerprint: check.fingerprint(),
            })
        };
        self.checks().filter_map(scheduled).collect()
    }

    /// The checks as they are served from now on. Those that did not change keep their state.
    pub(super) fn served(
        &self,
        mut before: HashMap<Arc<str>, Served>,
        now: Duration,
    ) -> HashMap<Arc<str>, Served> {
        let served = |(check, runs): (&Check, Runs)| {
            let (name, fingerprint) = (Arc::<str>::from(check.name.as_str()), check.fingerprint());
            let before = before.remove(&name);
            let served = Served {
                runs,
                runner: Arc::clone(&self.runner),
                heartbeat: self.heartbeats.checks.get(&*name).cloned(),
                last_run: before.as_ref().and_then(|before| before.last_run),
                state: state(before, fingerprint, check.state, now),
                fingerprint,
            };
            (name, served)
        };
        self.checks().map(served).collect()
    }

    /// Each check of the configuration with what runs for it.
    fn checks(&self) -> impl Iterator<Item = (&Check, Runs)> {
        let prepared = self.preparation.checks.iter();
        let mut runs: HashMap<&str, Runs> = prepared
            .map(|check| (check.name.as_str(), Runs::Prepared(Arc::clone(check))))
            .collect();
        let orphans = self.preparation.orphans.iter();
        runs.extend(orphans.map(|orphan| (orphan.name(), Runs::Orphan(Arc::clone(orphan)))));
        let checks = self.config().checks.iter();
        checks.filter_map(move |check| Some((check, runs.remove(check.name.as_str())?)))
    }
}

impl Served {
    /// Takes in how a run ended, and whether that changed the state of the check, which the report then says too.
    pub(super) fn record(&mut self, report: &mut Report, now: Duration) -> Option<Transition> {
        let previous = self.last_run.replace(report.reference());
        let change = self.state.record(report.outcome, report.is_warning(), now);
        report.relations.state_change = change.map(|change| StateChange {
            from: change.from.as_str().to_owned(),
            to: change.to.as_str().to_owned(),
            previous,
        });
        change
    }
}

/// The state of a check that is served from now on: where nothing but the numbers by which it is judged has changed,
/// it is what it was.
fn state(before: Option<Served>, fingerprint: u64, settings: StateSettings, now: Duration) -> StateTracker {
    match before.filter(|before| before.fingerprint == fingerprint) {
        Some(mut before) => {
            before.state.configure(settings);
            before.state
        }
        None => StateTracker::new(settings, now),
    }
}

/// Where the checks run: as before, as long as it is the same sandbox with the same number of slots.
fn runner(preparation: &Preparation, before: Option<&Generation>) -> Arc<Runner> {
    let same = |before: &&Generation| {
        Arc::ptr_eq(&before.preparation.sandbox, &preparation.sandbox)
            && before.config().concurrency == preparation.config.concurrency
    };
    match before.filter(same) {
        Some(before) => Arc::clone(&before.runner),
        None => Arc::new(Runner::new(
            Arc::clone(&preparation.sandbox),
            preparation.config.concurrency,
        )),
    }
}

/// The secrets of the daemon itself.
fn own_secrets(config: &Config) -> BTreeSet<SecretName> {
    let mut names = config.watching_secrets();
    names.extend(config.http.as_ref().and_then(|http| http.token.clone()));
    names
}
