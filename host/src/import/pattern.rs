//! Regular expressions and templates of Go, held against what the plugins can do with them.

use std::fmt::Write;

use regex_lite::Regex;

/// A regular expression that means to the plugins what it does to Go; or why it is none. Left out is what few use:
/// classes of Unicode, `\Q…\E`, operators of sets within classes, and case that is ignored beyond ASCII. What the
/// two read differently is written so that both read the same.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    // An empty one matches everything, which has to be written down.
    let text = if text.is_empty() { "^" } else { text };
    let mut rewriter = Rewriter::default();
    rewriter.read(text);
    if rewriter.ignores_case && rewriter.leaves_ascii {
        return Err(format!(
            "`{text}` ignores the case of letters beyond ASCII, which the plugin does not"
        ));
    }
    Regex::new(&rewriter.written).map_err(|error| {
        format!("`{text}` is a regular expression that the plugin does not understand: {error}")
    })
}

/// Reads a regular expression as Go does, and writes it so that the plugins read the same. What is none stays none.
#[derive(Default)]
struct Rewriter {
    written: String,
    /// Whether a flag `i` is in it.
    ignores_case: bool,
    /// Whether it names a character beyond ASCII.
    leaves_ascii: bool,
}

impl Rewriter {
    fn read(&mut self, text: &str) {
        self.leaves_ascii |= !text.is_ascii();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let after = &rest[first.len_utf8()..];
            rest = match first {
                '\\' => self.escape(after),
                '[' => self.class(after),
                // One that repeats nothing is a brace.
                '{' if !repeats(after) => self.write("\\{", after),
                '(' => {
                    self.ignores_case |= flags(after).is_some_and(|flags| flags.contains('i'));
                    self.write("(", after)
                }
                _ => self.write(&rest[..first.len_utf8()], after),
            };
        }
    }

    /// Writes something, and goes on after it.
    fn write<'t>(&mut self, text: &str, after: &'t str) -> &'t str {
        self.written.push_str(text);
        after
    }

    /// What follows a `\`: to Go punctuation is itself, also where it is the edge of a word to the plugins.
    fn escape<'t>(&mut self, text: &'t str) -> &'t str {
        let Some(escaped) = text.chars().next() else {
            return self.write("\\", text);
        };
        let mut end = escaped.len_utf8();
        match escaped {
            '<' | '>' => return self.write(&text[..end], &text[end..]),
            'x' => {
                let (digits, length) = match text[end..].strip_prefix('{') {
                    Some(inner) => inner
                        .split_once('}')
                        .map_or(("", 0), |(digits, _)| (digits, digits.len() + 2)),
                    None => text.get(end..end + 2).map_or(("", 0), |digits| (digits, 2)),
                };
                let number = u32::from_str_radix(digits, 16);
                self.leaves_ascii |= number.is_ok_and(|number| number >= 0x80);
                end += length;
            }
            _ => {}
        }
        self.written.push('\\');
        self.write(&text[..end], &text[end..])
    }

    /// A class, from behind its bracket to behind the one that ends it.
    fn class<'t>(&mut self, text: &'t str) -> &'t str {
        self.written.push('[');
        let mut rest = match text.strip_prefix('^') {
            Some(after) => self.write("^", after),
            None => text,
        };
        if let Some(after) = rest.strip_prefix(']') {
            rest = self.write("]", after);
        } else if rest.starts_with("--") {
            // A range that begins with a hyphen, which the plugins take for two of them.
            rest = self.write("\\-", &rest[1..]);
        }
        while let Some(first) = rest.chars().next() {
            let length = match first {
                ']' => return self.write("]", &rest[1..]),
                '[' if rest.starts_with("[:") => rest.find(":]").map_or(1, |at| at + 2),
                _ => first.len_utf8(),
            };
            rest = match first {
                '\\' => self.escape(&rest[1..]),
                _ => self.write(&rest[..length], &rest[length..]),
            };
        }
        rest
    }
}

/// Whether a `{` before this text repeats what stands before it: `{2}`, `{2,}`, `{2,3}`, without spaces.
fn repeats(text: &str) -> bool {
    let Some((inner, _)) = text.split_once('}') else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inner.split_once(',') {
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
        None => is_number(inner),
    }
}

/// The flags that a group sets, from behind its bracket on.
fn flags(text: &str) -> Option<&str> {
    let text = text.strip_prefix('?')?;
    let end = text.find(|character: char| !character.is_ascii_alphabetic())?;
    text[end..].starts_with([':', ')', '-']).then_some(&text[..end])
}

/// A text that is sent as it is: no place of the plugin's in it.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A template of Go's `Regexp.Expand` as one of the plugin's: `$name` and `${name}` become `${name}`; what names
/// no group of the pattern is empty, as it is in Go.
pub(super) fn template(text: &str, pattern: &Regex) -> String {
    let mut turned = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        turned.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            turned.push_str("$$");
            rest = after;
            continue;
        }
        match place(rest) {
            Some((name, after)) => {
                if has_group(pattern, name) {
                    let _ = write!(turned, "${{{name}}}");
                }
                rest = after;
            }
            None => turned.push_str("$$"),
        }
    }
    turned.push_str(rest);
    turned
}

/// The name at the beginning of what follows a `$`, and what follows it.
fn place(text: &str) -> Option<(&str, &str)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let (name, after) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => text.split_at(text.find(|character| !is_word(character)).unwrap_or(text.len())),
    };
    (!name.is_empty() && name.chars().all(is_word)).then_some((name, after))
}

fn has_group(pattern: &Regex, name: &str) -> bool {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return name
            .parse::<usize>()
            .is_ok_and(|number| number < pattern.captures_len());
    }
    pattern.capture_names().flatten().any(|group| group == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_go_are_rewritten() {
        let pattern = pattern("(?P<name>x)(y)?").unwrap();
        for (text, wanted) in [
            ("PONG ${1}", "PONG ${1}"),
            ("$1 $name, ${name}x", "${1} ${name}, ${name}x"),
            ("$1x|${9}|$none|", "|||"),
            ("$$ $ ${ a$", "$$ $$ $${ a$$"),
            ("${a b}", "$${a b}"),
            ("$$1", "$$1"),
        ] {
            assert_eq!(template(text, &pattern), wanted, "{text}");
        }
        assert_eq!(literal("${1} $$"), "$${1} $$$$");
    }

    #[test]
    fn patterns_are_tried() {
        assert_eq!(pattern("").unwrap().as_str(), "^");
        assert!(pattern("^SSH-2.0-([^ -]+)(?: (.*))?$").is_ok());
        assert!(pattern("(").unwrap_err().contains("`(`"));
        assert!(pattern(r"\p{Greek}").is_err());
        // What ignores case there goes beyond ASCII.
        for text in ["(?i)ärger", r"a(?im:b\x{c4})", r"(?i)\xc4"] {
            let why = pattern(text).unwrap_err();
            assert!(why.contains("beyond ASCII"), "{text}: {why}");
        }
        for text in ["Ärger (?-i)", r"(?i)\x41\x{7a}", "(?P<i>ä)", r"\(?i:ä", "[(?i)]ä"] {
            assert_eq!(pattern(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_means_something_else_to_the_plugins_is_rewritten() {
        for (text, rewritten, matches, does_not) in [
            (r"\<b\>", "<b>", "a <b> c", "a b c"),
            (r"[\<x]", "[<x]", "<", "y"),
            (r"\\<", r"\\<", r"\<", "<"),
            (r"\b{start}", r"\b\{start}", "a{start}", "start"),
            ("a{2, 3}", r"a\{2, 3}", "a{2, 3}", "aaa"),
            ("a{ 2 }", r"a\{ 2 }", "a{ 2 }", "aa"),
            (r#"^{"up":"#, r#"^\{"up":"#, r#"{"up":1}"#, "up"),
            ("a{2}b{1,}c{1,2}", "a{2}b{1,}c{1,2}", "aabcc", "abc"),
            (r"\x{41}{2}", r"\x{41}{2}", "AA", "A"),
            ("[{]", "[{]", "{", "}"),
            ("[]{]{", r"[]{]\{", "]{", "{"),
            ("[^]{]{", r"[^]{]\{", "a{", "]{"),
            ("[[:alpha:]{]{1}", "[[:alpha:]{]{1}", "{", "1"),
            ("[--a]", r"[\--a]", "A", "~"),
            ("[-a]", "[-a]", "-", "A"),
        ] {
            let pattern = pattern(text).unwrap();
            assert_eq!(pattern.as_str(), rewritten, "{text}");
            assert!(pattern.is_match(matches), "{text}: {matches}");
            assert!(!pattern.is_match(does_not), "{text}: {does_not}");
        }
    }
}
