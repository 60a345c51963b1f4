//! The sandbox: the engine, plugins loaded into it, and single attempts in fresh stores.

mod attempt;
mod cache;
mod code;
mod compiled;
mod compiler;
mod description;
mod engine;
#[cfg(test)]
mod fuzz;
mod plugin;
#[cfg(test)]
mod plugin_tests;
mod said;
mod turns;

pub use attempt::{End, Finished, run, try_out};
pub use cache::{FolderError, PrivateFolder};
pub use compiler::{Compiler, serve_compilation};
pub use description::{Description, Target, is_plugin_name};
pub use engine::{Compiling, EngineError, EngineSettings, Sandbox};
pub use plugin::{LoadError, Loading, MAX_SIZE, Plugin, SharedPlugin};
