//! What happens to plugins while checks run, and how it is told.

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::shadow::Shadow;
use crate::outcome::PluginIdentity;

/// Something happened to a plugin.
#[derive(Debug, Clone)]
pub enum PluginEvent {
    /// There is a new one.
    Added(PluginIdentity),
    /// A new version took over, or a plugin of a file from the built-in one, or the other way round.
    Replaced {
        /// The plugin until now.
        old: PluginIdentity,
        /// The plugin from now on.
        new: PluginIdentity,
    },
    /// One is gone.
    Removed {
        /// The plugin.
        old: PluginIdentity,
        /// The checks that have no plugin any more.
        orphans: Vec<String>,
        /// The modules that cannot be probed any more.
        modules: Vec<String>,
    },
    /// A file is not used; what was in use stays in use.
    Refused {
        /// The file.
        file: PathBuf,
        /// The name of the plugin, as far as it is known.
        plugin: Option<String>,
        /// Why.
        sentence: String,
    },
    /// A new version runs beside the one in use.
    Watched(Box<Shadow>),
    /// Its time is over, and it differs from the one in use, which stays.
    Kept(Box<Shadow>),
    /// Something an operator should know.
    Notice(String),
    /// The plugin folder cannot be read: what is in use stays so.
    FolderUnreadable(String),
}

impl Display for PluginEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |plugin: &PluginIdentity| format!("{} ({:.8})", plugin.version, plugin.sha256);
        match self {
            Self::Added(plugin) => write!(formatter, "plugin `{}` {} is new", plugin.name, short(plugin)),
            Self::Replaced { old, new } => write!(
                formatter,
                "plugin `{}`: {} replaces {}",
                new.name,
                short(new),
                short(old)
            ),
            Self::Removed {
                old,
                orphans,
                modules,
            } => {
                write!(formatter, "plugin `{}` {} is gone", old.name, short(old))?;
                if !orphans.is_empty() {
                    let listed = orphans.join("`, `");
                    write!(formatter, ", and these checks cannot run: `{listed}`")?;
                }
                if !modules.is_empty() {
                    let listed = modules.join("`, `");
                    write!(formatter, ", and these modules cannot be probed: `{listed}`")?;
                }
                Ok(())
            }
            Self::Refused { file, sentence, .. } => {
                write!(formatter, "`{}` is not used: {sentence}", file.display())
            }
            Self::Watched(shadow) => write!(
                formatter,
                "plugin `{}`: {} runs beside {} from now on",
                shadow.new.name,
                short(&shadow.new),
                short(&shadow.old)
            ),
            Self::Kept(shadow) => write!(
                formatter,
                "plugin `{}`: {} stays, because the new version judges differently: {shadow}",
                shadow.old.name,
                short(&shadow.old)
            ),
            Self::Notice(notice) | Self::FolderUnreadable(notice) => formatter.write_str(notice),
        }
    }
}
