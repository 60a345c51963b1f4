//! Cuts the byte stream into lines, or takes so many bytes of it, within bounded sizes. What a line says is
//! not looked at here.

use bedcheck_sdk::Failure;

/// The longest line in bytes, its end included: what blackbox_exporter takes too, and far over what any
/// protocol of lines has.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// The most bytes of a run: every line of them is held against a regular expression, which is most of the
/// computing that a run does. With any but the dearest expressions so many bytes, in so many lines, fit into the fuel
/// that a run has by default.
pub(crate) const MAX_TOTAL: usize = 256 * 1024;

/// The most lines of a run: twice what one step may wait for.
pub(crate) const MAX_LINES: usize = 20_000;

/// Bytes received and not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    buffer: Vec<u8>,
    /// Up to where the buffer has been taken. It is cut there when more comes: moving what is left for each line would be
    /// most of what reading short ones costs.
    start: usize,
    /// Up to where what is pending has been searched for the end of a line.
    searched: usize,
    /// How many bytes were taken of the run's.
    taken: usize,
    /// How many lines of them.
    lines: usize,
}

impl Receiver {
    /// Adds what was received.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// What has not been taken yet.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes the next line without its LF or CRLF, or `None` while it is not whole.
    pub(crate) fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let pending = self.pending();
        let Some(at) = pending[self.searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = pending.len();
            self.bound(self.searched)?;
            return Ok(None);
        };
        let end = self.searched + at + 1;
        self.bound(end)?;
        self.lines += 1;
        if self.lines > MAX_LINES {
            return Err(Failure::too_large(format!(
                "the server sends more than {MAX_LINES} lines"
            )));
        }
        let mut line = self.remove(end);
        line.pop();
        line.pop_if(|last| *last == b'\r');
        Ok(Some(line))
    }

    /// At the end of the stream: what stands there without an end of line, if anything does.
    pub(crate) fn last_line(&mut self) -> Option<Vec<u8>> {
        let all = self.pending().len();
        (all > 0).then(|| self.remove(all))
    }

    /// Takes so many bytes, or `None` while they are not there.
    pub(crate) fn take(&mut self, length: usize) -> Result<Option<Vec<u8>>, Failure> {
        let pending = self.pending().len();
        self.bound_total(length.min(pending))?;
        Ok((length <= pending).then(|| self.remove(length)))
    }

    fn remove(&mut self, length: usize) -> Vec<u8> {
        self.searched = 0;
        self.taken += length;
        let removed = self.pending()[..length].to_vec();
        self.start += length;
        removed
    }

    /// Refuses a line of so many bytes when it is too long, or too much together with those before.
    fn bound(&self, length: usize) -> Result<(), Failure> {
        if length > MAX_LINE {
            return Err(Failure::too_large(format!(
                "the server sends a line of more than {MAX_LINE} bytes"
            )));
        }
        self.bound_total(length)
    }

    fn bound_total(&self, length: usize) -> Result<(), Failure> {
        if self.taken + length > MAX_TOTAL {
            return Err(Failure::too_large(format!(
                "the server sends more than {MAX_TOTAL} bytes"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bedcheck_sdk::Reason;

    use super::*;

    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Failure> {
        let mut receiver = Receiver::default();
        let mut lines = Vec::new();
        for piece in pieces {
            receiver.push(piece);
            while let Some(line) = receiver.line()? {
                lines.push(line);
            }
        }
        lines.extend(receiver.last_line());
        Ok(lines)
    }

    #[test]
    fn the_cut_of_the_stream_does_not_matter() {
        let stream = b"220 one\r\n\n\rtwo\r\r\nthree\xff\nlast";
        let wanted: [&[u8]; 5] = [b"220 one", b"", b"\rtwo\r", b"three\xff", b"last"];
        assert_eq!(lines([stream.as_slice()]).unwrap(), wanted);
        assert_eq!(lines(stream.chunks(1)).unwrap(), wanted);
        for at in 0..=stream.len() {
            let (start, end) = stream.split_at(at);
            assert_eq!(lines([start, end]).unwrap(), wanted, "cut at {at}");
        }
    }

    #[test]
    fn bytes_are_taken_between_lines() {
        let mut receiver = Receiver::default();
        receiver.push(b"one\nS");
        assert_eq!(receiver.line().unwrap().unwrap(), b"one");
        assert_eq!(receiver.take(2).unwrap(), None);
        receiver.push(b"Ntwo\n");
        assert_eq!(receiver.take(2).unwrap().unwrap(), b"SN");
        assert_eq!(receiver.line().unwrap().unwrap(), b"two");
        assert_eq!(receiver.last_line(), None);
        assert_eq!(receiver.pending(), b"");
    }

    #[test]
    fn too_much_is_refused_wherever_it_is_cut() {
        let longest = [vec![b'x'; MAX_LINE - 1], b"\n".to_vec()].concat();
        assert_eq!(lines(longest.chunks(1000)).unwrap(), [&longest[..MAX_LINE - 1]]);
        let longer = [b"x".as_slice(), &longest].concat();
        let endless = vec![b'x'; MAX_LINE + 1];
        let flood = b"sixteen letters\n".repeat(MAX_TOTAL / 16 + 1);
        let empty = b"\n".repeat(MAX_LINES + 1);
        for refused in [longer, endless, flood, empty] {
            for size in [1000, refused.len()] {
                let failure = lines(refused.chunks(size)).unwrap_err();
                assert!(matches!(failure.reason(), Reason::TooLarge), "{failure:?}");
            }
        }
        for allowed in [
            b"sixteen letters\n".repeat(MAX_TOTAL / 16),
            b"\n".repeat(MAX_LINES),
        ] {
            assert!(lines([allowed.as_slice()]).is_ok());
        }
    }
}
