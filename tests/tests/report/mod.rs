//! Reads from a report what the tests of the built-in plugins ask of every run. What it should be is theirs to
//! say.

use serde_json::Value;

/// How the run was judged: `pass`, or outcome, blame, error type and phase.
pub(crate) fn verdict(report: &Value) -> String {
    let error = &report["error"];
    let parts = [
        &report["outcome"],
        &report["blame"],
        &error["type"],
        &error["phase"],
    ];
    let parts: Vec<&str> = parts.iter().filter_map(|part| part.as_str()).collect();
    parts.join(" ")
}

/// The phases of the last attempt, as `select(INBOX) ok`.
pub(crate) fn phases(report: &Value) -> Vec<String> {
    let attempt = report["attempts"].as_array().and_then(|attempts| attempts.last());
    let phases = attempt.and_then(|attempt| attempt["phases"].as_array());
    let shown = |phase: &Value| {
        let text = |key: &str| phase[key].as_str();
        let (name, status) = (text("name").unwrap_or("?"), text("status").unwrap_or("?"));
        match text("detail") {
            Some(detail) => format!("{name}({detail}) {status}"),
            None => format!("{name} {status}"),
        }
    };
    phases
        .map(|phases| phases.iter().map(shown).collect())
        .unwrap_or_default()
}

/// The words of the run's error.
pub(crate) fn message(report: &Value) -> &str {
    report["error"]["message"].as_str().unwrap_or_default()
}

/// The measurements as `name{attribute=value} 3 {message}`, in order.
pub(crate) fn measurements(report: &Value) -> Vec<String> {
    let shown = |measurement: &Value| {
        let attributes = measurement["attributes"].as_object();
        let attributes: Vec<String> = attributes
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("?")))
            .collect();
        let name = measurement["name"].as_str().unwrap_or("?");
        let unit = measurement["unit"].as_str().unwrap_or("?");
        format!(
            "{name}{{{}}} {} {unit}",
            attributes.join(","),
            measurement["value"]
        )
    };
    let measurements = report["measurements"].as_array();
    measurements
        .map(|measurements| measurements.iter().map(shown).collect())
        .unwrap_or_default()
}

/// From the start of the run to its end, in seconds.
pub(crate) fn duration(report: &Value) -> f64 {
    report["duration_s"].as_f64().unwrap_or(f64::NAN)
}
