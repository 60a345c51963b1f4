//! Attributes as OTLP writes them, with the limits that hold for all of them. Which attributes there are is not
//! known here.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};

use crate::outcome::AttributeValue;

/// How many attributes a span, an event or a log record has at most: OpenTelemetry's default, and three times what
/// the fullest of ours has.
pub(super) const MAX_ATTRIBUTES: usize = 128;
/// The longest text of an attribute, in bytes: four times the longest message of a report, so that it concerns
/// reports of others' making only.
pub(super) const MAX_TEXT: usize = 4096;
/// How many texts an attribute that is a list has at most: twice what the longest list of a report has.
pub(super) const MAX_LIST: usize = 64;

/// Attributes as they are gathered. Those over the limit are counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Attributes {
    pairs: Vec<KeyValue>,
    dropped: u32,
}

impl Attributes {
    /// Adds an attribute.
    pub(super) fn set(&mut self, name: &str, value: impl IntoValue) {
        if self.pairs.len() >= MAX_ATTRIBUTES {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.pairs.push(KeyValue {
            key: name.to_owned(),
            value: Some(AnyValue {
                value: Some(value.into_value()),
            }),
            ..KeyValue::default()
        });
    }

    /// Adds an attribute that is not always there.
    pub(super) fn set_some(&mut self, name: &str, value: Option<impl IntoValue>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Adds others, as far as there is room.
    pub(super) fn extend(&mut self, others: Self) {
        let room = MAX_ATTRIBUTES.saturating_sub(self.pairs.len());
        let over = others.pairs.len().saturating_sub(room);
        self.pairs.extend(others.pairs.into_iter().take(room));
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        self.dropped = self.dropped.saturating_add(others.dropped).saturating_add(over);
    }

    /// The attributes, and how many there were besides.
    pub(super) fn finish(self) -> (Vec<KeyValue>, u32) {
        (self.pairs, self.dropped)
    }
}

/// What can be the value of an attribute.
pub(super) trait IntoValue {
    /// As OTLP writes it, within the limits.
    fn into_value(self) -> Value;
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::StringValue(shortened(self))
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        self.as_str().into_value()
    }
}

impl IntoValue for &String {
    fn into_value(self) -> Value {
        self.as_str().into_value()
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::BoolValue(self)
    }
}

impl IntoValue for f64 {
    fn into_value(self) -> Value {
        Value::DoubleValue(self)
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::IntValue(self)
    }
}

impl IntoValue for u64 {
    fn into_value(self) -> Value {
        Value::IntValue(i64::try_from(self).unwrap_or(i64::MAX))
    }
}

impl IntoValue for &[String] {
    fn into_value(self) -> Value {
        let texts = self.iter().take(MAX_LIST);
        let values = texts.map(|text| AnyValue {
            value: Some(text.into_value()),
        });
        Value::ArrayValue(ArrayValue {
            values: values.collect(),
        })
    }
}

impl IntoValue for &AttributeValue {
    fn into_value(self) -> Value {
        match self {
            AttributeValue::Text(text) => text.into_value(),
            AttributeValue::Integer(number) => number.into_value(),
            AttributeValue::List(texts) => texts.as_slice().into_value(),
        }
    }
}

impl IntoValue for &i64 {
    fn into_value(self) -> Value {
        Value::IntValue(*self)
    }
}

/// The scope of what bedcheck itself says.
pub(super) fn own_scope() -> InstrumentationScope {
    scope("bedcheck", env!("CARGO_PKG_VERSION"))
}

/// A scope by name and version.
pub(super) fn scope(name: &str, version: &str) -> InstrumentationScope {
    InstrumentationScope {
        name: name.to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    }
}

/// A text within the limit; that it was cut is to be seen.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let mut kept = text[..text.floor_char_boundary(MAX_TEXT)].to_owned();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_a_limit_is_cut_and_told() {
        let mut attributes = Attributes::default();
        for index in 0..MAX_ATTRIBUTES + 3 {
            attributes.set("name", index as u64);
        }
        let (pairs, dropped) = attributes.finish();
        assert_eq!((pairs.len(), dropped), (MAX_ATTRIBUTES, 3));
        let long = "é".repeat(MAX_TEXT);
        assert_eq!(shortened(&long), format!("{}…", "é".repeat(MAX_TEXT / 2)));
        assert_eq!(shortened("short"), "short");
        let many = vec![String::new(); MAX_LIST + 1];
        let Value::ArrayValue(list) = many.as_slice().into_value() else {
            panic!("a list")
        };
        assert_eq!(list.values.len(), MAX_LIST);
        assert_eq!(u64::MAX.into_value(), Value::IntValue(i64::MAX));
    }
}
