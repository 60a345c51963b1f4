//! Bytes of the server turned into something short that people can read in a message.

/// The most characters of a server's text that are shown: two lines on a terminal.
const MAX_SHOWN: usize = 200;

/// A server's text: UTF-8 as it is, anything else replaced, shortened.
pub(crate) fn shown(bytes: &[u8]) -> String {
    // Text that is UTF-8 throughout, as nearly all is, is found to be so at a fraction of what looking for the first byte
    // that is not costs.
    match str::from_utf8(bytes) {
        Ok(text) => shortened(text.trim_end()),
        Err(_) => shortened(String::from_utf8_lossy(bytes).trim_end()),
    }
}

/// Bytes that are perhaps no text: what is not printable US-ASCII as escapes, shortened.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(MAX_SHOWN + 1)];
    shortened(start.trim_ascii_end().escape_ascii().to_string().as_str())
}

fn shortened(text: &str) -> String {
    // There are not more characters than bytes.
    if text.len() <= MAX_SHOWN {
        return text.to_owned();
    }
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_and_shortened_at_a_character() {
        assert_eq!(shown("Anmeldung ungültig\r\n".as_bytes()), "Anmeldung ungültig");
        assert_eq!(shown(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(shown("ü".repeat(200).as_bytes()), "ü".repeat(200));
        assert_eq!(shown("ü".repeat(201).as_bytes()), "ü".repeat(200) + "...");
    }

    #[test]
    fn bytes_are_escaped_and_shortened() {
        assert_eq!(escaped(b"HTTP/1.1 200\r"), "HTTP/1.1 200");
        assert_eq!(escaped(b"\x15\x03\xff"), "\\x15\\x03\\xff");
        assert_eq!(escaped(&[b'a'; 70_000]), "a".repeat(200) + "...");
    }
}
