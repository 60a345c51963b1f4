//! What the daemon says of itself, and to whom: its log, Sentry, heartbeats. How it is written is not known
//! here.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::Config;
use crate::name::SecretName;
use crate::secret::SecretStore;

/// The log of the daemon (`[log]`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Log {
    /// How a line is written. By default `auto`.
    pub format: LogFormat,
    /// The least severity that is written, unless `RUST_LOG` says otherwise. By default `info`, which has a line
    /// for each run.
    pub level: LogLevel,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `auto`: text where standard error is a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// `text`: for people.
    Text,
    /// `json`: one object a line.
    Json,
}

/// The severity of a line of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `error`: something of ours failed.
    Error,
    /// `warn`: a run that failed, a destination that is away.
    Warn,
    /// `info`: every run, and what changes.
    #[default]
    Info,
    /// `debug`: what the daemon decides.
    Debug,
    /// `trace`: everything.
    Trace,
}

impl LogLevel {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The heartbeat of the runner itself (`[heartbeat]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Where it goes.
    pub url: Confidential,
    /// How often, 1 s to 24 h. By default every minute, the shortest period that such services know.
    pub every: Duration,
}

/// A text that is as good as a password: a heartbeat's URL, a DSN. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Confidential {
    /// Written in the file.
    Text(String),
    /// One of `[secrets]`.
    Secret(SecretName),
}

impl Confidential {
    /// The text itself; none when the secret is not in the store or is not UTF-8. Spaces and line breaks
    /// around it are left out.
    pub fn reveal(&self, secrets: &SecretStore) -> Option<String> {
        let text = match self {
            Self::Text(text) => text,
            Self::Secret(name) => std::str::from_utf8(secrets.get(name.as_str())?.expose()).ok()?,
        };
        Some(text.trim().to_owned())
    }

    fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Text(_) => None,
            Self::Secret(name) => Some(name),
        }
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Text([redacted])"),
            Self::Secret(name) => write!(formatter, "Secret({name})"),
        }
    }
}

impl Config {
    /// The secrets that the daemon needs for its own reports of itself: the DSN and the URLs of heartbeats.
    pub fn watching_secrets(&self) -> BTreeSet<SecretName> {
        let of_runner = self.heartbeat.iter().map(|heartbeat| &heartbeat.url);
        let of_checks = self.checks.iter().filter_map(|check| check.heartbeat.as_ref());
        let all = self.sentry.iter().chain(of_runner).chain(of_checks);
        all.filter_map(Confidential::secret).cloned().collect()
    }
}
