//! Configuration: from text, or from the command line, to finished types. Everything that is wrong is
//! found at once, each problem with its place. Nothing outside this module knows how a file is written,
//! and nothing half-checked leaves it.
//!
//! ```text
//! file -> Source -> reader (TOML, places, problems) -> decode -> Config
//! --set, --secret, ... -> command_line                        -> Config
//! Config + a plugin's schema -> schema -> problems
//! file -> Source -> reader -> script -> Script
//! ```

mod check;
mod command_line;
mod confidential;
mod decode;
mod decode_check;
mod decode_http;
mod decode_journal;
mod decode_module;
mod decode_plugins;
mod decode_policy;
mod decode_schedule;
mod decode_serve;
mod decode_watching;
mod disable;
mod fault;
#[cfg(test)]
mod fuzz;
mod http;
mod journal;
mod json;
mod module;
mod problem;
mod reader;
mod schema;
mod schema_cost;
mod script;
#[cfg(test)]
mod script_tests;
mod settings;
mod settings_file;
mod settings_reader;
mod source;
#[cfg(test)]
mod tests;
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use check::Check;
pub use command_line::CommandLine;
pub use disable::{Disabled, DisabledForPlugin};
pub use fault::ConfiguredFault;
pub use http::{Http, HttpTls};
pub use journal::Journal;
pub use module::{Module, PROBE_DEADLINE};
pub use problem::{Location, Position, Problem, Problems};
pub use schema::{SchemaError, SettingsSchema};
pub use script::parse_script;
pub use settings::Settings;
pub use settings_file::read_settings_file;
pub use source::{MAX_FILE, Source};
pub use watching::{Confidential, Heartbeat, Log, LogFormat, LogLevel};

use crate::connection::ClientIdentity;
pub use crate::name::{CheckName, MAX_NAME, NameError, SecretName};
use crate::policy::RetryBudgetSettings;
pub use crate::secret::{Command, SecretSource};
pub use crate::units::{parse_duration, parse_size, show_duration, show_size};
use crate::{units, words};

/// A configuration in which everything is as it must be, but for what only the plugins know: whether
/// they exist, and their settings ([`SettingsSchema`]).
#[derive(Debug, Clone)]
pub struct Config {
    /// Where spans and metrics are sent; without it, where the `OTEL_*` variables say, or nowhere.
    pub otlp: Option<Otlp>,
    /// The HTTP endpoints of `serve`; without it there are none.
    pub http: Option<Http>,
    /// How reports are kept on disk; without it, `serve` keeps them as by default, and `run` does not.
    pub journal: Option<Journal>,
    /// The log of `serve`.
    pub log: Log,
    /// The DSN of the Sentry that `serve` reports to; without it, what `SENTRY_DSN` says, or none.
    pub sentry: Option<Confidential>,
    /// The heartbeat of `serve` itself.
    pub heartbeat: Option<Heartbeat>,
    /// The folder of further plugins.
    pub plugins_dir: Option<PathBuf>,
    /// How the daemon ends and notices changes.
    pub serve: Serve,
    /// How changes of plugins are taken up.
    pub plugin_changes: PluginChanges,
    /// How names are resolved.
    pub resolver: Resolver,
    /// What is switched off besides what the checks themselves say.
    pub disabled: Disabled,
    /// How many runs go on at once, 1 to 10,000.
    pub concurrency: usize,
    /// How many retries a target gets.
    pub retry_budget: RetryBudgetSettings,
    /// How many of those at one target, 1 to 10,000.
    pub per_target: usize,
    /// By how much later a run may be due, at random, up to 1 h, for checks that do not say it themselves.
    pub jitter: Duration,
    /// The checks in the order of the file, each with a name of its own; none only where there are modules.
    pub checks: Vec<Check>,
    /// What `/probe` can be asked for, in the order of the file, each with a name that no check has either.
    pub modules: Vec<Module>,
    /// The secrets that settings may refer to. All that they do refer to are here.
    pub secrets: BTreeMap<SecretName, SecretSource>,
    /// Where each of them stands.
    pub(crate) secret_locations: BTreeMap<SecretName, Location>,
    /// The failures to inject, those of the file before those of the command line.
    pub faults: Vec<ConfiguredFault>,
}

/// How many runs go on at once by default: a pool of sandboxes that takes some hundred MiB at most.
pub const DEFAULT_CONCURRENCY: usize = 64;

/// How many runs go on at one target by default: fewer connections than a browser opens to it.
pub const DEFAULT_PER_TARGET: usize = 4;
impl Config {
    /// The checks, and the checks that modules make of each target, in this order.
    pub fn checks_and_templates(&self) -> impl Iterator<Item = &Check> + Clone {
        self.checks
            .iter()
            .chain(self.modules.iter().map(|module| &module.template))
    }

    /// Where it is said what a secret is read from.
    pub fn secret_location(&self, name: &SecretName) -> Location {
        let known = self.secret_locations.get(name).cloned();
        known.unwrap_or_else(|| Location::option("--secret"))
    }

    /// Reads a configuration file's text.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at once.
    pub fn parse(source: &Source) -> Result<Self, Problems> {
        let root = reader::read_root(source, decode::config);
        Problems::check(root.problems)?;
        Ok(root.result)
    }

    /// Reads as much of a configuration file's text as can be understood, so that what is wrong with the
    /// rest can be told together with what only the plugins find wrong. Checks without a usable name or
    /// plugin are left out.
    ///
    /// # Errors
    ///
    /// When there are syntax errors: then nothing can be concluded from what is missing.
    pub fn parse_partly(source: &Source) -> Result<(Self, Vec<Problem>), Problems> {
        let root = reader::read_root(source, decode::config);
        if root.damaged {
            return Problems::check(root.problems).map(|()| (root.result, Vec::new()));
        }
        Ok((root.result, root.problems))
    }

    /// Reads a configuration file's text for where reports are kept and sent. What is wrong with a check, or with any
    /// other table, is passed over.
    ///
    /// # Errors
    ///
    /// What is wrong with the tables `[journal]` and `[otlp]`, with the names of tables, or with the syntax: then it
    /// cannot be told which journal is meant.
    pub fn parse_kept(source: &Source) -> Result<Self, Problems> {
        let mut others = 0..0;
        let mut root = reader::read_root(source, |root| {
            let kept = decode::kept(root);
            others.start = root.problem_count();
            let config = decode::others(root, kept);
            others.end = root.problem_count();
            config
        });
        if !root.damaged {
            root.problems.drain(others);
        }
        Problems::check(root.problems)?;
        Ok(root.result)
    }
}

/// An OTLP receiver (`[otlp]`).
#[derive(Clone, PartialEq, Eq)]
pub struct Otlp {
    /// An `http` or `https` URL. For `http/protobuf`, the base to which `/v1/traces`,
    /// `/v1/metrics` and `/v1/logs` are added.
    pub endpoint: String,
    /// How it is spoken to; without it, as `OTEL_EXPORTER_OTLP_PROTOCOL` says, or as its port suggests.
    pub protocol: Option<OtlpProtocol>,
    /// Sent with every request; without it, those of `OTEL_EXPORTER_OTLP_HEADERS`. They may hold tokens, so
    /// `Debug` shows the names only.
    pub headers: Option<BTreeMap<String, String>>,
    /// Attributes of everything that is exported, over those of the environment and our own.
    pub resource: BTreeMap<String, String>,
    /// Authorities to trust instead of the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Shown to a receiver that asks who we are; without it, as `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and
    /// `OTEL_EXPORTER_OTLP_CLIENT_KEY` say.
    pub client: Option<ClientIdentity>,
    /// How long one export may take, 1 ms to 60 s; without it, as `OTEL_EXPORTER_OTLP_TIMEOUT` says, or 10 s.
    pub timeout: Option<Duration>,
    /// Whether histograms have exponential buckets; without it, as
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` says, or explicit ones.
    pub exponential_histograms: Option<bool>,
}

impl std::fmt::Debug for Otlp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Otlp")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field(
                "headers",
                &self
                    .headers
                    .as_ref()
                    .map(|headers| headers.keys().collect::<Vec<_>>()),
            )
            .field("resource", &self.resource)
            .field("ca_file", &self.ca_file)
            .field("client", &self.client)
            .field("timeout", &self.timeout)
            .field("exponential_histograms", &self.exponential_histograms)
            .finish()
    }
}

/// A transport of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`.
    HttpProtobuf,
}

/// The daemon itself (`[serve]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serve {
    /// How long runs under way may go on once the daemon is asked to end, 0 to 10 min. By default 10 s, which is
    /// the default deadline: a run that was just begun can end.
    pub drain: Duration,
    /// Whether the configuration is loaded again when its file changes. By default it is not: an editor may
    /// save what is half done.
    pub watch_config: bool,
    /// After how long a shutdown drags on, 1 s to 10 min: it then says what it waits for, and again every so long.
    /// By default 30 s, which is more than all bounds of an end come to with the default `drain`.
    pub report_after: Duration,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(10),
            watch_config: false,
            report_after: Duration::from_secs(30),
        }
    }
}

/// How `serve` takes up changes in the plugin folder (`[plugins]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginChanges {
    /// Whether it does while it runs; else with a reload only. By default it does.
    pub watch: bool,
    /// How long a new version runs beside the old one before it takes over, up to 7 days. By default 0: it takes
    /// over at once.
    pub shadow: Duration,
}

impl Default for PluginChanges {
    fn default() -> Self {
        Self {
            watch: true,
            shadow: Duration::ZERO,
        }
    }
}

/// How names are resolved (`[resolver]`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolver {
    /// The name servers to ask, in this order; none means the system's.
    pub servers: Vec<SocketAddr>,
}
