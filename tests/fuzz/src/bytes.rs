//! An input as a row of decisions: the target takes numbers, choices and texts off its bytes, and a mutated
//! byte is another decision.

/// What is left of an input. At its end every number is zero, every choice the first, every text empty.
#[derive(Debug, Clone)]
pub struct Bytes<'i>(&'i [u8]);

impl<'i> Bytes<'i> {
    /// All of an input.
    #[must_use]
    pub fn new(input: &'i [u8]) -> Self {
        Self(input)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// A number of two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number of eight bytes.
    pub fn long(&mut self) -> u64 {
        u64::from_be_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number from 0 to below `bound`, which is at least 1 and at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// One of these, which are at least one and at most 256.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn pick<'c, C>(&mut self, choices: &'c [C]) -> &'c C {
        &choices[self.below(choices.len())]
    }

    /// So many bytes, or as many as are left.
    pub fn take(&mut self, count: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A piece whose length, up to 255, is its first byte.
    pub fn piece(&mut self) -> &'i [u8] {
        let length = usize::from(self.byte());
        self.take(length)
    }

    /// A text of up to 255 bytes; what is no UTF-8 is replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.piece()).into_owned()
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'i [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_nothing() {
        let mut bytes = Bytes::new(b"\x05\x02ab\x01\xff\x09xyz");
        assert_eq!(bytes.below(4), 1);
        assert_eq!(bytes.text(), "ab");
        assert_eq!(bytes.text(), "\u{fffd}");
        assert_eq!(bytes.piece(), b"xyz");
        assert!(bytes.is_empty());
        assert_eq!((bytes.byte(), bytes.short(), bytes.long()), (0, 0, 0));
        assert_eq!(
            (*bytes.pick(&["first", "second"]), bytes.flag()),
            ("first", false)
        );
    }
}
