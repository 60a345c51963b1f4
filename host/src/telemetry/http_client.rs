//! The HTTP client that the OTLP exporter sends with: hyper on the tokio runtime it is called in. The
//! exporter hides why a request failed, so the client keeps the reason.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::HttpError;

use super::settings::Headers;

/// The longest answer that is read. An answer to an export is a few bytes; 64 KiB holds any complaint.
const MAX_ANSWER: usize = 64 * 1024;

/// Why the last request failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    fn set(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// The reason, which is then forgotten.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Sends exports with these headers and no others: the exporter would add those of the environment,
/// which may carry a token for another collector.
#[derive(Debug)]
pub(super) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: Headers,
    reason: Reason,
}

impl HttpClient {
    /// A client that trusts as `tls` says, for URLs that are `https`.
    pub(super) fn new(tls: rustls::ClientConfig, headers: Headers, reason: Reason) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        // Otherwise the kernel holds the end of a request back until the start of it is acknowledged.
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            headers,
            reason,
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = self.client.request(request).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for HttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut request = request.map(Full::new);
        *request.headers_mut() = headers(request.headers(), &self.headers);
        let answer = self.send(request).await;
        if let Err(error) = &answer {
            self.reason.set(innermost(error.as_ref()));
        }
        answer
    }
}

/// Of the exporter's headers those that describe the body and the sender, then ours.
fn headers(of_exporter: &HeaderMap, ours: &Headers) -> HeaderMap {
    let kept = [CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT];
    let kept = kept
        .into_iter()
        .filter_map(|name| Some((name.clone(), of_exporter.get(&name)?.clone())));
    let mut headers: HeaderMap = kept.collect();
    headers.extend(ours.iter().map(|(name, value)| (name.clone(), value.clone())));
    headers
}

/// The cause at the bottom, which is the one that says something: `connection refused`.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_of_the_environment_are_not_sent() {
        let of_exporter: HeaderMap = [
            (CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")),
            (
                http::header::AUTHORIZATION,
                HeaderValue::from_static("of the environment"),
            ),
        ]
        .into_iter()
        .collect();
        let ours = Headers::new([("x-tenant".to_owned(), "a".to_owned())]).unwrap();
        let sent = headers(&of_exporter, &ours);
        let names: Vec<&str> = sent.keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "x-tenant"]);
    }

    #[test]
    fn the_reason_is_the_innermost_cause() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let outer = std::io::Error::other(refused);
        assert_eq!(innermost(&outer), "connection refused");
    }
}
