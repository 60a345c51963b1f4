//! A run that stands for a value: from the graph to the trace. Pure.

/// A value with the span that it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exemplar {
    /// The trace, as on the wire.
    pub(crate) trace_id: [u8; 16],
    /// The span in it.
    pub(crate) span_id: [u8; 8],
    /// What was recorded.
    pub(crate) value: f64,
    /// When, in nanoseconds since 1970.
    pub(crate) time: u64,
}
