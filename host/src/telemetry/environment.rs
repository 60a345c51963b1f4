//! The standard `OTEL_*` variables, read one by one. Every value that cannot be used is kept as a
//! problem, so that all of them are said at once. What the values together mean is `settings`'.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::metrics::Histograms;
use super::settings::{Headers, Problem, Protocol};
use crate::connection::ClientIdentity;

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// All of them, in the order of their values.
    pub(super) const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// OpenTelemetry's name for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// What it consists of, for people.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metrics",
            Self::Logs => "log records",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    /// What a general endpoint gets appended for HTTP (OTLP specification, section OTLP/HTTP).
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }
}

/// A signal's exporter that is not `none`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exporter {
    /// Whether a variable says `otlp`, rather than nothing.
    pub(super) is_asked_for: bool,
}

/// A reader of variables that remembers what it could not use.
pub(super) struct Environment<'a> {
    get: &'a dyn Fn(&str) -> Option<OsString>,
    problems: Vec<Problem>,
}

impl<'a> Environment<'a> {
    /// A reader of these variables.
    pub(super) fn new(get: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self {
            get,
            problems: Vec::new(),
        }
    }

    /// The value, if there was no problem.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Vec<Problem>> {
        self.problems.dedup();
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(self.problems)
        }
    }

    /// The value, or a problem of this place.
    pub(super) fn keep<T, E: Display>(&mut self, place: &str, value: Result<T, E>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(complaint) => {
                let problem = Problem {
                    place: place.to_owned(),
                    complaint: complaint.to_string(),
                };
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                None
            }
        }
    }

    /// A signal's own variable, with its name. An empty one counts as unset.
    pub(super) fn own(&mut self, signal: Signal, what: &str) -> Option<(String, String)> {
        self.named(format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.word()))
    }

    /// The variable of all signals, with its name.
    pub(super) fn general(&mut self, what: &str) -> Option<(String, String)> {
        self.named(format!("OTEL_EXPORTER_OTLP_{what}"))
    }

    /// `OTEL_TRACES_EXPORTER` and its like; none when the signal is not to be exported.
    pub(super) fn exporter(&mut self, signal: Signal) -> Option<Exporter> {
        let name = format!("OTEL_{}_EXPORTER", signal.word());
        match self.text(&name).as_deref() {
            None => Some(Exporter { is_asked_for: false }),
            Some("otlp") => Some(Exporter { is_asked_for: true }),
            Some("none") => None,
            Some(other) => self.keep(&name, Err(format!("found `{other}`, wanted `otlp` or `none`"))),
        }
    }

    /// The protocol, if one is set.
    pub(super) fn protocol(&mut self, signal: Signal) -> Option<Protocol> {
        let (name, text) = self.of(signal, "PROTOCOL")?;
        self.keep(
            &name,
            text.parse().map_err(|wanted| format!("found `{text}`, {wanted}")),
        )
    }

    /// The headers, percent-decoded.
    pub(super) fn headers(&mut self, signal: Signal) -> Headers {
        let Some((name, text)) = self.of(signal, "HEADERS") else {
            return Headers::default();
        };
        let Some(pairs) = self.keep(&name, pairs(&text)) else {
            return Headers::default();
        };
        self.keep(&name, Headers::new(pairs)).unwrap_or_default()
    }

    /// How long an export may take.
    pub(super) fn timeout(&mut self, signal: Signal) -> Option<Duration> {
        let (name, _) = self.of(signal, "TIMEOUT")?;
        self.milliseconds(&name)
    }

    /// Whether bodies are compressed.
    pub(super) fn gzip(&mut self, signal: Signal) -> bool {
        let Some((name, text)) = self.of(signal, "COMPRESSION") else {
            return false;
        };
        let value = match text.as_str() {
            "gzip" => Ok(true),
            "none" => Ok(false),
            _ => Err(format!("found `{text}`, wanted `gzip` or `none`")),
        };
        self.keep(&name, value).unwrap_or(false)
    }

    /// Whether a gRPC endpoint without a scheme is spoken to without TLS.
    pub(super) fn is_insecure(&mut self, signal: Signal) -> bool {
        self.of(signal, "INSECURE")
            .is_some_and(|(name, _)| self.is_true(&name))
    }

    /// The path of a file.
    pub(super) fn path(&mut self, signal: Signal, what: &str) -> Option<PathBuf> {
        self.of(signal, what).map(|(_, text)| PathBuf::from(text))
    }

    /// The client's certificate and key.
    pub(super) fn client(&mut self, signal: Signal) -> Option<ClientIdentity> {
        let certificate = self.of(signal, "CLIENT_CERTIFICATE");
        let key = self.of(signal, "CLIENT_KEY");
        match (certificate, key) {
            (Some((_, certificate)), Some((_, key))) => Some(ClientIdentity {
                certificate: certificate.into(),
                key: key.into(),
            }),
            (None, None) => None,
            (Some((name, _)), None) => {
                self.keep(&name, Err("wanted `OTEL_EXPORTER_OTLP_CLIENT_KEY` beside it"))
            }
            (None, Some((name, _))) => self.keep(
                &name,
                Err("wanted `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` beside it"),
            ),
        }
    }

    /// In which form histograms leave, if that is said.
    pub(super) fn histograms(&mut self) -> Option<Histograms> {
        const NAME: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        let value = match self.text(NAME)?.as_str() {
            "explicit_bucket_histogram" => Ok(Histograms::Explicit),
            "base2_exponential_bucket_histogram" => Ok(Histograms::Exponential),
            other => Err(format!(
                "found `{other}`, wanted `explicit_bucket_histogram` or `base2_exponential_bucket_histogram`"
            )),
        };
        self.keep(NAME, value)
    }

    /// A duration in milliseconds, at least 1.
    pub(super) fn milliseconds(&mut self, name: &str) -> Option<Duration> {
        let text = self.text(name)?;
        let value = match text.parse::<u64>() {
            Ok(milliseconds) if milliseconds > 0 => Ok(Duration::from_millis(milliseconds)),
            _ => Err(format!(
                "found `{text}`, wanted a whole number of milliseconds, at least 1"
            )),
        };
        self.keep(name, value)
    }

    /// Whether a variable says `true`, in any case.
    pub(super) fn is_true(&mut self, name: &str) -> bool {
        let Some(text) = self.text(name) else { return false };
        let value = match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("found `{text}`, wanted `true` or `false`")),
        };
        self.keep(name, value).unwrap_or(false)
    }

    /// `OTEL_RESOURCE_ATTRIBUTES`, with `OTEL_SERVICE_NAME` over it.
    pub(super) fn resource_attributes(&mut self) -> BTreeMap<String, String> {
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let text = self.text(ATTRIBUTES).unwrap_or_default();
        let pairs = self.keep(ATTRIBUTES, pairs(&text)).unwrap_or_default();
        let service = self
            .text("OTEL_SERVICE_NAME")
            .map(|name| ("service.name".to_owned(), name));
        pairs.into_iter().chain(service).collect()
    }

    /// A signal's own variable, else the general one.
    fn of(&mut self, signal: Signal, what: &str) -> Option<(String, String)> {
        self.own(signal, what).or_else(|| self.general(what))
    }

    fn named(&mut self, name: String) -> Option<(String, String)> {
        self.text(&name).map(|text| (name, text))
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let text = (self.get)(name)?.into_string();
        let text = self.keep(
            name,
            text.map_err(|_| "found bytes that are not UTF-8, wanted text"),
        )?;
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }
}

/// `name=value,name=value`, both percent-decoded (W3C Baggage without properties). The complaint has no value in it: it
/// may be a token.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let entries = text
        .split(',')
        .map(str::trim)
        .enumerate()
        .filter(|(_, entry)| !entry.is_empty());
    let pair = |(index, entry): (usize, &str)| {
        let number = index + 1;
        let (name, value) = entry
            .split_once('=')
            .ok_or_else(|| format!("entry {number} has no `=`, wanted `name=value,name=value`"))?;
        let name = percent_decoded(name.trim())
            .ok_or_else(|| format!("the name of entry {number} is not UTF-8 when decoded"))?;
        if name.trim().is_empty() {
            return Err(format!(
                "entry {number} has no name, wanted `name=value,name=value`"
            ));
        }
        let value = percent_decoded(value.trim())
            .ok_or_else(|| format!("the value of `{name}` is not UTF-8 when decoded"))?;
        Ok((name, value))
    };
    entries.map(pair).collect()
}

/// The text with `%XX` decoded; a `%` that no two digits follow stays. None when it is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |index: usize| tail.get(index).and_then(|&byte| char::from(byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            decoded.extend(u8::try_from(high * 16 + low));
            rest = &tail[2..];
        } else {
            decoded.push(first);
            rest = tail;
        }
    }
    String::from_utf8(decoded).ok()
}
