//! Recognises servers that do not speak IMAP by the first bytes they send, as early as these tell, and
//! says what they look like.

use crate::text;

/// How every IMAP greeting begins (RFC 9051 section 7.1).
const GREETING_START: &[u8] = b"* ";

/// How much of a first line without an end is looked at, in bytes: the longest line of SMTP (RFC 5321
/// section 4.5.3.1.5), which has the longest banners.
const MAX_BANNER: usize = 512;

/// Beginnings of what other servers send, and what sends them.
const RESEMBLANCES: &[(&[u8], &str)] = &[
    (b"HTTP/", "an HTTP server"),
    (b"<", "an HTTP server"),
    (b"220", "an SMTP or FTP server"),
    (b"421", "an SMTP or FTP server"),
    (b"554", "an SMTP server"),
    (b"+OK", "a POP3 server"),
    (b"-ERR", "a POP3 server"),
    (b"SSH-", "an SSH server"),
    (b"\x15", "TLS: `tls` is perhaps to be `implicit`"),
    (b"\x16", "TLS: `tls` is perhaps to be `implicit`"),
];

/// Looks at what has been received so far. `None`: it can still become a greeting, or more must be
/// seen. Otherwise the finding in words.
///
/// The finding is made at the end of the first line, at the first byte that no line of text holds, or
/// after 512 bytes, so that it does not depend on how the bytes are cut into packets.
pub(crate) fn recognise(received: &[u8]) -> Option<String> {
    let compared = received.len().min(GREETING_START.len());
    if received[..compared] == GREETING_START[..compared] {
        return None;
    }
    let banner = &received[..received.len().min(MAX_BANNER)];
    let ends = |&byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r');
    let seen = match banner.iter().position(ends) {
        Some(end) if banner[end] == b'\n' => &banner[..end],
        Some(end) => &banner[..=end],
        None if banner.len() == MAX_BANNER => banner,
        None => return None,
    };
    let looks = RESEMBLANCES
        .iter()
        .find(|(start, _)| seen.starts_with(start))
        .map_or_else(String::new, |(_, what)| format!("; it looks like {what}"));
    Some(format!(
        "the server begins with `{}`, which is no IMAP greeting{looks}",
        text::escaped(seen)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_and_beginnings_of_greetings_pass() {
        for received in ["", "*", "* ", "* OK", "* OK ready\r\n", "* \u{1}"] {
            assert_eq!(recognise(received.as_bytes()), None, "{received:?}");
        }
    }

    #[test]
    fn others_are_named() {
        for (received, wanted) in [
            (
                &b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"[..],
                "`HTTP/1.1 400 Bad Request`, which is no IMAP greeting; it looks like an HTTP server",
            ),
            (
                b"220 mx.example.org ESMTP\r\n",
                "`220 mx.example.org ESMTP`, which is no IMAP greeting; it looks like an SMTP or FTP server",
            ),
            (b"+OK ready\r\n", "a POP3 server"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "an SSH server"),
            (
                b"\x15\x03\x03\x00\x02\x02\x28",
                "`\\x15`, which is no IMAP greeting; it looks like TLS",
            ),
            (b"*OK\r\n", "`*OK`, which is no IMAP greeting"),
            (b"\r\n* OK\r\n", "``"),
            (b"J\0\0\0", "`J\\x00`"),
        ] {
            let finding = recognise(received).unwrap();
            assert!(finding.contains(wanted), "{finding}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_waited_for() {
        let endless = b"220 ".repeat(MAX_BANNER);
        assert_eq!(recognise(&endless[..MAX_BANNER - 1]), None);
        let finding = recognise(&endless[..MAX_BANNER]).unwrap();
        assert!(finding.ends_with("...`, which is no IMAP greeting; it looks like an SMTP or FTP server"));
        assert_eq!(recognise(&endless), Some(finding));
    }

    #[test]
    fn more_is_waited_for_and_the_cut_does_not_matter() {
        let received = b"220 mx.example.org\r\nmore";
        for length in 0..received.len() {
            let finding = recognise(&received[..length]);
            assert_eq!(finding.is_some(), length >= 20, "{length}");
            assert!(finding.is_none() || finding == recognise(received));
        }
    }
}
