//! The settings of a check: read from JSON, checked, and turned into the first request, the limits and
//! the expectations. What an operator may write, key by key, is in `settings.schema.json`.

use std::collections::BTreeMap;

use bedcheck_sdk::SecretName;
use http::{HeaderName, HeaderValue, Method, header};
use serde::Deserialize;

use crate::expect::{Expectations, RawExpectations};
use crate::fetch::Limits;
use crate::request::{FieldValue, Request};
use crate::target::Target;

/// The JSON Schema (2020-12) of the settings.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

/// Redirects followed by default: one to `https`, one to the canonical name, one to a language or a
/// login, and some room. Browsers stop at 20, which is the most that can be set.
const DEFAULT_REDIRECTS: u32 = 5;

/// See [`DEFAULT_REDIRECTS`]; the host has room for as many phases.
const MAX_REDIRECTS: u32 = 20;

/// The default of `max_body` in bytes: every page of text, and little beside the sandbox's memory.
const DEFAULT_MAX_BODY: usize = 1024 * 1024;

/// The most of `max_body` in bytes. The body is in memory once where its length is announced; while it grows, and while it
/// is decoded, half as much again and more. Of JSON only what is expected is kept. What regular expressions compute is the
/// rest of the budget: see the documentation.
const MAX_MAX_BODY: usize = 16 * 1024 * 1024;

/// The most content of a request, in bytes: the host sends 4 MiB in one go, the head among them.
const MAX_CONTENT: usize = 3 * 1024 * 1024;

/// Fields that belong to the connection or to the framing, which the plugin sets itself.
const RESERVED: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The settings, finished: nothing in them is half checked.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawSettings")]
pub struct Settings {
    /// The first request.
    pub(crate) request: Request,
    /// How far to go.
    pub(crate) limits: Limits,
    /// What is expected of the final response.
    pub(crate) expect: Expectations,
}

/// The settings as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettings {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, RawValue>,
    body: Option<String>,
    basic: Option<RawBasic>,
    bearer: Option<SecretName>,
    #[serde(default = "default_redirects")]
    redirects: u32,
    #[serde(default = "default_max_body")]
    max_body: usize,
    #[serde(default)]
    expect: RawExpectations,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawValue {
    Plain(String),
    Secret(SecretName),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBasic {
    user: String,
    password: SecretName,
}

fn get() -> String {
    "GET".into()
}

fn default_redirects() -> u32 {
    DEFAULT_REDIRECTS
}

fn default_max_body() -> usize {
    DEFAULT_MAX_BODY
}

impl TryFrom<RawSettings> for Settings {
    type Error = String;

    fn try_from(raw: RawSettings) -> Result<Self, String> {
        if raw.redirects > MAX_REDIRECTS {
            return Err(format!(
                "redirects: `{}` is too many, wanted 0 to {MAX_REDIRECTS}",
                raw.redirects
            ));
        }
        if !(1..=MAX_MAX_BODY).contains(&raw.max_body) {
            return Err(format!(
                "max_body: `{}` is out of range, wanted 1 to {MAX_MAX_BODY}",
                raw.max_body
            ));
        }
        let method = method(&raw.method)?;
        if raw.body.is_some() && method == Method::HEAD {
            return Err("body: a `HEAD` request has none".into());
        }
        let content = raw.body.as_ref().map_or(0, String::len);
        if content > MAX_CONTENT {
            return Err(format!(
                "body: it has {content} bytes, wanted at most {MAX_CONTENT}"
            ));
        }
        let mut headers = raw
            .headers
            .into_iter()
            .map(field)
            .collect::<Result<Vec<_>, _>>()?;
        refuse_repetition(&headers)?;
        headers.extend(authorization(raw.basic, raw.bearer, &headers)?);
        let target = Target::parse(&raw.url).map_err(|error| format!("url: {error}"))?;
        Ok(Self {
            request: Request {
                method,
                target,
                headers,
                body: raw.body,
                has_strayed: false,
            },
            limits: Limits {
                redirects: raw.redirects,
                body: raw.max_body,
            },
            expect: raw.expect.finish()?,
        })
    }
}

/// Methods are case-sensitive (RFC 9110 section 9.1) and the registered ones in upper case: anything
/// else is a slip. `CONNECT` makes a tunnel, which is no answer to judge.
fn method(text: &str) -> Result<Method, String> {
    let is_upper_case = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match text.parse() {
        Ok(method) if is_upper_case && method != Method::CONNECT => Ok(method),
        _ => Err(format!(
            "method: `{text}` cannot be used, wanted one such as `GET` or `POST`"
        )),
    }
}

fn field((name, value): (String, RawValue)) -> Result<(HeaderName, FieldValue), String> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| format!("headers: `{name}` is not a header name"))?;
    if RESERVED.contains(&parsed) {
        return Err(format!("headers.{name}: is set by the plugin itself"));
    }
    let value = match value {
        RawValue::Plain(text) if parsed == header::HOST && !text.is_ascii() => {
            return Err(format!("headers.{name}: the value is not in ASCII"));
        }
        RawValue::Plain(text) => FieldValue::Plain(
            HeaderValue::from_str(&text)
                .map_err(|_| format!("headers.{name}: the value holds a control character"))?,
        ),
        RawValue::Secret(secret) if parsed != header::HOST => FieldValue::Secret(secret),
        RawValue::Secret(_) => return Err(format!("headers.{name}: cannot be a secret")),
    };
    Ok((parsed, value))
}

/// Names that differ in case only are different keys, and the same field.
fn refuse_repetition(headers: &[(HeaderName, FieldValue)]) -> Result<(), String> {
    for (index, (name, _)) in headers.iter().enumerate() {
        if headers[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("headers: `{name}` is there twice"));
        }
    }
    Ok(())
}

fn authorization(
    basic: Option<RawBasic>,
    bearer: Option<SecretName>,
    headers: &[(HeaderName, FieldValue)],
) -> Result<Option<(HeaderName, FieldValue)>, String> {
    let (key, value) = match (basic, bearer) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err("bearer: `basic` is there as well, wanted one of them".into()),
        (None, Some(token)) => ("bearer", FieldValue::Bearer(token)),
        (Some(RawBasic { user, password }), None) => {
            // A colon would end the user (RFC 7617 section 2).
            if user.contains(|character: char| character == ':' || character.is_control()) {
                return Err("basic.user: holds a colon or a control character".into());
            }
            ("basic", FieldValue::Basic { user, password })
        }
    };
    if headers.iter().any(|(name, _)| name == header::AUTHORIZATION) {
        return Err(format!(
            "{key}: `headers.authorization` is there as well, wanted one of them"
        ));
    }
    Ok(Some((header::AUTHORIZATION, value)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(raw: Value) -> Result<Settings, String> {
        serde_json::from_str(&raw.to_string()).map_err(|error| error.to_string())
    }

    fn with(key: &str, value: Value) -> Value {
        let mut raw = json!({ "url": "https://example.org/" });
        raw[key] = value;
        raw
    }

    #[test]
    fn a_url_is_enough() {
        let settings = settings(json!({ "url": "https://example.org/health" })).expect("settings");
        assert_eq!(settings.request.method, Method::GET);
        assert_eq!(settings.request.target.to_string(), "https://example.org/health");
        assert!(settings.request.headers.is_empty() && settings.request.body.is_none());
        assert_eq!((settings.limits.redirects, settings.limits.body), (5, 1_048_576));
    }

    #[test]
    fn credentials_become_fields_with_secrets() {
        let secret = json!({ "secret": "front" });
        for raw in [
            with("bearer", secret.clone()),
            with("basic", json!({ "user": "probe", "password": secret })),
            with("headers", json!({ "X-Key": secret })),
        ] {
            let settings = settings(raw.clone()).expect("settings");
            let names: Vec<_> = settings.request.secrets().map(SecretName::as_str).collect();
            assert_eq!(names, ["front"], "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_key() {
        let secret = json!({ "secret": "front" });
        let basic = |user: &str| json!({ "user": user, "password": secret });
        let mut both = with("basic", basic("probe"));
        both["bearer"] = secret.clone();
        let mut twice = with("basic", basic("probe"));
        twice["headers"] = json!({ "Authorization": "none" });
        let mut head = with("method", json!("HEAD"));
        head["body"] = json!("x");
        // Fewer characters than bytes: the schema counts the former.
        let large = with("body", json!("ü".repeat(MAX_CONTENT / 2 + 1)));
        for (raw, sentence) in [
            (large, "body: it has 3145730 bytes, wanted at most 3145728"),
            (
                with("url", json!("/health")),
                "url: not an absolute URL: relative URL without a base",
            ),
            (
                with("method", json!("get")),
                "method: `get` cannot be used, wanted one such as `GET` or `POST`",
            ),
            (
                with("method", json!("CONNECT")),
                "method: `CONNECT` cannot be used, wanted one such as `GET` or `POST`",
            ),
            (
                with("headers", json!({ "a b": "x" })),
                "headers: `a b` is not a header name",
            ),
            (
                with("headers", json!({ "Connection": "x" })),
                "headers.Connection: is set by the plugin itself",
            ),
            (
                with("headers", json!({ "a": "x\r\ny: z" })),
                "headers.a: the value holds a control character",
            ),
            (
                with("headers", json!({ "Host": "bücher.example" })),
                "headers.Host: the value is not in ASCII",
            ),
            (
                with("headers", json!({ "host": secret })),
                "headers.host: cannot be a secret",
            ),
            (
                with("headers", json!({ "a": "x", "A": "y" })),
                "headers: `a` is there twice",
            ),
            (
                with("basic", basic("a:b")),
                "basic.user: holds a colon or a control character",
            ),
            (both, "bearer: `basic` is there as well, wanted one of them"),
            (
                twice,
                "basic: `headers.authorization` is there as well, wanted one of them",
            ),
            (head, "body: a `HEAD` request has none"),
            (
                with("redirects", json!(21)),
                "redirects: `21` is too many, wanted 0 to 20",
            ),
            (
                with("max_body", json!(0)),
                "max_body: `0` is out of range, wanted 1 to 16777216",
            ),
            (
                with("expect", json!({ "status": [] })),
                "expect.status: the list is empty, wanted at least one status",
            ),
        ] {
            assert_eq!(settings(raw.clone()).expect_err(&raw.to_string()), sentence);
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let sentence = settings(with("uri", json!("x"))).expect_err("unknown");
        assert!(sentence.starts_with("unknown field `uri`"), "{sentence}");
    }

    #[test]
    fn the_schema_has_the_same_keys_defaults_and_bounds() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        let properties = &schema["properties"];
        let keys: Vec<_> = properties.as_object().expect("properties").keys().collect();
        let raw = settings(with("no_such_key", json!(1))).expect_err("unknown");
        for key in &keys {
            assert!(
                raw.contains(&format!("`{key}`")),
                "{key} is in the schema only: {raw}"
            );
        }
        assert_eq!(keys.len(), 9);
        assert_eq!(properties["redirects"]["default"], DEFAULT_REDIRECTS);
        assert_eq!(properties["redirects"]["maximum"], MAX_REDIRECTS);
        assert_eq!(properties["max_body"]["default"], DEFAULT_MAX_BODY);
        assert_eq!(properties["max_body"]["maximum"], MAX_MAX_BODY);
        assert_eq!(properties["body"]["maxLength"], MAX_CONTENT);
    }

    #[test]
    fn every_object_of_the_schema_is_closed() {
        fn walk(value: &Value) {
            if value["type"] == "object" {
                assert!(value.get("additionalProperties").is_some(), "open: {value}");
            }
            let children: Vec<&Value> = match value {
                Value::Object(members) => members.values().collect(),
                Value::Array(items) => items.iter().collect(),
                _ => Vec::new(),
            };
            children.into_iter().for_each(walk);
        }
        walk(&serde_json::from_str(SCHEMA).expect("JSON"));
    }
}
