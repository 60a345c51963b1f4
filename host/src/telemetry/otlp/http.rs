//! OTLP over HTTP/1.1 with bodies in protobuf: hyper on the tokio runtime it is called in.

use std::io::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::answer::{Answer, Teller, innermost};
use super::handed::{Handed, Pieces, Watched};
use super::kept::Kept;
use super::tls::{self, StartError};
use super::{MAX_ANSWER, MAX_HEAD, Payload};
use crate::telemetry::settings::Destination;

/// How we call ourselves, as the OTLP specification asks for ("User Agent").
pub(super) const USER_AGENT: &str = concat!("bedcheck/", env!("CARGO_PKG_VERSION"));
/// Header fields of an answer that are read.
const MAX_FIELDS: usize = 64;

/// An error of whatever kind.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type HttpClient = legacy::Client<HttpsConnector<HttpConnector>, Watched<Pieces>>;

/// Sends exports over kept connections.
#[derive(Debug)]
pub(super) struct Sender {
    connector: HttpsConnector<HttpConnector>,
    client: Kept<HttpClient>,
    url: Uri,
    headers: HeaderMap,
    gzip: bool,
}

impl Sender {
    /// A sender to this destination, with its headers.
    pub(super) fn new(destination: &Destination) -> Result<Self, StartError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        // Otherwise the kernel holds the end of a request back until the start of it is acknowledged.
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::of_http(destination)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            connector,
            client: Kept::new(),
            url: destination.url.clone(),
            headers: headers(destination),
            gzip: destination.gzip,
        })
    }

    /// Sends this, and tells when it is handed over.
    pub(super) async fn export(&self, payload: Payload, handed: &Handed, teller: &Teller) -> Answer {
        let Payload { signal, request } = payload;
        let gzip = self.gzip;
        // A few MiB take some milliseconds, in which nobody else could use this thread of the runtime.
        let made = tokio::task::spawn_blocking(move || body(request, gzip)).await;
        let body = match made.map_err(std::io::Error::other).flatten() {
            Ok(body) => body,
            Err(error) => return Answer::none(format!("the request was not made: {error}")),
        };
        let mut headers = self.headers.clone();
        // Said of an empty one too, which hyper leaves out and some gateways ask for (411).
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut request = Request::new(handed.watch(Pieces::new(body)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = headers;
        let client = self.client.get_or(|| client(self.connector.clone()));
        let (head, body) = match client.request(request).await {
            Ok(answer) => answer.into_parts(),
            Err(error) => return self.unanswered(&error, teller),
        };
        let body = match read(body).await {
            Ok(body) => body,
            Err(error) => return self.unanswered(error.as_ref(), teller),
        };
        if body.is_none() {
            self.forget_connection();
        }
        Answer::of_http(signal, &head, body.as_deref(), SystemTime::now(), teller)
    }

    /// The next export takes a new connection.
    pub(super) fn forget_connection(&self) {
        self.client.forget();
    }

    fn unanswered(&self, error: &(dyn std::error::Error + 'static), teller: &Teller) -> Answer {
        self.forget_connection();
        Answer::none(teller.told(&innermost(error)))
    }
}

/// The body of an answer; none where it is longer than what is read.
pub(super) async fn read<B>(body: B) -> Result<Option<Bytes>, BoxError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => Ok(Some(body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes as they are sent.
fn body(plain: Bytes, gzip: bool) -> std::io::Result<Bytes> {
    if !gzip {
        return Ok(plain);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&plain)?;
    encoder.finish().map(Bytes::from)
}

fn client(connector: HttpsConnector<HttpConnector>) -> HttpClient {
    legacy::Client::builder(TokioExecutor::new())
        .http1_max_buf_size(MAX_HEAD.into())
        .http1_max_headers(MAX_FIELDS)
        .pool_max_idle_per_host(1)
        .build(connector)
}

/// Those of the destination, and those that describe the body and, unless it says so itself, the sender.
fn headers(destination: &Destination) -> HeaderMap {
    let said = destination.headers.iter();
    let mut headers: HeaderMap = said.map(|(name, value)| (name.clone(), value.clone())).collect();
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-protobuf"),
    );
    if destination.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}
