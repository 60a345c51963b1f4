//! The gauges of a probe, as text. Pure. Which gauges there are is not known here, nor how a line is written.

use crate::telemetry::Exposition;
use crate::telemetry::exposition::{Gauge, Number, Text, push_label};

/// Room for the labels of a point, in bytes.
const USUAL_LABELS: usize = 64;
/// Room for the points of most gauges that have labels.
const USUAL_POINTS: usize = 8;

/// A gauge and its points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    gauge: Gauge,
    points: Points,
}

/// The points of a gauge.
#[derive(Debug, Clone, PartialEq)]
enum Points {
    /// One without labels.
    One(f64),
    /// No two have the same labels.
    Each(Vec<Point>),
}

/// A value under its labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    labels: String,
    value: f64,
}

impl Point {
    /// A value under these labels: names as labels can have them, and any values.
    pub(super) fn new<'l>(labels: impl IntoIterator<Item = (&'l str, &'l str)>, value: f64) -> Self {
        let mut text = String::with_capacity(USUAL_LABELS);
        for (name, value) in labels {
            push_label(&mut text, name, value);
        }
        Self { labels: text, value }
    }
}

impl Gauge {
    /// This value, without labels.
    pub(super) fn one(self, value: f64) -> Family {
        Family {
            gauge: self,
            points: Points::One(value),
        }
    }

    /// These points, of which no two have the same labels.
    pub(super) fn each(self, points: impl IntoIterator<Item = Point>) -> Family {
        let points = points.into_iter();
        let most = points.size_hint().1;
        let mut each = Vec::with_capacity(most.unwrap_or(USUAL_POINTS).min(USUAL_POINTS));
        each.extend(points);
        Family {
            gauge: self,
            points: Points::Each(each),
        }
    }

    /// What it says by its labels: its value is 1.
    pub(super) fn info<'l>(self, labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> Family {
        self.each([Point::new(labels, 1.0)])
    }

    /// These points; of two with the same labels, the later one's value is in the place of the earlier one's.
    pub(super) fn last_of_each(self, points: impl IntoIterator<Item = Point>) -> Family {
        let mut each: Vec<Point> = Vec::with_capacity(USUAL_POINTS);
        for point in points {
            match each.iter_mut().find(|known| known.labels == point.labels) {
                Some(known) => known.value = point.value,
                None => each.push(point),
            }
        }
        Family {
            gauge: self,
            points: Points::Each(each),
        }
    }
}

impl Family {
    fn has_points(&self) -> bool {
        match &self.points {
            Points::One(_) => true,
            Points::Each(points) => !points.is_empty(),
        }
    }
}

/// The families that have points, by name.
pub(super) fn text(families: &[Family], format: Exposition) -> String {
    let mut by_name = Vec::with_capacity(families.len());
    by_name.extend(families.iter().filter(|family| family.has_points()));
    by_name.sort_unstable_by_key(|family| family.gauge.name);
    let mut text = Text::new(format);
    for family in by_name {
        write(family, &mut text);
    }
    text.end()
}

fn write(family: &Family, text: &mut Text) {
    let Family { gauge, points } = family;
    text.gauge(*gauge);
    let mut sample =
        |labels: &str, value| text.sample((gauge.name, ""), labels, None, Number::Real(value), None);
    match points {
        Points::One(value) => sample("", *value),
        Points::Each(points) => {
            for point in points {
                sample(&point.labels, point.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::exposition::gauge;

    #[test]
    fn families_are_sorted_and_hostile_values_are_escaped() {
        let families = [
            gauge!("probe_b", "B.").each([Point::new([("a", "x\"\\\n}"), ("b", "")], 1.0)]),
            gauge!("probe_a", "A.").one(1_765_432_100.0),
            gauge!("probe_none", "None.").each([]),
        ];
        let prometheus = "# HELP probe_a A.\n# TYPE probe_a gauge\nprobe_a 1765432100\n\
                          # HELP probe_b B.\n# TYPE probe_b gauge\nprobe_b{a=\"x\\\"\\\\\\n}\",b=\"\"} 1\n";
        assert_eq!(text(&families, Exposition::Prometheus), prometheus);
        assert_eq!(
            text(&families, Exposition::OpenMetrics),
            format!("{prometheus}# EOF\n")
        );
    }

    #[test]
    fn of_points_with_the_same_labels_the_later_value_counts_in_the_place_of_the_earlier() {
        let point = |name, value| Point::new([("name", name)], value);
        let points = [point("x", 1.0), point("y", 2.0), point("x", 3.0)];
        assert_eq!(
            gauge!("a", "A.").last_of_each(points),
            gauge!("a", "A.").each([point("x", 3.0), point("y", 2.0)])
        );
    }
}
