//! Texts with places for what an earlier step has matched: `${name}` and `${1}`. What the places are filled
//! with is kept here too. No I/O.

use std::collections::BTreeMap;

use regex_lite::{Captures, Regex};

/// A text with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// What a place stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A named group of any match so far, the last one that has the name.
    Name(String),
    /// A group of the last match by its number; 0 is the whole match.
    Number(usize),
}

impl Template {
    /// Reads a text: `${name}`, `${1}`, `$$` for a dollar sign; any other `$` is one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(inner) = rest.strip_prefix('{') {
                let (name, after) = inner.split_once('}').ok_or_else(|| {
                    format!("`{text}` has a `${{` without `}}`, wanted `$${{` for the characters")
                })?;
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Place(place(name)?));
                rest = after;
            } else {
                plain.push('$');
                rest = rest.strip_prefix('$').unwrap_or(rest);
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// The places in it.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Place(place) => Some(place),
        })
    }

    /// The text with its places filled; one that nothing was matched for is empty.
    pub(crate) fn fill(&self, matched: &Matched) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Place(Place::Name(name)) => matched.named.get(name).map_or("", String::as_str),
                Part::Place(Place::Number(number)) => {
                    matched.numbered.get(*number).map_or("", String::as_str)
                }
            })
            .collect()
    }
}

fn place(name: &str) -> Result<Place, String> {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        return name
            .parse()
            .map(Place::Number)
            .map_err(|_| format!("`${{{name}}}` is no group's number"));
    }
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name {
        return Ok(Place::Name(name.to_owned()));
    }
    Err(format!(
        "`${{{name}}}` is not a place, wanted the name or the number of a group"
    ))
}

/// What the steps so far have matched.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    named: BTreeMap<String, String>,
    numbered: Vec<String>,
}

impl Matched {
    /// Takes over a match: its numbered groups replace those of the one before, its named groups stay. A group
    /// that took no part in the match is empty.
    pub(crate) fn take(&mut self, pattern: &Regex, captures: &Captures<'_>) {
        let text = |index: usize| captures.get(index).map_or("", |group| group.as_str()).to_owned();
        self.numbered = (0..captures.len()).map(text).collect();
        for (index, name) in pattern.capture_names().enumerate() {
            if let Some(name) = name {
                self.named.insert(name.to_owned(), text(index));
            }
        }
    }

    /// A named group.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, line: &str) -> Matched {
        let pattern = Regex::new(pattern).unwrap();
        let mut matched = Matched::default();
        matched.take(&pattern, &pattern.captures(line).unwrap());
        matched
    }

    #[test]
    fn places_are_filled() {
        let matched = matched("^(?P<a>x)(y)?(?<b_2>z)", "xz!");
        for (text, filled) in [
            ("", ""),
            ("PONG ${a}\r\n", "PONG x\r\n"),
            ("${1}${3}|${2}|${0}|${9}", "xz||xz|"),
            ("${b_2}${none}", "z"),
            ("$$ $ $x $1 $${a} $$${a}", "$ $ $x $1 ${a} $x"),
            ("a$", "a$"),
        ] {
            assert_eq!(Template::parse(text).unwrap().fill(&matched), filled, "{text}");
        }
    }

    #[test]
    fn numbers_are_of_the_last_match_and_names_of_any() {
        let mut all = matched("(?<first>.)", "1");
        let pattern = Regex::new("(?<second>.)").unwrap();
        all.take(&pattern, &pattern.captures("2").unwrap());
        let text = Template::parse("${first}${second}${1}").unwrap();
        assert_eq!(text.fill(&all), "122");
        assert_eq!((all.get("first"), all.get("third")), (Some("1"), None));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for (text, sentence) in [
            (
                "a ${",
                "`a ${` has a `${` without `}`, wanted `$${` for the characters",
            ),
            (
                "${}",
                "`${}` is not a place, wanted the name or the number of a group",
            ),
            (
                "${a b}",
                "`${a b}` is not a place, wanted the name or the number of a group",
            ),
            (
                "${1x}",
                "`${1x}` is not a place, wanted the name or the number of a group",
            ),
            (
                "${99999999999999999999}",
                "`${99999999999999999999}` is no group's number",
            ),
        ] {
            assert_eq!(Template::parse(text).unwrap_err(), sentence);
        }
    }
}
