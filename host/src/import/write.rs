//! What was translated, as TOML text with comments.

use std::fmt::Write;

/// The longest line that an array stands on, in characters.
const MAX_ARRAY_LINE: usize = 100;

/// A value of TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A list.
    Array(Vec<Value>),
    /// A table on one line.
    Table(Vec<(String, Value)>),
}

impl Value {
    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of texts.
    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Array(texts.into_iter().map(Self::text).collect())
    }

    /// A table of one key.
    pub(super) fn one(key: &str, value: Value) -> Self {
        Self::Table(vec![(key.to_owned(), value)])
    }

    /// A reference to a secret.
    pub(super) fn secret(name: &str) -> Self {
        Self::one("secret", Self::text(name))
    }
}

/// A line `key = value`; a long array stands on several.
pub(super) fn line(key: &str, value: &Value) -> String {
    let mut on_one = format!("{key} = {}", inline(value));
    match value {
        Value::Array(items) if on_one.chars().count() > MAX_ARRAY_LINE || has_tables(items) => {
            on_one = format!("{key} = [\n");
            for item in items {
                let _ = writeln!(on_one, "  {},", inline(item));
            }
            on_one.push_str("]\n");
        }
        _ => on_one.push('\n'),
    }
    on_one
}

fn has_tables(items: &[Value]) -> bool {
    items.iter().any(|item| matches!(item, Value::Table(_)))
}

fn inline(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Table(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A key, in quotes where it needs them.
pub(super) fn key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A text in quotes: literal ones where there is a backslash, so that a regular expression can be read, and
/// nothing that these cannot hold.
pub(super) fn quoted(text: &str) -> String {
    let is_literal = !text.contains('\'') && !text.chars().any(char::is_control);
    if text.contains(['\\', '"']) && is_literal {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Lines of a comment; line breaks and control characters of the text cannot get out of it.
pub(super) fn comment(text: &str) -> String {
    format!("# {}\n", crate::text::printable(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_so_that_nothing_gets_out() {
        for (text, wanted) in [
            ("plain", r#""plain""#),
            (r"^\+OK", r"'^\+OK'"),
            (r#"say "hi""#, r#"'say "hi"'"#),
            ("it's \\", r#""it's \\""#),
            ("a\r\n\t\u{7f}\u{0}", r#""a\r\n\t\u007F\u0000""#),
            ("", r#""""#),
        ] {
            assert_eq!(quoted(text), wanted);
        }
        assert_eq!(
            (key("a-b_1"), key("x y"), key("")),
            ("a-b_1".into(), "\"x y\"".into(), "\"\"".into())
        );
        assert_eq!(comment("a\nname = 1"), "# a\\nname = 1\n");
    }

    #[test]
    fn what_is_written_is_toml() {
        let steps = Value::Array(vec![
            Value::one("expect", Value::text("^220 \\S+")),
            Value::Table(vec![
                ("a b".into(), Value::Boolean(true)),
                ("n".into(), Value::Integer(-3)),
            ]),
        ]);
        let text = line("steps", &steps) + &line("empty", &Value::Table(Vec::new()));
        assert_eq!(
            text,
            "steps = [\n  { expect = '^220 \\S+' },\n  { \"a b\" = true, n = -3 },\n]\nempty = {}\n"
        );
        assert_eq!(line("a", &Value::texts(["x", "y"])), "a = [\"x\", \"y\"]\n");
        let long = Value::texts(vec!["x".repeat(40); 3]);
        assert_eq!(line("a", &long).lines().count(), 5);
    }
}
