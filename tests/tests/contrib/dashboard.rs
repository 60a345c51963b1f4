//! The dashboard of `contrib/grafana`, read.

use std::collections::BTreeSet;

use serde_json::Value;

use super::file;

/// The dashboard.
///
/// # Panics
///
/// When it is no JSON.
pub(crate) fn dashboard() -> Value {
    let text = file("contrib/grafana/bedcheck.json");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("contrib/grafana/bedcheck.json: {error}"))
}

/// Its panels, rows among them.
pub(crate) fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["panels"])
}

/// Whether this is the title of those below it, and no panel.
pub(crate) fn is_row(panel: &Value) -> bool {
    panel["type"] == "row"
}

/// The entries of an array.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text; empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The names of the variables that a text mentions, as `$name` or `${name}`; without Grafana's own.
pub(crate) fn variables(text: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = |rest: &str| -> String {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.chars().take_while(|&letter| is_of_name(letter)).collect()
    };
    let names = text.split('$').skip(1).map(name);
    names
        .filter(|name| !name.is_empty() && !name.starts_with("__"))
        .collect()
}
