//! The rules by which a target is asked again, or left alone. Pure: randomness and time are given.

pub mod breaker;
mod retry;
mod target;

pub use retry::{Failed, Retry};
pub use target::TargetKey;
