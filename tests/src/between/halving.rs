//! A collector that takes a part of a request and rejects the rest, as OTLP's partial success says: every second run is
//! taken out of a request before that is handed on, and counted. It knows OTLP over HTTP/1.1 with bodies in protobuf.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

/// What it says of what it rejects.
const WORDS: &str = "every second run is too much";
/// How long either side may take: more than a collector on this machine needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was rejected, as the answers said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Spans, counted as often as they were rejected.
    pub spans: u64,
    /// Log records, in the same way.
    pub records: u64,
    /// The traces of the spans: lower case hexadecimal digits.
    pub traces: BTreeSet<String>,
}

impl Rejected {
    /// Adds what another answer said.
    pub(super) fn add(&mut self, other: Self) {
        self.spans += other.spans;
        self.records += other.records;
        self.traces.extend(other.traces);
    }
}

/// A request of HTTP/1.1 with a length.
pub(super) struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// Reads one.
    pub(super) fn read(stream: &mut TcpStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                let length = content_length(&bytes[..end]);
                if bytes.len() >= end + 4 + length {
                    let body = bytes.split_off(end + 4);
                    return Ok(Self { head: bytes, body });
                }
            }
            match stream.read(&mut buffer)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                length => bytes.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// The path in its first line.
    fn path(&self) -> String {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        line.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

/// Hands on half of a request, and answers it when the collector has taken that. What was rejected by the answer.
pub(super) fn serve(request: &Request, mut stream: TcpStream, to: SocketAddr) -> std::io::Result<Rejected> {
    let path = request.path();
    let (body, answer, rejected) = match path.as_str() {
        "/v1/traces" => half_of_spans(&request.body)?,
        "/v1/logs" => half_of_records(&request.body)?,
        _ => (request.body.clone(), Vec::new(), Rejected::default()),
    };
    if !is_taken(to, &path, &body)? {
        return Err(std::io::Error::other("the collector did not take it"));
    }
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(&[head.into_bytes(), answer].concat())?;
    Ok(rejected)
}

/// Sends a request to the collector; whether it took it.
fn is_taken(to: SocketAddr, path: &str, body: &[u8]) -> std::io::Result<bool> {
    let mut onward = TcpStream::connect(to)?;
    onward.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: collector\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    onward.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    onward.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

/// Whether a run is rejected: the same ones, however often they come.
fn is_rejected(trace_id: &[u8]) -> bool {
    trace_id.last().is_some_and(|byte| byte % 2 == 1)
}

fn half_of_spans(body: &[u8]) -> std::io::Result<(Vec<u8>, Vec<u8>, Rejected)> {
    let mut request = ExportTraceServiceRequest::decode(body).map_err(std::io::Error::other)?;
    let mut rejected = Rejected::default();
    let scopes = request.resource_spans.iter_mut();
    for scope in scopes.flat_map(|of_resource| &mut of_resource.scope_spans) {
        for span in scope.spans.extract_if(.., |span| is_rejected(&span.trace_id)) {
            rejected.spans += 1;
            rejected.traces.insert(hexadecimal(&span.trace_id));
        }
    }
    let partial = ExportTracePartialSuccess {
        rejected_spans: i64::try_from(rejected.spans).unwrap_or(i64::MAX),
        error_message: WORDS.to_owned(),
    };
    let answer = ExportTraceServiceResponse {
        partial_success: (rejected.spans > 0).then_some(partial),
    };
    Ok((request.encode_to_vec(), answer.encode_to_vec(), rejected))
}

fn half_of_records(body: &[u8]) -> std::io::Result<(Vec<u8>, Vec<u8>, Rejected)> {
    let mut request = ExportLogsServiceRequest::decode(body).map_err(std::io::Error::other)?;
    let mut rejected = Rejected::default();
    let scopes = request.resource_logs.iter_mut();
    for scope in scopes.flat_map(|of_resource| &mut of_resource.scope_logs) {
        let before = scope.log_records.len();
        scope.log_records.retain(|record| !is_rejected(&record.trace_id));
        rejected.records += (before - scope.log_records.len()) as u64;
    }
    let partial = ExportLogsPartialSuccess {
        rejected_log_records: i64::try_from(rejected.records).unwrap_or(i64::MAX),
        error_message: WORDS.to_owned(),
    };
    let answer = ExportLogsServiceResponse {
        partial_success: (rejected.records > 0).then_some(partial),
    };
    Ok((request.encode_to_vec(), answer.encode_to_vec(), rejected))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = head.lines();
    let value = lines.find_map(|line| line.strip_prefix("content-length:"));
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or_default()
}
