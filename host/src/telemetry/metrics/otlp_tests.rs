//! Tests of the messages: kinds, starts, exemplars, both forms of histograms, and that no message is too long.

use super::super::catalogue::{DURATION, PROCESS_CPU, RUNS, UP};
use super::super::{Owner, Registry};
use super::*;

const SCOPE: &str = "test";

fn base() -> [KeyValue; 1] {
    [KeyValue::new("synthetic.check.name", "page")]
}

fn exported(registry: &Registry, most_points: usize) -> Vec<ScopeMetrics> {
    let scope = InstrumentationScope {
        name: SCOPE.into(),
        ..InstrumentationScope::default()
    };
    Messages::new(registry.collected(), scope, 99, most_points).collect()
}

/// Some of every kind, each since 7.
fn registry(is_exponential: bool) -> Registry {
    let registry = Registry::new(is_exponential);
    let page = &Owner::new("page", base(), 7);
    let exemplar = |value| Exemplar {
        trace_id: [1; 16],
        span_id: [2; 8],
        value,
        time: 42,
    };
    let failed = [KeyValue::new("failed", true)];
    let (runs, up) = (registry.make(&RUNS), registry.make(&UP));
    runs.add_with(page, &failed, 3, Some(exemplar(1.0)));
    up.set(page, &[], Value::Whole(0));
    registry.make(&PROCESS_CPU).set(page, &[], Value::Real(1.5));
    let duration = registry.make(&DURATION);
    duration.record(page, &[], 0.2, Some(exemplar(0.2)));
    duration.record(page, &[], 90.0, None);
    registry
}

fn data(exported: &[ScopeMetrics], name: &str) -> metric::Data {
    let mut metrics = exported.iter().flat_map(|scope| &scope.metrics);
    let metric = metrics.find(|metric| metric.name == name).unwrap();
    metric.data.clone().unwrap()
}

#[test]
fn counters_and_gauges_say_what_they_are() {
    let exported = exported(&registry(false), 100);
    assert_eq!(exported.len(), 1);
    assert_eq!(exported[0].scope.as_ref().unwrap().name, SCOPE);
    let metric::Data::Sum(runs) = data(&exported, "synthetic.check.runs") else {
        panic!("runs are a sum");
    };
    assert!(runs.is_monotonic && runs.aggregation_temporality == 2);
    let point = &runs.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (7, 99));
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
    let attributes: Vec<&str> = point.attributes.iter().map(|pair| &*pair.key).collect();
    assert_eq!(attributes, ["synthetic.check.name", "failed"]);
    let exemplar = &point.exemplars[0];
    assert_eq!(
        (
            &exemplar.trace_id[..],
            &exemplar.span_id[..],
            exemplar.time_unix_nano
        ),
        (&[1; 16][..], &[2; 8][..], 42)
    );
    let metric::Data::Gauge(up) = data(&exported, "synthetic.check.up") else {
        panic!("up is a gauge");
    };
    assert_eq!(up.data_points[0].value, Some(number_data_point::Value::AsInt(0)));
    let metric::Data::Sum(cpu) = data(&exported, "process.cpu.time") else {
        panic!("processor time is a sum");
    };
    assert_eq!(
        cpu.data_points[0].value,
        Some(number_data_point::Value::AsDouble(1.5))
    );
}

#[test]
fn histograms_have_their_bounds_and_exemplars() {
    let metric::Data::Histogram(duration) =
        data(&exported(&registry(false), 100), "synthetic.check.duration")
    else {
        panic!("durations are a histogram");
    };
    let point = &duration.data_points[0];
    assert_eq!(point.explicit_bounds, DURATION.bounds());
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!((point.count, point.sum), (2, Some(90.2)));
    assert_eq!((point.bucket_counts[4], point.bucket_counts[12]), (1, 1));
    assert_eq!(point.exemplars.len(), 1);
}

#[test]
fn exponential_histograms_count_the_same_values() {
    let exported = exported(&registry(true), 100);
    let metric::Data::ExponentialHistogram(duration) = data(&exported, "synthetic.check.duration") else {
        panic!("durations are an exponential histogram");
    };
    let point = &duration.data_points[0];
    let buckets = point.positive.as_ref().unwrap();
    assert_eq!((point.count, point.sum, point.zero_count), (2, Some(90.2), 0));
    assert_eq!(buckets.bucket_counts.iter().sum::<u64>(), 2);
    assert_eq!((point.start_time_unix_nano, point.exemplars.len()), (7, 1));
}

#[test]
fn no_message_has_more_points_than_asked_for_and_none_is_lost() {
    let registry = Registry::new(false);
    let (runs, up) = (registry.make(&RUNS), registry.make(&UP));
    for number in 0..95 {
        let owner = &Owner::new(&number.to_string(), base(), 0);
        runs.add(owner, &[], 1);
        up.set(owner, &[], Value::Whole(1));
    }
    let points = |scope: &ScopeMetrics| -> usize {
        let metrics = scope.metrics.iter();
        metrics
            .map(|metric| match metric.data.as_ref().unwrap() {
                metric::Data::Sum(sum) => sum.data_points.len(),
                metric::Data::Gauge(gauge) => gauge.data_points.len(),
                other => panic!("{other:?}"),
            })
            .sum()
    };
    let pages: Vec<usize> = exported(&registry, 10).iter().map(points).collect();
    assert!(pages.iter().all(|page| (1..=10).contains(page)), "{pages:?}");
    assert_eq!(pages.iter().sum::<usize>(), 190);
}
