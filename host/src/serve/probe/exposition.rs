//! The gauges of a probe, as text. Pure. Which gauges there are is not known here, nor how a line is written.

use std::borrow::Cow;

use crate::telemetry::Exposition;
use crate::telemetry::exposition::{Head, Kind, Number, Page, push_label};

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

/// The families that have points, by name.
pub(super) fn text(families: &[Family], format: Exposition) -> String {
    let mut families: Vec<&Family> = families
        .iter()
        .filter(|family| !family.points.is_empty())
        .collect();
    families.sort_by_key(|family| family.name);
    let mut text = Vec::new();
    // Nothing fails that is written into memory.
    let _ = write(&families, Page::new(format, &mut text));
    // All of it was text.
    String::from_utf8(text).unwrap_or_default()
}

fn write(families: &[&Family], mut page: Page<'_>) -> std::io::Result<()> {
    for Family { name, help, points } in families {
        page.family(Head {
            name,
            kind: Kind::Gauge,
            unit: "",
            help,
        });
        for point in points {
            let mut labels = String::new();
            for (name, value) in &point.labels {
                push_label(&mut labels, name, value);
            }
            page.sample((name, ""), &labels, None, Number::Real(point.value), None)?;
        }
    }
    page.end()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(text(&families, Exposition::Prometheus), prometheus);
        assert_eq!(
            text(&families, Exposition::OpenMetrics),
            format!("{prometheus}# EOF\n")
        );
    }
}
