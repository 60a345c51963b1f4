//! IMAP commands out of bytes: where one ends (literals span lines) and what it consists of (RFC 3501
//! section 9, LITERAL+ of RFC 7888). Pure; what a command does is in `dialogue`.

use std::mem;

/// The longest command that is taken, in bytes and with its literals: several times what a login with
/// the longest names needs, and little enough to hold for every connection.
pub(crate) const MAX_COMMAND: usize = 16 * 1024;

/// Received bytes on their way to commands.
#[derive(Default)]
pub(crate) struct Framing {
    buffer: Vec<u8>,
    /// Up to here the buffer holds whole lines and literals of one unfinished command.
    scanned: usize,
    /// Whether the client was told to go on with the literal at `scanned`.
    invited: bool,
}

/// What the received bytes amount to.
pub(crate) enum Frame {
    /// Part of a command.
    Incomplete,
    /// Part of a command, and the client waits for `+` before it sends a literal.
    Awaited,
    /// A command, or an answer to `+`, without the CRLF at its end.
    Complete(Vec<u8>),
    /// A command beyond [`MAX_COMMAND`]; nothing can be read after it.
    TooLong,
}

impl Framing {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Forgets what has been received and not been taken.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the next command. To be called until it is incomplete.
    pub(crate) fn next(&mut self) -> Frame {
        loop {
            let Some(line_end) = line_end(&self.buffer[self.scanned..]).map(|end| self.scanned + end) else {
                return if self.buffer.len() > MAX_COMMAND { Frame::TooLong } else { Frame::Incomplete };
            };
            if line_end > MAX_COMMAND {
                return Frame::TooLong;
            }
            let Some(literal) = Literal::announced(&self.buffer[self.scanned..line_end]) else {
                let rest = self.buffer.split_off(line_end + 2);
                let mut command = mem::replace(&mut self.buffer, rest);
                command.truncate(line_end);
                self.scanned = 0;
                return Frame::Complete(command);
            };
            if literal.length > MAX_COMMAND {
                return Frame::TooLong;
            }
            if literal.synchronizing && !self.invited {
                self.invited = true;
                return Frame::Awaited;
            }
            let literal_end = line_end + 2 + literal.length;
            if self.buffer.len() < literal_end {
                return Frame::Incomplete;
            }
            self.scanned = literal_end;
            self.invited = false;
        }
    }
}

/// The announcement of a literal: `{3}`, or `{3+}` when the client does not wait to be invited.
struct Literal {
    length: usize,
    synchronizing: bool,
}

impl Literal {
    /// The literal that a line ends by announcing. A quoted string cannot be mistaken for one: the line
    /// would end with its quote.
    fn announced(line: &[u8]) -> Option<Self> {
        let inner = line.strip_suffix(b"}")?;
        let open = inner.iter().rposition(|&byte| byte == b'{')?;
        let number = &inner[open + 1..];
        let (digits, synchronizing) = match number.strip_suffix(b"+") {
            Some(digits) => (digits, false),
            None => (number, true),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // RFC 3501 section 9: a number has 32 bits.
        let length: u32 = str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self { length: usize::try_from(length).ok()?, synchronizing })
    }
}

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

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

fn split_while(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What bytes amount to, one word per frame: the arguments between slashes, or what is missing.
    fn read(framing: &mut Framing, bytes: &[u8]) -> Vec<String> {
        framing.push(bytes);
        let mut frames = Vec::new();
        loop {
            match framing.next() {
                Frame::Incomplete => return frames,
                Frame::Awaited => frames.push("awaited".to_owned()),
                Frame::TooLong => {
                    frames.push("too long".to_owned());
                    return frames;
                }
                Frame::Complete(frame) => frames.push(describe(&frame)),
            }
        }
    }

    fn describe(frame: &[u8]) -> String {
        match Command::parse(frame) {
            Ok(Command { tag, name, arguments }) => {
                let arguments: Vec<_> = arguments.iter().map(|argument| argument.escape_ascii().to_string()).collect();
                format!("{tag} {name} /{}/", arguments.join("/"))
            }
            Err(Malformed { tag }) => format!("malformed {}", tag.unwrap_or_default()),
        }
    }

    #[test]
    fn strings_come_as_atoms_quoted_and_literals() {
        let cases: [(&[u8], &[&str]); 9] = [
            (b"a login probe secret\r\n", &["a LOGIN /probe/secret/"]),
            (b"a LOGIN \"pro be\" \"\\\"\\\\\"\r\n", &["a LOGIN /pro be/\\\"\\\\/"]),
            (b"a LOGIN {5+}\r\nprobe {4+}\r\na\r\nb\r\n", &["a LOGIN /probe/a\\r\\nb/"]),
            (b"a LOGIN {5}\r\nprobe {0}\r\n\r\n", &["awaited", "awaited", "a LOGIN /probe//"]),
            (b"a LOGIN x \"{3}\"\r\n", &["a LOGIN /x/{3}/"]),
            (b"a NOOP\r\nb NOOP\r\n", &["a NOOP //", "b NOOP //"]),
            (b"a AUTHENTICATE PLAIN =\r\n", &["a AUTHENTICATE /PLAIN/=/"]),
            (b"a SELECT {5+}\r\nINBOX\r\nb NO", &["a SELECT /INBOX/"]),
            (b"a NOOP", &[]),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(read(&mut Framing::default(), bytes), wanted, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let mut framing = Framing::default();
        let bytes = b"a LOGIN {5}\r\nprobe {2+}\r\n\r\n \"q\"\r\nb NOOP\r\n";
        let frames: Vec<_> = bytes.iter().flat_map(|&byte| read(&mut framing, &[byte])).collect();
        assert_eq!(frames, ["awaited", "a LOGIN /probe/\\r\\n/q/", "b NOOP //"]);
    }

    #[test]
    fn what_is_no_command_is_malformed() {
        let cases: [&[u8]; 10] = [
            b"", b" ", b"a", b"a ", b"a  NOOP", b"a LOGIN ", b"a SELECT (x)", b"a LOGIN \"x", b"a LOGIN \"\\x\"", b"+ NOOP",
        ];
        for frame in cases {
            assert!(describe(frame).starts_with("malformed"), "{}", frame.escape_ascii());
        }
    }

    #[test]
    fn commands_are_bounded_and_conversations_are_not() {
        assert_eq!(read(&mut Framing::default(), &[b'a'; MAX_COMMAND + 1]), ["too long"]);
        assert_eq!(read(&mut Framing::default(), b"a LOGIN {4294967295+}\r\n"), ["too long"]);
        assert_eq!(read(&mut Framing::default(), b"a LOGIN {16385}\r\n"), ["too long"]);
        let many = b"a NOOP\r\n".repeat(MAX_COMMAND / 4);
        assert_eq!(read(&mut Framing::default(), &many).len(), MAX_COMMAND / 4);
        let repeated = b" {9000+}\r\n".iter().copied().chain([b'x'; 9000]).collect::<Vec<_>>().repeat(2);
        assert_eq!(read(&mut Framing::default(), &[b"a LOGIN", &repeated[..], b"\r\n"].concat()), ["too long"]);
    }
}
