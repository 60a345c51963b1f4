//! The OTLP exporters of a destination: gRPC by tonic, HTTP by our client, TLS for both. Nothing is
//! retried here: `delivery` keeps what failed and tries it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::http_client::{HttpClient, Reason};
use super::settings::{Destination, Headers, Protocol};

/// Why exporting cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of the settings cannot be read.
    #[error("`{}`: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("`{}`: wanted {wanted} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The certificate and the key cannot be used.
    #[error("the client certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The OTLP library refuses the settings.
    #[error("OTLP: {0}")]
    Otlp(#[from] ExporterBuildError),
}

/// An exporter, and why its last request failed where it does not say so itself.
#[derive(Debug)]
pub(super) struct Outlet<E> {
    /// The exporter.
    pub(super) exporter: E,
    /// Set by the HTTP client.
    pub(super) reason: Reason,
}

/// The exporter of spans. To be called within a tokio runtime, which has to outlive it.
pub(super) fn spans(destination: &Destination) -> Result<Outlet<SpanExporter>, StartError> {
    let reason = Reason::default();
    let exporter = match destination.protocol {
        Protocol::Grpc => grpc(SpanExporter::builder().with_tonic(), destination)?.build()?,
        Protocol::HttpProtobuf => {
            http(SpanExporter::builder().with_http(), destination, reason.clone())?.build()?
        }
    };
    Ok(Outlet { exporter, reason })
}

/// The exporter of metrics, cumulative. To be called within a tokio runtime, which has to outlive it.
pub(super) fn metrics(destination: &Destination) -> Result<Outlet<MetricExporter>, StartError> {
    let reason = Reason::default();
    let exporter = match destination.protocol {
        Protocol::Grpc => grpc(MetricExporter::builder().with_tonic(), destination)?.build()?,
        Protocol::HttpProtobuf => {
            http(MetricExporter::builder().with_http(), destination, reason.clone())?.build()?
        }
    };
    Ok(Outlet { exporter, reason })
}

fn grpc<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    destination: &Destination,
) -> Result<B, StartError> {
    let metadata = metadata(&destination.headers);
    let mut builder = builder
        .with_endpoint(destination.url.to_string())
        .with_timeout(destination.timeout)
        .with_retry_policy(RetryPolicy::disabled())
        .with_interceptor(move |mut request: tonic::Request<()>| {
            // In place of what the library read from the environment.
            *request.metadata_mut() = metadata.clone();
            Ok(request)
        });
    if destination.gzip {
        builder = builder.with_compression(opentelemetry_otlp::Compression::Gzip);
    }
    if is_https(destination) {
        builder = builder.with_tls_config(tonic_tls(destination)?);
    }
    Ok(builder)
}

fn http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    destination: &Destination,
    reason: Reason,
) -> Result<B, StartError> {
    let client = HttpClient::new(rustls_tls(destination)?, destination.headers.clone(), reason);
    let mut builder = builder
        .with_endpoint(destination.url.to_string())
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_timeout(destination.timeout)
        .with_retry_policy(RetryPolicy::disabled())
        .with_http_client(client);
    if destination.gzip {
        builder = builder.with_compression(opentelemetry_otlp::Compression::Gzip);
    }
    Ok(builder)
}

fn is_https(destination: &Destination) -> bool {
    destination.url.scheme_str() == Some("https")
}

fn metadata(headers: &Headers) -> MetadataMap {
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    MetadataMap::from_headers(headers.collect())
}

fn tonic_tls(destination: &Destination) -> Result<ClientTlsConfig, StartError> {
    let mut tls = match &destination.ca_file {
        Some(path) => {
            certificates(path)?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?))
        }
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some(client) = &destination.client {
        certificates(&client.certificate)?;
        private_key(&client.key)?;
        tls = tls.identity(Identity::from_pem(read(&client.certificate)?, read(&client.key)?));
    }
    Ok(tls)
}

fn rustls_tls(destination: &Destination) -> Result<rustls::ClientConfig, StartError> {
    let mut roots = rustls::RootCertStore::empty();
    match &destination.ca_file {
        _ if !is_https(destination) => {}
        Some(path) => {
            roots.add_parsable_certificates(certificates(path)?);
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match destination.client.as_ref().filter(|_| is_https(destination)) {
        Some(client) => {
            Ok(builder
                .with_client_auth_cert(certificates(&client.certificate)?, private_key(&client.key)?)?)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| StartError::NotPem {
            path: path.to_owned(),
            wanted: "certificates",
        })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, StartError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| StartError::NotPem {
        path: path.to_owned(),
        wanted: "a private key",
    })
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    fs::read(path).map_err(|error| StartError::Unreadable {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn destination(protocol: Protocol, ca_file: PathBuf) -> Destination {
        Destination {
            url: http::Uri::from_static("https://127.0.0.1:4317"),
            protocol,
            headers: Headers::default(),
            timeout: Duration::from_secs(1),
            gzip: false,
            ca_file: Some(ca_file),
            client: None,
        }
    }

    #[tokio::test]
    async fn files_that_cannot_be_used_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let (missing, wrong) = (
            directory.path().join("missing.pem"),
            directory.path().join("wrong.pem"),
        );
        fs::write(&wrong, "not a certificate").unwrap();
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
            let complaint = |file: &Path| {
                spans(&destination(protocol, file.to_owned()))
                    .unwrap_err()
                    .to_string()
            };
            assert!(complaint(&missing).starts_with(&format!("`{}`: No such file", missing.display())));
            assert_eq!(
                complaint(&wrong),
                format!("`{}`: wanted certificates in PEM", wrong.display())
            );
        }
    }
}
