//! What a task says of itself while it lives.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

tokio::task_local! {
    static CURRENT: Pulse;
}

/// A task's word about what it is doing. Clones are the same pulse.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    task: Arc<str>,
    beats: AtomicU64,
    activity: Mutex<Activity>,
}

/// What a task is doing.
#[derive(Debug, Clone)]
pub struct Activity {
    /// In the words of the task: `reading the configuration`.
    pub what: Cow<'static, str>,
    /// By when it says something again; none where it may wait for ever.
    pub within: Option<Duration>,
    /// Since when.
    pub since: Instant,
}

impl Pulse {
    /// The pulse of a task that begins now; it has `within` to say what it is doing.
    pub(super) fn new(task: Arc<str>, within: Duration) -> Self {
        Self(Arc::new(Inner {
            task,
            beats: AtomicU64::new(0),
            activity: Mutex::new(Activity {
                what: Cow::Borrowed("beginning"),
                within: Some(within),
                since: Instant::now(),
            }),
        }))
    }

    /// The task does something that it is done with `within`; then it says something again, or is taken for
    /// stuck.
    pub fn doing(&self, what: impl Into<Cow<'static, str>>, within: Duration) {
        self.beat(what.into(), Some(within));
    }

    /// The task waits for something that may never come, such as a signal.
    pub fn waiting(&self, what: impl Into<Cow<'static, str>>) {
        self.beat(what.into(), None);
    }

    fn beat(&self, what: Cow<'static, str>, within: Option<Duration>) {
        let since = Instant::now();
        *self.0.activity.lock().unwrap_or_else(PoisonError::into_inner) = Activity { what, within, since };
        self.0.beats.fetch_add(1, Ordering::Release);
    }

    /// The name of the task.
    pub fn task(&self) -> &Arc<str> {
        &self.0.task
    }

    /// What the task said last.
    pub fn activity(&self) -> Activity {
        self.0
            .activity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How often it said something.
    pub(super) fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Acquire)
    }

    /// Has the pulse found by [`current`] while the future runs.
    pub(super) async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = crate::text::printable(&self.what);
        write!(formatter, "{what}, since {:.1?}", self.since.elapsed())
    }
}

/// The pulse of the supervised task that runs on this thread right now.
pub fn current() -> Option<Pulse> {
    CURRENT.try_with(Clone::clone).ok()
}
