//! What is switched off besides what the checks themselves say: the table `[disable]`, and `--disable`.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::Config;
use super::decode_check::{is_plugin_name, list, list_of};
use super::problem::{Location, Problem, Problems};
use super::reader::Table;
use super::words::{alternatives, nearest, quoted};
use crate::capability::{Capability, UnknownCapability};
use crate::switches::Scope;

/// Capabilities that are switched off for more than one check.
#[derive(Debug, Clone, Default)]
pub struct Disabled {
    /// For all checks.
    pub everywhere: BTreeSet<Capability>,
    /// For all checks of a plugin. Whether there is such a plugin is not known here.
    pub plugins: Vec<DisabledForPlugin>,
}

/// Capabilities that are switched off for all checks of a plugin.
#[derive(Debug, Clone)]
pub struct DisabledForPlugin {
    /// The plugin's name.
    pub plugin: String,
    /// What is switched off.
    pub capabilities: BTreeSet<Capability>,
    /// Where it is said.
    pub location: Location,
}

const WANTED_ARRAY: &str = "an array of capabilities, such as `[\"net.tls\"]`";

/// The table `[disable]`.
pub(super) fn disabled(table: &mut Table<'_>) -> Disabled {
    let everywhere = list(table, "everywhere", WANTED_ARRAY).into_iter().collect();
    let plugins = table.table("plugins", |plugins| {
        let mut disabled = Vec::new();
        for (name, value) in plugins.take_entries() {
            if !is_plugin_name(name) {
                value.refuse_key("wanted the name of a plugin (lower case letters, digits and hyphens)");
            }
            disabled.push(DisabledForPlugin {
                plugin: name.to_owned(),
                capabilities: list_of(&value, WANTED_ARRAY).into_iter().collect(),
                location: value.key_location(),
            });
        }
        disabled
    });
    Disabled {
        everywhere,
        plugins: plugins.unwrap_or_default(),
    }
}

/// One `--disable`: `CAPABILITY`, `plugin:NAME=CAPABILITY` or `check:NAME=CAPABILITY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisableOption {
    scope: Scope,
    capability: Capability,
}

impl FromStr for DisableOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scope, capability) = match text.split_once('=') {
            None => (Scope::Everywhere, text),
            Some((scope, capability)) => match scope.split_once(':') {
                Some(("plugin", name)) => (Scope::Plugin(name.to_owned()), capability),
                Some(("check", name)) => (Scope::Check(name.to_owned()), capability),
                _ => {
                    return Err(format!(
                        "found {}, wanted `CAPABILITY`, `plugin:NAME=CAPABILITY` or `check:NAME=CAPABILITY`",
                        quoted(text)
                    ));
                }
            },
        };
        let capability = capability
            .parse()
            .map_err(|error: UnknownCapability| error.to_string())?;
        Ok(Self { scope, capability })
    }
}

impl Config {
    /// Switches off what the options say, each `CAPABILITY`, `plugin:NAME=CAPABILITY` or
    /// `check:NAME=CAPABILITY`. Whether there is such a plugin is found out when plugins are loaded.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them: a check that does not exist, for instance.
    pub fn disable(&mut self, options: &[String]) -> Result<(), Problems> {
        let mut problems = Vec::new();
        for option in options {
            let disabled = option.parse().and_then(|option| self.disable_one(&option));
            problems.extend(disabled.err().map(problem));
        }
        Problems::check(problems)
    }

    /// Switches off what the options say, and returns what is wrong with them.
    pub(super) fn disable_all(&mut self, options: &[DisableOption]) -> Vec<Problem> {
        let refused = |option: &DisableOption| self.disable_one(option).map_err(problem).err();
        options.iter().filter_map(refused).collect()
    }

    fn disable_one(&mut self, option: &DisableOption) -> Result<(), String> {
        match &option.scope {
            Scope::Everywhere => drop(self.disabled.everywhere.insert(option.capability)),
            Scope::Plugin(name) => self.disabled.plugins.push(DisabledForPlugin {
                plugin: name.clone(),
                capabilities: BTreeSet::from([option.capability]),
                location: Location::option(OPTION),
            }),
            Scope::Check(name) => {
                let known: Vec<String> = self.checks.iter().map(|check| check.name.to_string()).collect();
                let check = self.checks.iter_mut().find(|check| check.name.as_str() == name);
                let check = check.ok_or_else(|| unknown("check", name, known.iter().map(String::as_str)))?;
                check.disabled.insert(option.capability);
            }
        }
        Ok(())
    }
}

const OPTION: &str = "--disable";

fn problem(message: String) -> Problem {
    Problem::new(Location::option(OPTION), message)
}

impl DisabledForPlugin {
    /// What is wrong if there are only plugins of these names, and it is none of them.
    pub fn problem<'n>(&self, known: impl Iterator<Item = &'n str> + Clone) -> Option<Problem> {
        if known.clone().any(|name| name == self.plugin) {
            return None;
        }
        let message = unknown("plugin", &self.plugin, known);
        Some(Problem::new(self.location.clone(), message))
    }
}

/// Nothing of this kind has the name: what may have been meant.
fn unknown<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("found no {kind} called {}, did you mean `{near}`?", quoted(name)),
        None => format!(
            "found no {kind} called {}, wanted {}",
            quoted(name),
            alternatives(known)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Source;

    fn disabled(options: &[&str]) -> Result<Config, Problems> {
        let text = "[[check]]\nname = \"page\"\nplugin = \"http\"\n";
        let mut config = Config::parse(&Source::new(Path::new("checks.toml"), text))?;
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        config.disable(&options)?;
        Ok(config)
    }

    #[test]
    fn options_switch_off_everywhere_for_a_plugin_or_for_a_check() {
        let config = disabled(&["secrets", "plugin:imap=net.tls", "check:page=net.connect"]).unwrap();
        assert_eq!(config.disabled.everywhere, BTreeSet::from([Capability::Secrets]));
        let plugin = &config.disabled.plugins[0];
        assert_eq!(
            (plugin.plugin.as_str(), &plugin.capabilities),
            ("imap", &BTreeSet::from([Capability::NetTls]))
        );
        assert_eq!(
            config.checks[0].disabled,
            BTreeSet::from([Capability::NetConnect])
        );
        assert!(plugin.problem(["http", "imap"].into_iter()).is_none());
        assert_eq!(
            plugin.problem(["http", "map"].into_iter()).unwrap().to_string(),
            "--disable: found no plugin called `imap`, did you mean `map`?"
        );
    }

    #[test]
    fn options_that_mean_nothing_are_refused() {
        let capability = "wanted a capability: `net.connect`, `net.datagram`, `net.tls` or `secrets`";
        let forms = "wanted `CAPABILITY`, `plugin:NAME=CAPABILITY` or `check:NAME=CAPABILITY`";
        for (option, message) in [
            ("tls", format!("found `tls`, {capability}")),
            ("check:page", format!("found `check:page`, {capability}")),
            ("check:page=tls", format!("found `tls`, {capability}")),
            ("page=net.tls", format!("found `page=net.tls`, {forms}")),
            ("host:page=net.tls", format!("found `host:page=net.tls`, {forms}")),
            (
                "check:pgae=net.tls",
                "found no check called `pgae`, did you mean `page`?".into(),
            ),
            (
                "check:mail=net.tls",
                "found no check called `mail`, wanted `page`".into(),
            ),
        ] {
            let problems = disabled(&[option]).unwrap_err();
            assert_eq!(problems.to_string(), format!("--disable: {message}"));
        }
    }
}
