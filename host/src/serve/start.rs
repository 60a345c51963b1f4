//! From a configuration file to a daemon with everything around it, and its life until it is asked to end. How it
//! ends is in `shutdown`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::aside::Aside;
use super::board::{Board, Keep, Readiness};
use super::changes::{Changes, Wish};
use super::control::{Control, MAX_WISHES};
use super::daemon::Daemon;
use super::file_watch::FileWatch;
use super::generation::{self, Generation, Lasting};
use super::heartbeat::Heartbeats;
use super::http::{Answers, Bounds, Endpoints, Listener, router};
use super::incidents::{Incidents, Kind};
use super::keeping;
use super::logs::{self, Logs};
use super::notify::Notifier;
use super::outbound::Outbound;
use super::probe::{self, Probes};
use super::publisher::{Outlets, Publisher};
use super::shutdown::{self, Parts};
use super::signals::{Signals, Wish as Signal};
use super::stage::Stage;
use super::supervise::{Closeness, Restart, Supervisor};
use super::takeover::{self, Register};
use super::watching::{self, ConfiguredHeartbeats};
use super::{Ending, Hindrance};
use crate::config::{Config, Http};
use crate::connection::read_system_roots;
use crate::journal::Journal;
use crate::open_files;
use crate::outcome::Report;
use crate::policy::state::CheckState;
use crate::sandbox::Compiling;
use crate::telemetry::{self, Exporter, Meters, Settings};

/// Serves the checks of a configuration file until the process is asked to end or something of its own fails.
pub async fn serve(file: PathBuf, compiling: Compiling) -> Ending {
    let signals = Signals::new().map_err(|error| format!("signals cannot be received: {error}"));
    let outbound = Outbound::start().map_err(|error| format!("no thread can be started: {error}"));
    let (mut signals, outbound) = match (signals, outbound) {
        (Ok(signals), Ok(outbound)) => (signals, outbound),
        (Err(sentence), _) | (_, Err(sentence)) => {
            return Ending::Refused(Hindrance::passing(sentence));
        }
    };
    let lasting = Arc::new(Lasting {
        file,
        compiling,
        heartbeats: Heartbeats::new(outbound.clone()),
    });
    let mut is_reload_asked = false;
    let begun = tokio::select! {
        begun = begin(lasting, outbound) => begun,
        () = asked_to_end(&mut signals, &mut is_reload_asked) => return Ending::Asked,
    };
    match begun {
        Ok(begun) => {
            if is_reload_asked {
                begun.reload();
            }
            begun.live(signals).await
        }
        Err(hindrance) => Ending::Refused(hindrance),
    }
}

/// A daemon at work.
struct Begun {
    parts: Parts,
    wishes: mpsc::Sender<Wish>,
}

/// Finds out whether a daemon of this configuration would have what it needs for itself besides its checks: its secrets,
/// its heartbeats, Sentry, the certificate of its endpoints. Sends nothing.
///
/// # Errors
///
/// Everything that is missing or cannot be used, a line each.
pub async fn verify(config: &Config) -> Result<(), String> {
    let outbound = Outbound::start().map_err(|error| format!("no thread can be started: {error}"))?;
    let mut wrong = Vec::new();
    match generation::own_secrets(config).await {
        Ok(secrets) => {
            let heartbeats = Heartbeats::new(outbound.clone());
            let heartbeats = ConfiguredHeartbeats::new(config, &secrets, &heartbeats);
            wrong.extend(heartbeats.err().into_iter().flatten());
            let environment = |name: &str| std::env::var(name).ok();
            wrong.extend(watching::sentry(config, &secrets, &environment, &outbound).err());
        }
        Err(unread) => wrong.push(unread.to_string()),
    }
    if let Some(http) = &config.http {
        wrong.extend(Listener::verify(http).await.err().map(|error| error.to_string()));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Begins everything, or says what keeps it from beginning.
async fn begin(lasting: Arc<Lasting>, outbound: Outbound) -> Result<Begun, Hindrance> {
    // A change while the file is being read is one to come.
    let file = FileWatch::new(&lasting.file);
    let loading = Arc::clone(&lasting);
    // The end may be asked for meanwhile, and many thousand checks take a while.
    let aside = Aside::start().map_err(Hindrance::no_thread)?;
    let loaded = aside
        .does(async move { Generation::load(&loading, None).await })
        .await;
    let generation = loaded.map_err(|_| Hindrance::passing("preparing the checks crashed"))??;
    let config = generation.config();
    let logs = Arc::new(Logs::start(config.log)?);
    let environment = |name: &str| std::env::var(name).ok();
    watching::sentry(config, &generation.secrets, &environment, &outbound)?;
    let variable = |name: &str| std::env::var_os(name);
    let mut settings = Settings::of(config.otlp.as_ref(), &variable)?;
    let histograms = settings.as_ref().map(|settings| settings.histograms);
    let mut attributes = Meters::resource_from(&variable);
    attributes.extend(config.otlp.iter().flat_map(|otlp| otlp.resource.clone()));
    let kept = keeping::settings(config.journal.as_ref());
    if let Some(dir) = &kept.dir {
        // What goes on after a restart goes on as the same series.
        telemetry::name_instance(&mut attributes, dir);
        if let Some(settings) = &mut settings {
            telemetry::name_instance(&mut settings.resource, dir);
        }
    }
    let meters = Meters::with_histograms(&attributes, histograms.unwrap_or_default());
    let journal = keeping::open(kept, &meters, takeover::labels(&generation)).await?;
    let exporter = exporter(settings.as_ref(), &meters, &journal)?;
    let notifier = Notifier::new(&environment).map_err(|error| format!("`NOTIFY_SOCKET`: {error}"))?;
    let listener = match &config.http {
        Some(http) => Some(listener(http, config.concurrency).await?),
        None => None,
    };
    // From here on nothing keeps it from beginning: what is watched may not end before the daemon does.
    let incidents = incidents(&meters);
    let supervisor = supervisor(&incidents, &notifier, &outbound, &logs, &meters)?;
    keeping::watch(&journal, &supervisor);
    let board = Board::new(Keep::default());
    let (wishes, wished) = mpsc::channel(MAX_WISHES);
    let control = Control {
        wishes: wishes.clone(),
        supervisor: supervisor.clone(),
        switches: Arc::clone(&generation.preparation.switches),
    };
    let stop_http = watch::Sender::new(None);
    let probes = Arc::new(probes(&generation, &journal));
    let mut endpoints = None;
    if let (Some(http), Some(listener)) = (&config.http, listener) {
        let token = http.token.as_ref();
        let token = token
            .and_then(|name| generation.secrets.get(name.as_str()))
            .cloned();
        let served = Endpoints::new(Arc::clone(&board), meters.clone(), Arc::new(control), token);
        served.show_journal(journal.clone());
        endpoints = Some(served.clone());
        tracing::info!(address = %listener.address(), "listening");
        let (probed, stops) = (Arc::clone(&probes), stop_http.clone());
        supervisor.spawn("http", Restart::USUAL, move |pulse| {
            let (listener, stops) = (Arc::clone(&listener), stops.subscribe());
            let routes = router(served.clone(), probe::routes(Arc::clone(&probed)));
            let direct = probe::direct(Arc::clone(&probed));
            let answers = Answers::from(routes).with_direct(probe::PATH, served.clone(), direct);
            async move {
                pulse.waiting("serving requests");
                listener.serve(answers, stops).await;
                Ok(())
            }
        });
    }
    let register = Register {
        board: Arc::clone(&board),
        meters: meters.clone(),
    };
    let (serving, settings) = watch::channel(config.serve);
    let publisher = Publisher::new(Outlets {
        board: Arc::clone(&board),
        meters,
        journal: journal.clone(),
        logs: Arc::clone(&logs),
        notifier: notifier.clone(),
        incidents,
        outbound: outbound.clone(),
        supervisor: supervisor.clone(),
        endpoints,
        probes: Arc::clone(&probes),
        serving,
    });
    let (stage, stages) = watch::channel(Stage::Serving);
    let changes = Changes::new(lasting, file, &generation, register.clone());
    let trusts_system = generation.preparation.trusts_system();
    let daemon = Daemon::new(register.first(generation), changes, wished, stages, publisher);
    let over = spawn(&supervisor, daemon);
    if trusts_system {
        // By the time a run needs them they are read, and none has waited for those that it does not need.
        tokio::spawn(read_system_roots());
    }
    board.set_readiness(Readiness::Ready);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    let parts = Parts {
        board,
        journal,
        exporter,
        logs,
        notifier,
        outbound,
        supervisor,
        stage,
        probes,
        stop_http,
        over,
        settings,
    };
    Ok(Begun { parts, wishes })
}

async fn listener(http: &Http, concurrency: usize) -> Result<Arc<Listener>, String> {
    let bounds = Bounds::default();
    let connections = open_files::room_for_clients(bounds.connections, concurrency);
    let bound = Listener::bind(
        http,
        Bounds {
            connections,
            ..bounds
        },
    )
    .await;
    bound.map(Arc::new).map_err(|error| error.to_string())
}

impl Begun {
    fn reload(&self) {
        // A full queue means that a reload waits already.
        let _ = self.wishes.try_send(Wish::Reload(None));
    }

    /// Lives until the end is asked for, or something fails.
    async fn live(self, mut signals: Signals) -> Ending {
        let supervisor = self.parts.supervisor.clone();
        let failure = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::End => break None,
                    Signal::Reload => self.reload(),
                },
                reason = supervisor.end_demanded() => break Some(reason),
            }
        };
        shutdown::end(self.parts, signals, failure).await
    }
}

fn exporter(
    settings: Option<&Settings>,
    meters: &Meters,
    journal: &Journal,
) -> Result<Option<Arc<Exporter>>, String> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let exporter = Exporter::start_with(settings, meters, Some(journal), &Handle::current());
    let exporter = exporter.map_err(|error| format!("otlp: {error}"))?;
    Ok(Some(Arc::new(exporter)))
}

/// What can be probed, and who is told of each probe.
fn probes(generation: &Generation, journal: &Journal) -> Probes {
    let journal = journal.clone();
    let observer = move |report: Arc<Report>| {
        journal.append(Arc::clone(&report));
        logs::run(&report, CheckState::Unknown.as_str());
    };
    Probes::new(
        Arc::clone(&generation.runner),
        generation.preparation.modules.clone(),
        generation.timeout_offset(),
        Box::new(observer),
    )
}

fn incidents(meters: &Meters) -> Incidents {
    let meters = meters.clone();
    let incidents = Incidents::new(move |kind| {
        if kind == Kind::Panic {
            meters.panicked();
        }
    });
    incidents.install();
    incidents
}

fn supervisor(
    incidents: &Incidents,
    notifier: &Notifier,
    outbound: &Outbound,
    logs: &Arc<Logs>,
    meters: &Meters,
) -> Result<Supervisor, Hindrance> {
    let usual = Closeness::default();
    let closeness = Closeness {
        look_every: notifier.look_every(usual.look_every),
        ..usual
    };
    let meters = meters.clone();
    let hooks = watching::hooks(
        incidents.clone(),
        notifier.clone(),
        outbound.clone(),
        Arc::clone(logs),
        move |task| meters.task_restarted(task),
    );
    let supervisor = Supervisor::start(closeness, hooks, Handle::current());
    supervisor.map_err(Hindrance::no_thread)
}

/// Has the daemon run under supervision. It has state that nobody else has, so that the process ends with it.
fn spawn(supervisor: &Supervisor, daemon: Daemon) -> oneshot::Receiver<()> {
    let (told, over) = oneshot::channel();
    let once = Mutex::new(Some((daemon, told)));
    supervisor.spawn("daemon", Restart::EndProcess, move |pulse| {
        let taken = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            let (daemon, told) = taken.ok_or("it cannot be begun twice")?;
            daemon.run(pulse).await;
            // Whoever waits for the end may have given up.
            let _ = told.send(());
            Ok(())
        }
    });
    over
}

/// Waits until the end is asked for, and remembers whether anything else was.
async fn asked_to_end(signals: &mut Signals, is_reload_asked: &mut bool) {
    while signals.next().await != Signal::End {
        *is_reload_asked = true;
    }
}
