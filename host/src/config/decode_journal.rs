//! The table `[journal]`: where reports are kept, how many and for how long.

use std::time::Duration;

use super::Journal;
use super::reader::Table;

/// A segment of less than 128 KiB would be one for a handful of reports.
const LEAST_SIZE: u64 = 1 << 20;
/// More than anybody searches through by reading it.
const MOST_SIZE: u64 = 1 << 40;
const LEAST_AGE: Duration = Duration::from_secs(60);
const MOST_AGE: Duration = Duration::from_secs(3653 * 24 * 3600);
const MOST_SYNC: Duration = Duration::from_secs(60);

/// `[journal]`.
pub(super) fn journal(table: &mut Table<'_>) -> Journal {
    let defaults = Journal::default();
    let enabled = table.get("enabled").and_then(|value| value.boolean());
    let dir = table.get("dir").and_then(|value| value.path());
    let max_size = table
        .get("max_size")
        .and_then(|value| value.size(LEAST_SIZE..=MOST_SIZE));
    let max_age = table
        .get("max_age")
        .and_then(|value| value.duration(LEAST_AGE..=MOST_AGE));
    let sync = table
        .get("sync")
        .and_then(|value| value.duration(Duration::ZERO..=MOST_SYNC));
    Journal {
        enabled: enabled.unwrap_or(defaults.enabled),
        dir,
        max_size: max_size.unwrap_or(defaults.max_size),
        max_age: max_age.unwrap_or(defaults.max_age),
        sync: sync.unwrap_or(defaults.sync),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Config, Source};

    fn journal(table: &str) -> Result<Option<Journal>, String> {
        let text = format!("{table}\n[[check]]\nname = \"a\"\nplugin = \"http\"\n");
        let config = Config::parse(&Source::new(Path::new("checks.toml"), &text));
        config
            .map(|config| config.journal)
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_the_file_does_not_say_is_as_documented() {
        assert_eq!(journal(""), Ok(None));
        assert_eq!(journal("[journal]"), Ok(Some(Journal::default())));
        let table = "[journal]\nenabled = false\ndir = \"/var/j\"\nmax_size = \"2MiB\"\nmax_age = \"1h\"\nsync = \"0s\"";
        let wanted = Journal {
            enabled: false,
            dir: Some(PathBuf::from("/var/j")),
            max_size: 2 << 20,
            max_age: Duration::from_secs(3600),
            sync: Duration::ZERO,
        };
        assert_eq!(journal(table), Ok(Some(wanted)));
    }
}
