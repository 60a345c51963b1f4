//! What a report knows beside the phases: the peer, TLS, measurements, the plugin's own warnings.
//! Pure.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::look::Look;
use super::units;
use crate::outcome::{AttributeValue, Attributes, ErrorType, LogLevel, Measurement, Report};
use crate::phase::HostPhase;

/// The most lines of measurements that are shown: enough for 20 mailboxes.
const MOST_MEASUREMENT_LINES: usize = 6;
/// The most log lines that are shown: the rest is in the JSON form.
const MOST_LOG_LINES: usize = 10;
/// The most lines that one log line is broken into.
const MOST_LINES_OF_ONE: usize = 3;

/// Lines with the peer, TLS, the measurements and the log, each only if there is any.
pub(super) fn facts(report: &Report, look: &Look, indent: usize) -> Vec<String> {
    let palette = look.palette();
    let mut lines = look.paragraph(
        &look.text(&connections(report)),
        indent,
        MOST_LINES_OF_ONE,
        palette.dim,
    );
    let measured: Vec<String> = report.measurements.iter().map(measurement).collect();
    let measured = measured.join(", ");
    lines.extend(look.paragraph(&look.text(&measured), indent, MOST_MEASUREMENT_LINES, palette.dim));
    lines.extend(denied(report, look, indent));
    lines.extend(log(report, look, indent));
    lines
}

/// The calls that were refused, if the run's error does not say so: the plugin kept it to itself.
fn denied(report: &Report, look: &Look, indent: usize) -> Vec<String> {
    let is_said = report.error.as_ref().is_some_and(|error| {
        matches!(
            error.error_type,
            ErrorType::GrantDenied | ErrorType::CapabilityDisabled
        )
    });
    if is_said {
        return Vec::new();
    }
    let refused = report.usage.denied_calls.iter();
    let counts: Vec<String> = refused
        .map(|(denial, count)| format!("{count} for {}", denial.as_str()))
        .collect();
    if counts.is_empty() {
        return Vec::new();
    }
    let text = format!("calls refused: {}", counts.join(", "));
    look.paragraph(&text, indent, MOST_LINES_OF_ONE, look.palette().warning)
}

/// The plugin's warnings and errors, the first ones, and how many lines are not shown.
fn log(report: &Report, look: &Look, indent: usize) -> Vec<String> {
    let palette = look.palette();
    let noteworthy: Vec<_> = report
        .log
        .iter()
        .filter(|line| line.level >= LogLevel::Warning)
        .collect();
    let mut lines = Vec::new();
    for line in noteworthy.iter().take(MOST_LOG_LINES) {
        let (word, style) = match line.level {
            LogLevel::Error => ("error", palette.fail),
            _ => ("warning", palette.warning),
        };
        let text = format!("{word}: {}", look.text(&line.message));
        lines.extend(look.paragraph(&text, indent, MOST_LINES_OF_ONE, style));
    }
    let hidden = noteworthy.len().saturating_sub(MOST_LOG_LINES);
    let dropped = report.usage.log_lines_dropped;
    if hidden > 0 {
        lines.extend(look.paragraph(
            &format!("{hidden} more warnings and errors"),
            indent,
            1,
            palette.dim,
        ));
    }
    if dropped > 0 {
        let text = format!("{dropped} log lines over the limit were not kept");
        lines.extend(look.paragraph(&text, indent, 1, palette.dim));
    }
    lines
}

/// The peers and their TLS, in the order in which they were met, each once.
fn connections(report: &Report) -> String {
    let mut facts: Vec<String> = Vec::new();
    // What a plugin says of its own phases is its word.
    let of_host = report
        .phases()
        .iter()
        .filter(|phase| HostPhase::is_name(&phase.name));
    for phase in of_host {
        let of_phase = [peer(&phase.attributes), tls(&phase.attributes, report.started)];
        for fact in of_phase.into_iter().flatten() {
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
    }
    facts.join(", ")
}

fn peer(attributes: &Attributes) -> Option<String> {
    let address = text(attributes, "network.peer.address")?;
    Some(match attributes.get("network.peer.port") {
        Some(AttributeValue::Integer(port)) if address.contains(':') => format!("peer [{address}]:{port}"),
        Some(AttributeValue::Integer(port)) => format!("peer {address}:{port}"),
        _ => format!("peer {address}"),
    })
}

fn tls(attributes: &Attributes, now: SystemTime) -> Option<String> {
    let version = text(attributes, "tls.protocol.version").map(|version| format!("TLS {version}"));
    let expiry = text(attributes, "tls.server.not_after").and_then(|not_after| expiry(not_after, now));
    match (version, expiry) {
        (Some(version), Some(expiry)) => Some(format!("{version}, {expiry}")),
        (version, expiry) => version.or(expiry),
    }
}

fn text<'attributes>(attributes: &'attributes Attributes, key: &str) -> Option<&'attributes str> {
    match attributes.get(key) {
        Some(AttributeValue::Text(text)) => Some(text),
        _ => None,
    }
}

/// When a certificate expires, seen from the run's start.
fn expiry(not_after: &str, now: SystemTime) -> Option<String> {
    let moment = OffsetDateTime::parse(not_after, &Rfc3339).ok()?;
    let left = moment - OffsetDateTime::from(now);
    let (number, unit) = match left.abs().whole_days() {
        0 => (left.abs().whole_hours(), "hour"),
        days => (days, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    let date = moment.date();
    Some(if left.is_negative() {
        format!("certificate expired {number} {unit}{plural} ago ({date})")
    } else {
        format!("certificate expires in {number} {unit}{plural} ({date})")
    })
}

fn measurement(measurement: &Measurement) -> String {
    let Measurement {
        name,
        value,
        unit,
        attributes,
    } = measurement;
    let value = match unit.as_str() {
        "By" => units::bytes(*value),
        "1" => units::decimal(*value, 3),
        annotation if annotation.starts_with('{') => units::decimal(*value, 3),
        "" => units::decimal(*value, 3),
        unit => format!("{} {unit}", units::decimal(*value, 3)),
    };
    let of: Vec<&str> = attributes.values().map(String::as_str).collect();
    if of.is_empty() {
        format!("{name} {value}")
    } else {
        format!("{name}[{}] {value}", of.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn days_from(days: i64) -> String {
        // 2026-01-01T00:00:00Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let moment = OffsetDateTime::from(now) + time::Duration::days(days) + time::Duration::minutes(90);
        expiry(&moment.format(&Rfc3339).unwrap(), now).unwrap()
    }

    #[test]
    fn a_certificates_expiry_is_counted_from_the_runs_start() {
        assert_eq!(days_from(83), "certificate expires in 83 days (2026-03-25)");
        assert_eq!(days_from(1), "certificate expires in 1 day (2026-01-02)");
        assert_eq!(days_from(0), "certificate expires in 1 hour (2026-01-01)");
        assert_eq!(days_from(-1), "certificate expired 22 hours ago (2025-12-31)");
        assert_eq!(days_from(-10), "certificate expired 9 days ago (2025-12-22)");
    }

    #[test]
    fn a_date_that_is_none_is_left_out() {
        assert_eq!(expiry("soon", SystemTime::UNIX_EPOCH), None);
    }

    #[test]
    fn a_peer_is_written_as_it_is_dialled() {
        let peer_of = |address: &str| {
            peer(&Attributes::from([
                ("network.peer.address", AttributeValue::Text(address.to_owned())),
                ("network.peer.port", AttributeValue::Integer(993)),
            ]))
        };
        assert_eq!(peer_of("192.0.2.1").as_deref(), Some("peer 192.0.2.1:993"));
        assert_eq!(peer_of("2001:db8::1").as_deref(), Some("peer [2001:db8::1]:993"));
        assert_eq!(peer(&Attributes::new()), None);
    }

    #[test]
    fn measurements_have_units_people_know() {
        let shown = |value, unit: &str, of: &[(&str, &str)]| {
            let attributes = of
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            measurement(&Measurement {
                name: "m".to_owned(),
                value,
                unit: unit.to_owned(),
                attributes,
            })
        };
        assert_eq!(shown(3.0, "{message}", &[("mailbox", "INBOX")]), "m[INBOX] 3");
        assert_eq!(shown(1536.0, "By", &[]), "m 1.5 KiB");
        assert_eq!(shown(0.25, "s", &[]), "m 0.25 s");
        assert_eq!(shown(0.5, "1", &[]), "m 0.5");
    }
}
