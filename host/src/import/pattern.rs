//! Regular expressions and templates of Go, held against what the plugins can do with them.

use std::fmt::Write;

use regex_lite::Regex;

/// A regular expression that the plugins understand as Go does; or why it is none. The two differ in what few
/// use: classes of Unicode, `\Q…\E`, and a `{` that repeats nothing.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    // An empty one matches everything, which has to be written down.
    let text = if text.is_empty() { "^" } else { text };
    Regex::new(text).map_err(|error| {
        format!("`{text}` is a regular expression that the plugin does not understand: {error}")
    })
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
    }
}
