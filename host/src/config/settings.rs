//! What a plugin is given, and where each part of it was written. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::problem::Location;
use crate::name::SecretName;

/// The settings of a check, as JSON, with the place of each value.
#[derive(Debug, Clone)]
pub struct Settings {
    values: Map<String, Value>,
    secrets: BTreeSet<SecretName>,
    root: Place,
    places: BTreeMap<String, Place>,
}

/// Where a value stands, and its key.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) key: Location,
    pub(super) value: Location,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            key: location.clone(),
            value: location,
        }
    }
}

impl Settings {
    /// No settings, for a check that stands here.
    pub(super) fn empty(location: Location) -> Self {
        Self::new(Map::new(), location.into(), BTreeMap::new())
    }

    /// Settings with the places of the whole and of its parts, by their JSON pointers (RFC 6901).
    pub(super) fn new(mut values: Map<String, Value>, root: Place, places: BTreeMap<String, Place>) -> Self {
        values.values_mut().for_each(make_whole);
        let mut secrets = BTreeSet::new();
        values
            .values()
            .for_each(|value| collect_secrets(value, &mut secrets));
        Self {
            values,
            secrets,
            root,
            places,
        }
    }

    /// The same with other values under some keys of the whole. What has no place of its own then stands where
    /// the settings stand.
    pub fn with(&self, values: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut settings = self.clone();
        settings.values.extend(values);
        settings
    }

    /// The settings as a JSON object.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// The settings as JSON text, as the plugin gets them. Secrets are in it by name only.
    pub fn to_json(&self) -> String {
        // Written as a value: a map of JSON values cannot fail to serialize.
        Value::Object(self.values.clone()).to_string()
    }

    /// The names of the secrets that the settings refer to, by objects of the form `{"secret": NAME}`.
    pub fn secret_names(&self) -> &BTreeSet<SecretName> {
        &self.secrets
    }

    /// Where the value at a JSON pointer (RFC 6901) stands; for one that is not given, the nearest that it
    /// would be in.
    pub fn location(&self, pointer: &str) -> &Location {
        &self.place(pointer).value
    }

    /// The same for the value's key.
    pub fn key_location(&self, pointer: &str) -> &Location {
        &self.place(pointer).key
    }

    fn place(&self, pointer: &str) -> &Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return place;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return &self.root,
            }
        }
    }
}

/// The name in an object of the form `{"secret": NAME}`.
pub(super) fn referenced_secret(object: &Map<String, Value>) -> Option<&str> {
    match object.get("secret") {
        Some(Value::String(name)) if object.len() == 1 => Some(name),
        _ => None,
    }
}

fn collect_secrets(value: &Value, secrets: &mut BTreeSet<SecretName>) {
    match value {
        Value::Object(object) => match referenced_secret(object) {
            Some(name) => secrets.extend(name.parse::<SecretName>()),
            None => object.values().for_each(|value| collect_secrets(value, secrets)),
        },
        Value::Array(array) => array.iter().for_each(|value| collect_secrets(value, secrets)),
        _ => {}
    }
}

/// Writes whole numbers as such: `1e3` and `1000.0` are 1000 to a schema and in JSON, and to hardly any reader of whole
/// numbers.
fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= LARGEST_CERTAIN);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(array) => array.iter_mut().for_each(make_whole),
        Value::Object(object) => object.values_mut().for_each(make_whole),
        _ => {}
    }
}

/// The largest number up to which every whole one is a floating-point number of its own.
const LARGEST_CERTAIN: f64 = 9_007_199_254_740_992.0;

/// The pointer of a part: its container's pointer and its own key, escaped (RFC 6901 section 3).
pub(super) fn pointer_of(container: &str, key: &str) -> String {
    format!("{container}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A pointer as people write keys: `expect.json."/status"`, `mailboxes[0]`.
pub(super) fn spoken_pointer(pointer: &str, settings: &Map<String, Value>) -> String {
    let mut spoken = String::new();
    let mut container: Option<&Value> = None;
    for (depth, escaped) in pointer.split('/').skip(1).enumerate() {
        let key = escaped.replace("~1", "/").replace("~0", "~");
        let plain = !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        match container {
            Some(Value::Array(_)) => spoken.push_str(&format!("[{key}]")),
            _ if depth > 0 && plain => spoken.push_str(&format!(".{key}")),
            _ if depth > 0 => spoken.push_str(&format!(".{key:?}")),
            _ if plain => spoken.push_str(&key),
            _ => spoken.push_str(&format!("{key:?}")),
        }
        container = match container {
            _ if depth == 0 => settings.get(&key),
            Some(Value::Array(array)) => key.parse::<usize>().ok().and_then(|index| array.get(index)),
            other => other.and_then(|value| value.get(&key)),
        };
    }
    spoken
}

#[cfg(test)]
mod tests {
    use super::super::problem::Position;
    use super::*;

    fn settings() -> Settings {
        let at = |line| Place::from(Location::Text("a".into(), Position { line, column: 1 }));
        let values = serde_json::json!({
            "password": { "secret": "mail" },
            "headers": [{ "value": { "secret": "token" } }, { "secret": "x", "more": 1 }],
            "expect": { "status": ["2xx"], "json": { "/a~b": "up" } },
        });
        let Value::Object(values) = values else {
            panic!("an object")
        };
        let places = [("/expect", 2), ("/expect/status", 3), ("/expect/status/0", 4)];
        let places = places
            .into_iter()
            .map(|(pointer, line)| (pointer.to_owned(), at(line)))
            .collect();
        Settings::new(values, at(1), places)
    }

    #[test]
    fn a_pointer_leads_to_its_place_or_the_nearest_around_it() {
        for (pointer, line) in [
            ("/expect/status/0", 4),
            ("/expect/status/7/x", 3),
            ("/expect/headers", 2),
            ("/url", 1),
            ("", 1),
        ] {
            assert_eq!(
                settings().location(pointer).position().unwrap().line,
                line,
                "{pointer}"
            );
        }
    }

    #[test]
    fn whole_numbers_are_written_as_such() {
        let values = serde_json::json!({ "a": 1e3, "b": [-2.0, 1.5], "c": { "d": 1e300, "e": 9_007_199_254_740_993_u64 } });
        let Value::Object(values) = values else {
            panic!("an object")
        };
        let settings = Settings::new(values, Location::option("--set").into(), BTreeMap::new());
        let written = serde_json::json!({ "a": 1000, "b": [-2, 1.5], "c": { "d": 1e300, "e": 9_007_199_254_740_993_u64 } });
        assert_eq!(Value::Object(settings.values().clone()), written);
    }

    #[test]
    fn secrets_are_found_wherever_settings_refer_to_them() {
        let settings = settings();
        let names: Vec<_> = settings.secret_names().iter().map(SecretName::as_str).collect();
        assert_eq!(names, ["mail", "token"]);
    }

    #[test]
    fn pointers_are_spoken_as_people_write_keys() {
        let settings = settings();
        assert_eq!(
            spoken_pointer("/expect/status/0", settings.values()),
            "expect.status[0]"
        );
        assert_eq!(
            spoken_pointer("/expect/json/~1a~0b", settings.values()),
            "expect.json.\"/a~b\""
        );
        assert_eq!(pointer_of("/expect/json", "/a~b"), "/expect/json/~1a~0b");
    }
}
