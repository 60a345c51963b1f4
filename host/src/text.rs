//! Text from outside made harmless for a terminal and for one line. Pure. Measuring and wrapping it is the
//! business of `render`.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::SystemTime;

use serde::Serialize;
use time::OffsetDateTime;

/// The text with every character escaped that could steer a terminal, break the line, or hide or
/// reorder what stands around it.
///
/// These are the control characters C0, DEL and C1 (a terminal takes U+009B for `ESC [`), the line
/// and paragraph separators, and the invisible format characters, among them those that change the
/// direction of text. They are shown as Rust writes them: `\n`, `\u{1b}`, `\u{202e}`. A backslash
/// stays as it is, so that text which went through once is not changed by going through again.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_dangerous)
}

/// Whether a character is a control or an invisible format character.
pub fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}'                    // soft hyphen
            | '\u{61c}'                 // Arabic letter mark
            | '\u{115f}'..='\u{1160}'   // Hangul fillers
            | '\u{180e}'                // Mongolian vowel separator
            | '\u{200b}'..='\u{200f}'   // zero width characters and direction marks
            | '\u{2028}'..='\u{202e}'   // separators, embeddings and overrides of direction
            | '\u{2060}'..='\u{206f}'   // invisible operators, isolates of direction
            | '\u{3164}'                // Hangul filler
            | '\u{feff}'                // byte order mark
            | '\u{ffa0}'                // Hangul filler, half width
            | '\u{fff0}'..='\u{fffb}'   // interlinear annotations
            | '\u{e0000}'..='\u{e0fff}' // tags and variation selectors
        )
}

/// The text with those characters written as Rust writes them.
pub(crate) fn escaped(text: &str, escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&escape) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if escape(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// JSON without characters that could steer a terminal, which means the same: they are written as `\u` escapes
/// (RFC 8259 section 7). They stand in strings only: outside, JSON is plain ASCII.
pub fn harmless_json(line: &str) -> Cow<'_, str> {
    if is_harmless(line.as_bytes()) {
        return Cow::Borrowed(line);
    }
    let mut safe = String::with_capacity(line.len());
    for character in line.chars() {
        if is_dangerous(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Adds a value in this form.
///
/// # Errors
///
/// When the value has no form as JSON; something of it may have been added then.
pub fn push_harmless_json(text: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let begin = text.len();
    serde_json::to_writer(&mut *text, value)?;
    if !is_harmless(&text[begin..]) {
        let written = String::from_utf8_lossy(&text[begin..]);
        let safe = harmless_json(&written).into_owned();
        text.truncate(begin);
        text.extend_from_slice(safe.as_bytes());
    }
    Ok(())
}

/// Whether text is plain printable ASCII, in which nothing is dangerous, as most is.
fn is_harmless(text: &[u8]) -> bool {
    // A piece is looked at as a whole, which processors do for many bytes at once.
    let is_plain = |piece: &[u8]| {
        piece
            .iter()
            .fold(true, |all, byte| all & (b' '..=b'~').contains(byte))
    };
    text.chunks(64).all(is_plain)
}

/// Text of a plugin's or an engine's about it: [`printable`], and cut to `maximum` bytes.
pub fn told(text: &str, maximum: usize) -> String {
    let looked_at = &text[..text.floor_char_boundary(maximum)];
    let mut told = printable(looked_at).into_owned();
    if looked_at.len() < text.len() || told.len() > maximum {
        told.truncate(told.floor_char_boundary(maximum));
        told.push('…');
    }
    told
}

/// A moment by RFC 3339, UTC, with so many digits (1 to 9) of the second; none of a year that has more than four.
pub(crate) fn rfc3339(moment: SystemTime, digits: u8) -> Option<String> {
    let moment = OffsetDateTime::from(moment);
    let year = u32::try_from(moment.year()).ok().filter(|year| *year <= 9999)?;
    let mut text = String::with_capacity("2026-01-01T00:00:00.000000000Z".len());
    push_digits(&mut text, year, 4);
    for (before, number) in [
        ('-', u8::from(moment.month())),
        ('-', moment.day()),
        ('T', moment.hour()),
        (':', moment.minute()),
        (':', moment.second()),
    ] {
        text.push(before);
        push_digits(&mut text, u32::from(number), 2);
    }
    text.push('.');
    let finer = 10_u32.pow(9_u32.saturating_sub(u32::from(digits)));
    push_digits(&mut text, moment.nanosecond() / finer, digits);
    text.push('Z');
    Some(text)
}

/// Appends a number with as many digits as are asked for, zeros before it.
fn push_digits(text: &mut String, number: u32, digits: u8) {
    for place in (0..u32::from(digits)).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.extend(char::from_digit(digit, 10));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::format_description;

    use super::*;

    #[test]
    fn moments_are_written_as_their_format_says() {
        let milliseconds =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let microseconds =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
        // Some hours less than the days of a leap year, over four thousand years.
        let step = Duration::new(31_600_003, 123_456_789);
        for direction in [1, -1] {
            for steps in 0..4000 {
                let passed = step * steps;
                let moment = match direction {
                    1 => SystemTime::UNIX_EPOCH + passed,
                    _ => SystemTime::UNIX_EPOCH - passed / 3,
                };
                let slow = OffsetDateTime::from(moment);
                assert_eq!(rfc3339(moment, 3), slow.format(&milliseconds).ok());
                assert_eq!(rfc3339(moment, 6), slow.format(&microseconds).ok());
            }
        }
    }

    #[test]
    fn harmless_text_is_borrowed() {
        let text = r"Größe 日本語 🛏 \o/";
        assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        assert_eq!(
            printable("\x1b[2J\x1b]0;title\x07"),
            r"\u{1b}[2J\u{1b}]0;title\u{7}"
        );
        assert_eq!(
            printable("csi \u{9b}31m, osc \u{9d}"),
            r"csi \u{9b}31m, osc \u{9d}"
        );
        assert_eq!(printable("a\r\nb\tc\0\x7f\x08"), r"a\r\nb\tc\u{0}\u{7f}\u{8}");
    }

    #[test]
    fn what_hides_or_reorders_text_is_shown_instead() {
        assert_eq!(
            printable("a\u{202e}b\u{2066}c\u{200f}"),
            r"a\u{202e}b\u{2066}c\u{200f}"
        );
        assert_eq!(
            printable("a\u{200b}\u{feff}\u{2028}\u{e0041}"),
            r"a\u{200b}\u{feff}\u{2028}\u{e0041}"
        );
    }

    #[test]
    fn going_through_twice_changes_nothing() {
        let once = printable("\x1b[31m\\n\u{202e}").into_owned();
        assert_eq!(printable(&once), once);
    }

    #[test]
    fn json_means_the_same_when_it_is_harmless() {
        for text in [
            "plain",
            "a \"quote\"\n",
            "Größe",
            "csi \u{9b}31m",
            "a\u{202e}b\u{e0041}",
            "\x7f",
        ] {
            let json = serde_json::to_string(text).unwrap();
            let mut pushed = b"before ".to_vec();
            push_harmless_json(&mut pushed, &text).unwrap();
            let safe = harmless_json(&json);
            assert_eq!(pushed, [b"before ", safe.as_bytes()].concat());
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
            assert!(!safe.chars().any(is_dangerous), "{safe:?}");
        }
    }

    #[test]
    fn what_is_told_has_a_bound() {
        assert_eq!(told("fine", 4), "fine");
        assert_eq!(told("\x1b[31mred", 8), r"\u{1b}[3…");
        assert_eq!(told(&"日".repeat(1000), 7), "日日…");
    }
}
