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
            Self::Real(number) if number.is_finite() => push_short(text, number),
            Self::Real(_) | Self::Whole(_) | Self::Count(_) => false,
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

/// Appends the shortest digits that stand for a number, unless they are written with an exponent; whether it did.
fn push_short(text: &mut String, number: f64) -> bool {
    let mut buffer = zmij::Buffer::new();
    let digits = buffer.format_finite(number);
    let is_short = !digits.contains('e');
    if is_short {
        text.push_str(digits.strip_suffix(".0").unwrap_or(digits));
    }
    is_short
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
    fn numbers_have_the_fewest_digits_from_which_they_are_read_again() {
        // Of two such texts either may be written, here and there another one.
        let check = |number: f64| {
            let (text, other) = (pushed(number), Number::Real(number).to_string());
            assert_eq!(text.len(), other.len(), "{text} and {other}");
            if number.is_finite() {
                assert_eq!(text.parse().map(f64::to_bits), Ok(number.to_bits()), "{text}");
            }
        };
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
