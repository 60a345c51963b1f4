//! Settings in a file of their own, as they are used to test a plugin.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::json::key_given_twice;
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
    if let Some(problem) = key_given_twice(text) {
        return Err(Problem::new(location, problem).into());
    }
    Ok(Settings::new(values, location.into(), BTreeMap::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_given_twice_is_refused_in_both_formats() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            read_settings_file(&path)
        };
        let refused = read("a.json", "{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}").unwrap_err();
        assert!(
            refused.contains("the key `c` is given twice at line 2"),
            "{refused}"
        );
        let refused = read("a.toml", "b = { c = 1, c = 2 }\n").unwrap_err();
        assert!(refused.contains("the key is given twice"), "{refused}");
        let settings = read("a.json", r#"{"a": 1, "b": {"a": [1.5, null, "x", true, -1]}}"#).unwrap();
        assert_eq!(settings.to_json(), r#"{"a":1,"b":{"a":[1.5,null,"x",true,-1]}}"#);
    }
}
