//! From the configuration and the environment to an exporter, and its end. A collector that is down is
//! a sentence on standard error and nothing else.

use super::output;
use crate::config::{Otlp, OtlpProtocol};
use crate::telemetry::{Configured, Exporter, FLUSH_BOUND, Headers, Protocol, Settings};

/// Starts exporting where the configuration or the environment asks for it.
///
/// # Errors
///
/// Everything in them that cannot be used.
pub(super) fn start(otlp: Option<&Otlp>) -> Result<Option<Exporter>, String> {
    let configured = otlp.map(configured).transpose()?;
    let variable = |name: &str| std::env::var(name).ok();
    let settings = Settings::resolve(configured.as_ref(), &variable).map_err(|problems| {
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    let Some(settings) = settings else { return Ok(None) };
    let exporter = Exporter::start(&settings, &tokio::runtime::Handle::current());
    exporter.map(Some).map_err(|error| format!("otlp: {error}"))
}

/// Sends what is left and says what could not be sent.
pub(super) async fn finish(exporter: Exporter) {
    for loss in exporter.shutdown(FLUSH_BOUND).await {
        output::complain(&format!("telemetry: {loss}"));
    }
}

fn configured(otlp: &Otlp) -> Result<Configured, String> {
    let headers = otlp.headers.clone().map(Headers::new).transpose();
    Ok(Configured {
        endpoint: Some(otlp.endpoint.clone()),
        protocol: otlp.protocol.map(|protocol| match protocol {
            OtlpProtocol::Grpc => Protocol::Grpc,
            OtlpProtocol::HttpProtobuf => Protocol::HttpProtobuf,
        }),
        headers: headers.map_err(|error| format!("otlp.headers: {error}"))?,
        timeout: otlp.timeout,
        ca_file: otlp.ca_file.clone(),
        client: None,
    })
}
