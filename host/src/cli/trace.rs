//! Diagnostics of the program itself on standard error: off, unless `RUST_LOG` asks for them.

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;

/// Starts writing diagnostics where `RUST_LOG` says which.
pub(super) fn start() {
    if std::env::var_os("RUST_LOG").is_none() {
        return;
    }
    let filter = EnvFilter::from_default_env();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(filter);
    // It fails only when another subscriber is there already, which is then the one in use.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
