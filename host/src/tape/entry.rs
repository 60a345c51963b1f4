//! What stands on a tape, and how it is written. Data only.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many entries a map has room for at least: those of a node of the standard library's.
const SMALLEST_MAP: usize = 11;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The clock was read: nanoseconds since the start of the run.
    At(u64),
    /// The guest made a host call.
    Call {
        /// Which.
        name: String,
        /// With what, as far as a reader may want to know.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        arguments: Value,
    },
    /// The guest gave bytes to a connection.
    Sent(Data),
    /// The world's answer to the last call.
    Answer(Answer),
    /// What was just answered had not been there yet: its call does not count.
    Awaited,
    /// A fault was injected, as it is written in a configuration.
    Fault(String),
    /// Another attempt was left out, for this reason.
    RetryDenied(String),
    /// The attempt ended.
    End {
        /// Whether the guest was stopped from outside.
        stopped: bool,
        /// The fuel it had used, all attempts together.
        fuel: u64,
    },
}

/// What the world answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Bytes that a connection received.
    Received(Data),
    /// Anything else that went well.
    Ok(Value),
    /// An error.
    Err(Value),
    /// The deadline passed meanwhile.
    DeadlineExceeded,
}

/// Bytes that went over a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Data {
    /// Which connection of the attempt, in the order in which they were opened.
    pub connection: u32,
    /// The bytes. They may hold secrets as long as the run goes on, so `Debug` shows their number only.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// About how much memory it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::At(_) | Self::Awaited | Self::End { .. } | Self::Answer(Answer::DeadlineExceeded) => 0,
                Self::Call { name, arguments } => name.len() + weight_of(arguments),
                Self::Sent(data) | Self::Answer(Answer::Received(data)) => data.bytes.capacity(),
                Self::Answer(Answer::Ok(value) | Answer::Err(value)) => weight_of(value),
                Self::Fault(text) | Self::RetryDenied(text) => text.len(),
            }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::At(_) => "a reading of the clock".into(),
            Self::Call { name, .. } => format!("the call `{name}`"),
            Self::Sent(data) => format!("{} bytes sent", data.bytes.len()),
            Self::Answer(_) => "an answer".into(),
            Self::Awaited => "that an answer was waited for".into(),
            Self::Fault(fault) => format!("the fault `{fault}`"),
            Self::RetryDenied(_) => "a retry that was left out".into(),
            Self::End { .. } => "the end of the attempt".into(),
        }
    }
}

/// About how much memory a value takes beside itself, in bytes.
fn weight_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.capacity(),
        Value::Array(values) => {
            let content = values.iter().map(weight_of);
            values.capacity() * size_of::<Value>() + content.sum::<usize>()
        }
        Value::Object(values) => {
            let room = values.len().max(SMALLEST_MAP) * size_of::<(String, Value)>();
            let content = values.iter().map(|(name, value)| name.len() + weight_of(value));
            room + content.sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Data")
            .field("connection", &self.connection)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// As text where it is text, so that people can read a recording, else in base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    connection: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Serialize for Data {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        let text = std::str::from_utf8(&self.bytes).ok().map(str::to_owned);
        let base64 = text
            .is_none()
            .then(|| base64::engine::general_purpose::STANDARD.encode(&self.bytes));
        Written {
            connection: self.connection,
            text,
            base64,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine;
        use serde::de::Error;
        let written = Written::deserialize(deserializer)?;
        let bytes = match (written.text, written.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_err(D::Error::custom)?,
            _ => return Err(D::Error::custom("wanted one of `text` and `base64`")),
        };
        Ok(Self {
            connection: written.connection,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_holds_counts_as_its_weight() {
        let weight = |value| Entry::Answer(Answer::Ok(value)).weight();
        let nothing = weight(Value::Null);
        assert_eq!(weight("x".repeat(1000).into()), nothing + 1000);
        assert!(weight(vec![0; 1000].into()) >= nothing + 1000 * size_of::<Value>());
        assert!(weight(serde_json::json!({ "host": "x".repeat(1000) })) >= nothing + 1000);
        let sent = Entry::Sent(Data {
            connection: 0,
            bytes: vec![0; 1000],
        });
        assert!(sent.weight() >= 1000);
    }

    #[test]
    fn bytes_are_written_as_text_where_they_are_text() {
        for (bytes, written) in [
            (&b"* OK\r\n"[..], r#"{"sent":{"connection":1,"text":"* OK\r\n"}}"#),
            (&[0xff, 0][..], r#"{"sent":{"connection":1,"base64":"/wA="}}"#),
        ] {
            let entry = Entry::Sent(Data {
                connection: 1,
                bytes: bytes.to_vec(),
            });
            assert_eq!(serde_json::to_string(&entry).unwrap(), written);
            assert_eq!(serde_json::from_str::<Entry>(written).unwrap(), entry);
        }
    }
}
