//! The identities of a run's spans: they follow from its trace and their place in it, so that whoever knows the run
//! knows them, before it has ended as well as long after. The root has the run's id. Pure.

use sha2::{Digest, Sha256};

use super::{TraceId, hexadecimal};

/// Where in a trace a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanPlace {
    /// The attempt of this number, from 1.
    Attempt(u32),
    /// The pause before the attempt of this number.
    Backoff(u32),
    /// A phase of an attempt.
    Phase {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Which phase, from 0, in the order in which they began.
        index: usize,
    },
}

/// The id of the span at this place: the first 8 bytes of a SHA-256 digest of the trace's id and the place.
pub fn derived_span_id(trace: TraceId, place: SpanPlace) -> [u8; 8] {
    let (kind, attempt, index) = match place {
        SpanPlace::Attempt(attempt) => (b'a', attempt, 0),
        SpanPlace::Backoff(attempt) => (b'b', attempt, 0),
        SpanPlace::Phase { attempt, index } => (b'p', attempt, index),
    };
    let digest = Sha256::new()
        .chain_update(trace.0)
        .chain_update([kind])
        .chain_update(attempt.to_be_bytes())
        .chain_update(u64::try_from(index).unwrap_or(u64::MAX).to_be_bytes())
        .finalize();
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    id
}

/// The value of the header `traceparent` for requests that are made in this span (W3C Trace Context, section 3.2):
/// version 00, and the flag that the trace is recorded.
pub fn trace_parent(trace: TraceId, span: [u8; 8]) -> String {
    format!("00-{}-{}-01", hexadecimal(&trace.0), hexadecimal(&span))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_place_has_an_id_of_its_own_and_always_the_same() {
        let trace = TraceId([9; 16]);
        let places = [
            SpanPlace::Attempt(1),
            SpanPlace::Attempt(2),
            SpanPlace::Backoff(2),
            SpanPlace::Phase { attempt: 1, index: 0 },
            SpanPlace::Phase { attempt: 1, index: 1 },
            SpanPlace::Phase { attempt: 2, index: 0 },
        ];
        let ids = |trace| places.map(|place| derived_span_id(trace, place));
        assert_eq!(ids(trace), ids(trace));
        let all: HashSet<_> = ids(trace).into_iter().chain(ids(TraceId([8; 16]))).collect();
        assert_eq!(all.len(), 2 * places.len());
    }

    #[test]
    fn a_trace_parent_is_of_the_form_of_the_specification() {
        let span = [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
        assert_eq!(
            trace_parent(TraceId([0x0a; 16]), span),
            "00-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a-00f067aa0ba902b7-01"
        );
    }
}
