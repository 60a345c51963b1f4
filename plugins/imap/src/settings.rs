//! The settings of a check: as written, and in their finished form, where what depends on each other
//! is together. The schema that the host holds them against is `settings.schema.json`.

use bedcheck_sdk::SecretName;
use serde::Deserialize;

/// The JSON Schema of the settings.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

/// The port of IMAP over implicit TLS (RFC 9051 section 2.1).
pub(crate) const IMPLICIT_TLS_PORT: u16 = 993;
/// The port of IMAP that begins in the clear (RFC 9051 section 2.1).
pub(crate) const CLEAR_PORT: u16 = 143;
/// The most mailboxes a check may open: with them the plan stays within the host's 64 phases.
const MAX_MAILBOXES: usize = 50;

/// When TLS begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tls {
    /// From the first byte (RFC 8314 section 3).
    #[default]
    Implicit,
    /// After the command STARTTLS (RFC 9051 section 6.2.1).
    Starttls,
    /// Never.
    None,
}

/// How a mailbox is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Open {
    /// Read-only (RFC 9051 section 6.3.3): the default, so that a check leaves `\Recent` alone.
    #[default]
    Examine,
    /// Read-write (RFC 9051 section 6.3.2).
    Select,
}

/// The finished settings.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Settings {
    /// The server's name or address.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
    /// When TLS begins.
    pub(crate) tls: Tls,
    /// The login and what needs one; without it the check ends after the capabilities.
    pub(crate) login: Option<Login>,
}

/// A login, and what is done with it.
#[derive(Debug)]
pub(crate) struct Login {
    /// The user; without NUL, CR and LF.
    pub(crate) user: String,
    /// The secret that holds the password.
    pub(crate) password: SecretName,
    /// The mailboxes to open, in order.
    pub(crate) mailboxes: Vec<String>,
    /// How they are opened.
    pub(crate) open: Open,
}

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    tls: Tls,
    user: Option<String>,
    password: Option<SecretName>,
    mailboxes: Option<Vec<String>>,
    open: Option<Open>,
}

impl TryFrom<Written> for Settings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let default_port = if written.tls == Tls::Implicit {
            IMPLICIT_TLS_PORT
        } else {
            CLEAR_PORT
        };
        let login = match (written.user, written.password) {
            (Some(user), Some(password)) => Some(Login {
                user: checked_user(user)?,
                password,
                mailboxes: checked_mailboxes(written.mailboxes)?,
                open: written.open.unwrap_or_default(),
            }),
            (None, None) if written.mailboxes.is_some() || written.open.is_some() => {
                return Err("`mailboxes` and `open` need a login: `user` and `password` are wanted".into());
            }
            (None, None) => None,
            _ => return Err("`user` and `password` go together: both are wanted, or neither".into()),
        };
        Ok(Self {
            host: written.host,
            port: written.port.unwrap_or(default_port),
            tls: written.tls,
            login,
        })
    }
}

/// Refuses what would end a command early or the user's part of a PLAIN message (RFC 4616 section 2).
fn checked_user(user: String) -> Result<String, String> {
    if user.contains(['\0', '\r', '\n']) {
        return Err("`user` holds NUL, CR or LF: a name without them is wanted".into());
    }
    Ok(user)
}

fn checked_mailboxes(mailboxes: Option<Vec<String>>) -> Result<Vec<String>, String> {
    let mailboxes = mailboxes.unwrap_or_else(|| vec!["INBOX".into()]);
    if mailboxes.len() > MAX_MAILBOXES {
        return Err(format!(
            "`mailboxes` has {} entries: at most {MAX_MAILBOXES} are wanted",
            mailboxes.len()
        ));
    }
    Ok(mailboxes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let settings = read(r#"{"host": "h", "user": "u", "password": {"secret": "s"}}"#).unwrap();
        assert_eq!(
            (settings.host.as_str(), settings.port, settings.tls),
            ("h", 993, Tls::Implicit)
        );
        let login = settings.login.unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("u", "s"));
        assert_eq!(
            (login.mailboxes, login.open),
            (vec!["INBOX".to_owned()], Open::Examine)
        );
    }

    #[test]
    fn the_default_port_follows_tls() {
        for tls in ["starttls", "none"] {
            assert_eq!(
                read(&format!(r#"{{"host": "h", "tls": "{tls}"}}"#)).unwrap().port,
                143
            );
        }
        assert_eq!(
            read(r#"{"host": "h", "tls": "none", "port": 1143}"#)
                .unwrap()
                .port,
            1143
        );
    }

    #[test]
    fn a_login_can_be_left_out_as_a_whole_only() {
        assert!(read(r#"{"host": "h"}"#).unwrap().login.is_none());
        for part in [
            r#""user": "u""#,
            r#""password": {"secret": "s"}"#,
            r#""mailboxes": ["INBOX"]"#,
            r#""open": "select""#,
        ] {
            assert!(read(&format!(r#"{{"host": "h", {part}}}"#)).is_err(), "{part}");
        }
    }

    #[test]
    fn refusals() {
        for (settings, wanted) in [
            (r#"{}"#, "missing field `host`"),
            (r#"{"host": "h", "prot": 1}"#, "unknown field `prot`"),
            (r#"{"host": "h", "tls": "maybe"}"#, "unknown variant `maybe`"),
            (
                r#"{"host": "h", "user": "u", "password": "hunter2"}"#,
                "expected struct SecretName",
            ),
            (
                r#"{"host": "h", "user": "a\nb", "password": {"secret": "s"}}"#,
                "holds NUL, CR or LF",
            ),
            (
                r#"{"host": "h", "user": "a\u0000", "password": {"secret": "s"}}"#,
                "holds NUL, CR or LF",
            ),
        ] {
            let refusal = read(settings).unwrap_err();
            assert!(refusal.contains(wanted), "{settings}: {refusal}");
        }
        let many = vec!["m"; MAX_MAILBOXES + 1];
        let settings = serde_json::json!({
            "host": "h", "user": "u", "password": {"secret": "s"}, "mailboxes": many,
        });
        assert!(read(&settings.to_string()).unwrap_err().contains("at most 50"));
    }

    #[test]
    fn schema_and_settings_have_the_same_keys() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["host", "mailboxes", "open", "password", "port", "tls", "user"]
        );
        assert_eq!(properties["mailboxes"]["maxItems"], MAX_MAILBOXES);
        let full = serde_json::json!({
            "host": "h", "port": 1, "tls": "none", "user": "u", "password": {"secret": "s"},
            "mailboxes": [], "open": "select",
        });
        read(&full.to_string()).unwrap();
    }
}
