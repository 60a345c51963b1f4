//! What becomes of a file in the plugin folder that has changed: taken into use, watched beside what is in use, or
//! refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::shadow::Shadow;
use super::trials::Trial;
use super::{LivePlugins, PluginEvent, Progress, RefusedFile};
use crate::files::Stamp;
use crate::library::{self, Held, LibraryError, Origin};
use crate::outcome::PluginIdentity;
use crate::runner::{Preparation, Prepared};
use crate::sandbox::SharedPlugin;

/// How long after a failure that may be over later a file is tried again: what the system is short of comes and goes within
/// seconds.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest such pause: compiling takes a processor each time.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why a file cannot be used.
pub(super) struct Unusable {
    /// Of its content; empty if that could not be read.
    sha256: String,
    /// The plugin that it has or had.
    plugin: Option<PluginIdentity>,
    sentence: String,
    /// Whether it may be over later though nobody mends anything.
    may_pass: bool,
}

impl Unusable {
    fn new(sha256: String, plugin: Option<PluginIdentity>, sentence: String) -> Self {
        Self {
            sha256,
            plugin,
            sentence,
            may_pass: false,
        }
    }

    /// A plugin that was loaded and cannot be used.
    pub(super) fn of(plugin: &PluginIdentity, sentence: String) -> Self {
        Self::new(plugin.sha256.clone(), Some(plugin.clone()), sentence)
    }

    /// What cannot be read or loaded.
    fn at_all(sha256: String, plugin: Option<PluginIdentity>, error: &LibraryError) -> Self {
        Self {
            may_pass: error.may_pass(),
            ..Self::new(sha256, plugin, error.to_string())
        }
    }
}

impl LivePlugins {
    /// Takes in what a file has now.
    pub(super) async fn take(
        &mut self,
        file: &Path,
        files: &BTreeMap<PathBuf, Stamp>,
        progress: &mut Progress<'_>,
    ) -> Result<(), Unusable> {
        let bytes = library::read_file(file);
        let bytes = bytes.map_err(|error| Unusable::at_all(String::new(), None, &error))?;
        if Stamp::of(file).as_ref() != files.get(file) {
            // What was read may be half of one file and half of another. A change from here on is left to the next
            // look, so that a file which is replaced again and again is taken up all the same.
            self.sightings.look_again(file, progress.moment());
            return Ok(());
        }
        let sha256 = library::digest(&bytes);
        let preparation = progress.now();
        let before = preparation
            .library
            .from_file(file)
            .map(|held| held.plugin.identity().clone());
        if before.as_ref().is_some_and(|before| before.sha256 == sha256) {
            // What is in use already: a new date, or the old version put back.
            self.refused.remove(file);
            self.trials.retain(|_, trial| trial.file != file);
            return Ok(());
        }
        let mut trials = self.trials.values_mut();
        let same = trials.find(|trial| trial.held.plugin.identity().sha256 == sha256);
        if let Some(trial) = same.filter(|trial| trial.file == file || !files.contains_key(&trial.file)) {
            // What is watched already: put back, or under another name.
            trial.held.origin = Origin::File(file.to_owned());
            file.clone_into(&mut trial.file);
            self.refused.remove(file);
            return Ok(());
        }
        let loaded = library::load_bytes(&preparation.sandbox, &bytes, file).await;
        let plugin = match loaded {
            Ok(plugin) => Arc::new(plugin),
            Err(error) => return Err(Unusable::at_all(sha256, before, &error)),
        };
        self.trials.retain(|_, trial| trial.file != file);
        self.fit(&plugin, file, before.as_ref(), files, progress)
            .await
            .map_err(|sentence| Unusable::of(plugin.identity(), sentence))?;
        self.refused.remove(file);
        Ok(())
    }

    /// Takes a plugin into use, or has it watched; or says why not.
    async fn fit(
        &mut self,
        plugin: &SharedPlugin,
        file: &Path,
        before: Option<&PluginIdentity>,
        files: &BTreeMap<PathBuf, Stamp>,
        progress: &mut Progress<'_>,
    ) -> Result<(), String> {
        let preparation = progress.now();
        let new = plugin.identity();
        let name = new.name.as_str();
        let held = Held::new(Arc::clone(plugin), Origin::File(file.to_owned()));
        let replaced = preparation.library.find(name);
        let in_use = replaced.and_then(|held| held.origin.file());
        let watched = self.trials.get(name).map(|trial| trial.file.as_path());
        let is_another = |other: &&Path| *other != file && files.contains_key(*other);
        if let Some(other) = in_use.filter(is_another).or(watched.filter(is_another)) {
            return Err(format!(
                "the plugin calls itself `{name}`, and so does `{}`, which stays in use",
                other.display()
            ));
        }
        let mut library = preparation.library.with(held.clone());
        let mut changed = BTreeSet::from([name]);
        let renamed = before.filter(|before| before.name != name);
        if let Some(before) = renamed {
            library = library.without(&before.name);
            changed.insert(&before.name);
            let mut users = preparation.config.checks_and_templates();
            if let Some(user) = users.find(|user| user.plugin == before.name) {
                return Err(format!(
                    "it was the plugin `{}`, which {} uses, and calls itself `{name}` now",
                    before.name,
                    user.title()
                ));
            }
        }
        let old = replaced.map(|held| held.plugin.identity().clone());
        if let Some(same) = replaced.filter(|held| held.plugin.identity().sha256 == new.sha256) {
            // The same under another name of the file.
            library = preparation.library.with(Held {
                origin: held.origin.clone(),
                ..same.clone()
            });
            changed.clear();
        }
        let is_first = old.as_ref().is_none();
        let next = preparation.with_library(library, &changed).await?;
        if !changed.is_empty() {
            progress.events.extend(
                plugin
                    .notices()
                    .iter()
                    .map(|notice| PluginEvent::Notice(format!("plugin `{name}`: {notice}"))),
            );
        }
        let checks = checks_of(&next, name);
        if let Some(old) = old
            .clone()
            .filter(|_| !self.shadow.is_zero() && !changed.is_empty() && !checks.is_empty())
        {
            let shadow = Shadow::new(old, new.clone(), progress.moment(), self.shadow);
            progress
                .events
                .push(PluginEvent::Watched(Box::new(shadow.clone())));
            let trial = Trial {
                held,
                file: file.to_owned(),
                checks,
                shadow,
                since: SystemTime::now(),
                is_over: false,
            };
            self.trials.insert(name.to_owned(), trial);
            return Ok(());
        }
        if is_first && library::is_built_in(name) {
            progress
                .events
                .push(PluginEvent::Notice(library::instead_of_built_in(name, file)));
        }
        if let Some(before) = renamed {
            progress.events.push(PluginEvent::Removed {
                old: before.clone(),
                orphans: Vec::new(),
                modules: Vec::new(),
            });
        }
        match old {
            Some(_) if changed.is_empty() => {}
            Some(old) => progress.events.push(PluginEvent::Replaced {
                old,
                new: new.clone(),
            }),
            None => progress.events.push(PluginEvent::Added(new.clone())),
        }
        progress.changed = Some(next);
        Ok(())
    }

    /// Tells once why a file is not used, and has it tried again where that may be over later.
    pub(super) fn refuse(&mut self, file: &Path, unusable: Unusable, progress: &mut Progress<'_>) {
        let Unusable {
            sha256,
            plugin,
            sentence,
            may_pass,
        } = unusable;
        let in_use = plugin
            .as_ref()
            .and_then(|plugin| progress.now().library.find(&plugin.name));
        let sentence = match in_use.map(|held| held.plugin.identity()) {
            Some(old) => format!("{sentence}; `{}` {} stays in use", old.name, old.version),
            None => sentence,
        };
        let sentence = match may_pass {
            true => format!("{sentence}; it is tried again"),
            false => sentence,
        };
        let plugin = plugin.map(|plugin| plugin.name);
        let told = self.refused.get(file);
        let told = told.filter(|told| told.sha256 == sha256 && told.sentence == sentence);
        if told.is_none() {
            progress.events.push(PluginEvent::Refused {
                file: file.to_owned(),
                plugin: plugin.clone(),
                sentence: sentence.clone(),
            });
        }
        let tries = told.map_or(0, |told| told.tries).saturating_add(1);
        if may_pass {
            let moment = progress.moment() + pause(tries);
            self.sightings.look_again_at(file, moment);
        }
        let refused = RefusedFile {
            plugin,
            at: told.map_or_else(SystemTime::now, |told| told.at),
            sentence,
            sha256,
            tries,
        };
        self.refused.insert(file.to_owned(), refused);
    }
}

/// How long to wait after so many tries in vain: twice as long each time.
fn pause(tries: u32) -> Duration {
    LONGEST_PAUSE.min(FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)))
}

/// The checks of a plugin, as they run beside those in use.
fn checks_of(preparation: &Preparation, plugin: &str) -> BTreeMap<String, Arc<Prepared>> {
    let checks = preparation.checks.iter();
    let checks = checks.filter(|check| check.access.plugin == plugin);
    checks
        .map(|check| (check.name.clone(), Arc::new(check.beside())))
        .collect()
}
