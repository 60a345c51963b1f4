//! One check from the command line: `--plugin`, `--set`, `--secret`, `--deadline`, `--allow`, `--disable`.
//!
//! `--set KEY=VALUE` sets a key of the settings, a dot leading into a table (`expect.certificate_days=14`).
//! The value is JSON where it is valid JSON (a number, `true`, an array, an object, a quoted string), else
//! it is the text itself. `--secret KEY=env:VARIABLE` and `--secret KEY=file:PATH` set a key to a secret,
//! which has the key as its name: the value itself never stands on the command line, where every process of
//! the machine could read it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::check::{Check, Tls};
use super::decode_check::is_plugin_name;
use super::name::{CheckName, SecretName};
use super::problem::{Location, Problem, Problems};
use super::settings::{Place, Settings, pointer_of};
use super::units::{parse_duration, show_duration};
use super::words::quoted;
use super::{Config, DEFAULT_CONCURRENCY, Resolver, SecretSource};
use crate::budget::Limits;
use crate::grant::Grants;

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
    /// `--allow`, each `host:port`. Without any, nothing is granted.
    pub allow: &'a [String],
    /// `--disable`, each a capability.
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
        let grants = list(self.allow, "--allow", &mut problems);
        let disabled = list(self.disable, "--disable", &mut problems);
        let name = match check_name(self.plugin) {
            Ok(name) => name,
            Err(problem) => return Err(Problems::new(problem, problems)),
        };
        Problems::check(problems)?;
        let default = Limits::default();
        let check = Check {
            name,
            plugin: self.plugin.to_owned(),
            every: None,
            limits: Limits {
                deadline: deadline.unwrap_or(default.deadline),
                ..default
            },
            grants: Grants::new(grants),
            disabled: disabled.into_iter().collect(),
            tls: Tls::default(),
            retry: None,
            breaker: None,
            settings,
            location,
            key_locations: BTreeMap::from([("allow", Location::option("--allow"))]),
        };
        Ok(Config {
            otlp: None,
            http: None,
            plugins_dir: None,
            resolver: Resolver::default(),
            concurrency: DEFAULT_CONCURRENCY,
            checks: vec![check],
            secrets: reader.secrets,
        })
    }
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
                self.insert(label, key, json!({ "secret": key }));
                self.secrets.insert(name, source);
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
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn read(set: &[&str], secret: &[&str]) -> Result<Config, String> {
        let (set, secret) = (strings(set), strings(secret));
        let command_line = CommandLine {
            plugin: "http",
            set: &set,
            secret: &secret,
            ..CommandLine::default()
        };
        command_line.to_config().map_err(|problems| problems.to_string())
    }

    #[test]
    fn values_are_json_where_they_can_be_and_text_where_not() {
        let set = [
            "url=https://www.example.org/?a=b",
            "port=993",
            "expect.certificate_days=14",
            "expect.status=[\"2xx\"]",
            "follow=true",
            "user=\"123\"",
            "body=",
            "word=null",
            "host=[::1]",
        ];
        let config = read(&set, &[]).unwrap();
        assert_eq!(
            config.checks[0].settings.to_json(),
            json!({
                "url": "https://www.example.org/?a=b",
                "port": 993,
                "expect": { "certificate_days": 14, "status": ["2xx"] },
                "follow": true,
                "user": "123",
                "body": "",
                "word": "null",
                "host": "[::1]",
            })
            .to_string()
        );
        assert_eq!(
            config.checks[0].settings.location("/expect/status/0").to_string(),
            "--set expect.status"
        );
    }

    #[test]
    fn a_secret_is_a_setting_and_its_source() {
        let config = read(
            &[],
            &["password=env:MAIL", "headers.authorization=file:/run/token"],
        )
        .unwrap();
        let check = &config.checks[0];
        assert_eq!(
            check.settings.to_json(),
            r#"{"password":{"secret":"password"},"headers":{"authorization":{"secret":"headers.authorization"}}}"#
        );
        assert_eq!(config.secrets["password"], SecretSource::Env("MAIL".into()));
        assert_eq!(
            config.secrets["headers.authorization"],
            SecretSource::File("/run/token".into())
        );
        assert_eq!(check.settings.secret_names().len(), 2);
    }

    #[test]
    fn what_cannot_be_used_is_refused_all_at_once_and_with_its_option() {
        let message = |set: &[&str], secret: &[&str]| read(set, secret).unwrap_err();
        assert_eq!(message(&["url"], &[]), "--set: found `url`, wanted `KEY=VALUE`");
        assert_eq!(
            message(&["a..b=1"], &[]),
            "--set a..b: found `a..b`, wanted a key of the settings, such as `url` or `expect.status`"
        );
        assert_eq!(message(&["a=1", "a=2"], &[]), "--set a: the key is given twice");
        assert_eq!(
            message(&["a=1", "a.b=2"], &[]),
            "--set a.b: `a` is given as a value, wanted a table"
        );
        assert_eq!(
            message(&[], &["password=hunter2"]),
            "--secret password: wanted `KEY=env:VARIABLE` or `KEY=file:PATH`"
        );
        assert_eq!(
            message(&[], &["hunter2"]),
            "--secret: found no `=`, wanted `KEY=env:VARIABLE` or `KEY=file:PATH`"
        );
        assert_eq!(
            message(&["password={\"secret\":\"mail\"}"], &[]),
            "--set: found no secret called `mail`, wanted the setting itself given as `--secret KEY=env:VARIABLE`"
        );
    }

    #[test]
    fn the_other_options_are_read_as_well() {
        let (allow, disable) = (strings(&["www.example.org:443"]), strings(&["net.tls"]));
        let command_line = CommandLine {
            plugin: "http",
            deadline: Some("5s"),
            allow: &allow,
            disable: &disable,
            ..CommandLine::default()
        };
        let check = command_line.to_config().unwrap().checks.remove(0);
        assert_eq!(check.name.as_str(), "http");
        assert_eq!(
            check.limits,
            Limits {
                deadline: Duration::from_secs(5),
                ..Limits::default()
            }
        );
        assert!(check.grants.allows("www.example.org", 443));
        assert_eq!(check.disabled.len(), 1);

        let (allow, disable) = (strings(&["www.example.org"]), strings(&["tls"]));
        let command_line = CommandLine {
            plugin: "HTTP",
            deadline: Some("5"),
            allow: &allow,
            disable: &disable,
            ..CommandLine::default()
        };
        let problems = command_line.to_config().unwrap_err().to_string();
        assert_eq!(
            problems,
            "--allow: found `www.example.org`, wanted a port as well, such as `www.example.org:443`\n\
             --deadline: found `5`, wanted a duration with a unit, such as `5s`\n\
             --disable: found `tls`, wanted a capability: `net.connect`, `net.tls` or `secrets`\n\
             --plugin: found `HTTP`, wanted the name of a plugin (lower case letters, digits and hyphens), such as `http`"
        );
    }
}
