//! What a plugin needs that is compiled without a C library: memory, the words of a panic, and the time of day.
//!
//! Rust's library for `wasm32-wasip2` stands on a C library that, for the message of a panic alone, asks the host for some
//! twenty functions: streams, terminals, the environment. Each of them costs every run, because every run is a new
//! instance. The one for `wasm32-unknown-unknown` asks for none; it prints nothing, has no clock, and has its memory grow
//! before it uses any. This crate adds what of that is needed. For any other target it does nothing that the library does
//! not, so that a plugin is written once.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod memory;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod wasi;

use std::time::SystemTime;

/// Has panics told from here on, on standard error and in the words of Rust's library, where the host looks for them. To be
/// called first in each function that the host calls.
pub fn tell_panics() {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    std::panic::set_hook(Box::new(|panic| {
        wasi::print_error(&format!("thread '<unnamed>' {panic}\n"));
    }));
}

/// The time of day.
#[must_use]
pub fn now() -> SystemTime {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    return wasi::now();
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    SystemTime::now()
}
