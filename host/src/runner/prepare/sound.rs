//! Which settings were found to fit which schema, kept beside the compiled code: setting a schema up takes longer than a
//! run, and the same settings fit the same schema at every start. Only that there is nothing wrong is kept; what is
//! wrong is found anew.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use twox_hash::XxHash3_128;

use crate::sandbox::PrivateFolder;

/// The file in the folder.
const FILE: &str = "sound-settings";
/// How many are kept: 64 KiB, more than the checks that a machine's Nagios runs. A configuration with more checks than
/// that does without: it is served for days and not for a moment.
pub(super) const MAX_KEPT: usize = 4096;
/// What such a finding depends on beside schema and settings: how they are held against one another. Another number for
/// another way, and the versions of all libraries.
const WAY: &str = concat!(
    "settings 2 ",
    env!("CARGO_PKG_VERSION"),
    " ",
    env!("BEDCHECK_LOCK")
);

/// A schema, and the way in which settings are held against it, as a digest.
pub(super) type SchemaDigest = [u8; 16];

/// A schema and settings that fit it, as a digest. It need not withstand anybody: whoever makes a plugin or its settings so
/// that they look like others that fit has a plugin with settings that it does not expect, and nothing else.
pub(super) type Fit = [u8; 16];

/// What is known to fit.
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// Where it is kept; nowhere when absent.
    file: Option<PathBuf>,
    /// What was kept, in order.
    known: Vec<Fit>,
    /// What was asked for.
    asked: BTreeSet<Fit>,
    /// Whether any of that was not known.
    has_more: bool,
}

impl Sound {
    /// What is kept in a folder. Whatever is wrong with it, less is known.
    pub(super) fn within(folder: &PrivateFolder) -> Self {
        let file = folder.as_path().join(FILE);
        let content = std::fs::read(&file).unwrap_or_default();
        let (known, _) = content.as_chunks();
        Self {
            known: known.iter().take(MAX_KEPT).copied().collect(),
            file: Some(file),
            ..Self::default()
        }
    }

    /// Whether anything is kept at all.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Whether these are known to fit.
    pub(super) fn knows(&mut self, fit: &Fit) -> bool {
        let is_known = self.known.binary_search(fit).is_ok();
        if is_known {
            self.asked.insert(*fit);
        }
        is_known
    }

    /// Takes up that these fit.
    pub(super) fn add(&mut self, fit: Fit) {
        self.has_more |= self.asked.insert(fit);
    }

    /// Keeps what is known, if it is more than was kept: what was asked for now, and of the rest as much as there is room
    /// for. It is no harm when that is not possible.
    pub(super) fn keep(self) {
        let Some(file) = self.file.filter(|_| self.has_more) else {
            return;
        };
        let asked = self.asked.len();
        let mut all = self.asked;
        all.extend(self.known.into_iter().take(MAX_KEPT.saturating_sub(asked)));
        let content: Vec<u8> = all.into_iter().take(MAX_KEPT).flatten().collect();
        let write = || {
            let folder = file.parent().unwrap_or(&file);
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(&content)?;
            new.persist(&file).map(drop).map_err(|error| error.error)
        };
        let _: std::io::Result<()> = write();
    }
}

/// How settings, as JSON, are known to fit a schema.
pub(super) fn fit(schema: &SchemaDigest, settings: &str) -> Fit {
    let mut digest = XxHash3_128::new();
    digest.write(schema);
    digest.write(settings.as_bytes());
    digest.finish_128().to_be_bytes()
}

/// The digest of a schema, and of the way in which settings are held against it.
pub(super) fn digest(schema: &str) -> SchemaDigest {
    let mut digest = XxHash3_128::new();
    digest.write(WAY.as_bytes());
    digest.write(&[0]);
    digest.write(schema.as_bytes());
    digest.finish_128().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PrivateFolder) {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = PrivateFolder::new(&parent.path().join("cache")).expect("private");
        (parent, folder)
    }

    #[test]
    fn what_fitted_is_known_the_next_time_and_nothing_else() {
        let (_parent, folder) = folder();
        let fits = fit(&digest("schema"), "settings");
        let mut first = Sound::within(&folder);
        assert!(!first.knows(&fits));
        first.add(fits);
        first.keep();
        let mut second = Sound::within(&folder);
        assert!(second.knows(&fits));
        assert!(!second.knows(&fit(&digest("schema"), "other settings")));
        assert!(!second.knows(&fit(&digest("other schema"), "settings")));
    }

    #[test]
    fn what_is_asked_for_stays_when_there_is_no_more_room() {
        let (_parent, folder) = folder();
        let numbered = |number: usize| fit(&digest("schema"), &number.to_string());
        let mut many = Sound::within(&folder);
        for number in 0..MAX_KEPT {
            many.add(numbered(number));
        }
        many.keep();
        let mut one_more = Sound::within(&folder);
        assert!((0..MAX_KEPT).all(|number| one_more.known.binary_search(&numbered(number)).is_ok()));
        one_more.add(numbered(MAX_KEPT));
        one_more.keep();
        let mut last = Sound::within(&folder);
        assert!(last.knows(&numbered(MAX_KEPT)));
        assert_eq!(last.known.len(), MAX_KEPT);
    }

    #[test]
    fn damage_costs_no_more_than_what_it_is_in() {
        let (_parent, folder) = folder();
        let fits = fit(&digest("schema"), "settings");
        let mut first = Sound::within(&folder);
        first.add(fits);
        first.keep();
        let file = folder.as_path().join(FILE);
        let mut damaged = std::fs::read(&file).expect("kept");
        damaged[0] ^= 1;
        damaged.push(0);
        std::fs::write(&file, damaged).expect("ours");
        let mut second = Sound::within(&folder);
        assert!(!second.knows(&fits));
        second.add(fits);
        second.keep();
        assert!(Sound::within(&folder).knows(&fits));
    }
}
