//! Collected metrics → text: the Prometheus format 0.0.4 and OpenMetrics 1.0.0. Pure. Names are translated
//! as OpenTelemetry's compatibility specification says (section "OTLP Metric points to Prometheus").
//!
//! The libraries that do this write one of the two formats only, from instruments of their own.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Write};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Gauge, Histogram, Metric, MetricData, ResourceMetrics, Sum,
};

use super::translation::{Kind, family_name, label_name};

/// A format of metrics as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text, version 0.0.4: what everything that scrapes can read.
    Prometheus,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The media type that goes with it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The metrics in this format, without the points of checks (the attribute `check`) that are not known.
pub(super) fn text(
    collected: &ResourceMetrics,
    format: Exposition,
    check: &str,
    is_known: &dyn Fn(&str) -> bool,
) -> String {
    let mut page = Page {
        format,
        check,
        is_known,
        text: String::new(),
        families: HashSet::new(),
        points: HashSet::new(),
    };
    page.target_info(collected.resource());
    for metric in collected.scope_metrics().flat_map(|scope| scope.metrics()) {
        page.metric(metric);
    }
    if format == Exposition::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

struct Page<'a> {
    format: Exposition,
    check: &'a str,
    is_known: &'a dyn Fn(&str) -> bool,
    text: String,
    /// The families that are written: none may come twice.
    families: HashSet<String>,
    /// The labels of the points of this family: none may come twice either.
    points: HashSet<String>,
}

impl Page<'_> {
    /// What is the same for all metrics stands once, in `target_info`.
    fn target_info(&mut self, resource: &Resource) {
        let attributes: Vec<KeyValue> = resource
            .iter()
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
            .collect();
        let labels = labels(attributes.iter());
        if labels.is_empty() {
            return;
        }
        let (family, kind) = match self.format {
            Exposition::Prometheus => ("target_info", "gauge"),
            Exposition::OpenMetrics => ("target", "info"),
        };
        self.head(family, kind, "", "The process that these metrics are of.");
        self.families.insert("target_info".to_owned());
        self.line("target_info", &labels, "1");
    }

    fn metric(&mut self, metric: &Metric) {
        match metric.data() {
            AggregatedMetrics::U64(data) => self.data(metric, data),
            AggregatedMetrics::I64(data) => self.data(metric, data),
            AggregatedMetrics::F64(data) => self.data(metric, data),
        }
    }

    fn data<T: Number>(&mut self, metric: &Metric, data: &MetricData<T>) {
        let kind = match data {
            MetricData::Sum(sum) if sum.is_monotonic() => Kind::Counter,
            MetricData::Gauge(_) | MetricData::Sum(_) => Kind::Gauge,
            MetricData::Histogram(_) => Kind::Histogram,
            // None of our instruments is one.
            MetricData::ExponentialHistogram(_) => return,
        };
        let (family, unit) = family_name(metric.name(), metric.unit(), kind);
        if !self.families.insert(family.clone()) {
            return;
        }
        self.points.clear();
        self.family_head(&family, kind, &unit, metric.description());
        match data {
            MetricData::Sum(sum) if kind == Kind::Counter => self.sum(&format!("{family}_total"), sum),
            MetricData::Sum(sum) => self.sum(&family, sum),
            MetricData::Gauge(gauge) => self.gauge(&family, gauge),
            MetricData::Histogram(histogram) => self.histogram(&family, histogram),
            MetricData::ExponentialHistogram(_) => {}
        }
    }

    /// The older format has a counter's suffix in the name of the family too.
    fn family_head(&mut self, family: &str, kind: Kind, unit: &str, help: &str) {
        if kind == Kind::Counter && self.format == Exposition::Prometheus {
            self.head(&format!("{family}_total"), kind.as_str(), unit, help);
        } else {
            self.head(family, kind.as_str(), unit, help);
        }
    }

    fn head(&mut self, family: &str, kind: &str, unit: &str, help: &str) {
        let is_open = self.format == Exposition::OpenMetrics;
        if !help.is_empty() {
            let help = escaped(help, is_open);
            let _ = writeln!(self.text, "# HELP {family} {help}");
        }
        let _ = writeln!(self.text, "# TYPE {family} {kind}");
        if is_open && !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {family} {unit}");
        }
    }

    fn sum<T: Number>(&mut self, name: &str, sum: &Sum<T>) {
        for point in sum.data_points() {
            if let Some(labels) = self.labels(point.attributes()) {
                self.line(name, &labels, &point.value().shown());
            }
        }
    }

    fn gauge<T: Number>(&mut self, name: &str, gauge: &Gauge<T>) {
        for point in gauge.data_points() {
            if let Some(labels) = self.labels(point.attributes()) {
                self.line(name, &labels, &point.value().shown());
            }
        }
    }

    fn histogram<T: Number>(&mut self, name: &str, histogram: &Histogram<T>) {
        let bucket = format!("{name}_bucket");
        for point in histogram.data_points() {
            let Some(labels) = self.labels(point.attributes()) else {
                continue;
            };
            let comma = if labels.is_empty() { "" } else { "," };
            let mut count = 0;
            let bounds = point.bounds().map(Some).chain([None]);
            for (bound, more) in bounds.zip(point.bucket_counts()) {
                count += more;
                let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.shown());
                let labels = format!("{labels}{comma}le=\"{bound}\"");
                self.line(&bucket, &labels, &count.to_string());
            }
            self.line(&format!("{name}_sum"), &labels, &point.sum().shown());
            self.line(&format!("{name}_count"), &labels, &point.count().to_string());
        }
    }

    /// The labels of a point; none for one that is not to be written.
    fn labels<'a>(&mut self, attributes: impl Iterator<Item = &'a KeyValue>) -> Option<String> {
        let attributes: Vec<&KeyValue> = attributes.collect();
        let check = attributes.iter().find(|pair| pair.key.as_str() == self.check);
        if check.is_some_and(|pair| !(self.is_known)(&pair.value.as_str())) {
            return None;
        }
        let labels = labels(attributes.into_iter());
        self.points.insert(labels.clone()).then_some(labels)
    }

    fn line(&mut self, name: &str, labels: &str, value: &str) {
        let _ = if labels.is_empty() {
            writeln!(self.text, "{name} {value}")
        } else {
            writeln!(self.text, "{name}{{{labels}}} {value}")
        };
    }
}

/// `name="value",...` in the order of the names. Attributes that become the same label are joined by `;`.
fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for pair in attributes {
        let value = pair.value.as_str();
        by_name
            .entry(label_name(pair.key.as_str()))
            .and_modify(|joined| {
                joined.push(';');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    let mut labels = String::new();
    for (name, value) in &by_name {
        let comma = if labels.is_empty() { "" } else { "," };
        let _ = write!(labels, "{comma}{name}=\"{}\"", escaped(value, true));
    }
    labels
}

/// Backslashes and line breaks escaped, quotation marks where they would end something.
fn escaped(text: &str, with_quotes: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => safe.push_str("\\\\"),
            '\n' => safe.push_str("\\n"),
            '"' if with_quotes => safe.push_str("\\\""),
            other => safe.push(other),
        }
    }
    safe
}

/// A value of an instrument.
trait Number: Copy + fmt::Debug {
    /// As both formats write it: whole numbers as such, others always with a point or an exponent.
    fn shown(self) -> String;
}

impl Number for u64 {
    fn shown(self) -> String {
        self.to_string()
    }
}

impl Number for i64 {
    fn shown(self) -> String {
        self.to_string()
    }
}

impl Number for f64 {
    fn shown(self) -> String {
        if self.is_infinite() {
            return if self > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
        }
        format!("{self:?}")
    }
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
