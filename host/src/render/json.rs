//! The report as one line of JSON. Pure.

use crate::outcome::Report;
use crate::text::harmless_json;

/// A report as a JSON object on one line.
///
/// Characters that could steer a terminal are written as `\u` escapes, which stand for the same
/// characters (RFC 8259 section 7), so that the line can be looked at safely as well as parsed.
///
/// # Errors
///
/// When the report's start lies outside the years 0 to 9999.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string(report).map(|line| harmless_json(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::text::is_dangerous;

    #[test]
    fn a_report_is_one_line_and_says_what_it_says() {
        let mut report = samples::wrong_password();
        let hostile = "a\nb \u{9b}31m \u{202e}c \u{e0041}d \x1b[2J";
        report.check = hostile.to_owned();
        let line = json(&report).unwrap();
        assert!(!line.chars().any(is_dangerous), "{line}");
        assert!(line.starts_with(r#"{"check":"a\nb \u009b31m \u202ec \udb40\udc41d \u001b[2J","plugin""#));
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["check"], hostile);
        assert_eq!(back["error"]["type"], "auth.rejected");
        assert_eq!(back["attempts"][0]["phases"][5]["status"], "failed");
    }

    #[test]
    fn what_was_injected_is_marked_and_nothing_else_is() {
        let of = |report| serde_json::from_str::<serde_json::Value>(&json(report).unwrap()).unwrap();
        let drill = of(&samples::injected());
        assert_eq!(drill["error"]["injected"], true);
        let phases = drill["attempts"][0]["phases"].as_array().unwrap();
        let marked: Vec<_> = phases
            .iter()
            .map(|phase| phase.get("injected").is_some())
            .collect();
        assert_eq!(
            marked,
            [false, false, false, false, false, false, true, true, false]
        );
        assert_eq!(
            drill["faults"][1],
            serde_json::json!({
                "fault": "phase:select[Archive]=connection-reset", "call": "net.read", "phase": "select",
                "detail": "Archive", "at_s": 1.00615
            })
        );
        let plain = json(&samples::pass()).unwrap();
        assert!(
            plain.contains(r#""faults":[]"#) && !plain.contains("injected"),
            "{plain}"
        );
    }

    #[test]
    fn warnings_thresholds_and_a_retry_that_was_left_out_are_told() {
        let of = |report: &Report| serde_json::from_str::<serde_json::Value>(&json(report).unwrap()).unwrap();
        let mut report = samples::slow();
        report.retry_denied = Some("enough".to_owned());
        let told = of(&report);
        assert_eq!(
            told["thresholds"],
            serde_json::json!({"warn_s": 0.04, "fail_s": 0.5})
        );
        assert_eq!(told["warnings"].as_array().map(Vec::len), Some(1));
        assert_eq!(told["retry_denied"], "enough");
        let plain = of(&samples::pass());
        assert_eq!(plain["warnings"], serde_json::json!([]));
        assert!(plain.get("thresholds").is_none() && plain.get("retry_denied").is_none());
    }

    #[test]
    fn every_attempt_is_told_and_how_it_ended() {
        let of = |report: &Report| {
            let told: serde_json::Value = serde_json::from_str(&json(report).unwrap()).unwrap();
            let attempts = told["attempts"].as_array().cloned().unwrap_or_default();
            let told: Vec<_> = attempts
                .iter()
                .map(|attempt| attempt["outcome"].clone())
                .collect();
            told
        };
        assert_eq!(of(&samples::retry()), ["fail", "pass"]);
        assert_eq!(of(&samples::cancelled()), ["fail", "skipped"]);
    }
}
