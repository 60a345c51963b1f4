//! The grammar of where a fault happens: check, phase with its detail in brackets, host call with its
//! number. Pure.

use std::str::FromStr;

use super::{CallSelector, HostCall, InvalidFault, PhaseSelector, Selector, UnknownHostCall};
use crate::words::quoted;

impl FromStr for Selector {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let mut selector = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (part, after) = split_outside_brackets(rest, char::is_whitespace);
            let again = match part.split_once(':') {
                Some(("check", "")) => {
                    return Err(InvalidFault(
                        "found `check:`, wanted a check's name after it, such as `check:mail-login`".into(),
                    ));
                }
                Some(("check", name)) => selector.check.replace(name.to_owned()).is_some(),
                Some(("phase", phase)) => selector.phase.replace(phase.parse()?).is_some(),
                Some(_) => {
                    return Err(InvalidFault(format!(
                        "found {}, wanted `check:NAME`, `phase:NAME` or a host call, such as `net.read`",
                        quoted(part)
                    )));
                }
                None => selector.call.replace(part.parse()?).is_some(),
            };
            if again {
                return Err(InvalidFault(format!(
                    "found {} as well, wanted one check, one phase and one host call at most",
                    quoted(part)
                )));
            }
            rest = after.trim_start();
        }
        Ok(selector)
    }
}

impl FromStr for PhaseSelector {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (name, detail) = match text.split_once('[') {
            None => (text, None),
            Some((name, bracketed)) => {
                let (inner, end) = split_at_closing_bracket(bracketed);
                if end != "]" {
                    return Err(InvalidFault(format!(
                        "found {}, wanted a phase with its detail in brackets, such as `select[Archive]`",
                        quoted(text)
                    )));
                }
                (name, Some(unescaped(inner)))
            }
        };
        let is_of_names = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
        };
        if name.is_empty() || !name.chars().all(is_of_names) {
            return Err(InvalidFault(format!(
                "found {}, wanted a phase's name, such as `select` or `select[Archive]`",
                quoted(text)
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            detail,
        })
    }
}

impl FromStr for CallSelector {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (name, nth) = match text.split_once('#') {
            None => (text, None),
            Some((name, nth)) => {
                let number = nth.parse().map_err(|_| {
                    InvalidFault(format!(
                        "found {}, wanted the number of a call after `#`, from 1, such as `net.read#3`",
                        quoted(text)
                    ))
                })?;
                (name, Some(number))
            }
        };
        let call: HostCall = name
            .parse()
            .map_err(|error: UnknownHostCall| InvalidFault(error.to_string()))?;
        Ok(Self { call, nth })
    }
}

/// Splits before the first character that is to stop at and stands in no brackets.
pub(super) fn split_outside_brackets(text: &str, stops: impl Fn(char) -> bool) -> (&str, &str) {
    let mut start = 0;
    while let Some(found) = text[start..].find(|character| character == '[' || stops(character)) {
        let at = start + found;
        if !text[at..].starts_with('[') {
            return text.split_at(at);
        }
        let (_, end) = split_at_closing_bracket(&text[at + 1..]);
        start = text.len() - end.len();
        if end.is_empty() {
            break;
        }
    }
    (text, "")
}

/// Splits before the bracket that closes one opened before the text. A backslash takes its meaning from
/// the next character.
fn split_at_closing_bracket(text: &str) -> (&str, &str) {
    let (mut depth, mut escaped) = (0_u32, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => depth += 1,
            ']' if depth == 0 => return text.split_at(at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    (text, "")
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// A detail as it stands between brackets: as it is when its own brackets come in pairs, otherwise with a
/// backslash before each.
pub(super) fn bracketed(detail: &str) -> String {
    let closed = format!("{detail}]");
    if !detail.contains('\\') && split_at_closing_bracket(&closed) == (detail, "]") {
        return detail.to_owned();
    }
    let escaped = |character| match character {
        '[' | ']' | '\\' => vec!['\\', character],
        other => vec![other],
    };
    detail.chars().flat_map(escaped).collect()
}
