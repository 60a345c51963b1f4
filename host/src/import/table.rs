//! A table of the YAML tree that is asked for its keys, and says which were never asked for. Texts and numbers
//! are read as the Go program reads them.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::notes::Notes;
use super::yaml::{Entry, Kind, Node};

/// A table, and where in the file it stands.
pub(super) struct Table<'n> {
    path: String,
    entries: &'n [Entry],
    asked: BTreeSet<String>,
}

impl<'n> Table<'n> {
    /// The table that a node is; nothing at all is an empty one. Anything else is said and is none.
    pub(super) fn of(node: &'n Node, path: &str, notes: &mut Notes) -> Option<Self> {
        let entries = match &node.kind {
            Kind::Mapping(entries) => entries.as_slice(),
            Kind::Null => &[],
            Kind::Scalar { .. } | Kind::Binary(_) | Kind::Sequence(_) => {
                notes.left_out(node.line, format!("`{path}` is no table"));
                return None;
            }
        };
        Some(Self {
            path: path.to_owned(),
            entries,
            asked: BTreeSet::new(),
        })
    }

    /// The name of a key with the tables it stands in.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// A key, if it is there and not null.
    pub(super) fn get(&mut self, key: &str) -> Option<&'n Entry> {
        self.asked.insert(key.to_owned());
        self.entries
            .iter()
            .find(|entry| entry.key == key && !matches!(entry.value.kind, Kind::Null))
    }

    /// A text: a scalar of any kind, as it is written.
    pub(super) fn text(&mut self, key: &str, notes: &mut Notes) -> Option<(&'n str, usize)> {
        let entry = self.get(key)?;
        match text(&entry.value) {
            Some(text) => Some((text, entry.line)),
            None => {
                notes.left_out(entry.line, format!("`{}` is no text", self.path(key)));
                None
            }
        }
    }

    /// A truth value, in all the forms that YAML 1.1 has for one.
    pub(super) fn boolean(&mut self, key: &str, notes: &mut Notes) -> Option<(bool, usize)> {
        let (text, line) = self.text(key, notes)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some((true, line)),
            "false" | "no" | "off" | "n" => Some((false, line)),
            _ => {
                notes.left_out(line, format!("`{}` is neither true nor false", self.path(key)));
                None
            }
        }
    }

    /// A list of nodes; a node that is no list is said.
    pub(super) fn list(&mut self, key: &str, notes: &mut Notes) -> &'n [Rc<Node>] {
        let Some(entry) = self.get(key) else { return &[] };
        match &entry.value.kind {
            Kind::Sequence(nodes) => nodes,
            _ => {
                notes.left_out(entry.line, format!("`{}` is no list", self.path(key)));
                &[]
            }
        }
    }

    /// A list of texts with their lines.
    pub(super) fn texts(&mut self, key: &str, notes: &mut Notes) -> Vec<(&'n str, usize)> {
        let mut texts = Vec::new();
        for node in self.list(key, notes) {
            match text(node) {
                Some(text) => texts.push((text, node.line)),
                None => notes.left_out(
                    node.line,
                    format!("`{}` holds something that is no text", self.path(key)),
                ),
            }
        }
        texts
    }

    /// A table in it.
    pub(super) fn table(&mut self, key: &str, notes: &mut Notes) -> Option<Table<'n>> {
        let entry = self.get(key)?;
        Table::of(&entry.value, &self.path(key), notes)
    }

    /// All keys that were not asked for yet.
    pub(super) fn rest(&mut self) -> Vec<&'n Entry> {
        let rest: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| !self.asked.contains(&entry.key))
            .collect();
        self.asked.extend(rest.iter().map(|entry| entry.key.clone()));
        rest
    }

    /// Says of these keys why they are left out, where they are there.
    pub(super) fn refuse(&mut self, keys: &[(&str, &str)], notes: &mut Notes) {
        for (key, why) in keys {
            if let Some(entry) = self.get(key)
                && !is_off(&entry.value)
            {
                notes.left_out(entry.line, format!("`{}`: {why}", self.path(key)));
            }
        }
    }

    /// Says which keys nobody knows.
    pub(super) fn finish(mut self, notes: &mut Notes) {
        for entry in self.rest() {
            notes.left_out(entry.line, format!("`{}` is not known", self.path(&entry.key)));
        }
    }
}

/// The text of a scalar.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar { text, .. } => Some(text),
        Kind::Null | Kind::Binary(_) | Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

/// Whether a value switches nothing on: `false`, an empty text, list or table.
fn is_off(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => true,
        Kind::Scalar { text, is_plain } => text.is_empty() || (*is_plain && text == "false"),
        Kind::Binary(bytes) => bytes.is_empty(),
        Kind::Sequence(nodes) => nodes.is_empty(),
        Kind::Mapping(entries) => entries.is_empty(),
    }
}
