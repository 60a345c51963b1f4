//! Settings in a file of their own, as they are used to test a plugin.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::problem::{Location, Problem, Problems};
use super::reader::read_root;
use super::settings::Settings;
use super::settings_reader::read_settings_root;
use super::source::Source;

/// Reads settings: JSON from a file whose name ends with `.json`, TOML from any other.
///
/// # Errors
///
/// Everything that is wrong, as it is shown to people.
pub fn read_settings_file(path: &Path) -> Result<Settings, String> {
    let source = Source::read(path).map_err(|problems| problems.to_string())?;
    if path.extension().is_some_and(|extension| extension == "json") {
        return read_json(path, source.text()).map_err(|problems| problems.to_string());
    }
    let root = read_root(&source, read_settings_root);
    Problems::check(root.problems).map_err(|problems| source.render(&problems))?;
    Ok(root.result)
}

fn read_json(path: &Path, text: &str) -> Result<Settings, Problems> {
    let location = Location::File(path.display().to_string().into());
    let values: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        let problem = Problem::new(location.clone(), format!("it is no JSON object: {error}"));
        Problems::new(problem, Vec::new())
    })?;
    Ok(Settings::new(values, location.into(), BTreeMap::new()))
}
