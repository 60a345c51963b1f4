//! Tests of what answers mean, against the tables of the OTLP specification.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use tonic_types::{ErrorDetails, RetryInfo};

use super::*;

fn teller() -> Teller {
    Teller::new(&Headers::default())
}

fn of_http(status: u16, headers: &[(header::HeaderName, &'static str)], body: &[u8]) -> Answer {
    let head = head(status, headers);
    Answer::of_http(
        Signal::Traces,
        &head,
        Some(body),
        SystemTime::UNIX_EPOCH,
        &teller(),
    )
}

fn head(status: u16, headers: &[(header::HeaderName, &'static str)]) -> http::response::Parts {
    let mut answer = http::Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(name, *value);
    }
    answer.body(()).unwrap().into_parts().0
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Delivered => "delivered",
        Answer::Partial { .. } => "partial",
        Answer::Retry { .. } => "retry",
        Answer::TooLarge { .. } => "too large",
        Answer::Refused { .. } => "refused",
    }
}

#[test]
fn four_http_statuses_are_tried_again_and_no_others() {
    for status in 300..=599 {
        let wanted = match status {
            429 | 502 | 503 | 504 => "retry",
            413 => "too large",
            _ => "refused",
        };
        assert_eq!(kind(&of_http(status, &[], b"")), wanted, "{status}");
    }
}

#[test]
fn only_who_says_that_it_took_nothing_has_taken_nothing() {
    let arrived = |answer: Answer| match answer {
        Answer::Retry { arrived, .. } => arrived,
        other => panic!("{other:?}"),
    };
    for (status, wanted) in [
        (429, Arrived::Nothing),
        (502, Arrived::Whole),
        (503, Arrived::Nothing),
        (504, Arrived::Whole),
    ] {
        let answer = of_http(status, &[], b"");
        assert_eq!(arrived(answer.clone()), wanted, "{status}");
        for sent in [Arrived::Nothing, Arrived::Part, Arrived::Whole] {
            assert_eq!(
                arrived(answer.clone().of_request(sent)),
                wanted.min(sent),
                "{status}"
            );
        }
    }
    for (code, wanted) in [
        (Code::Unavailable, Arrived::Nothing),
        (Code::OutOfRange, Arrived::Nothing),
        (Code::Cancelled, Arrived::Whole),
        (Code::DeadlineExceeded, Arrived::Whole),
        (Code::Aborted, Arrived::Whole),
        (Code::DataLoss, Arrived::Whole),
    ] {
        let answer = Answer::of_status(&tonic::Status::new(code, ""), &teller());
        assert_eq!(arrived(answer), wanted, "{code:?}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_bounded() {
    let after = |value: &'static str| match of_http(503, &[(header::RETRY_AFTER, value)], b"") {
        Answer::Retry { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after("7"), Some(Duration::from_secs(7)));
    assert_eq!(
        after("Thu, 01 Jan 1970 00:01:00 GMT"),
        Some(Duration::from_secs(60))
    );
    for long in [
        "601",
        "18446744073709551615",
        "99999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        assert_eq!(after(long), Some(MAX_RETRY_AFTER), "{long}");
    }
    for nonsense in ["", "-1", "soon", "1.5"] {
        assert_eq!(after(nonsense), None, "{nonsense}");
    }
}

#[test]
fn a_failure_tells_the_collectors_message_and_not_a_proxys_page() {
    let status = tonic_types::Status {
        code: 3,
        message: "bad\u{1b}[2J span".to_owned(),
        details: Vec::new(),
    };
    let reason = |kind: &'static str, body: &[u8]| match of_http(400, &[(header::CONTENT_TYPE, kind)], body) {
        Answer::Refused { reason } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason("application/x-protobuf", &status.encode_to_vec()),
        "status 400: bad\\u{1b}[2J span"
    );
    assert_eq!(reason("application/x-protobuf", b"\xff\xff"), "status 400");
    assert_eq!(
        reason("text/plain; charset=utf-8", b"no such tenant\n"),
        "status 400: no such tenant"
    );
    assert_eq!(reason("text/html", b"<html>"), "status 400");
    assert!(reason("text/plain", &[b'a'; 5000]).len() < 400);
}

#[test]
fn of_a_partial_success_the_rejected_are_counted() {
    let body = |rejected_spans, message: &str| {
        let response = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans,
                error_message: message.to_owned(),
            }),
        };
        of_http(200, &[], &response.encode_to_vec())
    };
    let partial = |rejected, message: &str| Answer::Partial {
        rejected,
        message: message.to_owned(),
    };
    assert_eq!(body(2, "too old"), partial(2, "too old"));
    assert_eq!(body(0, "use less"), partial(0, "use less"));
    assert_eq!(body(0, ""), Answer::Delivered);
    assert_eq!(body(-1, ""), Answer::Delivered);
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let of = |body| Answer::of_http(signal, &head(200, &[]), body, SystemTime::UNIX_EPOCH, &teller());
        assert_eq!(of(Some(b"")), Answer::Delivered);
        assert_eq!(kind(&of(Some(b"<html>"))), "partial");
        assert_eq!(kind(&of(None)), "partial");
    }
}

#[test]
fn the_codes_of_grpc_are_classified_as_the_table_says() {
    for code in 1..=16 {
        let code = Code::from_i32(code);
        let wanted = match code {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => "retry",
            Code::ResourceExhausted => "too large",
            _ => "refused",
        };
        let answer = Answer::of_status(&tonic::Status::new(code, "words"), &teller());
        assert_eq!(kind(&answer), wanted, "{code:?}");
    }
}

#[test]
fn resource_exhausted_is_tried_again_when_it_says_when() {
    let delay = Duration::from_secs(3);
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(delay));
    let status = tonic::Status::with_error_details(Code::ResourceExhausted, "full", details);
    assert_eq!(
        Answer::of_status(&status, &teller()),
        Answer::Retry {
            after: Some(delay),
            reason: "gRPC status RESOURCE_EXHAUSTED: full".to_owned(),
            arrived: Arrived::Nothing,
        }
    );
    for (said, wanted) in [(delay, delay), (Duration::MAX, MAX_RETRY_AFTER)] {
        let info = RetryInfo::new(Some(said)).into();
        let status = tonic::Status::with_error_details_vec(Code::Unavailable, "", [info]);
        let answer = Answer::of_status(&status, &teller());
        assert!(
            matches!(answer, Answer::Retry { after: Some(after), .. } if after == wanted),
            "{answer:?}"
        );
    }
}

#[test]
fn a_message_that_is_too_long_for_the_collector_is_told_from_one_for_us() {
    let of = |code, message: String| kind(&Answer::of_status(&tonic::Status::new(code, message), &teller()));
    let words = |limit: usize| {
        format!("Error, decoded message length too large: found 5000000 bytes, the limit is: {limit} bytes")
    };
    assert_eq!(of(Code::OutOfRange, words(4_194_304)), "too large");
    assert_eq!(of(Code::OutOfRange, words(MAX_ANSWER)), "partial");
    let compressed =
        |limit: usize| format!("Error decompressing: size limit, of {limit} bytes, exceeded while");
    assert_eq!(of(Code::ResourceExhausted, compressed(4_194_304)), "too large");
    assert_eq!(of(Code::ResourceExhausted, compressed(MAX_ANSWER)), "partial");
    let of_go = "grpc: received message larger than max (5 vs. 4)".to_owned();
    assert_eq!(of(Code::ResourceExhausted, of_go), "too large");
}

#[test]
fn what_never_got_an_answer_is_tried_again_whatever_code_it_was_given() {
    let mut status = tonic::Status::unknown("transport error");
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    status.set_source(std::sync::Arc::new(std::io::Error::other(refused)));
    assert_eq!(
        Answer::of_status(&status, &teller()),
        Answer::none("connection refused".to_owned())
    );
}

#[test]
fn a_collector_that_repeats_our_token_is_not_told() {
    for (value, echoed) in [
        ("Bearer hunter2-token", "hunter2-token is not known"),
        ("Basic dXNlcjpodW50ZXIyMg==", "password hunter22 is wrong"),
        ("hunter2-key", "no tenant for hunter2-key"),
    ] {
        let headers = Headers::new([("authorization".to_owned(), value.to_owned())]).unwrap();
        let told = Teller::new(&headers).told(echoed);
        assert!(told.contains("[redacted]") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_page_for_people_is_no_success() {
    let html = "<html>Log in to the network</html>";
    for kind_of_it in ["text/html; charset=utf-8", "application/xhtml+xml"] {
        let answer = of_http(200, &[(header::CONTENT_TYPE, kind_of_it)], html.as_bytes());
        let Answer::Retry {
            after,
            reason,
            arrived,
        } = answer
        else {
            panic!("{kind_of_it}: {answer:?}");
        };
        let kind = kind_of_it.split(';').next().unwrap();
        let wanted = format!("status 200 with a body of `{kind}`, which is no answer to an export");
        // A collector behind something that rewrites answers may have it.
        assert_eq!((after, reason, arrived), (None, wanted, Arrived::Whole));
        let head = head(200, &[(header::CONTENT_TYPE, kind_of_it)]);
        let too_long = Answer::of_http(Signal::Traces, &head, None, SystemTime::UNIX_EPOCH, &teller());
        assert!(matches!(too_long, Answer::Retry { .. }), "{too_long:?}");
        for status in [200, 204] {
            let nothing = of_http(status, &[(header::CONTENT_TYPE, kind_of_it)], b"");
            assert_eq!(nothing, Answer::Delivered, "{status}");
        }
    }
    let plain = of_http(200, &[(header::CONTENT_TYPE, "text/plain")], b"OK");
    assert_eq!(kind(&plain), "partial");
}

#[test]
fn a_success_is_read_whatever_it_is_called() {
    let message = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 2,
            error_message: "too old".to_owned(),
        }),
    };
    let message = message.encode_to_vec();
    let partial = Answer::Partial {
        rejected: 2,
        message: "too old".to_owned(),
    };
    // Servers guess types from bytes.
    for kind in ["application/x-protobuf", "application/octet-stream", "text/plain"] {
        assert_eq!(of_http(200, &[(header::CONTENT_TYPE, kind)], &message), partial);
    }
    assert_eq!(of_http(200, &[], &message), partial);
}

#[test]
fn a_success_in_json_is_read() {
    let of_json = |text: &str| {
        of_http(
            200,
            &[(header::CONTENT_TYPE, "application/json")],
            text.as_bytes(),
        )
    };
    for nothing in ["{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":null}"#] {
        assert_eq!(of_json(nothing), Answer::Delivered, "{nothing}");
    }
    for rejected in ["2", "\"2\""] {
        let text = format!(r#"{{"partialSuccess":{{"rejectedSpans":{rejected},"errorMessage":"too old"}}}}"#);
        let message = "too old".to_owned();
        assert_eq!(of_json(&text), Answer::Partial { rejected: 2, message });
    }
    assert_eq!(kind(&of_json("not so")), "partial");
}
