//! Which of our formats a request prefers (RFC 9110 section 12.5). Pure.

use http::{HeaderMap, HeaderName, header};

use crate::telemetry::Exposition;

/// The format of metrics for a request: OpenMetrics where it is asked for by its name, and liked at least as much as
/// Prometheus' text, which is what everybody else gets.
pub(super) fn exposition(headers: &HeaderMap) -> Exposition {
    let accept = all_of(headers, &header::ACCEPT);
    // How much text is liked is said by the most telling range that it is in.
    let (mut open, mut text) = (0.0_f32, [None; 3]);
    for range in ranges(&accept) {
        let place = match range.media_type.as_str() {
            "application/openmetrics-text" if range.takes_version("1.0.0") => {
                open = open.max(range.quality);
                continue;
            }
            "text/plain" if range.takes_version("0.0.4") => &mut text[0],
            "text/*" => &mut text[1],
            "*/*" => &mut text[2],
            _ => continue,
        };
        *place = Some(place.map_or(range.quality, |quality: f32| quality.max(range.quality)));
    }
    let text = text.into_iter().flatten().next().unwrap_or(0.0);
    if open > 0.0 && open >= text {
        Exposition::OpenMetrics
    } else {
        Exposition::Prometheus
    }
}

/// Whether a request takes gzip by its name.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = all_of(headers, &header::ACCEPT_ENCODING);
    ranges(&accepted).any(|range| range.media_type == "gzip" && range.quality > 0.0)
}

/// A header that may come several times, as one (RFC 9110 section 5.3).
fn all_of(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
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

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let pairs = values.iter().map(|value| (name.clone(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        assert_eq!(exposition(&HeaderMap::new()), Exposition::Prometheus);
        for (accept, format) in [
            ("", Exposition::Prometheus),
            ("*/*", Exposition::Prometheus),
            ("text/html,*/*;q=0.8", Exposition::Prometheus),
            ("text/plain;version=0.0.4", Exposition::Prometheus),
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
                "application/openmetrics-text;version=2.0.0,*/*;q=0.1",
                Exposition::Prometheus,
            ),
            (
                "application/openmetrics-text;q=0.2, text/plain;q=0.9",
                Exposition::Prometheus,
            ),
            (
                "application/openmetrics-text;q=0.2, */*;q=0.9",
                Exposition::Prometheus,
            ),
            (
                "application/openmetrics-text;q=0.2, */*;q=0.9, text/plain;q=0.1",
                Exposition::OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;q=0.7,text/plain;q=0.2",
                Exposition::Prometheus,
            ),
            ("application/openmetrics-text;q=0", Exposition::Prometheus),
            ("Application/OpenMetrics-Text", Exposition::OpenMetrics),
        ] {
            let headers = headers(header::ACCEPT, &[accept]);
            assert_eq!(exposition(&headers), format, "{accept}");
        }
    }

    #[test]
    fn headers_that_come_twice_are_read_together() {
        let accept = ["text/plain;q=0.1", "application/openmetrics-text"];
        assert_eq!(
            exposition(&headers(header::ACCEPT, &accept)),
            Exposition::OpenMetrics
        );
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        for (header, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
        ] {
            let headers = headers(header::ACCEPT_ENCODING, &[header]);
            assert_eq!(takes_gzip(&headers), takes, "{header}");
        }
    }
}
