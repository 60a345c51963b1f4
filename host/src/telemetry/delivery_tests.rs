//! Tests of the end of an export against collectors that are not there or do not answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::telemetry::settings::{Configured, Protocol, Settings};
use crate::telemetry::specimen::{failing, passing};
use crate::telemetry::{Exporter, FLUSH_BOUND};

/// What a machine with other work may add to a bound.
const SLACK: Duration = Duration::from_millis(500);

fn exporter(address: SocketAddr, protocol: Protocol) -> Exporter {
    let table = Configured {
        endpoint: Some(format!("http://{address}")),
        protocol: Some(protocol),
        ..Configured::default()
    };
    let settings = Settings::resolve(Some(&table), &|_| None).unwrap().unwrap();
    Exporter::start(&settings, &tokio::runtime::Handle::current()).unwrap()
}

#[tokio::test]
async fn a_collector_that_refuses_is_said_in_a_sentence_a_signal() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let exporter = exporter(address, protocol);
        exporter.record(&passing());
        exporter.record(&failing());
        let began = Instant::now();
        let losses = exporter.shutdown(FLUSH_BOUND).await;
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{protocol:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(losses.len(), 2, "{losses:?}");
        assert!(
            losses[0].starts_with("the spans of 2 runs did not reach `http://127.0.0.1:"),
            "{losses:?}"
        );
        assert!(
            losses[1].starts_with("the metrics did not reach `http://127.0.0.1:"),
            "{losses:?}"
        );
        assert!(
            losses
                .iter()
                .all(|loss| loss.ends_with("Connection refused (os error 111)")),
            "{losses:?}"
        );
    }
}

#[tokio::test]
async fn a_collector_that_is_silent_costs_the_bound_and_no_more() {
    // Never accepted from: the kernel shakes hands, and nobody answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let bound = Duration::from_millis(300);
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
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
