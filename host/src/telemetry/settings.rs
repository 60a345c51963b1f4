//! Where telemetry goes, and how: from the configuration file and the standard `OTEL_*` variables to
//! finished settings. Pure; certificate files are read in `otlp`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::environment::{Environment, Signal};
use super::metrics::Histograms;
use crate::connection::ClientIdentity;
use crate::http_url;

/// How long an export may take: 10 s, OpenTelemetry's default.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often metrics are exported: 60 s, OpenTelemetry's default.
const METRIC_INTERVAL: Duration = Duration::from_secs(60);
/// The registered port of OTLP over gRPC.
const GRPC_PORT: u16 = 4317;

/// The `[otlp]` table of the configuration file. What it leaves out comes from the environment.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// The collector's URL, `http://` or `https://`. For HTTP, `/v1/traces`, `/v1/metrics` and `/v1/logs`
    /// are appended.
    pub endpoint: Option<String>,
    /// Default: gRPC where the endpoint's port is 4317, the registered one, else HTTP.
    pub protocol: Option<Protocol>,
    /// Sent with every export. Present, even empty, they replace those of the environment, which may
    /// carry a token for another collector.
    pub headers: Option<Headers>,
    /// How long an export may take. Default: 10 s.
    pub timeout: Option<Duration>,
    /// The certificates that the collector's must lead to, PEM. Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// Shown to a collector that asks who we are.
    pub client: Option<ClientIdentity>,
    /// In which form histograms leave. Default: with explicit buckets.
    pub histograms: Option<Histograms>,
    /// Attributes of everything exported; they win over those of the environment.
    pub resource: BTreeMap<String, String>,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// Protobuf bodies in HTTP/1.1 requests.
    HttpProtobuf,
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::HttpProtobuf),
            _ => Err(UnknownProtocol),
        }
    }
}

/// A protocol that is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wanted `grpc` or `http/protobuf`")]
pub struct UnknownProtocol;

/// Headers of every export. Their values may be tokens, so `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// Headers by name.
    ///
    /// # Errors
    ///
    /// When a name or a value cannot be a header. The message has no value.
    pub fn new(headers: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadHeader> {
        let header = |(name, value): (String, String)| {
            let parsed =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadHeader::Name(name.clone()))?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| BadHeader::Value(name))?;
            value.set_sensitive(true);
            Ok((parsed, value))
        };
        headers
            .into_iter()
            .map(header)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name.as_str()))
            .finish()
    }
}

/// What cannot be a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The name.
    #[error("found `{0}`, wanted the name of an HTTP header")]
    Name(String),
    /// The value of this name.
    #[error("the value of `{0}` has characters that a header cannot have")]
    Value(String),
}

/// Something that cannot be used: where, what was found, what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {complaint}")]
pub struct Problem {
    /// The variable, or the key in the configuration file.
    pub place: String,
    /// What was found and what was wanted.
    pub complaint: String,
}

/// What is exported where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where spans go; none when they are not exported.
    pub traces: Option<Destination>,
    /// Where metrics go; none when they are not exported.
    pub metrics: Option<Destination>,
    /// Where log records go; none when they are not exported.
    pub logs: Option<Destination>,
    /// How often metrics are exported.
    pub metric_interval: Duration,
    /// In which form histograms leave.
    pub histograms: Histograms,
    /// Attributes of everything exported, beside those that we know ourselves; they win over ours.
    pub resource: BTreeMap<String, String>,
}

/// Where a signal goes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The full URL; for HTTP with its path.
    pub url: Uri,
    /// How OTLP is spoken.
    pub protocol: Protocol,
    /// Sent with every export.
    pub headers: Headers,
    /// How long an export may take.
    pub timeout: Duration,
    /// Whether bodies are compressed, with gzip.
    pub gzip: bool,
    /// The certificates that the collector's must lead to; none for the system's.
    pub ca_file: Option<PathBuf>,
    /// Shown to a collector that asks who we are.
    pub client: Option<ClientIdentity>,
}

impl Settings {
    /// What the `[otlp]` table and the environment say together; none when nothing is to be exported.
    ///
    /// The table goes before the environment, a signal's own variable before the general one. Without
    /// a table, a signal is exported when an endpoint variable for it is set, or
    /// `OTEL_{TRACES,METRICS,LOGS}_EXPORTER` is `otlp`. `OTEL_SDK_DISABLED=true` and `..._EXPORTER=none` switch
    /// off whatever the table says.
    ///
    /// # Errors
    ///
    /// All values that cannot be used.
    pub fn resolve(
        configured: Option<&Configured>,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, Vec<Problem>> {
        let mut environment = Environment::new(environment);
        if environment.is_true("OTEL_SDK_DISABLED") {
            return environment.finish(None);
        }
        let traces = destination(Signal::Traces, configured, &mut environment);
        let metrics = destination(Signal::Metrics, configured, &mut environment);
        let logs = destination(Signal::Logs, configured, &mut environment);
        let said = environment.histograms();
        let written = configured.and_then(|configured| configured.histograms);
        let metric_interval = environment.milliseconds("OTEL_METRIC_EXPORT_INTERVAL");
        let mut resource = environment.resource_attributes();
        resource.extend(
            configured
                .iter()
                .flat_map(|configured| configured.resource.clone()),
        );
        let exported = traces.is_some() || metrics.is_some() || logs.is_some();
        let settings = Self {
            traces,
            metrics,
            logs,
            metric_interval: metric_interval.unwrap_or(METRIC_INTERVAL),
            histograms: written.or(said).unwrap_or_default(),
            resource,
        };
        environment.finish(exported.then_some(settings))
    }
}

fn destination(
    signal: Signal,
    configured: Option<&Configured>,
    environment: &mut Environment<'_>,
) -> Option<Destination> {
    let exporter = environment.exporter(signal)?;
    let own = environment.own(signal, "ENDPOINT");
    let general = environment.general("ENDPOINT");
    let written = configured.and_then(|configured| configured.endpoint.clone());
    if configured.is_none() && own.is_none() && general.is_none() && !exporter.is_asked_for {
        return None;
    }
    let configured = configured.cloned().unwrap_or_default();
    let protocol = configured.protocol.or_else(|| environment.protocol(signal));
    let (place, endpoint, is_full) = match (written, own, general) {
        (Some(text), ..) => ("otlp.endpoint".to_owned(), text, false),
        (None, Some((place, text)), _) => (place, text, true),
        (None, None, Some((place, text))) => (place, text, false),
        (None, None, None) => (
            "otlp.endpoint".to_owned(),
            default_endpoint(protocol).to_owned(),
            false,
        ),
    };
    let insecure = environment.is_insecure(signal);
    let found = environment.keep(&place, found_endpoint(&endpoint, protocol, insecure));
    // Everything is read before anything is given up, so that all problems are said at once.
    let headers = configured.headers.unwrap_or_else(|| environment.headers(signal));
    let timeout = configured.timeout.or_else(|| environment.timeout(signal));
    let gzip = environment.gzip(signal);
    let client = configured.client.or_else(|| environment.client(signal));
    let (url, protocol) = found?;
    let path = (protocol == Protocol::HttpProtobuf && !is_full).then(|| signal.path());
    Some(Destination {
        url: environment.keep(&place, with_path(url, path))?,
        protocol,
        headers,
        timeout: timeout.unwrap_or(TIMEOUT),
        gzip,
        ca_file: configured
            .ca_file
            .or_else(|| environment.path(signal, "CERTIFICATE")),
        client,
    })
}

fn default_endpoint(protocol: Option<Protocol>) -> &'static str {
    match protocol {
        Some(Protocol::Grpc) => "http://localhost:4317",
        _ => "http://localhost:4318",
    }
}

/// The URL, and the protocol where none was said. gRPC's `host:port` without a scheme is accepted too.
fn found_endpoint(text: &str, protocol: Option<Protocol>, insecure: bool) -> Result<(Uri, Protocol), String> {
    let text = match (text.contains("://"), protocol, insecure) {
        (true, ..) | (false, Some(Protocol::HttpProtobuf), _) => text.to_owned(),
        (false, _, true) => format!("http://{text}"),
        (false, _, false) => format!("https://{text}"),
    };
    let wanted = "wanted a URL such as `http://127.0.0.1:4317`";
    if authority(&text).contains('@') {
        return Err("wanted a URL without user and password; a header can carry them".to_owned());
    }
    // A password with a slash in it is no part of the authority.
    let shown = if text.contains('@') {
        "a text with an `@`"
    } else {
        &format!("`{}`", without_query(&text))
    };
    let url: Uri = text
        .parse()
        .map_err(|error| format!("found {shown} ({error}), {wanted}"))?;
    if url
        .authority()
        .is_some_and(|authority| !http_url::has_usable_port(authority))
    {
        return Err(format!("found {shown}, wanted {}", http_url::WANTED_PORT));
    }
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(format!("found {shown}, {wanted}"));
    }
    if url.query().is_some() {
        return Err(format!("found {shown}, wanted a URL without a query"));
    }
    let by_port = if url.port_u16() == Some(GRPC_PORT) {
        Protocol::Grpc
    } else {
        Protocol::HttpProtobuf
    };
    let protocol = protocol.unwrap_or(by_port);
    if protocol == Protocol::Grpc && !["", "/"].contains(&url.path()) {
        return Err(format!(
            "found {shown}, wanted a URL without a path: gRPC has its own, only HTTP takes one"
        ));
    }
    Ok((url, protocol))
}

/// A text up to its query or fragment, which may carry a token.
fn without_query(text: &str) -> String {
    match text.find(['?', '#']) {
        Some(end) => format!("{}…", &text[..=end]),
        None => text.to_owned(),
    }
}

/// What is between the scheme and the path, where user and password are, of any text.
fn authority(text: &str) -> &str {
    let (_, rest) = text.split_once("://").unwrap_or(("", text));
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn with_path(url: Uri, path: Option<&str>) -> Result<Uri, String> {
    let Some(path) = path else { return Ok(url) };
    let text = format!("{}{path}", url.to_string().trim_end_matches('/'));
    text.parse()
        .map_err(|error| format!("found `{text}` ({error}), wanted a URL"))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
