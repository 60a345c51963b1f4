//! Instruments → OTLP's messages, cumulative. Pure.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue as Attribute};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar as WireExemplar, ExponentialHistogram, ExponentialHistogramDataPoint,
    Gauge, Histogram as WireHistogram, HistogramDataPoint, Metric, NumberDataPoint, ScopeMetrics, Sum,
    exemplar, metric, number_data_point,
};

use super::catalogue::{Definition, Kind};
use super::exponential::Before;
use super::instrument::{ALL_PARTS, Copied};
use super::{Exemplar, Histogram, Instrument, Series, Value};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// What instruments hold at a moment, in messages of at most so many points each, so that each can be a request of its
/// own: collectors refuse requests over a few MiB. They are made one by one, as they are asked for.
#[derive(Debug)]
pub(in crate::telemetry) struct Messages {
    instruments: Vec<Arc<Instrument>>,
    scope: InstrumentationScope,
    now: u64,
    most_points: usize,
    /// The instrument, and the part of its owners, that comes next.
    next: (usize, usize),
    /// Points of the instrument that had no room in the last message.
    waiting: Vec<Point>,
}

impl Messages {
    /// Of these instruments, under this scope, at this moment in nanoseconds since 1970.
    pub(in crate::telemetry) fn new(
        instruments: Vec<Arc<Instrument>>,
        scope: InstrumentationScope,
        now: u64,
        most_points: usize,
    ) -> Self {
        Self {
            instruments,
            scope,
            now,
            most_points: most_points.max(1),
            next: (0, 0),
            waiting: Vec::new(),
        }
    }

    /// The next points of one instrument; none when there are no more of it.
    fn points(&mut self, instrument: &Instrument, room: usize) -> Vec<Point> {
        let mut points = std::mem::take(&mut self.waiting);
        while points.len() < room && self.next.1 < ALL_PARTS {
            instrument.began_by(self.next.1, self.now);
            for Copied { owner, series } in instrument.copied(self.next.1) {
                let definition = instrument.definition();
                points.extend(
                    series
                        .iter()
                        .map(|series| point(definition, owner.base(), series, self.now)),
                );
            }
            self.next.1 += 1;
        }
        if points.len() > room {
            self.waiting = points.split_off(room);
        }
        points
    }
}

impl Iterator for Messages {
    type Item = ScopeMetrics;

    fn next(&mut self) -> Option<ScopeMetrics> {
        let (mut metrics, mut room) = (Vec::new(), self.most_points);
        while let Some(instrument) = self.instruments.get(self.next.0).cloned() {
            let points = self.points(&instrument, room);
            room -= points.len();
            if !points.is_empty() {
                metrics.push(metric(instrument.definition(), points));
            }
            if room == 0 {
                break;
            }
            self.next = (self.next.0 + 1, 0);
        }
        (!metrics.is_empty()).then(|| ScopeMetrics {
            scope: Some(self.scope.clone()),
            metrics,
            ..ScopeMetrics::default()
        })
    }
}

#[derive(Debug)]
enum Point {
    Number(NumberDataPoint),
    Explicit(HistogramDataPoint),
    Exponential(ExponentialHistogramDataPoint),
}

fn metric(definition: &Definition, points: Vec<Point>) -> Metric {
    let (mut numbers, mut explicit, mut exponential) = (Vec::new(), Vec::new(), Vec::new());
    for point in points {
        match point {
            Point::Number(point) => numbers.push(point),
            Point::Explicit(point) => explicit.push(point),
            Point::Exponential(point) => exponential.push(point),
        }
    }
    let data = match definition.kind {
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers }),
        Kind::Counter | Kind::UpDownCounter => metric::Data::Sum(Sum {
            data_points: numbers,
            aggregation_temporality: CUMULATIVE,
            is_monotonic: definition.kind == Kind::Counter,
        }),
        Kind::Histogram(_) if exponential.is_empty() => metric::Data::Histogram(WireHistogram {
            data_points: explicit,
            aggregation_temporality: CUMULATIVE,
        }),
        Kind::Histogram(_) => metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: exponential,
            aggregation_temporality: CUMULATIVE,
        }),
    };
    Metric {
        name: definition.name.clone().into_owned(),
        description: definition.description.to_owned(),
        unit: definition.unit.clone().into_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn point(definition: &Definition, base: &[KeyValue], series: &Series, now: u64) -> Point {
    let number = match &series.value {
        Value::Whole(number) => number_data_point::Value::AsInt(*number),
        Value::Real(number) => number_data_point::Value::AsDouble(*number),
        Value::Histogram(histogram) => return histogram_point(definition, base, series, histogram, now),
    };
    Point::Number(NumberDataPoint {
        attributes: attributes(base, series),
        start_time_unix_nano: series.start,
        time_unix_nano: now,
        exemplars: series.exemplar.iter().map(|one| wire(one)).collect(),
        value: Some(number),
        ..NumberDataPoint::default()
    })
}

fn histogram_point(
    definition: &Definition,
    base: &[KeyValue],
    series: &Series,
    histogram: &Histogram,
    now: u64,
) -> Point {
    let attributes = attributes(base, series);
    let exemplars = histogram.exemplars().iter().map(|(_, one)| wire(one)).collect();
    let Some(exponential) = histogram.exponential() else {
        return Point::Explicit(HistogramDataPoint {
            attributes,
            start_time_unix_nano: series.start,
            time_unix_nano: now,
            count: histogram.count(),
            sum: Some(histogram.sum()),
            bucket_counts: histogram.counts().to_vec(),
            explicit_bounds: definition.bounds().to_vec(),
            exemplars,
            ..HistogramDataPoint::default()
        });
    };
    let before = exponential.before();
    Point::Exponential(ExponentialHistogramDataPoint {
        attributes,
        start_time_unix_nano: before.map_or(series.start, |before| before.end),
        time_unix_nano: now,
        count: exponential.count(),
        sum: Some(histogram.sum() - before.map_or(0.0, Before::sum)),
        scale: exponential.scale(),
        zero_count: exponential.zeros(),
        positive: Some(Buckets {
            offset: exponential.offset(),
            bucket_counts: exponential.counts().to_vec(),
        }),
        exemplars,
        ..ExponentialHistogramDataPoint::default()
    })
}

fn attributes(base: &[KeyValue], series: &Series) -> Vec<Attribute> {
    let pairs = base.iter().chain(series.own.iter());
    let pairs = pairs.map(|pair| Attribute {
        key: pair.key.as_str().to_owned(),
        value: Some(pair.value.clone().into()),
        ..Attribute::default()
    });
    pairs.collect()
}

fn wire(exemplar: &Exemplar) -> WireExemplar {
    WireExemplar {
        time_unix_nano: exemplar.time,
        span_id: exemplar.span_id.to_vec(),
        trace_id: exemplar.trace_id.to_vec(),
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..WireExemplar::default()
    }
}

#[cfg(test)]
#[path = "otlp_tests.rs"]
mod tests;
