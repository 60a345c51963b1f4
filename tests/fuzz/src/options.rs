//! What the environment says about a run of the fuzzer. Set by the recipes of the justfile.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is to be done.
pub(crate) struct Options {
    /// How long to try new inputs (`BEDCHECK_FUZZ_SECONDS`); without it only those that are kept are tried.
    pub(crate) time: Option<Duration>,
    /// What random numbers begin with (`BEDCHECK_FUZZ_SEED`), by default the clock.
    pub(crate) seed: u64,
    /// The one input to try (`BEDCHECK_FUZZ_INPUT`, a file).
    pub(crate) input: Option<Vec<u8>>,
    /// Whether the corpus is to be written anew with what was found (`BEDCHECK_FUZZ_KEEP=1`).
    pub(crate) keep: bool,
}

impl Options {
    /// Reads the environment.
    ///
    /// # Panics
    ///
    /// When a number is no number, or the file cannot be read.
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            let number = text.parse::<u64>();
            Some(number.unwrap_or_else(|_| panic!("found {name}=`{text}`, wanted a whole number")))
        };
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_secs())
        };
        let input = std::env::var_os("BEDCHECK_FUZZ_INPUT").map(PathBuf::from);
        Self {
            time: number("BEDCHECK_FUZZ_SECONDS").map(Duration::from_secs),
            seed: number("BEDCHECK_FUZZ_SEED").unwrap_or_else(clock),
            input: input.map(|path| {
                std::fs::read(&path)
                    .unwrap_or_else(|error| panic!("`{}` cannot be read: {error}", path.display()))
            }),
            keep: number("BEDCHECK_FUZZ_KEEP") == Some(1),
        }
    }
}
