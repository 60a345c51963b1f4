//! `[log]`, `[sentry]`, `[heartbeat]`, and `heartbeat` of a check: their keys and what values they take.

use std::time::Duration;

use super::reader::{Table, Value};
use super::settings_reader::Reference;
use super::watching::{Confidential, Heartbeat, Log, LogFormat, LogLevel};
use crate::http_url::{self, Unusable};
use crate::name::SecretName;

/// How often the runner's own heartbeat may be.
const EVERIES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// How often it is by default.
const EVERY: Duration = Duration::from_secs(60);

const URL_WANTED: &str = "an `http` or `https` URL, or `{ secret = \"NAME\" }`";
const URL_EXAMPLE: &str = "url = { secret = \"NAME\" }";

/// What the three tables say.
#[derive(Default)]
pub(super) struct Watching {
    pub(super) log: Log,
    pub(super) sentry: Option<Confidential>,
    pub(super) heartbeat: Option<Heartbeat>,
}

/// The three tables, and the secrets they refer to.
pub(super) fn watching<'t>(root: &mut Table<'t>) -> (Watching, Vec<Reference<'t>>) {
    let mut references = Vec::new();
    let watching = Watching {
        log: root.table("log", log).unwrap_or_default(),
        sentry: root
            .get("sentry")
            .and_then(|value| confidential_table(value, |table| sentry(table, &mut references))),
        heartbeat: root
            .get("heartbeat")
            .and_then(|value| confidential_table(value, |table| heartbeat(table, &mut references))),
    };
    (watching, references)
}

fn log(table: &mut Table<'_>) -> Log {
    let format = table.get("format").and_then(|value| match value.string()? {
        "auto" => Some(LogFormat::Auto),
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => value.unwanted("`\"auto\"`, `\"text\"` or `\"json\"`"),
    });
    let level = table.get("level").and_then(|value| match value.string()? {
        "error" => Some(LogLevel::Error),
        "warn" => Some(LogLevel::Warn),
        "info" => Some(LogLevel::Info),
        "debug" => Some(LogLevel::Debug),
        "trace" => Some(LogLevel::Trace),
        _ => value.unwanted("`\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"` or `\"trace\"`"),
    });
    Log {
        format: format.unwrap_or_default(),
        level: level.unwrap_or_default(),
    }
}

fn sentry<'t>(table: &mut Table<'t>, references: &mut Vec<Reference<'t>>) -> Option<Confidential> {
    let value = table.require("dsn", "dsn = { secret = \"NAME\" }")?;
    confidential(value, "a Sentry DSN, or `{ secret = \"NAME\" }`", references)
}

fn heartbeat<'t>(table: &mut Table<'t>, references: &mut Vec<Reference<'t>>) -> Option<Heartbeat> {
    let url = heartbeat_url(table, references);
    let every = table.get("every").and_then(|value| value.duration(EVERIES));
    Some(Heartbeat {
        url: url?,
        every: every.unwrap_or(EVERY),
    })
}

/// The heartbeat of a check.
pub(super) fn heartbeat_of_check<'t>(
    value: Value<'t>,
    references: &mut Vec<Reference<'t>>,
) -> Option<Confidential> {
    confidential_table(value, |table| heartbeat_url(table, references))
}

/// A table with something confidential in it, which may stand in its place.
fn confidential_table<'t, T>(value: Value<'t>, read: impl FnOnce(&mut Table<'t>) -> Option<T>) -> Option<T> {
    value.conceal_unless_table().table(read).flatten()
}

/// The URL in a heartbeat's table.
fn heartbeat_url<'t>(table: &mut Table<'t>, references: &mut Vec<Reference<'t>>) -> Option<Confidential> {
    confidential(table.require("url", URL_EXAMPLE)?, URL_WANTED, references)
}

/// A URL, or the name of a secret that holds one. What stands there is not repeated.
fn confidential<'t>(
    value: Value<'t>,
    wanted: &str,
    references: &mut Vec<Reference<'t>>,
) -> Option<Confidential> {
    if value.is_table() {
        let name = value.table(|table| {
            let name = table.require("secret", "secret = \"NAME\"")?.conceal();
            match name.string()?.parse::<SecretName>() {
                Ok(name) => Some(name),
                Err(_) => name.refuse("found a text that is no name, wanted the name of a secret"),
            }
        });
        let name = name.flatten()?;
        references.push((value, name.to_string()));
        return Some(Confidential::Secret(name));
    }
    let value = value.conceal();
    let text = value.as_str().unwrap_or_default();
    match http_url::parse(text) {
        Ok(_) => Some(Confidential::Text(text.to_owned())),
        Err(Unusable::Port) => value.unwanted(http_url::WANTED_PORT),
        Err(Unusable::Url) => value.unwanted(wanted),
    }
}
