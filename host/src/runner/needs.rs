//! Whether what a plugin needs and what a check grants meet, and what that comes to. Pure.

use std::collections::BTreeSet;

use super::DefaultGrant;
use super::own_target::own_target;
use crate::capability::Capability;
use crate::config::{Check, Problem};
use crate::grant::{Endpoint, Grant, Grants};
use crate::outcome::PluginIdentity;
use crate::sandbox::{Description, Target};

/// What a plugin needs.
pub(super) struct Needs<'p> {
    pub(super) plugin: &'p PluginIdentity,
    pub(super) description: &'p Description,
}

impl Needs<'_> {
    /// What the check may reach. That it grants less than the plugin needs is a problem; what is hardly
    /// meant is a notice. Of settings that are not sound nothing is concluded.
    pub(super) fn meet(
        &self,
        check: &Check,
        default_grant: DefaultGrant,
        settings_are_sound: bool,
        problems: &mut Vec<Problem>,
        notices: &mut Vec<String>,
    ) -> Grants {
        let own = own_target(&self.description.target, check.settings.values());
        problems.extend(self.capabilities_missing(check));
        notices.extend(self.capabilities_not_needed(check));
        if check.grants_own_target && own.is_empty() && settings_are_sound {
            problems.push(self.self_is_nothing(check));
        }
        let own_is_granted = check.grants_own_target || default_grant == DefaultGrant::OwnTarget;
        let grants = with_own(check, own.iter().filter(|_| own_is_granted));
        match default_grant {
            DefaultGrant::OwnTarget => notices.push(granted(&grants)),
            DefaultGrant::Nothing if grants.is_empty() => problems.extend(self.nothing_granted(check, &own)),
            DefaultGrant::Nothing => notices.extend(own_not_granted(check, &own, &grants)),
        }
        grants
    }

    fn capabilities_missing(&self, check: &Check) -> Option<Problem> {
        let granted = check.capabilities.as_ref()?;
        let missing: BTreeSet<_> = self.description.capabilities.difference(granted).collect();
        if missing.is_empty() || check.is_flawed() {
            return None;
        }
        let message = format!(
            "{} needs {}; {} grants {}",
            self.plugin(),
            listed(missing),
            check.title(),
            listed(granted)
        );
        Some(Problem::new(check.key_location("capabilities").clone(), message))
    }

    fn capabilities_not_needed(&self, check: &Check) -> Option<String> {
        let granted = check.capabilities.as_ref()?;
        let surplus: BTreeSet<_> = granted.difference(&self.description.capabilities).collect();
        (!surplus.is_empty()).then(|| {
            format!(
                "{} grants {}, which {} does not need",
                check.title(),
                listed(surplus),
                self.plugin()
            )
        })
    }

    /// The check grants `self`, and there is no such thing.
    fn self_is_nothing(&self, check: &Check) -> Problem {
        let reason = match &self.description.target {
            Target::None => format!(
                "{} does not say which of its settings name a target",
                self.plugin()
            ),
            Target::Url(key) => format!("`settings.{key}` names no host and port that can be dialled"),
            Target::HostAndPort { host, port, .. } => {
                format!("`settings.{host}` and `settings.{port}` name no host and port that can be dialled")
            }
        };
        let message = format!("found `self`, wanted `host:port`: {reason}");
        Problem::new(check.key_location("allow").clone(), message)
    }

    /// The check grants no host and port at all, and does not only seem to.
    fn nothing_granted(&self, check: &Check, own: &[Endpoint]) -> Option<Problem> {
        let needs = |capability: &&Capability| self.description.capabilities.contains(capability);
        let needed = [Capability::NetConnect, Capability::NetDatagram]
            .iter()
            .find(needs)?;
        if check.is_flawed() || check.grants_own_target {
            return None;
        }
        let advice = match own {
            [] => "add it to `allow`".to_owned(),
            own => format!("add {}, or `\"self\"`, to `allow`", alternatives(own)),
        };
        let message = format!(
            "{} needs `{needed}`; check `{}` grants no `host:port`: {advice}",
            self.plugin(),
            check.name
        );
        Some(Problem::new(check.key_location("allow").clone(), message))
    }

    fn plugin(&self) -> String {
        format!("plugin `{}` {}", self.plugin.name, self.plugin.version)
    }
}

/// What a check of the command line comes to be granted, where nobody wrote it down.
fn granted(grants: &Grants) -> String {
    let shown: Vec<_> = grants.iter().map(Grant::to_string).collect();
    match shown.is_empty() {
        true => "nothing is granted: the settings name no target; use `--allow host:port`".to_owned(),
        false => format!("granted: {}", shown.join(", ")),
    }
}

fn own_not_granted(check: &Check, own: &[Endpoint], grants: &Grants) -> Option<String> {
    let is_missing = !own.is_empty() && !own.iter().any(|own| allows(grants, own));
    is_missing.then(|| {
        format!(
            "check `{}` does not grant its own target: add {} to `allow`",
            check.name,
            alternatives(own)
        )
    })
}

/// What the check grants by itself, and these endpoints of its own target.
fn with_own<'e>(check: &Check, own: impl Iterator<Item = &'e Endpoint>) -> Grants {
    let own = own
        .filter(|own| !allows(&check.grants, own))
        .map(|own| Grant::from(own.clone()));
    Grants::new(check.grants.iter().cloned().chain(own).collect())
}

fn allows(grants: &Grants, endpoint: &Endpoint) -> bool {
    grants.allows(&endpoint.host().to_string(), endpoint.port())
}

fn alternatives(endpoints: &[Endpoint]) -> String {
    let quoted: Vec<_> = endpoints
        .iter()
        .map(|endpoint| format!("`\"{endpoint}\"`"))
        .collect();
    quoted.join(" or ")
}

/// Capabilities in a sentence.
fn listed<'c>(capabilities: impl IntoIterator<Item = &'c Capability>) -> String {
    let quoted: Vec<_> = capabilities
        .into_iter()
        .map(|capability| format!("`{capability}`"))
        .collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Source};

    fn description(needs: &[Capability], target: Target) -> Description {
        Description {
            summary: String::new(),
            phases: std::sync::Arc::default(),
            schema: "{}".into(),
            capabilities: needs.iter().copied().collect(),
            target,
        }
    }

    /// What is granted, the problems, and the notices for a check with these keys.
    fn meet(description: &Description, keys: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
        let text = format!("[[check]]\nname = \"a\"\nplugin = \"p\"\n{keys}\n");
        let config = Config::parse(&Source::new(Path::new("checks.toml"), &text)).unwrap();
        let plugin = PluginIdentity {
            name: "p".into(),
            version: "1.2.3".into(),
            sha256: String::new(),
        };
        let needs = Needs {
            plugin: &plugin,
            description,
        };
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let grants = needs.meet(
            &config.checks[0],
            DefaultGrant::Nothing,
            true,
            &mut problems,
            &mut notices,
        );
        let problems = problems.iter().map(ToString::to_string).collect();
        (
            grants.iter().map(ToString::to_string).collect(),
            problems,
            notices,
        )
    }

    fn url() -> Target {
        Target::Url("url".into())
    }

    #[test]
    fn self_is_what_the_settings_name() {
        let description = description(&[Capability::NetConnect], url());
        let settings = "settings.url = \"https://www.example.org/\"";
        let (grants, problems, notices) = meet(&description, &format!("allow = [\"self\"]\n{settings}"));
        assert_eq!(grants, ["www.example.org:443"]);
        assert_eq!((problems.len(), notices.len()), (0, 0));
        // Granted anyway, it is granted once.
        let (grants, ..) = meet(
            &description,
            &format!("allow = [\"*.example.org:443\", \"self\"]\n{settings}"),
        );
        assert_eq!(grants, ["*.example.org:443"]);
    }

    #[test]
    fn self_is_refused_where_there_is_no_such_thing() {
        let needs = [Capability::NetConnect];
        let (_, problems, _) = meet(&description(&needs, Target::None), "allow = [\"self\"]");
        assert_eq!(
            problems,
            ["checks.toml:4:9: found `self`, wanted `host:port`: \
              plugin `p` 1.2.3 does not say which of its settings name a target"]
        );
        let (_, problems, _) = meet(
            &description(&needs, url()),
            "allow = [\"self\"]\nsettings.url = \"x\"",
        );
        assert_eq!(
            problems,
            ["checks.toml:4:9: found `self`, wanted `host:port`: \
              `settings.url` names no host and port that can be dialled"]
        );
    }

    #[test]
    fn a_plugin_that_needs_no_network_needs_no_grant() {
        let (grants, problems, notices) = meet(&description(&[], Target::None), "");
        assert_eq!((grants.len(), problems.len(), notices.len()), (0, 0, 0));
        let (_, problems, _) = meet(&description(&[Capability::NetConnect], Target::None), "");
        assert_eq!(
            problems,
            ["checks.toml:1:1: plugin `p` 1.2.3 needs `net.connect`; \
              check `a` grants no `host:port`: add it to `allow`"]
        );
    }

    #[test]
    fn a_check_that_grants_something_but_not_its_own_target_is_noted() {
        let keys = "allow = [\"192.0.2.1:443\"]\nsettings.url = \"https://www.example.org/\"";
        let (_, problems, notices) = meet(&description(&[Capability::NetConnect], url()), keys);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            notices,
            ["check `a` does not grant its own target: add `\"www.example.org:443\"` to `allow`"]
        );
    }
}
