//! What one reading of the configuration, or one change of plugins, comes to: checks that are prepared, and where
//! they run. A generation does not change; a change makes another one, which shares what stays the same.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Hindrance;
use super::board::CheckFacts;
use super::heartbeat::{Heartbeat, Heartbeats};
use super::watching::ConfiguredHeartbeats;
use crate::config::{Check, Config, Http, Source};
use crate::policy::state::StateSettings;
use crate::runner::{DefaultGrant, Orphan, PluginEvent, Preparation, Prepared, Runner};
use crate::sandbox::Compiling;
use crate::schedule::{Limits, Plan, Scheduled};
use crate::secret::{SecretStore, Unread};

/// A configuration that can be served.
pub(super) struct Generation {
    /// From 1; one more with each reload. A change of plugins leaves it.
    pub(super) number: u64,
    pub(super) preparation: Arc<Preparation>,
    pub(super) runner: Arc<Runner>,
    /// The secrets of the daemon itself, not of checks.
    pub(super) secrets: SecretStore,
    pub(super) heartbeats: Arc<ConfiguredHeartbeats>,
    /// The checks by name.
    pub(super) checks: HashMap<Arc<str>, Served>,
    /// Those that have an interval, as the schedule wants them.
    pub(super) plan: Arc<Plan>,
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
    pub(super) heartbeat: Option<Heartbeat>,
    /// How its state is judged.
    pub(super) state: StateSettings,
    /// What the board shows of it.
    pub(super) facts: Arc<CheckFacts>,
    /// Changes with anything about the check that its runs depend on.
    pub(super) fingerprint: u64,
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
    pub(super) async fn load(lasting: &Lasting, before: Option<&Self>) -> Result<Self, Hindrance> {
        let source = match before {
            Some(_) => Source::read_regular(&lasting.file),
            // What serves from then on can come through a pipe; nobody waits for it yet.
            None => Source::read(&lasting.file),
        };
        let source = source.map_err(|problems| problems.to_string())?;
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
        let preparation = prepared.map_err(|problems| Hindrance {
            sentences: source.render(&problems),
            may_pass: problems.may_pass(),
        })?;
        let (secrets, heartbeats) = own(&config, &lasting.heartbeats).await?;
        let new = Self {
            number: before.map_or(1, |before| before.number + 1),
            runner: runner(&preparation, before),
            preparation: Arc::new(preparation),
            secrets,
            heartbeats: Arc::new(heartbeats),
            checks: HashMap::new(),
            plan: Arc::default(),
        };
        Ok(new.with_checks(before))
    }

    /// The same configuration with other plugins.
    pub(super) fn with_plugins(&self, preparation: Preparation) -> Self {
        let new = Self {
            number: self.number,
            runner: runner(&preparation, Some(self)),
            preparation: Arc::new(preparation),
            secrets: self.secrets.clone(),
            heartbeats: Arc::clone(&self.heartbeats),
            checks: HashMap::new(),
            plan: Arc::default(),
        };
        new.with_checks(Some(self))
    }

    /// The plugins that are another version than in the generation before.
    pub(super) fn replaced_since(&self, before: &Self) -> Vec<PluginEvent> {
        let replaced = self.preparation.library.held().filter_map(|(name, held)| {
            let old = before.preparation.library.find(name)?.plugin.identity();
            let new = held.plugin.identity();
            (old.sha256 != new.sha256).then(|| PluginEvent::Replaced {
                old: old.clone(),
                new: new.clone(),
            })
        });
        replaced.collect()
    }

    /// Whether the daemon began with it.
    pub(super) fn is_first(&self) -> bool {
        self.number == 1
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

    /// With the checks as they are served, and their plan.
    fn with_checks(mut self, before: Option<&Self>) -> Self {
        let jitter = self.config().jitter;
        let (mut checks, mut plan) = (HashMap::with_capacity(self.config().checks.len()), Vec::new());
        for (check, runs) in self.runs_of_checks() {
            let name = Arc::<str>::from(check.name.as_str());
            let last = before.and_then(|before| before.checks.get(&name));
            // It takes as long as everything else together, and the same configuration has the same.
            let same = last.zip(before.filter(|before| self.has_configuration_of(before)));
            let fingerprint = same.map_or_else(|| check.fingerprint(), |(last, _)| last.fingerprint);
            let target = runs.prepared().target.clone();
            plan.extend(check.every.map(|every| Scheduled {
                name: Arc::clone(&name),
                every,
                jitter: check.jitter.unwrap_or(jitter),
                target,
                plugin: check.plugin.clone(),
                breaker: check.breaker,
                fingerprint,
            }));
            let served = Served {
                heartbeat: self.heartbeats.checks.get(&*name).cloned(),
                state: check.state,
                facts: facts(check, runs.prepared(), last),
                runs,
                fingerprint,
            };
            checks.insert(name, served);
        }
        self.checks = checks;
        self.plan = Arc::new(Plan::new(plan));
        self
    }

    fn has_configuration_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.preparation.config, &other.preparation.config)
    }

    /// Each check of the configuration with what runs for it.
    fn runs_of_checks(&self) -> impl Iterator<Item = (&Check, Runs)> {
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

/// What is shown of a check: the same as before where nothing of it has changed, so that it is held once.
fn facts(check: &Check, prepared: &Prepared, last: Option<&Served>) -> Arc<CheckFacts> {
    let facts = CheckFacts {
        name: prepared.name.clone(),
        plugin: prepared.plugin.identity().clone(),
        target: prepared.target.as_str().to_owned(),
        every: check.every,
    };
    match last {
        Some(last) if *last.facts == facts => Arc::clone(&last.facts),
        _ => Arc::new(facts),
    }
}

/// Where the checks run: as before, as long as it is the same sandbox, whose room the runs of both share. How many
/// there can be at once is set when the generation takes over.
fn runner(preparation: &Preparation, before: Option<&Generation>) -> Arc<Runner> {
    let (sandbox, slots) = (&preparation.sandbox, preparation.config.concurrency);
    match before {
        Some(before) if Arc::ptr_eq(&before.preparation.sandbox, sandbox) => Arc::clone(&before.runner),
        Some(before) => Arc::new(before.runner.again(Arc::clone(sandbox), slots)),
        None => Arc::new(Runner::new(Arc::clone(sandbox), slots)),
    }
}

/// The secrets of the daemon itself, not of checks, and the heartbeats, whose URLs may be among them.
///
/// # Errors
///
/// A line for each that cannot be read or is no URL.
async fn own(
    config: &Config,
    heartbeats: &Heartbeats,
) -> Result<(SecretStore, ConfiguredHeartbeats), Hindrance> {
    let secrets = own_secrets(config).await.map_err(|unread| Hindrance {
        sentences: unread.to_string(),
        may_pass: unread.may_pass,
    })?;
    let heartbeats = ConfiguredHeartbeats::new(config, &secrets, heartbeats);
    let heartbeats = heartbeats.map_err(|sentences| sentences.join("\n"))?;
    Ok((secrets, heartbeats))
}

/// Those secrets.
///
/// # Errors
///
/// A sentence for each that cannot be read.
pub(super) async fn own_secrets(config: &Config) -> Result<SecretStore, Unread> {
    let mut names = config.watching_secrets();
    names.extend(config.http.as_ref().and_then(|http| http.token.clone()));
    SecretStore::read(&config.secrets, &names).await
}
