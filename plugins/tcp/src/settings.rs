//! The settings of a check as they are written, and in their finished form, where what depends on each other
//! is checked. The schema that the host holds them against is `settings.schema.json`.

mod groups;
mod piece;
mod step;

use bedcheck_sdk::SecretName;
use serde::Deserialize;

pub(crate) use piece::Piece;
pub(crate) use step::{Action, Expect, Step};

/// The JSON Schema of the settings.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

/// The most steps: with them the plan stays within the host's 64 phases.
pub(crate) const MAX_STEPS: usize = 60;

/// The most `base64` with a secret in it that the host sends for a run: each is looked for in all texts from then on.
const MAX_ENCODED_SECRETS: usize = 32;

/// The finished settings.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Settings {
    /// The server's name or address.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
    /// Whether TLS begins with the first byte.
    pub(crate) is_implicit_tls: bool,
    /// How many days the certificate must be valid, at least.
    pub(crate) certificate_days: Option<u32>,
    /// The dialogue.
    pub(crate) steps: Vec<Step>,
}

impl Settings {
    /// The secrets that the steps send.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.steps.iter().flat_map(|step| match &step.action {
            Action::Send(pieces) => piece::secrets(pieces),
            Action::Expect(_) | Action::ExpectBytes(_) | Action::StartTls => Vec::new(),
        })
    }
}

/// When TLS begins, unless a step does it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tls {
    /// From the first byte.
    Implicit,
    /// Never.
    #[default]
    None,
}

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    port: u16,
    #[serde(default)]
    tls: Tls,
    certificate_days: Option<u32>,
    #[serde(default)]
    steps: Vec<step::Written>,
}

impl TryFrom<Written> for Settings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        if written.steps.len() > MAX_STEPS {
            return Err(format!(
                "`steps` has {} entries: at most {MAX_STEPS} are wanted",
                written.steps.len()
            ));
        }
        let steps = step::finish(written.steps)?;
        let encoded = steps.iter().map(encoded_secrets).sum::<usize>();
        if encoded > MAX_ENCODED_SECRETS {
            return Err(format!(
                "`steps` have {encoded} `base64` with a secret in it: at most {MAX_ENCODED_SECRETS} are wanted"
            ));
        }
        let begins = steps
            .iter()
            .filter(|step| matches!(step.action, Action::StartTls))
            .count();
        let is_implicit_tls = written.tls == Tls::Implicit;
        if begins + usize::from(is_implicit_tls) > 1 {
            return Err("TLS begins twice: one step `starttls` is wanted, or `tls = \"implicit\"`".into());
        }
        if written.certificate_days.is_some() && begins == 0 && !is_implicit_tls {
            return Err(
                "`certificate_days` needs TLS: `tls = \"implicit\"` or a step `starttls` is wanted".into(),
            );
        }
        Ok(Self {
            host: written.host,
            port: written.port,
            is_implicit_tls,
            certificate_days: written.certificate_days,
            steps,
        })
    }
}

/// How many `base64` of a step have a secret in it.
fn encoded_secrets(step: &Step) -> usize {
    let Action::Send(pieces) = &step.action else {
        return 0;
    };
    let has_secret =
        |piece: &&Piece| matches!(piece, Piece::Base64(inner) if !piece::secrets(inner).is_empty());
    pieces.iter().filter(has_secret).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> Result<Settings, String> {
        let json = format!(r#"{{"host": "h", "port": 25{more}}}"#);
        serde_json::from_str(&json).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let settings = read("").unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("h", 25));
        assert!(!settings.is_implicit_tls && settings.steps.is_empty());
    }

    #[test]
    fn refusals() {
        for (more, wanted) in [
            (r#", "prot": 1"#, "unknown field `prot`"),
            (r#", "tls": "starttls""#, "unknown variant `starttls`"),
            (r#", "certificate_days": 3"#, "`certificate_days` needs TLS"),
            (
                r#", "tls": "implicit", "steps": [{"starttls": true}]"#,
                "TLS begins twice",
            ),
            (
                r#", "steps": [{"starttls": true}, {"starttls": true}]"#,
                "TLS begins twice",
            ),
        ] {
            let refusal = read(more).unwrap_err();
            assert!(refusal.contains(wanted), "{more}: {refusal}");
        }
        let many = vec![r#"{"send": "x"}"#; MAX_STEPS + 1].join(",");
        assert!(
            read(&format!(r#", "steps": [{many}]"#))
                .unwrap_err()
                .contains("at most 60")
        );
        assert!(read(r#", "certificate_days": 3, "steps": [{"starttls": true}]"#).is_ok());
    }

    #[test]
    fn schema_and_settings_have_the_same_bounds() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let mut keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["certificate_days", "host", "port", "steps", "tls"]);
        assert_eq!(schema["properties"]["steps"]["maxItems"], MAX_STEPS);
    }
}
