//! The ways to a collector: gRPC and HTTP, with and without TLS, from the configuration file and from the standard
//! environment variables.

use bedcheck_tests::certificates::{Certificates, Identity};
use bedcheck_tests::collector::{Attributes, Collector, Received};
use bedcheck_tests::script::{ClosedPort, Script};
use bedcheck_tests::{Finished, Program};

use crate::page::{Page, with_each_protocol};
use crate::totals;
use crate::trace::Trace;

/// The run passed, nothing was complained about, and its trace and metrics are there.
#[track_caller]
fn assert_arrived(finished: &Finished, received: &Received) {
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:#?}"
    );
    let report = finished.report();
    Trace::of(&report, received).assert_tells_the_report();
    let found = totals::of_collector(received);
    assert!(
        found.keys().eq(totals::of_reports([&report]).keys()),
        "{found:#?}"
    );
}

#[test]
fn grpc() {
    let collector = Collector::start();
    let endpoint = collector.grpc_endpoint();
    let otlp = format!("[otlp]\nendpoint = \"{endpoint}\"\nprotocol = \"grpc\"");
    assert_arrived(&Page::serve().check(&otlp).finish(), &collector.received());
}

#[test]
fn http_with_protobuf() {
    let collector = Collector::start();
    let endpoint = collector.http_endpoint();
    let otlp = format!("[otlp]\nendpoint = \"{endpoint}\"\nprotocol = \"http/protobuf\"");
    assert_arrived(&Page::serve().check(&otlp).finish(), &collector.received());
}

#[test]
fn tls_with_an_authority_of_ones_own_and_with_no_other() {
    let certificates = Certificates::new();
    let collector = Collector::start_tls(&certificates.valid());
    let page = Page::serve();
    for (endpoint, protocol) in [
        (collector.grpc_endpoint(), "grpc"),
        (collector.http_endpoint(), "http/protobuf"),
    ] {
        assert!(endpoint.starts_with("https://"), "{endpoint}");
        let call = |ca_file: &str| {
            let table = format!("[otlp]\nendpoint = \"{endpoint}\"\nprotocol = \"{protocol}\"\n{ca_file}");
            let authority = std::fs::read(certificates.authority_file()).expect("the authority is there");
            page.check(&table).file("authority.pem", authority)
        };
        let finished = call("ca_file = \"authority.pem\"").finish();
        assert_arrived(&finished, &collector.received());

        // The system's authorities have not issued this certificate.
        let received = collector.received().spans.len();
        let finished = call("").finish();
        assert_eq!(finished.code, Some(0));
        assert_eq!(finished.stderr.lines().count(), 2, "{}", finished.stderr);
        assert_eq!(collector.received().spans.len(), received);

        let variable = "OTEL_EXPORTER_OTLP_CERTIFICATE";
        let finished = call("").env(variable, certificates.authority_file()).finish();
        assert_arrived(&finished, &collector.received());
    }
}

#[test]
fn a_collector_that_asks_who_we_are_is_told_from_the_file_or_else_from_the_environment() {
    let certificates = Certificates::new();
    let authority = certificates.authority_file();
    let collector = Collector::start_mutual_tls(&certificates.valid(), &authority);
    let (ours, strangers) = (certificates.client(), Certificates::new());
    let theirs = strangers.client();
    let page = Page::serve();
    for (endpoint, protocol) in [
        (collector.grpc_endpoint(), "grpc"),
        (collector.http_endpoint(), "http/protobuf"),
    ] {
        let call = |who: &str| {
            let table = format!(
                "[otlp]\nendpoint = \"{endpoint}\"\nprotocol = \"{protocol}\"\nca_file = \"{}\"\n{who}",
                authority.display()
            );
            page.check(&table)
        };
        let file = |client: &Identity| {
            format!(
                "client_certificate = \"{}\"\nclient_key = \"{}\"",
                client.certificate_file.display(),
                client.key_file.display()
            )
        };
        let environment = |who: &str, client: &Identity| {
            call(who)
                .env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &client.certificate_file)
                .env("OTEL_EXPORTER_OTLP_CLIENT_KEY", &client.key_file)
        };
        assert_arrived(&call(&file(&ours)).finish(), &collector.received());
        assert_arrived(&environment("", &ours).finish(), &collector.received());
        // What the file says goes before.
        assert_arrived(
            &environment(&file(&ours), &theirs).finish(),
            &collector.received(),
        );

        let received = collector.received_text();
        for refused in [call(""), call(&file(&theirs))] {
            let finished = refused.finish();
            assert_eq!(finished.code, Some(0), "{finished:#?}");
            assert_eq!(
                finished.stderr.matches("did not reach").count(),
                2,
                "{finished:#?}"
            );
        }
        assert_eq!(collector.received_text(), received);
    }
}

#[test]
fn the_standard_variables_alone() {
    let collector = Collector::start();
    let page = Page::serve();
    for (endpoint, protocol) in [
        (collector.grpc_endpoint(), "grpc"),
        (collector.http_endpoint(), "http/protobuf"),
    ] {
        let finished = page
            .check("")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
            .env("OTEL_SERVICE_NAME", "probes")
            .env(
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=other,deployment.environment.name=north%20east",
            )
            .finish();
        let received = collector.received();
        assert_arrived(&finished, &received);
        let assert_ours = |resource: &Attributes| {
            assert_eq!(resource["service.name"], "probes");
            assert_eq!(resource["deployment.environment.name"], "north east");
        };
        received.spans.iter().for_each(|span| assert_ours(&span.resource));
        received
            .metrics
            .iter()
            .for_each(|metric| assert_ours(&metric.resource));
    }
}

#[test]
fn a_check_given_on_the_command_line() {
    let collector = Collector::start();
    let nobody = ClosedPort::new();
    let url = format!("url=http://127.0.0.1:{}/", nobody.port());
    let finished = Program::new(["run", "--plugin", "http", "--format", "json", "--set", &url])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_endpoint())
        .finish();
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    Trace::of(&finished.report(), &collector.received()).assert_tells_the_report();
}

#[test]
fn a_signal_can_go_elsewhere_or_nowhere() {
    let (spans, metrics) = (Collector::start(), Collector::start());
    let page = Page::serve();
    let call = |page: &Page| {
        page.check("")
            .env(
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                format!("{}/v1/traces", spans.http_endpoint()),
            )
            .env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", metrics.grpc_endpoint())
            .env("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")
    };
    let finished = call(&page).finish();
    assert_eq!(finished.stderr, "");
    Trace::of(&finished.report(), &spans.received()).assert_tells_the_report();
    assert!(spans.received().metrics.is_empty());
    assert!(metrics.received().spans.is_empty());
    assert!(metrics.received().metric("synthetic.check.runs").is_some());

    let before = (spans.received_text(), metrics.received_text());
    let finished = call(&page)
        .env("OTEL_TRACES_EXPORTER", "none")
        .env("OTEL_METRICS_EXPORTER", "none")
        .finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(before, (spans.received_text(), metrics.received_text()));
}

#[test]
fn the_file_goes_before_the_environment_which_fills_in_what_the_file_leaves_out() {
    let collector = Collector::start();
    let nobody = ClosedPort::new();
    let page = Page::serve();
    for (endpoint, protocol) in [
        (collector.grpc_endpoint(), "grpc"),
        (collector.http_endpoint(), "http/protobuf"),
    ] {
        let finished = page
            .check(&format!("[otlp]\nendpoint = \"{endpoint}\""))
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://127.0.0.1:{}", nobody.port()),
            )
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .finish();
        assert_arrived(&finished, &collector.received());
    }
}

#[test]
fn nothing_leaves_when_telemetry_is_switched_off() {
    let collector = Collector::start();
    let endpoint = collector.http_endpoint();
    let finished = Page::serve()
        .check(&format!("[otlp]\nendpoint = \"{endpoint}\""))
        .env("OTEL_SDK_DISABLED", "true")
        .finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(collector.received_text(), "");
}

#[test]
fn headers_come_with_every_export_from_the_file_or_else_from_the_environment() {
    let page = Page::serve();
    // The file's headers, even if there are none, stand for those of the environment, which may hold a token for
    // another collector.
    for (in_file, carried) in [
        ("", [false, true]),
        ("headers = { x-tenant = \"aaaaaaaaaaaaaaaa\" }", [true, false]),
        ("headers = {}", [false, false]),
    ] {
        with_each_protocol(|protocol| {
            let mute = Script::new().stall().serve();
            let endpoint = format!("http://127.0.0.1:{}", mute.port());
            let table = format!("[otlp]\nendpoint = \"{endpoint}\"\nprotocol = \"{protocol}\"\n{in_file}");
            let finished = page
                .check(&table)
                .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=eeeeeeeeeeeeeee%65")
                // Nobody answers, and the request has been sent long before this is over.
                .env("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
                .finish();
            assert_eq!(finished.code, Some(0));
            assert!(
                !finished.mentions("aaaaaaaa") && !finished.mentions("eeeeeeee"),
                "{finished:#?}"
            );
            let sent: Vec<u8> = mute
                .finish()
                .into_iter()
                .flat_map(|connection| connection.received)
                .collect();
            assert!(
                contains(&sent, b"bedcheck"),
                "nothing was exported over {protocol}"
            );
            assert_eq!(
                [A, E].map(|values| carries(&sent, values)),
                carried,
                "{protocol} {in_file}"
            );
        });
    }
}

/// A header's value as HTTP/1.1 sends it, and as HTTP/2 does, with a code of Huffman's in which `a` is 00011 and
/// `e` 00101, so that eight of them are five bytes (RFC 7541, appendix B).
type Value = [&'static [u8]; 2];
const A: Value = [b"aaaaaaaaaaaaaaaa", b"\x18\xc6\x31\x8c\x63\x18\xc6\x31\x8c\x63"];
const E: Value = [b"eeeeeeeeeeeeeeee", b"\x29\x4a\x52\x94\xa5\x29\x4a\x52\x94\xa5"];

fn carries(sent: &[u8], value: Value) -> bool {
    value.iter().any(|form| contains(sent, form))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
