//! The rules by which a target is asked again, or left alone, and by which runs are judged together. Pure:
//! randomness and time are given.

pub mod breaker;
mod retry;
mod retry_budget;
mod retry_on;
pub mod state;
mod target;
mod thresholds;

pub use retry::{Failed, Retry};
pub use retry_budget::{RetryBudget, RetryBudgetSettings, RetryDenied};
pub use retry_on::{ErrorPattern, PatternError};
pub use target::TargetKey;
pub use thresholds::{Crossed, Thresholds};
