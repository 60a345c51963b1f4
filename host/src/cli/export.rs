//! From the configuration and the environment to an exporter, and its end. A collector that is down is
//! a sentence on standard error and nothing else.

use super::output;
use crate::config::Otlp;
use crate::journal::Journal;
use crate::telemetry::{Exporter, FLUSH_BOUND, Settings};

/// Starts exporting where the configuration or the environment asks for it: what is in the journal, if there is one.
///
/// # Errors
///
/// Everything in them that cannot be used.
pub(super) fn start(otlp: Option<&Otlp>, journal: Option<&Journal>) -> Result<Option<Exporter>, String> {
    let Some(settings) = settings(otlp)? else {
        return Ok(None);
    };
    let exporter = Exporter::start(&settings, journal, &tokio::runtime::Handle::current());
    exporter.map(Some).map_err(unusable)
}

/// Finds out whether exporting can start.
///
/// # Errors
///
/// As those of [`start`].
pub(super) fn verify(otlp: Option<&Otlp>) -> Result<(), String> {
    match settings(otlp)? {
        Some(settings) => Exporter::verify(&settings).map_err(unusable),
        None => Ok(()),
    }
}

fn settings(otlp: Option<&Otlp>) -> Result<Option<Settings>, String> {
    Settings::of(otlp, &|name| std::env::var_os(name))
}

fn unusable(error: impl std::fmt::Display) -> String {
    format!("otlp: {error}")
}

/// Sends what is left and says what could not be sent.
pub(super) async fn finish(exporter: Exporter) {
    for loss in exporter.shutdown(FLUSH_BOUND).await {
        output::complain(&format!("telemetry: {loss}"));
    }
}
