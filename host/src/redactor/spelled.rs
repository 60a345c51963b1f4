//! What stands for some bytes in a text that may have escaped them: as JSON, Rust, C and Python do it behind backslashes,
//! percent-encoded, as character references of HTML by number or of the five that XML has, each byte in a way of its own.
//! Pure.

use std::iter::Sum;

use zeroize::Zeroizing;

/// What escapes begin with.
const MARKS: [u8; 3] = [b'\\', b'%', b'&'];
/// The longest character reference that is read, in bytes: `&#1114111;`.
const MAX_REFERENCE: usize = 10;

/// Bytes that are looked for in every spelling. They are as secret as what they come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Spelled {
    bytes: Zeroizing<Vec<u8>>,
    readings: Vec<Reading>,
}

/// How a text is read where that cannot be told from the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reading {
    /// For each mark, whether the mark itself stands for itself. Some escape what cannot be shown and leave backslashes as
    /// they are, others escape those as well.
    plain: [bool; MARKS.len()],
    /// Whether `\xc3` is rather the byte, as in C, than the character, as in texts of Python.
    bytes: bool,
    /// Whether `\00` is rather NUL and a zero, as in Rust, than NUL, as in C.
    rust: bool,
}

/// A piece of a text that stands for some of the bytes: how many those are, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Piece {
    /// How many bytes of those that are looked for.
    pub wanted: usize,
    /// How many bytes of the text.
    pub written: usize,
}

impl Sum for Piece {
    fn sum<I: Iterator<Item = Self>>(pieces: I) -> Self {
        pieces.fold(Self::default(), |sum, piece| Self {
            wanted: sum.wanted + piece.wanted,
            written: sum.written + piece.written,
        })
    }
}

impl Spelled {
    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut readings = vec![Reading::default()];
        let mut or = |change: &dyn Fn(&mut Reading)| {
            let others = readings.clone().into_iter().map(|mut reading| {
                change(&mut reading);
                reading
            });
            readings.extend(others.collect::<Vec<_>>());
        };
        for (place, mark) in MARKS.iter().enumerate() {
            if bytes.contains(mark) {
                or(&|reading| reading.plain[place] = true);
            }
        }
        // The one character that has the number of the byte it begins with.
        if bytes.windows(2).any(|pair| pair == "\u{c3}".as_bytes()) {
            or(&|reading| reading.bytes = true);
        }
        if bytes.windows(2).any(|pair| pair == b"\x000") {
            or(&|reading| reading.rust = true);
        }
        Self {
            bytes: Zeroizing::new(bytes.to_vec()),
            readings,
        }
    }

    /// What is looked for.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How long a text may be at most that stands for all of them.
    pub fn longest(&self) -> usize {
        self.bytes.len() * (1 + MAX_REFERENCE)
    }

    /// As much of the bytes, from the first one on, as the text begins with.
    pub fn beginning(&self, text: &[u8]) -> Piece {
        let beginnings = self
            .readings
            .iter()
            .map(|reading| self.pieces_by(text, *reading).sum());
        beginnings.max().unwrap_or_default()
    }

    /// The pieces of which [`Spelled::beginning`] is the sum, each a byte or an escape.
    pub fn pieces<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Piece> + 't {
        let longest = |reading: &&Reading| self.pieces_by(text, **reading).sum::<Piece>();
        let reading = self.readings.iter().max_by_key(longest);
        reading
            .into_iter()
            .flat_map(|reading| self.pieces_by(text, *reading))
    }

    fn pieces_by<'t>(&'t self, text: &'t [u8], reading: Reading) -> impl Iterator<Item = Piece> + 't {
        let (mut wanted, mut written) = (&self.bytes[..], text);
        std::iter::from_fn(move || {
            let piece = piece(wanted, written, reading)?;
            wanted = &wanted[piece.wanted..];
            written = &written[piece.written..];
            Some(piece)
        })
    }
}

/// Whether escapes begin with it.
pub(super) fn is_mark(byte: u8) -> bool {
    MARKS.contains(&byte)
}

/// Whether a text may have something in it that is escaped.
pub(super) fn may_be_escaped(text: &[u8]) -> bool {
    text.iter().any(|byte| is_mark(*byte))
}

/// How a byte may stand in a text without an escape.
pub(super) fn ways_to_write(byte: u8) -> impl Iterator<Item = u8> {
    let plus = (byte == b' ').then_some(b'+');
    [byte].into_iter().chain(plus)
}

/// What the beginning of a text may stand for, by one reading.
pub(super) struct Read {
    bytes: [u8; 4],
    length: usize,
    /// How much of the text that is.
    pub(super) written: usize,
}

impl Read {
    fn of(escaped: Escaped, written: usize) -> Self {
        let mut bytes = [0; 4];
        let length = escaped.bytes(&mut bytes).len();
        Self {
            bytes,
            length,
            written,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// All that the first piece of a text may stand for, a byte as it is or an escape, each once.
pub(super) fn readings(text: &[u8]) -> impl Iterator<Item = Read> {
    let plain = text.first().copied();
    let space = plain.filter(|byte| *byte == b'+').map(|_| b' ');
    let plain = [plain, space].map(|byte| byte.map(|byte| (Escaped::Byte(byte), 1)));
    let mut escapes = match text.first() {
        Some(first) if is_mark(*first) => escapes(text, Reading::default()),
        _ => [None; 3],
    };
    // Below 128 the byte is the character.
    if let [
        Some((Escaped::Character(character), _)),
        second @ Some((Escaped::Byte(_), _)),
        _,
    ] = &mut escapes
        && character.is_ascii()
    {
        *second = None;
    }
    let all = plain.into_iter().chain(escapes).flatten();
    all.map(|(escaped, written)| Read::of(escaped, written))
}

/// How much of a text, from its beginning on, may be an escape whose end is missing.
pub(super) fn broken_escape(text: &[u8]) -> usize {
    let Some((_, rest)) = text.split_first().filter(|(mark, _)| MARKS.contains(mark)) else {
        return 0;
    };
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"#{".contains(byte);
    1 + rest.iter().take(MAX_REFERENCE).take_while(is_part).count()
}

/// The first piece of the text, if it stands for the first of the wanted bytes.
fn piece(wanted: &[u8], text: &[u8], reading: Reading) -> Option<Piece> {
    let (&first, &written) = (wanted.first()?, text.first()?);
    let mark = MARKS.iter().position(|mark| *mark == written);
    let is_plain = mark.is_none_or(|place| reading.plain[place] && first == written);
    if is_plain {
        return stands_for(written, first).then_some(Piece {
            wanted: 1,
            written: 1,
        });
    }
    let mut buffer = [0; 4];
    escapes(text, reading)
        .into_iter()
        .flatten()
        .find_map(|(escaped, length)| {
            let bytes = escaped.bytes(&mut buffer);
            wanted.starts_with(bytes).then_some(Piece {
                wanted: bytes.len(),
                written: length,
            })
        })
}

/// Whether a byte of a text stands for this one: also `+` for a space, as in forms of the web
/// (`application/x-www-form-urlencoded`).
fn stands_for(written: u8, wanted: u8) -> bool {
    written == wanted || (written == b'+' && wanted == b' ')
}

/// What an escape stands for.
#[derive(Clone, Copy)]
enum Escaped {
    Byte(u8),
    Character(char),
}

impl Escaped {
    fn bytes(self, buffer: &mut [u8; 4]) -> &[u8] {
        match self {
            Self::Byte(byte) => {
                buffer[0] = byte;
                &buffer[..1]
            }
            Self::Character(character) => character.encode_utf8(buffer).as_bytes(),
        }
    }
}

/// An escape, and how long it is.
type Escape = (Escaped, usize);

/// What the escape that a text begins with may be, the likelier first.
fn escapes(text: &[u8], reading: Reading) -> [Option<Escape>; 3] {
    match text {
        [b'\\', b'x', digits @ ..] => {
            let number = byte(digits);
            let byte = number.map(|byte| (Escaped::Byte(byte), 4));
            let character = number.map(|byte| (Escaped::Character(char::from(byte)), 4));
            match reading.bytes {
                true => [byte, character, None],
                false => [character, byte, None],
            }
        }
        [b'\\', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => {
            let mut lengths = [3, 2, 1];
            if reading.rust {
                lengths.reverse();
            }
            lengths.map(|length| octal(digits.get(..length)?))
        }
        _ => [escape(text), None, None],
    }
}

/// The escape that a text begins with, of those that can be but one.
fn escape(text: &[u8]) -> Option<Escape> {
    match text {
        [b'%', digits @ ..] => Some((Escaped::Byte(byte(digits)?), 3)),
        [b'&', rest @ ..] => {
            reference(rest).map(|(character, length)| (Escaped::Character(character), length + 1))
        }
        [b'\\', b'U', digits @ ..] => {
            let character = char::from_u32(number(digits.get(..8)?, 16)?)?;
            Some((Escaped::Character(character), 10))
        }
        [b'\\', b'u', b'{', rest @ ..] => {
            let length = rest.iter().take(7).position(|byte| *byte == b'}')?;
            let character = char::from_u32(number(&rest[..length], 16)?)?;
            Some((Escaped::Character(character), length + 4))
        }
        [b'\\', b'u', digits @ ..] => {
            utf16(digits).map(|(character, length)| (Escaped::Character(character), length + 2))
        }
        [b'\\', letter, ..] => named(*letter).map(|byte| (Escaped::Byte(byte), 2)),
        _ => None,
    }
}

/// A byte of up to three octal digits.
fn octal(digits: &[u8]) -> Option<Escape> {
    let byte = u8::try_from(number(digits, 8)?).ok()?;
    Some((Escaped::Byte(byte), digits.len() + 1))
}

/// What a backslash makes of the character behind it.
fn named(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        b'e' => 0x1b,
        mark if mark.is_ascii_punctuation() || mark == b' ' => mark,
        _ => return None,
    })
}

/// A character by its units of UTF-16, of which the second one is behind `\u` as the first one was (RFC 8259 section 7).
fn utf16(digits: &[u8]) -> Option<(char, usize)> {
    let first = number(digits.get(..4)?, 16)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    let second = digits.get(4..)?.strip_prefix(b"\\u")?;
    let units = [first, number(second.get(..4)?, 16)?].map(|unit| u16::try_from(unit).ok());
    let character = char::decode_utf16(units.into_iter().flatten()).next()?.ok()?;
    Some((character, 10))
}

/// A character reference without its `&` (HTML section 13.5), by number or one of the five that have to be escaped.
fn reference(text: &[u8]) -> Option<(char, usize)> {
    let length = text.iter().take(MAX_REFERENCE).position(|byte| *byte == b';')?;
    let character = match &text[..length] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
        _ => return None,
    };
    Some((character, length + 1))
}

/// A byte of two hexadecimal digits.
fn byte(digits: &[u8]) -> Option<u8> {
    u8::try_from(number(digits.get(..2)?, 16)?).ok()
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let all_are_digits = digits.iter().all(|digit| char::from(*digit).is_digit(radix));
    let text = str::from_utf8(digits).ok().filter(|_| all_are_digits)?;
    u32::from_str_radix(text, radix).ok()
}

#[cfg(test)]
#[path = "spelled_tests.rs"]
mod tests;
