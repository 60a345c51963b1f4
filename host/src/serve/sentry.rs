//! Events for Sentry, as its envelopes have them (develop.sentry.dev, "Envelopes" and "Event Payloads"). A
//! bounded number waits, nobody waits for them, and a Sentry that is away costs nothing but the events.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Uri};
use serde_json::{Map, Value, json};

use super::logs::rfc3339;
use super::outbound::{Outbound, OutboundError};
use crate::http_url;
use crate::outcome::hexadecimal;

/// How many events may wait or be under way.
const MAX_WAITING: usize = 32;
/// How many events a minute are sent: a panic in every run is one trouble, not thousands.
const MAX_A_MINUTE: u32 = 30;
/// How long nothing is sent after a refusal that does not say how long.
const PAUSE: Duration = Duration::from_secs(60);
/// The longest that nothing is sent, whatever a refusal says: a proxy that asks for years would silence Sentry until the
/// next restart, and a request an hour is a burden to nobody.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Where events go. Clones are the same.
#[derive(Clone)]
pub struct Sentry(Arc<Inner>);

struct Inner {
    outbound: Outbound,
    url: Uri,
    /// The header that authorizes, with the DSN's key.
    authorization: HeaderValue,
    waiting: AtomicUsize,
    dropped: AtomicU64,
    window: Mutex<Window>,
}

/// What was sent lately, and until when nothing is.
struct Window {
    began: Instant,
    events: u32,
    closed_until: Option<Instant>,
}

/// Something to tell.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// Of what kind: `panic`, `unexpected error`. Events of one kind and place are grouped.
    pub kind: String,
    /// What happened, without secrets.
    pub message: String,
    /// Where in the program.
    pub location: Option<String>,
    /// Whether the process ends for it.
    pub is_fatal: bool,
    /// What else is known, each by a name.
    pub context: Vec<(&'static str, String)>,
}

impl Sentry {
    /// Sentry at a DSN, `https://KEY@HOST/PROJECT`.
    ///
    /// # Errors
    ///
    /// A sentence when that is no DSN. It does not repeat it.
    pub fn new(dsn: &str, outbound: Outbound) -> Result<Self, String> {
        let (url, key) = parse(dsn).ok_or("wanted a Sentry DSN, such as `https://KEY@HOST/PROJECT`")?;
        let client = concat!("bedcheck/", env!("CARGO_PKG_VERSION"));
        let authorization = format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={key}");
        let mut authorization = HeaderValue::try_from(authorization)
            .map_err(|_| "the DSN's key has characters that a header cannot have")?;
        authorization.set_sensitive(true);
        Ok(Self(Arc::new(Inner {
            outbound,
            url,
            authorization,
            waiting: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            window: Mutex::new(Window {
                began: Instant::now(),
                events: 0,
                closed_until: None,
            }),
        })))
    }

    /// Whether it is at the same place as another, with the same key.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.0.url, &self.0.authorization) == (&other.0.url, &other.0.authorization)
    }

    /// Sends an event, or counts it as dropped when too many wait or were sent. Never waits.
    pub fn send(&self, event: &Event) {
        let inner = &self.0;
        let has_room = inner.waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING;
        if !has_room || !inner.admits(Instant::now()) {
            inner.waiting.fetch_sub(1, Ordering::Relaxed);
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let body = envelope(event, inner.dropped.load(Ordering::Relaxed), SystemTime::now());
        let sentry = self.clone();
        inner
            .outbound
            .deliver(async move { sentry.0.deliver(body).await });
    }

    /// How many events were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn admits(&self, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.closed_until.is_some_and(|until| now < until) {
            return false;
        }
        if now.saturating_duration_since(window.began) >= Duration::from_secs(60) {
            *window = Window {
                began: now,
                events: 0,
                closed_until: None,
            };
        }
        window.events += 1;
        window.events <= MAX_A_MINUTE
    }

    async fn deliver(&self, body: Bytes) {
        let headers = [
            ("x-sentry-auth", self.authorization.clone()),
            (
                "content-type",
                HeaderValue::from_static("application/x-sentry-envelope"),
            ),
        ];
        let sent = self.outbound.post(self.url.clone(), &headers, body).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let Err(error) = sent else { return };
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if let OutboundError::Answered { retry_after, .. } = &error {
            let pause = retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            window.closed_until = Some(Instant::now() + pause);
        }
        tracing::warn!(what = "sentry", "an event did not reach Sentry: {error}");
    }
}

/// Where envelopes go, and the key.
fn parse(dsn: &str) -> Option<(Uri, String)> {
    let uri = http_url::parse(dsn).ok()?;
    let scheme = uri.scheme_str()?;
    let (user, host) = uri.authority()?.as_str().split_once('@')?;
    // A secret part of the key, which old DSNs have, is not wanted any more.
    let key = user.split(':').next().filter(|key| !key.is_empty())?;
    let (path, project) = uri.path().rsplit_once('/')?;
    let is_project = !project.is_empty() && !host.is_empty();
    let url = format!("{scheme}://{host}{path}/api/{project}/envelope/");
    Some((url.parse().ok().filter(|_| is_project)?, key.to_owned()))
}

/// An envelope with one event.
fn envelope(event: &Event, dropped: u64, now: SystemTime) -> Bytes {
    let id = hexadecimal(&rand::random::<[u8; 16]>());
    let now = rfc3339(now);
    let mut extra: Map<String, Value> = event
        .context
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    if dropped > 0 {
        extra.insert("events_dropped".to_owned(), dropped.into());
    }
    let named = |names: &[&str]| -> Map<String, Value> {
        let kept = extra.iter().filter(|(name, _)| names.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let payload = json!({
        "event_id": id,
        "timestamp": now,
        "platform": "native",
        "level": if event.is_fatal { "fatal" } else { "error" },
        "logger": "bedcheck",
        "release": concat!("bedcheck@", env!("CARGO_PKG_VERSION")),
        "transaction": event.location,
        "fingerprint": [event.kind, event.location.as_deref().unwrap_or("{{ default }}")],
        "exception": {"values": [{
            "type": event.kind,
            "value": event.message,
            "mechanism": {"type": "generic", "handled": !event.is_fatal},
        }]},
        "tags": named(&["task", "check", "thread"]),
        "extra": extra,
    })
    .to_string();
    let head = json!({"event_id": id, "sent_at": now});
    let item = json!({"type": "event", "content_type": "application/json", "length": payload.len()});
    Bytes::from(format!("{head}\n{item}\n{payload}\n"))
}

#[cfg(test)]
#[path = "sentry_tests.rs"]
mod tests;
