//! What is expected of the values of one header.

use http::HeaderName;
use regex_lite::Regex;

use crate::exchange::Response;
use crate::quote::{decoded, quote};

/// What is expected of the values of a header.
#[derive(Debug)]
pub(super) struct HeaderExpectation {
    /// The header.
    pub(super) name: HeaderName,
    /// The expressions.
    pub(super) patterns: Vec<Regex>,
    /// Whether the header is to be there.
    pub(super) is_required: bool,
}

impl HeaderExpectation {
    fn values<'r>(&self, response: &'r Response) -> Vec<&'r [u8]> {
        response.fields.get_all(self.name.as_str()).collect()
    }

    /// Each pattern is to match some value of the header. Without patterns it is to be there.
    pub(super) fn unmet_match(&self, response: &Response, unmet: &mut Vec<String>) {
        let Self {
            name,
            patterns,
            is_required,
        } = self;
        let values = self.values(response);
        if values.is_empty() && patterns.is_empty() && *is_required {
            unmet.push(format!("no header `{name}`"));
        }
        for pattern in patterns {
            match values.first() {
                None if !is_required => {}
                None => unmet.push(format!(
                    "no header `{name}`, expected one that matches `{pattern}`"
                )),
                Some(first) if !values.iter().any(|value| matches(pattern, value)) => unmet.push(format!(
                    "header `{name}` is {}, expected a match of `{pattern}`",
                    quote(first)
                )),
                Some(_) => {}
            }
        }
    }

    /// No pattern is to match any value of the header.
    pub(super) fn unmet_mismatch(&self, response: &Response, unmet: &mut Vec<String>) {
        let Self {
            name,
            patterns,
            is_required,
        } = self;
        let values = self.values(response);
        if values.is_empty() && *is_required {
            unmet.push(format!("no header `{name}`"));
        }
        for pattern in patterns {
            if let Some(value) = values.iter().find(|value| matches(pattern, value)) {
                unmet.push(format!("header `{name}` matches `{pattern}`: {}", quote(value)));
            }
        }
    }
}

fn matches(pattern: &Regex, value: &[u8]) -> bool {
    pattern.is_match(&decoded(value))
}
