//! Bytes of a peer in messages for people: shortened, harmless to terminals, and guessed at.

use std::borrow::Cow;

/// The most characters that are quoted: enough for an error page's title, little enough for a line.
const MAX_QUOTED: usize = 200;

/// The beginning of `bytes` between backticks, control characters escaped, `…` where it was cut.
pub(crate) fn quote(bytes: &[u8]) -> String {
    // A character has at most 4 bytes; whatever follows is not shown, and need not be decoded.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_QUOTED * 4 + 4)]);
    let mut quoted = String::from("`");
    for character in text.chars().take(MAX_QUOTED) {
        if character.is_control() {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    if text.chars().nth(MAX_QUOTED).is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}

/// A text of a peer: UTF-8 as it is, anything else replaced. What is UTF-8 throughout, as nearly everything is, is found to
/// be so at a fraction of what looking for the first byte that is not costs.
pub(crate) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The protocol of a server that starts a conversation with these bytes, where they tell.
pub(crate) fn guess_protocol(bytes: &[u8]) -> Option<&'static str> {
    /// First bytes and whose they are.
    const SIGNS: [(&[u8], &str); 8] = [
        (b"\x15\x03", "TLS"),
        (b"\x16\x03", "TLS"),
        (b"* ", "IMAP"),
        (b"+OK", "POP3"),
        (b"SSH-", "SSH"),
        (b"220", "SMTP or FTP"),
        (b"-ERR", "Redis or POP3"),
        // The header of a SETTINGS frame with up to 42 settings (RFC 9113 sections 4.1 and 3.4).
        (b"\0\0", "HTTP/2"),
    ];
    SIGNS
        .iter()
        .find(|(sign, _)| bytes.starts_with(sign))
        .map(|&(_, protocol)| protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quote(b"ok\r\n\x1b[31m"), r"`ok\r\n\u{1b}[31m`");
        assert_eq!(quote(b"\xffabc"), "`\u{fffd}abc`");
        let whole = "ä".repeat(200);
        assert_eq!(quote(whole.as_bytes()), format!("`{whole}`"));
        assert_eq!(quote("ä".repeat(5000).as_bytes()), format!("`{whole}…`"));
    }

    #[test]
    fn protocols_are_known_by_their_first_bytes() {
        assert_eq!(guess_protocol(b"* OK [CAPABILITY IMAP4rev1] ready"), Some("IMAP"));
        assert_eq!(guess_protocol(b"\x15\x03\x01\x00\x02\x02\x16"), Some("TLS"));
        assert_eq!(guess_protocol(b"220 mail.example.org ESMTP"), Some("SMTP or FTP"));
        assert_eq!(guess_protocol(b"\0\0\x12\x04\0\0\0\0\0"), Some("HTTP/2"));
        assert_eq!(guess_protocol(b"hello"), None);
    }
}
