//! Plugins that change while checks run. What is new in the folder is compiled, asked what it is, tried against the
//! checks that use it, and only then taken into use; what cannot be is refused, and what was in use stays.
//!
//! Nothing is exchanged here: whoever looks gets the checks to go on with ([`Refreshed`]). Runs that are under way
//! end on the plugin that they began with.

mod event;
mod gone;
mod shadow;
mod taking;
#[cfg(test)]
mod tests;
mod trials;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use event::PluginEvent;
pub use shadow::{Difference, Shadow, Verdict, compare, mark};
pub use trials::Beside;

use self::trials::Trial;
use super::Preparation;
use crate::config::Config;
use crate::library::folder::{self, Change, Sightings};

/// How often the folder should be looked at when nothing happens in it: soon enough for who waits for it, and with
/// 1,000 files some thousandths of a processor.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The plugin folder and what is known of its files.
#[derive(Debug)]
pub struct LivePlugins {
    folder: PathBuf,
    shadow: Duration,
    sightings: Sightings,
    has_looked: bool,
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
    /// How often in a row it could not be used for what may be over later.
    tries: u32,
}

/// The checks as they are while changes are taken in one after the other.
struct Progress<'p> {
    clock: Clock<'p>,
    first: &'p Preparation,
    changed: Option<Preparation>,
    events: Vec<PluginEvent>,
}

/// What time it is, monotonic, the same for all looks. It is asked again after what takes long, such as compiling.
type Clock<'c> = &'c (dyn Fn() -> Duration + Sync);

impl Progress<'_> {
    fn moment(&self) -> Duration {
        (self.clock)()
    }

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
            has_looked: false,
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

    /// Looks at the folder and takes in what changed. The clock is monotonic, the same for all calls. This takes as long as
    /// compiling does, and blocks the thread while it reads, for the folder may be on a disk that is slow.
    pub async fn refresh(&mut self, preparation: &Preparation, clock: Clock<'_>) -> Refreshed {
        let mut progress = Progress {
            clock,
            first: preparation,
            changed: None,
            events: Vec::new(),
        };
        match folder::files(&self.folder) {
            Ok(files) => {
                let now = progress.moment();
                self.unreadable = None;
                if !std::mem::replace(&mut self.has_looked, true) {
                    let of_folder = |file: &&Path| file.parent() == Some(self.folder.as_path());
                    let in_use = preparation.library.files().filter(of_folder);
                    self.sightings.expect(in_use, now);
                }
                let mut changes = self.sightings.look(&files, now, SystemTime::now());
                // What is there goes before what is gone, whose place it may take.
                changes.sort_unstable();
                for change in changes {
                    match change {
                        Change::Whole(file) => {
                            let refused = self.take(&file, &files, &mut progress).await.err();
                            if let Some(refused) = refused {
                                self.refuse(&file, refused, &mut progress);
                            }
                        }
                        // What cannot be used may be half of it: it is told when it is whole.
                        Change::Paused(file) => {
                            let _ = self.take(&file, &files, &mut progress).await;
                        }
                        Change::Gone(file) => self.gone(&file, &files, &mut progress).await,
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
                    progress
                        .events
                        .push(PluginEvent::FolderUnreadable(notice.clone()));
                    self.unreadable = Some(notice);
                }
            }
        }
        self.judge_trials(&mut progress).await;
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

    /// The files in the folder that are not used, until they change or go.
    pub fn refused(&self) -> impl Iterator<Item = (&Path, &RefusedFile)> {
        self.refused
            .iter()
            .map(|(file, refused)| (file.as_path(), refused))
    }
}
