//! What becomes of what the daemon finds out: it is told to the journal, on the board, in the log and by heartbeats,
//! all from this one place; what follows from reports alone is derived from the journal. Nothing here waits for anybody.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use super::board::{Board, BreakerFacts, CheckFacts, PluginFacts, Refusal, RefusedFileFacts, ShadowFacts};
use super::generation::{Generation, Served};
use super::heartbeat::{Heartbeat, Keeper, RunMark};
use super::http::Endpoints;
use super::incidents::Incidents;
use super::logs::{self, Logs};
use super::notify::Notifier;
use super::outbound::Outbound;
use super::probe::Probes;
use super::supervise::Supervisor;
use super::takeover::Takeover;
use super::watching;
use crate::config::{Http, SecretName, Serve};
use crate::journal::Journal;
use crate::library::Origin;
use crate::outcome::{Outcome, Report};
use crate::policy::TargetKey;
use crate::policy::breaker::State;
use crate::policy::state::{CheckState, Transition as StateTransition};
use crate::runner::{Beside, LivePlugins, PluginEvent};
use crate::sandbox::Plugin;
use crate::schedule::{BreakerView, Transition};
use crate::telemetry::Meters;

/// Tells everybody.
pub(super) struct Publisher {
    outlets: Outlets,
    /// Tells the runner's own heartbeat.
    keeper: Option<Keeper>,
    /// Of the endpoints, what is in force.
    http: Option<Http>,
    /// The last refusal of each plugin, by name.
    refusals: HashMap<String, Refusal>,
    /// The plugins whose loading was told, by name.
    loaded: HashMap<String, Weak<Plugin>>,
    /// What the service manager is told.
    status: String,
    began: Instant,
}

/// Who is told.
#[derive(Clone)]
pub(super) struct Outlets {
    pub(super) board: Arc<Board>,
    pub(super) meters: Meters,
    pub(super) journal: Journal,
    pub(super) logs: Arc<Logs>,
    pub(super) notifier: Notifier,
    pub(super) incidents: Incidents,
    pub(super) outbound: Outbound,
    pub(super) supervisor: Supervisor,
    pub(super) endpoints: Option<Endpoints>,
    pub(super) probes: Arc<Probes>,
    /// Told how the daemon is to end.
    pub(super) serving: watch::Sender<Serve>,
}

impl Publisher {
    /// Tells these of a daemon that begins now.
    pub(super) fn new(outlets: Outlets) -> Self {
        Self {
            outlets,
            keeper: None,
            http: None,
            refusals: HashMap::new(),
            loaded: HashMap::new(),
            status: String::new(),
            began: Instant::now(),
        }
    }

    /// When the daemon began; the times of its schedule count from there.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// A run begins. Where its end is to be told, and its mark there.
    pub(super) fn started(&self, name: &str, served: &Served) -> Option<(Heartbeat, RunMark)> {
        self.outlets.board.started(name);
        let heartbeat = served.heartbeat.clone()?;
        let mark = heartbeat.started();
        Some((heartbeat, mark))
    }

    /// When a check is due next.
    pub(super) fn due(&self, name: &str, at: Duration) {
        self.outlets.board.due(name, (self.began + at).into_std());
    }

    /// A run is over. The state of its check since, what that was before if the run has changed it, and what
    /// [`Self::started`] gave.
    pub(super) fn finished(
        &self,
        report: Report,
        state: CheckState,
        change: Option<StateTransition>,
        heartbeat: Option<(Heartbeat, RunMark)>,
    ) {
        if let Some((heartbeat, mark)) = heartbeat {
            heartbeat.finished(mark, &report);
        }
        self.outlets
            .meters
            .check_state(&report.check, &report.plugin.name, state.as_str());
        if let Some(change) = change {
            let (check, from, to) = (&report.check, change.from.as_str(), change.to.as_str());
            tracing::info!(check, from, to, "check `{check}` is {to}, it was {from}");
        }
        self.record(report, state);
    }

    /// A run did not take place.
    pub(super) fn skipped(&self, report: Report, state: CheckState) {
        self.record(report, state);
    }

    /// Runs whose time passed without anybody noticing it: of each check how many, and why that is, as far as it is
    /// known. One line of the log tells of all, because after a standstill it is all checks that missed some.
    pub(super) fn missed(&self, missed: &[(Arc<str>, u64)], why: &str) {
        for (name, runs) in missed {
            self.outlets.meters.missed(*runs);
            self.outlets.board.missed(name, *runs);
            tracing::debug!(check = &**name, runs, "check `{name}` missed {runs} runs");
        }
        let (checks, runs) = (missed.len(), missed.iter().map(|(_, runs)| runs).sum::<u64>());
        match missed {
            [] => {}
            [(name, _)] => tracing::warn!(check = &**name, runs, "check `{name}` missed {runs} runs: {why}"),
            _ => tracing::warn!(checks, runs, "{checks} checks missed {runs} runs: {why}"),
        }
    }

    /// How many runs are under way, and how many are due and wait for a slot.
    pub(super) fn runs(&self, active: usize, waiting: usize) {
        self.outlets.meters.active_runs(active);
        self.outlets.meters.queue_size(waiting);
    }

    /// The state of a breaker has changed.
    pub(super) fn transition(&self, transition: &Transition, now: Option<BreakerView>) {
        let (target, plugin) = (transition.target.as_str(), transition.plugin.as_str());
        let (from, to) = (transition.from.as_str(), transition.to.as_str());
        self.outlets
            .meters
            .breaker_transition(&transition.check, plugin, to);
        if let Some(now) = now {
            self.circuit(&now);
        }
        let (check, error_type) = (
            &*transition.check,
            transition.error.as_ref().map(|error| error.as_str()),
        );
        let message = format!("the breaker of `{target}` for the plugin `{plugin}` is {to}, it was {from}");
        match transition.to {
            State::Open => tracing::warn!(
                target_key = target,
                plugin,
                from,
                to,
                check,
                error_type,
                "{message}"
            ),
            State::Closed | State::HalfOpen => {
                tracing::info!(
                    target_key = target,
                    plugin,
                    from,
                    to,
                    check,
                    error_type,
                    "{message}"
                );
            }
        }
    }

    /// The state that a breaker is in, of every check that shares it.
    pub(super) fn circuit(&self, view: &BreakerView) {
        for check in view.checks.iter() {
            let state = view.state.as_str();
            self.outlets.meters.breaker_state(check, &view.plugin, state);
        }
        self.breaker(view);
    }

    /// Where a breaker stands, in a state that was told before.
    pub(super) fn breaker(&self, view: &BreakerView) {
        self.outlets.board.breaker(BreakerFacts {
            target: view.target.as_str().to_owned(),
            plugin: view.plugin.clone(),
            state: view.state.as_str(),
            failures: view.failures,
            retry_at: view.retry_at.map(|at| (self.began + at).into_std()),
            checks: Arc::clone(&view.checks),
        });
    }

    /// The configuration is about to be loaded again.
    pub(super) fn reloading(&self) {
        self.outlets.notifier.reloading();
    }

    /// A configuration was loaded, or was to be.
    pub(super) fn reloaded(&self, result: Result<u64, &str>) {
        self.outlets.meters.reloaded(result.is_ok());
        self.outlets.board.reloaded(result.map_err(str::to_owned));
        self.outlets.notifier.ready(&self.status);
        match result {
            Ok(generation) => tracing::info!(generation, "the configuration is loaded"),
            Err(message) => tracing::error!(
                "the configuration cannot be loaded, and the one before stays in force: {}",
                message.trim_end()
            ),
        }
    }

    /// Something happened to a plugin.
    pub(super) fn plugin(&mut self, event: &PluginEvent) {
        match event {
            PluginEvent::Refused {
                file,
                plugin,
                sentence,
            } => {
                let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let name = plugin.clone().or(stem).unwrap_or_default();
                self.outlets.meters.plugin_refused(&name);
                tracing::error!(plugin = name, "a plugin is refused: {event}");
                let refusal = Refusal {
                    at: SystemTime::now(),
                    message: format!("`{}`: {sentence}", file.display()),
                };
                self.refusals.insert(name, refusal);
            }
            PluginEvent::Replaced { new, .. } => {
                self.outlets.meters.plugin_swapped(&new.name);
                self.refusals.remove(&new.name);
                tracing::info!(plugin = new.name, "{event}");
            }
            PluginEvent::Kept(_) | PluginEvent::Removed { .. } | PluginEvent::FolderUnreadable(_) => {
                tracing::warn!("{event}");
            }
            PluginEvent::Added(_) | PluginEvent::Watched(_) | PluginEvent::Notice(_) => {
                tracing::info!("{event}");
            }
        }
    }

    /// No check has this breaker any more.
    pub(super) fn breaker_gone(&self, target: &TargetKey, plugin: &str) {
        self.outlets.board.breaker_gone(target.as_str(), plugin);
    }

    /// A check that had a breaker has none any more.
    pub(super) fn without_breaker(&self, check: &CheckFacts) {
        self.outlets
            .meters
            .without_breaker(&check.name, &check.plugin.name);
    }

    /// Another generation serves from now on.
    pub(super) fn took_up(&mut self, takeover: &Takeover) {
        let generation = &takeover.generation;
        self.outlets
            .board
            .change_checks(&takeover.gone, &takeover.different);
        for facts in &takeover.begun_anew {
            let state = CheckState::Unknown.as_str();
            self.outlets.board.begun_anew(&facts.name, state);
            self.outlets
                .meters
                .check_state(&facts.name, &facts.plugin.name, state);
        }
        self.outlets.meters.most_runs(generation.config().concurrency);
        self.outlets.probes.set(
            Arc::clone(&generation.runner),
            generation.preparation.modules.clone(),
            generation.timeout_offset(),
        );
        self.outlets.logs.set_level(generation.config().log.level);
        self.status = format!(
            "{}, generation {}",
            generation.preparation.size(),
            generation.number
        );
        self.outlets.notifier.status(&self.status);
    }

    /// A configuration was read, the first one or another: who is told of what, and what must not be shown.
    pub(super) fn configured(&mut self, generation: &Generation) {
        self.outlets.serving.send_replace(generation.config().serve);
        let environment = |name: &str| std::env::var(name).ok();
        let sentry = watching::sentry(
            generation.config(),
            &generation.secrets,
            &environment,
            &self.outlets.outbound,
        );
        let sentry = sentry.unwrap_or_else(|sentence| {
            tracing::error!("{sentence}");
            None
        });
        self.outlets
            .incidents
            .configure(sentry, generation.preparation.redactor());
        self.keep_heartbeat(generation);
        self.guard(generation);
        for notice in &generation.preparation.notices {
            tracing::warn!("{notice}");
        }
    }

    /// The endpoints as they are by now; none if there were none at the start.
    pub(super) fn http(&self) -> Option<&Http> {
        self.http.as_ref()
    }

    /// Has the endpoints ask for the token that is in force from now on.
    fn guard(&mut self, generation: &Generation) {
        let Some(endpoints) = &self.outlets.endpoints else {
            return;
        };
        let wanted = generation.config().http.as_ref();
        let before = self.http.as_ref().or(wanted);
        let Some(http) = before.map(|before| before.reloaded(wanted)) else {
            return;
        };
        let secret = |name: &SecretName| generation.secrets.get(name.as_str()).cloned();
        match (&http.token, wanted.and_then(|wanted| wanted.token.as_ref())) {
            (_, Some(name)) => endpoints.set_token(secret(name)),
            (None, None) => endpoints.set_token(None),
            // It goes on as it was read last.
            (Some(_), None) => {}
        }
        if let Some(note) = http.note() {
            tracing::warn!("{note}");
        }
        self.http = Some(http);
    }

    /// Has the runner's own heartbeat told from now on; one that stays the same goes on.
    fn keep_heartbeat(&mut self, generation: &Generation) {
        let wanted = generation.heartbeats.runner.as_ref();
        let goes_on = |(heartbeat, every): &(Heartbeat, Duration)| {
            let keeper = self.keeper.as_ref();
            keeper.is_some_and(|keeper| keeper.keeps(heartbeat, *every))
        };
        if wanted.is_some_and(goes_on) {
            return;
        }
        self.keeper = wanted.map(|(heartbeat, every)| {
            if generation.is_first() {
                heartbeat.begun();
            }
            let supervisor = self.outlets.supervisor.clone();
            heartbeat.keep(*every, move || supervisor.health())
        });
    }

    /// Which plugins there are, what runs beside them, and which files are not used.
    pub(super) fn plugins(&mut self, generation: &Generation, files: Option<&LivePlugins>) {
        let library = &generation.preparation.library;
        self.refusals.retain(|name, _| library.find(name).is_some());
        let mut shadows: HashMap<&str, ShadowFacts> = files
            .into_iter()
            .flat_map(LivePlugins::beside)
            .map(|(name, beside)| (name, shadow_facts(&beside)))
            .collect();
        for (name, held) in library.held() {
            let loaded = self.loaded.insert(name.to_owned(), Arc::downgrade(&held.plugin));
            if loaded.is_none_or(|loaded| loaded.as_ptr() != Arc::as_ptr(&held.plugin)) {
                let loading = held.plugin.loading();
                self.outlets
                    .meters
                    .plugin_compiled(name, loading.took, loading.was_kept);
            }
        }
        let facts = library.held().map(|(name, held)| PluginFacts {
            identity: held.plugin.identity().clone(),
            origin: match &held.origin {
                Origin::BuiltIn => "built in".to_owned(),
                Origin::File(file) => file.display().to_string(),
            },
            since: held.since,
            last_refusal: self.refusals.get(name).cloned(),
            shadow: shadows.remove(name),
        });
        let refused = files.into_iter().flat_map(LivePlugins::refused);
        let refused = refused.map(|(file, refused)| RefusedFileFacts {
            file: file.display().to_string(),
            plugin: refused.plugin.clone(),
            at: refused.at,
            message: refused.sentence.clone(),
        });
        self.outlets.board.set_plugins(facts.collect(), refused.collect());
    }

    fn record(&self, report: Report, state: CheckState) {
        let report = Arc::new(report);
        self.outlets.journal.append(Arc::clone(&report));
        logs::run(&report, state.as_str());
        match report.outcome {
            Outcome::Skipped => self.outlets.board.skipped(report),
            _ => self.outlets.board.finished(report, state.as_str()),
        }
    }
}

fn shadow_facts(beside: &Beside<'_>) -> ShadowFacts {
    let shadow = beside.shadow;
    ShadowFacts {
        identity: shadow.new.clone(),
        since: beside.since,
        lasts: shadow.lasts(),
        is_over: beside.is_over,
        runs: shadow.runs(),
        differences: shadow.differences(),
        slowdown: shadow.slowdown(),
        examples: shadow.examples().to_vec(),
    }
}
