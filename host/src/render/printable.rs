//! Text from outside made harmless for a terminal and for one line, and measured in the terminal's
//! columns: escaping, shortening, wrapping. Pure.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

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

/// As [`printable`], with everything outside ASCII escaped as well, for locales that would take its
/// bytes for other characters, some of them control characters.
pub(super) fn printable_ascii(text: &str) -> Cow<'_, str> {
    escaped(text, |character| !character.is_ascii() || is_dangerous(character))
}

/// Whether a character is a control or an invisible format character.
pub(super) fn is_dangerous(character: char) -> bool {
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

fn escaped(text: &str, escape: impl Fn(char) -> bool) -> Cow<'_, str> {
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

/// Columns a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// The text, cut to at most so many columns; what is cut ends with `ellipsis`.
pub(super) fn fit<'text>(text: &'text str, width: usize, ellipsis: &str) -> Cow<'text, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let kept = prefix(text, width.saturating_sub(columns(ellipsis)));
    Cow::Owned(format!("{kept}{}", prefix(ellipsis, width)))
}

/// The text cut or filled up with spaces to so many columns.
pub(super) fn column(text: &str, width: usize, ellipsis: &str) -> String {
    let mut cell = fit(text, width, ellipsis).into_owned();
    cell.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(&cell))));
    cell
}

/// The text in lines of at most `width` columns, broken at spaces where there are any. What does not
/// fit `most` lines is cut, and ends with `ellipsis`.
pub(super) fn wrap(text: &str, width: usize, most: usize, ellipsis: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if lines.len() + 1 == most {
            lines.push(fit(rest, width, ellipsis).into_owned());
            break;
        }
        let line = first_line(rest, width);
        rest = rest[line.len()..].trim_start();
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The part of a text that goes on the first line: never empty, so that wrapping comes to an end.
fn first_line(text: &str, width: usize) -> &str {
    if columns(text) <= width {
        return text;
    }
    let fitting = prefix(text, width);
    if text[fitting.len()..].starts_with(' ') {
        return fitting;
    }
    match fitting.rfind(' ') {
        Some(space) if space > 0 => &fitting[..space],
        _ if fitting.is_empty() => &text[..text.ceil_char_boundary(1)],
        _ => fitting,
    }
}

/// The longest beginning of a text that takes at most so many columns.
fn prefix(text: &str, width: usize) -> &str {
    // Not the sum of its characters' columns: some change how the one before them is shown.
    for (at, character) in text.char_indices() {
        if columns(&text[..at + character.len_utf8()]) > width {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn outside_utf8_only_ascii_is_left() {
        assert_eq!(printable_ascii("Û\n~"), r"\u{db}\n~");
    }

    #[test]
    fn shortening_counts_columns_and_keeps_characters_whole() {
        assert_eq!(fit("abcdef", 6, "…"), "abcdef");
        assert_eq!(fit("abcdefg", 6, "…"), "abcde…");
        assert_eq!(fit("日本語日本語", 6, "…"), "日本…");
        assert_eq!(column("日本", 6, "…"), "日本  ");
        assert_eq!(fit("abcdefg", 2, "..."), "..");
    }

    #[test]
    fn wrapping_breaks_at_spaces_and_stops_at_the_last_line() {
        assert_eq!(wrap("one two three", 8, 9, "…"), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4, 9, "…"), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("one two three four", 8, 2, "…"), ["one two", "three f…"]);
        assert_eq!(wrap("日本", 1, 9, "…"), ["日", "本"]);
        assert!(wrap("  ", 8, 2, "…").is_empty());
    }
}
