//! What must not happen and happened all the same: panics, errors nobody expected, tasks that died. Each is
//! logged with what is known around it, counted, and told to Sentry if there is one. Secrets are struck out.

use std::fmt::Display;
use std::panic::{Location, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use super::sentry::{Event, Sentry};
use super::supervise::{self, Consequence, Trouble, Whom};
use crate::redactor::Redactor;
use crate::text::told;

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 1024;

static INSTALLED: OnceLock<Incidents> = OnceLock::new();

tokio::task_local! {
    static CHECK: Arc<str>;
}

/// What kind of incident it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A panic, anywhere.
    Panic,
    /// An error that nobody expected.
    Unexpected,
    /// A task or the runtime that did not get on.
    Trouble,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Unexpected => "unexpected error",
            Self::Trouble => "trouble",
        }
    }
}

/// Takes incidents in. Clones are the same.
#[derive(Clone)]
pub struct Incidents(Arc<Inner>);

struct Inner {
    counts: [AtomicU64; 3],
    counted: Box<dyn Fn(Kind) + Send + Sync>,
    sentry: RwLock<Option<Sentry>>,
    redactor: RwLock<Redactor>,
}

impl Incidents {
    /// `counted` is called for each, for metrics; it must not panic.
    pub fn new(counted: impl Fn(Kind) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            counts: Default::default(),
            counted: Box::new(counted),
            sentry: RwLock::default(),
            redactor: RwLock::default(),
        }))
    }

    /// Makes these the process's: panics come here from now on, and what is told to [`unexpected`]. Only the
    /// first call has an effect.
    pub fn install(&self) {
        if INSTALLED.set(self.clone()).is_ok() {
            let incidents = self.clone();
            std::panic::set_hook(Box::new(move |panic| incidents.panicked(panic)));
        }
    }

    /// Whom to tell from now on, and what must not be shown.
    pub fn configure(&self, sentry: Option<Sentry>, redactor: Redactor) {
        let mut told = self
            .0
            .sentry
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // One that stays the same goes on, with the pause that it asked for.
        let is_same = told
            .as_ref()
            .zip(sentry.as_ref())
            .is_some_and(|(told, sentry)| told.is_at(sentry));
        if !is_same {
            *told = sentry;
        }
        drop(told);
        *self
            .0
            .redactor
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = redactor;
    }

    /// How many of a kind there were.
    pub fn count(&self, kind: Kind) -> u64 {
        self.0.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// Takes a trouble of the supervisor's in.
    pub fn trouble(&self, trouble: &Trouble) {
        let is_fatal = trouble.consequence == Consequence::EndProcess;
        let mut event = self.event(Kind::Trouble, &trouble.to_string());
        event.is_fatal = is_fatal;
        if let Whom::Task { name, spawned, doing } = &trouble.whom {
            event.kind = format!("task {}", trouble.mishap.as_str());
            event.location = Some(spawned.to_string());
            event.context.push(("task", name.to_string()));
            event.context.push(("doing", self.harmless(doing)));
        }
        self.take(Kind::Trouble, event);
    }

    /// Takes a panic in, on the thread that panics.
    fn panicked(&self, panic: &PanicHookInfo<'_>) {
        let mut event = self.event(Kind::Panic, &supervise::words(panic.payload()));
        event.location = panic.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            event
                .context
                .push(("backtrace", self.harmless(&backtrace.to_string())));
        }
        self.take(Kind::Panic, event);
    }

    /// An event with what is known around whoever asks.
    fn event(&self, kind: Kind, message: &str) -> Event {
        let mut context = Vec::new();
        if let Some(thread) = std::thread::current().name() {
            context.push(("thread", thread.to_owned()));
        }
        if let Some(pulse) = supervise::current() {
            context.push(("task", pulse.task().to_string()));
            context.push(("doing", self.harmless(&pulse.activity().to_string())));
        }
        if let Ok(check) = CHECK.try_with(Arc::clone) {
            context.push(("check", check.to_string()));
        }
        Event {
            kind: kind.as_str().to_owned(),
            message: self.harmless(message),
            location: None,
            is_fatal: false,
            context,
        }
    }

    fn take(&self, kind: Kind, event: Event) {
        self.0.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        log(&event);
        (self.0.counted)(kind);
        // Whoever changes it at this moment may be who panicked.
        if let Ok(sentry) = self.0.sentry.try_read()
            && let Some(sentry) = &*sentry
        {
            sentry.send(&event);
        }
    }

    /// Without secrets, in one line, and not too long. Without the redactor at hand there are no words.
    fn harmless(&self, text: &str) -> String {
        match self.0.redactor.try_read() {
            Ok(redactor) => told(&redactor.redact(text), MAX_MESSAGE),
            Err(_) => "(not shown)".to_owned(),
        }
    }
}

fn log(event: &Event) {
    let of = |wanted: &str| event.context.iter().find(|(name, _)| *name == wanted);
    let of = |wanted| of(wanted).map(|(_, value)| value.as_str());
    tracing::error!(
        kind = event.kind,
        location = event.location.as_deref(),
        thread = of("thread"),
        task = of("task"),
        doing = of("doing"),
        check = of("check"),
        backtrace = of("backtrace"),
        "{}: {}",
        event.kind,
        event.message
    );
}

/// Has what happens in the future known as of this check. No `async fn`, which would hold the future twice.
pub fn of_check<F: Future>(check: Arc<str>, future: F) -> impl Future<Output = F::Output> {
    CHECK.scope(check, future)
}

/// An error that nobody expected, and what the daemon was about to do. The daemon goes on.
#[track_caller]
pub fn unexpected(about_to: &str, error: impl Display) {
    let message = format!("{about_to}: {error}");
    match INSTALLED.get() {
        Some(incidents) => {
            let mut event = incidents.event(Kind::Unexpected, &message);
            event.location = Some(Location::caller().to_string());
            incidents.take(Kind::Unexpected, event);
        }
        None => tracing::error!("{}", told(&message, MAX_MESSAGE)),
    }
}

#[cfg(test)]
#[path = "incidents_tests.rs"]
mod tests;
