//! Instruments: what is counted, in which series, since when, and how it leaves as OTLP or as a checkpoint. What is
//! worth counting does not live here, nor the text formats, nor the way to a collector. Pure but for the clock that
//! callers give.
//!
//! ```text
//! catalogue -> Registry -> Instrument -> owners (a check) -> series -> number, or histogram with exemplars
//!                                                         -> otlp, checkpoint, telemetry::exposition
//! ```
//!
//! They are our own because the SDK's histograms never forget a series, and because it has no exemplars.

pub(super) mod catalogue;
mod checkpoint;
mod exemplar;
mod exponential;
mod histogram;
mod instrument;
mod otlp;
mod owner;
mod registry;

pub(super) use checkpoint::{Checkpoint, KeptCheck};
pub(crate) use exemplar::Exemplar;
pub(super) use exponential::Exponential;
pub(super) use histogram::Histogram;
pub(super) use instrument::{Instrument, Series, Value};
pub(super) use otlp::Messages;
pub(super) use owner::Owner;
pub(super) use registry::Registry;

use std::time::SystemTime;

/// How durations leave over OTLP. The text formats have explicit buckets always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Histograms {
    /// With the bounds that the documentation lists: what everything that takes OTLP can read.
    #[default]
    Explicit,
    /// With exponential ones, at most 160: finer, and for collectors and stores that know them.
    Exponential,
}

/// Nanoseconds since 1970, as OTLP has them; zero for a clock that stands before.
pub(super) fn nanoseconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
