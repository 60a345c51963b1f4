//! The rules by which a target is asked again, or left alone. Pure: randomness and time are given.

mod retry;

pub use retry::{Failed, Retry};
