//! Texts with captures: patterns that what a plugin wrote is compared with, and templates that are filled
//! with what was captured. Pure.

use std::collections::BTreeMap;

/// The most that a message repeats of what was written, in bytes.
const MAX_QUOTED: usize = 80;

/// The most bytes that a capture may be said to have: a whole datagram.
const MAX_COUNTED: usize = 65_535;

/// What was captured, by name.
pub type Captures = BTreeMap<String, Vec<u8>>;

/// A text to compare with, such as `{tag} CAPABILITY\r\n`. All of it stands for itself but for captures:
///
/// - `{NAME}` takes one or more characters other than space, CR and LF;
/// - `{NAME:rest}` takes anything up to the end of the line, perhaps nothing;
/// - `{NAME:2}` takes exactly that many bytes, whatever they are;
/// - `{NAME:same}` is what was captured under that name by an expectation before;
/// - `{0xC00C 0001}` is these bytes;
/// - `{{` and `}}` are braces.
///
/// A capture ends before the first place where the text behind it in the pattern stands. A name that comes
/// twice in a pattern must be the same both times; a later pattern captures anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

/// A text to send, such as `{tag} OK done\r\n`: `{NAME}` is what was captured last under that name, `{0xC00C}`
/// are these bytes, `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Capture(String, Extent),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Word,
    Rest,
    Bytes(usize),
    Same,
}

/// How bytes compare with a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// They begin with it: how many bytes it takes, and the captures.
    Fits(usize, Captures),
    /// More bytes may make them fit.
    Undecided,
    /// They differ, whatever comes.
    Differs,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// What was found and what was wanted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = parts(text)?;
        for (index, part) in parts.iter().enumerate() {
            let Part::Capture(name, extent) = part else {
                continue;
            };
            let ends_itself = matches!(extent, Extent::Same | Extent::Bytes(_));
            if !ends_itself && !matches!(parts.get(index + 1), Some(Part::Literal(_))) {
                return Err(format!(
                    "found nothing behind `{{{name}}}`, wanted the text that ends it, such as `\\r\\n`"
                ));
            }
        }
        match parts.is_empty() {
            true => Err("found an empty text, wanted what the plugin is to write".to_owned()),
            false => Ok(Self {
                text: text.to_owned(),
                parts,
            }),
        }
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names that it captures.
    pub fn captured(&self) -> impl Iterator<Item = &str> {
        names(&self.parts, |extent| extent != Extent::Same)
    }

    /// The names that must have been captured before.
    pub fn referred(&self) -> impl Iterator<Item = &str> {
        names(&self.parts, |extent| extent == Extent::Same)
    }

    /// Compares with the beginning of the bytes.
    pub(super) fn compare(&self, bytes: &[u8], before: &Captures) -> Match {
        let mut taken = Captures::new();
        let mut at = 0;
        for (index, part) in self.parts.iter().enumerate() {
            let rest = &bytes[at..];
            let length = match part {
                Part::Literal(literal) => starts(rest, literal),
                Part::Capture(name, extent) => {
                    let known = taken.get(name);
                    let known = if *extent == Extent::Same {
                        known.or(before.get(name))
                    } else {
                        known
                    };
                    match (known, self.parts.get(index + 1)) {
                        (Some(known), _) => starts(rest, known),
                        (None, _) if let Extent::Bytes(count) = *extent => match rest.len() < count {
                            true => Start::Undecided,
                            false => Start::Whole(count),
                        },
                        (None, Some(Part::Literal(end))) if *extent != Extent::Same => {
                            capture(rest, *extent, end)
                        }
                        _ => Start::Differs,
                    }
                }
            };
            match length {
                Start::Whole(length) => {
                    if let Part::Capture(name, _) = part {
                        taken.insert(name.clone(), rest[..length].to_vec());
                    }
                    at += length;
                }
                Start::Undecided => return Match::Undecided,
                Start::Differs => return Match::Differs,
            }
        }
        Match::Fits(at, taken)
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What was found and what was wanted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = parts(text)?;
        if let Some(name) = names(&parts, |extent| extent != Extent::Word).next() {
            return Err(format!(
                "found a capture with a kind, wanted `{{{name}}}`, which stands for what was captured"
            ));
        }
        Ok(Self { parts })
    }

    /// The names that must have been captured before.
    pub fn referred(&self) -> impl Iterator<Item = &str> {
        names(&self.parts, |_| true)
    }

    /// The text with what was captured; nothing if something in it was not.
    pub(super) fn fill(&self, captures: &Captures) -> Option<Vec<u8>> {
        let mut filled = Vec::new();
        for part in &self.parts {
            filled.extend_from_slice(match part {
                Part::Literal(literal) => literal,
                Part::Capture(name, _) => captures.get(name)?,
            });
        }
        Some(filled)
    }
}

/// Bytes in backticks, printable and not too long.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MAX_QUOTED)];
    let dots = if shown.len() < bytes.len() { "..." } else { "" };
    format!("`{}{dots}`", shown.escape_ascii())
}

fn names(parts: &[Part], wanted: impl Fn(Extent) -> bool) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(move |part| match part {
        Part::Capture(name, extent) if wanted(*extent) => Some(name.as_str()),
        _ => None,
    })
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.extend_from_slice(&rest.as_bytes()[..at]);
        let (brace, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        if after.as_bytes().first() == Some(&brace) {
            literal.push(brace);
            rest = &after[1..];
        } else if brace == b'{'
            && let Some((inside, after)) = after.split_once('}')
            && let Some(digits) = inside.strip_prefix("0x")
        {
            literal.extend(bytes_of(digits)?);
            rest = after;
        } else if brace == b'{'
            && let Some((inside, after)) = after.split_once('}')
            && let Some(capture) = capture_named(inside)
        {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(capture);
            rest = after;
        } else {
            let brace = char::from(brace);
            return Err(format!(
                "found a single `{brace}`, wanted a capture, such as `{{tag}}`, or `{brace}{brace}` for a brace"
            ));
        }
    }
    literal.extend_from_slice(rest.as_bytes());
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// What stands between the braces of a capture.
fn capture_named(inside: &str) -> Option<Part> {
    let (name, extent) = match inside.split_once(':') {
        None => (inside, Extent::Word),
        Some((name, "rest")) => (name, Extent::Rest),
        Some((name, "same")) => (name, Extent::Same),
        Some((name, count)) => {
            let count = count
                .parse()
                .ok()
                .filter(|count| (1..=MAX_COUNTED).contains(count))?;
            (name, Extent::Bytes(count))
        }
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_name.then(|| Part::Capture(name.to_owned(), extent))
}

/// The bytes of hexadecimal digits, perhaps with spaces between them.
fn bytes_of(digits: &str) -> Result<Vec<u8>, String> {
    let compact = digits.replace(' ', "");
    let refused = || format!("found `{{0x{digits}}}`, wanted two hexadecimal digits for each byte");
    if compact.is_empty()
        || !compact.len().is_multiple_of(2)
        || !compact.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return Err(refused());
    }
    (0..compact.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&compact[at..at + 2], 16).map_err(|_| refused()))
        .collect()
}

enum Start {
    Whole(usize),
    Undecided,
    Differs,
}

fn starts(bytes: &[u8], wanted: &[u8]) -> Start {
    if bytes.starts_with(wanted) {
        Start::Whole(wanted.len())
    } else if wanted.starts_with(bytes) {
        Start::Undecided
    } else {
        Start::Differs
    }
}

/// How far a capture goes that ends before `end`, which is not empty.
fn capture(bytes: &[u8], extent: Extent, end: &[u8]) -> Start {
    let (least, stops): (usize, &[u8]) = match extent {
        Extent::Word => (1, b" \r\n"),
        Extent::Rest | Extent::Bytes(_) | Extent::Same => (0, b"\r\n"),
    };
    for length in 0..=bytes.len() {
        let rest = &bytes[length..];
        if length >= least {
            match starts(rest, end) {
                Start::Whole(_) => return Start::Whole(length),
                Start::Undecided => return Start::Undecided,
                Start::Differs => {}
            }
        }
        match rest.first() {
            None => return Start::Undecided,
            Some(byte) if stops.contains(byte) => return Start::Differs,
            Some(_) => {}
        }
    }
    Start::Differs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_hexadecimal_and_captured_by_their_number() {
        let pattern = Pattern::parse("{id:2}{0x01 00}x").unwrap();
        let taken = Captures::from([("id".to_owned(), b"\n\xff".to_vec())]);
        let before = Captures::new();
        assert_eq!(
            pattern.compare(b"\n\xff\x01\0x", &before),
            Match::Fits(5, taken.clone())
        );
        assert_eq!(pattern.compare(b"\n", &before), Match::Undecided);
        assert_eq!(pattern.compare(b"\n\xff\x02", &before), Match::Differs);
        let template = Template::parse("{id}{0x8180}").unwrap();
        assert_eq!(template.fill(&taken), Some(b"\n\xff\x81\x80".to_vec()));
        for text in ["{0x}", "{0x1}", "{0xzz}", "{0x+1}", "{id:0}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    fn compare(pattern: &str, bytes: &str) -> Match {
        let before = Captures::from([("old".to_owned(), b"x1".to_vec())]);
        Pattern::parse(pattern)
            .unwrap()
            .compare(bytes.as_bytes(), &before)
    }

    fn fits(length: usize, captures: &[(&str, &str)]) -> Match {
        let owned = |(name, value): &(&str, &str)| (String::from(*name), value.as_bytes().to_vec());
        Match::Fits(length, captures.iter().map(owned).collect())
    }

    #[test]
    fn captures_take_what_they_may() {
        for (pattern, bytes, wanted) in [
            ("NOOP\r\n", "NOOP\r\nrest", fits(6, &[])),
            ("{tag} NOOP\r\n", "A1 NOOP\r\n", fits(9, &[("tag", "A1")])),
            ("{tag} NOOP\r\n", " NOOP\r\n", Match::Differs),
            ("{tag} NOOP\r\n", "A1 LOGOUT\r\n", Match::Differs),
            ("{tag} NOOP\r\n", "A1\r\n", Match::Differs),
            (
                "GET {path:rest}\r\n",
                "GET /a b\r\n",
                fits(10, &[("path", "/a b")]),
            ),
            ("GET {path:rest}\r\n", "GET \r\n", fits(6, &[("path", "")])),
            ("{a}@{b}\r\n", "x@y@z\r\n", fits(7, &[("a", "x"), ("b", "y@z")])),
            ("{a} {a}\n", "x1 x1\n", fits(6, &[("a", "x1")])),
            ("{a} {a}\n", "x1 x2\n", Match::Differs),
            ("{old:same}\n", "x1\n", fits(3, &[("old", "x1")])),
            ("{old:same}\n", "x2\n", Match::Differs),
            ("{none:same}\n", "x1\n", Match::Differs),
            ("{old}\n", "x2\n", fits(3, &[("old", "x2")])),
            ("{{{a}}}\n", "{x}\n", fits(4, &[("a", "x")])),
        ] {
            assert_eq!(compare(pattern, bytes), wanted, "{pattern:?} {bytes:?}");
        }
    }

    /// What fits as a whole is undecided as long as it is incomplete, wherever it is cut.
    #[test]
    fn every_beginning_of_what_fits_is_undecided() {
        for (pattern, bytes) in [
            ("{tag} LOGIN {user} {password}\r\n", "A1 LOGIN probe secret\r\n"),
            ("GET {path:rest} HTTP/1.1\r\n", "GET / HTTP HTTP/1.1\r\n"),
            ("{a} {a}\n", "x1 x1\n"),
            ("{a}ab\n", "aab\n"),
        ] {
            for end in 0..bytes.len() {
                assert_eq!(
                    compare(pattern, &bytes[..end]),
                    Match::Undecided,
                    "{pattern:?} {end}"
                );
            }
            assert!(matches!(compare(pattern, bytes), Match::Fits(length, _) if length == bytes.len()));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_sentence() {
        for (text, wanted) in [
            ("", "found an empty text, wanted what the plugin is to write"),
            (
                "{tag}",
                "found nothing behind `{tag}`, wanted the text that ends it, such as `\\r\\n`",
            ),
            (
                "{a}{b}\r\n",
                "found nothing behind `{a}`, wanted the text that ends it, such as `\\r\\n`",
            ),
            (
                "{ tag }\r\n",
                "found a single `{`, wanted a capture, such as `{tag}`, or `{{` for a brace",
            ),
            (
                "{a:all}\r\n",
                "found a single `{`, wanted a capture, such as `{tag}`, or `{{` for a brace",
            ),
            (
                "a}\r\n",
                "found a single `}`, wanted a capture, such as `{tag}`, or `}}` for a brace",
            ),
        ] {
            assert_eq!(Pattern::parse(text).unwrap_err(), wanted, "{text}");
        }
        assert_eq!(
            Template::parse("{a:rest}\r\n").unwrap_err(),
            "found a capture with a kind, wanted `{a}`, which stands for what was captured"
        );
    }

    #[test]
    fn templates_are_filled_with_what_was_captured() {
        let captures = Captures::from([("tag".to_owned(), b"A1".to_vec())]);
        let fill = |text: &str| Template::parse(text).unwrap().fill(&captures);
        assert_eq!(fill("{tag} OK\r\n"), Some(b"A1 OK\r\n".to_vec()));
        assert_eq!(fill("{{\"a\":1}}"), Some(b"{\"a\":1}".to_vec()));
        assert_eq!(fill("{other}"), None);
    }
}
