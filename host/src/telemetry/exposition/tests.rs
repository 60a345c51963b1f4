//! Tests of the text formats: what is written, and that a strict reader of each format can read it.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::*;
use crate::telemetry::metrics::catalogue::{Definition, Kind as Instrument};
use crate::telemetry::metrics::{Owner, Registry, Value};
use crate::telemetry::strict::{self, Sample};
use crate::telemetry::values::Attributes;

fn definition(
    name: &'static str,
    kind: Instrument,
    unit: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name: Cow::Borrowed(name),
        kind,
        unit: Cow::Borrowed(unit),
        attributes: &[],
        limit: 10,
        description,
    }
}

/// Instruments with everything that is hard to write.
fn registry() -> Registry {
    let registry = Registry::new(false);
    let page = &Owner::new("page", [KeyValue::new("check", "page")], 1);
    let exemplar = Exemplar {
        trace_id: [0xab; 16],
        span_id: [0xcd; 8],
        value: 2.0,
        time: 1_767_225_600_012_345_678,
    };
    let counter = registry.make(&definition("a.runs", Instrument::Counter, "{run}", ""));
    let hostile = [KeyValue::new("text", "back\\slash \"quoted\"\nline")];
    counter.add_with(
        page,
        &hostile,
        3,
        Some(Exemplar {
            value: 1.0,
            ..exemplar
        }),
    );
    let help = "What is \"left\"\n\\ now.";
    let gauge = registry.make(&definition("a.left", Instrument::Gauge, "s", help));
    gauge.set(page, &[], Value::Real(-1.5));
    let twin = registry.make(&definition("a_left", Instrument::Gauge, "s", ""));
    twin.set(page, &[], Value::Real(9.0));
    // What a plugin names.
    let merged = registry.make(&definition(
        "synthetic.check.measurement.m",
        Instrument::Gauge,
        "",
        "",
    ));
    merged.set(
        page,
        &[KeyValue::new("a.b", "x"), KeyValue::new("a_b", "y")],
        Value::Whole(2),
    );
    merged.set(page, &[KeyValue::new("a_b", "x;y")], Value::Whole(5));
    registry.make(&definition("a.nothing", Instrument::Gauge, "s", "Nothing."));
    let histogram = registry.make(&definition(
        "a.time",
        Instrument::Histogram(&[0.5, 10.0]),
        "s",
        "",
    ));
    for value in [0.25, 0.5, 11.0] {
        histogram.record(page, &[], value, None);
    }
    histogram.record(page, &[], 2.0, Some(exemplar));
    registry
}

fn page(format: Exposition) -> String {
    let mut attributes = Attributes::default();
    attributes.set("service.name", "bed \"check\"");
    let resource = Resource {
        attributes: attributes.finish().0,
        ..Resource::default()
    };
    let mut page = Vec::new();
    write_metrics(&resource, &registry().collected(), format, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn prometheus_text_is_as_its_format_says() {
    let page = page(Exposition::Prometheus);
    assert_eq!(
        page,
        r##"# HELP target_info The process that these metrics are of.
# TYPE target_info gauge
target_info{service_name="bed \"check\""} 1
# TYPE a_runs_total counter
a_runs_total{check="page",text="back\\slash \"quoted\"\nline"} 3
# HELP a_left_seconds What is "left"\n\\ now.
# TYPE a_left_seconds gauge
a_left_seconds{check="page"} -1.5
# TYPE synthetic_check_measurement_m gauge
synthetic_check_measurement_m{a_b="x;y",check="page"} 2
# TYPE a_time_seconds histogram
a_time_seconds_bucket{check="page",le="0.5"} 2
a_time_seconds_bucket{check="page",le="10.0"} 3
a_time_seconds_bucket{check="page",le="+Inf"} 4
a_time_seconds_sum{check="page"} 13.75
a_time_seconds_count{check="page"} 4
"##
    );
    strict::prometheus(&page).unwrap();
}

#[test]
fn open_metrics_text_has_units_exemplars_an_info_and_an_end() {
    let page = page(Exposition::OpenMetrics);
    let exemplar = format!(
        "# {{trace_id=\"{}\",span_id=\"{}\"}}",
        "ab".repeat(16),
        "cd".repeat(8)
    );
    for line in [
        "# TYPE target info\n",
        "target_info{service_name=\"bed \\\"check\\\"\"} 1\n",
        "# TYPE a_runs counter\n",
        &format!(
            "a_runs_total{{check=\"page\",text=\"back\\\\slash \\\"quoted\\\"\\nline\"}} 3 {exemplar} 1 \
             1767225600.012\n"
        ),
        "# HELP a_left_seconds What is \\\"left\\\"\\n\\\\ now.\n",
        "# UNIT a_left_seconds seconds\n",
        "# UNIT a_time_seconds seconds\n",
        &format!("a_time_seconds_bucket{{check=\"page\",le=\"10.0\"}} 3 {exemplar} 2 1767225600.012\n"),
        "a_time_seconds_bucket{check=\"page\",le=\"+Inf\"} 4\n",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert!(page.ends_with("\n# EOF\n"));
    let samples = strict::open_metrics(&page).unwrap();
    let quoted = samples
        .iter()
        .find(|sample| sample.name == "a_runs_total")
        .unwrap();
    assert_eq!(
        quoted,
        &Sample {
            name: "a_runs_total".into(),
            labels: vec![
                ("check".into(), "page".into()),
                ("text".into(), "back\\slash \"quoted\"\nline".into()),
            ],
            value: "3".into(),
        }
    );
}

#[test]
fn a_long_page_is_given_away_in_pieces() {
    struct Pieces(Vec<usize>);
    impl io::Write for Pieces {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.push(piece.len());
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut pieces = Pieces(Vec::new());
    let mut page = Page::new(Exposition::Prometheus, &mut pieces);
    for _ in 0..100_000 {
        page.sample(("a", ""), "", None, Number::Whole(1), None).unwrap();
    }
    page.end().unwrap();
    assert_eq!(pieces.0.iter().sum::<usize>(), 400_000);
    assert!(
        pieces.0.iter().all(|length| *length < 2 * PIECE),
        "{:?}",
        pieces.0
    );
}
