//! What the prober expects of a response, which becomes `expect`.

use crate::import::module::Translation;
use crate::import::pattern::pattern;
use crate::import::table::Table;
use crate::import::write::Value;

/// The keys of the two lists of header expectations: the prober's, the plugin's, and whether the header has to match.
const HEADERS: [(&str, &str, bool); 2] = [
    ("fail_if_header_matches", "expect.headers_not_match", false),
    ("fail_if_header_not_matches", "expect.headers", true),
];

/// What is expected that more depends on than the response.
pub(super) struct Expected {
    /// Whether the response has to come over TLS, or must not.
    pub(super) encryption: Option<bool>,
    /// How many regular expressions a body is looked through for.
    pub(super) body_patterns: usize,
}

/// Turns all of them.
pub(super) fn turn(table: &mut Table<'_>, translation: &mut Translation<'_>) -> Expected {
    statuses(table, translation);
    versions(table, translation);
    let encryption = encryption(table, translation);
    let mut body_patterns = 0;
    for (from, to) in [
        ("fail_if_body_matches_regexp", "expect.body_not_matches"),
        ("fail_if_body_not_matches_regexp", "expect.body_matches"),
    ] {
        let patterns = patterns(table, from, translation);
        body_patterns += patterns.len();
        if !patterns.is_empty() {
            translation.set(to, Value::texts(patterns));
        }
    }
    for (from, to, must_match) in HEADERS {
        headers(table, from, to, must_match, translation);
    }
    Expected {
        encryption,
        body_patterns,
    }
}

fn statuses(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    let mut statuses = Vec::new();
    for (text, line) in table.texts("valid_status_codes", translation.notes) {
        match text.parse::<i64>() {
            Ok(status) if (100..=599).contains(&status) => statuses.push(Value::Integer(status)),
            _ => translation.notes.left_out(
                line,
                format!("`valid_status_codes`: `{text}` is no status from 100 to 599"),
            ),
        }
    }
    if !statuses.is_empty() {
        translation.set("expect.status", Value::Array(statuses));
    }
}

/// The plugin speaks HTTP/1.1, and servers may answer with 1.0. Where a later version may be instead, it need not.
fn versions(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    let versions = table.texts("valid_http_versions", translation.notes);
    let Some((_, line)) = versions.first().copied() else {
        return;
    };
    let spoken: Vec<&str> = versions
        .iter()
        .filter_map(|(version, _)| version.strip_prefix("HTTP/"))
        .filter(|version| matches!(*version, "1.0" | "1.1"))
        .collect();
    if spoken.is_empty() {
        let message = "`valid_http_versions`: none of them is spoken here, HTTP/1.1 is";
        translation.notes.left_out(line, message);
    } else {
        translation.set("expect.http_version", Value::texts(spoken));
    }
}

fn encryption(table: &mut Table<'_>, translation: &mut Translation<'_>) -> Option<bool> {
    let is_set = |found: Option<(bool, usize)>| found.filter(|(is_set, _)| *is_set).map(|(_, line)| line);
    let refused = is_set(table.boolean("fail_if_ssl", translation.notes));
    let wanted = is_set(table.boolean("fail_if_not_ssl", translation.notes));
    let encryption = match (refused, wanted) {
        (Some(line), Some(_)) => {
            let message = "`fail_if_ssl` beside `fail_if_not_ssl`: nothing can be both";
            translation.notes.left_out(line, message);
            None
        }
        (Some(_), None) => Some(false),
        (None, Some(_)) => Some(true),
        (None, None) => None,
    };
    if let Some(is_encrypted) = encryption {
        translation.set("expect.tls", Value::Boolean(is_encrypted));
    }
    encryption
}

/// The regular expressions of a key which the plugin understands.
fn patterns(table: &mut Table<'_>, key: &str, translation: &mut Translation<'_>) -> Vec<String> {
    let mut patterns = Vec::new();
    for (text, line) in table.texts(key, translation.notes) {
        match pattern(text) {
            Ok(pattern) => patterns.push(pattern.as_str().to_owned()),
            Err(why) => translation.notes.left_out(line, format!("`{key}`: {why}")),
        }
    }
    patterns
}

/// A list of expectations of headers. One header may stand in it several times.
fn headers(table: &mut Table<'_>, from: &str, to: &str, must_match: bool, translation: &mut Translation<'_>) {
    let mut turned: Vec<(String, Vec<String>, bool)> = Vec::new();
    for node in table.list(from, translation.notes) {
        let Some(mut entry) = Table::of(node, from, translation.notes) else {
            continue;
        };
        let header = entry.text("header", translation.notes);
        let regexp = entry.text("regexp", translation.notes);
        let may_miss = entry
            .boolean("allow_missing", translation.notes)
            .is_some_and(|(may_miss, _)| may_miss);
        entry.finish(translation.notes);
        let (Some((header, _)), Some((regexp, line))) = (header, regexp) else {
            translation
                .notes
                .left_out(node.line, format!("`{from}`: `header` and `regexp` are wanted"));
            continue;
        };
        match pattern(regexp) {
            Err(why) => translation.notes.left_out(line, format!("`{from}`: {why}")),
            Ok(pattern) => {
                let pattern = pattern.as_str().to_owned();
                match turned
                    .iter_mut()
                    .find(|(name, ..)| name.eq_ignore_ascii_case(header))
                {
                    Some((_, patterns, is_required)) => {
                        patterns.push(pattern);
                        *is_required |= !may_miss;
                    }
                    None => turned.push((header.to_owned(), vec![pattern], !may_miss)),
                }
            }
        }
    }
    if !turned.is_empty() {
        let turned = turned.into_iter().map(|(name, patterns, is_required)| {
            let patterns = match <[String; 1]>::try_from(patterns) {
                Ok([pattern]) => Value::Text(pattern),
                Err(patterns) => Value::texts(patterns),
            };
            if is_required == must_match {
                return (name, patterns);
            }
            let both = vec![
                ("matches".to_owned(), patterns),
                ("required".to_owned(), Value::Boolean(is_required)),
            ];
            (name, Value::Table(both))
        });
        translation.set(to, Value::Table(turned.collect()));
    }
}
