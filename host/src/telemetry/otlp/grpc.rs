//! OTLP over gRPC: tonic's channel and client, given requests that are written already.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::{BufMut, Bytes};
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::answer::{Answer, Teller, innermost, is_grpc};
use super::handed::Handed;
use super::http::{BoxError, read};
use super::kept::Kept;
use super::tls::{self, StartError};
use super::{MAX_ANSWER, MAX_HEAD, Payload};
use crate::telemetry::environment::Signal;
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
        let answer = match self.send(payload, handed, teller).await {
            Ok((rejected, message)) => Answer::of_success(rejected, &message, teller),
            Err(status) => match status.source().and_then(<dyn Error>::downcast_ref) {
                Some(NoGrpc(answer)) => answer.clone(),
                None => Answer::of_status(&status, teller),
            },
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
    async fn send(
        &self,
        payload: Payload,
        handed: &Handed,
        teller: &Teller,
    ) -> Result<(i64, String), Status> {
        let channel = WatchedChannel {
            channel: self.channel.get_or(|| self.endpoint.connect_lazy()),
            handed: handed.clone(),
            teller: teller.clone(),
        };
        // Some answer in the form in which they were asked.
        let mut client = Grpc::new(channel)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MAX_ANSWER);
        if self.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        let ready = client.ready().await;
        ready.map_err(|error| Status::unavailable(format!("the service is not ready: {error}")))?;
        let mut request = Request::new(payload.request);
        *request.metadata_mut() = self.metadata.clone();
        let answer = client.unary(request, path(payload.signal), Written).await;
        let partial = answer.map(Response::into_inner)?.partial_success;
        Ok(partial.map_or_else(Default::default, |partial| {
            (partial.rejected_spans, partial.error_message)
        }))
    }
}

/// The method of a signal.
fn path(signal: Signal) -> PathAndQuery {
    PathAndQuery::from_static(match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    })
}

/// Sends what is written already. The answers of all signals are written alike: what is named after spans in that of
/// one is in the same fields in those of the others.
#[derive(Debug, Clone, Copy, Default)]
struct Written;

impl Codec for Written {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Written {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(request);
        Ok(())
    }
}

impl Decoder for Written {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        // What tonic's own codec says of an answer that is none.
        ExportTraceServiceResponse::decode(from)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

/// A channel for one request, whose end is noticed, and whose answer is held back where it is not gRPC's: tonic would take
/// a proxy's page for a broken message, and not look at its status.
#[derive(Debug)]
struct WatchedChannel {
    channel: Channel,
    handed: Handed,
    teller: Teller,
}

impl Service<http::Request<Body>> for WatchedChannel {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let request = request.map(|body| Body::new(self.handed.watch(body)));
        let (answering, teller) = (self.channel.call(request), self.teller.clone());
        Box::pin(async move {
            let answer = answering.await?;
            if is_grpc(answer.status(), answer.headers()) {
                return Ok(answer);
            }
            let (head, body) = answer.into_parts();
            Err(NoGrpc::new(&head, body, &teller).await.into())
        })
    }
}

/// What an answer means that is not gRPC's.
#[derive(Debug, thiserror::Error)]
#[error("an answer that is not gRPC's")]
struct NoGrpc(Answer);

impl NoGrpc {
    async fn new(head: &http::response::Parts, body: Body, teller: &Teller) -> Self {
        Self(match read(body).await {
            Ok(body) => Answer::of_no_grpc(head, body.as_deref(), SystemTime::now(), teller),
            Err(error) => Answer::none(teller.told(&innermost(error.as_ref()))),
        })
    }
}
