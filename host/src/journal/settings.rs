//! What can be set about the journal, and the defaults with their reasons.

use std::path::PathBuf;
use std::time::Duration;

use crate::config;

/// Why reports are kept in memory only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no folder for the journal: found none of `STATE_DIRECTORY`, `XDG_STATE_HOME` and `HOME`, expected one \
     or `journal.dir`"
)]
pub struct NoFolder;

/// How reports are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the journal on disk; without one, reports are kept in memory only.
    pub dir: Option<PathBuf>,
    /// How many bytes the journal may have on disk, 1 GiB by default: half a million reports of 2 KiB, and what
    /// nobody misses on a machine. Over it, the oldest segment is removed.
    pub max_size: u64,
    /// How long a report is kept, 7 days by default: an incident is looked into within the week. Older segments are removed.
    pub max_age: Duration,
    /// At how many bytes a segment is closed and the next one begun, 16 MiB by default: one sixty-fourth of the
    /// journal is what a removal takes away at once, and is read in a fraction of a second.
    pub segment_size: u64,
    /// How often what was written is forced to the disk, 1 s by default: a crash of the machine loses a second.
    /// What a crash of the process alone would lose is nothing, whatever is set. Zero: after every write.
    pub sync: Duration,
    /// How many reports may wait in memory, for the disk or, without one, for their delivery; 16,384 by default,
    /// more than a burst of 10,000 runs. At some 4 KiB a report this is 64 MiB. Over it, the oldest one goes.
    pub memory: usize,
}

impl Settings {
    /// What a configuration says, on disk unless it says otherwise; variables of the environment say where if it does
    /// not.
    ///
    /// # Errors
    ///
    /// When neither says where.
    pub fn of(
        table: Option<&config::Journal>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, NoFolder> {
        let default = config::Journal::default();
        let table = table.unwrap_or(&default);
        let dir = match &table.dir {
            _ if !table.enabled => None,
            Some(dir) => Some(dir.clone()),
            None => Some(default_folder(variable).ok_or(NoFolder)?),
        };
        Ok(Self {
            dir,
            max_size: table.max_size,
            max_age: table.max_age,
            sync: table.sync,
            ..Self::default()
        })
    }
}

/// The folder that systemd gives a service, or else one in the user's folder of state (XDG Base Directory
/// Specification).
fn default_folder(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    // systemd lists several, separated by colons.
    let of_service = given("STATE_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from));
    let of_user = || {
        let state = given("XDG_STATE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let state = state.or_else(|| Some(PathBuf::from(given("HOME")?).join(".local").join("state")));
        state.map(|state| state.join("bedcheck"))
    };
    of_service.or_else(of_user).map(|folder| folder.join("journal"))
}

impl Default for Settings {
    fn default() -> Self {
        let default = config::Journal::default();
        Self {
            dir: None,
            max_size: default.max_size,
            max_age: default.max_age,
            segment_size: 16 * 1024 * 1024,
            sync: default.sync,
            memory: 16 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Result<Option<PathBuf>, NoFolder> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::of(None, &variable).map(|settings| settings.dir)
    }

    #[test]
    fn the_folder_is_the_services_or_the_users() {
        let at = |path: &str| Ok(Some(PathBuf::from(path)));
        let home = ("HOME", "/home/a");
        assert_eq!(folder(&[home]), at("/home/a/.local/state/bedcheck/journal"));
        assert_eq!(
            folder(&[home, ("XDG_STATE_HOME", "/s")]),
            at("/s/bedcheck/journal")
        );
        assert_eq!(
            folder(&[home, ("XDG_STATE_HOME", "s")]),
            at("/home/a/.local/state/bedcheck/journal")
        );
        let service = ("STATE_DIRECTORY", "/var/lib/bedcheck:/var/lib/other");
        assert_eq!(folder(&[home, service]), at("/var/lib/bedcheck/journal"));
        assert_eq!(folder(&[("HOME", "")]), Err(NoFolder));
    }

    #[test]
    fn what_is_switched_off_needs_no_folder() {
        let table = config::Journal {
            enabled: false,
            ..config::Journal::default()
        };
        let settings = Settings::of(Some(&table), &|_| None).unwrap();
        assert_eq!(settings, Settings::default());
    }
}
