//! One check from the command line: `--plugin`, `--set`, `--secret`, `--deadline`, `--allow`, `--disable`.
//!
//! `--set KEY=VALUE` sets a key of the settings, a dot leading into a table (`expect.certificate_days=14`).
//! The value is JSON where it is valid JSON (a number, `true`, an array, an object, a quoted string), else
//! it is the text itself. `--secret KEY=env:VARIABLE` and `--secret KEY=file:PATH` set a key to a secret,
//! which has the key as its name: the value itself never stands on the command line, where every process of
//! the machine could read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::check::Check;
use super::decode_check::{is_plugin_name, parted};
use super::disable::{DisableOption, Disabled};
use super::json::key_given_twice;
use super::problem::{Location, Problem, Problems};
use super::settings::{Place, Settings, pointer_of};
use super::units::{parse_duration, show_duration};
use super::words::quoted;
use super::{
    Config, DEFAULT_CONCURRENCY, DEFAULT_PER_TARGET, Log, PluginChanges, Resolver, SecretSource, Serve,
};
use crate::budget::Limits;
use crate::connection::Tls;
use crate::name::{CheckName, SecretName};
use crate::policy::RetryBudgetSettings;
use crate::policy::state::StateSettings;

/// How deep values may be in one another, the settings themselves not counted. A file may go as deep, and what
/// reads JSON in a plugin goes to 128 as a rule.
const MAX_DEPTH: usize = 80;

/// What the command line says about one check, as it was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommandLine<'a> {
    /// `--plugin`: the plugin's name, which is the check's name too.
    pub plugin: &'a str,
    /// `--set`, each `KEY=VALUE`.
    pub set: &'a [String],
    /// `--secret`, each `KEY=env:VARIABLE` or `KEY=file:PATH`.
    pub secret: &'a [String],
    /// `--deadline`, with a unit.
    pub deadline: Option<&'a str>,
    /// `--allow`, each a pattern or `self`. Without any, nothing is granted.
    pub allow: &'a [String],
    /// `--disable`, as for [`Config::disable`].
    pub disable: &'a [String],
}

impl CommandLine<'_> {
    /// A configuration with this one check, its secrets, and defaults for the rest.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once, each problem with its option.
    pub fn to_config(&self) -> Result<Config, Problems> {
        let mut reader = Reader::default();
        self.set.iter().for_each(|option| reader.set(option));
        self.secret.iter().for_each(|option| reader.secret(option));
        let location = Location::option("--plugin");
        let settings = Settings::new(reader.values, location.clone().into(), reader.places);
        let mut problems = reader.problems;
        problems.extend(dangling(&settings, &reader.secrets));
        let deadline = self.deadline.and_then(|text| deadline(text, &mut problems));
        let (grants, grants_own_target) = parted(list(self.allow, "--allow", &mut problems));
        let disabled: Vec<DisableOption> = list(self.disable, "--disable", &mut problems);
        let name = match check_name(self.plugin) {
            Ok(name) => name,
            Err(problem) => return Err(Problems::new(problem, problems)),
        };
        let default = Limits::default();
        let check = Check {
            name,
            plugin: self.plugin.to_owned(),
            every: None,
            jitter: None,
            limits: Limits {
                deadline: deadline.unwrap_or(default.deadline),
                ..default
            },
            grants,
            grants_own_target,
            capabilities: None,
            disabled: BTreeSet::new(),
            tls: Tls::default(),
            retry: None,
            thresholds: None,
            state: StateSettings::default(),
            breaker: None,
            trace_context: false,
            heartbeat: None,
            settings,
            is_module: false,
            is_flawed: false,
            location,
            key_locations: BTreeMap::from([
                ("allow", Location::option("--allow")),
                ("tls", Location::option("--ca-file")),
            ]),
        };
        let mut config = Config {
            serve: Serve::default(),
            otlp: None,
            http: None,
            journal: None,
            log: Log::default(),
            sentry: None,
            heartbeat: None,
            plugins_dir: None,
            plugin_changes: PluginChanges::default(),
            resolver: Resolver::default(),
            disabled: Disabled::default(),
            concurrency: DEFAULT_CONCURRENCY,
            retry_budget: RetryBudgetSettings::default(),
            per_target: DEFAULT_PER_TARGET,
            jitter: Duration::ZERO,
            checks: vec![check],
            modules: Vec::new(),
            secret_locations: reader.secret_locations,
            secrets: reader.secrets,
            faults: Vec::new(),
        };
        problems.extend(config.disable_all(&disabled));
        Problems::check(problems)?;
        Ok(config)
    }
}

/// How deep values are in one another: the value itself is one.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(object) => object.values().map(depth).max(),
        _ => None,
    };
    inner.unwrap_or(0) + 1
}

fn check_name(plugin: &str) -> Result<CheckName, Problem> {
    let refused = || {
        let wanted = "the name of a plugin (lower case letters, digits and hyphens), such as `http`";
        Problem::new(
            Location::option("--plugin"),
            format!("found {}, wanted {wanted}", quoted(plugin)),
        )
    };
    if !is_plugin_name(plugin) {
        return Err(refused());
    }
    plugin.parse().map_err(|_| refused())
}

fn deadline(text: &str, problems: &mut Vec<Problem>) -> Option<Duration> {
    let range = Limits::DEADLINES;
    let in_range = |duration: Duration| {
        let (shortest, longest) = (show_duration(*range.start()), show_duration(*range.end()));
        let wanted = || {
            format!(
                "found {}, wanted a duration from {shortest} to {longest}",
                quoted(text)
            )
        };
        if range.contains(&duration) {
            Ok(duration)
        } else {
            Err(wanted())
        }
    };
    let report = |message| problems.push(Problem::new(Location::option("--deadline"), message));
    parse_duration(text).and_then(in_range).map_err(report).ok()
}

fn list<T: FromStr<Err: Display>>(texts: &[String], option: &str, problems: &mut Vec<Problem>) -> Vec<T> {
    let mut list = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse() {
            Ok(item) => list.push(item),
            Err(error) => problems.push(Problem::new(Location::option(option), T::Err::to_string(&error))),
        }
    }
    list
}

/// Settings that refer to secrets which no `--secret` defines.
fn dangling<'s>(
    settings: &'s Settings,
    secrets: &BTreeMap<SecretName, SecretSource>,
) -> impl Iterator<Item = Problem> + use<'s> {
    let missing: Vec<_> = settings
        .secret_names()
        .iter()
        .filter(|name| !secrets.contains_key(*name))
        .collect();
    missing.into_iter().map(|name| {
        let wanted = "the setting itself given as `--secret KEY=env:VARIABLE`";
        Problem::new(
            Location::option("--set"),
            format!(
                "found no secret called {}, wanted {wanted}",
                quoted(name.as_str())
            ),
        )
    })
}

/// Puts settings together from options.
#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    values: Map<String, Value>,
    places: BTreeMap<String, Place>,
    secrets: BTreeMap<SecretName, SecretSource>,
    secret_locations: BTreeMap<SecretName, Location>,
}

impl Reader {
    fn set(&mut self, option: &str) {
        let Some((key, text)) = option.split_once('=') else {
            return self.refuse(
                "--set".to_owned(),
                format!("found {}, wanted `KEY=VALUE`", quoted(option)),
            );
        };
        // Without a null in TOML, a null here would be one way more to write the same settings.
        let value = serde_json::from_str(text)
            .ok()
            .filter(|value: &Value| !value.is_null());
        if let Some(problem) = value.as_ref().and_then(|_| key_given_twice(text)) {
            return self.refuse(format!("--set {key}"), problem);
        }
        self.insert(
            format!("--set {key}"),
            key,
            value.unwrap_or_else(|| Value::from(text)),
        );
    }

    fn secret(&mut self, option: &str) {
        let wanted = "wanted `KEY=env:VARIABLE` or `KEY=file:PATH`";
        // What follows the key may be the secret itself, given by mistake: it is not repeated.
        let Some((key, source)) = option.split_once('=') else {
            return self.refuse("--secret".to_owned(), format!("found no `=`, {wanted}"));
        };
        let label = format!("--secret {key}");
        let source = match source.split_once(':') {
            Some(("env", variable)) if !variable.is_empty() && !variable.contains(['=', '\0']) => {
                SecretSource::Env(variable.to_owned())
            }
            Some(("file", path)) if !path.is_empty() => SecretSource::File(path.into()),
            _ => return self.refuse(label, wanted.to_owned()),
        };
        match key.parse::<SecretName>() {
            Ok(name) => {
                let location = Location::option(label.as_str());
                self.secret_locations.insert(name.clone(), location);
                self.secrets.insert(name, source);
                self.insert(label, key, json!({ "secret": key }));
            }
            Err(error) => self.refuse(label, error.to_string()),
        }
    }

    /// Sets the value at a dotted key.
    fn insert(&mut self, label: String, dotted: &str, value: Value) {
        if dotted.split('.').any(str::is_empty) {
            let wanted = "wanted a key of the settings, such as `url` or `expect.status`";
            return self.refuse(label, format!("found {}, {wanted}", quoted(dotted)));
        }
        let depth = dotted.split('.').count().saturating_add(depth(&value));
        if depth > MAX_DEPTH {
            let message = format!("found values {depth} deep in one another, wanted at most {MAX_DEPTH}");
            return self.refuse(label, message);
        }
        let mut pointer = String::new();
        let mut table = &mut self.values;
        let mut keys = dotted.split('.').peekable();
        while let Some(key) = keys.next() {
            pointer = pointer_of(&pointer, key);
            if keys.peek().is_none() {
                if table.contains_key(key) {
                    return self.refuse(label, "the key is given twice".to_owned());
                }
                table.insert(key.to_owned(), value);
                self.places.insert(pointer, Location::option(label).into());
                return;
            }
            match table.entry(key).or_insert_with(|| json!({})) {
                Value::Object(inner) => table = inner,
                _ => return self.refuse(label, format!("`{key}` is given as a value, wanted a table")),
            }
        }
    }

    fn refuse(&mut self, label: String, message: String) {
        self.problems.push(Problem::new(Location::option(label), message));
    }
}

#[cfg(test)]
#[path = "command_line_tests.rs"]
mod tests;
