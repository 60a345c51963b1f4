//! What becomes of a plugin whose file is gone: it goes on from another file, another version takes its place, or it is
//! given up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{LivePlugins, PluginEvent, Progress, RefusedFile};
use crate::files::Stamp;
use crate::library::{self, Held, Library, Origin};
use crate::outcome::PluginIdentity;
use crate::runner::Preparation;

impl LivePlugins {
    /// A file that is gone. Another one that has its plugin too takes its place, if it can be used.
    pub(super) async fn gone(
        &mut self,
        file: &Path,
        files: &BTreeMap<PathBuf, Stamp>,
        progress: &mut Progress<'_>,
    ) {
        self.refused.remove(file);
        let watched = self.trials.extract_if(.., |_, trial| trial.file == file);
        let mut names: BTreeSet<String> = watched.map(|(name, _)| name).collect();
        let old = progress.now().library.from_file(file);
        let old = old.map(|held| held.plugin.identity().clone());
        names.extend(old.iter().map(|old| old.name.clone()));
        let mut unusable = Vec::new();
        for other in self.refused_for(&names, files) {
            if let Err(error) = self.take(&other, files, progress).await {
                unusable.push((other, error));
            }
        }
        if let Some(old) = old.filter(|_| progress.now().library.from_file(file).is_some()) {
            match self.trials.get(&old.name).map(|trial| trial.file.clone()) {
                // As where a new version is in the file of the old one.
                Some(other) => move_to(&old.name, other, progress).await,
                None => give_up(file, old, progress).await,
            }
        }
        for (other, error) in unusable {
            self.refuse(&other, error, progress);
        }
    }

    /// The files that are there, were refused, and have a plugin of one of these names.
    fn refused_for(&self, names: &BTreeSet<String>, files: &BTreeMap<PathBuf, Stamp>) -> Vec<PathBuf> {
        let has_one = |refused: &RefusedFile| {
            let plugin = refused.plugin.as_ref();
            plugin.is_some_and(|plugin| names.contains(plugin))
        };
        let refused = self.refused.iter();
        let refused = refused.filter(|(file, refused)| files.contains_key(*file) && has_one(refused));
        refused.map(|(file, _)| file.clone()).collect()
    }
}

/// Notes that a plugin in use is that of another file now.
async fn move_to(name: &str, file: PathBuf, progress: &mut Progress<'_>) {
    let preparation = progress.now();
    let Some(held) = preparation.library.find(name) else {
        return;
    };
    let library = preparation.library.with(Held {
        origin: Origin::File(file),
        ..held.clone()
    });
    // Nothing changes for any check.
    if let Ok(next) = preparation.with_library(library, &BTreeSet::new()).await {
        progress.changed = Some(next);
    }
}

/// Takes a plugin away whose file is gone.
async fn give_up(file: &Path, old: PluginIdentity, progress: &mut Progress<'_>) {
    match without(progress.now(), &old.name).await {
        Ok(next) => {
            let new = next.library.find(&old.name);
            let new = new.map(|held| held.plugin.identity().clone());
            progress.events.push(match new {
                Some(new) => PluginEvent::Replaced { old, new },
                None => {
                    let of_it = next.orphans.iter();
                    let of_it = of_it.filter(|orphan| orphan.last.access.plugin == old.name);
                    let orphans = of_it.map(|orphan| orphan.name().to_owned()).collect();
                    let modules = modules_of(&next, &old.name);
                    PluginEvent::Removed {
                        old,
                        orphans,
                        modules,
                    }
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

/// The modules of a plugin, by name.
fn modules_of(preparation: &Preparation, plugin: &str) -> Vec<String> {
    let templates = preparation.config.modules.iter().map(|module| &module.template);
    let of_it = templates.filter(|template| template.plugin == plugin);
    of_it.map(|template| template.name.to_string()).collect()
}

/// The same without the plugin of that name: with the built-in one instead, if there is one and anybody needs it.
async fn without(preparation: &Preparation, name: &str) -> Result<Preparation, String> {
    let mut library: Library = preparation.library.without(name);
    let mut users = preparation.config.checks_and_templates();
    let is_used = users.any(|user| user.plugin == name);
    if is_used && library::is_built_in(name) {
        let built_in = library::hold_built_in(&preparation.sandbox, name, None).await;
        library = library.with(built_in.map_err(|error| error.to_string())?);
    }
    preparation.with_library(library, &BTreeSet::from([name])).await
}
