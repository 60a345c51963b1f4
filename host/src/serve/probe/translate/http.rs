//! The gauges of the plugin `http`. Pure.

use super::facts::measured;
use super::{by_phase, failed_due_to_regex, has_assertion_failed, tls};
use crate::outcome::Report;
use crate::serve::probe::exposition::Family;
use crate::telemetry::exposition::gauge;

/// What blackbox_exporter has for its `http` prober. What there is no response for is 0, as there.
pub(super) fn families(report: &Report) -> Vec<Family> {
    let of_response = |name: &str| measured(report, name).unwrap_or(0.0);
    let has_response = measured(report, "http.response.status_code").is_some();
    let length = measured(report, "http.response.content_length");
    let unmet_patterns = measured(report, "http.expect.patterns_unmet").is_some_and(|unmet| unmet > 0.0);
    let mut families = vec![
        by_phase(
            report,
            gauge!(
                "probe_http_duration_seconds",
                "How long each phase of the request took that was reached, in seconds, redirects included."
            ),
            &["resolve", "connect", "tls", "processing", "transfer"].map(|phase| (phase, phase)),
        ),
        gauge!("probe_http_status_code", "The status of the final response.")
            .one(of_response("http.response.status_code")),
        gauge!("probe_http_version", "The version of HTTP of the final response.")
            .one(of_response("http.response.version")),
        gauge!("probe_http_redirects", "How many redirects were followed.")
            .one(of_response("http.redirects")),
        gauge!("probe_http_ssl", "Whether the final request went over TLS.")
            .one(f64::from(u8::from(tls::of_last_connection(report).is_some()))),
        gauge!(
            "probe_http_content_length",
            "The length that the final response declares, -1 when it declares none."
        )
        .one(length.unwrap_or(if has_response { -1.0 } else { 0.0 })),
        gauge!(
            "probe_http_uncompressed_body_length",
            "The length of the final response's body, decoded."
        )
        .one(
            measured(report, "http.response.body.uncompressed_size")
                .unwrap_or(of_response("http.response.body.size")),
        ),
        failed_due_to_regex(unmet_patterns && has_assertion_failed(report)),
    ];
    families.extend(measured(report, "http.response.last_modified").map(|modified| {
        gauge!(
            "probe_http_last_modified_timestamp_seconds",
            "The Last-Modified header of the final response, in seconds since 1970."
        )
        .one(modified)
    }));
    families
}
