//! The forms of a secret that are looked for: its bytes, the text that is made of them, and what is made of them in other
//! alphabets. Pure.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::spelled::{Spelled, broken_escape};

/// How much of the beginning of a longer form is struck out by itself, in bytes: a text may have been cut
/// in the middle of a secret before it came here, and shorter pieces are parts of too many harmless words.
pub(super) const MIN_BEGINNING: usize = 8;
/// How much of the beginning is struck out where a text was cut off right behind it, in bytes.
pub(super) const MIN_CUT_OFF: usize = 3;
/// The shortest secret, in bytes, that is looked for in base64 and hexadecimal form: shorter ones are in
/// too many harmless words.
const MIN_ENCODED: usize = 4;

/// What texts end with that were cut off, besides ending.
const CUT_MARKS: [&[u8]; 2] = ["…".as_bytes(), b"..."];

/// A form of a secret. It is as secret as that.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    spelled: Spelled,
    is_base64: bool,
}

impl Form {
    /// The forms in which something is looked for, as many and in the same order for everything of a length.
    pub fn all_of(sensitive: &[u8]) -> Vec<Self> {
        let plain = |bytes: &[u8]| Self {
            spelled: Spelled::new(bytes),
            is_base64: false,
        };
        // What is no UTF-8 becomes another text when it is shown as one.
        let text = Zeroizing::new(String::from_utf8_lossy(sensitive).into_owned());
        let mut forms = vec![plain(sensitive), plain(text.as_bytes())];
        if sensitive.len() >= MIN_BEGINNING {
            // What names of hosts are turned into.
            let lower = Zeroizing::new(sensitive.to_ascii_lowercase());
            forms.push(plain(&lower));
        }
        if sensitive.len() >= MIN_ENCODED {
            forms.extend(hexadecimal(sensitive).map(|text| plain(text.as_bytes())));
            forms.extend(base64(sensitive).map(|text| Self {
                spelled: Spelled::new(text.as_bytes()),
                is_base64: true,
            }));
        }
        forms
    }

    /// What is looked for.
    pub fn spelled(&self) -> &Spelled {
        &self.spelled
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.spelled.bytes()
    }

    /// Whether it is base64, so that the characters next to it may be of the same text.
    pub fn is_base64(&self) -> bool {
        self.is_base64
    }

    /// The form, or as much of it as is struck out, where the text begins with it: how many bytes of the text that are.
    pub fn length_in(&self, text: &[u8]) -> Option<usize> {
        let beginning = self.spelled.beginning(text);
        if beginning.wanted == self.spelled.bytes().len() {
            return Some(beginning.written);
        }
        if beginning.wanted < MIN_CUT_OFF {
            return None;
        }
        let cut = cut_behind(&text[beginning.written..]);
        let is_enough = cut.is_some() || beginning.wanted >= MIN_BEGINNING;
        is_enough.then_some(beginning.written + cut.unwrap_or_default())
    }

    /// How the form begins in lower case, if it is long enough to be looked for in names.
    pub fn in_names(&self) -> Option<Zeroizing<String>> {
        let text = str::from_utf8(self.spelled.bytes()).ok()?;
        let beginning = &text[..text.ceil_char_boundary(MIN_BEGINNING)];
        (beginning.len() >= MIN_BEGINNING).then(|| Zeroizing::new(beginning.to_ascii_lowercase()))
    }
}

/// Whether it is of one of the alphabets of base64.
pub fn in_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// All of the base64 text in which a form stands in this range.
pub(super) fn around_in_base64(text: &[u8], range: Range<usize>) -> Range<usize> {
    let is_base64 = |byte: &&u8| in_base64(**byte);
    let before = text[..range.start].iter().rev().take_while(is_base64).count();
    let end = range.end + text[range.end..].iter().take_while(is_base64).count();
    let padding = text[end..]
        .iter()
        .take(2)
        .take_while(|byte| **byte == b'=')
        .count();
    range.start - before..end + padding
}

/// Where a text was cut off right here or in the middle of the escape that stands here: how long that is.
pub(super) fn cut_behind(text: &[u8]) -> Option<usize> {
    let is_cut = |rest: &[u8]| rest.is_empty() || CUT_MARKS.iter().any(|mark| rest.starts_with(mark));
    let broken = broken_escape(text);
    is_cut(&text[broken..]).then_some(broken)
}

fn hexadecimal(sensitive: &[u8]) -> [Zeroizing<String>; 2] {
    let lower = crate::outcome::hexadecimal(sensitive);
    let upper = lower.to_ascii_uppercase();
    [Zeroizing::new(lower), Zeroizing::new(upper)]
}

/// What does not depend on the neighbours of the secret's bytes in a longer base64 text: base64 turns three
/// bytes into four characters, so there is one such form for each place that a secret can begin at.
fn base64(sensitive: &[u8]) -> impl Iterator<Item = Zeroizing<String>> {
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
