//! One step of the dialogue: as written, where it is a table with one of four keys, and finished.

use std::collections::{BTreeMap, BTreeSet};

use bedcheck_sdk::Failure;
use regex_lite::Regex;
use serde::Deserialize;

use super::groups::Groups;
use super::piece::{Piece, WrittenBytes, WrittenPieces};
use crate::template::Template;

/// The most named groups and labels of one step, which are attributes of one measurement.
pub(crate) const MAX_REPORTED: usize = 8;
/// The longest name of one, in characters.
const MAX_NAME: usize = 64;

/// A step: what is done, and what its phase is called.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its name, or its number from 1.
    pub(crate) label: String,
    /// What is done.
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Reads lines until one matches.
    Expect(Expect),
    /// Reads exactly these bytes.
    ExpectBytes(Vec<u8>),
    /// Sends these pieces in one go.
    Send(Vec<Piece>),
    /// Begins TLS.
    StartTls,
}

/// What lines are waited for.
#[derive(Debug)]
pub(crate) struct Expect {
    /// The line that ends the step well matches this.
    pub(crate) pattern: Regex,
    /// A line that matches this ends it with a failure, whatever else it matches.
    pub(crate) fail_if: Option<Regex>,
    /// What that failure is.
    pub(crate) fail_as: FailAs,
    /// How many lines may come.
    pub(crate) lines: Option<u32>,
    /// What is reported besides the named groups.
    pub(crate) labels: BTreeMap<String, Template>,
}

/// The error type of a line that must not come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum FailAs {
    /// The server answered, and not what is expected.
    #[default]
    #[serde(rename = "assertion_failed")]
    AssertionFailed,
    /// The credentials were refused.
    #[serde(rename = "auth.rejected")]
    AuthRejected,
    /// The server refused a command.
    #[serde(rename = "protocol.unexpected_response")]
    UnexpectedResponse,
    /// The server does not offer TLS.
    #[serde(rename = "tls.not_offered")]
    TlsNotOffered,
}

impl FailAs {
    /// The failure with these words.
    pub(crate) fn failure(self, message: String) -> Failure {
        match self {
            Self::AssertionFailed => Failure::assertion_failed(message),
            Self::AuthRejected => Failure::auth_rejected(message),
            Self::UnexpectedResponse => Failure::unexpected_response(message),
            Self::TlsNotOffered => Failure::tls_not_offered(message),
        }
    }
}

/// A step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    name: Option<String>,
    expect: Option<String>,
    fail_if: Option<String>,
    #[serde(default)]
    fail_as: FailAs,
    lines: Option<u32>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    expect_bytes: Option<WrittenBytes>,
    send: Option<WrittenPieces>,
    #[serde(default)]
    starttls: bool,
}

/// Checks the steps, each knowing those before it.
pub(super) fn finish(written: Vec<Written>) -> Result<Vec<Step>, String> {
    let mut groups = Groups::default();
    let finish = |(index, written): (usize, Written)| {
        let number = index + 1;
        let label = written.name.clone().unwrap_or_else(|| number.to_string());
        let action = action(written, &mut groups).map_err(|error| format!("step {number}: {error}"))?;
        Ok(Step { label, action })
    };
    written.into_iter().enumerate().map(finish).collect()
}

fn action(written: Written, groups: &mut Groups) -> Result<Action, String> {
    let Written {
        expect,
        fail_if,
        fail_as,
        lines,
        labels,
        expect_bytes,
        send,
        starttls,
        ..
    } = written;
    match (expect, expect_bytes, send, starttls) {
        (Some(pattern), None, None, false) => {
            let pattern = regex("expect", &pattern)?;
            groups.add(&pattern);
            let labels = labels.into_iter().map(|label| template(label, groups));
            let expect = Expect {
                fail_if: fail_if.map(|pattern| regex("fail_if", &pattern)).transpose()?,
                fail_as,
                lines,
                labels: labels.collect::<Result<_, String>>()?,
                pattern,
            };
            bound_reported(&expect)?;
            Ok(Action::Expect(expect))
        }
        (None, ..) if fail_if.is_some() || lines.is_some() || !labels.is_empty() => {
            Err("`fail_if`, `lines` and `labels` are for `expect`".into())
        }
        (None, Some(bytes), None, false) => Ok(Action::ExpectBytes(bytes.finish()?)),
        (None, None, Some(pieces), false) => Ok(Action::Send(pieces.finish(groups)?)),
        (None, None, None, true) => Ok(Action::StartTls),
        _ => Err("one of `expect`, `expect_bytes`, `send` and `starttls = true` is wanted".into()),
    }
}

fn regex(key: &str, pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("{key}: `{pattern}` is not a regular expression: {error}"))
}

fn template((name, text): (String, String), groups: &Groups) -> Result<(String, Template), String> {
    let template = Template::parse(&text).and_then(|template| groups.known(template));
    Ok((name, template.map_err(|error| format!("labels: {error}"))?))
}

/// Refuses what the host does not take as attributes of a measurement.
fn bound_reported(expect: &Expect) -> Result<(), String> {
    let names: BTreeSet<&str> = expect
        .pattern
        .capture_names()
        .flatten()
        .chain(expect.labels.keys().map(String::as_str))
        .collect();
    if names.len() > MAX_REPORTED {
        return Err(format!(
            "{} named groups and labels: at most {MAX_REPORTED} are wanted",
            names.len()
        ));
    }
    let is_name = |name: &&str| {
        name.len() <= MAX_NAME
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match names.into_iter().find(|name| !is_name(name)) {
        Some(name) => Err(format!(
            "`{name}` cannot be reported: a name of lower case letters, digits and `_` is wanted, at most \
             {MAX_NAME}, beginning with a letter"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::piece::secrets;
    use super::*;

    fn read(steps: Value) -> Result<Vec<Step>, String> {
        let written: Vec<Written> = serde_json::from_value(steps).map_err(|error| error.to_string())?;
        finish(written)
    }

    #[test]
    fn steps_are_called_by_name_or_number() {
        let steps = read(json!([
            {"name": "banner", "expect": "^220 (?<host>\\S+)", "fail_if": "^[45]", "lines": 3},
            {"send": ["EHLO ${host} $$1\r\n", {"secret": "s"}, {"hex": "00  FF "}]},
            {"send": {"base64": ["\u{0}u\u{0}", {"secret": "t"}]}},
            {"expect_bytes": {"hex": "53"}},
            {"starttls": true},
        ]))
        .unwrap();
        let labels: Vec<&str> = steps.iter().map(|step| step.label.as_str()).collect();
        assert_eq!(labels, ["banner", "2", "3", "4", "5"]);
        let Action::Send(pieces) = &steps[1].action else {
            panic!("{:?}", steps[1]);
        };
        assert!(matches!(&pieces[2], Piece::Bytes(bytes) if bytes == b"\x00\xff"));
        let Action::Send(encoded) = &steps[2].action else {
            panic!("{:?}", steps[2]);
        };
        let names = [secrets(pieces), secrets(encoded)].concat();
        assert_eq!(
            names.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            ["s", "t"]
        );
        assert!(matches!(&steps[3].action, Action::ExpectBytes(bytes) if bytes == b"S"));
        assert!(matches!(steps[4].action, Action::StartTls));
    }

    #[test]
    fn refusals() {
        let nine: String = (0..9).map(|number| format!("(?<g{number}>x)")).collect();
        for (steps, wanted) in [
            (json!([{}]), "step 1: one of `expect`"),
            (json!([{"send": "x", "expect": "y"}]), "step 1: one of `expect`"),
            (json!([{"send": "x", "lines": 1}]), "are for `expect`"),
            (json!([{"starttls": false}]), "step 1: one of `expect`"),
            (
                json!([{"send": "x"}, {"expect": "("}]),
                "step 2: expect: `(` is not a regular expression",
            ),
            (json!([{"expect": "x", "fail_if": "["}]), "fail_if: `[`"),
            (
                json!([{"send": "${a}"}]),
                "send: no `expect` up to here has a group `a`",
            ),
            (
                json!([{"expect": "x"}, {"send": "${1}"}]),
                "the `expect` before has no group 1",
            ),
            (json!([{"send": "${0}"}]), "has no group 0"),
            (
                json!([{"expect": "x", "labels": {"a": "${b}"}}]),
                "labels: no `expect`",
            ),
            (json!([{"expect": "(?<Big>x)"}]), "`Big` cannot be reported"),
            (json!([{"expect": nine}]), "9 named groups and labels"),
            (json!([{"expect_bytes": {"hex": "5"}}]), "hex: `5` is not pairs"),
            (
                json!([{"expect_bytes": {"hex": "5 3"}}]),
                "hex: `5 3` is not pairs",
            ),
            (json!([{"expect_bytes": {"hex": "  "}}]), "hex: `  ` is not pairs"),
            (json!([{"send": {"hex": "é"}}]), "hex: `é` is not pairs"),
            (json!([{"send": {"hex": "zz"}}]), "hex: `zz` is not pairs"),
            (
                json!([{"send": {"base64": [{"base64": []}]}}]),
                "`base64` within `base64`",
            ),
            (
                json!([{"expect": "x", "fail_if": "y", "fail_as": "other"}]),
                "unknown variant `other`",
            ),
        ] {
            let refusal = read(steps.clone()).unwrap_err();
            assert!(refusal.contains(wanted), "{steps}: {refusal}");
        }
    }
}
