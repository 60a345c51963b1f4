//! What a plugin says it is, found to be sound. All of it is the plugin's word: it is bounded, and cleaned where
//! it is shown. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::bindings::exports::bedcheck::plugin::check;
use crate::budget::Limits;
use crate::capability::Capability;
use crate::outcome::PluginIdentity;
use crate::phase::MAX_DECLARED;
use crate::text::{printable, told};

/// What a plugin may spend to say it.
pub(super) const DESCRIBE_LIMITS: Limits = Limits {
    deadline: Duration::from_secs(2),
    grace: Duration::ZERO,
    fuel: 1_000_000_000,
    memory: 64 * 1024 * 1024,
    host_calls: 100,
    bytes: 0,
};

/// The longest name, version, phase and key of the settings, in bytes.
const MAX_NAME: usize = 64;
/// The longest summary, in bytes: one sentence.
const MAX_SUMMARY: usize = 256;
/// The longest schema of settings, in bytes: ten times that of the built-in plugins.
const MAX_SCHEMA: usize = 64 * 1024;
/// How many capabilities a plugin may need: several times as many as there are.
const MAX_CAPABILITIES: usize = 32;
/// How many ports a target may have that names none: a protocol has two or three.
const MAX_DEFAULT_PORTS: usize = 16;
/// How much of a plugin's word a message repeats, in bytes.
const MAX_QUOTED: usize = 80;

/// What a plugin says it is, found to be sound.
#[derive(Debug, Clone)]
pub struct Description {
    /// One sentence.
    pub summary: String,
    /// The phases of a run, in order.
    pub phases: Arc<[String]>,
    /// The JSON Schema of the settings: JSON, and not yet held to be a schema.
    pub schema: String,
    /// What it needs.
    pub capabilities: BTreeSet<Capability>,
    /// Where the settings name the target.
    pub target: Target,
}

/// Where the settings name the target.
#[derive(Debug, Clone)]
pub enum Target {
    /// Keys of a host and a port, and the ports that may be dialled when the settings name none.
    HostAndPort {
        /// The host's key.
        host: String,
        /// The port's key.
        port: String,
        /// The ports without that key.
        default_ports: Vec<u16>,
    },
    /// The key of a URL.
    Url(String),
    /// The settings do not tell.
    None,
}

impl Description {
    /// Who the plugin is, and what it needs.
    pub(super) fn checked(
        said: check::Description,
        sha256: String,
    ) -> Result<(PluginIdentity, Self), String> {
        let identity = identity(said.name, said.version, sha256)?;
        let description = Self {
            summary: told(&said.summary, MAX_SUMMARY),
            phases: phases(said.phases)?,
            schema: schema(said.settings_schema)?,
            capabilities: capabilities(&said.capabilities)?,
            target: target(said.target)?,
        };
        Ok((identity, description))
    }
}

fn identity(name: String, version: String, sha256: String) -> Result<PluginIdentity, String> {
    not_too_long("name", &name)?;
    if !is_plugin_name(&name) {
        return Err(format!(
            "the name {} is not made of lower case letters, digits and hyphens, starting with a letter",
            quoted(&name)
        ));
    }
    not_too_long("version", &version)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    if version.is_empty() || !version.chars().all(allowed) {
        return Err(format!(
            "the version {} is not made of letters, digits, `.`, `-` and `+`",
            quoted(&version)
        ));
    }
    Ok(PluginIdentity {
        name,
        version,
        sha256,
    })
}

fn phases(said: Vec<String>) -> Result<Arc<[String]>, String> {
    at_most(said.len(), MAX_DECLARED, "declares", "phases")?;
    let mut seen = BTreeSet::new();
    for phase in &said {
        not_too_long("phase", phase)?;
        if !is_name(phase) {
            return Err(format!(
                "the phase {} is not made of lower case letters, digits and hyphens",
                quoted(phase)
            ));
        }
        if !seen.insert(phase) {
            return Err(format!("the phase `{phase}` is declared twice"));
        }
    }
    Ok(said.into())
}

fn schema(said: String) -> Result<String, String> {
    if said.len() > MAX_SCHEMA {
        return Err(format!(
            "the schema of its settings has {} bytes, and at most {MAX_SCHEMA} are allowed",
            said.len()
        ));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(&said)
        .map_err(|error| format!("the schema of its settings is not JSON: {error}"))?;
    Ok(said)
}

fn capabilities(said: &[String]) -> Result<BTreeSet<Capability>, String> {
    at_most(said.len(), MAX_CAPABILITIES, "needs", "capabilities")?;
    said.iter()
        .map(|name| {
            name.parse().map_err(|_| {
                format!(
                    "it needs the capability {}, which this bedcheck does not have",
                    quoted(name)
                )
            })
        })
        .collect()
}

fn target(said: check::Target) -> Result<Target, String> {
    let key = |key: String| {
        not_too_long("key", &key)?;
        if key.is_empty() || printable(&key) != key {
            return Err(format!("{} is not a key of the settings", quoted(&key)));
        }
        Ok(key)
    };
    Ok(match said {
        check::Target::HostAndPort(keys) => {
            at_most(
                keys.default_ports.len(),
                MAX_DEFAULT_PORTS,
                "names",
                "default ports",
            )?;
            Target::HostAndPort {
                host: key(keys.host)?,
                port: key(keys.port)?,
                default_ports: keys.default_ports,
            }
        }
        check::Target::Url(name) => Target::Url(key(name)?),
        check::Target::None => Target::None,
    })
}

fn not_too_long(what: &str, text: &str) -> Result<(), String> {
    if text.len() > MAX_NAME {
        return Err(format!(
            "the {what} {} has {} bytes, and at most {MAX_NAME} are allowed",
            quoted(text),
            text.len()
        ));
    }
    Ok(())
}

fn at_most(number: usize, most: usize, verb: &str, what: &str) -> Result<(), String> {
    if number > most {
        return Err(format!(
            "it {verb} {number} {what}, and at most {most} are allowed"
        ));
    }
    Ok(())
}

/// Whether a text can be the name of a plugin: lower-case letters, digits and `-`, the first a letter.
pub fn is_plugin_name(name: &str) -> bool {
    is_name(name) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(allowed)
}

fn quoted(text: &str) -> String {
    format!("`{}`", told(text, MAX_QUOTED))
}
