//! What an IMAP command consists of (RFC 3501 section 9). Pure; where it ends is found in `framing`, what
//! it does is in `dialogue`.

use super::framing::{Literal, line_end};

/// A command: `TAG NAME ARGUMENT...`. Not printable, for its arguments can hold a password.
pub(crate) struct Command {
    pub(crate) tag: String,
    /// In upper case.
    pub(crate) name: String,
    /// Atoms, quoted strings and literals alike, unquoted.
    pub(crate) arguments: Vec<Vec<u8>>,
}

/// A command that is none, with its tag where there is one to answer to.
pub(crate) struct Malformed {
    pub(crate) tag: Option<String>,
}

impl Command {
    /// Parses what [`Framing`] found.
    ///
    /// # Errors
    /// When it is not of the form that [`Command`] has; a list in parentheses is not.
    pub(crate) fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let (tag, rest) = split_while(frame, is_tag);
        if tag.is_empty() {
            return Err(Malformed { tag: None });
        }
        let tag = String::from_utf8_lossy(tag).into_owned();
        match name_and_arguments(rest) {
            Some((name, arguments)) => Ok(Self { tag, name, arguments }),
            None => Err(Malformed { tag: Some(tag) }),
        }
    }
}

fn name_and_arguments(bytes: &[u8]) -> Option<(String, Vec<Vec<u8>>)> {
    let (name, mut rest) = split_while(bytes.strip_prefix(b" ")?, |byte| byte.is_ascii_alphanumeric());
    if name.is_empty() {
        return None;
    }
    let mut arguments = Vec::new();
    while !rest.is_empty() {
        let (argument, after) = astring(rest.strip_prefix(b" ")?)?;
        arguments.push(argument);
        rest = after;
    }
    Some((String::from_utf8_lossy(name).to_ascii_uppercase(), arguments))
}

fn astring(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    match bytes.first()? {
        b'"' => quoted(&bytes[1..]),
        b'{' => {
            let announced = line_end(bytes)?;
            let literal = Literal::announced(&bytes[..announced])?;
            let (value, rest) = bytes[announced + 2..].split_at_checked(literal.length)?;
            Some((value.to_vec(), rest))
        }
        _ => {
            let (atom, rest) = split_while(bytes, is_astring);
            (!atom.is_empty()).then(|| (atom.to_vec(), rest))
        }
    }
}

/// The rest of a quoted string, after its opening quote.
fn quoted(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some((value, &bytes[at + 1..])),
            b'\\' => {
                at += 1;
                let escaped = *bytes.get(at)?;
                if !matches!(escaped, b'"' | b'\\') {
                    return None;
                }
                value.push(escaped);
            }
            b'\r' | b'\n' | 0 => return None,
            byte => value.push(byte),
        }
        at += 1;
    }
}

fn is_tag(byte: u8) -> bool {
    is_astring(byte) && byte != b'+'
}

fn is_astring(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}

fn split_while(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(
        bytes
            .iter()
            .position(|&byte| !belongs(byte))
            .unwrap_or(bytes.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command amounts to: its arguments between slashes.
    fn parse(frame: &[u8]) -> String {
        match Command::parse(frame) {
            Ok(Command { tag, name, arguments }) => {
                let arguments: Vec<_> = arguments
                    .iter()
                    .map(|argument| String::from_utf8_lossy(argument))
                    .collect();
                format!("{tag} {name} /{}/", arguments.join("/"))
            }
            Err(Malformed { tag }) => format!("malformed {}", tag.unwrap_or_default()),
        }
    }

    #[test]
    fn strings_come_as_atoms_quoted_and_literals() {
        let cases: [(&[u8], &str); 7] = [
            (b"a NOOP", "a NOOP //"),
            (b"a login probe se]cret", "a LOGIN /probe/se]cret/"),
            (br#"a LOGIN "pro be" "\"\\""#, r#"a LOGIN /pro be/"\/"#),
            (b"a LOGIN {5+}\r\nprobe {4}\r\na\r\nb", "a LOGIN /probe/a\r\nb/"),
            (b"a LOGIN {0}\r\n \"\"", "a LOGIN ///"),
            (b"a LOGIN x \"{3}\"", "a LOGIN /x/{3}/"),
            (b"a AUTHENTICATE PLAIN =", "a AUTHENTICATE /PLAIN/=/"),
        ];
        for (frame, wanted) in cases {
            assert_eq!(parse(frame), wanted, "{}", frame.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_command_is_malformed() {
        let tagged: [&[u8]; 9] = [
            b"a",
            b"a ",
            b"a  NOOP",
            b"a LOGIN ",
            b"a SELECT (x)",
            b"a LOGIN \"x",
            br#"a LOGIN "\x""#,
            b"a LOGIN {4}\r\nabc",
            b"a LOGIN {1}\r\nabc",
        ];
        for frame in tagged {
            assert_eq!(parse(frame), "malformed a", "{}", frame.escape_ascii());
        }
        for frame in [b"".as_slice(), b" ", b"+ NOOP", b"* NOOP"] {
            assert_eq!(parse(frame), "malformed ", "{}", frame.escape_ascii());
        }
    }
}
