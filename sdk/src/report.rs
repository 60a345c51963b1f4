//! Measurements, log lines, and questions about the budget and the capabilities.

use std::time::Duration;

use crate::Failure;
use crate::bindings::bedcheck::plugin::{budget, capabilities, log};
use crate::bindings::lending::bedcheck::plugin::measurements;

/// Keeps a measurement: a dotted lower-case name, a UCUM unit (`s`, `By`, `{message}`), attributes
/// of low cardinality.
///
/// # Errors
///
/// When the run has 256 measurements already, or the name is not of that form.
pub fn measure(name: &str, value: f64, unit: &str, attributes: &[(&str, &str)]) -> Result<(), Failure> {
    Ok(measurements::put(name, value, unit, attributes)?)
}

/// Whether a capability, such as `net.tls`, is granted and not switched off.
pub fn capability_enabled(name: &str) -> bool {
    capabilities::enabled(name)
}

/// Time until the deadline; zero once it has passed.
pub fn remaining() -> Duration {
    Duration::from_nanos(budget::remaining())
}

/// Whether the deadline has passed.
pub fn deadline_exceeded() -> bool {
    budget::deadline_exceeded()
}

/// Adds a line to the run's log, for authors.
pub fn debug(message: &str) {
    log::write(log::Level::Debug, message);
}

/// Adds a line to the run's log: something worth knowing.
pub fn info(message: &str) {
    log::write(log::Level::Info, message);
}

/// Adds a line to the run's log: something odd that does not fail the check.
pub fn warning(message: &str) {
    log::write(log::Level::Warning, message);
}

/// Adds a line to the run's log: something wrong.
pub fn error(message: &str) {
    log::write(log::Level::Error, message);
}
