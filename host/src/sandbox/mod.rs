//! The sandbox: the engine, plugins loaded into it, and single attempts in fresh stores.

mod attempt;
mod cache;
mod engine;
#[cfg(test)]
mod fuzz;
mod plugin;

pub use attempt::{End, Finished, run};
pub use cache::{FolderError, PrivateFolder};
pub use engine::{EngineError, EngineSettings, Sandbox};
pub use plugin::{Description, LoadError, MAX_SIZE, Plugin, SharedPlugin, Target};
