//! New versions of plugins that run beside those in use, until they are promoted or kept back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::shadow::{Shadow, Verdict};
use super::taking::Unusable;
use super::{LivePlugins, PluginEvent, Progress, Refreshed};
use crate::library::Held;
use crate::outcome::Report;
use crate::runner::{Preparation, Prepared};

/// A new version beside the one in use.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) held: Held,
    pub(super) file: PathBuf,
    pub(super) checks: BTreeMap<String, Arc<Prepared>>,
    pub(super) shadow: Shadow,
    pub(super) since: SystemTime,
    /// Its time is over and it was not promoted; somebody may still do that.
    pub(super) is_over: bool,
}

/// A new version of a plugin that runs, or ran, beside the one in use.
#[derive(Debug)]
pub struct Beside<'p> {
    /// What was found.
    pub shadow: &'p Shadow,
    /// Since when it runs.
    pub since: SystemTime,
    /// Whether its time is over and it was not promoted; somebody may still do that.
    pub is_over: bool,
}

impl LivePlugins {
    /// The check to run beside this one, if a new version of its plugin is being watched.
    pub fn shadow_of(&self, check: &str) -> Option<Arc<Prepared>> {
        let mut trials = self.trials.values().filter(|trial| !trial.is_over);
        trials.find_map(|trial| trial.checks.get(check).cloned())
    }

    /// Takes a pair of runs of a check into account: of the version in use, and of the one beside it.
    pub fn compared(&mut self, old: &Report, new: &Report) {
        let trial = self.trials.get_mut(&new.plugin.name);
        // It may have been replaced meanwhile.
        if let Some(trial) =
            trial.filter(|trial| trial.shadow.new == new.plugin && trial.shadow.old == old.plugin)
        {
            trial.shadow.compared(old, new);
        }
    }

    /// The new versions beside those in use, by the plugins' names.
    pub fn beside(&self) -> impl Iterator<Item = (&str, Beside<'_>)> {
        self.trials.iter().map(|(name, trial)| {
            let beside = Beside {
                shadow: &trial.shadow,
                since: trial.since,
                is_over: trial.is_over,
            };
            (name.as_str(), beside)
        })
    }

    /// Lets the new version of a plugin take over now, whatever was found.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not fit the checks any more, and waits on; a sentence.
    pub async fn promote(&mut self, name: &str, preparation: &Preparation) -> Result<Refreshed, String> {
        let none = || format!("there is no new version of the plugin `{}`", name.escape_debug());
        let trial = self.trials.get(name).ok_or_else(none)?;
        let library = preparation.library.with(trial.held.clone());
        let changed = BTreeSet::from([name]);
        let next = preparation.with_library(library, &changed).await?;
        let replaced = PluginEvent::Replaced {
            old: trial.shadow.old.clone(),
            new: trial.shadow.new.clone(),
        };
        self.trials.remove(name);
        Ok(Refreshed {
            events: vec![replaced],
            preparation: Some(next),
        })
    }

    /// Promotes the new versions whose time is over and that judge as the old ones do.
    pub(super) async fn judge_trials(&mut self, progress: &mut Progress<'_>) {
        let now = progress.moment();
        let due: Vec<_> = self
            .trials
            .iter()
            .filter(|(_, trial)| !trial.is_over)
            .map(|(name, trial)| (name.clone(), trial.shadow.verdict(now)))
            .collect();
        for (name, verdict) in due {
            match verdict {
                Verdict::Watch => {}
                Verdict::Keep => {
                    if let Some(trial) = self.trials.get_mut(&name) {
                        trial.is_over = true;
                        progress
                            .events
                            .push(PluginEvent::Kept(Box::new(trial.shadow.clone())));
                    }
                }
                Verdict::Promote => match self.promote(&name, progress.now()).await {
                    Ok(promoted) => {
                        progress.events.extend(promoted.events);
                        progress.changed = promoted.preparation;
                    }
                    Err(sentence) => {
                        if let Some(trial) = self.trials.remove(&name) {
                            let unusable = Unusable::of(trial.held.plugin.identity(), sentence);
                            self.refuse(&trial.file, unusable, progress);
                        }
                    }
                },
            }
        }
    }
}
