//! What a collector received, read from its lines of OTLP/JSON. The collector's process is not known here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Attributes by name: text, numbers, booleans, arrays of them.
pub type Attributes = BTreeMap<String, Value>;

/// What a collector received.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// In order of arrival.
    pub spans: Vec<Span>,
    /// In order of arrival: a metric is here once for each export.
    pub metrics: Vec<Metric>,
    /// In order of arrival.
    pub logs: Vec<Log>,
}

/// A span. Identities are lower case hexadecimal digits, times nanoseconds since 1970.
#[derive(Debug, Clone)]
pub struct Span {
    /// The trace's.
    pub trace_id: String,
    /// Its own.
    pub id: String,
    /// Its parent's; empty for a root.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// 1 for internal, 3 for client, as in OTLP.
    pub kind: u64,
    /// When it started.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// 0 unset, 1 ok, 2 error, as in OTLP.
    pub status: u64,
    /// The status' message; empty if none.
    pub message: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// The names of its events with their attributes.
    pub events: Vec<(String, Attributes)>,
    /// The spans it links to.
    pub links: Vec<String>,
    /// The same with their traces, and why it links to them.
    pub linked: Vec<Link>,
    /// Who sent it.
    pub resource: Attributes,
    /// The instrumentation scope's name.
    pub scope: String,
}

/// A log record. Identities and times are as of a [`Span`].
#[derive(Debug, Clone)]
pub struct Log {
    /// The trace that it belongs to; empty if none.
    pub trace_id: String,
    /// The span that was open; empty if none.
    pub span_id: String,
    /// When it happened.
    pub time: u64,
    /// 1 to 24, as in OTLP.
    pub severity: u64,
    /// The event's name; empty for a line of a log.
    pub event_name: String,
    /// What it says.
    pub body: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Who sent it.
    pub resource: Attributes,
    /// The instrumentation scope's name.
    pub scope: String,
}

/// A link to another span.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The other one's trace.
    pub trace_id: String,
    /// The other one.
    pub span_id: String,
    /// What is said about it.
    pub attributes: Attributes,
}

/// A metric of one export.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// `sum`, `gauge`, `histogram` or `exponentialHistogram`.
    pub kind: String,
    /// Whether points count from the start of the process.
    pub is_cumulative: bool,
    /// One for each set of attributes.
    pub points: Vec<Point>,
    /// Who sent it.
    pub resource: Attributes,
}

/// A point of a metric.
#[derive(Debug, Clone)]
pub struct Point {
    /// Its attributes.
    pub attributes: Attributes,
    /// The value; of a histogram the sum.
    pub value: f64,
    /// Of a histogram, how many values.
    pub count: u64,
    /// Of a histogram, the upper bounds of its buckets.
    pub bounds: Vec<f64>,
    /// Of a histogram, how many values in each bucket; of an exponential one those above zero.
    pub buckets: Vec<u64>,
    /// Since when it counts.
    pub start: u64,
    /// When it was read.
    pub time: u64,
    /// Measurements with the trace they were taken in.
    pub exemplars: Vec<Exemplar>,
}

/// A measurement with the trace it was taken in.
#[derive(Debug, Clone)]
pub struct Exemplar {
    /// The trace's.
    pub trace_id: String,
    /// The span's.
    pub span_id: String,
    /// What was measured.
    pub value: f64,
    /// When.
    pub time: u64,
}

impl Received {
    /// What lines of OTLP/JSON say, one for each request. A line is there when its end is.
    ///
    /// # Panics
    ///
    /// When one is something else.
    #[must_use]
    pub fn of_lines(lines: &str) -> Self {
        let mut received = Self::default();
        for line in lines.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let request = serde_json::from_str(line);
            received.add(&request.unwrap_or_else(|error| panic!("the collector wrote `{line}`: {error}")));
        }
        received
    }

    /// The newest export of the metric of this name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().rev().find(|metric| metric.name == name)
    }

    /// The spans of this name.
    pub fn spans_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Span> {
        self.spans.iter().filter(move |span| span.name == name)
    }

    /// Adds a request.
    fn add(&mut self, request: &Value) {
        for of_resource in list(&request["resourceSpans"]) {
            let resource = attributes(&of_resource["resource"]);
            for of_scope in list(&of_resource["scopeSpans"]) {
                let scope = text(&of_scope["scope"]["name"]);
                let spans = list(&of_scope["spans"]);
                self.spans
                    .extend(spans.map(|span| Span::read(span, &resource, &scope)));
            }
        }
        for of_resource in list(&request["resourceLogs"]) {
            let resource = attributes(&of_resource["resource"]);
            for of_scope in list(&of_resource["scopeLogs"]) {
                let scope = text(&of_scope["scope"]["name"]);
                let records = list(&of_scope["logRecords"]);
                self.logs
                    .extend(records.map(|record| Log::read(record, &resource, &scope)));
            }
        }
        for of_resource in list(&request["resourceMetrics"]) {
            let resource = attributes(&of_resource["resource"]);
            for of_scope in list(&of_resource["scopeMetrics"]) {
                let metrics = list(&of_scope["metrics"]);
                self.metrics
                    .extend(metrics.map(|metric| Metric::read(metric, &resource)));
            }
        }
    }
}

impl Span {
    fn read(span: &Value, resource: &Attributes, scope: &str) -> Self {
        let event = |event: &Value| (text(&event["name"]), attributes(event));
        Self {
            trace_id: text(&span["traceId"]),
            id: text(&span["spanId"]),
            parent: text(&span["parentSpanId"]),
            name: text(&span["name"]),
            kind: whole(&span["kind"]),
            start: whole(&span["startTimeUnixNano"]),
            end: whole(&span["endTimeUnixNano"]),
            status: whole(&span["status"]["code"]),
            message: text(&span["status"]["message"]),
            attributes: attributes(span),
            events: list(&span["events"]).map(event).collect(),
            links: list(&span["links"]).map(|link| text(&link["spanId"])).collect(),
            linked: list(&span["links"]).map(Link::read).collect(),
            resource: resource.clone(),
            scope: scope.to_owned(),
        }
    }
}

impl Log {
    fn read(record: &Value, resource: &Attributes, scope: &str) -> Self {
        Self {
            trace_id: text(&record["traceId"]),
            span_id: text(&record["spanId"]),
            time: whole(&record["timeUnixNano"]),
            severity: whole(&record["severityNumber"]),
            body: text(&record["body"]["stringValue"]),
            event_name: text(&record["eventName"]),
            attributes: attributes(record),
            resource: resource.clone(),
            scope: scope.to_owned(),
        }
    }
}

impl Link {
    fn read(link: &Value) -> Self {
        Self {
            trace_id: text(&link["traceId"]),
            span_id: text(&link["spanId"]),
            attributes: attributes(link),
        }
    }
}

impl Metric {
    fn read(metric: &Value, resource: &Attributes) -> Self {
        let kind = ["sum", "gauge", "histogram", "exponentialHistogram"]
            .into_iter()
            .find(|kind| metric.get(kind).is_some());
        let kind = kind.unwrap_or_default();
        let data = &metric[kind];
        Self {
            name: text(&metric["name"]),
            unit: text(&metric["unit"]),
            kind: kind.to_owned(),
            is_cumulative: whole(&data["aggregationTemporality"]) == 2,
            points: list(&data["dataPoints"]).map(Point::read).collect(),
            resource: resource.clone(),
        }
    }
}

impl Point {
    fn read(point: &Value) -> Self {
        let value = ["asDouble", "asInt", "sum"]
            .into_iter()
            .find_map(|key| point.get(key));
        let buckets = list(&point["bucketCounts"]).chain(list(&point["positive"]["bucketCounts"]));
        Self {
            attributes: attributes(point),
            value: value.and_then(number).unwrap_or_default(),
            count: whole(&point["count"]),
            bounds: list(&point["explicitBounds"]).filter_map(number).collect(),
            buckets: buckets.map(whole).collect(),
            start: whole(&point["startTimeUnixNano"]),
            time: whole(&point["timeUnixNano"]),
            exemplars: list(&point["exemplars"]).map(Exemplar::read).collect(),
        }
    }
}

impl Exemplar {
    fn read(exemplar: &Value) -> Self {
        let value = ["asDouble", "asInt"]
            .into_iter()
            .find_map(|key| exemplar.get(key));
        Self {
            trace_id: text(&exemplar["traceId"]),
            span_id: text(&exemplar["spanId"]),
            value: value.and_then(number).unwrap_or_default(),
            time: whole(&exemplar["timeUnixNano"]),
        }
    }
}

/// The attributes of a thing that has some.
fn attributes(thing: &Value) -> Attributes {
    list(&thing["attributes"])
        .map(|pair| (text(&pair["key"]), plain(&pair["value"])))
        .collect()
}

/// OTLP/JSON's `{"intValue": "1"}` as `1`.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "intValue" => json!(number(inner).unwrap_or_default() as i64),
        "arrayValue" => list(&inner["values"]).map(plain).collect(),
        _ => inner.clone(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A number; OTLP/JSON writes 64-bit ones as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn whole(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or_default()
}
