//! Metrics in requests of a bounded size: 100,000 checks have more points than any collector takes at once. Pure.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum, Summary,
};
use prost::Message;

/// What a message in another one takes besides itself: a tag and a length.
const FRAME: usize = 8;

/// The metrics in requests of `largest` bytes at most, unless a single point has more. None of them is empty.
pub(super) fn requests(metrics: ResourceMetrics, largest: usize) -> Vec<ExportMetricsServiceRequest> {
    let ResourceMetrics {
        resource,
        scope_metrics,
        schema_url,
    } = metrics;
    let empty = ResourceMetrics {
        resource,
        scope_metrics: Vec::new(),
        schema_url,
    };
    let mut packer = Packer {
        room: largest.saturating_sub(empty.encoded_len() + FRAME),
        empty,
        used: 0,
        scopes: Vec::new(),
        requests: Vec::new(),
    };
    for scope in scope_metrics {
        packer.add(scope);
    }
    packer.close();
    packer.requests
}

struct Packer {
    /// The request before anything is in it.
    empty: ResourceMetrics,
    /// What may be in a request besides that, in bytes.
    room: usize,
    /// What is in this one, in bytes.
    used: usize,
    scopes: Vec<ScopeMetrics>,
    requests: Vec<ExportMetricsServiceRequest>,
}

impl Packer {
    fn add(&mut self, scope: ScopeMetrics) {
        let ScopeMetrics {
            scope,
            metrics,
            schema_url,
        } = scope;
        let empty = ScopeMetrics {
            scope,
            metrics: Vec::new(),
            schema_url,
        };
        let head = empty.encoded_len() + FRAME;
        let mut current = empty.clone();
        let mut left: Vec<Metric> = metrics.into_iter().rev().collect();
        while let Some(metric) = left.pop() {
            let head = if current.metrics.is_empty() { head } else { 0 };
            let size = head + metric.encoded_len() + FRAME;
            if self.used + size <= self.room {
                self.used += size;
                current.metrics.push(metric);
                continue;
            }
            if size > self.room && points(&metric) > 1 {
                // Cut until its parts fit.
                let (first, second) = halves(metric);
                left.extend([second, first]);
            } else if self.used > 0 {
                left.push(metric);
                self.put(std::mem::replace(&mut current, empty.clone()));
                self.close();
            } else {
                self.used += size;
                current.metrics.push(metric);
            }
        }
        self.put(current);
    }

    fn put(&mut self, scope: ScopeMetrics) {
        if !scope.metrics.is_empty() {
            self.scopes.push(scope);
        }
    }

    fn close(&mut self) {
        self.used = 0;
        if self.scopes.is_empty() {
            return;
        }
        let metrics = ResourceMetrics {
            scope_metrics: std::mem::take(&mut self.scopes),
            ..self.empty.clone()
        };
        self.requests.push(ExportMetricsServiceRequest {
            resource_metrics: vec![metrics],
        });
    }
}

/// How many points a metric has.
fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
        None => 0,
    }
}

/// The metric with the first half of its points, and with the second.
fn halves(mut first: Metric) -> (Metric, Metric) {
    let half = points(&first) / 2;
    let data = first.data.as_mut().map(|data| match data {
        Data::Gauge(data) => Data::Gauge(Gauge {
            data_points: data.data_points.split_off(half),
        }),
        Data::Sum(data) => Data::Sum(Sum {
            data_points: data.data_points.split_off(half),
            ..*data
        }),
        Data::Histogram(data) => Data::Histogram(Histogram {
            data_points: data.data_points.split_off(half),
            ..*data
        }),
        Data::ExponentialHistogram(data) => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: data.data_points.split_off(half),
            ..*data
        }),
        Data::Summary(data) => Data::Summary(Summary {
            data_points: data.data_points.split_off(half),
        }),
    });
    let second = Metric {
        name: first.name.clone(),
        description: first.description.clone(),
        unit: first.unit.clone(),
        metadata: first.metadata.clone(),
        data,
    };
    (first, second)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::*;

    /// A sum with points that are told apart by their time.
    fn sum(name: &str, points: u64) -> Metric {
        let point = |time_unix_nano| NumberDataPoint {
            time_unix_nano,
            ..NumberDataPoint::default()
        };
        Metric {
            name: name.to_owned(),
            unit: "{run}".to_owned(),
            data: Some(Data::Sum(Sum {
                data_points: (1..=points).map(point).collect(),
                aggregation_temporality: 2,
                is_monotonic: true,
            })),
            ..Metric::default()
        }
    }

    fn metrics(scopes: Vec<Vec<Metric>>) -> ResourceMetrics {
        let scope = |metrics| ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "bedcheck".to_owned(),
                ..InstrumentationScope::default()
            }),
            metrics,
            schema_url: String::new(),
        };
        ResourceMetrics {
            resource: Some(Resource::default()),
            scope_metrics: scopes.into_iter().map(scope).collect(),
            schema_url: String::new(),
        }
    }

    /// Each point of the requests, with its metric.
    fn told(requests: &[ExportMetricsServiceRequest]) -> Vec<(String, u64)> {
        let mut told = Vec::new();
        let resources = requests.iter().flat_map(|request| &request.resource_metrics);
        let scopes = resources.flat_map(|resource| {
            assert!(resource.resource.is_some());
            &resource.scope_metrics
        });
        for metric in scopes.flat_map(|scope| &scope.metrics) {
            let Some(Data::Sum(sum)) = &metric.data else {
                panic!("{metric:?}")
            };
            assert!(sum.is_monotonic && sum.aggregation_temporality == 2 && metric.unit == "{run}");
            let points = sum.data_points.iter();
            told.extend(points.map(|point| (metric.name.clone(), point.time_unix_nano)));
        }
        told
    }

    #[test]
    fn every_point_is_in_one_request_in_order_and_no_request_is_too_large() {
        let all = || {
            metrics(vec![
                vec![sum("a", 100), sum("b", 3)],
                vec![sum("c", 1), sum("d", 57)],
            ])
        };
        let whole = requests(all(), usize::MAX);
        assert_eq!((whole.len(), told(&whole).len()), (1, 161));
        for largest in [200, 500, 1000] {
            let parts = requests(all(), largest);
            assert_eq!(told(&parts), told(&whole), "{largest}");
            for part in &parts {
                assert!(
                    part.encoded_len() <= largest,
                    "{} of {largest}",
                    part.encoded_len()
                );
            }
            let fewest = whole[0].encoded_len() / largest;
            assert!(
                parts.len() >= fewest && parts.len() <= 4 * fewest + 4,
                "{} of {largest}",
                parts.len()
            );
        }
    }

    #[test]
    fn a_point_that_fits_nowhere_is_sent_all_the_same() {
        let parts = requests(metrics(vec![vec![sum("a", 3)]]), 1);
        assert_eq!((parts.len(), told(&parts).len()), (3, 3));
    }

    #[test]
    fn nothing_makes_no_request() {
        assert!(requests(metrics(Vec::new()), 1000).is_empty());
        assert!(requests(metrics(vec![Vec::new()]), 1000).is_empty());
    }
}
