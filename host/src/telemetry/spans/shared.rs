//! The attributes that metrics share with spans, as the SDK's instruments take them.

use opentelemetry::{InstrumentationScope, KeyValue};

use crate::outcome::Report;
use crate::telemetry::names;

/// The name under which everything is exported: the program's.
pub(in crate::telemetry) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("bedcheck")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}

/// Absent where nothing was injected, so that nobody has to ask for `false`.
pub(in crate::telemetry) fn injected_attribute(is_injected: bool) -> Option<KeyValue> {
    is_injected.then(|| KeyValue::new(names::FAULT_INJECTED, true))
}

/// On a run that passed on a later attempt. Absent otherwise, so that nobody has to ask for `false`.
pub(in crate::telemetry) fn retried_attribute(report: &Report) -> Option<KeyValue> {
    report.is_retried().then(|| KeyValue::new(names::RETRIED, true))
}
