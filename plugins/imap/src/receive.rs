//! Cuts the byte stream into responses, literals included, within bounded sizes. What a response says
//! is not looked at here.

use bedcheck_sdk::Failure;
use memchr::memchr;

use crate::response::Kind;
use crate::text;

/// The most bytes of one response, its literals included. What this check asks for is answered in
/// lines of a few hundred bytes; the longest seen in use are capability lists of about 2 KiB.
pub(crate) const MAX_RESPONSE: usize = 64 * 1024;

/// Bytes received, of which the last response is taken.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    buffer: Vec<u8>,
    /// Where the last response that was taken begins.
    last: usize,
    /// Up to where the buffer has been taken. It is cut there when more comes: moving what is left for each response
    /// would be most of what reading short ones costs.
    taken: usize,
    /// Where the line that is being searched begins, from there; behind the buffer's end inside a literal.
    line: usize,
    /// Up to where that line has been searched for its end.
    searched: usize,
    /// What the response is, found at its first literal: it may have thousands of them.
    kind: Option<Kind>,
}

impl Receiver {
    /// Adds what was received.
    pub(crate) fn push(&mut self, bytes: Vec<u8>) {
        if self.pending().is_empty() {
            self.buffer = bytes;
        } else {
            self.buffer.drain(..self.taken);
            self.buffer.extend_from_slice(&bytes);
        }
        (self.last, self.taken) = (0, 0);
    }

    /// What has not been taken yet.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// The response that was taken last, with the CRLF at its end; nothing once more was received after it.
    pub(crate) fn last(&self) -> &[u8] {
        &self.buffer[self.last..self.taken]
    }

    /// Takes the next response, or says that it is not whole.
    pub(crate) fn take(&mut self) -> Result<bool, Failure> {
        loop {
            let pending = &self.buffer[self.taken..];
            let Some(unsearched) = pending.get(self.searched..) else {
                return Ok(false);
            };
            let Some(at) = memchr(b'\n', unsearched) else {
                self.searched = pending.len();
                bounded(self.searched)?;
                return Ok(false);
            };
            let end = self.searched + at + 1;
            bounded(end)?;
            let Some(line) = pending[self.line..end].strip_suffix(b"\r\n") else {
                let line = text::escaped(&pending[self.line..end]);
                return Err(Failure::unexpected_response(format!(
                    "the server ends the line `{line}` with LF alone: CRLF is wanted"
                )));
            };
            match announced_literal(line) {
                Some(length) if *self.kind.get_or_insert_with(|| Kind::of(pending)) == Kind::Data => {
                    self.line = end.saturating_add(length);
                    self.searched = self.line;
                    bounded(self.line)?;
                }
                _ => {
                    (self.line, self.searched, self.kind) = (0, 0, None);
                    self.last = self.taken;
                    self.taken += end;
                    return Ok(true);
                }
            }
        }
    }
}

fn bounded(length: usize) -> Result<(), Failure> {
    if length > MAX_RESPONSE {
        return Err(Failure::too_large(format!(
            "the server sends a response of more than {MAX_RESPONSE} bytes"
        )));
    }
    Ok(())
}

/// The length of the literal that a line announces at its end (RFC 9051 section 4.3).
fn announced_literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&byte| byte == b'{')?;
    let digits = std::str::from_utf8(&inner[open + 1..]).ok()?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // More than a `usize` holds is over every bound as well.
    Some(digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use bedcheck_sdk::Reason;

    use super::*;

    const STREAM: &[u8] = b"* OK hello\r\n\
        * LIST () \"/\" {5}\r\nA\r\n{2\r\n\
        * LIST () {1}\r\n/ {6}\r\nin\r\nox\r\n\
        * LIST () \"/\" {0}\r\n\r\n\
        * OK a text may end like a literal {7}\r\n\
        A1 NO and here {3}\r\n\
        + go on {4}\r\n\
        * LIST () \"/\" \"quoted {9}\"\r\n";

    const RESPONSES: [&[u8]; 8] = [
        b"* OK hello\r\n",
        b"* LIST () \"/\" {5}\r\nA\r\n{2\r\n",
        b"* LIST () {1}\r\n/ {6}\r\nin\r\nox\r\n",
        b"* LIST () \"/\" {0}\r\n\r\n",
        b"* OK a text may end like a literal {7}\r\n",
        b"A1 NO and here {3}\r\n",
        b"+ go on {4}\r\n",
        b"* LIST () \"/\" \"quoted {9}\"\r\n",
    ];

    /// Everything that can be taken once these pieces have been received one after the other.
    fn take_all<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Failure> {
        let mut receiver = Receiver::default();
        let mut responses = Vec::new();
        for piece in pieces {
            receiver.push(piece.to_vec());
            assert!(receiver.last().is_empty());
            while receiver.take()? {
                responses.push(receiver.last().to_vec());
            }
        }
        Ok(responses)
    }

    #[test]
    fn the_cut_of_the_stream_does_not_matter() {
        assert_eq!(take_all([STREAM]).unwrap(), RESPONSES);
        assert_eq!(take_all(STREAM.chunks(1)).unwrap(), RESPONSES);
        for at in 0..=STREAM.len() {
            let (start, end) = STREAM.split_at(at);
            assert_eq!(take_all([start, end]).unwrap(), RESPONSES, "cut at {at}");
        }
    }

    #[test]
    fn a_part_of_a_response_stays_pending() {
        let mut receiver = Receiver::default();
        receiver.push(b"* LIST () \"/\" {5}\r\nab".to_vec());
        assert!(!receiver.take().unwrap());
        assert_eq!(receiver.pending(), b"* LIST () \"/\" {5}\r\nab");
    }

    #[test]
    fn over_long_responses_are_refused_wherever_they_are_cut() {
        let longest = [b"* OK ".as_slice(), &vec![b'x'; MAX_RESPONSE - 7], b"\r\n"].concat();
        assert_eq!(
            take_all([longest.as_slice()]).unwrap(),
            std::slice::from_ref(&longest)
        );
        let longer = [b"* OK ".as_slice(), &vec![b'x'; MAX_RESPONSE - 6], b"\r\n"].concat();
        let endless = vec![b'x'; MAX_RESPONSE + 1];
        let literal = b"* LIST () \"/\" {65536}\r\n".to_vec();
        let huge_literal = b"* LIST () \"/\" {99999999999999999999999}\r\n".to_vec();
        for refused in [longer, endless, literal, huge_literal] {
            for size in [1, 1000, refused.len()] {
                let failure = take_all(refused.chunks(size)).unwrap_err();
                assert!(matches!(failure.reason(), Reason::TooLarge), "{failure:?}");
            }
        }
    }

    #[test]
    fn a_line_feed_alone_is_refused() {
        for size in [1, 100] {
            let failure = take_all(b"* OK hello\nA1 OK\r\n".chunks(size)).unwrap_err();
            assert!(matches!(failure.reason(), Reason::UnexpectedResponse));
            assert!(
                failure.message().contains("`* OK hello\\n`") || failure.message().contains("`* OK hello`")
            );
        }
    }
}
