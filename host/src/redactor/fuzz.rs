//! Fuzzing the redactor: no form of a secret that it promises to know survives in any text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use bedcheck_fuzz::{Bytes, Fuzz};

use super::*;

/// The shortest secret that is looked for in other alphabets.
const MIN_ENCODED: usize = 4;

/// The forms, written here by other means than there, and whether they stand in text of their own or in the
/// middle of a longer encoding.
fn form(kind: usize, secret: &[u8], before: &[u8], after: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(secret).into_owned();
    let around = [before, secret, after].concat();
    let is_long = secret.len() >= MIN_ENCODED;
    Some(match kind {
        0 => text,
        1 => within_quotes(&serde_json::to_string(&text).ok()?)?.to_owned(),
        2 => within_quotes(&format!("{text:?}"))?.to_owned(),
        3 => text.escape_default().to_string(),
        4 => percent(secret, |byte| format!("%{byte:02X}")),
        5 => percent(secret, |byte| format!("%{byte:02x}")),
        6 => percent(secret, |byte| format!("%{byte:02X}")).replace("%20", "+"),
        7 if is_long => secret.iter().map(|byte| format!("{byte:02x}")).collect(),
        8 if is_long => secret.iter().map(|byte| format!("{byte:02X}")).collect(),
        9 if is_long => STANDARD.encode(around),
        10 if is_long => URL_SAFE.encode(around),
        11 if is_long => STANDARD_NO_PAD.encode(around),
        12 => secret.escape_ascii().to_string(),
        13 => text.chars().map(|character| written(character, before)).collect(),
        14 => secret.iter().map(|byte| in_c(*byte)).collect(),
        15 => text.chars().map(in_python).collect(),
        _ => return None,
    })
}

/// As a byte stands in a string of C.
fn in_c(byte: u8) -> String {
    match byte {
        b'\n' => "\\n".to_owned(),
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}

/// As Python's `ascii` writes a character.
fn in_python(character: char) -> String {
    let number = u32::from(character);
    match character {
        '\n' | '\r' | '\t' | '\\' => character.escape_default().to_string(),
        ' '..='~' => character.to_string(),
        '\0'..='\u{ff}' => format!("\\x{number:02x}"),
        '\0'..='\u{ffff}' => format!("\\u{number:04x}"),
        _ => format!("\\U{number:08x}"),
    }
}

/// A character in a way that the choices make up, each time another.
fn written(character: char, choices: &[u8]) -> String {
    let choice = choices.first().map_or(0, |choice| usize::from(*choice)) + character as usize;
    let escaped = match choice % 4 {
        0 => format!("\\u{{{:x}}}", u32::from(character)),
        1 => format!("&#{};", u32::from(character)),
        2 => percent(character.encode_utf8(&mut [0; 4]).as_bytes(), |byte| {
            format!("%{byte:02x}")
        }),
        _ => character.to_string(),
    };
    match character {
        '\\' | '%' | '&' => format!("\\x{:02x}", u32::from(character)),
        character if character.is_control() => character.escape_default().to_string(),
        _ => escaped,
    }
}

fn within_quotes(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

fn percent(secret: &[u8], escape: impl Fn(u8) -> String) -> String {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        other => escape(*other),
    };
    secret.iter().map(encode).collect()
}

/// Secrets first, then a text made of their forms and of anything else.
fn property(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let secrets: Vec<&[u8]> = (0..=bytes.below(3)).map(|_| bytes.piece()).collect();
    let redactor = Redactor::new(secrets.iter().copied());
    let mut text = String::new();
    let mut forms = Vec::new();
    while !bytes.is_empty() {
        let kind = bytes.below(18);
        let secret = *bytes.pick(&secrets);
        let (before, after) = (bytes.below(4), bytes.below(4));
        let (before, after) = (bytes.take(before), bytes.take(after));
        match form(kind, secret, before, after) {
            Some(form) if !secret.is_empty() => {
                text += &form;
                forms.push((kind, form));
            }
            _ => text += &bytes.text(),
        }
    }
    let redacted = redactor.redact(&text);
    let left: Vec<&str> = redacted.split(REDACTED).collect();
    for (kind, form) in &forms {
        // What we put in may look like a form itself.
        assert!(
            !left.iter().any(|part| part.contains(form)),
            "{kind}: {form:?} is left in {redacted:?}"
        );
    }
    if forms.is_empty() && secrets.iter().all(|secret| secret.is_empty()) {
        assert_eq!(redacted, text);
    }
}

#[test]
fn redactor() {
    let secret = b"\x00\x07hunter2\x00\x00\x00\x00\x05text ";
    let kinds = (0..16).map(|kind| [secret, &[kind, 0, 2, 1, b'a', b'b', b'c'][..]].concat());
    Fuzz::new("redactor").seeds(kinds).max_length(512).run(property);
}
