//! Tests of whole exports against collectors that do as a script says.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::scripted::{Reply, Scripted};
use super::*;
use crate::telemetry::settings::{Headers, Protocol};

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

fn payload() -> Payload {
    Payload::of(Signal::Traces, &message())
}

fn message() -> ExportTraceServiceRequest {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "check http".to_owned(),
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// This message as the reply of a success.
fn success(protocol: Protocol, message: &impl Message) -> Reply {
    match protocol {
        Protocol::Grpc => Reply::Grpc(Ok(message.encode_to_vec())),
        Protocol::HttpProtobuf => Reply::Http(200, "", message.encode_to_vec()),
    }
}

async fn export(protocol: Protocol, reply: Reply) -> Answer {
    let collector = Scripted::start(protocol, move |_, _| reply.clone()).await;
    Client::new(&collector.destination())
        .unwrap()
        .export(payload())
        .await
}

#[tokio::test]
async fn what_is_exported_arrives_with_our_headers_under_the_paths_of_the_signals() {
    let signals = [
        (payload(), "opentelemetry.proto.collector.trace.v1.TraceService"),
        (
            Payload::of(Signal::Metrics, &ExportMetricsServiceRequest::default()),
            "opentelemetry.proto.collector.metrics.v1.MetricsService",
        ),
        (
            Payload::of(Signal::Logs, &ExportLogsServiceRequest::default()),
            "opentelemetry.proto.collector.logs.v1.LogsService",
        ),
    ];
    for protocol in PROTOCOLS {
        let reply = success(protocol, &ExportTraceServiceResponse::default());
        let collector = Scripted::start(protocol, move |_, _| reply.clone()).await;
        let client = Client::new(&collector.destination()).unwrap();
        for (payload, service) in signals.clone() {
            assert_eq!(client.export(payload).await, Answer::Delivered, "{protocol:?}");
            let request = collector.received().pop().unwrap();
            let path = match protocol {
                Protocol::Grpc => format!("/{service}/Export"),
                Protocol::HttpProtobuf => "/v1/traces".to_owned(),
            };
            assert_eq!(request.path, path);
            assert_eq!(request.headers["authorization"], "Bearer hunter2");
            assert!(
                request.headers["user-agent"]
                    .to_str()
                    .unwrap()
                    .starts_with("bedcheck/")
            );
        }
        let first = &collector.received()[0];
        assert_eq!(first.message::<ExportTraceServiceRequest>(), message());
        // One connection serves them all.
        assert!(collector.received().iter().all(|request| request.connection == 0));
    }
}

#[tokio::test]
async fn a_part_that_was_rejected_is_told() {
    for protocol in PROTOCOLS {
        let response = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: 3,
                error_message: "Bearer hunter2 may send no such spans".to_owned(),
            }),
        };
        let answer = export(protocol, success(protocol, &response)).await;
        let message = "[redacted] may send no such spans".to_owned();
        assert_eq!(answer, Answer::Partial { rejected: 3, message });
    }
}

#[tokio::test]
async fn a_collector_that_wants_to_be_left_alone_says_for_how_long() {
    let wanted = Some(Duration::from_secs(7));
    let body = b"busy".to_vec();
    let fields = "retry-after: 7\r\ncontent-type: text/plain\r\n";
    let answer = export(Protocol::HttpProtobuf, Reply::Http(503, fields, body)).await;
    let reason = "status 503: busy".to_owned();
    assert_eq!(
        answer,
        Answer::Retry {
            after: wanted,
            reason,
            arrived: Arrived::Nothing,
        }
    );

    let mut details = tonic_types::ErrorDetails::new();
    details.set_retry_info(wanted);
    let status = <tonic::Status as tonic_types::StatusExt>::with_error_details(
        tonic::Code::ResourceExhausted,
        "busy",
        details,
    );
    let answer = export(Protocol::Grpc, Reply::Grpc(Err(status))).await;
    let reason = "gRPC status RESOURCE_EXHAUSTED: busy".to_owned();
    assert_eq!(
        answer,
        Answer::Retry {
            after: wanted,
            reason,
            arrived: Arrived::Nothing,
        }
    );
}

#[tokio::test]
async fn what_a_proxy_says_for_the_collector_means_the_same_over_both_protocols() {
    const PAGE: &str = "content-type: text/html\r\n";
    for (status, fields, body) in [
        (
            429,
            "content-type: text/plain\r\nretry-after: 7\r\n",
            "too many requests",
        ),
        (502, PAGE, "<html>"),
        (502, "", ""),
        (503, "content-type: text/plain\r\nretry-after: 7\r\n", "x"),
        (504, PAGE, "<html>"),
        (413, PAGE, "<html>"),
        (413, "", ""),
        (403, "content-type: text/plain\r\n", "Bearer hunter2 is not known"),
        (200, PAGE, "<html>"),
    ] {
        let reply = Reply::Http(status, fields, body.into());
        let of_http = export(Protocol::HttpProtobuf, reply.clone()).await;
        assert_eq!(export(Protocol::Grpc, reply).await, of_http, "{status} {body}");
    }
    let other = "content-type: application/json\r\n";
    let answer = export(Protocol::Grpc, Reply::Http(200, other, b"{}".to_vec())).await;
    let reason = "status 200 with a body of `application/json`, which is no answer to an export";
    assert_eq!(answer, Answer::none(reason.to_owned()));
    let answer = export(Protocol::Grpc, Reply::Http(204, "", Vec::new())).await;
    let reason = "status 204, which is no answer to an export";
    assert_eq!(answer, Answer::none(reason.to_owned()));
}

#[tokio::test]
async fn a_proxy_that_speaks_grpc_is_believed_whatever_the_status_of_http() {
    let fields = "content-type: application/grpc\r\ngrpc-status: 14\r\ngrpc-message: starting\r\n";
    for status in [200, 204, 502] {
        let answer = export(Protocol::Grpc, Reply::Http(status, fields, Vec::new())).await;
        let wanted = Answer::Retry {
            after: None,
            reason: "gRPC status UNAVAILABLE: starting".to_owned(),
            arrived: Arrived::Nothing,
        };
        assert_eq!(answer, wanted, "{status}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_is_no_answer_and_is_not_used_again() {
    for protocol in PROTOCOLS {
        let reply = success(protocol, &ExportTraceServiceResponse::default());
        let script = move |number, _: &_| if number == 0 { Reply::Cut } else { reply.clone() };
        let collector = Scripted::start(protocol, script).await;
        let client = Client::new(&collector.destination()).unwrap();
        let first = client.export(payload()).await;
        assert!(
            matches!(
                first,
                Answer::Retry {
                    after: None,
                    arrived: Arrived::Whole,
                    ..
                }
            ),
            "{protocol:?}: {first:?}"
        );
        assert_eq!(client.export(payload()).await, Answer::Delivered, "{protocol:?}");
        let connections: Vec<_> = collector
            .received()
            .iter()
            .map(|request| request.connection)
            .collect();
        assert_eq!(connections, [0, 1]);
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout_and_the_next_export_takes_another_connection() {
    for protocol in PROTOCOLS {
        let reply = success(protocol, &ExportTraceServiceResponse::default());
        let script = move |number, _: &_| if number == 0 { Reply::Silent } else { reply.clone() };
        let collector = Scripted::start(protocol, script).await;
        let destination = Destination {
            timeout: Duration::from_secs(1),
            ..collector.destination()
        };
        let client = Client::new(&destination).unwrap();
        let began = Instant::now();
        let answer = client.export(payload()).await;
        assert!(began.elapsed() >= destination.timeout, "{protocol:?}");
        assert_eq!(answer, Answer::none("no answer in 1s".to_owned()), "{protocol:?}");
        assert_eq!(client.export(payload()).await, Answer::Delivered, "{protocol:?}");
        assert_eq!(collector.received()[1].connection, 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_ends_with_the_timeout() {
    // Never accepted from: the kernel shakes hands, and nobody reads or answers.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    for protocol in PROTOCOLS {
        let destination = Destination {
            url: format!("http://{address}").parse().unwrap(),
            timeout: Duration::from_millis(300),
            ..destination(protocol, PathBuf::new())
        };
        let answer = Client::new(&destination).unwrap().export(payload()).await;
        let nothing = Answer::none("no answer in 300ms".to_owned());
        assert_eq!(answer, nothing, "{protocol:?}");
    }
}

#[tokio::test]
async fn what_was_not_sent_to_its_end_has_not_arrived() {
    let nobody = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let refuses = nobody.local_addr().unwrap();
    drop(nobody);
    // Accepts in the kernel, and never reads: more than the kernel holds for it cannot be sent.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let silent = silent.local_addr().unwrap();
    let (small, large) = ("a".to_owned(), "a".repeat(32 * 1024 * 1024));
    for (protocol, address, name, wanted) in [
        (Protocol::Grpc, refuses, small.clone(), Arrived::Nothing),
        (Protocol::HttpProtobuf, refuses, small, Arrived::Nothing),
        (Protocol::HttpProtobuf, silent, large, Arrived::Part),
    ] {
        let destination = Destination {
            url: format!("http://{address}/v1/traces").parse().unwrap(),
            timeout: Duration::from_secs(1),
            ..destination(protocol, PathBuf::new())
        };
        let mut message = message();
        message.resource_spans[0].scope_spans[0].spans[0].name = name;
        let payload = Payload::of(Signal::Traces, &message);
        let answer = Client::new(&destination).unwrap().export(payload).await;
        let Answer::Retry { arrived, .. } = answer else {
            panic!("{protocol:?}: {answer:?}");
        };
        assert_eq!(arrived, wanted, "{protocol:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_collector_can_be_asked_without_sending_it_anything() {
    for protocol in PROTOCOLS {
        let reply = success(protocol, &ExportTraceServiceResponse::default());
        let collector = Scripted::start(protocol, move |_, _| reply.clone()).await;
        let client = Client::new(&collector.destination()).unwrap();
        let nothing = Payload::empty(Signal::Traces);
        assert_eq!(client.export(nothing).await, Answer::Delivered, "{protocol:?}");
        let received = collector.received();
        assert_eq!(received.len(), 1, "{protocol:?}");
        assert!(received[0].body.is_empty(), "{protocol:?}");
        if protocol == Protocol::HttpProtobuf {
            assert_eq!(received[0].headers["content-length"], "0");
        }
    }
}

#[tokio::test]
async fn endless_answers_are_not_read_to_their_end() {
    let endless = |begin: &str, more: &str| {
        let mut bytes = begin.as_bytes().to_vec();
        bytes.extend(more.as_bytes().repeat(4 * 1024 * 1024 / more.len()));
        bytes
    };
    let body = endless("HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n", "a");
    let answer = export(Protocol::HttpProtobuf, Reply::Raw(body)).await;
    assert!(
        matches!(answer, Answer::Partial { rejected: 0, .. }),
        "{answer:?}"
    );
    let body = endless("HTTP/1.1 400 X\r\ncontent-length: 9999999999\r\n\r\n", "a");
    let answer = export(Protocol::HttpProtobuf, Reply::Raw(body)).await;
    let reason = "status 400".to_owned();
    assert_eq!(answer, Answer::Refused { reason });
    for fields in ["x-a: b\r\n", "aaaaaaaa"] {
        let head = endless("HTTP/1.1 200 OK\r\n", fields);
        let answer = export(Protocol::HttpProtobuf, Reply::Raw(head)).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    }
    let response = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 0,
            error_message: "a".repeat(MAX_ANSWER),
        }),
    };
    let status = tonic::Status::invalid_argument("a".repeat(4 * usize::from(MAX_HEAD)));
    let answer = export(Protocol::Grpc, Reply::Grpc(Err(status))).await;
    assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    let answer = export(Protocol::Grpc, success(Protocol::Grpc, &response)).await;
    assert!(
        matches!(answer, Answer::Partial { rejected: 0, .. }),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_is_no_answer_of_http_is_no_answer() {
    for bytes in [
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab",
        "",
    ] {
        let answer = export(Protocol::HttpProtobuf, Reply::Raw(bytes.into())).await;
        assert!(
            matches!(answer, Answer::Retry { after: None, .. }),
            "{bytes}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn bodies_are_compressed_where_that_is_asked_for() {
    for protocol in PROTOCOLS {
        let reply = success(protocol, &ExportTraceServiceResponse::default());
        let collector = Scripted::start(protocol, move |_, _| reply.clone()).await;
        let destination = Destination {
            gzip: true,
            ..collector.destination()
        };
        let answer = Client::new(&destination).unwrap().export(payload()).await;
        assert_eq!(answer, Answer::Delivered, "{protocol:?}");
        let request = collector.received().pop().unwrap();
        let field = match protocol {
            Protocol::Grpc => "grpc-encoding",
            Protocol::HttpProtobuf => "content-encoding",
        };
        assert_eq!(request.headers[field], "gzip");
        let mut plain = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(request.body.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
        let arrived = ExportTraceServiceRequest::decode(plain.as_slice()).unwrap();
        assert_eq!(arrived, message());
    }
}

fn destination(protocol: Protocol, ca_file: PathBuf) -> Destination {
    Destination {
        url: ::http::Uri::from_static("https://127.0.0.1:4317"),
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
    std::fs::write(&wrong, "not a certificate").unwrap();
    for protocol in PROTOCOLS {
        let complaint = |file: &Path| {
            let client = Client::new(&destination(protocol, file.to_owned()));
            client.unwrap_err().to_string()
        };
        assert!(complaint(&missing).starts_with(&format!("`{}`: No such file", missing.display())));
        assert_eq!(
            complaint(&wrong),
            format!("`{}`: wanted certificates in PEM", wrong.display())
        );
    }
}

#[tokio::test]
async fn a_block_that_is_no_certificate_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(
        &file,
        "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    for protocol in PROTOCOLS {
        let client = Client::new(&destination(protocol, file.clone()));
        let complaint = client.unwrap_err().to_string();
        let wanted = format!("`{}` holds a certificate that cannot be used: ", file.display());
        assert!(complaint.starts_with(&wanted), "{complaint}");
    }
}

/// A certificate for 127.0.0.1 that is its own authority: as PEM, and what shows it.
fn certified() -> (String, tokio_rustls::TlsAcceptor) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (cert.pem(), Arc::new(config).into())
}

#[tokio::test]
async fn a_file_that_has_changed_is_read_again_and_one_that_cannot_be_used_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    for protocol in PROTOCOLS {
        let ((old, showing_old), (new, showing_new)) = (certified(), certified());
        let tls = Arc::new(std::sync::Mutex::new(showing_old));
        let reply = success(protocol, &ExportTraceServiceResponse::default());
        let collector = Scripted::start_tls(protocol, Arc::clone(&tls), move |_, _| reply.clone()).await;
        std::fs::write(&file, old).unwrap();
        let plain = collector.destination();
        let destination = Destination {
            url: plain
                .url
                .to_string()
                .replace("http://", "https://")
                .parse()
                .unwrap(),
            ca_file: Some(file.clone()),
            ..plain
        };
        let client = Client::new(&destination).unwrap();
        assert_eq!(client.export(payload()).await, Answer::Delivered, "{protocol:?}");
        std::fs::write(&file, "nothing yet").unwrap();
        assert_eq!(client.export(payload()).await, Answer::Delivered, "{protocol:?}");
        *tls.lock().unwrap() = showing_new;
        std::fs::write(&file, new).unwrap();
        assert_eq!(client.export(payload()).await, Answer::Delivered, "{protocol:?}");
        assert_eq!(collector.received().last().unwrap().connection, 1, "{protocol:?}");
    }
}
