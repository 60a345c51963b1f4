//! From the configuration to those who are told how the daemon is, and what the watcher does with what it
//! sees. What each of them does is its own business.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::heartbeat::{Heartbeat, Heartbeats};
use super::incidents::Incidents;
use super::logs::Logs;
use super::notify::Notifier;
use super::outbound::Outbound;
use super::sentry::Sentry;
use super::supervise::{Consequence, EXIT_FAILED, Hooks, Whom};
use crate::config::{Confidential, Config};
use crate::secret::SecretStore;

/// How long a process that is ended by force waits for what it has to say: to Sentry, and in the log.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the watcher does: troubles are incidents, `restarted` is called with the name of each task that is
/// begun anew, systemd is told that the daemon lives as long as all is well, and a process that does not end by
/// itself is ended.
pub fn hooks(
    incidents: Incidents,
    notifier: Notifier,
    outbound: Outbound,
    logs: Arc<Logs>,
    restarted: impl Fn(&str) + Send + 'static,
) -> Hooks {
    Hooks {
        trouble: Box::new(move |trouble| {
            incidents.trouble(trouble);
            if let (Whom::Task { name, .. }, Consequence::Restart(_) | Consequence::Stop) =
                (&trouble.whom, &trouble.consequence)
            {
                restarted(name);
            }
        }),
        looked: Box::new(move |health| {
            notifier.look();
            if health.is_ok() {
                notifier.alive();
            }
        }),
        force_end: Box::new(move |reason| {
            tracing::error!("the process does not end by itself and is ended: {reason}");
            outbound.flush(LAST_WORDS);
            logs.finish(LAST_WORDS);
            std::process::exit(EXIT_FAILED.into());
        }),
    }
}

/// The Sentry of the configuration, else that of `SENTRY_DSN`.
///
/// # Errors
///
/// A sentence when the DSN is none. It does not repeat it.
pub fn sentry(
    config: &Config,
    secrets: &SecretStore,
    environment: &dyn Fn(&str) -> Option<String>,
    outbound: &Outbound,
) -> Result<Option<Sentry>, String> {
    let (place, dsn) = match &config.sentry {
        Some(dsn) => ("`sentry.dsn`", Some(revealed(dsn, secrets))),
        None => (
            "`SENTRY_DSN`",
            environment("SENTRY_DSN").filter(|dsn| !dsn.is_empty()),
        ),
    };
    let sentry = dsn.map(|dsn| Sentry::new(&dsn, outbound.clone()));
    sentry
        .transpose()
        .map_err(|sentence| format!("{place}: {sentence}"))
}

/// The heartbeats of a configuration.
#[derive(Default)]
pub struct ConfiguredHeartbeats {
    /// The runner's own, and how often.
    pub runner: Option<(Heartbeat, Duration)>,
    /// Those of the checks, by their names.
    pub checks: BTreeMap<String, Heartbeat>,
}

impl ConfiguredHeartbeats {
    /// The heartbeats of the configuration.
    ///
    /// # Errors
    ///
    /// A sentence for each URL that is none. None repeats it.
    pub fn new(config: &Config, secrets: &SecretStore, heartbeats: &Heartbeats) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut sound =
            |heartbeat: Result<Heartbeat, String>| heartbeat.map_err(|sentence| problems.push(sentence)).ok();
        let runner = config.heartbeat.as_ref().and_then(|runner| {
            let heartbeat = heartbeats.of_runner(&revealed(&runner.url, secrets));
            Some((sound(heartbeat)?, runner.every))
        });
        let of_check = |check: &crate::config::Check| {
            let url = revealed(check.heartbeat.as_ref()?, secrets);
            let heartbeat = sound(heartbeats.at(check.name.as_str(), &url))?;
            Some((check.name.to_string(), heartbeat))
        };
        let checks = config.checks.iter().filter_map(of_check).collect();
        if problems.is_empty() {
            Ok(Self { runner, checks })
        } else {
            Err(problems)
        }
    }
}

/// The text; an empty one where the secret is none, which nothing takes for a URL.
fn revealed(text: &Confidential, secrets: &SecretStore) -> String {
    text.reveal(secrets).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Source;
    use crate::secret::Secret;

    const TEXT: &str = r#"
        sentry.dsn = { secret = "dsn" }
        heartbeat = { url = { secret = "beat" }, every = "30s" }
        secrets = { dsn = { env = "A" }, beat = { env = "B" } }
        [[check]]
        name = "mail"
        plugin = "imap"
        heartbeat.url = "https://hc.example.org/mail"
        [[check]]
        name = "page"
        plugin = "http"
    "#;

    fn config() -> Config {
        Config::parse(&Source::new(Path::new("checks.toml"), TEXT)).unwrap()
    }

    fn secrets(dsn: &str, beat: &str) -> SecretStore {
        let secret = |name: &str, text: &str| (name.parse().unwrap(), Secret::new(text.into()));
        SecretStore::new([secret("dsn", dsn), secret("beat", beat)])
    }

    #[test]
    fn what_the_configuration_asks_for_is_made_of_its_secrets() {
        let config = config();
        let names: Vec<String> = config
            .watching_secrets()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["beat", "dsn"]);
        let outbound = Outbound::start().unwrap();
        let secrets = secrets(
            "https://key@sentry.example.org/1\n",
            "https://hc.example.org/runner",
        );
        let nothing = |_: &str| None;
        assert!(sentry(&config, &secrets, &nothing, &outbound).unwrap().is_some());
        let heartbeats = ConfiguredHeartbeats::new(&config, &secrets, &Heartbeats::new(outbound)).unwrap();
        assert_eq!(heartbeats.runner.unwrap().1, Duration::from_secs(30));
        assert_eq!(heartbeats.checks.keys().collect::<Vec<_>>(), ["mail"]);
    }

    #[test]
    fn secrets_that_are_no_urls_are_refused_and_not_shown() {
        let config = config();
        let outbound = Outbound::start().unwrap();
        let secrets = secrets("correct horse", "battery staple");
        let refused = sentry(&config, &secrets, &|_| None, &outbound).err().unwrap();
        assert!(
            refused.starts_with("`sentry.dsn`: wanted a Sentry DSN"),
            "{refused}"
        );
        let heartbeats = Heartbeats::new(outbound.clone());
        let refused = ConfiguredHeartbeats::new(&config, &secrets, &heartbeats)
            .err()
            .unwrap();
        assert_eq!(
            refused,
            ["the heartbeat of `the runner`: wanted an `http` or `https` URL"]
        );
        let shown = format!("{:?}", config.checks[0].heartbeat);
        assert_eq!(shown, "Some(Text([redacted]))");
    }

    #[test]
    fn the_environment_names_a_sentry_where_the_configuration_does_not() {
        let config = Config {
            sentry: None,
            ..config()
        };
        let outbound = Outbound::start().unwrap();
        let found = |dsn: &'static str| {
            let environment = move |name: &str| (name == "SENTRY_DSN").then(|| dsn.to_owned());
            sentry(&config, &SecretStore::default(), &environment, &outbound)
        };
        assert!(found("https://key@sentry.example.org/1").unwrap().is_some());
        assert!(found("").unwrap().is_none());
        assert!(found("horse").err().unwrap().starts_with("`SENTRY_DSN`: "));
    }
}
