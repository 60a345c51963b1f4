//! Making an input from others: by bytes, by numbers in it, by lines, by words of its language.

use std::ops::Range;

use crate::Random;

/// The most changes at once: few keep what the input had, many leave it behind.
const MOST_CHANGES: u32 = 6;
/// Numbers at which code goes wrong.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "-1",
    "2",
    "127",
    "255",
    "256",
    "65535",
    "65536",
    "1048577",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "99999999999999999999999",
];

/// Changes inputs.
pub(crate) struct Mutator<'d> {
    dictionary: &'d [&'d [u8]],
    max_length: usize,
}

impl<'d> Mutator<'d> {
    /// A mutator that knows these words, for inputs of at most so many bytes.
    pub(crate) fn new(dictionary: &'d [&'d [u8]], max_length: usize) -> Self {
        Self {
            dictionary,
            max_length,
        }
    }

    /// An input of the pool, changed, or several of them put together.
    pub(crate) fn mutated(&self, random: &mut Random, pool: &[Vec<u8>]) -> Vec<u8> {
        // The later of two: what was found last is what the least is known about.
        let one = |random: &mut Random| match pool.len() {
            0 => Vec::new(),
            length => pool[random.usize(..length).max(random.usize(..length))].clone(),
        };
        let mut input = one(random);
        // Once, twice, ... with half the chance each time.
        let changes = 1 + random.u32(..).trailing_ones().min(MOST_CHANGES - 1);
        for _ in 0..changes {
            let other = one(random);
            self.change(random, &mut input, &other);
        }
        input.truncate(self.max_length);
        input
    }

    fn change(&self, random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
        match random.u32(..13) {
            0 => flip(random, input),
            1 => change_byte(random, input, |random, byte| *byte = random.u8(..)),
            2 => drop(input.drain(part(random, input))),
            3 => repeat(random, input),
            4 => number(random, input),
            5 => {
                let byte = random.u8(..);
                insert(random, input, &[byte]);
            }
            6 => lines(random, input),
            7 => {
                let part = part(random, other);
                insert(random, input, &other[part]);
            }
            8 => {
                let (head, tail) = (random.usize(..=input.len()), random.usize(..=other.len()));
                input.truncate(head);
                input.extend_from_slice(&other[tail..]);
            }
            9 => input.truncate(random.usize(..=input.len())),
            _ => self.put_word(random, input),
        }
    }

    /// Puts a word of the dictionary in, beside what is there or in its place.
    fn put_word(&self, random: &mut Random, input: &mut Vec<u8>) {
        let Some(&word) = random.choice(self.dictionary) else {
            return flip(random, input);
        };
        let start = random.usize(..=input.len());
        let end = if random.bool() {
            start
        } else {
            input.len().min(start + word.len())
        };
        input.splice(start..end, word.iter().copied());
    }
}

fn flip(random: &mut Random, input: &mut [u8]) {
    change_byte(random, input, |random, byte| *byte ^= 1 << random.u32(..8));
}

/// Changes some byte of the input, if it has any.
fn change_byte(random: &mut Random, input: &mut [u8], change: impl FnOnce(&mut Random, &mut u8)) {
    if !input.is_empty() {
        let position = random.usize(..input.len());
        change(random, &mut input[position]);
    }
}

/// Some part of the input, short more often than long.
fn part(random: &mut Random, input: &[u8]) -> Range<usize> {
    let start = random.usize(..=input.len());
    let longest = if random.bool() { 8 } else { usize::MAX };
    let length = random.usize(..=(input.len() - start).min(longest));
    start..start + length
}

fn insert(random: &mut Random, input: &mut Vec<u8>, bytes: &[u8]) {
    let position = random.usize(..=input.len());
    input.splice(position..position, bytes.iter().copied());
}

/// A part of the input several times over.
fn repeat(random: &mut Random, input: &mut Vec<u8>) {
    let part = part(random, input);
    let times = 1 << random.u32(..8);
    let repeated = input[part.clone()].repeat(times);
    input.splice(part.end..part.end, repeated);
}

/// Another number in the place of one that is written in decimal digits.
fn number(random: &mut Random, input: &mut Vec<u8>) {
    let from = random.usize(..=input.len());
    let Some(start) = input[from..]
        .iter()
        .position(u8::is_ascii_digit)
        .map(|at| from + at)
    else {
        return flip(random, input);
    };
    let length = input[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let written = std::str::from_utf8(&input[start..start + length])
        .ok()
        .and_then(|digits| digits.parse::<u64>().ok());
    let other = match written {
        Some(value) if random.bool() => {
            let near = if random.bool() {
                value.wrapping_add(1)
            } else {
                value.wrapping_sub(1)
            };
            near.to_string()
        }
        _ => NUMBERS[random.usize(..NUMBERS.len())].to_owned(),
    };
    input.splice(start..start + length, other.into_bytes());
}

/// A line twice, gone, or somewhere else.
fn lines(random: &mut Random, input: &mut Vec<u8>) {
    let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let (from, to) = (random.usize(..lines.len()), random.usize(..lines.len()));
    match random.u32(..3) {
        0 => lines.insert(to, lines[from]),
        1 => drop(lines.remove(from)),
        _ => lines.swap(from, to),
    }
    *input = lines.concat();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_within_the_length() {
        let pool = [b"* 12 EXISTS\r\nA1 OK\r\n".to_vec(), Vec::new(), vec![0xff; 300]];
        let made = |seed| {
            let mut random = Random::with_seed(seed);
            let mutator = Mutator::new(&[b"OK", b"{9}\r\n"], 256);
            let inputs: Vec<_> = (0..5000).map(|_| mutator.mutated(&mut random, &pool)).collect();
            inputs
        };
        let inputs = made(7);
        assert_eq!(inputs, made(7));
        assert_ne!(inputs, made(8));
        assert!(inputs.iter().all(|input| input.len() <= 256));
        assert!(inputs.iter().any(Vec::is_empty));
    }
}
