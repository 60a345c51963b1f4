//! Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3), in quotes where they need them.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use crate::response::is_astring_char;

/// Base64 with `,` for `/` and no padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// The name as an argument of a command (`mailbox`, RFC 3501 section 9): as it is where it can be, in quotes otherwise.
pub(crate) fn argument(name: &str) -> Cow<'_, str> {
    let encoded = encode(name);
    if encoded.eq_ignore_ascii_case("INBOX") {
        return Cow::Borrowed("INBOX");
    }
    if !encoded.is_empty() && encoded.bytes().all(is_astring_char) {
        return encoded;
    }
    let mut quoted = String::with_capacity(encoded.len() + 2);
    quoted.push('"');
    for character in encoded.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// The name as the server knows it: printable US-ASCII stands for itself, `&` becomes `&-`, and each
/// run of anything else becomes `&`, the base64 of its UTF-16 (big endian) form, `-`.
pub(crate) fn encode(name: &str) -> Cow<'_, str> {
    if name
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'&')
    {
        return Cow::Borrowed(name);
    }
    let mut encoded = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for character in name.chars() {
        if !matches!(character, ' '..='~') {
            let mut units = [0; 2];
            shifted.extend(
                character
                    .encode_utf16(&mut units)
                    .iter()
                    .flat_map(|unit| unit.to_be_bytes()),
            );
            continue;
        }
        unshift(&mut shifted, &mut encoded);
        encoded.push(character);
        if character == '&' {
            encoded.push('-');
        }
    }
    unshift(&mut shifted, &mut encoded);
    Cow::Owned(encoded)
}

fn unshift(shifted: &mut Vec<u8>, encoded: &mut String) {
    if !shifted.is_empty() {
        encoded.push('&');
        BASE64.encode_string(&shifted, encoded);
        encoded.push('-');
        shifted.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("Sent Items", "Sent Items"),
            ("R&D", "R&-D"),
            ("&", "&-"),
            // The examples of RFC 3501 section 5.1.3.
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("台北日本語", "&U,BTF2XlZyyKng-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("Éléments envoyés", "&AMk-l&AOk-ments envoy&AOk-s"),
            ("ü&ö", "&APw-&-&APY-"),
            // Outside the basic plane: a surrogate pair.
            ("📬", "&2D3c7A-"),
            // Control characters do not stand for themselves.
            ("a\r\nb", "a&AA0ACg-b"),
            ("", ""),
        ] {
            assert_eq!(encode(name), wire, "{name:?}");
        }
    }
}
