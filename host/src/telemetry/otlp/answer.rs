//! What a collector's answer to an export means, as the OTLP specification says (sections "OTLP/gRPC Response" and
//! "OTLP/HTTP Response" with their parts "Failures", "Throttling" and "Partial Success"). Pure.

use std::error::Error;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::MAX_ANSWER;
use crate::redactor::Redactor;
use crate::telemetry::environment::Signal;
use crate::telemetry::settings::Headers;
use crate::text;

/// The most of a collector's words that is told, in bytes: a sentence or two.
const MAX_TOLD: usize = 300;
/// How tonic says, as a client and as a server, that it reads no message that long.
const TOO_LONG: [&str; 2] = ["message length too large", "larger than max"];
/// How tonic begins to say that an answer ended before it was whole.
const CUT: [&str; 2] = ["protocol error: missing grpc-status", "Missing response message"];

/// The longest that a collector can have itself left alone: a limit by the minute is over by then many times, and a
/// collector that says a year is asked again within the hour. What waits is kept meanwhile.
pub(in crate::telemetry) const MAX_RETRY_AFTER: Duration = Duration::from_secs(10 * 60);
/// What is told of a success that is too long for us, or no answer to an export at all.
const UNREADABLE: &str = "its answer says that it was taken, and cannot be read further";

/// What people are shown. No receiver of OTLP answers in these.
const PAGES: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// What became of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::telemetry) enum Answer {
    /// The collector has taken all of it.
    Delivered,
    /// The collector has taken it, but for so many spans, points or records, which it does not want again. With none
    /// of them, it says something about what it took.
    Partial {
        /// How many it rejected.
        rejected: u64,
        /// What it says.
        message: String,
    },
    /// It may be taken later: there was no answer, or one that says so.
    Retry {
        /// How long the collector wants to be left alone, if it said; [`MAX_RETRY_AFTER`] at most.
        after: Option<Duration>,
        /// Why it was not taken.
        reason: String,
        /// How much of it may be there nevertheless.
        arrived: Arrived,
    },
    /// The collector takes no requests as large; in parts it may be taken.
    TooLarge {
        /// What it says.
        reason: String,
    },
    /// It will never be taken.
    Refused {
        /// Why.
        reason: String,
    },
}

/// How much of a request that is to be sent again may be at the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::telemetry) enum Arrived {
    /// Nothing: it was not begun to be sent, or the collector says that it did not take it.
    Nothing,
    /// A part, which nobody can understand: it was not sent to its end, perhaps because it is too large for that.
    Part,
    /// All of it: it was sent to its end, and nothing says that it was not taken.
    Whole,
}

impl Answer {
    /// There was no answer.
    pub(in crate::telemetry) fn none(reason: String) -> Self {
        Self::Retry {
            after: None,
            reason,
            arrived: Arrived::Whole,
        }
    }

    /// The same of a request of which no more than this was sent.
    pub(super) fn of_request(mut self, sent: Arrived) -> Self {
        if let Self::Retry { arrived, .. } = &mut self {
            *arrived = sent.min(*arrived);
        }
        self
    }

    /// What a successful answer says of what was rejected.
    pub(super) fn of_success(rejected: i64, message: &str, teller: &Teller) -> Self {
        let rejected = u64::try_from(rejected).unwrap_or_default();
        if rejected == 0 && message.is_empty() {
            return Self::Delivered;
        }
        Self::Partial {
            rejected,
            message: teller.told(message),
        }
    }

    /// What an HTTP answer means. Its body is none where that is longer than what is read.
    pub(super) fn of_http(
        signal: Signal,
        head: &http::response::Parts,
        body: Option<&[u8]>,
        now: SystemTime,
        teller: &Teller,
    ) -> Self {
        if head.status.is_success() {
            return Self::of_http_success(signal, head, body, teller);
        }
        Self::of_http_failure(head, body, now, teller)
    }

    /// What an answer over HTTP means where one over gRPC was wanted: something before the collector gives it, or
    /// instead of it.
    pub(super) fn of_no_grpc(
        head: &http::response::Parts,
        body: Option<&[u8]>,
        now: SystemTime,
        teller: &Teller,
    ) -> Self {
        if head.status.is_success() {
            return Self::of_something_else(head, teller);
        }
        Self::of_http_failure(head, body, now, teller)
    }

    fn of_http_failure(
        head: &http::response::Parts,
        body: Option<&[u8]>,
        now: SystemTime,
        teller: &Teller,
    ) -> Self {
        let code = head.status.as_u16();
        let message = body.map(|body| message(&head.headers, body)).unwrap_or_default();
        let reason = match teller.told(&message) {
            message if message.is_empty() => format!("status {code}"),
            message => format!("status {code}: {message}"),
        };
        match head.status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Retry {
                after: retry_after(&head.headers, now),
                reason,
                arrived: match head.status {
                    // A gateway says so of a request that it has handed on.
                    StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Arrived::Whole,
                    _ => Arrived::Nothing,
                },
            },
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge { reason },
            _ => Self::Refused { reason },
        }
    }

    fn of_http_success(
        signal: Signal,
        head: &http::response::Parts,
        body: Option<&[u8]>,
        teller: &Teller,
    ) -> Self {
        let kind = content_type(&head.headers);
        let is_json = kind == "application/json";
        let said = body.and_then(|body| match is_json {
            true => partial_success_in_json(signal, body),
            // Whatever it is called: servers guess types.
            false => partial_success(signal, body).ok(),
        });
        match said {
            Some((rejected, message)) => Self::of_success(rejected, &message, teller),
            // A login page, another server at this port: nothing says that it was taken, or that it was not.
            None if PAGES.contains(&&*kind) => Self::of_something_else(head, teller),
            // There are receivers that take it and say `OK`: sent again, it would be there without end.
            None => Self::Partial {
                rejected: 0,
                message: UNREADABLE.to_owned(),
            },
        }
    }

    /// A success that nobody gives who takes exports.
    fn of_something_else(head: &http::response::Parts, teller: &Teller) -> Self {
        let body = match teller.told(&content_type(&head.headers)) {
            kind if kind.is_empty() => String::new(),
            kind => format!(" with a body of `{kind}`"),
        };
        let code = head.status.as_u16();
        Self::none(format!("status {code}{body}, which is no answer to an export"))
    }

    /// What a gRPC status that is no success means, whether the collector said it or tonic for want of an answer.
    pub(super) fn of_status(status: &tonic::Status, teller: &Teller) -> Self {
        if let Some(cause) = status.source() {
            return Self::none(teller.told(&innermost(cause)));
        }
        if CUT.iter().any(|begin| status.message().starts_with(begin)) {
            return Self::none("its answer ended before it was whole".to_owned());
        }
        if is_our_limit(status.message()) {
            // A failure has no message; one that has is a success.
            return Self::Partial {
                rejected: 0,
                message: UNREADABLE.to_owned(),
            };
        }
        let reason = match teller.told(status.message()) {
            message if message.is_empty() => format!("gRPC status {}", word(status.code())),
            message => format!("gRPC status {}: {message}", word(status.code())),
        };
        let after = status
            .get_details_retry_info()
            .map(|info| info.retry_delay.unwrap_or_default().min(MAX_RETRY_AFTER));
        let is_too_long = TOO_LONG.iter().any(|words| status.message().contains(words));
        match status.code() {
            Code::ResourceExhausted if after.is_none() => Self::TooLarge { reason },
            Code::OutOfRange if is_too_long => Self::TooLarge { reason },
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => Self::Retry {
                after,
                reason,
                arrived: match status.code() {
                    Code::ResourceExhausted | Code::OutOfRange | Code::Unavailable => Arrived::Nothing,
                    _ => Arrived::Whole,
                },
            },
            _ => Self::Refused { reason },
        }
    }
}

/// Tells a collector's words without what we sent it, harmless for a terminal, and cut.
#[derive(Debug, Clone)]
pub(super) struct Teller(Redactor);

impl Teller {
    /// Strikes out the values of these headers, the tokens in them, and the password of a basic authorization.
    pub(super) fn new(headers: &Headers) -> Self {
        let mut redactor = Redactor::default();
        for (_, value) in headers.iter() {
            redactor.add(value.as_bytes());
            let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
                continue;
            };
            redactor.add(token.trim().as_bytes());
            if scheme.eq_ignore_ascii_case("basic")
                && let Ok(credentials) = STANDARD.decode(token.trim())
                && let Some(colon) = credentials.iter().position(|&byte| byte == b':')
            {
                redactor.add(&credentials[colon + 1..]);
            }
        }
        Self(redactor)
    }

    /// The words as they may be shown.
    pub(super) fn told(&self, words: &str) -> String {
        text::told(self.0.redact(words.trim()).as_ref(), MAX_TOLD)
    }
}

fn partial_success(signal: Signal, body: &[u8]) -> Result<(i64, String), prost::DecodeError> {
    let said = match signal {
        Signal::Traces => ExportTraceServiceResponse::decode(body)?
            .partial_success
            .map(|partial| (partial.rejected_spans, partial.error_message)),
        Signal::Metrics => ExportMetricsServiceResponse::decode(body)?
            .partial_success
            .map(|partial| (partial.rejected_data_points, partial.error_message)),
        Signal::Logs => ExportLogsServiceResponse::decode(body)?
            .partial_success
            .map(|partial| (partial.rejected_log_records, partial.error_message)),
    };
    Ok(said.unwrap_or_default())
}

/// The same in OTLP's JSON, where numbers of 64 bits are texts.
fn partial_success_in_json(signal: Signal, body: &[u8]) -> Option<(i64, String)> {
    let said: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = said.as_object()?.get("partialSuccess");
    let field = |name: &str| partial.and_then(|partial| partial.get(name));
    let rejected = field(match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    });
    let rejected = rejected.and_then(|count| count.as_i64().or_else(|| count.as_str()?.parse().ok()));
    let message = field("errorMessage").and_then(serde_json::Value::as_str);
    Some((
        rejected.unwrap_or_default(),
        message.unwrap_or_default().to_owned(),
    ))
}

/// Whether an answer is one of gRPC ("PROTOCOL-HTTP2", section "Responses"): by its type, or because it has gRPC's status,
/// which goes before that of HTTP.
pub(super) fn is_grpc(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_of_grpc = status == StatusCode::OK && content_type(headers).starts_with("application/grpc");
    is_of_grpc || headers.contains_key("grpc-status")
}

/// The type of a body without its parameters, in lower case; empty where none is said.
fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// The message of a `google.rpc.Status`, or a plain text; of anything else, such as a proxy's page, nothing.
fn message(headers: &HeaderMap, body: &[u8]) -> String {
    match content_type(headers).as_str() {
        "application/x-protobuf" => tonic_types::Status::decode(body)
            .map(|status| status.message)
            .unwrap_or_default(),
        "text/plain" => String::from_utf8_lossy(body).into_owned(),
        _ => String::new(),
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let after = if is_number {
        // A number that is too large to be read is a very long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(after.min(MAX_RETRY_AFTER))
}

/// The cause at the bottom, which is the one that says something: `connection refused`.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Whether tonic says this of an answer that is longer than we read, compressed or not, and not of our request.
fn is_our_limit(message: &str) -> bool {
    message.ends_with(&format!("limit is: {MAX_ANSWER} bytes"))
        || message.contains(&format!("size limit, of {MAX_ANSWER} bytes,"))
}

/// A code as gRPC's documents write it.
fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
