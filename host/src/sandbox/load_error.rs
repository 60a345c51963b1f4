//! Why a file is no plugin, in sentences for whoever made it.

use super::compiled::MAX_CODE;
use super::compiler::{MAX_COMPILING, MAX_MEMORY, MAX_PROCESSOR_TIME};
use super::recognition::CONTRACT;
use crate::text::told;

/// The largest component that is loaded: twice what an interpreter compiled to one takes.
pub const MAX_SIZE: usize = 64 * 1024 * 1024;
/// The longest message about a plugin, in bytes: the engine quotes names from the file.
pub(super) const MAX_MESSAGE: usize = 1024;

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly.
    #[error("it is not a WebAssembly component")]
    NotWebAssembly,
    /// A module instead of a component.
    #[error(
        "it is a core WebAssembly module, not a component; build it with `cargo build --target wasm32-wasip2`"
    )]
    CoreModule,
    /// Machine code.
    #[error("it is machine code compiled ahead of time, which is never loaded from a plugin file")]
    Precompiled,
    /// Larger than [`MAX_SIZE`].
    #[error("it has more than {MAX_SIZE} bytes")]
    TooLarge,
    /// It takes too long to compile.
    #[error(
        "it was not compiled within {} s, or {} s of processor time, which no plugin needs",
        MAX_COMPILING.as_secs(), MAX_PROCESSOR_TIME.as_secs()
    )]
    CompilingTooLong,
    /// Compiling it ended with a panic of the compiler's.
    #[error("it cannot be compiled: the compiler failed")]
    CompilerFailed,
    /// Compiling it takes too much memory.
    #[error("it was not compiled within {} MiB of memory, which no plugin needs", MAX_MEMORY >> 20)]
    CompilingTooLarge,
    /// Its compiled code is too long.
    #[error("it compiles to more than {} MiB of code, which no plugin needs", MAX_CODE >> 20)]
    TooMuchCode,
    /// The compiler was ended from outside, or crashed.
    #[error("it cannot be compiled: the compiler was ended by signal {0}")]
    CompilerKilled(i32),
    /// The compiler's process cannot be had.
    #[error("it cannot be compiled: the compiler cannot be started: {0}")]
    NoCompiler(String),
    /// The engine refuses it.
    #[error("it is not a valid component: {0}")]
    Invalid(String),
    /// It imports something else than the contract and WASI 0.2.
    #[error(
        "it imports `{0}`, which bedcheck does not provide; a plugin may import `bedcheck:plugin@1` and the clocks, random numbers and standard streams of WASI 0.2"
    )]
    ForeignImport(String),
    /// It is made for another major version of the contract.
    #[error("it is made for `{0}`, and this bedcheck provides version 1 of the contract")]
    OtherVersion(String),
    /// It is made for a newer version of the contract, and uses something of it.
    #[error(
        "it is made for `{0}` and uses what is new in it, and this bedcheck provides version {CONTRACT} of the \
         contract"
    )]
    NewerContract(String),
    /// It does not export the contract's interface.
    #[error("it does not export `bedcheck:plugin/check@1`, so it is no check plugin")]
    NoCheck,
    /// `describe` trapped, looped, or said something unusable.
    #[error("its description cannot be used: {0}")]
    Description(String),
}

impl LoadError {
    /// Whether it may be over later though nobody mends anything: it was the compiler that failed, which the system may have
    /// had no room for, and not the component that was refused.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NoCompiler(_) | Self::CompilerKilled(_) | Self::CompilerFailed
        )
    }
}

/// What the engine says against a component.
pub(super) fn invalid(error: &wasmtime::Error) -> LoadError {
    LoadError::Invalid(told(&format!("{error:#}"), MAX_MESSAGE))
}
