//! The little of TOML that a script of a server is written in. Pure.

use std::time::Duration;

/// A basic string. Both kinds of text, with escapes, are those of JSON, but for DEL.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\r' => quoted.push_str("\\r"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// An array of strings.
pub(super) fn strings<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| string(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A duration as bedcheck reads it: in whole seconds, milliseconds or microseconds. What is shorter is rounded up,
/// so that no duration becomes none.
pub(super) fn duration(duration: Duration) -> String {
    let micros = duration.as_nanos().div_ceil(1_000);
    match (micros % 1_000_000, micros % 1_000) {
        (0, _) => format!("{}s", micros / 1_000_000),
        (_, 0) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// Base64 (RFC 4648 section 4, with padding).
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (group >> (18 - 6 * digit)) & 0x3f;
            let is_padding = digit > chunk.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(ALPHABET[value as usize])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hold_whatever_they_have_to() {
        assert_eq!(
            string("a \"b\" \\ \r\n\t\u{1b}é\u{7f}"),
            r#""a \"b\" \\ \r\n\t\u001Bé\u007F""#
        );
        assert_eq!(strings(["a", "b"]), r#"["a", "b"]"#);
    }

    #[test]
    fn durations_have_the_longest_unit_that_holds_them() {
        for (nanoseconds, wanted) in [
            (0, "0s"),
            (1, "1us"),
            (1_500, "2us"),
            (2_000_000, "2ms"),
            (1_500_000_000, "1500ms"),
            (3_600_000_000_000, "3600s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanoseconds)), wanted);
        }
    }

    /// The vectors of RFC 4648 section 10, and bytes that are no text.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, wanted) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
            (b"\xff\xfe\xfd", "//79"),
        ] {
            assert_eq!(base64(bytes), wanted);
        }
    }
}
