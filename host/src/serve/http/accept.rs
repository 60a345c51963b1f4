//! Which of our formats a request prefers (RFC 9110 section 12.5). Pure.

use crate::telemetry::Exposition;

/// The format of metrics for a header `Accept`: OpenMetrics when it is asked for at least as much as text.
pub(super) fn exposition(accept: &str) -> Exposition {
    let (mut open, mut text) = (0.0, 0.0);
    for range in ranges(accept) {
        match range.media_type.as_str() {
            "application/openmetrics-text" if range.takes_version("1.0.0") => open = range.quality.max(open),
            "text/plain" if range.takes_version("0.0.4") => text = range.quality.max(text),
            _ => {}
        }
    }
    if open > 0.0 && open >= text {
        Exposition::OpenMetrics
    } else {
        Exposition::Prometheus
    }
}

/// Whether a header `Accept-Encoding` takes gzip by its name.
pub(super) fn takes_gzip(accept_encoding: &str) -> bool {
    ranges(accept_encoding).any(|range| range.media_type == "gzip" && range.quality > 0.0)
}

struct Range {
    media_type: String,
    version: Option<String>,
    quality: f32,
}

impl Range {
    fn takes_version(&self, version: &str) -> bool {
        self.version.as_deref().is_none_or(|wanted| wanted == version)
    }
}

fn ranges(header: &str) -> impl Iterator<Item = Range> {
    header.split(',').map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut version, mut quality) = (None, 1.0);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => version = Some(value.to_owned()),
                "q" => quality = value.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        Range {
            media_type,
            version,
            quality,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        for (accept, format) in [
            ("", Exposition::Prometheus),
            ("*/*", Exposition::Prometheus),
            ("text/html,*/*;q=0.8", Exposition::Prometheus),
            // As Prometheus 2.53 sends it.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Exposition::OpenMetrics,
            ),
            // As Prometheus 3 sends it.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Exposition::OpenMetrics,
            ),
            (
                "application/openmetrics-text; version=2.0.0",
                Exposition::Prometheus,
            ),
            (
                "application/openmetrics-text;q=0.2, text/plain;q=0.9",
                Exposition::Prometheus,
            ),
            ("application/openmetrics-text;q=0", Exposition::Prometheus),
            ("Application/OpenMetrics-Text", Exposition::OpenMetrics),
        ] {
            assert_eq!(exposition(accept), format, "{accept}");
        }
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        for (header, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
        ] {
            assert_eq!(takes_gzip(header), takes, "{header}");
        }
    }
}
