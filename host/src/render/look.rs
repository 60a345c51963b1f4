//! What the terminal can show: its width, its characters, its colours. The caller finds out; here
//! is only what follows from it. Pure.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};

use super::printable::{column, fit, printable_ascii, wrap};
use crate::text::printable;

/// How text for people is laid out.
#[derive(Debug, Clone)]
pub struct Look {
    width: usize,
    charset: Charset,
    palette: Palette,
}

/// Which characters the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Everything, bars as block elements.
    Unicode,
    /// ASCII only; everything else is escaped.
    Ascii,
}

/// The colours. Each is empty when colours are off, and text is then plain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Palette {
    /// What went well.
    pub pass: Style,
    /// What went well in the end, or was not run.
    pub warning: Style,
    /// What failed.
    pub fail: Style,
    /// What could not be judged.
    pub error: Style,
    /// Names, and the phase that failed.
    pub strong: Style,
    /// What matters less.
    pub dim: Style,
    /// The deadline's mark.
    pub deadline: Style,
}

impl Look {
    /// The width when nobody knows it, in columns: fits a report of long phase names, and most
    /// terminals and mails.
    pub const DEFAULT_WIDTH: usize = 100;
    /// Narrower terminals are written to as if they had this width, in columns: bars need the rest.
    pub const MIN_WIDTH: usize = 60;
    /// Wider terminals are not filled, in columns: the eye loses a longer row.
    pub const MAX_WIDTH: usize = 160;

    /// A look for a terminal of so many columns, if that is known.
    pub fn new(width: Option<usize>, charset: Charset, palette: Palette) -> Self {
        let width = width
            .unwrap_or(Self::DEFAULT_WIDTH)
            .clamp(Self::MIN_WIDTH, Self::MAX_WIDTH);
        Self {
            width,
            charset,
            palette,
        }
    }

    /// Columns in a line.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The characters that may be used.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// The colours that may be used.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// Text from outside, made harmless.
    pub(super) fn text<'text>(&self, text: &'text str) -> Cow<'text, str> {
        match self.charset {
            Charset::Unicode => printable(text),
            Charset::Ascii => printable_ascii(text),
        }
    }

    /// Harmless text cut to so many columns.
    pub(super) fn fit<'text>(&self, text: &'text str, width: usize) -> Cow<'text, str> {
        fit(text, width, self.ellipsis())
    }

    /// Harmless text cut or filled up to so many columns.
    pub(super) fn column(&self, text: &str, width: usize) -> String {
        column(text, width, self.ellipsis())
    }

    /// Harmless text in lines that begin with `indent` spaces, at most `most` of them.
    pub(super) fn paragraph(&self, text: &str, indent: usize, most: usize, style: Style) -> Vec<String> {
        let lines = wrap(text, self.width.saturating_sub(indent), most, self.ellipsis());
        let margin = " ".repeat(indent);
        lines
            .iter()
            .map(|line| format!("{margin}{}", paint(style, line)))
            .collect()
    }

    fn ellipsis(&self) -> &'static str {
        match self.charset {
            Charset::Unicode => "…",
            Charset::Ascii => "...",
        }
    }
}

impl Charset {
    /// The characters of a locale, from the values of `LC_ALL`, `LC_CTYPE` and `LANG`: the first
    /// that is set and not empty counts (POSIX.1-2024 base definitions, section 8.2).
    pub fn of_locale(lc_all: Option<&str>, lc_ctype: Option<&str>, lang: Option<&str>) -> Self {
        let locale = [lc_all, lc_ctype, lang]
            .into_iter()
            .flatten()
            .find(|value| !value.is_empty());
        let codeset = locale.unwrap_or_default().to_ascii_lowercase().replace('-', "");
        if codeset.contains("utf8") {
            Self::Unicode
        } else {
            Self::Ascii
        }
    }
}

impl Palette {
    /// No colours.
    pub fn plain() -> Self {
        Self::default()
    }

    /// The colours for a terminal: of the 16 every terminal has, so that its theme applies.
    pub fn coloured() -> Self {
        Self {
            pass: AnsiColor::Green.on_default(),
            warning: AnsiColor::Yellow.on_default(),
            fail: AnsiColor::Red.on_default(),
            error: AnsiColor::Magenta.on_default(),
            strong: Style::new().bold(),
            dim: Style::new().dimmed(),
            deadline: AnsiColor::Yellow.on_default().bold(),
        }
    }

    /// The colours that a decision of `anstream` asks for
    /// (`AutoStream::choice(&stdout)`, which knows terminals, `NO_COLOR` and `CLICOLOR_FORCE`).
    pub fn for_choice(choice: anstream::ColorChoice) -> Self {
        match choice {
            anstream::ColorChoice::Never => Self::plain(),
            _ => Self::coloured(),
        }
    }
}

/// The text in a style.
pub(super) fn paint(style: Style, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{style}{text}{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_has_a_default_and_bounds() {
        let width = |known| Look::new(known, Charset::Unicode, Palette::plain()).width();
        assert_eq!(
            [width(None), width(Some(20)), width(Some(132)), width(Some(500))],
            [100, 60, 132, 160]
        );
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let of = Charset::of_locale;
        assert_eq!(of(None, None, Some("de_DE.UTF-8")), Charset::Unicode);
        assert_eq!(of(Some(""), Some("C.utf8"), Some("C")), Charset::Unicode);
        assert_eq!(
            of(Some("C"), Some("C.UTF-8"), Some("en_US.UTF-8")),
            Charset::Ascii
        );
        assert_eq!(of(None, None, None), Charset::Ascii);
    }

    #[test]
    fn no_colours_means_no_escape_sequences() {
        let never = Palette::for_choice(anstream::ColorChoice::Never);
        assert_eq!(paint(never.fail, "text"), "text");
        let always = Palette::for_choice(anstream::ColorChoice::Always);
        assert_eq!(paint(always.fail, "text"), "\u{1b}[31mtext\u{1b}[0m");
    }
}
