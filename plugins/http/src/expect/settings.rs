//! The key `expect` of the settings, and how it becomes [`Expectations`].

use std::collections::BTreeMap;

use http::Version;
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::header::HeaderExpectation;
use super::{Expectations, StatusPattern, TlsVersion};
use crate::body::Coding;

/// The key `expect` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawExpectations {
    status: Option<OneOrMany<StatusOrPattern>>,
    http_version: OneOrMany<String>,
    tls: Option<bool>,
    headers: BTreeMap<String, RawHeader>,
    headers_not_match: BTreeMap<String, RawHeader>,
    encoding: Option<String>,
    body_contains: OneOrMany<String>,
    body_matches: OneOrMany<String>,
    body_not_matches: OneOrMany<String>,
    json: serde_json::Map<String, Value>,
    certificate_days: Option<u32>,
    tls_version: Option<String>,
    min_size: Option<u64>,
    max_size: Option<u64>,
}

/// A value, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// What is expected of a header: patterns, or a table in which it can be left open whether the header is there.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawHeader {
    Patterns(OneOrMany<String>),
    Table(RawHeaderTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeaderTable {
    matches: OneOrMany<String>,
    required: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum StatusOrPattern {
    Status(u16),
    Pattern(String),
}

impl RawExpectations {
    /// Checks what a schema cannot.
    ///
    /// # Errors
    ///
    /// A sentence that names the key.
    pub(crate) fn finish(self) -> Result<Expectations, String> {
        if let (Some(min), Some(max)) = (self.min_size, self.max_size)
            && min > max
        {
            return Err(format!(
                "expect.max_size: found {max}, wanted no less than expect.min_size, which is {min}"
            ));
        }
        Ok(Expectations {
            status: statuses(self.status)?,
            http_version: versions(self.http_version.into_vec())?,
            tls: self.tls,
            headers: headers("expect.headers", self.headers, true)?,
            headers_not_match: headers("expect.headers_not_match", self.headers_not_match, false)?,
            encoding: self.encoding.map(encoding).transpose()?,
            body_contains: self.body_contains.into_vec(),
            body_matches: regexes("expect.body_matches", self.body_matches)?,
            body_not_matches: regexes("expect.body_not_matches", self.body_not_matches)?,
            json: self.json.into_iter().map(pointer).collect::<Result<_, _>>()?,
            certificate_days: self.certificate_days,
            tls_version: self.tls_version.map(tls_version).transpose()?,
            min_size: self.min_size,
            max_size: self.max_size,
        })
    }
}

/// Without a list, any success: 2xx.
fn statuses(raw: Option<OneOrMany<StatusOrPattern>>) -> Result<Vec<StatusPattern>, String> {
    let Some(raw) = raw else {
        return Ok(vec![StatusPattern::Class(2)]);
    };
    let patterns = raw.into_vec();
    if patterns.is_empty() {
        return Err("expect.status: the list is empty, wanted at least one status".into());
    }
    patterns.into_iter().map(status).collect()
}

fn status(raw: StatusOrPattern) -> Result<StatusPattern, String> {
    let text = match raw {
        StatusOrPattern::Status(status) => status.to_string(),
        StatusOrPattern::Pattern(text) => text,
    };
    let pattern = match text.as_bytes() {
        [class @ b'1'..=b'5', b'x', b'x'] => Some(StatusPattern::Class(u16::from(class - b'0'))),
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => text.parse().ok().map(StatusPattern::Exactly),
        _ => None,
    };
    pattern.ok_or_else(|| {
        format!("expect.status: `{text}` is not a status: wanted 100 to 599, or a class such as `2xx`")
    })
}

/// Expectations of headers, which have to be there where nothing is said if `is_required`.
fn headers(
    key: &str,
    raw: BTreeMap<String, RawHeader>,
    is_required: bool,
) -> Result<Vec<HeaderExpectation>, String> {
    let finish = |(name, raw): (String, RawHeader)| {
        let (patterns, required) = match raw {
            RawHeader::Patterns(patterns) => (patterns, None),
            RawHeader::Table(RawHeaderTable { matches, required }) => (matches, required),
        };
        Ok(HeaderExpectation {
            patterns: regexes(&format!("{key}.{name}"), patterns)?,
            is_required: required.unwrap_or(is_required),
            name: name
                .parse()
                .map_err(|_| format!("{key}: `{name}` is not a header name"))?,
        })
    };
    raw.into_iter().map(finish).collect()
}

fn versions(names: Vec<String>) -> Result<Vec<Version>, String> {
    let version = |name: String| match name.as_str() {
        "1.0" => Ok(Version::HTTP_10),
        "1.1" => Ok(Version::HTTP_11),
        _ => Err(format!(
            "expect.http_version: `{name}` is not spoken, wanted `1.0` or `1.1`"
        )),
    };
    names.into_iter().map(version).collect()
}

fn encoding(name: String) -> Result<Coding, String> {
    match name.as_str() {
        "gzip" => Ok(Coding::Gzip),
        "deflate" => Ok(Coding::Deflate),
        "identity" => Ok(Coding::Identity),
        _ => Err(format!(
            "expect.encoding: `{name}` is not known, wanted `gzip`, `deflate` or `identity`"
        )),
    }
}

fn regexes(key: &str, patterns: OneOrMany<String>) -> Result<Vec<Regex>, String> {
    patterns
        .into_vec()
        .iter()
        .map(|pattern| regex(key, pattern))
        .collect()
}

fn regex(key: &str, pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("{key}: `{pattern}` is not a regular expression: {error}"))
}

/// A JSON pointer is empty or begins with `/`, and every `~` in it is `~0` or `~1` (RFC 6901 section 3).
fn pointer((pointer, wanted): (String, Value)) -> Result<(String, Value), String> {
    let has_stray_tilde = pointer
        .split('~')
        .skip(1)
        .any(|rest| !rest.starts_with(['0', '1']));
    if has_stray_tilde || !(pointer.is_empty() || pointer.starts_with('/')) {
        return Err(format!(
            "expect.json: `{pointer}` is not a JSON pointer: wanted one such as `/status`, `~` as `~0` and `/` as `~1`"
        ));
    }
    Ok((pointer, wanted))
}

fn tls_version(name: String) -> Result<TlsVersion, String> {
    TlsVersion::parse(&name)
        .ok_or_else(|| format!("expect.tls_version: `{name}` is not known, wanted `1.2` or `1.3`"))
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finish(raw: Value) -> Result<Expectations, String> {
        serde_json::from_value::<RawExpectations>(raw)
            .map_err(|error| error.to_string())?
            .finish()
    }

    #[test]
    fn any_success_is_expected_by_default() {
        assert_eq!(
            finish(json!({})).expect("nothing").status,
            [StatusPattern::Class(2)]
        );
    }

    #[test]
    fn statuses_are_numbers_texts_and_classes() {
        let expectations = finish(json!({ "status": ["2xx", 301, "404"] })).expect("statuses");
        assert_eq!(
            expectations.status,
            [
                StatusPattern::Class(2),
                StatusPattern::Exactly(301),
                StatusPattern::Exactly(404)
            ]
        );
        assert_eq!(
            finish(json!({ "status": 204 })).expect("one").status,
            [StatusPattern::Exactly(204)]
        );
    }

    #[test]
    fn what_cannot_be_expected_is_refused_with_its_key() {
        for (raw, sentence) in [
            (
                json!({ "status": [] }),
                "expect.status: the list is empty, wanted at least one status",
            ),
            (
                json!({ "status": ["20x"] }),
                "expect.status: `20x` is not a status: wanted 100 to 599, or a class such as `2xx`",
            ),
            (
                json!({ "status": [99] }),
                "expect.status: `99` is not a status: wanted 100 to 599, or a class such as `2xx`",
            ),
            (
                json!({ "headers": { "a b": "x" } }),
                "expect.headers: `a b` is not a header name",
            ),
            (
                json!({ "json": { "status": 1 } }),
                "expect.json: `status` is not a JSON pointer: wanted one such as `/status`, `~` as `~0` and `/` as `~1`",
            ),
            (
                json!({ "json": { "/a~2": 1 } }),
                "expect.json: `/a~2` is not a JSON pointer: wanted one such as `/status`, `~` as `~0` and `/` as `~1`",
            ),
            (
                json!({ "tls_version": "1.1" }),
                "expect.tls_version: `1.1` is not known, wanted `1.2` or `1.3`",
            ),
        ] {
            assert_eq!(finish(raw.clone()).expect_err(&raw.to_string()), sentence);
        }
    }

    #[test]
    fn broken_regular_expressions_are_refused_with_their_key() {
        for (raw, key) in [
            (
                json!({ "headers": { "server": "(" } }),
                "expect.headers.server: `(` is not a regular expression",
            ),
            (
                json!({ "body_matches": "(" }),
                "expect.body_matches: `(` is not a regular expression",
            ),
            (
                json!({ "body_not_matches": ["a", "["] }),
                "expect.body_not_matches: `[` is not a regular expression",
            ),
        ] {
            let sentence = finish(raw.clone()).expect_err(&raw.to_string());
            assert!(sentence.starts_with(key), "{sentence}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let sentence = finish(json!({ "statuses": [] })).expect_err("unknown");
        assert!(sentence.starts_with("unknown field `statuses`"), "{sentence}");
    }
}
