//! A line of the log, as text or as JSON. Pure.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::SystemTime;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::text::{printable, push_harmless_json, told};

/// The longest message, in bytes: a configuration may be refused for hundreds of reasons.
const MAX_MESSAGE: usize = 64 * 1024;
/// The longest value of a field, in bytes.
const MAX_VALUE: usize = 4 * 1024;
/// The most fields of a line; with the longest values and message, no line is longer than 192 KiB and some.
const MAX_FIELDS: usize = 32;
/// Room for a line about a run, in bytes.
const USUAL_LENGTH: usize = 512;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) time: SystemTime,
    pub(super) level: tracing::Level,
    pub(super) target: &'static str,
    pub(super) message: String,
    /// Each name once.
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// A line of our own.
    pub(super) fn own(level: tracing::Level, message: String, fields: Vec<(&'static str, Value)>) -> Self {
        Self {
            time: SystemTime::now(),
            level,
            target: "bedcheck::log",
            message,
            fields,
        }
    }

    /// The line with its line break. Whatever stands in it, it is one line and steers no terminal.
    pub(super) fn write(&self, form: Form) -> String {
        let mut line = match form {
            Form::Text => self.text(),
            Form::Json => self.json(),
        };
        line.push('\n');
        line
    }

    fn text(&self) -> String {
        let mut line = format!("{} {:>5} ", rfc3339(self.time), self.level);
        if !self.target.starts_with("bedcheck") {
            let _ = write!(line, "{}: ", printable(self.target));
        }
        line.push_str(&told(&self.message, MAX_MESSAGE));
        for (name, value) in self.fields.iter().take(MAX_FIELDS) {
            let _ = match value {
                Value::String(text) if is_plain(text) => write!(line, " {name}={text}"),
                Value::String(text) => write!(line, " {name}={}", quoted(text)),
                other => write!(line, " {name}={other}"),
            };
        }
        line
    }

    fn json(&self) -> String {
        let mut line = Vec::with_capacity(USUAL_LENGTH);
        // Texts and numbers have a form as JSON.
        let _ = push_harmless_json(&mut line, &Flat(self));
        String::from_utf8(line).unwrap_or_default()
    }
}

/// A line as an object: its own members before those of the event, each name once.
struct Flat<'l>(&'l Line);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let line = self.0;
        let own = [
            ("time", &*rfc3339(line.time)),
            ("level", line.level.as_str()),
            ("target", line.target),
            ("message", &*shortened(&line.message, MAX_MESSAGE)),
        ];
        let mut object = serializer.serialize_map(None)?;
        for (name, text) in own {
            object.serialize_entry(name, text)?;
        }
        for (name, value) in line.fields.iter().take(MAX_FIELDS) {
            match value {
                _ if own.iter().any(|(known, _)| known == name) => {}
                Value::String(text) => object.serialize_entry(name, &*shortened(text, MAX_VALUE))?,
                other => object.serialize_entry(name, other)?,
            }
        }
        object.end()
    }
}

fn shortened(text: &str, maximum: usize) -> Cow<'_, str> {
    let kept = &text[..text.floor_char_boundary(maximum)];
    if kept.len() < text.len() {
        Cow::Owned(format!("{kept}…"))
    } else {
        Cow::Borrowed(text)
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+%".contains(&byte);
    !text.is_empty() && text.len() <= MAX_VALUE && text.bytes().all(plain)
}

/// In quotation marks, those within and backslashes marked.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", told(&text, MAX_VALUE))
}

/// RFC 3339, UTC, to the millisecond.
pub(in crate::serve) fn rfc3339(time: SystemTime) -> String {
    // Only years beyond 9999 cannot be written.
    crate::text::rfc3339(time, 3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(message: &str, fields: &[(&'static str, Value)]) -> Line {
        Line {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_123),
            level: tracing::Level::WARN,
            target: "bedcheck::run",
            message: message.to_owned(),
            fields: fields.to_vec(),
        }
    }

    #[test]
    fn a_line_is_flat_and_its_time_is_utc() {
        let line = line(
            "fail",
            &[
                ("check", "mail".into()),
                ("lag_s", 0.5.into()),
                ("time", "x".into()),
            ],
        );
        assert_eq!(
            line.write(Form::Json),
            "{\"time\":\"1970-01-02T00:00:00.123Z\",\"level\":\"WARN\",\"target\":\"bedcheck::run\",\
             \"message\":\"fail\",\"check\":\"mail\",\"lag_s\":0.5}\n"
        );
        let text = line.write(Form::Text);
        assert_eq!(
            text,
            "1970-01-02T00:00:00.123Z  WARN fail check=mail lag_s=0.5 time=x\n"
        );
    }

    #[test]
    fn text_from_outside_stays_in_its_line_and_its_field() {
        let hostile = "a\n\x1b[2J\" outcome=pass \u{202e}";
        let line = line(hostile, &[("error", hostile.into())]);
        for form in [Form::Text, Form::Json] {
            let written = line.write(form);
            let inner = written.strip_suffix('\n').unwrap();
            assert!(!inner.chars().any(crate::text::is_dangerous), "{written}");
        }
        assert!(
            line.write(Form::Text)
                .contains(r#"error="a\n\u{1b}[2J\" outcome=pass \u{202e}""#)
        );
        let json: Value = serde_json::from_str(&line.write(Form::Json)).unwrap();
        assert_eq!(json["error"], hostile);
    }

    #[test]
    fn a_line_has_a_bound() {
        let long = "日".repeat(100_000);
        let fields: Vec<(&'static str, Value)> =
            std::iter::repeat_n(("name", Value::from(&*long)), 100).collect();
        assert!(line(&long, &fields).write(Form::Text).len() < 224 * 1024);
        assert!(line(&long, &fields[..1]).write(Form::Json).len() < 74 * 1024);
    }
}
