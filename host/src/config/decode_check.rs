//! A check's table: what its keys are, what values they take, and their defaults.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::check::Check;
use super::decode_policy::{retry, state, thresholds};
use super::decode_schedule::{breaker, jitter};
use super::decode_watching::heartbeat_of_check;
use super::reader::{Table, Value};
use super::settings::Settings;
use super::settings_reader::{Reference, read_settings};
use crate::budget::Limits;
use crate::capability::Capability;
use crate::connection::{ClientIdentity, Tls, Trust};
use crate::grant::{Allowance, Grants, Host};

/// The keys whose places are kept.
const PLACED: [&str; 13] = [
    "name",
    "plugin",
    "every",
    "budget",
    "allow",
    "capabilities",
    "disable",
    "tls",
    "retry",
    "thresholds",
    "state",
    "breaker",
    "settings",
];

/// A `[[check]]`, and the secrets its settings refer to.
pub(super) fn check<'t>(table: &mut Table<'t>, defaults: &Limits) -> Option<(Check, Vec<Reference<'t>>)> {
    table.advise("; settings of the plugin stand under `[check.settings]`");
    let name = table
        .require("name", "name = \"front-page\"")
        .and_then(|value| value.parsed());
    let plugin = table
        .require("plugin", "plugin = \"http\"")
        .and_then(|value| plugin(&value));
    let everies = Duration::from_millis(100)..=Duration::from_secs(7 * 24 * 3600);
    let every = table.get("every").and_then(|value| value.duration(everies));
    let jitter = jitter(table, every);
    let limits = table
        .table("budget", |budget| limits(budget, *defaults))
        .unwrap_or(*defaults);
    let allowances = list(
        table,
        "allow",
        "an array of `host:port`, such as `[\"www.example.org:443\"]`",
    );
    let wanted = "an array of capabilities, such as `[\"net.tls\"]`";
    let granted = table.get("capabilities");
    let capabilities = granted.map(|value| list_of(&value, wanted).into_iter().collect());
    let disabled = list(table, "disable", wanted);
    let tls = table.table("tls", tls).unwrap_or_default();
    let retry = table.table("retry", |table| retry(table, plugin.as_deref()));
    let thresholds = table.table("thresholds", thresholds);
    let state = table.table("state", state).unwrap_or_default();
    let breaker = table.table("breaker", breaker);
    let trace_context = table.get("trace_context").and_then(|value| value.boolean());
    let (settings, mut references) = settings(table);
    let heartbeat = table
        .get("heartbeat")
        .and_then(|value| heartbeat_of_check(value, &mut references));
    let key_locations = PLACED
        .into_iter()
        .filter_map(|key| Some((key, table.get(key)?.location())))
        .collect();
    let (grants, grants_own_target) = parted(allowances);
    let check = Check {
        name: name?,
        plugin: plugin?,
        every,
        jitter,
        limits,
        grants,
        grants_own_target,
        capabilities,
        disabled: disabled.into_iter().collect::<BTreeSet<Capability>>(),
        tls,
        retry,
        thresholds,
        state,
        breaker,
        trace_context: trace_context.unwrap_or(false),
        heartbeat,
        settings,
        is_module: false,
        is_flawed: false,
        location: table.location(),
        key_locations,
    };
    Some((check, references))
}

fn plugin(value: &Value<'_>) -> Option<String> {
    let name = value.string()?;
    if is_plugin_name(name) {
        Some(name.to_owned())
    } else {
        value.unwanted("the name of a plugin (lower case letters, digits and hyphens), such as `\"http\"`")
    }
}

/// Whether a plugin can have this name: lower case letters, digits and hyphens, starting with a letter.
pub(super) fn is_plugin_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
        && name.len() <= 100
}

/// A table of limits; what it does not say is as in `base`.
pub(super) fn limits(table: &mut Table<'_>, base: Limits) -> Limits {
    let deadline = table
        .get("deadline")
        .and_then(|value| value.duration(Limits::DEADLINES));
    let grace = table
        .get("grace")
        .and_then(|value| value.duration(Limits::GRACES));
    let fuel = table.get("fuel").and_then(|value| value.integer(Limits::FUELS));
    let memory = table.get("memory").and_then(|value| value.size(Limits::MEMORIES));
    let host_calls = table
        .get("host_calls")
        .and_then(|value| value.integer(Limits::HOST_CALLS));
    let bytes = table.get("bytes").and_then(|value| value.size(Limits::BYTES));
    Limits {
        deadline: deadline.unwrap_or(base.deadline),
        grace: grace.unwrap_or(base.grace),
        fuel: fuel.unwrap_or(base.fuel),
        memory: memory.unwrap_or(base.memory),
        host_calls: host_calls.unwrap_or(base.host_calls),
        bytes: bytes.unwrap_or(base.bytes),
    }
}

/// The patterns, and whether the check's own target is among what is allowed.
pub(super) fn parted(allowances: Vec<Allowance>) -> (Grants, bool) {
    let own = allowances.contains(&Allowance::OwnTarget);
    let pattern = |allowance| match allowance {
        Allowance::Grant(grant) => Some(grant),
        Allowance::OwnTarget => None,
    };
    (
        Grants::new(allowances.into_iter().filter_map(pattern).collect()),
        own,
    )
}

/// An array under a key, of strings that are read as something, each thing once.
pub(super) fn list<T>(table: &mut Table<'_>, key: &'static str, wanted: &str) -> Vec<T>
where
    T: FromStr<Err: Display> + PartialEq,
{
    let value = table.get(key);
    value.map(|value| list_of(&value, wanted)).unwrap_or_default()
}

/// The same of a value.
pub(super) fn list_of<T>(value: &Value<'_>, wanted: &str) -> Vec<T>
where
    T: FromStr<Err: Display> + PartialEq,
{
    let elements = value.elements(wanted).unwrap_or_default();
    let mut list = Vec::with_capacity(elements.len());
    for element in elements {
        match element.parsed() {
            Some(item) if list.contains(&item) => drop(element.unwanted::<()>("each one once")),
            Some(item) => list.push(item),
            None => {}
        }
    }
    list
}

fn tls(table: &mut Table<'_>) -> Tls {
    let ca_file = table.get("ca_file");
    let authorities = ca_file.as_ref().and_then(Value::path);
    let do_not_verify = table
        .get("do_not_verify")
        .and_then(|value| value.boolean())
        .unwrap_or(false);
    let trust = match (ca_file, authorities) {
        (Some(value), _) if do_not_verify => {
            value.refuse_key("of no use together with `do_not_verify = true`");
            Trust::DoNotVerify
        }
        (None, _) if do_not_verify => Trust::DoNotVerify,
        (_, Some(file)) => Trust::File(file),
        (_, None) => Trust::System,
    };
    let client = client_identity(table);
    let server_name = table
        .get("server_name")
        .and_then(|value| match Host::parse(value.string()?) {
            Some(host) => Some(host.to_string()),
            None => value.unwanted("a host name or an address"),
        });
    Tls {
        trust,
        client,
        server_name,
    }
}

/// Who we are to a server that asks: both files or neither.
pub(super) fn client_identity(table: &mut Table<'_>) -> Option<ClientIdentity> {
    match (table.get("client_certificate"), table.get("client_key")) {
        (Some(certificate), Some(key)) => certificate
            .path()
            .zip(key.path())
            .map(|(certificate, key)| ClientIdentity { certificate, key }),
        (Some(alone), None) => {
            alone.refuse_key("wanted `client_key` as well");
            None
        }
        (None, Some(alone)) => {
            alone.refuse_key("wanted `client_certificate` as well");
            None
        }
        (None, None) => None,
    }
}

fn settings<'t>(table: &mut Table<'t>) -> (Settings, Vec<Reference<'t>>) {
    match table.get("settings") {
        Some(value) => read_settings(&value),
        None => (Settings::empty(table.location()), Vec::new()),
    }
}
