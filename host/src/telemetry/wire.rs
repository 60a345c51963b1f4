//! Protobuf messages as they stand on the wire, written field by field (protobuf's encoding specification). Pure. Which
//! messages there are is not known here.
//!
//! The generated messages are for what is made seldom. To build one takes two allocations for each attribute, and to
//! encode it measures whatever is in a message once for each message around it: for the spans of a run both together
//! take several times as long as to write them down.
//!
//! Fields are to be written in rising order. As in the generated code one that has its default is left out.

/// A variable-length integer, a double or fixed 64 bits, a length and so many bytes, fixed 32 bits.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Varint = 0,
    Bits64 = 1,
    Length = 2,
    Bits32 = 5,
}

/// Adds a whole number, an enumeration or a boolean.
pub(super) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        present_number(out, field, value);
    }
}

/// The same as one of several, which is there with its default too.
pub(super) fn present_number(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, Kind::Varint);
    varint(out, value);
}

/// Adds a double as one of several, which is there with its default too.
pub(super) fn present_double(out: &mut Vec<u8>, field: u32, value: f64) {
    tag(out, field, Kind::Bits64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Adds a whole number of 64 bits.
pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        tag(out, field, Kind::Bits64);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Adds a whole number of 32 bits.
pub(super) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    if value != 0 {
        tag(out, field, Kind::Bits32);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Adds text or bytes.
pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        message(out, field, value);
    }
}

/// Adds a message that is written already, or text or bytes as one of several: what is there with its default too.
pub(super) fn message(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    begin_message(out, field, value.len());
    out.extend_from_slice(value);
}

/// Begins a message that has so many bytes, which are to follow.
pub(super) fn begin_message(out: &mut Vec<u8>, field: u32, length: usize) {
    tag(out, field, Kind::Length);
    varint(out, length as u64);
}

/// How many bytes a message of so many takes in a field below 16.
pub(super) fn message_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

/// How many bytes text or bytes of so many take in a field below 16.
pub(super) fn bytes_length(length: usize) -> usize {
    match length {
        0 => 0,
        length => message_length(length),
    }
}

/// How many bytes a variable-length integer takes.
pub(super) fn varint_length(value: u64) -> usize {
    let bits = (u64::BITS - value.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

fn tag(out: &mut Vec<u8>, field: u32, kind: Kind) {
    varint(out, u64::from(field) << 3 | kind as u64);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    use super::*;

    #[test]
    fn fields_are_as_the_generated_code_writes_them() {
        let long = "x".repeat(200);
        let span = Span {
            span_id: vec![7; 8],
            name: long.clone(),
            kind: 3,
            start_time_unix_nano: u64::MAX,
            dropped_attributes_count: 300,
            flags: 0x101,
            ..Span::default()
        };
        let mut written = Vec::new();
        bytes(&mut written, 1, &[]);
        bytes(&mut written, 2, &[7; 8]);
        bytes(&mut written, 5, long.as_bytes());
        number(&mut written, 6, 3);
        fixed64(&mut written, 7, u64::MAX);
        fixed64(&mut written, 8, 0);
        number(&mut written, 10, 300);
        fixed32(&mut written, 16, 0x101);
        assert_eq!(written, span.encode_to_vec());
    }

    #[test]
    fn one_of_several_is_there_with_its_default_too() {
        type Write = fn(&mut Vec<u8>);
        let cases: [(Value, Write); 4] = [
            (Value::StringValue(String::new()), |out| message(out, 1, b"")),
            (Value::BoolValue(false), |out| present_number(out, 2, 0)),
            (Value::IntValue(-1), |out| present_number(out, 3, u64::MAX)),
            (Value::DoubleValue(0.0), |out| present_double(out, 4, 0.0)),
        ];
        for (value, write) in cases {
            let mut written = Vec::new();
            write(&mut written);
            let value = AnyValue { value: Some(value) };
            assert_eq!(written, value.encode_to_vec(), "{value:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_what_is_written() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX] {
            let mut written = Vec::new();
            varint(&mut written, value);
            assert_eq!(written.len(), varint_length(value), "{value}");
        }
        for length in [0, 1, 127, 128, 20_000] {
            let scope = InstrumentationScope {
                name: "x".repeat(length),
                ..InstrumentationScope::default()
            };
            assert_eq!(bytes_length(length), scope.encoded_len());
            let mut written = Vec::new();
            message(&mut written, 15, &vec![0; length]);
            assert_eq!(message_length(length), written.len());
        }
    }
}
