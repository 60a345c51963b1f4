//! The table `[plugins]`: where plugins are, and how changes of them are taken up.

use std::path::PathBuf;
use std::time::Duration;

use super::PluginChanges;
use super::reader::Table;

/// The longest that a new version runs beside the old one.
const MAX_SHADOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// The folder, and how its changes are taken up.
pub(super) fn plugins(table: &mut Table<'_>) -> (Option<PathBuf>, PluginChanges) {
    let dir = table.get("dir").and_then(|value| value.path());
    let watch = table.get("watch").and_then(|value| value.boolean());
    let shadow = table
        .get("shadow")
        .and_then(|value| value.duration(Duration::ZERO..=MAX_SHADOW));
    let default = PluginChanges::default();
    let changes = PluginChanges {
        watch: watch.unwrap_or(default.watch),
        shadow: shadow.unwrap_or(default.shadow),
    };
    (dir, changes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Source};

    fn changes(table: &str) -> Result<PluginChanges, String> {
        let text = format!("{table}\n[[check]]\nname = \"a\"\nplugin = \"http\"\n");
        let config = Config::parse(&Source::new(Path::new("checks.toml"), &text));
        config
            .map(|config| config.plugin_changes)
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn changes_are_taken_up_at_once_unless_the_file_says_otherwise() {
        let of = |watch, seconds| {
            Ok(PluginChanges {
                watch,
                shadow: Duration::from_secs(seconds),
            })
        };
        assert_eq!(changes(""), of(true, 0));
        assert_eq!(changes("[plugins]\ndir = \"p\"\nshadow = \"10m\""), of(true, 600));
        assert_eq!(changes("[plugins]\nwatch = false\nshadow = \"0s\""), of(false, 0));
    }

    #[test]
    fn what_is_no_such_thing_is_refused() {
        for table in ["watch = \"yes\"", "shadow = \"8d\"", "shadow = 10", "wach = true"] {
            let refused = changes(&format!("[plugins]\n{table}"));
            assert!(
                refused.is_err_and(|said| said.starts_with("checks.toml:2:")),
                "{table}"
            );
        }
    }
}
