//! Heartbeats: a service far away is told that a run began and how it ended, and raises the alarm when it
//! hears nothing. In the manner of healthchecks.io: a POST to the URL itself for a success, to `/start` and
//! `/fail` below it, `rid` pairing a start with its end, the text in the body.
//!
//! Nothing here waits for the service, and nothing that happens to a heartbeat changes a run.

#[cfg(test)]
mod tests;
mod url;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use url::RunMark;
use url::Url;

use super::outbound::{Outbound, OutboundError};
use crate::outcome::{Outcome, Report};
use crate::render::{Charset, Look, Palette, waterfall};

/// The longest text, in bytes: what healthchecks.io keeps of it.
pub const MAX_TEXT: usize = 100_000;
/// How many heartbeats for one URL may wait; the oldest goes first, as the latest one tells most.
const MAX_WAITING: usize = 16;
/// How many requests of checks are under way at once, to all URLs together.
const MAX_AT_ONCE: usize = 64;
/// How many of these go to one host, so that one which does not answer leaves room for the others.
const MAX_TO_A_HOST: usize = 32;

/// Sends heartbeats to any number of URLs. Clones are the same.
#[derive(Clone)]
pub struct Heartbeats(Arc<Common>);

struct Common {
    outbound: Outbound,
    slots: Semaphore,
    /// The slots of each host, by its name and port.
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Of whom which URLs are told, as long as anybody has them: what waits for a URL goes out in order, whoever sent it.
    targets: Mutex<HashMap<Told, Weak<Target>>>,
    pauses: Vec<Duration>,
    counts: [AtomicU64; 3],
}

/// Of whom something is told, and the URL.
type Told = (Arc<str>, String);

/// What became of the heartbeats so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// They arrived.
    pub delivered: u64,
    /// They were given up, after several tries or because they were refused.
    pub failed: u64,
    /// They were not sent, because newer ones for the same URL were waiting.
    pub dropped: u64,
}

/// One URL. Clones are the same.
#[derive(Clone)]
pub struct Heartbeat(Arc<Target>);

struct Target {
    common: Arc<Common>,
    /// Of whom it tells: the name of a check, or that of the runner.
    what: Arc<str>,
    url: Url,
    /// The slots of its host; none for the runner's own, which waits for nobody.
    host: Option<Arc<Semaphore>>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    pings: VecDeque<Ping>,
    /// Whether somebody is delivering them.
    is_delivered: bool,
}

struct Ping {
    below: &'static str,
    rid: Option<RunMark>,
    text: Bytes,
}

impl Heartbeats {
    /// Heartbeats that go out there. One that fails is tried again after 1 s and after 5 s.
    pub fn new(outbound: Outbound) -> Self {
        Self::with_pauses(outbound, vec![Duration::from_secs(1), Duration::from_secs(5)])
    }

    fn with_pauses(outbound: Outbound, pauses: Vec<Duration>) -> Self {
        Self(Arc::new(Common {
            outbound,
            slots: Semaphore::new(MAX_AT_ONCE),
            hosts: Mutex::default(),
            targets: Mutex::default(),
            pauses,
            counts: Default::default(),
        }))
    }

    /// The heartbeat of the check `what` at a URL. It is the same for as long as anybody has it.
    ///
    /// # Errors
    ///
    /// A sentence when that is no URL, or one with a user. It does not repeat it.
    pub fn at(&self, what: impl Into<Arc<str>>, url: &str) -> Result<Heartbeat, String> {
        self.to(what.into(), url, |url| Some(self.0.slots_of(url.host())))
    }

    /// The runner's own heartbeat at a URL, which those of the checks cannot hold up.
    ///
    /// # Errors
    ///
    /// As those of [`Heartbeats::at`].
    pub fn of_runner(&self, url: &str) -> Result<Heartbeat, String> {
        self.to("the runner".into(), url, |_| None)
    }

    fn to(
        &self,
        what: Arc<str>,
        url: &str,
        slots: impl FnOnce(&Url) -> Option<Arc<Semaphore>>,
    ) -> Result<Heartbeat, String> {
        let mut targets = self.0.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(&what), url.to_owned());
        if let Some(target) = targets.get(&key).and_then(Weak::upgrade) {
            return Ok(Heartbeat(target));
        }
        let url = Url::parse(url).map_err(|sentence| format!("the heartbeat of `{what}`: {sentence}"))?;
        let target = Arc::new(Target {
            common: Arc::clone(&self.0),
            what,
            host: slots(&url),
            url,
            waiting: Mutex::default(),
        });
        if targets.len() == targets.capacity() {
            targets.retain(|_, target| target.strong_count() > 0);
        }
        targets.insert(key, Arc::downgrade(&target));
        Ok(Heartbeat(target))
    }

    /// What became of them so far.
    pub fn counts(&self) -> Counts {
        let [delivered, failed, dropped] = self
            .0
            .counts
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed));
        Counts {
            delivered,
            failed,
            dropped,
        }
    }
}

impl Heartbeat {
    /// A run begins.
    pub fn started(&self) -> RunMark {
        let mark = RunMark::random();
        self.send("/start", Some(mark), String::new());
        mark
    }

    /// A run is over. Of one that was skipped nothing is told: it says nothing about the target, so that the
    /// service raises the alarm if it stays so.
    pub fn finished(&self, mark: RunMark, report: &Report) {
        match report.outcome {
            Outcome::Pass => self.succeeded(Some(mark)),
            Outcome::Fail | Outcome::Error => self.failed(Some(mark), &text_of(report)),
            Outcome::Skipped => {}
        }
    }

    /// All is well.
    pub fn succeeded(&self, mark: Option<RunMark>) {
        self.send("", mark, String::new());
    }

    /// Something is wrong.
    pub fn failed(&self, mark: Option<RunMark>, text: &str) {
        let text = &text[..text.floor_char_boundary(MAX_TEXT)];
        self.send("/fail", mark, text.to_owned());
    }

    /// The runner begins.
    pub fn begun(&self) {
        self.send("/start", None, String::new());
    }

    /// Tells every so often how the runner is, as `health` says, until that is dropped; the first time at once.
    pub fn keep(&self, every: Duration, health: impl Fn() -> Result<(), String> + Send + 'static) -> Keeper {
        let heartbeat = self.clone();
        let task = async move {
            let mut ticks = tokio::time::interval(every);
            // After the machine slept, one is enough.
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match health() {
                    Ok(()) => heartbeat.succeeded(None),
                    Err(sentence) => heartbeat.failed(None, &sentence),
                }
            }
        };
        Keeper {
            heartbeat: self.clone(),
            every,
            task: self.0.common.outbound.keep(task),
        }
    }

    fn send(&self, below: &'static str, rid: Option<RunMark>, text: String) {
        let mut waiting = self.0.waiting();
        if waiting.pings.len() >= MAX_WAITING {
            waiting.pings.pop_front();
            self.0.common.count(2);
        }
        let text = Bytes::from(text);
        waiting.pings.push_back(Ping { below, rid, text });
        if !std::mem::replace(&mut waiting.is_delivered, true) {
            let target = Arc::clone(&self.0);
            self.0
                .common
                .outbound
                .deliver(async move { target.deliver().await });
        }
    }
}

/// The report as on a terminal, without colours.
fn text_of(report: &Report) -> String {
    waterfall(report, &Look::new(Some(100), Charset::Unicode, Palette::plain()))
}

/// Ends what [`Heartbeat::keep`] began when it is dropped.
#[must_use = "dropping it ends the heartbeat"]
pub struct Keeper {
    heartbeat: Heartbeat,
    every: Duration,
    task: tokio::task::AbortHandle,
}

impl Keeper {
    /// Whether it is this heartbeat that it tells, and so often.
    pub fn keeps(&self, heartbeat: &Heartbeat, every: Duration) -> bool {
        Arc::ptr_eq(&self.heartbeat.0, &heartbeat.0) && self.every == every
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Target {
    /// Delivers what waits, one after the other, so that a start is told before its end.
    async fn deliver(&self) {
        loop {
            let Some(ping) = self.next() else { return };
            match self.tried(&ping).await {
                Ok(()) => self.common.count(0),
                Err(error) => {
                    self.common.count(1);
                    tracing::warn!(what = %self.what, "a heartbeat was not delivered: {error}");
                }
            }
        }
    }

    /// The next one; with none left, whoever sends one begins a new delivery.
    fn next(&self) -> Option<Ping> {
        let mut waiting = self.waiting();
        let ping = waiting.pings.pop_front();
        waiting.is_delivered = ping.is_some();
        ping
    }

    async fn tried(&self, ping: &Ping) -> Result<(), OutboundError> {
        let url = self.url.below(ping.below, ping.rid);
        let mut pauses = self.common.pauses.iter();
        loop {
            match self.sent(url.clone(), ping.text.clone()).await {
                Err(error) if error.may_pass() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(error),
                },
                other => return other,
            }
        }
    }

    /// Sends it once. A slot is held for so long, and not while a pause lasts.
    async fn sent(&self, url: http::Uri, text: Bytes) -> Result<(), OutboundError> {
        let _slots = self.slots().await;
        self.common.outbound.post(url, &[], text).await
    }

    async fn slots(&self) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'_>)> {
        let of_host = self.host.as_ref()?;
        // The semaphores are never closed.
        let of_host = of_host.acquire().await.ok()?;
        Some((of_host, self.common.slots.acquire().await.ok()?))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Common {
    fn slots_of(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = hosts
            .entry(host.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(MAX_TO_A_HOST)));
        Arc::clone(slots)
    }

    fn count(&self, which: usize) {
        self.counts[which].fetch_add(1, Ordering::Relaxed);
    }
}
