//! Durations and sizes as people write them: `1m30s`, `64MiB`. Pure.

use std::time::Duration;

use super::words::{alternatives, quoted};

/// Units of time from long to short, with their length in nanoseconds.
const TIMES: [(&str, u128); 6] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// How many are in the shortest unit.
const NANOSECONDS: u128 = 1_000;

/// Units of size, with their length in bytes.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a duration: numbers, each with a unit (`d`, `h`, `m`, `s`, `ms`, `us`), from long to short, such
/// as `1m30s`. A number may have a fraction (`1.5s`).
///
/// # Errors
///
/// What was found and what was wanted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration_nanoseconds(text)
        .map(Duration::from_nanos)
        .ok_or_else(|| {
            let found = quoted(text);
            if is_number(text) {
                format!(
                    "found {found}, wanted a duration with a unit, such as `{}s`",
                    advised(text, "10")
                )
            } else {
                format!("found {found}, wanted a duration, such as `10s`, `100ms` or `1m30s`")
            }
        })
}

fn duration_nanoseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u128 = 0;
    let mut units_left = &TIMES[..];
    while !rest.is_empty() || units_left.len() == TIMES.len() {
        let (number, after) = split_number(rest);
        let unit_end = after
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let index = units_left.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, units_left[index].1)?)?;
        units_left = &units_left[index + 1..];
        rest = after;
    }
    u64::try_from(total).ok()
}

/// Reads a size in bytes: a whole number with a unit, decimal (`kB`, `MB`, ...) or binary (`KiB`, `MiB`,
/// ...), or `B`.
///
/// # Errors
///
/// What was found and what was wanted.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_number(text);
    let size = || {
        let (_, scale) = SIZES.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u64>().ok()?.checked_mul(*scale)
    };
    size().ok_or_else(|| {
        let found = quoted(text);
        if is_number(text) {
            format!(
                "found {found}, wanted a size with a unit, such as `{}MiB`",
                advised(text, "64")
            )
        } else {
            let units = alternatives(SIZES.map(|(name, _)| name));
            format!("found {found}, wanted a size, a whole number and one of {units}, such as `64MiB`")
        }
    })
}

/// A duration as it is written in a configuration.
pub fn show_duration(duration: Duration) -> String {
    let mut left = duration.as_nanos();
    let mut shown = String::new();
    for (name, length) in TIMES {
        let count = left / length;
        if count > 0 && length > NANOSECONDS {
            shown.push_str(&format!("{count}{name}"));
            left %= length;
        }
    }
    // There is no unit below the microsecond: what is left is its fraction.
    let (whole, fraction) = (left / NANOSECONDS, left % NANOSECONDS);
    if fraction > 0 {
        let fraction = format!("{fraction:03}");
        shown.push_str(&format!("{whole}.{}us", fraction.trim_end_matches('0')));
    } else if whole > 0 {
        shown.push_str(&format!("{whole}us"));
    }
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

/// A size as it is written in a configuration: in the largest unit that it is a multiple of.
pub fn show_size(bytes: u64) -> String {
    let exact = |(_, scale): &&(&str, u64)| bytes >= *scale && bytes.is_multiple_of(*scale);
    let (name, scale) = SIZES
        .iter()
        .filter(exact)
        .max_by_key(|(_, scale)| *scale)
        .unwrap_or(&SIZES[0]);
    format!("{}{name}", bytes / scale)
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

/// The number in a text if it would do with a unit, or else another.
pub(crate) fn advised<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    let text = text.trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.parse::<f64>() {
        Ok(number) if is_plain && number > 0.0 => text,
        _ => otherwise,
    }
}

/// A decimal number times a scale, if the result is whole.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 12 {
        return None;
    }
    let tenths = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = fraction.parse::<u128>().ok()? * scale;
    let whole = whole.parse::<u128>().ok()?.checked_mul(scale)?;
    fraction
        .is_multiple_of(tenths)
        .then(|| whole.checked_add(fraction / tenths))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, nanoseconds, shown) in [
            ("10s", 10_000_000_000, "10s"),
            ("100ms", 100_000_000, "100ms"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("90s", 90_000_000_000, "1m30s"),
            ("1.5s", 1_500_000_000, "1s500ms"),
            ("0s", 0, "0s"),
            ("250us", 250_000, "250us"),
            ("1d2h", 93_600_000_000_000, "1d2h"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration.as_nanos(), nanoseconds, "{text}");
            assert_eq!(show_duration(duration), shown, "{text}");
            assert_eq!(parse_duration(shown), Ok(duration), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1s1m",
            "1s1s",
            "1 s",
            "10 seconds",
            "1.s",
            ".5s",
            "1e3s",
            "0.0000001us",
            "inf",
            "99999999999999999999s",
            "1..5s",
            "10S",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_duration("10").unwrap_err(),
            "found `10`, wanted a duration with a unit, such as `10s`"
        );
        for nothing in ["0", "-5", "1e3"] {
            let said = parse_duration(nothing).unwrap_err();
            assert!(said.ends_with("such as `10s`"), "{said}");
            let said = parse_size(nothing).unwrap_err();
            assert!(said.ends_with("such as `64MiB`"), "{said}");
        }
        assert_eq!(
            parse_duration("soon").unwrap_err(),
            "found `soon`, wanted a duration, such as `10s`, `100ms` or `1m30s`"
        );
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("64MiB", 67_108_864, "64MiB"),
            ("64 MiB", 67_108_864, "64MiB"),
            ("1MB", 1_000_000, "1MB"),
            ("1024KiB", 1_048_576, "1MiB"),
            ("17B", 17, "17B"),
            ("0B", 0, "0B"),
            ("4GiB", 4_294_967_296, "4GiB"),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "64",
            "MiB",
            "-1MiB",
            "64mib",
            "64 M iB",
            "1.5MiB",
            "99999999999TiB",
            "64M",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_size("64").unwrap_err(),
            "found `64`, wanted a size with a unit, such as `64MiB`"
        );
    }
}
