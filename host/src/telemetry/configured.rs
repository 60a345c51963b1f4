//! From `[otlp]` of a configuration to settings of the export.

use std::ffi::OsString;

use super::metrics::Histograms;
use super::settings::{Configured, Headers, Protocol, Settings};
use crate::config::{Otlp, OtlpProtocol};

impl Settings {
    /// Where the configuration, or else the environment, asks for spans and metrics; none if neither does.
    ///
    /// # Errors
    ///
    /// Everything in them that cannot be used, a line each.
    pub fn of(
        otlp: Option<&Otlp>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, String> {
        let configured = otlp.map(configured).transpose()?;
        Self::resolve(configured.as_ref(), variable).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })
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
        client: otlp.client.clone(),
        resource: otlp.resource.clone(),
        histograms: otlp.exponential_histograms.map(|is_exponential| {
            if is_exponential {
                Histograms::Exponential
            } else {
                Histograms::Explicit
            }
        }),
    })
}
