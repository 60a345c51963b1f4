//! Attributes as OTLP writes them, with the limits that hold for all of them. Which attributes there are is not
//! known here.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::any_value::Value as WireValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};

use super::wire;
use crate::outcome::AttributeValue;

/// How many attributes a span, an event or a log record has at most: OpenTelemetry's default, and three times what
/// the fullest of ours has.
pub(super) const MAX_ATTRIBUTES: usize = 128;
/// The longest text of an attribute, in bytes: four times the longest message of a report, so that it concerns
/// reports of others' making only.
pub(super) const MAX_TEXT: usize = 4096;
/// How many texts an attribute that is a list has at most: twice what the longest list of a report has.
pub(super) const MAX_LIST: usize = 64;

/// Attributes as they are gathered, of what they are about. Those over the limit are counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Attributes<'r> {
    pairs: Vec<(&'r str, Value<'r>)>,
    dropped: u32,
}

/// What can be the value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'r> {
    Text(Cow<'r, str>),
    Bool(bool),
    Whole(i64),
    Real(f64),
    List(Cow<'r, [String]>),
}

impl<'r> Attributes<'r> {
    /// Adds an attribute.
    pub(super) fn set(&mut self, name: &'r str, value: impl Into<Value<'r>>) {
        if self.pairs.len() >= MAX_ATTRIBUTES {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.pairs.push((name, value.into()));
    }

    /// Adds an attribute that is not always there.
    pub(super) fn set_some(&mut self, name: &'r str, value: Option<impl Into<Value<'r>>>) {
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

    /// How many there were besides these.
    pub(super) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The attributes as messages, and how many there were besides.
    pub(super) fn finish(self) -> (Vec<KeyValue>, u32) {
        let pairs = self.pairs.into_iter().map(|(name, value)| KeyValue {
            key: name.to_owned(),
            value: Some(value.message()),
            ..KeyValue::default()
        });
        (pairs.collect(), self.dropped)
    }

    /// Adds the attributes to a message in which they are this field, which is below 16.
    pub(super) fn write(&self, out: &mut Vec<u8>, field: u32) {
        for (name, value) in &self.pairs {
            let length = value.length();
            let pair = wire::bytes_length(name.len()) + wire::message_length(length);
            wire::begin_message(out, field, pair);
            wire::bytes(out, 1, name.as_bytes());
            wire::begin_message(out, 2, length);
            value.write(out);
        }
    }
}

impl Value<'_> {
    /// As a message, within the limits.
    pub(super) fn message(self) -> AnyValue {
        let text = |text: &str| WireValue::StringValue(shortened(text).into_owned());
        let value = match self {
            Self::Text(own) => text(&own),
            Self::Bool(is_so) => WireValue::BoolValue(is_so),
            Self::Whole(number) => WireValue::IntValue(number),
            Self::Real(number) => WireValue::DoubleValue(number),
            Self::List(texts) => {
                let values = texts.iter().take(MAX_LIST).map(|own| AnyValue {
                    value: Some(text(own)),
                });
                WireValue::ArrayValue(ArrayValue {
                    values: values.collect(),
                })
            }
        };
        AnyValue { value: Some(value) }
    }

    /// How many bytes that message has.
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => wire::message_length(shortened(text).len()),
            Self::Bool(_) => 2,
            Self::Whole(number) => 1 + wire::varint_length(number.cast_unsigned()),
            Self::Real(_) => 9,
            Self::List(texts) => wire::message_length(list_length(texts)),
        }
    }

    /// Writes it.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => wire::message(out, 1, shortened(text).as_bytes()),
            Self::Bool(is_so) => wire::present_number(out, 2, u64::from(*is_so)),
            Self::Whole(number) => wire::present_number(out, 3, number.cast_unsigned()),
            Self::Real(number) => wire::present_double(out, 4, *number),
            Self::List(texts) => {
                wire::begin_message(out, 5, list_length(texts));
                for text in texts.iter().take(MAX_LIST) {
                    let text = shortened(text);
                    wire::begin_message(out, 1, wire::message_length(text.len()));
                    wire::message(out, 1, text.as_bytes());
                }
            }
        }
    }
}

fn list_length(texts: &[String]) -> usize {
    let texts = texts.iter().take(MAX_LIST);
    let lengths = texts.map(|text| wire::message_length(wire::message_length(shortened(text).len())));
    lengths.sum()
}

impl<'r> From<&'r str> for Value<'r> {
    fn from(text: &'r str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'r> From<&'r String> for Value<'r> {
    fn from(text: &'r String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<bool> for Value<'_> {
    fn from(is_so: bool) -> Self {
        Self::Bool(is_so)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<'r> From<&'r [String]> for Value<'r> {
    fn from(texts: &'r [String]) -> Self {
        Self::List(Cow::Borrowed(texts))
    }
}

impl From<Vec<String>> for Value<'_> {
    fn from(texts: Vec<String>) -> Self {
        Self::List(Cow::Owned(texts))
    }
}

impl<'r> From<&'r AttributeValue> for Value<'r> {
    fn from(value: &'r AttributeValue) -> Self {
        match value {
            AttributeValue::Text(text) => text.into(),
            AttributeValue::Integer(number) => (*number).into(),
            AttributeValue::List(texts) => texts.as_slice().into(),
        }
    }
}

/// The scope of what bedcheck itself says: its name and version.
pub(super) const OWN_SCOPE: (&str, &str) = ("bedcheck", env!("CARGO_PKG_VERSION"));

/// The same as a message.
pub(super) fn own_scope() -> InstrumentationScope {
    scope(OWN_SCOPE.0, OWN_SCOPE.1)
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
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT {
        return Cow::Borrowed(text);
    }
    let mut kept = text[..text.floor_char_boundary(MAX_TEXT)].to_owned();
    kept.push('…');
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn what_is_over_a_limit_is_cut_and_told() {
        let mut attributes = Attributes::default();
        for index in 0..MAX_ATTRIBUTES + 3 {
            attributes.set("name", index as u64);
        }
        assert_eq!(attributes.dropped(), 3);
        let (pairs, dropped) = attributes.finish();
        assert_eq!((pairs.len(), dropped), (MAX_ATTRIBUTES, 3));
        let long = "é".repeat(MAX_TEXT);
        assert_eq!(shortened(&long), format!("{}…", "é".repeat(MAX_TEXT / 2)));
        assert_eq!(shortened("short"), "short");
        let many = vec![String::new(); MAX_LIST + 1];
        let Some(WireValue::ArrayValue(list)) = Value::from(many).message().value else {
            panic!("a list")
        };
        assert_eq!(list.values.len(), MAX_LIST);
        assert_eq!(Value::from(u64::MAX), Value::Whole(i64::MAX));
    }

    #[test]
    fn attributes_are_written_as_their_messages_are() {
        let long = "é".repeat(MAX_TEXT);
        let many = vec![long.clone(); MAX_LIST + 1];
        let mut attributes = Attributes::default();
        attributes.set("text", "short");
        attributes.set("", "");
        attributes.set("long", &long);
        attributes.set("is", true);
        attributes.set("is not", false);
        attributes.set("negative", -1_i64);
        attributes.set("zero", 0_u64);
        attributes.set("share", 0.25);
        attributes.set("list", many.as_slice());
        attributes.set("none", Vec::new());
        attributes.set("value", &AttributeValue::Integer(300));
        let mut written = Vec::new();
        attributes.write(&mut written, 3);
        let scope = InstrumentationScope {
            attributes: attributes.finish().0,
            ..InstrumentationScope::default()
        };
        assert_eq!(written, scope.encode_to_vec());
    }
}
