//! A check's settings from TOML to JSON. What they mean only the plugin knows.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};

use super::reader::{Kind, Table, Value};
use super::settings::{Place, Settings, pointer_of, referenced_secret};

/// A reference to a secret: where it stands, and the name.
pub(super) type Reference<'t> = (Value<'t>, String);

/// The settings in a table, and the secrets they refer to. Dates and times become strings.
pub(super) fn read_settings<'t>(value: &Value<'t>) -> (Settings, Vec<Reference<'t>>) {
    let mut reader = Reader {
        places: BTreeMap::new(),
        references: Vec::new(),
    };
    let values = reader.object(value, "");
    let root = reader
        .places
        .remove("")
        .unwrap_or_else(|| value.location().into());
    (Settings::new(values, root, reader.places), reader.references)
}

/// Settings that are a whole file.
pub(super) fn read_settings_root(root: &mut Table<'_>) -> Settings {
    let mut reader = Reader {
        places: BTreeMap::new(),
        references: Vec::new(),
    };
    let location = root.location();
    let values = root
        .take_entries()
        .iter()
        .map(|(key, value)| ((*key).to_owned(), reader.json(value, &pointer_of("", key))))
        .collect();
    Settings::new(values, location.into(), reader.places)
}

struct Reader<'t> {
    places: BTreeMap<String, Place>,
    references: Vec<Reference<'t>>,
}

impl<'t> Reader<'t> {
    fn object(&mut self, value: &Value<'t>, pointer: &str) -> Map<String, Json> {
        self.place(value, pointer);
        let entries = value.table(|table| table.take_entries()).unwrap_or_default();
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), self.json(value, &pointer_of(pointer, key))))
            .collect()
    }

    fn json(&mut self, value: &Value<'t>, pointer: &str) -> Json {
        self.place(value, pointer);
        match value.kind() {
            Kind::String(text) => Json::from(text),
            Kind::Integer(Some(integer)) => Json::from(integer),
            Kind::Integer(None) => value.unwanted("a number of 64 bits").unwrap_or_default(),
            Kind::Float(float) => match float.and_then(Number::from_f64) {
                Some(number) => Json::Number(number),
                None => value.unwanted("a finite number").unwrap_or_default(),
            },
            Kind::Boolean(boolean) => Json::Bool(boolean),
            Kind::Moment(moment) => Json::String(moment),
            Kind::Array => self.array(value, pointer),
            Kind::Table => {
                let object = self.object(value, pointer);
                if let Some(name) = referenced_secret(&object) {
                    self.references.push((value.clone(), name.to_owned()));
                }
                Json::Object(object)
            }
        }
    }

    fn array(&mut self, value: &Value<'t>, pointer: &str) -> Json {
        let elements = value.elements("an array").unwrap_or_default();
        let element =
            |(index, element): (usize, &Value<'t>)| self.json(element, &format!("{pointer}/{index}"));
        elements.iter().enumerate().map(element).collect()
    }

    fn place(&mut self, value: &Value<'t>, pointer: &str) {
        let place = Place {
            key: value.key_location(),
            value: value.location(),
        };
        self.places.insert(pointer.to_owned(), place);
    }
}
