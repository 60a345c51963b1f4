//! From a configuration to checks that can run: plugins found, settings held against their schemas,
//! TLS set up, secrets read. Everything that is wrong is found at once, and then nothing runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::faults;
use crate::budget::Limits;
use crate::config::{Check, Config, Location, Problem, Problems, SecretName, SettingsSchema};
use crate::connection::{Network, Resolver, TlsClient, Trust};
use crate::fault::FaultPlan;
use crate::grant::{Grant, Grants, Host};
use crate::hostcalls::Access;
use crate::library::{Library, LibraryError};
use crate::policy::Retry;
use crate::redactor::Redactor;
use crate::sandbox::{EngineSettings, PrivateFolder, Sandbox, SharedPlugin, Target};
use crate::secret::{Secret, SecretStore};

/// A check with everything that a run of it needs.
#[derive(Debug)]
pub struct Prepared {
    /// The name.
    pub name: String,
    /// The plugin.
    pub plugin: SharedPlugin,
    /// What a run may spend.
    pub limits: Limits,
    /// Whether and how a failed attempt is tried again.
    pub retry: Option<Retry>,
    /// What its runs may do.
    pub access: Arc<Access>,
    /// The settings as JSON.
    pub settings: String,
    /// The faults that are injected into its runs.
    pub faults: FaultPlan,
    /// How many runs it has had.
    pub runs: AtomicU64,
}

impl Prepared {
    /// The number of its next run, from 0.
    pub(super) fn next_run(&self) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed)
    }
}

/// Checks that can run, and where.
pub struct Preparation {
    /// Where they run.
    pub sandbox: Arc<Sandbox>,
    /// The checks in the order of the configuration.
    pub checks: Vec<Prepared>,
    /// What an operator should know.
    pub notices: Vec<String>,
}

/// What is granted to checks beside what the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultGrant {
    /// Nothing.
    Nothing,
    /// The target that the check's own settings name, if they grant nothing else.
    OwnTarget,
}

impl Preparation {
    /// Prepares all checks of a configuration; `problems` are those it is known to have already.
    ///
    /// # Errors
    ///
    /// Everything that keeps any of them from running.
    pub async fn new(
        config: &Config,
        mut problems: Vec<Problem>,
        default_grant: DefaultGrant,
        cache: Option<PrivateFolder>,
    ) -> Result<Self, Problems> {
        let sandbox = Arc::new(sandbox(config, cache)?);
        let wanted: BTreeSet<&str> = config.checks.iter().map(|check| check.plugin.as_str()).collect();
        let (library, unloadable) = Library::load(&sandbox, config.plugins_dir.as_deref(), &wanted).await;
        let broken: BTreeSet<String> = unloadable.iter().filter_map(LibraryError::plugin_name).collect();
        problems.extend(unloadable.iter().map(library_problem));
        let secrets = read_secrets(config, &mut problems).await;
        let common = Common {
            library: &library,
            broken: &broken,
            secrets: &secrets,
            network: Network::Live(Arc::new(resolver(config))),
            default_grant,
            faults: faults::plan(config),
        };
        let mut notices = library.notices().to_vec();
        notices.extend(faults::notices(&common.faults));
        problems.extend(faults::unknown_phases(config, &library));
        let mut checks = Vec::with_capacity(config.checks.len());
        for check in &config.checks {
            checks.extend(common.prepare(check, &mut problems, &mut notices));
        }
        Problems::check(problems)?;
        Ok(Self {
            sandbox,
            checks,
            notices,
        })
    }
}

/// What all checks of a configuration share.
struct Common<'c> {
    library: &'c Library,
    broken: &'c BTreeSet<String>,
    secrets: &'c SecretStore,
    network: Network,
    default_grant: DefaultGrant,
    faults: FaultPlan,
}

impl Common<'_> {
    fn prepare(
        &self,
        check: &Check,
        problems: &mut Vec<Problem>,
        notices: &mut Vec<String>,
    ) -> Option<Prepared> {
        let tls = TlsClient::new(&check.tls)
            .map_err(|sentence| problems.push(Problem::new(check.key_location("tls").clone(), sentence)));
        let plugin = self.plugin(check, problems)?;
        match SettingsSchema::parse(&plugin.description().schema) {
            Ok(schema) => problems.extend(schema.problems(check)),
            Err(error) => {
                let message = format!("the plugin `{}` cannot be used: {error}", check.plugin);
                problems.push(Problem::new(check.key_location("plugin").clone(), message));
            }
        }
        if check.tls.trust == Trust::DoNotVerify {
            notices.push(format!(
                "check `{}` verifies no certificate (`do_not_verify`): what it sends, passwords too, may go to anyone",
                check.name
            ));
        }
        let grants = self.grants(check, plugin, notices);
        let secrets: BTreeMap<_, _> = check
            .settings
            .secret_names()
            .iter()
            .filter_map(|name| Some((name.as_str().to_owned(), self.secrets.get(name.as_str())?.clone())))
            .collect();
        let needs = &plugin.description().capabilities;
        let access = Access {
            plugin: plugin.identity().name.clone(),
            phases: plugin.description().phases.clone(),
            capabilities: needs.difference(&check.disabled).copied().collect(),
            grants,
            tls: tls.ok()?,
            redactor: Redactor::new(secrets.values().map(Secret::expose)),
            secrets,
            network: self.network.clone(),
        };
        Some(Prepared {
            name: check.name.to_string(),
            plugin: Arc::clone(plugin),
            limits: check.limits,
            retry: check.retry,
            access: Arc::new(access),
            settings: check.settings.to_json(),
            faults: self.faults.for_check(check.name.as_str()),
            runs: AtomicU64::new(0),
        })
    }

    fn plugin(&self, check: &Check, problems: &mut Vec<Problem>) -> Option<&SharedPlugin> {
        let found = self.library.get(&check.plugin);
        if found.is_none() && !self.broken.contains(&check.plugin) {
            let known: Vec<_> = self.library.names().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "found no plugin called `{}`, wanted one of {}",
                check.plugin,
                known.join(", ")
            );
            problems.push(Problem::new(check.key_location("plugin").clone(), message));
        }
        found
    }

    /// What the check grants; without a file, its own target if it grants nothing.
    fn grants(&self, check: &Check, plugin: &SharedPlugin, notices: &mut Vec<String>) -> Grants {
        let own = own_target(&plugin.description().target, check.settings.values());
        if self.default_grant == DefaultGrant::Nothing {
            let is_granted = |own: &Grant| check.grants.allows(&own.host().to_string(), *own.ports().start());
            if !own.is_empty() && !own.iter().any(is_granted) {
                let target: Vec<_> = own.iter().map(|grant| format!("`\"{grant}\"`")).collect();
                notices.push(format!(
                    "check `{}` does not grant its own target: add {} to `allow`",
                    check.name,
                    target.join(" or ")
                ));
            }
            return check.grants.clone();
        }
        let own = own
            .into_iter()
            .filter(|grant| !check.grants.iter().any(|other| other == grant));
        let all: Vec<Grant> = check.grants.iter().cloned().chain(own).collect();
        let shown: Vec<_> = all.iter().map(Grant::to_string).collect();
        notices.push(match shown.is_empty() {
            true => "nothing is granted: the settings name no target; use `--allow host:port`".to_owned(),
            false => format!("granted: {}", shown.join(", ")),
        });
        Grants::new(all)
    }
}

fn sandbox(config: &Config, cache: Option<PrivateFolder>) -> Result<Sandbox, Problems> {
    let settings = EngineSettings {
        // One more, for asking plugins what they are.
        concurrency: u32::try_from(config.concurrency)
            .unwrap_or(u32::MAX)
            .saturating_add(1),
        memory: config
            .checks
            .iter()
            .map(|check| check.limits.memory)
            .max()
            .unwrap_or(0),
        cache,
    };
    Sandbox::new(&settings).map_err(|error| {
        let location = config
            .checks
            .first()
            .map_or_else(|| Location::option("bedcheck"), |check| check.location().clone());
        Problems::new(Problem::new(location, error.to_string()), Vec::new())
    })
}

fn resolver(config: &Config) -> Resolver {
    match config.resolver.servers.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::with_servers(servers),
    }
}

fn library_problem(error: &LibraryError) -> Problem {
    Problem::new(Location::File(error.origin().into()), error.to_string())
}

/// The secrets that settings refer to. One that cannot be read is a problem of the check that first
/// refers to it.
async fn read_secrets(config: &Config, problems: &mut Vec<Problem>) -> SecretStore {
    let mut needed: BTreeMap<&SecretName, &Location> = BTreeMap::new();
    for check in &config.checks {
        // One that is not in `[secrets]` is a problem of the configuration, found before.
        for name in check
            .settings
            .secret_names()
            .iter()
            .filter(|name| config.secrets.contains_key(*name))
        {
            needed.entry(name).or_insert_with(|| check.location());
        }
    }
    let read = needed.into_iter().map(async |(name, location)| {
        let store = SecretStore::read(&config.secrets, &BTreeSet::from([name.clone()])).await;
        (name, location, store)
    });
    let mut secrets = Vec::new();
    for (name, location, store) in futures_util::future::join_all(read).await {
        match store {
            Ok(store) => secrets.extend(
                store
                    .get(name.as_str())
                    .map(|secret| (name.clone(), secret.clone())),
            ),
            Err(sentences) => {
                problems.extend(
                    sentences
                        .into_iter()
                        .map(|text| Problem::new(location.clone(), text)),
                );
            }
        }
    }
    SecretStore::new(secrets)
}

/// The grants of what the settings name as the target.
fn own_target(target: &Target, settings: &serde_json::Map<String, serde_json::Value>) -> Vec<Grant> {
    let text = |key: &str| settings.get(key).and_then(serde_json::Value::as_str);
    let grant = |host: &str, port: u16| Grant::new(Host::parse(host)?, port);
    match target {
        Target::None => Vec::new(),
        Target::Url(key) => text(key)
            .and_then(host_and_port)
            .and_then(|(host, port)| grant(&host, port))
            .into_iter()
            .collect(),
        Target::HostAndPort {
            host,
            port,
            default_ports,
        } => {
            let Some(host) = text(host) else { return Vec::new() };
            let named = settings.get(port).and_then(serde_json::Value::as_u64);
            let ports = match named.and_then(|port| u16::try_from(port).ok()) {
                Some(port) => vec![port],
                None => default_ports.clone(),
            };
            ports.into_iter().filter_map(|port| grant(host, port)).collect()
        }
    }
}

/// Host and port of a URL; the port of its scheme when it has none.
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let uri: http::Uri = url.parse().ok()?;
    let port = uri.port_u16().or_else(|| match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(target: &Target, settings: serde_json::Value) -> Vec<String> {
        let settings = settings.as_object().cloned().unwrap_or_default();
        own_target(target, &settings)
            .iter()
            .map(Grant::to_string)
            .collect()
    }

    #[test]
    fn a_url_grants_its_host_and_port() {
        let target = Target::Url("url".into());
        let of = |url: &str| granted(&target, serde_json::json!({ "url": url }));
        assert_eq!(of("https://www.example.org/a?b"), ["www.example.org:443"]);
        assert_eq!(of("http://[::1]:8080/"), ["[::1]:8080"]);
        assert_eq!(of("http://127.0.0.1"), ["127.0.0.1:80"]);
        assert_eq!(of("no url"), Vec::<String>::new());
    }

    #[test]
    fn a_host_without_a_port_grants_the_default_ports() {
        let target = Target::HostAndPort {
            host: "host".into(),
            port: "port".into(),
            default_ports: vec![993, 143],
        };
        let of = |settings| granted(&target, settings);
        assert_eq!(of(serde_json::json!({"host": "mail"})), ["mail:993", "mail:143"]);
        assert_eq!(
            of(serde_json::json!({"host": "mail", "port": 1993})),
            ["mail:1993"]
        );
    }
}
