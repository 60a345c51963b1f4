//! What a check expects of the final response, and what of that is not met. Pure: the clock is read by
//! the caller.

mod header;
mod json;
mod settings;

use std::fmt;

use bedcheck_sdk::TlsInfo;
use http::{StatusCode, Version};
use regex_lite::Regex;
use serde_json::Value;

use crate::body::Coding;
use crate::exchange::Response;
use crate::quote::{decoded, quote};

use header::HeaderExpectation;
pub(crate) use settings::RawExpectations;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// All of them are to be met.
#[derive(Debug)]
pub(crate) struct Expectations {
    /// Any of these.
    status: Vec<StatusPattern>,
    /// Any of these; any at all if there are none.
    http_version: Vec<Version>,
    /// Whether the final response is to come over TLS.
    tls: Option<bool>,
    /// Some value of each is to match.
    headers: Vec<HeaderExpectation>,
    /// No value of each is to match.
    headers_not_match: Vec<HeaderExpectation>,
    /// How the body is to be encoded.
    encoding: Option<Coding>,
    body_contains: Vec<String>,
    body_matches: Vec<Regex>,
    body_not_matches: Vec<Regex>,
    /// JSON pointers (RFC 6901) and what they are to lead to.
    json: Vec<(String, Value)>,
    certificate_days: Option<u32>,
    tls_version: Option<TlsVersion>,
    min_size: Option<u64>,
    max_size: Option<u64>,
}

/// A status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatusPattern {
    /// All that begin with this digit.
    Class(u16),
    /// This one.
    Exactly(u16),
}

/// A version of TLS; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TlsVersion {
    V1_2,
    V1_3,
}

/// What is not met.
#[derive(Debug)]
pub(crate) struct Unmet {
    /// A sentence for each expectation.
    pub(crate) sentences: Vec<String>,
    /// How many regular expressions are among them, a header that is not there included; none where none is expected
    /// to match or not to.
    pub(crate) patterns: Option<usize>,
}

impl Expectations {
    /// What is not met. `now` is in seconds since 1970-01-01 UTC.
    pub(crate) fn unmet(&self, response: &Response, tls: Option<&TlsInfo>, now: i64) -> Unmet {
        let mut unmet = Vec::new();
        unmet.extend(self.unmet_status(response.status));
        unmet.extend(self.unmet_version(response.version));
        let before = unmet.len();
        for header in &self.headers {
            header.unmet_match(response, &mut unmet);
        }
        for header in &self.headers_not_match {
            header.unmet_mismatch(response, &mut unmet);
        }
        let mut patterns = unmet.len() - before;
        unmet.extend(self.unmet_encoding(response));
        patterns += self.unmet_text(&response.body, &mut unmet);
        self.unmet_json(&response.body, &mut unmet);
        self.unmet_size(response.body.len() as u64, &mut unmet);
        unmet.extend(self.unmet_tls(tls));
        unmet.extend(self.unmet_certificate(tls, now));
        unmet.extend(self.unmet_tls_version(tls));
        Unmet {
            sentences: unmet,
            patterns: self.has_patterns().then_some(patterns),
        }
    }

    fn has_patterns(&self) -> bool {
        let is_empty = self.headers.is_empty()
            && self.headers_not_match.is_empty()
            && self.body_matches.is_empty()
            && self.body_not_matches.is_empty();
        !is_empty
    }

    /// Whether the status is one of those expected.
    pub(crate) fn allows_status(&self, status: StatusCode) -> bool {
        self.status.iter().any(|pattern| pattern.matches(status.as_u16()))
    }

    fn unmet_status(&self, status: StatusCode) -> Option<String> {
        if self.allows_status(status) {
            return None;
        }
        let status = status.as_u16();
        let wanted: Vec<_> = self.status.iter().map(ToString::to_string).collect();
        Some(format!("status {status}, expected {}", wanted.join(" or ")))
    }

    fn unmet_version(&self, version: Version) -> Option<String> {
        if self.http_version.is_empty() || self.http_version.contains(&version) {
            return None;
        }
        let wanted: Vec<_> = self
            .http_version
            .iter()
            .map(|wanted| format!("{wanted:?}"))
            .collect();
        Some(format!("version {version:?}, expected {}", wanted.join(" or ")))
    }

    fn unmet_encoding(&self, response: &Response) -> Option<String> {
        let wanted = self.encoding.as_ref()?;
        let found = Coding::of(&response.fields);
        (found != *wanted).then(|| format!("body is encoded as {found}, expected {wanted}"))
    }

    fn unmet_tls(&self, tls: Option<&TlsInfo>) -> Option<String> {
        match (self.tls, tls) {
            (Some(true), None) => Some("the response came without TLS, expected it over TLS".into()),
            (Some(false), Some(_)) => Some("the response came over TLS, expected it without".into()),
            _ => None,
        }
    }

    /// Says how many regular expressions are not met.
    fn unmet_text(&self, body: &[u8], unmet: &mut Vec<String>) -> usize {
        // Decoding takes the longer the longer the body is.
        if self.body_contains.is_empty() && self.body_matches.is_empty() && self.body_not_matches.is_empty() {
            return 0;
        }
        let text = decoded(body);
        let before = unmet.len();
        let mut patterns = 0;
        for wanted in self
            .body_contains
            .iter()
            .filter(|wanted| !text.contains(wanted.as_str()))
        {
            unmet.push(format!("body does not contain {}", quote(wanted.as_bytes())));
        }
        for wanted in self.body_matches.iter().filter(|wanted| !wanted.is_match(&text)) {
            patterns += 1;
            unmet.push(format!("body does not match `{wanted}`"));
        }
        if unmet.len() > before {
            unmet.push(format!("body is {}", describe_body(body)));
        }
        for unwanted in &self.body_not_matches {
            if let Some(found) = unwanted.find(&text) {
                patterns += 1;
                unmet.push(format!(
                    "body matches `{unwanted}`: {}",
                    quote(found.as_str().as_bytes())
                ));
            }
        }
        patterns
    }

    fn unmet_json(&self, body: &[u8], unmet: &mut Vec<String>) {
        if self.json.is_empty() {
            return;
        }
        let found = match json::find(body, self.json.iter().map(|(pointer, _)| pointer.as_str())) {
            Ok(found) => found,
            Err(error) => {
                unmet.push(format!(
                    "body is not JSON ({error}), it is {}",
                    describe_body(body)
                ));
                return;
            }
        };
        for ((pointer, wanted), found) in self.json.iter().zip(found) {
            match found {
                None => unmet.push(format!(
                    "JSON has no `{pointer}`, expected {}",
                    quote_json(wanted)
                )),
                Some(found) if !is_same_json(&found, wanted) => unmet.push(format!(
                    "JSON `{pointer}` is {}, expected {}",
                    quote_json(&found),
                    quote_json(wanted)
                )),
                Some(_) => {}
            }
        }
    }

    fn unmet_size(&self, size: u64, unmet: &mut Vec<String>) {
        if let Some(min) = self.min_size.filter(|&min| size < min) {
            unmet.push(format!("body has {size} bytes, expected at least {min}"));
        }
        if let Some(max) = self.max_size.filter(|&max| size > max) {
            unmet.push(format!("body has {size} bytes, expected at most {max}"));
        }
    }

    fn unmet_certificate(&self, tls: Option<&TlsInfo>, now: i64) -> Option<String> {
        let wanted = self.certificate_days?;
        let Some(tls) = tls else {
            return Some(format!("no certificate without TLS, expected {wanted} days left"));
        };
        let left = time_left(tls, now);
        if left >= i64::from(wanted) * SECONDS_PER_DAY {
            return None;
        }
        let subject = quote(tls.certificate.subject.as_bytes());
        let days = left.unsigned_abs() / SECONDS_PER_DAY.unsigned_abs();
        Some(if left < 0 {
            format!(
                "certificate of {subject} expired {} ago, expected {wanted} days left",
                count(days)
            )
        } else {
            format!(
                "certificate of {subject} has {} left, expected {wanted}",
                count(days)
            )
        })
    }

    fn unmet_tls_version(&self, tls: Option<&TlsInfo>) -> Option<String> {
        let wanted = self.tls_version?;
        let Some(tls) = tls else {
            return Some(format!("no TLS, expected at least {wanted}"));
        };
        let is_met = TlsVersion::parse(&tls.version).is_some_and(|version| version >= wanted);
        (!is_met).then(|| format!("TLS version {}, expected at least {wanted}", tls.version))
    }
}

/// How long the certificate is still valid, in seconds; less than nothing when it has expired.
pub(crate) fn time_left(tls: &TlsInfo, now: i64) -> i64 {
    tls.certificate.not_after.saturating_sub(now)
}

fn describe_body(body: &[u8]) -> String {
    if body.is_empty() {
        "empty".into()
    } else {
        quote(body)
    }
}

fn quote_json(value: &Value) -> String {
    quote(value.to_string().as_bytes())
}

/// Equality of JSON: the order of members does not matter, and `1` is `1.0`. Two integers are never compared as floating
/// point, where 2^53 and the number after it are the same.
fn is_same_json(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| is_same_json(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| is_same_json(left, right)))
        }
        _ => left == right,
    }
}

impl StatusPattern {
    fn matches(self, status: u16) -> bool {
        match self {
            Self::Class(class) => status / 100 == class,
            Self::Exactly(wanted) => status == wanted,
        }
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Exactly(status) => write!(f, "{status}"),
        }
    }
}

impl TlsVersion {
    /// The version of a name as in [`TlsInfo`].
    fn parse(name: &str) -> Option<Self> {
        match name {
            "1.2" => Some(Self::V1_2),
            "1.3" => Some(Self::V1_3),
            _ => None,
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        })
    }
}

/// A number of days in words.
fn count(days: u64) -> String {
    if days == 1 {
        "1 day".to_owned()
    } else {
        format!("{days} days")
    }
}

#[cfg(test)]
mod tests;
