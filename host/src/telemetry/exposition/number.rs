//! Numbers as both formats read them. Pure.

use std::fmt::{self, Write as _};

/// The value of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// A whole one.
    Whole(i64),
    /// How many there were.
    Count(u64),
    /// Any other.
    Real(f64),
}

impl Number {
    /// Appends it to a text.
    pub(super) fn push(self, text: &mut String) {
        let is_pushed = match self {
            Self::Real(number) => push_short(text, number),
            Self::Whole(_) | Self::Count(_) => false,
        };
        if !is_pushed {
            // Nothing fails that is written into a string.
            let _ = write!(text, "{self}");
        }
    }
}

impl fmt::Display for Number {
    /// Without an exponent where people read numbers: seconds since 1970 have no `e9`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Whole(number) => write!(formatter, "{number}"),
            Self::Count(number) => write!(formatter, "{number}"),
            Self::Real(f64::INFINITY) => formatter.write_str("+Inf"),
            Self::Real(f64::NEG_INFINITY) => formatter.write_str("-Inf"),
            Self::Real(number) if number == 0.0 || (1e-6..1e17).contains(&number.abs()) => {
                write!(formatter, "{number}")
            }
            Self::Real(number) if number.is_nan() => formatter.write_str("NaN"),
            Self::Real(number) => write!(formatter, "{number:e}"),
        }
    }
}

/// How many of the smallest unit are one, and how many digits that are.
const MILLION: (u64, usize) = (1_000_000, 6);
/// Below it numbers with so few digits behind the point have 15 digits at most.
const SHORT: f64 = 1e9;

/// Appends a number that has at most six digits behind its point, as counts and durations in whole microseconds have;
/// whether it was one. Of at most 15 digits in all, no two numbers are the same `f64`, and so these digits are the
/// shortest ones that stand for this one, which a search would find as well.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "of numbers below 10^15, and held against the number"
)]
fn push_short(text: &mut String, number: f64) -> bool {
    let (unit, places) = MILLION;
    let size = number.abs();
    if size.is_nan() || size >= SHORT {
        return false;
    }
    let units = (size * unit as f64 + 0.5) as u64;
    if units as f64 / unit as f64 != size {
        return false;
    }
    if number.is_sign_negative() {
        text.push('-');
    }
    let mut digits = Digits::default();
    let mut fraction = units % unit;
    if fraction > 0 {
        let mut places = places;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            places -= 1;
        }
        for _ in 0..places {
            digits.prepend(b'0' + (fraction % 10) as u8);
            fraction /= 10;
        }
        digits.prepend(b'.');
    }
    let mut whole = units / unit;
    loop {
        digits.prepend(b'0' + (whole % 10) as u8);
        whole /= 10;
        if whole == 0 {
            break;
        }
    }
    text.push_str(digits.as_str());
    true
}

/// A number that is written from its end.
#[derive(Default)]
struct Digits {
    /// Nine digits, a point, and six more, at the end.
    bytes: [u8; 16],
    length: usize,
}

impl Digits {
    fn prepend(&mut self, byte: u8) {
        self.length += 1;
        let at = self.bytes.len() - self.length;
        self.bytes[at] = byte;
    }

    fn as_str(&self) -> &str {
        let written = &self.bytes[self.bytes.len() - self.length..];
        // ASCII.
        std::str::from_utf8(written).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(number: f64) -> String {
        let mut text = String::new();
        Number::Real(number).push(&mut text);
        text
    }

    #[test]
    fn numbers_are_written_as_both_formats_read_them() {
        for (number, text) in [
            (1.0, "1"),
            (0.001, "0.001"),
            (1_765_432_100.0, "1765432100"),
            (0.000_012, "0.000012"),
            (-1.0, "-1"),
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (999_999_999.999_999, "999999999.999999"),
            (1e21, "1e21"),
            (1e-9, "1e-9"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(Number::Real(number).to_string(), text);
            assert_eq!(pushed(number), text);
        }
    }

    #[test]
    fn short_numbers_are_written_as_all_others_are() {
        let check = |number: f64| assert_eq!(pushed(number), Number::Real(number).to_string());
        let mut state = 1_u64;
        for round in 0..200_000_u64 {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let units = (state >> (round % 64)) as f64;
            for number in [
                units,
                units / 1e3,
                units / 1e6,
                units / 1e7,
                f64::from_bits(state),
                f64::from_bits((units / 1e6).to_bits() + 1),
                f64::from_bits((units / 1e6).to_bits().saturating_sub(1)),
            ] {
                check(number);
                check(-number);
            }
        }
    }
}
