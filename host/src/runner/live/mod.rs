//! Plugins that change while checks run. What is new in the folder is compiled, asked what it is, tried against the
//! checks that use it, and only then taken into use; what cannot be is refused, and what was in use stays.
//!
//! Nothing is exchanged here: whoever looks gets the checks to go on with ([`Refreshed`]). Runs that are under way
//! end on the plugin that they began with.

mod event;
mod shadow;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use event::PluginEvent;
pub use shadow::{Difference, Shadow, Verdict, compare, mark};

use super::{Preparation, Prepared};
use crate::config::Config;
use crate::library::folder::{self, Change, Sightings, Stamp};
use crate::library::{self, Held, Library, LibraryError, Origin};
use crate::outcome::{PluginIdentity, Report};
use crate::sandbox::SharedPlugin;

/// How often the folder should be looked at when nothing happens in it: soon enough for who waits for it, and with
/// 1,000 files some thousandths of a processor.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The plugin folder and what is known of its files.
#[derive(Debug)]
pub struct LivePlugins {
    folder: PathBuf,
    shadow: Duration,
    sightings: Sightings,
    refused: BTreeMap<PathBuf, RefusedFile>,
    trials: BTreeMap<String, Trial>,
    unreadable: Option<String>,
}

/// What came of a look.
pub struct Refreshed {
    /// What happened, in order.
    pub events: Vec<PluginEvent>,
    /// The checks to go on with, if anything changed for them.
    pub preparation: Option<Preparation>,
}

impl Refreshed {
    /// Nothing happened.
    pub fn nothing() -> Self {
        Self {
            events: Vec::new(),
            preparation: None,
        }
    }
}

/// A file that is not used.
#[derive(Debug)]
pub struct RefusedFile {
    /// The name of the plugin that it has or had, as far as it is known.
    pub plugin: Option<String>,
    /// When it was refused.
    pub at: SystemTime,
    /// Why.
    pub sentence: String,
    /// Of its content; empty if that could not be read.
    sha256: String,
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

/// Why a file cannot be used.
struct Unusable {
    /// Of its content; empty if that could not be read.
    sha256: String,
    /// The plugin that it has or had.
    plugin: Option<PluginIdentity>,
    sentence: String,
}

impl Unusable {
    fn new(sha256: String, plugin: Option<PluginIdentity>, sentence: String) -> Self {
        Self {
            sha256,
            plugin,
            sentence,
        }
    }
}

/// A new version beside the one in use.
#[derive(Debug)]
struct Trial {
    held: Held,
    file: PathBuf,
    checks: BTreeMap<String, Arc<Prepared>>,
    shadow: Shadow,
    since: SystemTime,
    /// Its time is over and it was not promoted; somebody may still do that.
    is_over: bool,
}

/// The checks as they are while changes are taken in one after the other.
struct Progress<'p> {
    first: &'p Preparation,
    changed: Option<Preparation>,
    events: Vec<PluginEvent>,
}

impl Progress<'_> {
    fn now(&self) -> &Preparation {
        self.changed.as_ref().unwrap_or(self.first)
    }
}

impl LivePlugins {
    /// Watches the folder of a configuration, if it has one and says so.
    pub fn new(config: &Config) -> Option<Self> {
        let folder = config
            .plugins_dir
            .clone()
            .filter(|_| config.plugin_changes.watch)?;
        Some(Self {
            folder,
            shadow: config.plugin_changes.shadow,
            sightings: Sightings::default(),
            refused: BTreeMap::new(),
            trials: BTreeMap::new(),
            unreadable: None,
        })
    }

    /// Goes on with a configuration that was read again: what was refused may fit now. What is watched beside
    /// others begins anew.
    #[must_use]
    pub fn again(self, config: &Config) -> Option<Self> {
        let new = Self::new(config)?;
        Some(match new.folder == self.folder {
            true => Self {
                // A refusal is told again only if its sentence is another.
                refused: self.refused,
                ..new
            },
            false => new,
        })
    }

    /// Looks at the folder and takes in what changed. `now` is monotonic, the same for all calls; this takes as
    /// long as compiling does.
    pub async fn refresh(&mut self, preparation: &Preparation, now: Duration) -> Refreshed {
        let mut progress = Progress {
            first: preparation,
            changed: None,
            events: Vec::new(),
        };
        match look(&self.folder).await {
            Ok(files) => {
                self.unreadable = None;
                for change in self.sightings.look(&files, now, SystemTime::now()) {
                    match change {
                        Change::Whole(file) => {
                            let refused = self.take(&file, &files, now, &mut progress).await.err();
                            if let Some(refused) = refused {
                                self.refuse(&file, refused, &mut progress);
                            }
                        }
                        // What cannot be used may be half of it: it is told when it is whole.
                        Change::Paused(file) => {
                            let _ = self.take(&file, &files, now, &mut progress).await;
                        }
                        Change::Gone(file) => self.gone(&file, &mut progress).await,
                    }
                }
                // One that went while a configuration was loaded is not known to be gone.
                self.refused
                    .retain(|file, _| files.contains_key(file) || self.sightings.have(file));
            }
            // Whatever is wrong with the folder, its plugins stay in use.
            Err(error) => {
                let notice = format!(
                    "the plugin folder `{}` cannot be read: {error}",
                    self.folder.display()
                );
                if self.unreadable.as_ref() != Some(&notice) {
                    progress.events.push(PluginEvent::Notice(notice.clone()));
                    self.unreadable = Some(notice);
                }
            }
        }
        self.judge_trials(now, &mut progress).await;
        Refreshed {
            events: progress.events,
            preparation: progress.changed,
        }
    }

    /// How long after a look the next one should be.
    pub fn look_again_in(&self) -> Duration {
        match self.sightings.is_waiting() {
            true => folder::PAUSE,
            false => LOOK_EVERY,
        }
    }

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

    /// The files in the folder that are not used, until they change or go.
    pub fn refused(&self) -> impl Iterator<Item = (&Path, &RefusedFile)> {
        self.refused
            .iter()
            .map(|(file, refused)| (file.as_path(), refused))
    }

    /// Lets the new version of a plugin take over now, whatever was found.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not fit the checks any more; a sentence.
    pub async fn promote(&mut self, name: &str, preparation: &Preparation) -> Result<Refreshed, String> {
        let none = || format!("there is no new version of the plugin `{}`", name.escape_debug());
        let trial = self.trials.remove(name).ok_or_else(none)?;
        let mut progress = Progress {
            first: preparation,
            changed: None,
            events: Vec::new(),
        };
        let library = preparation.library.with(trial.held.clone());
        let changed = BTreeSet::from([name]);
        progress.changed = Some(preparation.with_library(library, &changed).await?);
        progress.events.push(PluginEvent::Replaced {
            old: trial.shadow.old,
            new: trial.shadow.new,
        });
        Ok(Refreshed {
            events: progress.events,
            preparation: progress.changed,
        })
    }

    /// Takes in what a file has now.
    async fn take(
        &mut self,
        file: &Path,
        files: &BTreeMap<PathBuf, Stamp>,
        now: Duration,
        progress: &mut Progress<'_>,
    ) -> Result<(), Unusable> {
        let bytes = read(file)
            .await
            .map_err(|error| Unusable::new(String::new(), None, error.to_string()))?;
        if folder::stamp(file).as_ref() != files.get(file) {
            // What was read may be half of one file and half of another. A change from here on is left to the next
            // look, so that a file which is replaced again and again is taken up all the same.
            self.sightings.look_again(file, now);
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
        let known = self
            .trials
            .values()
            .any(|trial| trial.held.plugin.identity().sha256 == sha256);
        if known {
            return Ok(());
        }
        let loaded = library::load_bytes(&preparation.sandbox, &bytes, file).await;
        let plugin = match loaded {
            Ok(plugin) => Arc::new(plugin),
            Err(error) => return Err(Unusable::new(sha256, before, error.to_string())),
        };
        self.trials.retain(|_, trial| trial.file != file);
        self.fit(&plugin, file, before.as_ref(), files, now, progress)
            .await
            .map_err(|sentence| Unusable::new(sha256, Some(plugin.identity().clone()), sentence))?;
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
        now: Duration,
        progress: &mut Progress<'_>,
    ) -> Result<(), String> {
        let preparation = progress.now();
        let new = plugin.identity();
        let name = new.name.as_str();
        let held = Held::new(Arc::clone(plugin), Origin::File(file.to_owned()));
        let replaced = preparation.library.find(name);
        if let Some(Origin::File(other)) = replaced.map(|held| &held.origin)
            && other != file
            && files.contains_key(other)
        {
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
            let is_used = |check: &&Arc<Prepared>| check.access.plugin == before.name;
            if let Some(check) = preparation.checks.iter().find(is_used) {
                return Err(format!(
                    "it was the plugin `{}`, which check `{}` uses, and calls itself `{name}` now",
                    before.name, check.name
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
            let shadow = Shadow::new(old, new.clone(), now, self.shadow);
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

    /// A file that is gone.
    async fn gone(&mut self, file: &Path, progress: &mut Progress<'_>) {
        self.refused.remove(file);
        self.trials.retain(|_, trial| trial.file != file);
        let preparation = progress.now();
        let Some(held) = preparation.library.from_file(file) else {
            return;
        };
        let old = held.plugin.identity().clone();
        match without(preparation, &old.name).await {
            Ok(next) => {
                let new = next
                    .library
                    .find(&old.name)
                    .map(|held| held.plugin.identity().clone());
                progress.events.push(match new {
                    Some(new) => PluginEvent::Replaced { old, new },
                    None => {
                        let of_it = next.orphans.iter();
                        let of_it = of_it.filter(|orphan| orphan.last.access.plugin == old.name);
                        let orphans = of_it.map(|orphan| orphan.name().to_owned()).collect();
                        PluginEvent::Removed { old, orphans }
                    }
                });
                progress.changed = Some(next);
            }
            Err(sentence) => {
                let sentence = format!(
                    "it is gone, but the built-in plugin `{}` cannot take its place: {sentence}; \
                     what was loaded from it stays in use",
                    old.name
                );
                progress.events.push(PluginEvent::Refused {
                    file: file.to_owned(),
                    plugin: Some(old.name),
                    sentence,
                });
            }
        }
    }

    /// Tells once why a file is not used.
    fn refuse(&mut self, file: &Path, unusable: Unusable, progress: &mut Progress<'_>) {
        let Unusable {
            sha256,
            plugin,
            sentence,
        } = unusable;
        let in_use = plugin
            .as_ref()
            .and_then(|plugin| progress.now().library.find(&plugin.name));
        let sentence = match in_use.map(|held| held.plugin.identity()) {
            Some(old) => format!("{sentence}; `{}` {} stays in use", old.name, old.version),
            None => sentence,
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
        let refused = RefusedFile {
            plugin,
            at: told.map_or_else(SystemTime::now, |told| told.at),
            sentence,
            sha256,
        };
        self.refused.insert(file.to_owned(), refused);
    }

    /// Promotes the new versions whose time is over and that judge as the old ones do.
    async fn judge_trials(&mut self, now: Duration, progress: &mut Progress<'_>) {
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
                Verdict::Promote => {
                    let Some(file) = self.trials.get(&name).map(|trial| trial.file.clone()) else {
                        continue;
                    };
                    match self.promote(&name, progress.now()).await {
                        Ok(promoted) => {
                            progress.events.extend(promoted.events);
                            progress.changed = promoted.preparation;
                        }
                        Err(sentence) => progress.events.push(PluginEvent::Refused {
                            file,
                            plugin: Some(name),
                            sentence,
                        }),
                    }
                }
            }
        }
    }
}

/// The same without the plugin of that name: with the built-in one instead, if there is one and checks need it.
async fn without(preparation: &Preparation, name: &str) -> Result<Preparation, String> {
    let mut library: Library = preparation.library.without(name);
    let is_used = preparation.config.checks.iter().any(|check| check.plugin == name);
    if is_used && library::is_built_in(name) {
        let built_in = library::hold_built_in(&preparation.sandbox, name, None).await;
        library = library.with(built_in.map_err(|error| error.to_string())?);
    }
    preparation.with_library(library, &BTreeSet::from([name])).await
}

fn checks_of(preparation: &Preparation, plugin: &str) -> BTreeMap<String, Arc<Prepared>> {
    let checks = preparation.checks.iter();
    let checks = checks.filter(|check| check.access.plugin == plugin);
    checks
        .map(|check| (check.name.clone(), Arc::clone(check)))
        .collect()
}

/// The folder may be on a disk that is slow.
async fn look(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Stamp>> {
    let folder = folder.to_owned();
    let looking = tokio::task::spawn_blocking(move || folder::files(&folder));
    looking.await.map_err(std::io::Error::other)?
}

async fn read(file: &Path) -> Result<Vec<u8>, LibraryError> {
    let path = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || library::read_file(&path));
    reading.await.unwrap_or_else(|error| {
        Err(LibraryError::File {
            file: file.to_owned(),
            error: std::io::Error::other(error),
        })
    })
}
