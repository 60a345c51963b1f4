//! Strikes secrets out of texts, in all the forms they are likely to take on their way into a message.
//! Pure.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";
/// The shortest secret, in bytes, that is looked for in base64 and hexadecimal form: shorter ones are in
/// too many harmless words.
const MIN_ENCODED: usize = 4;

/// How much of the beginning of a longer form is struck out by itself, in bytes: a text may have been cut
/// in the middle of a secret before it came here, and shorter pieces are parts of too many harmless words.
const MIN_BEGINNING: usize = 8;

/// How much of the beginning is struck out where a text was cut off right behind it, in bytes.
const MIN_CUT_OFF: usize = 3;
/// What stands for a name that holds a secret: itself a name, dotted lower case.
pub const REDACTED_NAME: &str = "redacted";

/// What texts end with that were cut off, besides ending.
const CUT_MARKS: [&str; 2] = ["…", "..."];

/// Knows what must not be shown and strikes it out.
///
/// Looked for are the bytes themselves; their forms in JSON, in Rust's `Debug` and percent-encoded
/// (RFC 3986 section 2.1, also with `+` for a space); and, from 4 bytes on, in hexadecimal and base64
/// (RFC 4648 sections 4 and 5), alone or in the middle of a longer base64 text, which is struck out
/// whole. Of a secret that was cut off, 8 bytes are struck out anywhere, and 3 right before `…`, `...` or the
/// end of the text; texts are redacted before we shorten them.
#[derive(Clone, Default)]
pub struct Redactor {
    /// What it was made of; clones share it.
    shared: Arc<Forms>,
    /// What was added since.
    added: Forms,
}

/// Forms, and what tells of most texts at a glance that none of them is there.
#[derive(Clone, Default)]
struct Forms {
    forms: Vec<Form>,
    pairs: Pairs,
}

/// Which two bytes forms begin with: a set that may hold more than was put into it.
#[derive(Clone, Default)]
struct Pairs([u64; 16]);

/// A form of a secret. It is as secret as that.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    text: Zeroizing<String>,
    /// How it begins, in lower case, if it is long enough to be looked for in names.
    in_names: Option<Zeroizing<String>>,
    /// Whether all of the base64 text around it is struck out as well.
    in_base64: bool,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redactor")
            .field("forms", &self.forms().count())
            .finish()
    }
}

impl Redactor {
    /// A redactor of these secrets. Empty ones are ignored.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let mut forms = Forms::default();
        secrets.into_iter().for_each(|secret| forms.add(secret, &[]));
        Self {
            shared: Arc::new(forms),
            added: Forms::default(),
        }
    }

    /// Adds something else that must not be shown, such as what a secret was turned into.
    pub fn add(&mut self, sensitive: &[u8]) {
        self.added.add(sensitive, &self.shared.forms);
    }

    fn forms(&self) -> impl Iterator<Item = &Form> {
        self.shared.forms.iter().chain(&self.added.forms)
    }

    /// The text without any of the secrets. Where secrets overlap, all of what they cover is struck out.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found: Vec<Range<usize>> = [&*self.shared, &self.added]
            .into_iter()
            .filter(|forms| forms.may_be_in(text))
            .flat_map(|forms| &forms.forms)
            .flat_map(|form| form.occurrences(text).chain(form.cut_off(text)))
            .collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|range| range.start);
        let mut redacted = String::with_capacity(text.len());
        let mut covered_to = 0;
        for range in found {
            if range.start >= covered_to {
                redacted.push_str(&text[covered_to..range.start]);
                redacted.push_str(REDACTED);
            }
            covered_to = covered_to.max(range.end);
        }
        redacted.push_str(&text[covered_to..]);
        Cow::Owned(redacted)
    }

    /// Whether a name, such as a measurement's, holds a secret or the first 8 bytes of one, in whatever case.
    /// Shorter secrets are parts of too many names.
    pub fn finds_in_name(&self, name: &str) -> bool {
        let mut beginnings = self.forms().filter_map(|form| form.in_names.as_ref()).peekable();
        if beginnings.peek().is_none() {
            return false;
        }
        let name = name.to_ascii_lowercase();
        beginnings.any(|beginning| name.contains(beginning.as_str()))
    }
}

impl Forms {
    /// Adds the forms of something that are not among these or `others`. Nothing has none.
    fn add(&mut self, sensitive: &[u8], others: &[Form]) {
        if sensitive.is_empty() {
            return;
        }
        for form in forms(sensitive) {
            if !self.forms.contains(&form) && !others.contains(&form) {
                self.pairs.insert(form.text.as_bytes());
                self.forms.push(form);
            }
        }
    }

    /// Whether there may be a form in a text, or as much of one as is struck out: its first two bytes are there then,
    /// or all of it.
    fn may_be_in(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let ends = bytes.last().is_some_and(|&last| self.pairs.has(last, 0));
        !self.forms.is_empty() && (ends || bytes.windows(2).any(|pair| self.pairs.has(pair[0], pair[1])))
    }
}

impl Pairs {
    /// Puts in how this begins. What has one byte may be followed by any.
    fn insert(&mut self, form: &[u8]) {
        match *form {
            [] => {}
            [only] => (0..=u8::MAX).for_each(|second| self.put(only, second)),
            [first, second, ..] => self.put(first, second),
        }
    }

    fn put(&mut self, first: u8, second: u8) {
        let (word, bit) = Self::place(first, second);
        self.0[word] |= bit;
    }

    fn has(&self, first: u8, second: u8) -> bool {
        let (word, bit) = Self::place(first, second);
        self.0[word] & bit != 0
    }

    /// One of 1,024 bits: both bytes matter, and letters are spread evenly.
    fn place(first: u8, second: u8) -> (usize, u64) {
        let mixed = usize::from(first) * 37 + usize::from(second) * 5;
        (mixed / 64 % 16, 1 << (mixed % 64))
    }
}

/// The forms in which something is looked for, in an order that is the same for everything of a length.
pub fn forms(sensitive: &[u8]) -> Vec<Form> {
    let form = |in_base64| move |text| Form::new(text, in_base64);
    let text = Zeroizing::new(String::from_utf8_lossy(sensitive).into_owned());
    let mut forms: Vec<_> = escaped_forms(&text)
        .chain(percent_forms(sensitive))
        .chain([text])
        .map(form(false))
        .collect();
    if sensitive.len() >= MIN_ENCODED {
        forms.extend(hexadecimal_forms(sensitive).map(form(false)));
        forms.extend(base64_forms(sensitive).map(form(true)));
    }
    forms
}

impl Form {
    fn new(text: Zeroizing<String>, in_base64: bool) -> Self {
        let beginning = &text[..text.ceil_char_boundary(MIN_BEGINNING)];
        let in_names =
            (beginning.len() >= MIN_BEGINNING).then(|| Zeroizing::new(beginning.to_ascii_lowercase()));
        Self {
            text,
            in_names,
            in_base64,
        }
    }

    /// What is looked for.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether all of the base64 text around it belongs to it.
    pub fn in_base64(&self) -> bool {
        self.in_base64
    }

    /// Where the form, or a long beginning of it, occurs, also where it overlaps itself.
    fn occurrences<'r>(&'r self, text: &'r str) -> impl Iterator<Item = Range<usize>> + 'r {
        let step = self.text.chars().next().map_or(1, char::len_utf8);
        let beginning = &self.text[..self.text.ceil_char_boundary(MIN_BEGINNING)];
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = from + text.get(from..)?.find(beginning)?;
            from = start + step;
            let range = start..start + common_length(&self.text, &text[start..]);
            Some(if self.in_base64 {
                base64_around(text, range)
            } else {
                range
            })
        })
    }
}

impl Form {
    /// Where the text was cut off in the middle of the form.
    fn cut_off<'r>(&'r self, text: &'r str) -> impl Iterator<Item = Range<usize>> + 'r {
        let marks = CUT_MARKS
            .into_iter()
            .flat_map(|mark| text.match_indices(mark).map(|(at, _)| at));
        marks.chain([text.len()]).filter_map(|cut| {
            let longest = self.text.len().min(MIN_BEGINNING);
            let length = (MIN_CUT_OFF..=longest).rev().find(|&length| {
                self.text
                    .get(..length)
                    .is_some_and(|beginning| text[..cut].ends_with(beginning))
            })?;
            let range = cut - length..cut;
            Some(if self.in_base64 {
                base64_around(text, range)
            } else {
                range
            })
        })
    }
}

/// How many bytes two texts have in common at their beginning, in whole characters.
fn common_length(one: &str, other: &str) -> usize {
    one.chars()
        .zip(other.chars())
        .take_while(|(one, other)| one == other)
        .map(|(character, _)| character.len_utf8())
        .sum()
}

/// The base64 text that a range is part of, padding included.
fn base64_around(text: &str, range: Range<usize>) -> Range<usize> {
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let bytes = text.as_bytes();
    let before = bytes[..range.start]
        .iter()
        .rev()
        .take_while(|byte| in_alphabet(byte))
        .count();
    let after = bytes[range.end..]
        .iter()
        .take_while(|byte| in_alphabet(byte))
        .count();
    let end = range.end + after;
    let padding = bytes[end..]
        .iter()
        .take(2)
        .take_while(|byte| **byte == b'=')
        .count();
    range.start - before..end + padding
}

/// In JSON, as most write it, with `\/`, and in ASCII only; in Rust's ways of escaping, of which `Debug` and
/// `escape_debug` differ in quotes and in combining marks.
fn escaped_forms(text: &str) -> impl Iterator<Item = Zeroizing<String>> + use<> {
    let json = Zeroizing::new(serde_json::Value::from(text).to_string());
    let json = Zeroizing::new(json[1..json.len() - 1].to_owned());
    let slashes = json.replace('/', "\\/");
    let ascii = json.chars().flat_map(ascii_json).collect();
    let debug = text.escape_debug().to_string();
    let quoted = Zeroizing::new(format!("{text:?}"));
    let quoted = quoted[1..quoted.len() - 1].to_owned();
    let default = text.escape_default().to_string();
    [slashes, ascii, debug, quoted, default]
        .map(Zeroizing::new)
        .into_iter()
        .chain([json])
}

fn ascii_json(character: char) -> Vec<char> {
    if character.is_ascii() {
        return vec![character];
    }
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units).iter();
    units
        .flat_map(|unit| format!("\\u{unit:04x}").chars().collect::<Vec<_>>())
        .collect()
}

/// With all but unreserved characters (RFC 3986 section 2.3) as `%XX`, in both cases, and as in forms.
fn percent_forms(sensitive: &[u8]) -> impl Iterator<Item = Zeroizing<String>> + use<> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: &u8| {
        if unreserved(*byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let upper: String = sensitive.iter().map(encode).collect();
    let lower: String = sensitive
        .iter()
        .map(|byte| {
            if unreserved(*byte) {
                encode(byte)
            } else {
                encode(byte).to_lowercase()
            }
        })
        .collect();
    let form = upper.replace("%20", "+");
    [upper, lower, form].map(Zeroizing::new).into_iter()
}

fn hexadecimal_forms(sensitive: &[u8]) -> [Zeroizing<String>; 2] {
    let lower = crate::outcome::hexadecimal(sensitive);
    let upper = lower.to_ascii_uppercase();
    [Zeroizing::new(lower), Zeroizing::new(upper)]
}

/// What does not depend on the neighbours of the secret's bytes in a longer base64 text: base64 turns three
/// bytes into four characters, so there is one such form for each place that a secret can begin at.
fn base64_forms(sensitive: &[u8]) -> impl Iterator<Item = Zeroizing<String>> {
    (0..3_usize).flat_map(move |offset| {
        let padded = Zeroizing::new([&[0; 2][..offset], sensitive].concat());
        let first_own = (offset * 8).div_ceil(6);
        let last_own = padded.len() * 8 / 6;
        [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| {
            let encoded = Zeroizing::new(engine.encode(&*padded));
            Zeroizing::new(encoded[first_own..last_own].to_owned())
        })
    })
}

#[cfg(test)]
#[path = "redactor_fuzz.rs"]
mod fuzz;
#[cfg(test)]
#[path = "redactor_tests.rs"]
mod tests;
