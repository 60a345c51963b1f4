//! OTLP over gRPC: tonic's channel and the clients that OpenTelemetry's messages come with.

use std::task::{Context, Poll};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::answer::{Answer, Teller};
use super::handed::Handed;
use super::kept::Kept;
use super::tls::{self, StartError};
use super::{MAX_ANSWER, MAX_HEAD, Payload};
use crate::telemetry::settings::Destination;

/// Sends exports over one connection.
#[derive(Debug)]
pub(super) struct Sender {
    endpoint: Endpoint,
    channel: Kept<Channel>,
    metadata: MetadataMap,
    gzip: bool,
}

impl Sender {
    /// A sender to this destination.
    pub(super) fn new(destination: &Destination) -> Result<Self, StartError> {
        let mut endpoint = Endpoint::from_shared(destination.url.to_string())?
            .user_agent(super::http::USER_AGENT)?
            .connect_timeout(destination.timeout)
            .http2_max_header_list_size(MAX_HEAD.into());
        if let Some(tls) = tls::of_grpc(destination)? {
            endpoint = endpoint.tls_config(tls)?;
        }
        let headers = destination.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.clone()));
        Ok(Self {
            endpoint,
            channel: Kept::new(),
            metadata: MetadataMap::from_headers(headers.collect()),
            gzip: destination.gzip,
        })
    }

    /// Sends this, and tells when it is handed over.
    pub(super) async fn export(&self, payload: Payload, handed: &Handed, teller: &Teller) -> Answer {
        let answer = match self.send(payload, handed).await {
            Ok((rejected, message)) => Answer::of_success(rejected, &message, teller),
            Err(status) => Answer::of_status(&status, teller),
        };
        if matches!(answer, Answer::Retry { .. }) {
            self.forget_connection();
        }
        answer
    }

    /// The next export takes a new connection.
    pub(super) fn forget_connection(&self) {
        self.channel.forget();
    }

    /// What of the request was rejected, and what is said about it.
    async fn send(&self, payload: Payload, handed: &Handed) -> Result<(i64, String), Status> {
        let channel = WatchedChannel {
            channel: self.channel.get_or(|| self.endpoint.connect_lazy()),
            handed: handed.clone(),
        };
        /// The clients are the same but for their names and messages.
        macro_rules! sent {
            ($client:ident, $request:expr, $rejected:ident) => {{
                // Some answer in the form in which they were asked.
                let mut client = $client::new(channel)
                    .accept_compressed(CompressionEncoding::Gzip)
                    .max_decoding_message_size(MAX_ANSWER);
                if self.gzip {
                    client = client.send_compressed(CompressionEncoding::Gzip);
                }
                let answer = client.export(self.request($request)).await;
                let partial = answer.map(Response::into_inner)?.partial_success;
                Ok(partial.map_or_else(Default::default, |partial| {
                    (partial.$rejected, partial.error_message)
                }))
            }};
        }
        match payload {
            Payload::Traces(request) => sent!(TraceServiceClient, request, rejected_spans),
            Payload::Metrics(request) => sent!(MetricsServiceClient, request, rejected_data_points),
            Payload::Logs(request) => sent!(LogsServiceClient, request, rejected_log_records),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        request
    }
}

/// A channel for one request, whose end is noticed.
#[derive(Debug)]
struct WatchedChannel {
    channel: Channel,
    handed: Handed,
}

impl Service<http::Request<Body>> for WatchedChannel {
    type Response = http::Response<Body>;
    type Error = <Channel as Service<http::Request<Body>>>::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let request = request.map(|body| Body::new(self.handed.watch(body)));
        self.channel.call(request)
    }
}
