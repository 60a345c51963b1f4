//! Running recorded runs again: the same plugin, told the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::file::plugins_of;
use super::{Head, RecordedRun, Recording};
use crate::budget::Limits;
use crate::capability::Capability;
use crate::clock::Clock;
use crate::connection::{Network, TlsClient};
use crate::fault::FaultPlan;
use crate::grant::{Grant, Grants};
use crate::hostcalls::Access;
use crate::outcome::{Report, RunId, TraceId};
use crate::policy::TargetKey;
use crate::redactor::Redactor;
use crate::runner::{Course, Prepared, Runner};
use crate::sandbox::{Compiling, EngineError, EngineSettings, LoadError, Plugin, Purpose, Sandbox};
use crate::secret::Secret;
use crate::switches::Switches;
use crate::tape::Tape;

/// Why a recording cannot be run again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No sandbox.
    #[error(transparent)]
    Sandbox(#[from] EngineError),
    /// The plugin cannot be loaded.
    #[error("the plugin `{name}` cannot be loaded: {error}")]
    Plugin {
        /// Its name.
        name: String,
        /// Why.
        error: LoadError,
    },
    /// Something in the head of a run is not what it must be.
    #[error("the run of `{check}`: found `{found}`, wanted {wanted}")]
    Head {
        /// The check.
        check: String,
        /// What is there.
        found: String,
        /// What should be.
        wanted: &'static str,
    },
}

/// A run, and the same run again.
#[derive(Debug)]
pub struct Replayed {
    /// The report of the second.
    pub report: Report,
    /// Whether it is the report of the first, bit for bit.
    pub same: bool,
    /// Whether it had to be.
    pub exact: bool,
}

/// Runs everything of a recording again, one after the other.
///
/// # Errors
///
/// When a run cannot be set up again.
pub async fn replay(recording: &Recording, compiling: Compiling) -> Result<Vec<Replayed>, ReplayError> {
    let memory = recording.runs.iter().map(|run| run.head.budget.memory).max();
    let settings = EngineSettings {
        concurrency: 2,
        memory: memory.unwrap_or(0),
        compiling,
        purpose: Purpose::Runs,
    };
    let sandbox = Arc::new(Sandbox::new(&settings)?);
    let runner = Runner::new(Arc::clone(&sandbox), 1);
    let mut replayed = Vec::with_capacity(recording.runs.len());
    for run in &recording.runs {
        let plugin = load(recording, run, &sandbox).await?;
        let prepared = prepare(&run.head, plugin)?;
        let course = course(run)?;
        let (report, _) = runner.take(&prepared, &course).await;
        let again = serde_json::to_value(&report).unwrap_or_default();
        replayed.push(Replayed {
            same: again == run.report,
            exact: run.head.exact,
            report,
        });
    }
    Ok(replayed)
}

async fn load(recording: &Recording, run: &RecordedRun, sandbox: &Sandbox) -> Result<Plugin, ReplayError> {
    let identity = &run.head.plugin;
    let missing = || wrong(&run.head, &identity.sha256, "a plugin of the recording");
    let plugins = plugins_of(recording);
    let component = plugins.get(identity.sha256.as_str()).ok_or_else(missing)?;
    Plugin::load(sandbox, component)
        .await
        .map_err(|error| ReplayError::Plugin {
            name: identity.name.clone(),
            error,
        })
}

fn prepare(head: &Head, plugin: Plugin) -> Result<Prepared, ReplayError> {
    let capabilities: BTreeSet<Capability> = head
        .capabilities
        .iter()
        .map(|name| name.parse().map_err(|_| wrong(head, name, "a capability")))
        .collect::<Result<_, _>>()?;
    let switches = Switches::default();
    for off in &head.disabled {
        let capability = off
            .capability
            .parse()
            .map_err(|_| wrong(head, &off.capability, "a capability"))?;
        switches.disable(&off.scope, capability);
    }
    let grants: Vec<Grant> = head
        .allow
        .iter()
        .map(|grant| grant.parse().map_err(|_| wrong(head, grant, "a grant")))
        .collect::<Result<_, _>>()?;
    let secrets = head
        .secrets
        .iter()
        .map(|(name, stand_in)| (name.clone(), Secret::new(stand_in.clone().into_bytes())))
        .collect::<std::collections::BTreeMap<_, _>>();
    let access = Access {
        plugin: plugin.identity().name.clone(),
        phases: Arc::clone(&plugin.description().phases),
        capabilities,
        switches: switches.of(&head.plugin.name, &head.check),
        grants: Grants::new(grants),
        tls: TlsClient::trusting_nobody(),
        redactor: Redactor::new(secrets.values().map(Secret::expose)),
        secrets,
        trace_context: head.trace_context,
        network: Network::Nowhere,
    };
    let retry = head.retry.as_ref().map(|plan| {
        plan.to_retry(&head.plugin.name)
            .map_err(|_| wrong(head, "retry.on", "error types that can be tried again"))
    });
    Ok(Prepared {
        name: head.check.clone(),
        plugin: Arc::new(plugin),
        target: TargetKey::of_check(&head.check),
        limits: Limits::from(head.budget),
        retry: retry.transpose()?,
        // What it allowed is on the tape.
        retry_budget: None,
        thresholds: head.thresholds.map(Into::into),
        access: Arc::new(access),
        settings: head.settings.to_string(),
        faults: FaultPlan::default(),
        runs: Arc::default(),
    })
}

fn course(run: &RecordedRun) -> Result<Course, ReplayError> {
    let head = &run.head;
    Ok(Course {
        started: run.started(),
        lag: Duration::from_nanos(head.lag_ns),
        run_id: RunId(bytes(head, &head.run_id)?),
        trace_id: TraceId(bytes(head, &head.trace_id)?),
        seed: bytes(head, &head.seed)?,
        clock: Clock::virtual_time(),
        tape: Tape::playing(run.entries.clone()),
        cancellation: CancellationToken::new(),
    })
}

fn bytes<const N: usize>(head: &Head, digits: &str) -> Result<[u8; N], ReplayError> {
    let pairs = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Option<Vec<u8>> = pairs.collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong(head, digits, "hexadecimal digits"))
}

fn wrong(head: &Head, found: &str, wanted: &'static str) -> ReplayError {
    ReplayError::Head {
        check: head.check.escape_debug().to_string(),
        found: found.escape_debug().to_string(),
        wanted,
    }
}
