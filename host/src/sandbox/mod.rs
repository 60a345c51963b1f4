//! The sandbox: the engine, plugins loaded into it, and single attempts in fresh stores.

mod attempt;
mod cache;
mod code;
mod compiled;
mod compiler;
mod configuration;
mod description;
mod engine;
#[cfg(test)]
mod fuzz;
mod load_error;
mod plugin;
#[cfg(test)]
mod plugin_tests;
mod recognition;
mod said;
mod standstill;
mod turns;

pub use attempt::{End, Finished, run, try_out};
pub use cache::{FolderError, PrivateFolder};
pub use compiled::Cache;
pub use compiler::{Compiler, serve_compilation};
pub use configuration::{Compiling, EngineSettings, Guests, Purpose};
pub use description::{Description, Target, is_plugin_name};
pub use engine::{EngineError, Sandbox};
pub use load_error::{LoadError, MAX_SIZE};
pub use plugin::{Loading, Plugin, SharedPlugin};
