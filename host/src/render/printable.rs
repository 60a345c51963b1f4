//! Text measured in the terminal's columns: shortening, wrapping; and ASCII for terminals that know nothing
//! else. Pure.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

use crate::text::{escaped, is_dangerous};

/// As [`printable`], with everything outside ASCII escaped as well, for locales that would take its
/// bytes for other characters, some of them control characters.
pub(super) fn printable_ascii(text: &str) -> Cow<'_, str> {
    escaped(text, |character| !character.is_ascii() || is_dangerous(character))
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
