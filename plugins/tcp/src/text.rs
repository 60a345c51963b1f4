//! Bytes of the server turned into something short and harmless that people can read in a message.

use std::borrow::Cow;

/// The most characters of a server's text that are shown: two lines on a terminal.
const MAX_SHOWN: usize = 200;

/// The beginning of `bytes` between backticks, control characters escaped, `…` where it was cut.
pub(crate) fn quote(bytes: &[u8]) -> String {
    // A character has at most 4 bytes; whatever follows is not shown, and need not be decoded.
    quote_text(&decoded(&bytes[..bytes.len().min(MAX_SHOWN * 4 + 4)]))
}

/// [`quote`], of what is text already.
pub(crate) fn quote_text(text: &str) -> String {
    // Nearly every line is as it is shown: that is copied in one go.
    if text.len() <= MAX_SHOWN && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return ["`", text, "`"].concat();
    }
    let mut quoted = String::from("`");
    let mut shown = 0;
    for character in text.chars() {
        let escaped = character.is_control().then(|| character.escape_default());
        shown += escaped.as_ref().map_or(1, ExactSizeIterator::len);
        if shown > MAX_SHOWN {
            quoted.push('…');
            break;
        }
        match escaped {
            Some(escaped) => quoted.extend(escaped),
            None => quoted.push(character),
        }
    }
    quoted.push('`');
    quoted
}

/// A server's text: UTF-8 as it is, anything else replaced. What is UTF-8 throughout, as nearly everything is, is found to
/// be so at a fraction of what looking for the first byte that is not costs.
pub(crate) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quote(b"a NO\t\x1b[31m"), r"`a NO\t\u{1b}[31m`");
        assert_eq!(quote(b"\xffabc"), "`\u{fffd}abc`");
        assert_eq!(quote(&[b'a'; 200]), format!("`{}`", "a".repeat(200)));
        assert_eq!(quote(&[b'a'; 201]), format!("`{}…`", "a".repeat(200)));
        let whole = "ä".repeat(200);
        assert_eq!(quote(whole.as_bytes()), format!("`{whole}`"));
        assert_eq!(quote("ä".repeat(5000).as_bytes()), format!("`{whole}…`"));
        assert_eq!(quote(&[0; 5000]), format!("`{}…`", r"\u{0}".repeat(40)));
    }
}
