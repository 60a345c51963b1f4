//! The chunked transfer coding (RFC 9112 section 7.1), unwrapped as it comes in. Extensions and trailer fields are
//! passed over. Pure.

use bedcheck_sdk::Failure;

use crate::body::too_large;
use crate::quote::quote;

/// The most bytes of framing for each byte of content: the smallest chunk, of one byte, has five.
const FRAMING_PER_BYTE: usize = 8;

/// The most bytes of framing beside that: the trailer fields may have as many as a head, and little content many
/// chunks with extensions, which carry signatures.
const MORE_FRAMING: usize = 64 * 1024;

/// Unwraps a chunked body, byte by byte but for the content: how it was cut makes no difference.
#[derive(Debug)]
pub(crate) struct Chunks {
    expects: Expects,
    /// How much framing there was so far, in bytes.
    framing: usize,
    /// The size of the chunk, or what of it is to come.
    left: usize,
    /// The most bytes of content.
    limit: usize,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// The first digit of a size.
    Size,
    /// Another digit, or what follows the size.
    MoreSize,
    /// The rest of a line with the size in it.
    Extension,
    /// LF after a line with the size in it.
    SizeEnd,
    Content,
    /// CR after the content of a chunk.
    ContentCr,
    /// LF after the content of a chunk.
    ContentLf,
    /// A trailer field, or CR of the empty line.
    Trailer,
    /// The rest of a trailer field.
    MoreTrailer,
    /// LF after a trailer field.
    TrailerEnd,
    /// LF of the empty line.
    LastLf,
    /// Nothing.
    Nothing,
}

impl Chunks {
    /// A body of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            expects: Expects::Size,
            framing: 0,
            left: 0,
            limit,
        }
    }

    /// Moves what `bytes` hold of the content to `body`. What comes after the end is not looked at.
    ///
    /// # Errors
    ///
    /// What breaks the framing, and more of it or of content than allowed; of content as soon as it is announced.
    pub(crate) fn unwrap(&mut self, mut bytes: &[u8], body: &mut Vec<u8>) -> Result<(), Failure> {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.expects {
                Expects::Nothing => return Ok(()),
                Expects::Content => {
                    let (content, rest) = bytes.split_at(self.left.min(bytes.len()));
                    body.extend_from_slice(content);
                    self.left -= content.len();
                    if self.left == 0 {
                        self.expects = Expects::ContentCr;
                    }
                    bytes = rest;
                }
                _ => {
                    self.take(byte, body.len())?;
                    bytes = rest;
                }
            }
        }
        Ok(())
    }

    /// Whether the body is whole: the chunk of size zero completes it, the empty line after it or not (RFC 9112
    /// section 8).
    pub(crate) fn is_whole(&self) -> bool {
        use Expects::{LastLf, MoreTrailer, Nothing, Trailer, TrailerEnd};
        matches!(
            self.expects,
            Trailer | MoreTrailer | TrailerEnd | LastLf | Nothing
        )
    }

    /// Whether nothing more is to come.
    pub(crate) fn is_ended(&self) -> bool {
        self.expects == Expects::Nothing
    }

    /// Takes a byte of the framing behind so much content.
    fn take(&mut self, byte: u8, content: usize) -> Result<(), Failure> {
        self.framing += 1;
        if self.framing > MORE_FRAMING + FRAMING_PER_BYTE * content {
            return Err(Failure::too_large(format!(
                "the chunked body has more framing than {MORE_FRAMING} bytes and {FRAMING_PER_BYTE} for each byte of its \
                 content"
            )));
        }
        self.expects = match (self.expects, byte) {
            (Expects::Size | Expects::MoreSize, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default() as usize;
                self.left = self.left * 16 + digit;
                if self.left > self.limit - content {
                    return Err(too_large("is longer", self.limit));
                }
                Expects::MoreSize
            }
            (Expects::MoreSize, b';' | b' ' | b'\t') => Expects::Extension,
            (Expects::MoreSize | Expects::Extension, b'\r') => Expects::SizeEnd,
            (Expects::Extension, byte) if byte != b'\n' => Expects::Extension,
            (Expects::SizeEnd, b'\n') if self.left == 0 => Expects::Trailer,
            (Expects::SizeEnd, b'\n') => Expects::Content,
            (Expects::ContentCr, b'\r') => Expects::ContentLf,
            (Expects::ContentLf, b'\n') => Expects::Size,
            (Expects::Trailer, b'\r') => Expects::LastLf,
            (Expects::Trailer | Expects::MoreTrailer, byte) if !matches!(byte, b'\r' | b'\n') => {
                Expects::MoreTrailer
            }
            (Expects::MoreTrailer, b'\r') => Expects::TrailerEnd,
            (Expects::TrailerEnd, b'\n') => Expects::Trailer,
            (Expects::LastLf, b'\n') => Expects::Nothing,
            (expects, byte) => return Err(expects.unmet(byte)),
        };
        Ok(())
    }
}

impl Expects {
    fn unmet(self, found: u8) -> Failure {
        let (place, wanted) = match self {
            Self::Size => ("where the size of a chunk begins", "a hexadecimal digit"),
            Self::MoreSize => ("in the size of a chunk", "a hexadecimal digit, `;` or CRLF"),
            Self::Extension | Self::SizeEnd => ("after the size of a chunk", "CRLF"),
            Self::ContentCr | Self::ContentLf => ("after the content of a chunk", "CRLF"),
            Self::Trailer | Self::MoreTrailer | Self::TrailerEnd | Self::LastLf => {
                ("after the last chunk", "lines that end in CRLF")
            }
            Self::Content | Self::Nothing => ("in a chunk", "anything"),
        };
        let found = quote(&[found]);
        Failure::unexpected_response(format!(
            "the body breaks HTTP: found {found} {place}, wanted {wanted}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use bedcheck_sdk::Reason;

    use super::*;

    const LIMIT: usize = 100;

    /// What comes of a body: the same, all at once or byte by byte. `None` where more is to come.
    fn unwrapped(framed: &str) -> Result<Option<String>, Failure> {
        let [whole, cut] = [framed.len(), 1].map(|piece| {
            let (mut chunks, mut body) = (Chunks::new(LIMIT), Vec::new());
            let mut pieces = framed.as_bytes().chunks(piece);
            pieces.try_for_each(|piece| chunks.unwrap(piece, &mut body))?;
            let text = String::from_utf8(body).expect("text");
            Ok::<_, Failure>(chunks.is_ended().then_some(text))
        });
        assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
        whole
    }

    #[test]
    fn chunks_are_put_together() {
        let signature = "a".repeat(64);
        for (framed, wanted) in [
            ("0\r\n\r\n".to_owned(), ""),
            ("2\r\nok\r\n0\r\n\r\nand more".to_owned(), "ok"),
            (
                "0A\r\n0123456789\r\n1\r\n!\r\n000\r\nA: b\r\nC: d\r\n\r\n".to_owned(),
                "0123456789!",
            ),
            (
                format!("2;chunk-signature={signature}\r\nok\r\n0;chunk-signature={signature}\r\n\r\n"),
                "ok",
            ),
            ("2 ; a=\"b;c\"\r\nok\r\n0  \r\n\r\n".to_owned(), "ok"),
        ] {
            let body = unwrapped(&framed).unwrap_or_else(|failure| panic!("{framed}: {failure}"));
            assert_eq!(body.as_deref(), Some(wanted), "{framed}");
        }
    }

    #[test]
    fn the_last_chunk_makes_it_whole() {
        for (framed, is_whole) in [
            ("2\r\nok\r\n", false),
            ("2\r\nok\r\n0\r", false),
            ("2\r\nok\r\n0\r\n", true),
            ("2\r\nok\r\n0\r\nA: b", true),
        ] {
            let mut chunks = Chunks::new(LIMIT);
            chunks.unwrap(framed.as_bytes(), &mut Vec::new()).expect(framed);
            assert_eq!(
                (chunks.is_whole(), chunks.is_ended()),
                (is_whole, false),
                "{framed}"
            );
        }
    }

    #[test]
    fn broken_framing_is_told() {
        for (framed, wanted) in [
            (
                "xyz\r\n",
                "found `x` where the size of a chunk begins, wanted a hexadecimal digit",
            ),
            (" 2\r\n", "found ` ` where the size of a chunk begins"),
            ("\r\n", r"found `\r` where the size of a chunk begins"),
            ("2x\r\n", "found `x` in the size of a chunk"),
            (
                "2\nok\n0\n\n",
                r"found `\n` in the size of a chunk, wanted a hexadecimal digit, `;` or CRLF",
            ),
            ("2;a\nok", r"found `\n` after the size of a chunk, wanted CRLF"),
            ("2;a\rb", "found `b` after the size of a chunk, wanted CRLF"),
            (
                "2\r\nokay\r\n",
                "found `a` after the content of a chunk, wanted CRLF",
            ),
            (
                "0\r\nA: b\n\n",
                r"found `\n` after the last chunk, wanted lines that end in CRLF",
            ),
        ] {
            let failure = unwrapped(framed).expect_err(framed);
            assert!(
                matches!(failure.reason(), Reason::UnexpectedResponse),
                "{failure}"
            );
            let told = failure.message();
            assert!(
                told.starts_with(&format!("the body breaks HTTP: {wanted}")),
                "{told}"
            );
        }
    }

    #[test]
    fn too_much_is_told_as_soon_as_it_is_announced() {
        for framed in [
            "65",
            "ffffffffffffffffffffffff",
            "32\r\n01234567890123456789012345678901234567890123456789\r\n33",
        ] {
            let failure = unwrapped(framed).expect_err(framed);
            assert!(matches!(failure.reason(), Reason::TooLarge), "{failure}");
        }
    }
}
