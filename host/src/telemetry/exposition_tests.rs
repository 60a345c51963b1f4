//! Tests of the text formats: what is written, and that a strict reader of each format can read it.

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::metrics::reader::MetricReader;

use super::super::metrics::Reader;
use super::super::strict::{self, Sample};
use super::*;

/// Instruments with everything that is hard to write, collected by a reader of the SDK.
fn collected() -> ResourceMetrics {
    let reader = Reader::default();
    let resource = Resource::builder_empty()
        .with_attribute(KeyValue::new("service.name", "bed \"check\""))
        .build();
    let provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader.clone())
        .build();
    let meter = provider.meter("test");
    let of = |check: &'static str| KeyValue::new("check", check);
    let counter = meter.u64_counter("a.runs").with_unit("{run}").build();
    counter.add(
        3,
        &[of("page"), KeyValue::new("text", "back\\slash \"quoted\"\nline")],
    );
    counter.add(4, &[of("removed")]);
    let gauge = meter
        .f64_gauge("a.left")
        .with_unit("s")
        .with_description("What is \"left\"\n\\ now.");
    gauge.build().record(-1.5, &[of("page")]);
    let twin = meter.f64_gauge("a_left").with_unit("s").build();
    twin.record(9.0, &[of("page")]);
    let merged = meter.i64_up_down_counter("a.merged").build();
    merged.add(2, &[KeyValue::new("a.b", "x"), KeyValue::new("a_b", "y")]);
    merged.add(5, &[KeyValue::new("a_b", "x;y")]);
    let histogram = meter
        .f64_histogram("a.time")
        .with_unit("s")
        .with_boundaries(vec![0.5, 10.0]);
    let histogram = histogram.build();
    for value in [0.25, 0.5, 2.0, 11.0] {
        histogram.record(value, &[of("page")]);
    }
    let mut collected = ResourceMetrics::default();
    reader.collect(&mut collected).unwrap();
    collected
}

fn page(format: Exposition) -> String {
    text(&collected(), format, "check", &|check| check != "removed")
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
# TYPE a_merged gauge
a_merged{a_b="x;y"} MERGED
# TYPE a_time_seconds histogram
a_time_seconds_bucket{check="page",le="0.5"} 2
a_time_seconds_bucket{check="page",le="10.0"} 3
a_time_seconds_bucket{check="page",le="+Inf"} 4
a_time_seconds_sum{check="page"} 13.75
a_time_seconds_count{check="page"} 4
"##
        .replace("MERGED", if page.contains("} 5\n") { "5" } else { "2" })
    );
    strict::prometheus(&page).unwrap();
}

#[test]
fn open_metrics_text_has_units_an_info_and_an_end() {
    let page = page(Exposition::OpenMetrics);
    for line in [
        "# TYPE target info\n",
        "target_info{service_name=\"bed \\\"check\\\"\"} 1\n",
        "# TYPE a_runs counter\n",
        "a_runs_total{check=\"page\",text=\"back\\\\slash \\\"quoted\\\"\\nline\"} 3\n",
        "# HELP a_left_seconds What is \\\"left\\\"\\n\\\\ now.\n",
        "# UNIT a_left_seconds seconds\n",
        "# UNIT a_time_seconds seconds\n",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert!(page.ends_with("\n# EOF\n"));
    assert!(!page.contains("removed"), "{page}");
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
fn numbers_are_written_as_both_formats_read_them() {
    for (number, text) in [
        (1.0, "1.0"),
        (0.001, "0.001"),
        (-0.0, "-0.0"),
        (1e21, "1e21"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(number.shown(), text);
    }
}
