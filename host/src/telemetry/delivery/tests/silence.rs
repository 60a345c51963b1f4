//! Collectors that are away, answer late or not at all, or want to be left alone.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::*;
use crate::telemetry::settings::Configured;

/// What a machine with other work may add to a bound.
const SLACK: Duration = Duration::from_millis(500);

fn exporter(address: SocketAddr, protocol: Protocol) -> Exporter {
    let table = Configured {
        endpoint: Some(format!("http://{address}")),
        protocol: Some(protocol),
        ..Configured::default()
    };
    let variable = |name: &str| (name == "OTEL_LOGS_EXPORTER").then(|| "none".into());
    let settings = Settings::resolve(Some(&table), &variable).unwrap().unwrap();
    Exporter::start(&settings, None, &Handle::current()).unwrap()
}

/// Of spans only, which waits no longer than this for an answer.
fn impatient(collector: &Scripted, timeout: Duration) -> Exporter {
    let destination = Destination {
        timeout,
        ..collector.destination()
    };
    Exporter::start(&spans_to(destination), None, &Handle::current()).unwrap()
}

#[tokio::test]
async fn a_collector_that_refuses_connections_is_said_in_a_sentence_a_signal() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for protocol in PROTOCOLS {
        let exporter = exporter(address, protocol);
        exporter.record(&passing());
        exporter.record(&failing());
        let began = Instant::now();
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert!(
            began.elapsed() < FLUSH_BOUND / 2,
            "{protocol:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(losses.len(), 2, "{losses:?}");
        for (loss, what) in losses.iter().zip(["spans of 2 runs", "metrics"]) {
            let begin = format!("the {what} did not reach `http://127.0.0.1:");
            assert!(loss.starts_with(&begin), "{loss}");
            assert!(loss.ends_with("Connection refused (os error 111)"), "{loss}");
        }
    }
}

#[tokio::test]
async fn a_collector_that_is_silent_costs_the_bound_and_no_more() {
    // Never accepted from: the kernel shakes hands, and nobody answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let bound = Duration::from_millis(300);
    for protocol in PROTOCOLS {
        let exporter = exporter(address, protocol);
        exporter.record(&passing());
        let began = Instant::now();
        let losses = exporter.shutdown(bound).await;
        let took = began.elapsed();
        assert!(took >= bound && took < bound + SLACK, "{protocol:?}: {took:?}");
        assert_eq!(losses.len(), 2, "{losses:?}");
        assert!(losses[0].ends_with("no answer in time"), "{losses:?}");
    }
}

#[tokio::test]
async fn nothing_recorded_needs_no_collector() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let exporter = exporter(listener.local_addr().unwrap(), Protocol::Grpc);
    assert_eq!(exporter.shutdown(FLUSH_BOUND).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_may_be_taken_later_is_sent_again_as_it_was_and_once() {
    for protocol in PROTOCOLS {
        let script = move |number, _: &_| match (number, protocol) {
            (0, Protocol::HttpProtobuf) => Reply::Http(503, "retry-after: 1\r\n", Vec::new()),
            (0, Protocol::Grpc) => Reply::Grpc(Err(tonic::Status::unavailable("starting"))),
            (1, _) => Reply::Cut,
            _ => success(protocol),
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        exporter.record(&passing());
        exporter.record(&failing());
        until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
        let received = collector.received();
        // Before what may have arrived comes again, it is asked whether anybody answers.
        let [first, second, asked, third] = received.as_slice() else {
            panic!("{protocol:?}: {} requests", received.len());
        };
        assert!(asked.body.is_empty() && !first.body.is_empty());
        assert!(second.body == first.body && third.body == first.body);
        let figures = figures(&exporter);
        assert_eq!((figures.exports, figures.unconfirmed), ([1, 0, 2, 0, 0], 2));
        assert_eq!(figures.pauses, 2);
        if protocol == Protocol::HttpProtobuf {
            assert!(figures.paused >= Duration::from_millis(1000 + 500), "{figures:?}");
        }
    }
}

#[tokio::test]
async fn answers_that_do_not_come_cost_few_copies_and_all_are_counted() {
    for protocol in PROTOCOLS {
        let sent = std::sync::atomic::AtomicUsize::new(0);
        let script = move |_, request: &Request| {
            if request.body.is_empty() {
                return success(protocol);
            }
            // Each arrives; of the fourth and fifth that is not said.
            match sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                3 | 4 => Reply::Cut,
                _ => success(protocol),
            }
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = Exporter::start(&spans_to(collector.destination()), None, &Handle::current()).unwrap();
        reports(512).iter().for_each(|report| exporter.record(report));
        until("delivered", || count(&exporter, ExportResult::Success) == 11).await;
        let received: Vec<_> = collector.received().iter().map(runs).collect();
        let sizes: Vec<_> = received.iter().map(BTreeSet::len).collect();
        assert_eq!(
            sizes,
            [8, 16, 32, 64, 0, 8, 0, 8, 16, 32, 64, 96, 104, 112, 24],
            "{protocol:?}"
        );
        let all: BTreeSet<u16> = received.iter().flatten().copied().collect();
        let copies = sizes.iter().sum::<usize>() - all.len();
        assert_eq!((all.len(), copies), (512, 64 + 8));
        assert_eq!(figures(&exporter).unconfirmed, 64 + 8);
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
    }
}

#[tokio::test]
async fn a_collector_that_falls_silent_is_asked_again_on_another_connection() {
    for protocol in PROTOCOLS {
        let script = move |number, _: &_| {
            if number == 0 {
                Reply::Silent
            } else {
                success(protocol)
            }
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = impatient(&collector, Duration::from_millis(500));
        exporter.record(&passing());
        until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
        let received = collector.received();
        assert!(received.last().unwrap().connection > 0);
        assert_eq!(figures(&exporter).unconfirmed, 1);
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_the_timeout_is_taken_and_nothing_is_sent_twice() {
    for protocol in PROTOCOLS {
        // Whether the collector answers the question first, or the request itself.
        for is_asked_in_vain in [false, true] {
            let script = move |number, request: &Request| match number {
                0 => Reply::AfterNext(Box::new(success(protocol))),
                _ if request.body.is_empty() && is_asked_in_vain => Reply::Silent,
                _ => success(protocol),
            };
            let collector = Scripted::start(protocol, script).await;
            let exporter = impatient(&collector, Duration::from_millis(500));
            let [first, second, third] = reports(3).try_into().unwrap();
            exporter.record(&first);
            exporter.record(&second);
            until("delivered late", || count(&exporter, ExportResult::Success) == 1).await;
            exporter.record(&third);
            assert_eq!(exporter.shutdown(FLUSH_BOUND).await, Vec::<String>::new());
            let received: Vec<_> = collector.received().iter().map(runs).collect();
            let wanted = [BTreeSet::from([1, 2]), BTreeSet::new(), BTreeSet::from([3])];
            assert_eq!(received, wanted, "{protocol:?}");
            let figures = figures(&exporter);
            assert_eq!((figures.exports, figures.unconfirmed), ([2, 0, 1, 0, 0], 0));
        }
    }
}

#[tokio::test]
async fn a_late_answer_that_asks_for_another_try_has_one() {
    for protocol in PROTOCOLS {
        let later = match protocol {
            Protocol::Grpc => Reply::Grpc(Err(tonic::Status::unavailable("starting"))),
            Protocol::HttpProtobuf => Reply::Http(503, "", Vec::new()),
        };
        let script = move |number, _: &_| match number {
            0 => Reply::AfterNext(Box::new(later.clone())),
            _ => success(protocol),
        };
        let collector = Scripted::start(protocol, script).await;
        let exporter = impatient(&collector, Duration::from_millis(500));
        exporter.record(&passing());
        until("delivered", || count(&exporter, ExportResult::Success) == 1).await;
        assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
        let received = collector.received();
        assert_eq!(received.last().unwrap().body, received[0].body, "{protocol:?}");
        // It was not taken, and so is not there twice.
        assert_eq!(figures(&exporter).unconfirmed, 0, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_run_that_went_past_a_request_without_an_answer_is_counted_once_as_perhaps_there_twice() {
    // The first request has no answer, nor has any question.
    let script = |number, request: &Request| match (number, runs(request).len()) {
        (0, _) | (_, 0) => Reply::Silent,
        _ => success(Protocol::HttpProtobuf),
    };
    let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
    let exporter = impatient(&collector, Duration::from_millis(100));
    reports(3).iter().for_each(|report| exporter.record(report));
    until("delivered", || count(&exporter, ExportResult::Success) == 2).await;
    let received: Vec<_> = collector.received().iter().map(runs).collect();
    let sizes: Vec<_> = received.iter().map(BTreeSet::len).collect();
    assert_eq!(sizes, [3, 0, 0, 0, 1, 2]);
    assert_eq!(figures(&exporter).unconfirmed, 3);
    assert!(exporter.shutdown(FLUSH_BOUND).await.is_empty());
}

#[tokio::test]
async fn a_collector_that_wants_an_hour_or_all_eternity_does_not_hold_up_the_end() {
    for fields in ["retry-after: 3600\r\n", "retry-after: 18446744073709551615\r\n"] {
        let script = move |_, _: &_| Reply::Http(429, fields, Vec::new());
        let collector = Scripted::start(Protocol::HttpProtobuf, script).await;
        let exporter = of_spans_and_metrics(&collector);
        exporter.record(&passing());
        let began = Instant::now();
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert!(began.elapsed() < FLUSH_BOUND, "{:?}", began.elapsed());
        assert_eq!(losses.len(), 2, "{losses:?}");
        assert!(
            losses.iter().all(|loss| loss.ends_with("status 429")),
            "{losses:?}"
        );
    }
}
