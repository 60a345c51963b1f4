//! Bytes of the server turned into something short and harmless that people can read in a message.

/// The most characters of a server's text that are shown: two lines on a terminal.
const MAX_SHOWN: usize = 200;

/// The beginning of `bytes` between backticks, control characters escaped, `…` where it was cut.
pub(crate) fn quote(bytes: &[u8]) -> String {
    // A character has at most 4 bytes; whatever follows is not shown, and need not be decoded.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SHOWN * 4 + 4)]);
    let mut quoted = String::from("`");
    let mut shown = 0;
    for character in text.chars() {
        let escaped: String = if character.is_control() {
            character.escape_default().collect()
        } else {
            character.to_string()
        };
        shown += escaped.chars().count();
        if shown > MAX_SHOWN {
            quoted.push('…');
            break;
        }
        quoted.push_str(&escaped);
    }
    quoted.push('`');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quote(b"a NO\t\x1b[31m"), r"`a NO\t\u{1b}[31m`");
        assert_eq!(quote(b"\xffabc"), "`\u{fffd}abc`");
        let whole = "ä".repeat(200);
        assert_eq!(quote(whole.as_bytes()), format!("`{whole}`"));
        assert_eq!(quote("ä".repeat(5000).as_bytes()), format!("`{whole}…`"));
        assert_eq!(quote(&[0; 5000]), format!("`{}…`", r"\u{0}".repeat(40)));
    }
}
