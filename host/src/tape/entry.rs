//! What stands on a tape, and how it is written. Data only.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
