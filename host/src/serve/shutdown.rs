//! How the daemon ends: nothing is begun any more, runs under way may end, then they are cancelled, what is to be
//! told is told, each step within a bound. A shutdown that drags on says what it waits for.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use super::Ending;
use super::board::{Board, Readiness};
use super::keeping;
use super::logs::{self, Logs};
use super::notify::Notifier;
use super::outbound::Outbound;
use super::probe::Probes;
use super::signals::{Signals, Wish};
use super::stage::Stage;
use super::supervise::Supervisor;
use crate::config::Serve;
use crate::journal::Journal;
use crate::open;
use crate::telemetry::{Exporter, FLUSH_BOUND};

/// How long runs may take to end once they are cancelled: they end at once, this is for a machine that is busy.
const CANCELLING: Duration = Duration::from_secs(5);
/// How long answers of the HTTP endpoints may take once the daemon ends.
const ANSWERING: Duration = Duration::from_secs(1);
/// How long heartbeats, events for Sentry and the log may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The most open things that are listed.
const MOST_LISTED: usize = 200;

/// What there is to end.
pub(super) struct Parts {
    pub(super) board: Arc<Board>,
    pub(super) journal: Journal,
    pub(super) exporter: Option<Arc<Exporter>>,
    pub(super) logs: Arc<Logs>,
    pub(super) notifier: Notifier,
    pub(super) outbound: Outbound,
    pub(super) supervisor: Supervisor,
    pub(super) stage: watch::Sender<Stage>,
    pub(super) probes: Arc<Probes>,
    /// The endpoints hold its receivers for as long as they serve.
    pub(super) stop_http: watch::Sender<Option<Instant>>,
    /// Told when no run is under way any more.
    pub(super) over: oneshot::Receiver<()>,
    /// How long the end may take, as the configuration says that is in force.
    pub(super) settings: watch::Receiver<Serve>,
}

/// Ends everything: as it was asked to, or because of a failure.
pub(super) async fn end(mut parts: Parts, mut signals: Signals, failure: Option<String>) -> Ending {
    let Serve {
        drain, report_after, ..
    } = *parts.settings.borrow();
    let _slow = complain_when_slow(&parts, report_after);
    parts.notifier.stopping();
    parts.board.set_readiness(Readiness::Stopping);
    parts.supervisor.stop();
    match &failure {
        None => tracing::info!(drain_s = drain.as_secs_f64(), "ending"),
        Some(reason) => tracing::error!("ending because of a failure: {reason}"),
    }
    let drain = if failure.is_some() { Duration::ZERO } else { drain };
    let asked_again = async { while signals.next().await != Wish::End {} };
    let is_over = drained(&mut parts, drain, asked_again).await;
    let stop_http = parts.stop_http.clone();
    stop_http.send_replace(Some(Instant::now() + ANSWERING));
    // Whoever serves ends at that moment, unless the runtime does not get on.
    let answered = timeout(ANSWERING * 2, stop_http.closed());
    let ((), _) = tokio::join!(flush(&mut parts), answered);
    let failure =
        failure.or_else(|| (!is_over).then(|| "runs did not end when they were cancelled".to_owned()));
    match &failure {
        None => tracing::info!("ended"),
        Some(reason) => {
            list_what_is_open(&parts.supervisor);
            tracing::error!("ended with a failure: {reason}");
        }
    }
    parts.supervisor.finish();
    // This is the main thread, which has nothing else to do: no other is needed for the wait.
    parts.outbound.flush(LAST_WORDS);
    parts.logs.finish(LAST_WORDS);
    failure.map_or(Ending::Asked, Ending::Failed)
}

/// Begins no run any more and waits for those under way, checks' and probes'. After so long, or when it is asked for
/// again, they are cancelled. Whether they are over then.
async fn drained(parts: &mut Parts, drain: Duration, asked_again: impl Future) -> bool {
    parts.probes.end();
    parts.stage.send_replace(Stage::Draining);
    let mut over = pin!(async {
        // The daemon that is gone without having told has nothing under way either.
        let _ = (&mut parts.over).await;
        parts.probes.ended().await;
    });
    tokio::select! {
        biased;
        () = &mut over => return true,
        _ = asked_again => {}
        () = tokio::time::sleep(drain) => {}
    }
    tracing::warn!(
        runs = open::everywhere().count(open::Kind::Run),
        "cancelling the runs under way"
    );
    parts.probes.cancel();
    parts.stage.send_replace(Stage::Cancelling);
    timeout(CANCELLING, over).await.is_ok()
}

/// Has everything written, sends the telemetry that is left and waits for the answers under way.
async fn flush(parts: &mut Parts) {
    if let Err(unfinished) = parts.journal.flush(keeping::CLOSING).await {
        tracing::error!("{unfinished}");
    }
    if let Some(exporter) = parts.exporter.take() {
        for loss in exporter.shutdown(FLUSH_BOUND).await {
            tracing::error!("telemetry: {loss}");
        }
    }
    // How far the deliveries have come is kept with it.
    if let Err(unfinished) = parts.journal.close(keeping::CLOSING).await {
        tracing::error!("{unfinished}");
    }
}

/// Says again and again what is still open, as long as the shutdown takes; until the sender is dropped. On a thread of
/// its own, because it may be the runtime that does not get on.
fn complain_when_slow(parts: &Parts, after: Duration) -> Sender<()> {
    let (ended, end) = channel();
    let (logs, supervisor) = (Arc::clone(&parts.logs), parts.supervisor.clone());
    let complain = move || {
        while end.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
            logs.to_debug();
            tracing::warn!(target: logs::OPEN, "the shutdown drags on; what is open:");
            list_what_is_open(&supervisor);
        }
    };
    let thread = std::thread::Builder::new().name("slow-shutdown".into());
    if let Err(error) = thread.spawn(complain) {
        tracing::error!("no thread can be started to watch the shutdown: {error}");
    }
    ended
}

fn list_what_is_open(supervisor: &Supervisor) {
    for line in open::everywhere()
        .lines(MOST_LISTED)
        .into_iter()
        .chain(supervisor.lines())
    {
        tracing::warn!(target: logs::OPEN, "open: {line}");
    }
}
