//! The gauges of TLS: versions, ciphers, certificates. Pure.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::facts::attribute;
use super::text_of;
use crate::outcome::{AttributeValue, PhaseReport, Report};
use crate::phase::PhaseStatus;
use crate::serve::probe::exposition::Family;
use crate::telemetry::exposition::gauge;

/// The handshake on the last connection, if there was one and it worked.
pub(super) fn of_last_connection(report: &Report) -> Option<&PhaseReport> {
    shown_last(report).filter(|phase| phase.status == PhaseStatus::Ok)
}

/// The handshake on the last connection, whatever became of it.
fn shown_last(report: &Report) -> Option<&PhaseReport> {
    let phases = report.phases();
    let connected = phases
        .iter()
        .rposition(|phase| phase.name == "connect" && phase.start.is_some())?;
    phases[connected..]
        .iter()
        .find(|phase| phase.name == "tls" && phase.start.is_some())
}

/// What is known of the last handshake. The certificate is known of one that was refused as well: its dates are
/// then what matters most.
pub(super) fn families(report: &Report) -> Vec<Family> {
    let Some(phase) = shown_last(report) else {
        return Vec::new();
    };
    let mut families = Vec::new();
    let moment = |name: &str| text_of(phase, name).and_then(unix_seconds);
    let leaf = moment("tls.server.not_after");
    if let Some(earliest) = moment("tls.server.chain.earliest_not_after").or(leaf) {
        families.push(
            gauge!(
                "probe_ssl_earliest_cert_expiry",
                "When the first of the certificates that were shown expires, in seconds since 1970."
            )
            .one(earliest),
        );
    }
    if let Some(expiry) = moment("tls.server.chain.not_after") {
        families.push(
            gauge!(
                "probe_ssl_last_chain_expiry_timestamp_seconds",
                "When the chain that leads to a trusted authority expires, in seconds since 1970."
            )
            .one(expiry),
        );
    }
    families.extend(chain_info(phase));
    if let Some(version) = text_of(phase, "tls.protocol.version") {
        families.push(
            gauge!(
                "probe_tls_version_info",
                "The version of TLS that was spoken; the value is 1."
            )
            .info([("version", &*format!("TLS {version}"))]),
        );
    }
    if let Some(cipher) = text_of(phase, "tls.cipher") {
        families.push(
            gauge!(
                "probe_tls_cipher_info",
                "The cipher suite that was spoken; the value is 1."
            )
            .info([("cipher", &*cipher.replacen("TLS13_", "TLS_", 1))]),
        );
    }
    families
}

fn chain_info(phase: &PhaseReport) -> Option<Family> {
    let fact = |name: &str| text_of(phase, name).unwrap_or_default();
    text_of(phase, "tls.server.hash.sha256")?;
    let names = match attribute(phase, "tls.server.names") {
        Some(AttributeValue::List(names)) => names.join(","),
        _ => String::new(),
    };
    Some(
        gauge!(
            "probe_ssl_last_chain_info",
            "What the server's own certificate says; the value is 1."
        )
        .info([
            ("fingerprint_sha256", fact("tls.server.hash.sha256")),
            ("subject", fact("tls.server.subject")),
            ("issuer", fact("tls.server.issuer")),
            ("subjectalternative", &names),
            ("serialnumber", fact("tls.server.serial_number")),
        ]),
    )
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 seconds")]
fn unix_seconds(moment: &str) -> Option<f64> {
    let moment = OffsetDateTime::parse(moment, &Rfc3339).ok()?;
    Some(moment.unix_timestamp() as f64)
}
