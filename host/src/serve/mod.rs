//! The daemon `bedcheck serve`: it runs each check at its interval, takes up new plugins and a new configuration while
//! it runs, tells over HTTP, in its log and over OpenTelemetry what it found, and sees to it that it does so for
//! months. When and whether a run starts is decided in [`schedule`](crate::schedule), what a run is in
//! [`runner`](crate::runner).

pub mod board;
pub mod heartbeat;
pub mod http;
pub mod incidents;
pub mod logs;
pub mod notify;
mod outbound;
pub mod sentry;
pub mod supervise;
#[cfg(test)]
mod testing;
pub mod watching;

pub use incidents::unexpected;
pub use outbound::{Outbound, OutboundError};
