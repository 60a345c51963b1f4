//! Gauges as text, in the formats of Prometheus. Pure. Which gauges there are is not known here.

use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderMap;
use http::header::ACCEPT;

/// A gauge: its name, what it means, and its points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    /// As a metric's name can be.
    pub(super) name: &'static str,
    /// One sentence.
    pub(super) help: &'static str,
    /// No two have the same labels.
    pub(super) points: Vec<Point>,
}

/// A value under its labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// Names as labels can have them, and any values.
    pub(super) labels: Vec<(Cow<'static, str>, String)>,
    /// The value.
    pub(super) value: f64,
}

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The one that is liked better; Prometheus' where nothing is said.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let accepted = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in accepted.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
            let of = |name: &str| parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            let quality = of("q").map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0));
            let is_known =
                |versions: &[&str]| of("version").is_none_or(|(_, value)| versions.contains(value));
            match media.to_ascii_lowercase().as_str() {
                "application/openmetrics-text" if is_known(&["1.0.0", "0.0.1"]) => open = open.max(quality),
                "text/plain" if is_known(&["0.0.4"]) => plain = plain.max(quality),
                "text/*" | "*/*" => plain = plain.max(quality),
                _ => {}
            }
        }
        if open > plain {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The media type of an answer.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The families that have points, by name.
pub(super) fn text(families: &[Family], format: Format) -> String {
    let mut families: Vec<&Family> = families
        .iter()
        .filter(|family| !family.points.is_empty())
        .collect();
    families.sort_by_key(|family| family.name);
    let mut text = String::new();
    for Family { name, help, points } in families {
        // Nothing fails that is written into a string.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for point in points {
            let _ = writeln!(text, "{name}{} {}", labels(point), number(point.value));
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn labels(point: &Point) -> String {
    if point.labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<_> = point
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Whole numbers as such: seconds since 1970 have no `e+09`.
fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(header: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header.parse().unwrap());
        Format::accepted(&headers)
    }

    #[test]
    fn the_format_is_the_one_that_is_liked_better() {
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Prometheus);
        for (header, format) in [
            ("*/*", Format::Prometheus),
            ("text/plain;version=0.0.4", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text; version=1.0.0; q=0.1, text/plain",
                Format::Prometheus,
            ),
            (
                "application/openmetrics-text;version=2.0.0,*/*;q=0.1",
                Format::Prometheus,
            ),
            (
                "application/vnd.google.protobuf;q=0.7,text/plain;q=0.2",
                Format::Prometheus,
            ),
        ] {
            assert_eq!(accepted(header), format, "{header}");
        }
    }

    #[test]
    fn families_are_sorted_and_hostile_values_are_escaped() {
        let families = [
            Family {
                name: "probe_b",
                help: "B.",
                points: vec![Point {
                    labels: vec![("a".into(), "x\"\\\n}".into()), ("b".into(), String::new())],
                    value: 1.0,
                }],
            },
            Family {
                name: "probe_a",
                help: "A.",
                points: vec![Point {
                    labels: Vec::new(),
                    value: 1_765_432_100.0,
                }],
            },
            Family {
                name: "probe_none",
                help: "None.",
                points: Vec::new(),
            },
        ];
        let prometheus = "# HELP probe_a A.\n# TYPE probe_a gauge\nprobe_a 1765432100\n\
                          # HELP probe_b B.\n# TYPE probe_b gauge\nprobe_b{a=\"x\\\"\\\\\\n}\",b=\"\"} 1\n";
        assert_eq!(text(&families, Format::Prometheus), prometheus);
        assert_eq!(
            text(&families, Format::OpenMetrics),
            format!("{prometheus}# EOF\n")
        );
        assert_eq!(
            (number(0.000_012), number(-1.0)),
            ("0.000012".into(), "-1".into())
        );
    }
}
