//! The daemon `bedcheck serve`: what runs for months, and what sees to it that it does.
//!
//! What it is made of stands here side by side; what runs checks is `runner`'s, when they run is `schedule`'s.

pub mod heartbeat;
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
