//! Tests of what the configuration file and the environment mean together.

use super::*;

fn resolve(
    configured: Option<&Configured>,
    variables: &[(&str, &str)],
) -> Result<Option<Settings>, Vec<String>> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    resolve_bytes(configured, &|name| variables.get(name).map(Into::into))
}

fn resolve_bytes(
    configured: Option<&Configured>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Settings>, Vec<String>> {
    Settings::resolve(configured, environment)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn settings(configured: Option<&Configured>, variables: &[(&str, &str)]) -> Settings {
    resolve(configured, variables)
        .unwrap()
        .expect("something is exported")
}

fn urls(settings: &Settings) -> [Option<String>; 3] {
    [&settings.traces, &settings.metrics, &settings.logs].map(|destination| {
        destination
            .as_ref()
            .map(|destination| destination.url.to_string())
    })
}

fn some(texts: [&str; 3]) -> [Option<String>; 3] {
    texts.map(|text| Some(text.to_owned()))
}

fn file(endpoint: &str) -> Configured {
    Configured {
        endpoint: Some(endpoint.into()),
        ..Configured::default()
    }
}

#[test]
fn without_a_table_and_a_variable_nothing_is_exported() {
    assert!(resolve(None, &[]).unwrap().is_none());
    assert!(
        resolve(None, &[("OTEL_SERVICE_NAME", "probes")])
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_general_http_endpoint_gets_the_paths_and_a_signals_own_does_not() {
    let general = settings(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base/")]);
    assert_eq!(
        urls(&general),
        some([
            "http://c:4318/base/v1/traces",
            "http://c:4318/base/v1/metrics",
            "http://c:4318/base/v1/logs"
        ])
    );
    let own = settings(
        None,
        &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/mine")],
    );
    assert_eq!(urls(&own), [Some("http://c:4318/mine".to_owned()), None, None]);
    let logs = settings(
        None,
        &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:4318/logs")],
    );
    assert_eq!(urls(&logs), [None, None, Some("http://c:4318/logs".to_owned())]);
    let grpc = settings(Some(&file("http://c:4317")), &[]);
    assert_eq!(urls(&grpc), some(["http://c:4317/"; 3]));
}

#[test]
fn the_protocol_follows_from_the_registered_port_unless_it_is_said() {
    let protocol = |endpoint: &str, variables: &[(&str, &str)]| {
        settings(Some(&file(endpoint)), variables)
            .traces
            .unwrap()
            .protocol
    };
    assert_eq!(protocol("http://c:4317", &[]), Protocol::Grpc);
    assert_eq!(protocol("http://c:4318", &[]), Protocol::HttpProtobuf);
    assert_eq!(
        protocol("http://c:4318", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]),
        Protocol::Grpc
    );
    let signal = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ];
    assert_eq!(protocol("http://c:4317", &signal), Protocol::HttpProtobuf);
}

#[test]
fn the_table_goes_before_the_environment() {
    let mut table = file("http://file:4318");
    table.headers = Some(Headers::new([("x-a".to_owned(), "file".to_owned())]).unwrap());
    table.timeout = Some(Duration::from_secs(3));
    let settings = settings(
        Some(&table),
        &[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://variable:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-b=variable"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ],
    );
    let traces = settings.traces.unwrap();
    assert_eq!(traces.url.host(), Some("file"));
    assert_eq!(traces.headers, table.headers.unwrap());
    assert_eq!(traces.timeout, Duration::from_secs(3));
    assert_eq!(traces.ca_file, Some("/ca.pem".into()));
}

#[test]
fn what_is_switched_off_is_not_exported_whatever_the_table_says() {
    let table = file("http://c:4317");
    assert!(
        resolve(Some(&table), &[("OTEL_SDK_DISABLED", "TRUE")])
            .unwrap()
            .is_none()
    );
    let spans_only = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];
    let spans_only = settings(Some(&table), &spans_only);
    assert!(spans_only.traces.is_some() && spans_only.metrics.is_none() && spans_only.logs.is_none());
    let asked_for = settings(None, &[("OTEL_TRACES_EXPORTER", "otlp")]);
    assert_eq!(
        urls(&asked_for),
        [Some("http://localhost:4318/v1/traces".to_owned()), None, None]
    );
}

#[test]
fn a_grpc_endpoint_may_have_no_scheme() {
    let url = |insecure: &str| {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
        ];
        settings(None, &variables).traces.unwrap().url.to_string()
    };
    assert_eq!(
        [url("true"), url("")],
        ["http://collector:4317/", "https://collector:4317/"]
    );
}

#[test]
fn headers_and_resource_attributes_are_percent_decoded() {
    let settings = settings(
        Some(&file("http://c:4317")),
        &[
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20a=b, x-tenant = 7,",
            ),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=x,team=m%C3%BCller"),
            ("OTEL_SERVICE_NAME", "probes"),
        ],
    );
    let headers = settings.traces.unwrap().headers;
    let pairs: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(pairs, [("authorization", &b"Bearer a=b"[..]), ("x-tenant", b"7")]);
    assert_eq!(settings.resource["service.name"], "probes");
    assert_eq!(settings.resource["team"], "müller");
}

#[test]
fn what_cannot_be_used_is_said_all_at_once() {
    let problems = resolve(
        Some(&file("ftp://c")),
        &[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1m"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ],
    );
    assert_eq!(
        problems.unwrap_err(),
        [
            "OTEL_TRACES_EXPORTER: found `zipkin`, wanted `otlp` or `none`",
            "OTEL_EXPORTER_OTLP_PROTOCOL: found `http/json`, wanted `grpc` or `http/protobuf`",
            "otlp.endpoint: found `ftp://c`, wanted a URL such as `http://127.0.0.1:4317`",
            "OTEL_EXPORTER_OTLP_COMPRESSION: found `lzma`, wanted `gzip` or `none`",
            "OTEL_METRIC_EXPORT_INTERVAL: found `1m`, wanted a whole number of milliseconds, at least 1",
            "OTEL_RESOURCE_ATTRIBUTES: entry 1 has no `=`, wanted `name=value,name=value`",
        ]
    );
}

#[test]
fn a_value_that_is_no_text_is_said() {
    use std::os::unix::ffi::OsStringExt as _;
    for name in [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_EXPORTER",
        "OTEL_SDK_DISABLED",
    ] {
        let environment = |asked: &str| (asked == name).then(|| OsString::from_vec(b"http://\xff".to_vec()));
        let problems = resolve_bytes(Some(&file("http://c:4318")), &environment).unwrap_err();
        assert_eq!(
            problems,
            [format!("{name}: found bytes that are not UTF-8, wanted text")]
        );
    }
}

#[test]
fn an_endpoint_with_a_port_that_cannot_be_is_refused() {
    for endpoint in [
        "http://127.0.0.1:99999",
        "http://c:0/",
        "https://c:/v1",
        "http://[::1]:65536",
    ] {
        let wanted = |place: &str| format!("{place}: found `{endpoint}`, wanted a port from 1 to 65535");
        let problems = resolve(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).unwrap_err();
        assert_eq!(problems, [wanted("OTEL_EXPORTER_OTLP_ENDPOINT")]);
        let problems = resolve(Some(&file(endpoint)), &[]).unwrap_err();
        assert_eq!(problems, [wanted("otlp.endpoint")]);
    }
}

#[test]
fn only_before_the_path_an_at_sign_is_of_a_user() {
    let found = settings(None, &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1/a@b")]);
    assert_eq!(found.traces.unwrap().url, "http://h:1/a@b");
}

#[test]
fn the_name_of_a_resource_attribute_is_decoded_and_not_empty() {
    let attributes = |text: &str| {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        resolve(None, &[endpoint, ("OTEL_RESOURCE_ATTRIBUTES", text)])
            .map(|settings| settings.expect("something is exported").resource)
    };
    let found = attributes("h%2Ci=j,k=").unwrap();
    let wanted = [("h,i", "j"), ("k", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found, BTreeMap::from(wanted));
    for text in ["=x", "a=b, =x", "%20=x"] {
        let problems = attributes(text).unwrap_err().concat();
        assert!(
            problems.contains("has no name, wanted `name=value,name=value`"),
            "{problems}"
        );
    }
    let problems = attributes("%ff=x").unwrap_err().concat();
    assert!(
        problems.contains("the name of entry 1 is not UTF-8 when decoded"),
        "{problems}"
    );
}

#[test]
fn the_table_says_more_of_the_resource_than_the_environment() {
    let said = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let table = Configured {
        resource: BTreeMap::from([said("team", "south"), said("deployment.environment.name", "test")]),
        ..file("http://c")
    };
    let settings = settings(Some(&table), &[("OTEL_RESOURCE_ATTRIBUTES", "team=north,zone=1")]);
    let wanted = [
        said("team", "south"),
        said("zone", "1"),
        said("deployment.environment.name", "test"),
    ];
    assert_eq!(settings.resource, BTreeMap::from(wanted));
}

#[test]
fn the_form_of_histograms_is_that_of_the_table_or_else_the_environments() {
    let exponential = (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram",
    );
    let explicit = Configured {
        histograms: Some(Histograms::Explicit),
        ..file("http://c:4317")
    };
    let form = |file: &Configured, variables: &[(&str, &str)]| settings(Some(file), variables).histograms;
    assert_eq!(form(&file("http://c:4317"), &[]), Histograms::Explicit);
    assert_eq!(
        form(&file("http://c:4317"), &[exponential]),
        Histograms::Exponential
    );
    assert_eq!(form(&explicit, &[exponential]), Histograms::Explicit);
}

#[test]
fn tokens_appear_in_neither_debug_output_nor_complaints() {
    let settings = settings(
        Some(&file("https://c:4317")),
        &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2")],
    );
    let shown = format!("{settings:?}");
    assert!(
        shown.contains("authorization") && !shown.contains("hunter2"),
        "{shown}"
    );
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2%0A"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2@c:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2/1@c:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp?api_key=hunter2"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "https://c/otlp?api_key=hunter2",
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:99999?hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:99999/#hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://c/a b?hunter2"),
    ] {
        let mut variables = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")];
        variables.push((variable, value));
        let problems = resolve(None, &variables).unwrap_err();
        assert!(
            !problems.is_empty() && !problems.concat().contains("hunter2"),
            "{problems:?}"
        );
    }
}

#[test]
fn an_endpoint_of_grpc_has_no_path() {
    for endpoint in ["http://c:4317/otlp", "https://c:4317/v1/traces"] {
        let wanted = |place: &str| {
            format!(
                "{place}: found `{endpoint}`, wanted a URL without a path: gRPC has its own, only HTTP takes one"
            )
        };
        let problems = resolve(None, &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)]).unwrap_err();
        assert_eq!(problems, [wanted("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")]);
        let problems = resolve(Some(&file(endpoint)), &[]).unwrap_err();
        assert_eq!(problems, [wanted("otlp.endpoint")]);
    }
    assert!(resolve(Some(&file("http://c:4317/")), &[]).unwrap().is_some());
}
