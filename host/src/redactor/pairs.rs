//! A glance at a text that tells of most that none of some beginnings is in it. Pure.

use super::spelled::ways_to_write as ways;

/// Which two bytes something begins with: a set that may hold more than was put into it.
#[derive(Clone, Default)]
pub(super) struct Pairs([u64; 16]);

impl Pairs {
    /// Puts in how this begins. What has one byte may be followed by any; a space may be written as `+`.
    pub(super) fn insert(&mut self, bytes: &[u8]) {
        match *bytes {
            [] => {}
            [only] => ways(only).for_each(|first| (0..=u8::MAX).for_each(|second| self.put(first, second))),
            [first, second, ..] => {
                ways(first).for_each(|first| ways(second).for_each(|second| self.put(first, second)));
            }
        }
    }

    /// Whether something may be in a text that stands there as it is: its first two bytes are there then, or all of it.
    pub(super) fn may_be_in(&self, text: &[u8]) -> bool {
        let ends = text.last().is_some_and(|&last| self.has(last, 0));
        ends || text.windows(2).any(|pair| self.has(pair[0], pair[1]))
    }

    fn put(&mut self, first: u8, second: u8) {
        let (word, bit) = Self::place(first, second);
        self.0[word] |= bit;
    }

    fn has(&self, first: u8, second: u8) -> bool {
        let (word, bit) = Self::place(first, second);
        self.0[word] & bit != 0
    }

    /// One of 1,024 bits: both bytes matter, and letters are spread evenly.
    fn place(first: u8, second: u8) -> (usize, u64) {
        let mixed = usize::from(first) * 37 + usize::from(second) * 5;
        (mixed / 64 % 16, 1 << (mixed % 64))
    }
}
