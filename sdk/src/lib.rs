//! Write checks for bedcheck.
//!
//! A check is straight-line code. It opens a [`Connection`], goes through its phases one after the
//! other with [`phase()`], and passes every error on with `?`. There are no timeouts to set: the run
//! has one deadline, the host keeps it, and once it has passed every network call fails at once
//! with [`CallError::DeadlineExceeded`], so that the code runs to its end and says truthfully what
//! worked and what did not.
//!
//! ```
//! use std::io::{BufRead, Write};
//! use bedcheck_sdk::{Check, Connection, Description, Failure, Target, phase};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     host: String,
//!     port: u16,
//! }
//!
//! struct Smtp;
//!
//! impl Check for Smtp {
//!     type Settings = Settings;
//!
//!     fn describe() -> Description {
//!         Description::new("smtp-banner", "0.1.0", "reads the banner of a mail server")
//!             .phases(["resolve", "connect", "greeting"])
//!             .capabilities(["net.connect"])
//!             .target(Target::host_and_port("host", "port", [25]))
//!             .settings_schema(
//!                 r#"{"type": "object", "required": ["host", "port"], "properties": {
//!                     "host": {"type": "string"}, "port": {"type": "integer"}}}"#,
//!             )
//!     }
//!
//!     fn run(settings: Settings) -> Result<(), Failure> {
//!         let mut connection = Connection::open(&settings.host, settings.port)?;
//!         phase("greeting", || {
//!             let line = connection.read_line_limited(512)?;
//!             if !line.starts_with(b"220 ") {
//!                 return Err(Failure::unexpected_response("the banner is not `220`"));
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! bedcheck_sdk::register!(Smtp);
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2` as a `cdylib`; the file is a plugin
//! as it is. The module `test`, which is there in native code only, rehearses it from `cargo test`.

#[doc(hidden)]
pub mod bindings;
mod connection;
mod datagrams;
mod description;
mod failure;
mod phase;
mod report;
mod secret;
mod trace;
// Tests are native code; a plugin has nothing of them in it.
#[cfg(not(target_arch = "wasm32"))]
pub mod test;

pub use bindings::bedcheck::plugin::net::{Certificate, TlsInfo, TlsOptions};
pub use bindings::bedcheck::plugin::types::{CallError, TlsFailure, TlsProblem};
pub use connection::Connection;
pub use datagrams::DatagramSocket;
pub use description::{Description, Target};
pub use failure::{Failure, Reason};
pub use phase::{FirstFailure, Planned, phase, phase_of, plan};
pub use report::{capability_enabled, deadline_exceeded, debug, error, info, measure, remaining, warning};
pub use secret::{Piece, Secret, SecretName};
pub use trace::{Fact, describe, trace_parent};

use serde::de::DeserializeOwned;

/// A check plugin: what it is, and one run of it.
pub trait Check {
    /// The settings of a check, read from the JSON that the host has held against the schema.
    type Settings: DeserializeOwned;

    /// What the plugin is and needs, the same each time. Called when a file is first loaded, without a network.
    fn describe() -> Description;

    /// Runs the check once.
    ///
    /// # Errors
    ///
    /// The failure that decides the outcome. Where several phases failed, the first.
    fn run(settings: Self::Settings) -> Result<(), Failure>;
}

/// Makes a type that implements [`Check`] the plugin that this crate is.
#[macro_export]
macro_rules! register {
    ($check:ty) => {
        // The exports exist in a component only; a native build of the crate is for its unit tests.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct BedcheckPlugin;

            impl $crate::bindings::exports::bedcheck::plugin::check::Guest for BedcheckPlugin {
                fn describe() -> $crate::bindings::exports::bedcheck::plugin::check::Description {
                    <$check as $crate::Check>::describe().into()
                }

                fn run(settings: String) -> Result<(), $crate::bindings::bedcheck::plugin::types::Failure> {
                    $crate::run::<$check>(&settings).map_err(Into::into)
                }
            }

    $crate::bindings::export_plugin!(BedcheckPlugin with_types_in $crate::bindings);
        };

        // There the check counts as used all the same, so that only what is dead code is called so.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&str) -> Result<(), $crate::Failure> = $crate::run::<$check>;
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> $crate::Description = <$check as $crate::Check>::describe;
    };
}

#[doc(hidden)]
pub fn run<C: Check>(settings: &str) -> Result<(), Failure> {
    let settings = serde_json::from_str(settings)
        .map_err(|error| Failure::settings_invalid(format!("the settings cannot be used: {error}")))?;
    C::run(settings)
}
