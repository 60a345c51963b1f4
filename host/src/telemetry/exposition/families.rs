//! Instruments → families of metrics, named as OpenTelemetry's compatibility specification says (section "OTLP Metric
//! points to Prometheus"). Histograms have their explicit buckets, whatever leaves over OTLP.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use opentelemetry::{KeyValue, Value as Attribute};
use opentelemetry_proto::tonic::common;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::translation::{Kind, family_name, label_name};
use super::{Exposition, Head, Number, Page, bound, push_label};
use crate::telemetry::metrics::catalogue;
use crate::telemetry::metrics::{Histogram, Instrument, Series, Value};

/// Writes what the instruments of a process with these attributes hold.
pub(in crate::telemetry) fn write_metrics(
    resource: &Resource,
    instruments: &[Arc<Instrument>],
    format: Exposition,
    writer: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page::new(format, writer);
    let mut labels = Labels::default();
    let mut families = HashSet::from(["target".to_owned()]);
    target_info(&mut page, &mut labels, resource)?;
    for instrument in instruments {
        let definition = instrument.definition();
        let kind = kind(definition.kind);
        let (name, unit) = family_name(&definition.name, &definition.unit, kind);
        if !families.insert(name.clone()) {
            continue;
        }
        let head = Head {
            name: &name,
            kind,
            unit: &unit,
            help: definition.description,
        };
        write_instrument(&mut page, &mut labels, head, instrument)?;
    }
    page.end()
}

fn kind(kind: catalogue::Kind) -> Kind {
    match kind {
        catalogue::Kind::Counter => Kind::Counter,
        catalogue::Kind::UpDownCounter | catalogue::Kind::Gauge => Kind::Gauge,
        catalogue::Kind::Histogram(_) => Kind::Histogram,
    }
}

/// What is the same for all metrics stands once, in `target_info`.
fn target_info(page: &mut Page<'_>, labels: &mut Labels, resource: &Resource) -> io::Result<()> {
    let attributes: Vec<KeyValue> = resource.attributes.iter().filter_map(plain).collect();
    let text = labels.of(&attributes, &[]);
    if text.is_empty() {
        return Ok(());
    }
    page.family(Head {
        name: "target",
        kind: Kind::Info,
        unit: "",
        help: "The process that these metrics are of.",
    });
    page.sample(("target", "_info"), text, None, Number::Whole(1), None)
}

/// An attribute of the resource: they are texts and numbers.
fn plain(attribute: &common::v1::KeyValue) -> Option<KeyValue> {
    let value = match attribute.value.as_ref()?.value.as_ref()? {
        AnyValue::StringValue(text) => Attribute::from(text.clone()),
        AnyValue::IntValue(number) => Attribute::from(*number),
        _ => return None,
    };
    Some(KeyValue::new(attribute.key.clone(), value))
}

/// A family, if there is anything of it.
fn write_instrument(
    page: &mut Page<'_>,
    labels: &mut Labels,
    head: Head<'_>,
    instrument: &Instrument,
) -> io::Result<()> {
    // Only what plugins name can become the same labels.
    let mut points = instrument.definition().is_of_plugin().then(HashSet::new);
    // The same for all series, and slow to write.
    let bounds = instrument.definition().bounds().iter().copied();
    let bounds: Vec<String> = bounds.chain([f64::INFINITY]).map(bound).collect();
    let (mut has_head, mut result) = (false, Ok(()));
    instrument.each(|owner, series| {
        let text = labels.of(owner.base(), &series.own);
        let is_twin = points
            .as_mut()
            .is_some_and(|points| !points.insert(text.to_owned()));
        if result.is_err() || is_twin {
            return;
        }
        if !has_head {
            has_head = true;
            page.family(head);
        }
        result = write_series(page, head, &bounds, text, series);
    });
    result
}

fn write_series(
    page: &mut Page<'_>,
    head: Head<'_>,
    bounds: &[String],
    labels: &str,
    series: &Series,
) -> io::Result<()> {
    let suffix = if head.kind == Kind::Counter { "_total" } else { "" };
    let number = match &series.value {
        Value::Whole(number) => Number::Whole(*number),
        Value::Real(number) => Number::Real(*number),
        Value::Histogram(histogram) => return write_histogram(page, head.name, bounds, labels, histogram),
    };
    // A gauge has none in this format.
    let exemplar = series.exemplar.as_deref().filter(|_| head.kind == Kind::Counter);
    page.sample((head.name, suffix), labels, None, number, exemplar)
}

fn write_histogram(
    page: &mut Page<'_>,
    name: &str,
    bounds: &[String],
    labels: &str,
    histogram: &Histogram,
) -> io::Result<()> {
    let mut exemplars = histogram.exemplars().iter().peekable();
    let mut count = 0_u64;
    for ((bucket, more), bound) in histogram.counts().iter().enumerate().zip(bounds) {
        count = count.saturating_add(*more);
        let exemplar = exemplars
            .next_if(|(of, _)| *of == bucket)
            .map(|(_, exemplar)| exemplar);
        page.sample(
            (name, "_bucket"),
            labels,
            Some(bound.as_str()),
            Number::Count(count),
            exemplar,
        )?;
    }
    page.sample((name, "_sum"), labels, None, Number::Real(histogram.sum()), None)?;
    page.sample((name, "_count"), labels, None, Number::Count(count), None)
}

/// Attributes as labels, in the order of their names. Those that become the same label are joined by `;`.
#[derive(Default)]
struct Labels {
    /// What names become, each worked out once.
    names: HashMap<Box<str>, Arc<str>>,
    text: String,
}

impl Labels {
    fn of(&mut self, base: &[KeyValue], own: &[KeyValue]) -> &str {
        let mut pairs: Vec<(Arc<str>, Cow<'_, str>)> = Vec::with_capacity(base.len() + own.len());
        for pair in base.iter().chain(own) {
            pairs.push((self.name(pair.key.as_str()), shown(&pair.value)));
        }
        // Stable: what is joined stays in its order.
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        pairs.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                let joined = earlier.1.to_mut();
                joined.push(';');
                joined.push_str(&later.1);
            }
            is_same
        });
        self.text.clear();
        for (name, value) in &pairs {
            push_label(&mut self.text, name, value);
        }
        &self.text
    }

    fn name(&mut self, attribute: &str) -> Arc<str> {
        if let Some(name) = self.names.get(attribute) {
            return Arc::clone(name);
        }
        let name: Arc<str> = label_name(attribute).into();
        // What plugins name is bounded, but by much.
        if self.names.len() < 1_000 {
            self.names.insert(attribute.into(), Arc::clone(&name));
        }
        name
    }
}

fn shown(value: &Attribute) -> Cow<'_, str> {
    match value {
        Attribute::String(text) => Cow::Borrowed(text.as_str()),
        other => Cow::Owned(other.to_string()),
    }
}
