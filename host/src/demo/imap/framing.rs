//! Where an IMAP command ends: its literals span lines (RFC 3501 section 4.3, LITERAL+ of RFC 7888).
//! Pure; what a command consists of is in `command`.

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
                return if self.buffer.len() > MAX_COMMAND {
                    Frame::TooLong
                } else {
                    Frame::Incomplete
                };
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
pub(super) struct Literal {
    pub(super) length: usize,
    synchronizing: bool,
}

impl Literal {
    /// The literal that a line ends by announcing. A quoted string cannot be mistaken for one: the line
    /// would end with its quote.
    pub(super) fn announced(line: &[u8]) -> Option<Self> {
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
        Some(Self {
            length: usize::try_from(length).ok()?,
            synchronizing,
        })
    }
}

/// Where the first line ends: the position of its CRLF.
pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What bytes amount to, frame by frame.
    fn read(framing: &mut Framing, bytes: &[u8]) -> Vec<String> {
        framing.push(bytes);
        let mut frames = Vec::new();
        loop {
            match framing.next() {
                Frame::Incomplete => return frames,
                Frame::Awaited => frames.push("awaited".to_owned()),
                Frame::Complete(frame) => frames.push(frame.escape_ascii().to_string()),
                Frame::TooLong => {
                    frames.push("too long".to_owned());
                    return frames;
                }
            }
        }
    }

    #[test]
    fn literals_belong_to_their_command() {
        let cases: [(&[u8], &[&str]); 7] = [
            (b"a NOOP\r\nb NOOP\r\nc NO", &["a NOOP", "b NOOP"]),
            (
                b"a X {3+}\r\n\r\na {2+}\r\nbc\r\nb",
                &[r"a X {3+}\r\n\r\na {2+}\r\nbc"],
            ),
            (
                b"a X {1}\r\na {0}\r\n\r\n",
                &["awaited", "awaited", r"a X {1}\r\na {0}\r\n"],
            ),
            (b"a X {0}\r\n", &["awaited"]),
            (b"a X \"{3}\"\r\n", &[r#"a X \"{3}\""#]),
            (
                b"a X {}\r\na X {x}\r\na X {-1}\r\n",
                &["a X {}", "a X {x}", "a X {-1}"],
            ),
            (b"a NOOP\n", &[]),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(
                read(&mut Framing::default(), bytes),
                wanted,
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let mut framing = Framing::default();
        let bytes = b"a X {2}\r\nbc {2+}\r\n\r\n q\r\nb NOOP\r\n";
        let frames: Vec<_> = bytes
            .iter()
            .flat_map(|&byte| read(&mut framing, &[byte]))
            .collect();
        assert_eq!(frames, ["awaited", r"a X {2}\r\nbc {2+}\r\n\r\n q", "b NOOP"]);
    }

    #[test]
    fn commands_are_bounded_and_conversations_are_not() {
        assert_eq!(
            read(&mut Framing::default(), &[b'a'; MAX_COMMAND + 1]),
            ["too long"]
        );
        assert_eq!(
            read(&mut Framing::default(), b"a X {4294967295+}\r\n"),
            ["too long"]
        );
        assert_eq!(read(&mut Framing::default(), b"a X {16385}\r\n"), ["too long"]);
        let half = [b" {9000+}\r\n".as_slice(), &[b'x'; 9000]].concat();
        assert_eq!(
            read(
                &mut Framing::default(),
                &[b"a X", &half[..], &half, b"\r\n"].concat()
            ),
            ["too long"]
        );
        let many = b"a NOOP\r\n".repeat(MAX_COMMAND / 4);
        assert_eq!(read(&mut Framing::default(), &many).len(), MAX_COMMAND / 4);
    }
}
