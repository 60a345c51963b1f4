//! Durations and sizes in words, rounded to what a person can use. Pure.

use std::time::Duration;

/// A duration for people, to about three digits: `0.4 ms`, `42 ms`, `1.25 s`, `90 s`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let milliseconds = seconds * 1e3;
    if duration.is_zero() {
        "0 ms".to_owned()
    } else if milliseconds < 0.05 {
        "<0.1 ms".to_owned()
    } else if milliseconds < 9.95 {
        format!("{} ms", decimal(milliseconds, 1))
    } else if milliseconds < 999.5 {
        format!("{milliseconds:.0} ms")
    } else if seconds < 9.995 {
        format!("{} s", decimal(seconds, 2))
    } else if seconds < 99.95 {
        format!("{} s", decimal(seconds, 1))
    } else {
        format!("{seconds:.0} s")
    }
}

/// Seconds to the millisecond, for text that programs and people read: `0.042`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

/// A number with at most so many digits after the point, and no zeros at the end.
pub(super) fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let trimmed = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text.as_str()
    };
    if trimmed == "-0" {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// A size in bytes for people: `812 B`, `1.5 KiB`.
pub(super) fn bytes(value: f64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if value.abs() < 1024.0 {
        return format!("{} B", decimal(value, 0));
    }
    let mut scaled = value / 1024.0;
    let mut unit = 0;
    while scaled.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", decimal(scaled, 1), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_about_three_digits() {
        let shown = |microseconds| duration(Duration::from_micros(microseconds));
        let all = [
            0,
            20,
            60,
            420,
            9_940,
            9_960,
            42_400,
            999_600,
            1_250_000,
            9_996_000,
            12_340_000,
            300_400_000,
        ];
        let words = [
            "0 ms", "<0.1 ms", "0.1 ms", "0.4 ms", "9.9 ms", "10 ms", "42 ms", "1 s", "1.25 s", "10 s",
            "12.3 s", "300 s",
        ];
        assert_eq!(all.map(shown), words);
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(
            [0.0, 1023.0, 1536.0, 3_145_728.0].map(bytes),
            ["0 B", "1023 B", "1.5 KiB", "3 MiB"]
        );
    }

    #[test]
    fn zeros_at_the_end_are_dropped_only_after_the_point() {
        assert_eq!(decimal(100.0, 0), "100");
        assert_eq!(decimal(1.50, 2), "1.5");
        assert_eq!(decimal(-0.0001, 2), "0");
    }
}
