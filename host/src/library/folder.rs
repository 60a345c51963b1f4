//! A plugin folder, looked at again and again: which files are there whole, and which are gone. Pure but for
//! looking.
//!
//! It is looked at, not subscribed to: a look at 1,000 files takes some milliseconds, works on every file system,
//! and no event can be lost. A file counts as whole
//!
//! - at once, if something was done to it after the last write: it was renamed into place, or given its times or
//!   permissions, which is what tools do last;
//! - at once, if the last write is some time ago;
//! - else when nothing has changed for a short time.
//!
//! Until then it is worth a try as soon as its writer has paused: renamed right after its last write it has the times
//! of one that is still written, and one that is replaced again and again never lies still.
//!
//! A file that is gone must stay away for that time, so that one which is deleted and written anew is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::files::Stamp;

/// How long nothing may have happened to a file: who copies one pauses for milliseconds.
pub const SETTLED: Duration = Duration::from_secs(1);

/// How long ago the last write must be for a file to be worth a try: ten times as long as who copies one pauses.
pub const PAUSE: Duration = Duration::from_millis(300);

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is there whole, for the first time or changed.
    Whole(PathBuf),
    /// Nothing has been written to it for a moment: it may be whole. Told once, before it is told as whole.
    Paused(PathBuf),
    /// It is gone.
    Gone(PathBuf),
}

/// What was seen of the files of a folder.
#[derive(Debug, Default)]
pub struct Sightings(BTreeMap<PathBuf, Sighting>);

#[derive(Debug)]
struct Sighting {
    /// None if it is gone.
    stamp: Option<Stamp>,
    /// Since when it is so.
    since: Duration,
    has_paused: bool,
    is_told: bool,
    /// Before then it is not told.
    not_before: Duration,
}

impl Sighting {
    /// Seen so since `now`, and not told.
    fn new(stamp: Option<Stamp>, now: Duration) -> Self {
        Self {
            stamp,
            since: now,
            has_paused: false,
            is_told: false,
            not_before: now,
        }
    }
}

impl Sightings {
    /// Takes a look into account. `now` is monotonic; `clock` is the time of day, by which files are dated.
    pub fn look(
        &mut self,
        files: &BTreeMap<PathBuf, Stamp>,
        now: Duration,
        clock: SystemTime,
    ) -> Vec<Change> {
        for (path, &stamp) in files {
            self.see(path, Some(stamp), now);
        }
        let gone: Vec<_> = self
            .0
            .keys()
            .filter(|path| !files.contains_key(*path))
            .cloned()
            .collect();
        for path in gone {
            self.see(&path, None, now);
        }
        let mut changes = Vec::new();
        for (path, sighting) in &mut self.0 {
            if sighting.is_told || now < sighting.not_before {
                continue;
            }
            let is_quiet = now.saturating_sub(sighting.since) >= SETTLED;
            match sighting.stamp {
                Some(stamp) if is_quiet || stamp.is_whole(clock) => {
                    sighting.is_told = true;
                    changes.push(Change::Whole(path.clone()));
                }
                Some(stamp) if !sighting.has_paused && stamp.is_old(PAUSE, clock) => {
                    sighting.has_paused = true;
                    changes.push(Change::Paused(path.clone()));
                }
                None if is_quiet => {
                    sighting.is_told = true;
                    changes.push(Change::Gone(path.clone()));
                }
                _ => {}
            }
        }
        self.0
            .retain(|_, sighting| sighting.stamp.is_some() || !sighting.is_told);
        changes
    }

    /// Takes files into account that were there before the first look: one that it does not find is gone since `now`.
    pub fn expect<'f>(&mut self, files: impl IntoIterator<Item = &'f Path>, now: Duration) {
        for file in files {
            self.0
                .entry(file.to_owned())
                .or_insert_with(|| Sighting::new(None, now));
        }
    }

    /// Whether there is a file that has just been written, or is gone, and is not told of.
    pub fn is_waiting(&self) -> bool {
        let mut sightings = self.0.values();
        sightings.any(|sighting| !sighting.is_told && !sighting.has_paused)
    }

    /// Whether this file was seen and is not told to be gone.
    pub fn have(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// Tells of a file again, once it is quiet from now on.
    pub fn look_again(&mut self, path: &Path, now: Duration) {
        if let Some(sighting) = self.0.get_mut(path) {
            *sighting = Sighting::new(sighting.stamp, now);
        }
    }

    /// Tells of a file again at that moment, though nothing happens to it.
    pub fn look_again_at(&mut self, path: &Path, moment: Duration) {
        if let Some(sighting) = self.0.get_mut(path).filter(|sighting| sighting.is_told) {
            (sighting.is_told, sighting.has_paused) = (false, true);
            sighting.not_before = moment;
        }
    }

    fn see(&mut self, path: &Path, stamp: Option<Stamp>, now: Duration) {
        let is_same = self.0.get(path).is_some_and(|sighting| sighting.stamp == stamp);
        if !is_same {
            self.0.insert(path.to_owned(), Sighting::new(stamp, now));
        }
    }
}

impl Stamp {
    /// Whether nobody is writing to it any more, as far as its times tell.
    fn is_whole(&self, clock: SystemTime) -> bool {
        self.changed > self.written || self.is_old(SETTLED, clock)
    }

    /// Whether the last write is so long ago.
    fn is_old(&self, age: Duration, clock: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.written;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u64::try_from(nanoseconds)) else {
            return false;
        };
        // Some file systems know whole seconds only: then it may have been at the end of that one.
        let within = match nanoseconds {
            0 => Duration::from_secs(1),
            _ => Duration::from_nanos(nanoseconds),
        };
        let written = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds).saturating_add(within));
        written.is_some_and(|written| clock.duration_since(written).is_ok_and(|passed| passed >= age))
    }
}

/// What the folder has under names that end with `.wasm`, by name, whether it can be read or not.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn names(folder: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            names.insert(path);
        }
    }
    Ok(names)
}

/// The `*.wasm` files of a folder. One that vanishes meanwhile, or leads nowhere, is not there.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn files(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Stamp>> {
    let names = names(folder)?.into_iter();
    Ok(names
        .filter_map(|path| Stamp::of(&path).map(|stamp| (path, stamp)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Duration = Duration::from_secs(1_000_000);

    /// A file with this inode and size, written and changed so many seconds after the beginning of the test.
    fn stamp(inode: u64, size: u64, written: i64, changed: i64) -> Stamp {
        let time = |seconds| (1_000_000 + seconds, 0);
        Stamp {
            device: 1,
            inode,
            size,
            written: time(written),
            changed: time(changed),
        }
    }

    #[derive(Default)]
    struct Test(Sightings);

    impl Test {
        /// What is told when this is seen so many milliseconds after the beginning.
        fn look(&mut self, now: u64, files: &[(&str, Stamp)]) -> Vec<String> {
            let files = files
                .iter()
                .map(|(path, stamp)| ((*path).into(), *stamp))
                .collect();
            let now = Duration::from_millis(now);
            let changes = self.0.look(&files, now, SystemTime::UNIX_EPOCH + CLOCK + now);
            let tell = |change: &Change| match change {
                Change::Whole(path) => format!("+{}", path.display()),
                Change::Paused(path) => format!("?{}", path.display()),
                Change::Gone(path) => format!("-{}", path.display()),
            };
            changes.iter().map(tell).collect()
        }
    }

    #[test]
    fn a_file_that_grows_is_told_when_it_has_stopped() {
        let mut test = Test::default();
        assert_eq!(test.look(0, &[("a", stamp(1, 10, 0, 0))]), [""; 0]);
        assert_eq!(test.look(900, &[("a", stamp(1, 20, 0, 0))]), [""; 0]);
        assert_eq!(test.look(1800, &[("a", stamp(1, 20, 1, 1))]), [""; 0]);
        assert_eq!(test.look(2700, &[("a", stamp(1, 20, 1, 1))]), ["?a"]);
        assert_eq!(test.look(2800, &[("a", stamp(1, 20, 1, 1))]), ["+a"]);
        assert_eq!(test.look(9000, &[("a", stamp(1, 20, 1, 1))]), [""; 0]);
    }

    #[test]
    fn what_is_renamed_into_place_is_told_at_once() {
        let mut test = Test::default();
        assert_eq!(test.look(5, &[("a", stamp(1, 10, 0, 1))]), ["+a"]);
        assert_eq!(test.look(6, &[("a", stamp(1, 10, 0, 1))]), [""; 0]);
        assert_eq!(test.look(7, &[("a", stamp(2, 10, 0, 2))]), ["+a"]);
    }

    /// The clock of the files is so coarse that the rename has the time of the last write.
    #[test]
    fn what_is_renamed_right_after_its_last_write_is_tried_before_it_is_settled() {
        let mut test = Test::default();
        let version = |inode, milliseconds: i64| {
            let time = (1_000_000 + milliseconds / 1000, milliseconds % 1000 * 1_000_000);
            Stamp {
                written: time,
                changed: time,
                ..stamp(inode, 10, 0, 0)
            }
        };
        // Replaced every second, and never settled.
        for (number, look) in [(1, 1400), (2, 2400), (3, 3400)] {
            let written = i64::try_from(look).unwrap() - 300;
            assert_eq!(test.look(look - 1, &[("a", version(number, written))]), [""; 0]);
            assert_eq!(test.look(look, &[("a", version(number, written))]), ["?a"]);
            assert_eq!(test.look(look + 1, &[("a", version(number, written))]), [""; 0]);
        }
        assert_eq!(test.look(4500, &[("a", version(3, 3100))]), ["+a"]);
        assert_eq!(test.look(5500, &[("a", version(3, 3100))]), [""; 0]);
    }

    #[test]
    fn what_was_written_long_ago_is_told_at_once_and_what_is_dated_in_the_future_is_not() {
        let mut test = Test::default();
        let files = [("old", stamp(1, 10, -9, -9)), ("future", stamp(2, 10, 99, 99))];
        assert_eq!(test.look(0, &files), ["+old"]);
        assert_eq!(test.look(1000, &files), ["+future"]);
    }

    #[test]
    fn a_file_is_gone_when_it_stays_away() {
        let mut test = Test::default();
        let old = [("a", stamp(1, 10, -9, -9))];
        assert_eq!(test.look(0, &old), ["+a"]);
        assert_eq!(test.look(100, &[]), [""; 0]);
        // Deleted and written anew: replaced.
        assert_eq!(test.look(500, &[("a", stamp(2, 10, -9, 0))]), ["+a"]);
        assert_eq!(test.look(600, &[]), [""; 0]);
        assert_eq!(test.look(1600, &[]), ["-a"]);
        assert_eq!(test.look(2600, &[]), [""; 0]);
    }

    #[test]
    fn what_was_read_while_it_changed_is_told_again() {
        let mut test = Test::default();
        let files = [("a", stamp(1, 10, 0, 1))];
        assert_eq!(test.look(0, &files), ["+a"]);
        test.0.look_again(Path::new("a"), Duration::ZERO);
        assert_eq!(test.look(10, &files), ["+a"]);
        assert_eq!(test.look(20, &files), [""; 0]);
    }

    #[test]
    fn what_is_put_off_is_told_at_its_moment_or_when_it_changes() {
        let mut test = Test::default();
        let (old, new) = ([("a", stamp(1, 10, 0, 1))], [("a", stamp(2, 10, 0, 1))]);
        assert_eq!(test.look(0, &old), ["+a"]);
        let put_off = |test: &mut Test| test.0.look_again_at(Path::new("a"), Duration::from_secs(8));
        put_off(&mut test);
        assert!(!test.0.is_waiting(), "nobody looks more often for it");
        assert_eq!(test.look(7000, &old), [""; 0]);
        assert_eq!(test.look(8000, &old), ["+a"]);
        put_off(&mut test);
        assert_eq!(test.look(8000, &new), ["+a"]);
    }
}
