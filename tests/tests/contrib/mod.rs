//! What the tests of `contrib/` share: the dashboard, a daemon about which there is something to say, and PromQL taken
//! apart.

pub(crate) mod dashboard;
pub(crate) mod promql;
pub(crate) mod world;

use std::fs;
use std::path::Path;

/// A file of this repository.
///
/// # Panics
///
/// When it is not there.
pub(crate) fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
