//! Gauges that are known when the program is compiled: their heads are written then. Pure.

/// A gauge of a fixed name and meaning. Made by [`gauge!`](crate::telemetry::exposition::gauge).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gauge {
    /// Its name.
    pub(crate) name: &'static str,
    /// The lines before its samples, the same in both formats.
    pub(crate) head: &'static str,
}

/// A [`Gauge`] of this name, with this sentence, in which nothing has to be escaped.
macro_rules! gauge {
    ($name:literal, $help:literal $(,)?) => {{
        const { assert!($crate::telemetry::exposition::is_plain($help)) };
        $crate::telemetry::exposition::Gauge {
            name: $name,
            head: concat!("# HELP ", $name, " ", $help, "\n# TYPE ", $name, " gauge\n"),
        }
    }};
}
pub(crate) use gauge;

/// Whether neither format escapes anything in a text.
pub(crate) const fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], b'\\' | b'\n' | b'"') {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::{Exposition, Head, Kind, Text};

    #[test]
    fn a_head_is_that_of_any_other_gauge_in_both_formats() {
        for format in [Exposition::Prometheus, Exposition::OpenMetrics] {
            let (mut fixed, mut other) = (Text::new(format), Text::new(format));
            fixed.gauge(gauge!("probe_a", "Whether it's \u{e9} {so}."));
            other.family(Head {
                name: "probe_a",
                kind: Kind::Gauge,
                unit: "",
                help: "Whether it's \u{e9} {so}.",
            });
            assert_eq!(fixed.end(), other.end());
        }
    }
}
